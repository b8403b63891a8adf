/* sendgrid_templates.c - /v3/templates and their versions. */
#include <stdio.h>
#include <stdlib.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "base/wiped.h"
#include "core/core.h"
#include "cursor.h"
#include "rt/rt.h"
#include "send/compose.h"
#include "send/stored.h"
#include "sendgrid.h"

enum { PAGE_MAX = 200 };

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }
static struct slice account_of(struct http_call *c) { return sl_cstr(c->key.account->id); }
static json_t *text(struct slice s) { return json_stringn(s.p ? s.p : "", s.n); }

/* "2026-11-28 13:12:46" */
static json_t *moment(int64_t seconds)
{
    char t[CIVIL_TEXT_MAX];
    civil_format(seconds, t);
    t[10] = ' ';
    return json_stringn(t, 19);
}

static struct slice new_id(struct http_call *c, bool dynamic)
{
    uint64_t v[2];
    rt_random(v, sizeof v);
    if (dynamic)
        return ar_printf(c->a, "d-%016llx%016llx", (unsigned long long)v[0], (unsigned long long)v[1]);
    return ar_printf(c->a, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(v[0] >> 32),
                     (unsigned)(v[0] >> 16) & 0xffff, (unsigned)v[0] & 0xfff,
                     (unsigned)(v[1] >> 48 & 0x3fff) | 0x8000, (unsigned long long)(v[1] & 0xffffffffffff));
}

static void failed(struct http_call *c, int e)
{
    http_fail(c, e == ERR_EXISTS ? 409 : http_status_of(e == ERR_SYNTAX ? ERR_USAGE : e), "%s",
              e == ERR_NOT_FOUND ? "Template or version not found" : err_text(e));
}

static int ours(struct http_call *c, struct slice id, struct arena *a, struct stored_template *t)
{
    return dialect_template(c, "dynamic legacy", id, a, t);
}

/* ---- as JSON ---- */

static json_t *version_lean(const struct stored_template *t, const struct stored_version *v)
{
    return json_pack("{s:o,s:o,s:i,s:o,s:o,s:o}", "id", text(v->id), "template_id", text(t->id), "active",
                     v->active ? 1 : 0, "name", text(v->name), "subject", text(v->subject), "updated_at",
                     moment(v->updated));
}

/* What is kept beside the texts. */
static void put_extra(json_t *to, struct slice extra)
{
    json_t *v = json_loadb(extra.p ? extra.p : "", extra.n, 0, NULL);
    if (json_is_object(v)) json_object_update(to, v);
    json_decref(v);
}

static json_t *version_whole(const struct stored_template *t, const struct stored_version *v)
{
    json_t *o = version_lean(t, v);
    json_object_set_new(o, "html_content", text(v->html));
    json_object_set_new(o, "plain_content", text(v->text));
    json_object_set_new(o, "warnings", json_array());
    put_extra(o, v->extra);
    return o;
}

/* Versions with their subjects, or whole. */
static int template_json(struct http_call *c, const struct stored_template *t, bool whole, json_t **out)
{
    json_t *versions = json_array();
    int e = 0;
    for (size_t i = 0; i < t->n && !e; i++) {
        struct stored_version v;
        e = stored_version_get(sends_of(c), account_of(c), t->id, t->version[i].id, c->a, &v);
        if (!e) json_array_append_new(versions, whole ? version_whole(t, &v) : version_lean(t, &v));
    }
    *out = json_pack("{s:o,s:o,s:o,s:o,s:o}", "id", text(t->id), "name", text(t->name), "generation",
                     text(t->kind), "updated_at", moment(t->updated), "versions", versions);
    return e;
}

static void told(struct http_call *c, int status, struct slice id)
{
    struct stored_template t;
    json_t *v = NULL;
    int e = ours(c, id, c->a, &t);
    if (!e) e = template_json(c, &t, true, &v);
    if (!e) {
        api_json(c, status, v);
        return;
    }
    json_decref(v);
    failed(c, e);
}

/* ---- templates ---- */

void sendgrid_template_create(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct slice kind = SL(""), name = SL("");
    int e = api_member_text(body, "generation", &kind);
    if (!e) e = api_member_text(body, "name", &name);
    bool dynamic = sl_eq(kind, SL("dynamic"));
    struct stored_template t = {
        .id = new_id(c, dynamic), .name = name, .kind = dynamic ? SL("dynamic") : SL("legacy")};
    if (!e && kind.n && !dynamic && !sl_eq(kind, SL("legacy")))
        e = err_set(ERR_USAGE, "generation must be either legacy or dynamic");
    if (!e) e = stored_template_add(sends_of(c), account_of(c), &t, NULL);
    if (e) failed(c, e);
    else told(c, 201, t.id);
    json_decref(body);
}

void sendgrid_template_rename(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct slice name = SL("");
    struct stored_template t;
    int e = api_member_text(body, "name", &name);
    if (!e) e = ours(c, c->param[0], c->a, &t);
    if (!e) e = stored_template_rename(sends_of(c), account_of(c), c->param[0], name);
    if (e) failed(c, e);
    else told(c, 200, c->param[0]);
    json_decref(body);
}

void sendgrid_template_copy(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct stored_template t, copy = {.id = new_id(c, sl_starts(c->param[0], SL("d-"))), .name = SL("")};
    int e = api_member_text(body, "name", &copy.name);
    if (!e) e = ours(c, c->param[0], c->a, &t);
    if (!e) e = stored_template_copy(sends_of(c), account_of(c), c->param[0], &copy);
    if (e) failed(c, e);
    else told(c, 201, copy.id);
    json_decref(body);
}

void sendgrid_template_get(struct http_call *c) { told(c, 200, c->param[0]); }

void sendgrid_template_delete(struct http_call *c)
{
    struct stored_template t;
    int e = ours(c, c->param[0], c->a, &t);
    if (!e) e = stored_template_remove(sends_of(c), account_of(c), c->param[0]);
    if (e) failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

struct listing {
    struct http_call *c;
    json_t *list;
    struct slice kinds, after, last;
    size_t page, n;
    bool more;
};

static bool is_among(struct slice list, struct slice word)
{
    struct slice one;
    while (sl_next(&list, ',', &one))
        if (sl_eq(sl_trim(one), word)) return true;
    return false;
}

static int list_one(void *arg, const struct stored_template *t)
{
    struct listing *l = arg;
    json_t *v = NULL;
    if (!is_among(l->kinds, t->kind) || (l->after.n && sl_cmp(t->id, l->after) <= 0)) return 0;
    if (l->n == l->page) {
        l->more = true;
        return 1;
    }
    int e = template_json(l->c, t, false, &v);
    json_array_append_new(l->list, v);
    l->last = ar_dup(l->c->a, t->id);
    l->n++;
    return e;
}

static bool are_kinds(struct slice list)
{
    struct slice one;
    while (sl_next(&list, ',', &one))
        if (!sl_eq(one, SL("legacy")) && !sl_eq(one, SL("dynamic"))) return false;
    return true;
}

/* Pages with page_size; without it all there are, under another name, as older clients know it. */
void sendgrid_template_list(struct http_call *c)
{
    struct slice size = http_query(c, SL("page_size")), kinds = http_query(c, SL("generations"));
    uint64_t page = SIZE_MAX;
    struct listing l = {.c = c, .list = json_array(), .kinds = kinds.n ? kinds : SL("legacy")};
    int e = size.p && (!num_u64(size, PAGE_MAX, &page) || !page)
                ? err_set(ERR_USAGE, "page_size must be between 1 and %d", PAGE_MAX)
                : 0;
    l.page = page;
    if (!e && !are_kinds(l.kinds)) e = err_set(ERR_USAGE, "generations must be legacy, dynamic or both");
    if (!e) e = cursor_read(c, "sendgrid templates", "page_token", &l.after);
    if (!e) e = stored_each(sends_of(c), account_of(c), list_one, &l);
    if (e < 0) {
        json_decref(l.list);
        failed(c, e);
        return;
    }
    if (!size.p) {
        api_json(c, 200, json_pack("{s:o}", "templates", l.list));
        return;
    }
    struct slice host = c->request->host;
    struct slice self = ar_printf(c->a, "https://%.*s/v3/templates?%.*s", SLF(host), SLF(c->request->query));
    json_t *meta = json_pack("{s:o,s:i}", "self", text(self), "count", (int)l.n);
    if (l.more)
        json_object_set_new(
            meta, "next",
            text(ar_printf(c->a, "https://%.*s/v3/templates?page_size=%llu&generations=%.*s&page_token=%.*s",
                           SLF(host), (unsigned long long)page, SLF(l.kinds),
                           SLF(cursor_make(c, "sendgrid templates", l.last)))));
    api_json(c, 200, json_pack("{s:o,s:o}", "result", l.list, "_metadata", meta));
}

/* ---- versions ---- */

/* Without it *out stays. */
static int text_member(const json_t *body, const char *name, struct slice *out)
{
    struct slice said;
    int e = api_member_text(body, name, &said);
    if (!e && said.p && json_is_string(json_object_get(body, name))) *out = said;
    return e;
}

static int active_member(const json_t *body, bool *out)
{
    const json_t *v = json_object_get(body, "active");
    json_int_t n = json_integer_value(v);
    if (!v || json_is_null(v)) return 0;
    if (!json_is_integer(v) || (n != 0 && n != 1)) return err_set(ERR_USAGE, "active must be 0 or 1");
    *out = n == 1;
    return 0;
}

/* What the body says over what was there. */
static int read_body(void *arg, struct arena *a, struct stored_version *v)
{
    const json_t *body = arg;
    static const char *const kept[] = {"editor", "test_data", "generate_plain_content"};
    struct slice ignored;
    bool generates;
    int e = text_member(body, "name", &v->name);
    if (!e) e = text_member(body, "subject", &v->subject);
    if (!e) e = text_member(body, "html_content", &v->html);
    if (!e) e = text_member(body, "plain_content", &v->text);
    if (!e) e = active_member(body, &v->active);
    if (!e) e = api_member_text(body, "editor", &ignored);
    if (!e) e = api_member_text(body, "test_data", &ignored);
    if (!e) e = api_member_bool(body, "generate_plain_content", &generates);
    if (e) return e;
    json_t *extra = json_object();
    put_extra(extra, v->extra);
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        if (json_object_get(body, kept[i])) json_object_set(extra, kept[i], json_object_get(body, kept[i]));
    char *dump = json_dumps(extra, JSON_COMPACT);
    v->extra = ar_dup(a, sl_cstr(dump));
    wiped_free(dump);
    json_decref(extra);
    return v->name.n ? 0 : err_set(ERR_USAGE, "name is required");
}

/* In the template's language. */
static int judge(struct http_call *c, const struct stored_template *t, const struct stored_version *v)
{
    return stored_judge(c->a, sl_eq(t->kind, SL("dynamic")) ? SEND_HANDLEBARS : SEND_SUBSTITUTIONS, v);
}

static void version_told(struct http_call *c, int status, const struct stored_template *t, struct slice id)
{
    struct stored_version v;
    int e = stored_version_get(sends_of(c), account_of(c), t->id, id, c->a, &v);
    if (e) failed(c, e);
    else api_json(c, status, version_whole(t, &v));
}

void sendgrid_version_create(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct stored_template t;
    struct stored_version v = {.id = new_id(c, false)};
    int e = ours(c, c->param[0], c->a, &t);
    if (!e) {
        v.active = t.n == 0; /* the first one is */
        e = read_body(body, c->a, &v);
    }
    if (!e) e = judge(c, &t, &v);
    if (!e) e = stored_version_put(sends_of(c), account_of(c), t.id, &v);
    if (e) failed(c, e);
    else version_told(c, 201, &t, v.id);
    json_decref(body);
}

/* The version of the path, with its template. */
static int find(struct http_call *c, struct stored_template *t, struct stored_version *v)
{
    int e = ours(c, c->param[0], c->a, t);
    return e ? e : stored_version_get(sends_of(c), account_of(c), t->id, c->param[1], c->a, v);
}

void sendgrid_version_change(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct stored_template t;
    struct stored_version v;
    int e = find(c, &t, &v);
    if (!e) e = read_body(body, c->a, &v);
    if (!e) e = judge(c, &t, &v); /* each text by itself: another's change meanwhile was judged, too */
    if (!e) e = stored_version_change(sends_of(c), account_of(c), t.id, v.id, read_body, body);
    if (e) failed(c, e);
    else version_told(c, 200, &t, v.id);
    json_decref(body);
}

static int make_active(void *arg, struct arena *a, struct stored_version *v)
{
    (void)arg, (void)a;
    v->active = true;
    return 0;
}

void sendgrid_version_activate(struct http_call *c)
{
    struct stored_template t;
    struct stored_version v;
    int e = find(c, &t, &v);
    if (!e) e = stored_version_change(sends_of(c), account_of(c), t.id, v.id, make_active, NULL);
    if (e) failed(c, e);
    else version_told(c, 200, &t, v.id);
}

void sendgrid_version_get(struct http_call *c)
{
    struct stored_template t;
    struct stored_version v;
    int e = find(c, &t, &v);
    if (e) failed(c, e);
    else api_json(c, 200, version_whole(&t, &v));
}

void sendgrid_version_delete(struct http_call *c)
{
    struct stored_template t;
    struct stored_version v;
    int e = find(c, &t, &v);
    if (!e) e = stored_version_remove(sends_of(c), account_of(c), t.id, v.id);
    if (e) failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

/* ---- for mail/send ---- */

/* What SendGrid's editor writes for links to leave by (send/unsubscribe.h); a letter's own data come first.
 */
#define LINKS                                                                                                \
    "{\"unsubscribe\":\"<%asm_group_unsubscribe_raw_url%>\","                                                \
    "\"unsubscribe_preferences\":\"<%asm_preferences_raw_url%>\"}"

/* A legacy template has a place for the content that is sent: <%body%>, and <%subject%> for the subject. */
static struct slice in_place(struct arena *a, struct slice text, struct slice place, struct slice with)
{
    size_t at = text.n ? sl_find(text, place) : SL_NONE;
    if (at == SL_NONE) return text;
    struct slice before = sl_sub(text, 0, at), behind = sl_from(text, at + place.n);
    return ar_printf(a, "%.*s%.*s%.*s", SLF(before), SLF(with), SLF(behind));
}

static struct slice given(const struct send *s, struct slice type)
{
    for (size_t i = 0; i < s->nparts; i++)
        if (sl_eqi(s->part[i].type, type)) return s->part[i].text;
    return SL("");
}

int sendgrid_use_template(struct http_call *c, struct sendgrid_mail *m)
{
    struct stored_template t;
    struct stored_version v;
    struct send *s = &m->send;
    struct arena *a = &m->d.a;
    int e = ours(c, m->template_id, a, &t);
    if (!e) e = stored_version_get(sends_of(c), account_of(c), m->template_id, SL(""), a, &v);
    if (e) return e;
    bool dynamic = sl_eq(t.kind, SL("dynamic"));
    s->language = dynamic ? SEND_HANDLEBARS : SEND_SUBSTITUTIONS;
    if (dynamic) s->data = SL(LINKS);
    if (!dynamic) {
        v.html = in_place(a, v.html, SL("<%body%>"), given(s, SL("text/html")));
        v.text = in_place(a, v.text, SL("<%body%>"), given(s, SL("text/plain")));
        v.subject = in_place(a, v.subject, SL("<%subject%>"), s->subject);
    }
    if (v.subject.n) {
        s->subject = v.subject; /* it overrides the others */
        for (size_t i = 0; i < m->nletters; i++)
            if (dynamic) m->letter[i].subject = SL("");
    }
    if (v.text.n || v.html.n) {
        s->part = ar_array(a, struct send_part, 2);
        s->nparts = 0;
        if (v.text.n) s->part[s->nparts++] = (struct send_part){SL("text/plain"), v.text};
        if (v.html.n) s->part[s->nparts++] = (struct send_part){SL("text/html"), v.html};
    }
    s->template_id = m->template_id;
    s->template_version = v.id;
    return 0;
}

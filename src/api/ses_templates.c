/* ses_templates.c - SES' templates: a name and one version of its texts. */
#include <stdlib.h>

#include "base/civil.h"
#include "base/text.h"
#include "core/core.h"
#include "cursor.h"
#include "send/stored.h"
#include "send/template.h"
#include "ses.h"
#include "tree.h"

enum { PAGE = 100 };

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }
static struct slice account_of(struct http_call *c) { return sl_cstr(c->key.account->id); }

static struct slice member(const json_t *o, const char *key)
{
    return dialect_slice(json_object_get(o, key));
}

/* The texts of TemplateContent, judged. */
static int read_version(struct http_call *c, const json_t *body, struct stored_version *v)
{
    const json_t *o = json_object_get(body, "TemplateContent");
    *v = (struct stored_version){.id = SL("1"), .name = SL("1"), .active = true};
    if (!json_is_object(o)) return err_set(ERR_USAGE, "TemplateContent is missing");
    int e = api_member_text(o, "Subject", &v->subject);
    if (!e) e = api_member_text(o, "Text", &v->text);
    if (!e) e = api_member_text(o, "Html", &v->html);
    return e ? e : stored_judge(c->a, SEND_SES, v);
}

int ses_template_find(struct http_call *c, struct slice name, struct arena *a)
{
    struct stored_template t;
    int e = dialect_template(c, "ses", name, a, &t);
    return e == ERR_NOT_FOUND ? err_set(e, "Template %.*s does not exist", SLF(printable(a, name, 80))) : e;
}

static void answer(struct http_call *c, int e)
{
    if (e) ses_failed(c, e);
    else api_json(c, 200, json_object());
}

void ses_template_create(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct stored_version v;
    struct stored_template t = {.id = member(body, "TemplateName"), .kind = SL("ses")};
    t.name = t.id;
    int e = read_version(c, body, &v);
    if (!e) e = stored_template_add(sends_of(c), account_of(c), &t, &v);
    answer(c, e);
    json_decref(body);
}

void ses_template_update(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct stored_version v;
    int e = read_version(c, body, &v);
    if (!e) e = ses_template_find(c, c->param[0], c->a);
    if (!e) e = stored_version_put(sends_of(c), account_of(c), c->param[0], &v);
    answer(c, e);
    json_decref(body);
}

static json_t *text(struct slice s) { return json_stringn(s.p ? s.p : "", s.n); }

void ses_template_get(struct http_call *c)
{
    struct stored_version v;
    int e = ses_template_find(c, c->param[0], c->a);
    if (!e) e = stored_version_get(sends_of(c), account_of(c), c->param[0], SL(""), c->a, &v);
    if (e) {
        ses_failed(c, e);
        return;
    }
    api_json(c, 200,
             json_pack("{s:o,s:{s:o,s:o,s:o}}", "TemplateName", text(c->param[0]), "TemplateContent",
                       "Subject", text(v.subject), "Text", text(v.text), "Html", text(v.html)));
}

struct listing {
    json_t *list;
    struct arena *a;
    struct slice after, last; /* names, in whose order they come */
    size_t page;
    bool more;
};

static int list_one(void *arg, const struct stored_template *t)
{
    struct listing *l = arg;
    if (!sl_eq(t->kind, SL("ses")) || (l->after.n && sl_cmp(t->id, l->after) <= 0)) return 0;
    l->more = json_array_size(l->list) == l->page;
    if (l->more) return 1;
    json_array_append_new(l->list, json_pack("{s:o,s:I}", "TemplateName", text(t->id), "CreatedTimestamp",
                                             (json_int_t)t->updated));
    l->last = ar_dup(l->a, t->id);
    return 0;
}

void ses_template_list(struct http_call *c)
{
    struct listing l = {.list = json_array(), .a = c->a};
    int e = ses_page(c, PAGE, &l.page);
    if (!e) e = cursor_read(c, "templates", "NextToken", &l.after);
    if (!e) e = stored_each(sends_of(c), account_of(c), list_one, &l);
    if (e >= 0) {
        json_t *o = json_pack("{s:O}", "TemplatesMetadata", l.list);
        if (l.more) json_object_set_new(o, "NextToken", text(cursor_make(c, "templates", l.last)));
        api_json(c, 200, o);
    } else {
        ses_failed(c, e);
    }
    json_decref(l.list);
}

void ses_template_delete(struct http_call *c)
{
    int e = ses_template_find(c, c->param[0], c->a);
    if (!e) e = stored_template_remove(sends_of(c), account_of(c), c->param[0]);
    if (e && e != ERR_NOT_FOUND) ses_failed(c, e);
    else api_json(c, 200, json_object());
}

static int render(struct http_call *c, struct slice source, const json_t *data, const char *head,
                  struct buf *out)
{
    const struct template *t;
    if (!source.n) return 0;
    buf_str(out, head);
    int e =
        template_compile(c->a, (struct template_how){TEMPLATE_HANDLEBARS, false, true, false}, source, &t);
    return e ? e : template_render(t, data, out);
}

/* As a message would begin: the subject, then the texts one after another. */
void ses_template_render(struct http_call *c)
{
    struct stored_version v;
    struct buf b = BUF_INIT;
    json_t *body = api_body(c), *data;
    if (!body) return;
    struct slice said = member(body, "TemplateData");
    int e = json_read(said, SES_DATA_MEMORY, &data);
    if (e != ERR_TOO_LONG && !json_is_object(data))
        e = err_set(ERR_USAGE, "TemplateData must be a JSON object in a string");
    if (!e) e = ses_template_find(c, c->param[0], c->a);
    if (!e) e = stored_version_get(sends_of(c), account_of(c), c->param[0], SL(""), c->a, &v);
    if (!e) e = render(c, v.subject, data, "Subject: ", &b);
    if (!e) e = render(c, v.text, data, "\r\n\r\n", &b);
    if (!e) e = render(c, v.html, data, "\r\n\r\n", &b);
    if (e) ses_failed(c, e);
    else api_json(c, 200, json_pack("{s:o}", "RenderedTemplate", text(buf_slice(&b))));
    buf_free(&b);
    json_decref(data);
    json_decref(body);
}

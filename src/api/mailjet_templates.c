/* mailjet_templates.c - templates of Mailjet's REST API: /v3/REST/template and its detailcontent, as far as
 * sending by TemplateID needs them. */
#include "mailjet.h"

#include "base/text.h"
#include "core/core.h"
#include "rt/rt.h"
#include "send/stored.h"

enum { TEMPLATE_IDS = 1 << 30 };

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }
static struct slice account_of(struct http_call *c) { return sl_cstr(c->key.account->id); }
static json_t *text(struct slice s) { return json_stringn(s.p ? s.p : "", s.n); }
static struct slice member(const json_t *o, const char *key)
{
    return dialect_slice(json_object_get(o, key));
}

static void failed(struct http_call *c, int e)
{
    http_fail(c, http_status_of(e == ERR_SYNTAX ? ERR_USAGE : e), "%s",
              e == ERR_NOT_FOUND ? "Object not found" : err_text(e));
}

/* {"Count", "Data", "Total"}; takes the references. */
static void told(struct http_call *c, int status, json_t *list)
{
    json_int_t n = (json_int_t)json_array_size(list);
    api_json(c, status, json_pack("{s:I,s:o,s:I}", "Count", n, "Data", list, "Total", n));
}

static json_t *template_json(const struct stored_template *t)
{
    uint64_t id = 0;
    (void)num_u64(t->id, INT64_MAX, &id);
    return json_pack("{s:I,s:o,s:s,s:[s]}", "ID", (json_int_t)id, "Name", text(t->name), "OwnerType",
                     "apikey", "Purposes", "transactional");
}

static json_t *one(json_t *v) { return json_pack("[o]", v); }

void mailjet_template_create(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct stored_template t = {.name = member(body, "Name"), .kind = SL("mailjet")};
    int e;
    do { /* ids are numbers, by chance */
        t.id = ar_printf(c->a, "%llu", (unsigned long long)rt_random_below(TEMPLATE_IDS) + 1);
        e = stored_template_add(sends_of(c), account_of(c), &t, NULL);
    } while (e == ERR_EXISTS);
    if (e) failed(c, e);
    else told(c, 201, one(template_json(&t)));
    json_decref(body);
}

static int list_one(void *arg, const struct stored_template *t)
{
    if (sl_eq(t->kind, SL("mailjet"))) json_array_append_new(arg, template_json(t));
    return 0;
}

void mailjet_template_list(struct http_call *c)
{
    json_t *list = json_array();
    int e = stored_each(sends_of(c), account_of(c), list_one, list);
    if (!e) {
        mailjet_list(c, list, NULL);
        return;
    }
    json_decref(list);
    failed(c, e);
}

void mailjet_template_get(struct http_call *c)
{
    struct stored_template t;
    int e = dialect_template(c, "mailjet", c->param[0], c->a, &t);
    if (e) failed(c, e);
    else told(c, 200, one(template_json(&t)));
}

void mailjet_template_delete(struct http_call *c)
{
    struct stored_template t;
    int e = dialect_template(c, "mailjet", c->param[0], c->a, &t);
    if (!e) e = stored_template_remove(sends_of(c), account_of(c), c->param[0]);
    if (e) failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

static json_t *content_json(const struct stored_version *v)
{
    return json_pack("{s:{s:o},s:o,s:o}", "Headers", "Subject", text(v->subject), "Text-part", text(v->text),
                     "Html-part", text(v->html));
}

void mailjet_content_put(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    struct stored_version v = {.id = SL("1"), .name = SL("1"), .active = true};
    struct stored_template t;
    int e = api_member_text(json_object_get(body, "Headers"), "Subject", &v.subject);
    if (!e) e = api_member_text(body, "Text-part", &v.text);
    if (!e) e = api_member_text(body, "Html-part", &v.html);
    if (!e) e = stored_judge(c->a, SEND_MAILJET, &v);
    if (!e) e = dialect_template(c, "mailjet", c->param[0], c->a, &t);
    if (!e) e = stored_version_put(sends_of(c), account_of(c), c->param[0], &v);
    if (e) failed(c, e);
    else told(c, 201, one(content_json(&v)));
    json_decref(body);
}

void mailjet_content_get(struct http_call *c)
{
    struct stored_template t;
    struct stored_version v;
    int e = dialect_template(c, "mailjet", c->param[0], c->a, &t);
    if (!e) e = stored_version_get(sends_of(c), account_of(c), c->param[0], SL(""), c->a, &v);
    if (e) failed(c, e);
    else told(c, 200, one(content_json(&v)));
}

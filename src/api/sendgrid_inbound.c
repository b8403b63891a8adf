/* sendgrid_inbound.c - /v3/user/webhooks/parse/settings: mail that comes in handed to URLs. A hostname may be
 * one address, too. */
#include "core/core.h"
#include "send/inbound.h"
#include "sendgrid.h"

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }
static struct slice account_of(struct http_call *c) { return sl_cstr(c->key.account->id); }

static json_t *setting_json(const struct inbound *in)
{
    return json_pack("{s:s%,s:s%,s:b,s:b,s:s%}", "hostname", in->name.p, in->name.n, "url", in->url.p,
                     in->url.n, "spam_check", in->spam_check, "send_raw", in->raw, "public_key",
                     in->public_key.p, in->public_key.n);
}

static void failed(struct http_call *c, int e)
{
    if (e == ERR_EXISTS || e == ERR_LIMIT) http_fail(c, 400, "%s", err_text(e));
    else api_failed(c, e);
}

static void show(struct http_call *c, int status, struct slice name)
{
    struct inbound in;
    int e = inbound_get(sends_of(c), account_of(c), name, c->a, &in);
    if (e) failed(c, e);
    else api_json(c, status, setting_json(&in));
}

/* A body: what it does not name stays. */
struct settings {
    const json_t *body;
    struct slice hostname, url;
    bool spam_check, raw;
};

static int read_settings(const json_t *body, struct settings *s)
{
    *s = (struct settings){.body = body};
    int e = api_member_text(body, "hostname", &s->hostname);
    if (!e) e = api_member_text(body, "url", &s->url);
    if (!e) e = api_member_bool(body, "spam_check", &s->spam_check);
    return e ? e : api_member_bool(body, "send_raw", &s->raw);
}

static void apply(void *arg, struct inbound *in)
{
    const struct settings *s = arg;
    if (s->url.n) in->url = s->url;
    if (json_object_get(s->body, "spam_check")) in->spam_check = s->spam_check;
    if (json_object_get(s->body, "send_raw")) in->raw = s->raw;
}

void sendgrid_inbound_create(struct http_call *c)
{
    struct settings s;
    struct slice key;
    json_t *body = api_body(c);
    if (!body) return;
    struct inbound in = {.account = account_of(c)};
    int e = read_settings(body, &s);
    if (!e && !s.hostname.n) e = err_set(ERR_USAGE, "hostname is missing");
    if (!e) e = inbound_may(sends_of(c), c->key.account, s.hostname);
    if (!e) {
        apply(&s, &in);
        in.name = s.hostname;
        e = inbound_add(sends_of(c), &in, c->a, &key);
    }
    if (e) failed(c, e);
    else show(c, 201, s.hostname);
    json_decref(body);
}

/* It is its own, and it has the name still. */
static int may_change(struct http_call *c)
{
    struct inbound in;
    int e = inbound_get(sends_of(c), account_of(c), c->param[0], c->a, &in);
    if (e) return e;
    e = inbound_holds(sends_of(c), &in);
    return e == ERR_NOT_FOUND ? inbound_may(sends_of(c), c->key.account, c->param[0]) : e;
}

void sendgrid_inbound_change(struct http_call *c)
{
    struct settings s;
    json_t *body = api_body(c);
    if (!body) return;
    int e = read_settings(body, &s);
    if (!e) e = may_change(c);
    if (!e) e = inbound_change(sends_of(c), account_of(c), c->param[0], apply, &s);
    if (e) failed(c, e);
    else show(c, 200, c->param[0]);
    json_decref(body);
}

void sendgrid_inbound_get(struct http_call *c) { show(c, 200, c->param[0]); }

static int list_one(void *list, const struct inbound *in)
{
    json_array_append_new(list, setting_json(in));
    return 0;
}

void sendgrid_inbound_list(struct http_call *c)
{
    json_t *list = json_array();
    int e = inbound_each(sends_of(c), account_of(c), list_one, list);
    if (e) failed(c, e);
    else api_json(c, 200, json_pack("{s:O}", "result", list));
    json_decref(list);
}

void sendgrid_inbound_delete(struct http_call *c)
{
    int e = inbound_remove(sends_of(c), account_of(c), c->param[0]);
    if (e) failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

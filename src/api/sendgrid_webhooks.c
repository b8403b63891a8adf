/* sendgrid_webhooks.c - /v3/user/webhooks/event: where events of the account are told to. */
#include "base/civil.h"
#include "base/log.h"
#include "core/core.h"
#include "rt/rt.h"
#include "send/event.h"
#include "send/webhook.h"
#include "sendgrid.h"

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }
static struct slice account_of(struct http_call *c) { return sl_cstr(c->key.account->id); }

/* What of an account's events a webhook hears, by the names of its settings. */
#define BIT(kind) (1u << EVENT_##kind)
static const struct {
    const char *name;
    unsigned bits;
} kinds[] = {
    {"group_resubscribe", BIT(RESUBSCRIBED)},
    {"delivered", BIT(DELIVERED)},
    {"group_unsubscribe", WEBHOOK_LEFT_GROUP},
    {"spam_report", BIT(COMPLAINT)},
    {"bounce", BIT(BOUNCED) | BIT(LATE_BOUNCE)},
    {"deferred", BIT(DEFERRED)},
    {"unsubscribe", BIT(UNSUBSCRIBED)},
    {"processed", BIT(PROCESSED)},
    {"open", BIT(OPENED)},
    {"click", BIT(CLICKED)},
    {"dropped", BIT(DROPPED) | BIT(FAILED)},
};

/* ---- what is told of one ---- */

static void put_time(json_t *v, const char *name, int64_t when)
{
    char text[CIVIL_TEXT_MAX];
    json_object_set_new(v, name, when ? json_string(civil_format(when / 1000000, text)) : json_null());
}

static json_t *webhook_json(const struct webhook *h)
{
    json_t *v = json_pack("{s:b,s:s%}", "enabled", !h->off, "url", h->url.p, h->url.n);
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        json_object_set_new(v, kinds[i].name, json_boolean(!h->kinds || h->kinds & kinds[i].bits));
    json_object_set_new(v, "friendly_name", h->title.n ? json_stringn(h->title.p, h->title.n) : json_null());
    json_object_set_new(v, "id", json_stringn(h->name.p, h->name.n));
    if (!h->bare) json_object_set_new(v, "public_key", json_stringn(h->public_key.p, h->public_key.n));
    put_time(v, "created_date", h->created);
    put_time(v, "updated_date", h->changed);
    return v;
}

/* ---- which one ---- */

struct oldest {
    struct http_call *c;
    struct slice url, name; /* url: only the one that is told to it; or empty */
    int64_t since;
};

static int look_at(void *arg, const struct webhook *h)
{
    struct oldest *o = arg;
    if (h->form != WEBHOOK_SENDGRID) return 0; /* another dialect's */
    if (o->url.n ? !sl_eq(h->url, o->url) : o->name.n && h->created >= o->since) return 0;
    o->name = ar_dup(o->c->a, h->name);
    o->since = h->created;
    return 0;
}

/* The one of the path; without one in it, the account's oldest. ERR_NOT_FOUND. */
static int which(struct http_call *c, struct slice *name)
{
    struct oldest o = {.c = c};
    *name = c->nparams ? c->param[0] : SL("");
    if (c->nparams) return 0;
    int e = webhook_each(sends_of(c), account_of(c), look_at, &o);
    *name = o.name;
    return e ? e : o.name.n ? 0 : ERR_NOT_FOUND;
}

static int find(struct http_call *c, struct webhook *h)
{
    struct slice name;
    int e = which(c, &name);
    return e ? e : webhook_get(sends_of(c), account_of(c), name, c->a, h);
}

/* ---- errors ---- */

/* Another one is told to this URL: which. */
static void exists(struct http_call *c, struct slice url)
{
    struct oldest o = {.c = c, .url = url};
    int e = webhook_each(sends_of(c), account_of(c), look_at, &o);
    if (e) {
        api_failed(c, e);
        return;
    }
    struct slice sentence =
        ar_printf(c->a, "Webhook at '%.*s' already exists. Please provide a unique URL.", SLF(url));
    sendgrid_refuse(c, 400,
                    json_pack("[{s:s%,s:s%,s:s%}]", "id", o.name.p ? o.name.p : "", o.name.n, "message",
                              sentence.p, sentence.n, "url", url.p, url.n));
}

static void failed(struct http_call *c, int e, struct slice url)
{
    if (e == ERR_EXISTS) exists(c, url);
    else if (e == ERR_NOT_FOUND) http_fail(c, 404, "Invalid id provided.");
    else if (e == ERR_LIMIT) http_fail(c, 400, "%s", err_text(e));
    else api_failed(c, e);
}

/* ---- what is set ---- */

/* A body: what it does not name stays. */
struct settings {
    const json_t *body;
    struct slice url, title;
    unsigned set, clear; /* kinds */
};

static int wrong(const char *name, const char *kind)
{
    return err_set(ERR_USAGE, "%s must be %s", name, kind);
}

static int read_kinds(struct settings *s)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        json_t *v = json_object_get(s->body, kinds[i].name);
        if (v && !json_is_boolean(v)) return wrong(kinds[i].name, "a boolean");
        if (v) *(json_is_true(v) ? &s->set : &s->clear) |= kinds[i].bits;
    }
    json_t *v = json_object_get(s->body, "enabled");
    return !v || json_is_boolean(v) ? 0 : wrong("enabled", "a boolean");
}

static int read_settings(const json_t *body, struct settings *s)
{
    static const char *const oauth[] = {"oauth_client_id", "oauth_client_secret", "oauth_token_url"};
    struct slice text;
    *s = (struct settings){.body = body};
    int e = api_member_text(body, "url", &s->url);
    if (!e) e = api_member_text(body, "friendly_name", &s->title);
    if (!e) e = read_kinds(s);
    for (size_t i = 0; !e && i < COUNT_OF(oauth); i++) {
        e = api_member_text(body, oauth[i], &text);
        if (!e && text.n) e = err_set(ERR_USAGE, "%s: OAuth is not offered; calls are signed", oauth[i]);
    }
    return e;
}

static void apply(void *arg, struct webhook *h)
{
    const struct settings *s = arg;
    unsigned all = WEBHOOK_CHOSEN;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) all |= kinds[i].bits;
    h->kinds = ((h->kinds ? h->kinds : all) & ~s->clear) | s->set | WEBHOOK_CHOSEN; /* none is not all */
    if (s->url.n) h->url = s->url;
    if (json_object_get(s->body, "friendly_name")) h->title = s->title;
    if (json_object_get(s->body, "enabled")) h->off = !json_is_true(json_object_get(s->body, "enabled"));
}

/* A name that tells nothing. */
static struct slice new_name(struct arena *a)
{
    uint64_t v[2];
    rt_random(v, sizeof v);
    return ar_printf(a, "%08x-%04x-%04x-%04x-%012llx", (unsigned)(v[0] >> 32),
                     (unsigned)(v[0] >> 16 & 0xffff), (unsigned)(v[0] & 0xfff) | 0x4000,
                     (unsigned)(v[1] >> 48 & 0x3fff) | 0x8000, (unsigned long long)(v[1] & 0xffffffffffff));
}

static void show(struct http_call *c, int status, struct slice name)
{
    struct webhook h;
    int e = webhook_get(sends_of(c), account_of(c), name, c->a, &h);
    if (e) failed(c, e, SL(""));
    else api_json(c, status, webhook_json(&h));
}

static void create(struct http_call *c, struct settings *s, int status)
{
    struct slice key;
    struct webhook h = {
        .account = account_of(c), .name = new_name(c->a), .kinds = WEBHOOK_CHOSEN, .bare = true};
    apply(s, &h);
    int e = webhook_add(sends_of(c), &h, c->a, &key);
    if (e) failed(c, e, s->url);
    else show(c, status, h.name);
}

static void change(struct http_call *c, struct settings *s)
{
    struct slice name;
    int e = which(c, &name);
    if (e == ERR_NOT_FOUND && s->url.n) {
        create(c, s, 200); /* what is set first is made */
        return;
    }
    if (!e) e = webhook_change(sends_of(c), account_of(c), name, apply, s);
    if (e) failed(c, e, s->url);
    else show(c, 200, name);
}

static void with_settings(struct http_call *c, bool fresh)
{
    json_t *body = api_body(c);
    struct settings s;
    if (!body) return;
    int e = read_settings(body, &s);
    if (e) api_failed(c, e);
    else if (fresh) create(c, &s, 201);
    else change(c, &s);
    json_decref(body);
}

void sendgrid_webhook_create(struct http_call *c) { with_settings(c, true); }
void sendgrid_webhook_change(struct http_call *c) { with_settings(c, false); }

/* ---- seeing, removing ---- */

void sendgrid_webhook_get(struct http_call *c)
{
    struct webhook h;
    int e = find(c, &h);
    if (e) failed(c, e, SL(""));
    else api_json(c, 200, webhook_json(&h));
}

static int list_one(void *list, const struct webhook *h)
{
    if (h->form != WEBHOOK_SENDGRID) return 0;
    json_array_append_new(list, webhook_json(h));
    return 0;
}

void sendgrid_webhook_list(struct http_call *c)
{
    json_t *list = json_array();
    int e = webhook_each(sends_of(c), account_of(c), list_one, list);
    if (e) api_failed(c, e);
    else api_json(c, 200, json_pack("{s:i,s:O}", "max_allowed", WEBHOOKS_MAX, "webhooks", list));
    json_decref(list);
}

void sendgrid_webhook_delete(struct http_call *c)
{
    int e = webhook_remove(sends_of(c), account_of(c), c->param[0]);
    if (e) failed(c, e, SL(""));
    else http_answer(c, 204, NULL, SL(""));
}

/* ---- signatures ---- */

void sendgrid_webhook_key(struct http_call *c)
{
    struct webhook h;
    int e = find(c, &h);
    struct slice key = !e && !h.bare ? h.public_key : SL("");
    if (e) failed(c, e, SL(""));
    else api_json(c, 200, json_pack("{s:s%,s:s%}", "id", h.name.p, h.name.n, "public_key", key.p, key.n));
}

static void set_bare(void *bare, struct webhook *h) { h->bare = *(bool *)bare; }

void sendgrid_webhook_sign(struct http_call *c)
{
    struct slice name;
    json_t *body = api_body(c);
    if (!body) return;
    json_t *v = json_object_get(body, "enabled");
    bool bare = !json_is_true(v);
    int e = json_is_boolean(v) ? which(c, &name) : wrong("enabled", "a boolean");
    if (!e) e = webhook_change(sends_of(c), account_of(c), name, set_bare, &bare);
    json_decref(body);
    if (e) failed(c, e, SL(""));
    else sendgrid_webhook_key(c);
}

/* ---- trying ---- */

void sendgrid_webhook_try(struct http_call *c)
{
    struct settings s;
    struct slice id = SL("");
    json_t *body = api_body(c);
    if (!body) return;
    int e = read_settings(body, &s);
    if (!e) e = api_member_text(body, "id", &id);
    if (!e) e = webhook_try(sends_of(c), account_of(c), id, s.url, c->a);
    if (e == ERR_NOT_FOUND) http_fail(c, 404, "Invalid id provided.");
    else if (e) http_fail(c, 400, "%s", err_text(e));
    else http_answer(c, 204, NULL, SL(""));
    json_decref(body);
}

/* mailjet_events.c - /v3/REST/eventcallbackurl: where events of the account are told to in Mailjet's form, a
 * URL for each kind. Kinds of one URL (and version) are one webhook (send/webhook.h). */
#include <stdio.h>

#include "base/text.h"
#include "core/core.h"
#include "mailjet.h"
#include "rt/rt.h"
#include "send/event.h"
#include "send/webhook.h"

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }
static struct slice account_of(struct http_call *c) { return sl_cstr(c->key.account->id); }

/* The id of a kind is its place here, from 1 on. */
#define BIT(kind) (1u << EVENT_##kind)
static const struct {
    const char *name;
    unsigned bits;
} kinds[] = {
    {"sent", BIT(DELIVERED)},
    {"open", BIT(OPENED)},
    {"click", BIT(CLICKED)},
    {"bounce", BIT(BOUNCED) | BIT(LATE_BOUNCE)},
    {"blocked", BIT(DROPPED) | BIT(FAILED)},
    {"spam", BIT(COMPLAINT)},
    {"unsub", BIT(UNSUBSCRIBED) | WEBHOOK_LEFT_GROUP},
};
enum { KINDS = COUNT_OF(kinds) };

/* ---- what there is ---- */

struct there {
    struct arena *a;
    struct webhook of[KINDS]; /* of each kind; without a name: none */
};

static int look_at(void *arg, const struct webhook *h)
{
    struct there *t = arg;
    if (h->form == WEBHOOK_SENDGRID) return 0;
    struct webhook own = *h;
    own.name = ar_dup(t->a, h->name);
    own.url = ar_dup(t->a, h->url);
    for (size_t k = 0; k < KINDS; k++)
        if (h->kinds & kinds[k].bits) t->of[k] = own;
    return 0;
}

static int look(struct http_call *c, struct there *t)
{
    t->a = c->a;
    return webhook_each(sends_of(c), account_of(c), look_at, t);
}

/* ---- answers ---- */

static json_t *setting_json(size_t k, const struct webhook *h)
{
    return json_pack("{s:I,s:s,s:b,s:s,s:s%,s:i}", "ID", (json_int_t)(k + 1), "EventType", kinds[k].name,
                     "IsBackup", 0, "Status", h->off || h->paused ? "dead" : "alive", "Url", h->url.p,
                     h->url.n, "Version", h->form == WEBHOOK_MAILJET_ONE ? 1 : 2);
}

static void told(struct http_call *c, int status, json_t *list)
{
    json_int_t n = (json_int_t)json_array_size(list);
    api_json(c, status, json_pack("{s:I,s:o,s:I}", "Count", n, "Data", list, "Total", n));
}

static void failed(struct http_call *c, int e)
{
    int status = e == ERR_EXISTS || e == ERR_LIMIT || e == ERR_SYNTAX ? 400 : http_status_of(e);
    http_fail(c, status, "%s", e == ERR_NOT_FOUND ? "Object not found" : err_text(e));
}

static void show(struct http_call *c, int status, size_t k)
{
    struct there t = {0};
    int e = look(c, &t);
    if (!e && !t.of[k].name.n) e = ERR_NOT_FOUND;
    if (e) failed(c, e);
    else told(c, status, json_pack("[o]", setting_json(k, &t.of[k])));
}

/* ---- the call ---- */

static bool kind_named(struct slice word, size_t *k)
{
    uint64_t id;
    for (*k = 0; *k < KINDS; ++*k)
        if (sl_eq(word, sl_cstr(kinds[*k].name))) return true;
    if (!num_u64(word, KINDS, &id) || !id) return false;
    *k = (size_t)id - 1;
    return true;
}

struct asked {
    struct slice type, url, status;
    json_int_t version;
    bool off;
};

static int read_asked(const json_t *body, struct asked *out)
{
    json_t *version = json_object_get(body, "Version"), *backup = json_object_get(body, "IsBackup");
    *out = (struct asked){.version = json_is_integer(version) ? json_integer_value(version) : 1};
    int e = api_member_text(body, "EventType", &out->type);
    if (!e) e = api_member_text(body, "Url", &out->url);
    if (!e) e = api_member_text(body, "Status", &out->status);
    if (e) return e;
    out->off = sl_eq(out->status, SL("dead"));
    if (out->status.n && !out->off && !sl_eq(out->status, SL("alive")))
        return err_set(ERR_USAGE, "Status must be alive or dead");
    if ((version && !json_is_integer(version)) || out->version < 1 || out->version > 2)
        return err_set(ERR_USAGE, "Version must be 1 (an event a call) or 2 (a list of them)");
    if (json_is_true(backup))
        return err_set(ERR_USAGE, "a backup URL is not kept here: events wait until the URL takes them");
    return 0;
}

/* The kind is told to q->url, and to no other; empty: to none. */
static int tell(struct http_call *c, size_t k, const struct asked *q, bool fresh)
{
    uint64_t chance;
    rt_random(&chance, sizeof chance);
    struct webhook h = {.account = account_of(c),
                        .name = ar_printf(c->a, "mailjet-%016llx", (unsigned long long)chance),
                        .url = q->url,
                        .kinds = kinds[k].bits,
                        .off = q->off,
                        .form = q->version == 1 ? WEBHOOK_MAILJET_ONE : WEBHOOK_MAILJET};
    return webhook_tell_only(sends_of(c), &h, fresh);
}

void mailjet_callback_create(struct http_call *c)
{
    struct asked q;
    size_t k = 0;
    json_t *body = api_body(c);
    if (!body) return;
    int e = read_asked(body, &q);
    if (!e && !kind_named(q.type, &k))
        e = err_set(ERR_USAGE, "EventType must be one of sent, open, click, bounce, blocked, spam, unsub");
    if (!e && !q.url.n) e = err_set(ERR_USAGE, "Url is missing");
    if (!e) e = tell(c, k, &q, true);
    if (e) failed(c, e);
    else show(c, 201, k);
    json_decref(body);
}

/* What the body does not name stays. */
void mailjet_callback_change(struct http_call *c)
{
    struct asked q;
    struct there t = {0};
    size_t k = 0;
    json_t *body = api_body(c);
    if (!body) return;
    int e = kind_named(c->param[0], &k) ? read_asked(body, &q) : ERR_NOT_FOUND;
    if (!e) e = look(c, &t);
    if (!e && !t.of[k].name.n) e = ERR_NOT_FOUND;
    if (!e) {
        const struct webhook *h = &t.of[k];
        if (!q.url.n) q.url = h->url;
        if (!q.status.n) q.off = h->off;
        if (!json_object_get(body, "Version")) q.version = h->form == WEBHOOK_MAILJET_ONE ? 1 : 2;
        e = tell(c, k, &q, false);
    }
    if (e) failed(c, e);
    else show(c, 200, k);
    json_decref(body);
}

void mailjet_callback_get(struct http_call *c)
{
    size_t k;
    if (kind_named(c->param[0], &k)) show(c, 200, k);
    else failed(c, ERR_NOT_FOUND);
}

void mailjet_callback_list(struct http_call *c)
{
    struct there t = {0};
    json_t *list = json_array();
    int e = look(c, &t);
    for (size_t k = 0; !e && k < KINDS; k++)
        if (t.of[k].name.n) json_array_append_new(list, setting_json(k, &t.of[k]));
    if (!e) {
        mailjet_list(c, list, NULL);
        return;
    }
    json_decref(list);
    failed(c, e);
}

void mailjet_callback_delete(struct http_call *c)
{
    size_t k;
    int e = kind_named(c->param[0], &k) ? tell(c, k, &(struct asked){0}, false) : ERR_NOT_FOUND;
    if (e) failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

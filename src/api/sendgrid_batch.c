/* sendgrid_batch.c - /v3/mail/batch and /v3/user/scheduled_sends: sends paused and canceled by their batch.
 */
#include "base/text.h"
#include "rt/rt.h"
#include "sendgrid.h"

enum { BATCH_MAX = 100 };

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }

static bool is_batch(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_') return false;
    return s.n > 0 && s.n <= BATCH_MAX;
}

static json_t *named(struct slice batch) { return json_pack("{s:s%}", "batch_id", batch.p, batch.n); }

void sendgrid_batch_create(struct http_call *c)
{
    uint64_t v[4];
    rt_random(v, sizeof v);
    api_json(c, 201,
             named(ar_printf(c->a, "%016llx%016llx%016llx%016llx", (unsigned long long)v[0],
                             (unsigned long long)v[1], (unsigned long long)v[2], (unsigned long long)v[3])));
}

void sendgrid_batch_get(struct http_call *c)
{
    if (is_batch(c->param[0])) api_json(c, 200, named(c->param[0]));
    else http_fail(c, 400, "invalid batch id");
}

/* ---- what is paused and canceled ---- */

struct batch {
    struct slice id; /* empty: all */
    struct arena *a;
    struct letter_id *send;
    size_t n, room;
    json_t *list;
};

static int gather(void *arg, const struct send_info *info)
{
    struct batch *b = arg;
    if (!sl_eq(info->batch, b->id)) return 0;
    if (b->n == b->room) b->send = ar_grow(b->a, b->send, &b->room, sizeof *b->send);
    b->send[b->n++] = info->id;
    return 0;
}

static int list_one(void *arg, const struct send_info *info)
{
    struct batch *b = arg;
    const char *status = sl_eq(info->state, SL("paused"))     ? "pause"
                         : sl_eq(info->state, SL("canceled")) ? "cancel"
                                                              : NULL;
    if (!status || !info->batch.n || (b->id.n && !sl_eq(info->batch, b->id))) return 0;
    for (size_t i = 0; i < json_array_size(b->list); i++)
        if (sl_eq(dialect_slice(json_object_get(json_array_get(b->list, i), "batch_id")), info->batch))
            return 0;
    json_array_append_new(
        b->list, json_pack("{s:s%,s:s}", "batch_id", info->batch.p, info->batch.n, "status", status));
    return 0;
}

/* Every send of the batch; those that have ended or are so already stay as they are. */
static int act(struct http_call *c, struct slice batch, enum send_action what)
{
    struct batch b = {.id = batch, .a = c->a};
    int e = send_each(sends_of(c), sl_cstr(c->key.account->id), gather, &b);
    for (size_t i = 0; i < b.n && !e; i++) {
        e = send_act(sends_of(c), &b.send[i], what, SL("over the API of SendGrid"));
        if (e == ERR_STATE || e == ERR_NOT_FOUND) e = 0;
    }
    return e;
}

/* "pause", "cancel". */
static bool action_of(const json_t *body, enum send_action *out)
{
    struct slice s = dialect_slice(json_object_get(body, "status"));
    *out = sl_eq(s, SL("cancel")) ? SEND_CANCEL : SEND_PAUSE;
    return *out == SEND_CANCEL || sl_eq(s, SL("pause"));
}

static void change(struct http_call *c, struct slice batch, const json_t *body, int status)
{
    enum send_action what;
    if (!is_batch(batch)) {
        http_fail(c, 400, "invalid batch id");
        return;
    }
    if (!action_of(body, &what)) {
        http_fail(c, 400, "status must be either pause or cancel");
        return;
    }
    int e = act(c, batch, what);
    if (e) api_failed(c, e);
    else if (status == 204) http_answer(c, 204, NULL, SL(""));
    else
        api_json(c, status,
                 json_pack("{s:s%,s:s}", "batch_id", batch.p, batch.n, "status",
                           what == SEND_CANCEL ? "cancel" : "pause"));
}

void sendgrid_scheduled_create(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    change(c, dialect_slice(json_object_get(body, "batch_id")), body, 201);
    json_decref(body);
}

void sendgrid_scheduled_change(struct http_call *c)
{
    json_t *body = api_body(c);
    if (!body) return;
    change(c, c->param[0], body, 204);
    json_decref(body);
}

void sendgrid_scheduled_list(struct http_call *c)
{
    struct batch b = {.id = c->nparams ? c->param[0] : SL(""), .a = c->a, .list = json_array()};
    int e = send_each(sends_of(c), sl_cstr(c->key.account->id), list_one, &b);
    if (!e) {
        api_json(c, 200, b.list);
        return;
    }
    json_decref(b.list);
    api_failed(c, e);
}

/* The batch goes on. */
void sendgrid_scheduled_delete(struct http_call *c)
{
    int e = act(c, c->param[0], SEND_RESUME);
    if (e) api_failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

/* sendgrid_batch.c - /v3/mail/batch and /v3/user/scheduled_sends: sends paused and canceled by their batch.
 */
#include "base/text.h"
#include "core/core.h"
#include "send/send_batch.h"
#include "sendgrid.h"

static struct sends *sends_of(struct http_call *c) { return api_of(c)->core->sends; }
static struct slice account_of(struct http_call *c) { return sl_cstr(c->key.account->id); }

static json_t *named(struct slice batch) { return json_pack("{s:s%}", "batch_id", batch.p, batch.n); }

void sendgrid_batch_create(struct http_call *c)
{
    api_json(c, 201, named(send_batch_name(sends_of(c), account_of(c), c->a)));
}

/* Is it a name that was made for the account? It is answered when it is not. */
static bool is_known(struct http_call *c, struct slice batch)
{
    bool known = send_batch_made(sends_of(c), account_of(c), batch);
    if (!known) http_fail(c, 400, "invalid batch id");
    return known;
}

void sendgrid_batch_get(struct http_call *c)
{
    if (is_known(c, c->param[0])) api_json(c, 200, named(c->param[0]));
}

/* ---- what is paused and canceled ---- */

static json_t *status_json(struct slice batch, enum send_action said)
{
    return json_pack("{s:s%,s:s}", "batch_id", batch.p, batch.n, "status",
                     said == SEND_CANCEL ? "cancel" : "pause");
}

static int list_one(void *list, struct slice batch, enum send_action said)
{
    json_array_append_new(list, status_json(batch, said));
    return 0;
}

static int act(struct http_call *c, struct slice batch, enum send_action what)
{
    return send_batch_act(sends_of(c), account_of(c), batch, what, SL("over the API of SendGrid"));
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
    if (!is_known(c, batch)) return;
    if (!action_of(body, &what)) {
        http_fail(c, 400, "status must be either pause or cancel");
        return;
    }
    int e = act(c, batch, what);
    if (e == ERR_LIMIT || e == ERR_STATE) http_fail(c, 400, "%s", err_text(e));
    else if (e) api_failed(c, e);
    else if (status == 204) http_answer(c, 204, NULL, SL(""));
    else api_json(c, status, status_json(batch, what));
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
    json_t *list = json_array();
    enum send_action said = SEND_RESUME;
    int e = c->nparams ? send_batch_said(sends_of(c), account_of(c), c->param[0], 0, &said)
                       : send_batch_each(sends_of(c), account_of(c), list_one, list);
    if (said != SEND_RESUME) (void)!list_one(list, c->param[0], said);
    if (!e) api_json(c, 200, json_incref(list));
    else api_failed(c, e);
    json_decref(list);
}

/* The batch goes on. */
void sendgrid_scheduled_delete(struct http_call *c)
{
    if (!is_known(c, c->param[0])) return;
    int e = act(c, c->param[0], SEND_RESUME);
    if (e) api_failed(c, e);
    else http_answer(c, 204, NULL, SL(""));
}

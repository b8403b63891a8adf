/* campaigns.c - POST /v1/campaigns: a head and recipients, one JSON a line, taken while they stream in; and
 * how campaigns stand. */
#include <stdlib.h>

#include "api_i.h"
#include "base/text.h"
#include "campaign_read.h"
#include "core/core.h"
#include "crypto/crypto.h"
#include "send/send.h"

enum { LINE_MAX_BYTES = 2 << 20, HEADS_MAX = 100 };

/* ---- lines as they stream in ---- */

struct taking {
    struct http_call *c;
    struct sends *s;
    struct send_writer *w;
    struct send_taken done;
    struct arena a; /* of a line */
    struct buf line;
    struct hash sum; /* of all lines */
    uint64_t lines;
    bool skip_bad; /* a recipient that cannot be taken is counted and passed over */
    uint64_t bad;
    int status; /* of a refusal; 0: none */
    char why[ERR_TEXT_MAX + 40];
};

static void refuse(struct taking *t, int status, const char *why)
{
    t->status = status;
    snprintf(t->why, sizeof t->why, "line %llu: %s", (unsigned long long)t->lines, why);
}

static void take_head(struct taking *t, const json_t *o, struct slice line)
{
    char why[ERR_TEXT_MAX];
    struct slice key = http_request_value(t->c->request, SL("Idempotency-Key"));
    uint8_t sum[HASH_MAX];
    struct send s = {.account = t->c->key.account, .key = sl_cstr(t->c->key.id), .idempotency = key};
    int e = campaign_read_head(t->c->a, o, &s, &t->skip_bad, why);
    hash_once(HASH_SHA256, line, sum);
    s.digest = sl((const char *)sum, sizeof sum);
    if (!s.campaign.n) s.campaign = SL("campaign");
    if (e) {
        refuse(t, 400, why);
        return;
    }
    e = send_begin(t->s, &s, t->c->a, &t->w, &t->done);
    if (e) refuse(t, http_status_of(e), err_text(e));
}

static void take_recipient(struct taking *t, const json_t *o)
{
    char why[ERR_TEXT_MAX];
    struct send_letter l;
    int e = campaign_read_letter(&t->a, o, &l, why);
    if (!e) e = send_add(t->w, &l);
    if (!e) return;
    if (t->skip_bad && (e == ERR_USAGE || e == ERR_SYNTAX || e == ERR_TOO_LONG)) t->bad++;
    else refuse(t, *why ? 400 : http_status_of(e), *why ? why : err_text(e));
}

static void take_line(struct taking *t, struct slice line)
{
    json_t *o;
    size_t held;
    t->lines++;
    line = sl_trim(line);
    if (!line.n) return;
    hash_add(&t->sum, line);
    hash_add(&t->sum, SL("\n"));
    int e = api_parse(t->c, line, &o, &held);
    ar_reset(&t->a);
    if (e) refuse(t, http_status_of(e), err_text(e));
    else if (!json_is_object(o)) refuse(t, 400, "this is no JSON object");
    else if (!t->w && !t->done.before) take_head(t, o, line);
    else if (t->w) take_recipient(t, o);
    json_decref(o);
    http_let_go(t->c, held);
}

static int take_pieces(struct taking *t)
{
    struct slice piece;
    int e;
    while ((e = http_read(t->c, &piece)) == 1 && !t->status) {
        buf_put(&t->line, piece);
        struct slice all = buf_slice(&t->line);
        size_t at, used = 0, from = all.n - piece.n; /* what came before has no end of line */
        while (!t->status && (at = sl_chr(sl_from(all, from), '\n')) != SL_NONE) {
            take_line(t, sl_sub(all, used, from + at));
            used = from += at + 1;
        }
        buf_drop(&t->line, used);
        if (t->line.n > LINE_MAX_BYTES) refuse(t, 413, "the line is too long");
    }
    if (!e && !t->status && t->line.n) take_line(t, buf_slice(&t->line));
    return e < 0 ? e : 0;
}

static json_t *json_text(struct slice s) { return json_stringn(s.p ? s.p : "", s.n); }

static json_t *taken_json(const struct taking *t)
{
    const struct send_taken *d = &t->done;
    json_t *who = json_array();
    for (size_t i = 0; i < d->nwho; i++)
        json_array_append_new(who, json_pack("{s:o,s:s}", "email", json_text(d->who[i].address), "reason",
                                             send_reason_word(d->who[i].reason)));
    return json_pack("{s:s,s:I,s:I,s:I,s:I,s:b,s:o}", "id", d->id.s, "letters", (json_int_t)d->letters,
                     "recipients", (json_int_t)d->recipients, "left_out", (json_int_t)d->left_out, "bad",
                     (json_int_t)t->bad, "before", d->before, "who", who);
}

void api_campaigns_add(struct http_call *c)
{
    struct taking t = {.c = c, .s = api_of(c)->core->sends};
    uint8_t sum[HASH_MAX];
    hash_init(&t.sum, HASH_SHA256);
    int e = take_pieces(&t);
    hash_end(&t.sum, sum);
    struct slice digest = sl((const char *)sum, sizeof sum);
    if (!e && !t.status && !t.w && !t.done.before) refuse(&t, 400, "there is no head");
    if (!e && !t.status && t.done.before && !sl_eq(t.done.digest, digest))
        refuse(&t, http_status_of(ERR_EXISTS), "this key of idempotency was used for another request");
    if (!e && !t.status && t.w) {
        send_digest(t.w, digest);
        e = send_commit(&t.w, c->a, &t.done);
        if (e) refuse(&t, http_status_of(e), err_text(e));
    }
    send_abandon(&t.w);
    if (t.status) http_fail(c, t.status, "%s", t.why);
    else if (e) api_failed(c, e);
    else api_json(c, 202, taken_json(&t));
    buf_free(&t.line);
    ar_free(&t.a);
}

/* ---- how they stand ---- */

static json_t *info_json(const struct send_info *i)
{
    json_t *o =
        json_pack("{s:s,s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:I}", "id", i->id.s, "account", json_text(i->account),
                  "campaign", json_text(i->campaign), "state", json_text(i->state), "why", json_text(i->why),
                  "taken", (json_int_t)i->taken, "send_at", (json_int_t)i->send_at, "begun",
                  (json_int_t)i->begun, "over", (json_int_t)i->over);
    const struct {
        const char *name;
        uint64_t n;
    } numbers[] = {{"letters", i->letters},
                   {"recipients", i->recipients},
                   {"left_out", i->left_out},
                   {"queued", i->queued},
                   {"waiting", i->waiting},
                   {"delivered", i->delivered},
                   {"bounced", i->bounced},
                   {"dropped", i->dropped},
                   {"failed", i->failed},
                   {"deferred", i->deferred},
                   {"late_bounces", i->late},
                   {"complaints", i->complained},
                   {"unsubscribed", i->unsubscribed},
                   {"opened", i->opened},
                   {"clicked", i->clicked}};
    for (size_t k = 0; k < COUNT_OF(numbers); k++)
        json_object_set_new(o, numbers[k].name, json_integer((json_int_t)numbers[k].n));
    return o;
}

static int list_one(void *arg, const struct send_info *info)
{
    json_array_append_new(arg, info_json(info));
    return 0;
}

void api_campaigns_list(struct http_call *c)
{
    json_t *all = json_array();
    int e = send_each(api_of(c)->core->sends, sl_cstr(c->key.account->id), list_one, all);
    json_t *v = json_pack("{s:o}", "campaigns", all);
    if (!e) {
        api_json(c, 200, v);
        return;
    }
    json_decref(v);
    api_failed(c, e);
}

/* The send of the path, when it is the account's. */
static int own_send(struct http_call *c, struct send_info *out)
{
    struct letter_id id = {{0}};
    if (!letter_id_ok(c->param[0])) return err_set(ERR_NOT_FOUND, "there is no such campaign");
    memcpy(id.s, c->param[0].p, LETTER_ID_LEN);
    int e = send_show(api_of(c)->core->sends, &id, c->a, out);
    if (!e && !sl_eq(out->account, c->key.account->address))
        e = err_set(ERR_NOT_FOUND, "there is no such campaign");
    return e;
}

void api_campaigns_show(struct http_call *c)
{
    struct send_info info;
    int e = own_send(c, &info);
    if (e) api_failed(c, e);
    else api_json(c, 200, info_json(&info));
}

static void act(struct http_call *c, enum send_action what)
{
    struct send_info info;
    int e = own_send(c, &info);
    if (!e) e = send_act(api_of(c)->core->sends, &info.id, what, SL("asked for over the API"));
    if (!e) e = own_send(c, &info);
    if (e) api_failed(c, e);
    else api_json(c, 200, info_json(&info));
}

void api_campaigns_pause(struct http_call *c) { act(c, SEND_PAUSE); }
void api_campaigns_resume(struct http_call *c) { act(c, SEND_RESUME); }
void api_campaigns_cancel(struct http_call *c) { act(c, SEND_CANCEL); }

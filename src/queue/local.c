/* local.c - recipients here: a delivery has a name, made of the letter's id, the recipient's number and what
 * the body is, so that it happens once: another letter that has the same id by chance is not taken for
 * delivered. */
#include <stdio.h>

#include "base/log.h"
#include "letter_source.h"
#include "mail/build.h"
#include "queue_i.h"

int local_deliver(struct queue *q, struct last_hop *d, uint32_t rcpt_n)
{
    char name[LETTER_ID_LEN + 16 + sizeof d->letter->body.s];
    const struct letter *l = d->letter;
    /* of our own, a letter with this id may be made anew, and is the same whatever its body */
    struct slice content = l->once ? SL("once") : body_ref_content(&l->body);
    ASSERT(d->account[0] && letter_id_ok(sl_cstr(l->id.s)));
    snprintf(name, sizeof name, "%s.%u.%.*s", l->id.s, rcpt_n, SLF(content));
    d->name = sl_cstr(name);
    int e = q->deliver(q->deliver_ctx, d);
    /* perhaps done: the name makes trying again safe, and only a success says anything about the first try */
    if (e == ERR_UNKNOWN && (e = q->deliver(q->deliver_ctx, d)) != 0)
        e = err_set(ERR_UNKNOWN, "it is not known whether the letter was delivered");
    d->name = (struct slice){0};
    return e;
}

/* A letter that may be in its mailbox is neither deferred nor bounced: this asks until it is known. */
static int deliver_until_known(struct queue *q, struct last_hop *d, uint32_t rcpt_n)
{
    enum { PAUSE_MAX_S = 60 };
    int e = local_deliver(q, d, rcpt_n);
    for (int64_t pause = 1; e == ERR_UNKNOWN && fiber_sleep(pause * RT_S) == 0; pause *= 2) {
        if (pause > PAUSE_MAX_S) pause = PAUSE_MAX_S;
        e = local_deliver(q, d, rcpt_n);
    }
    return e;
}

static void result_of(const struct queue *q, int e, bool call, struct arena *a, struct attempt_rcpt *out)
{
    const char *status = "4.3.0";
    out->result = ATTEMPT_TEMPORARY;
    out->code = 451;
    if (e == ERR_QUOTA) {
        status = q->over_quota_is_final ? "5.2.2" : "4.2.2";
        out->code = q->over_quota_is_final ? 552 : 452;
        if (q->over_quota_is_final) out->result = ATTEMPT_PERMANENT;
    } else if (e == ERR_NOT_FOUND) {
        out->result = ATTEMPT_PERMANENT;
        status = "5.1.1", out->code = 550;
    } else if (!err_is_temporary(e)) {
        out->result = ATTEMPT_PERMANENT;
        status = "5.3.0", out->code = 554;
    }
    snprintf(out->enhanced, sizeof out->enhanced, "%s", status);
    if (call && e == ERR_TOO_LONG) snprintf(out->enhanced, sizeof out->enhanced, "5.3.4"); /* RFC 3463 */
    bool said = call && (e == ERR_BUSY || e == ERR_TOO_LONG);
    out->reply = said                 ? ar_dup(a, sl_cstr(err_text(e)))
                 : e == ERR_NOT_FOUND ? SL("the account is gone")
                 : e == ERR_QUOTA     ? SL("the mailbox is full")
                                      : sl_cstr(err_name(e));
}

void local_attempt(const struct portion *p, struct attempt_rcpt *out)
{
    struct queue *q = p->s->q;
    const char *account = p->l->g.account;
    for (size_t i = 0; i < p->n; i++) {
        struct last_hop d = {.letter = &p->l->e.l,
                             .account = account,
                             .address = p->rcpt[i]->address,
                             .detail = p->rcpt[i]->detail};
        int e = deliver_until_known(q, &d, p->rcpt[i]->n);
        if (e) {
            result_of(q, e, last_hop_calls(account), p->a, &out[i]);
            continue;
        }
        out[i].result = ATTEMPT_DELIVERED;
        out[i].reply = d.before ? SL("it was there already") : ar_printf(p->a, "delivered %s", d.where);
    }
}

/* ---- letters that are made when they leave ---- */

static struct letter_rcpt *routes_here(const struct portion *p)
{
    struct letter_rcpt *r = ar_array(p->a, struct letter_rcpt, p->n);
    for (size_t i = 0; i < p->n; i++) {
        const struct q_rcpt *to = p->rcpt[i];
        r[i] = (struct letter_rcpt){.address = to->address, .notify = NOTIFY_NEVER};
        r[i].route = (struct route){.local = true, .address = to->address, .detail = to->detail};
        memcpy(r[i].route.account, p->l->g.account, sizeof r[i].route.account);
    }
    return r;
}

static int copy_source(const struct letter_source *src, struct body_writer *w)
{
    char piece[16384];
    int e = 0;
    for (uint64_t at = 0; !e && at < src->size;) {
        int64_t got = letter_source_read(src, at, piece, sizeof piece);
        if (got <= 0) return got ? (int)got : ERR_CORRUPT;
        e = body_write(w, sl(piece, (size_t)got));
        at += (uint64_t)got;
    }
    return e;
}

/* In a mailbox it is a letter like any other: its bytes are stored, with what is for local eyes in front. It
 * may be made anew, so the delivery is named by the letter alone (once). */
static int store_made(struct queue *q, struct letter *l, const struct letter_source *src)
{
    struct buf prefix = BUF_INIT, origin = BUF_INIT;
    struct body_writer *w = NULL;
    mail_return_path(&prefix, l->sender);
    l->skip = (uint32_t)prefix.n;
    l->head_size = l->skip + src->head;
    l->eight_bit = src->eight_bit;
    l->smtputf8 = src->smtputf8;
    l->once = true;
    int e = letter_origin(&origin, l);
    if (!e) e = body_begin(q->store->body, BODY_MAIL, &w);
    if (!e) e = copy_source(src, w);
    if (!e) e = body_finish(&w, buf_slice(&prefix), buf_slice(&origin), &l->body);
    if (w) body_abandon(&w);
    buf_free(&prefix);
    buf_free(&origin);
    return e;
}

void local_attempt_made(const struct portion *p, const struct letter_source *src, struct attempt_rcpt *out)
{
    struct q_loaded l = *p->l;
    struct portion stored = *p;
    struct queue *q = p->s->q;
    stored.l = &l;
    l.e.l.rcpt = routes_here(p);
    l.e.l.nrcpt = p->n;
    int e = store_made(q, &l.e.l, src);
    for (size_t i = 0; e && i < p->n; i++) result_of(q, e, false, p->a, &out[i]);
    if (e) return;
    local_attempt(&stored, out);
    body_unpin(q->store->body, &l.e.l.body);
}

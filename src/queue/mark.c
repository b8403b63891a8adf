/* mark.c - recipients of a group marked without an attempt: their sender is told, their time is over, they
 * wait longer. */
#include "mark.h"

#include "base/log.h"
#include "trace/trace.h"

enum {
    NOT_NOW_S = 60,
    TELL_FOR_S = 86400 /* so long after its time it is tried to tell the sender, then no more */
};

/* ---- what failed, what is late ---- */

/* Recipients of a group that are in a state, and what becomes of them. was: as they were loaded. */
struct marking {
    struct queue *q;
    const struct letter *l;
    const struct letter_id *id; /* its */
    uint32_t g;
    struct q_rcpt *const *rcpt;
    size_t n;
    enum q_state in;
    void (*change)(struct kv_tx *tx, const struct marking *x, struct q_rcpt *r, const struct q_rcpt *was);
    const char *told; /* whether the sender is told, in words */
    int64_t now, until;
};

static int mark_tx(struct kv_tx *tx, void *arg)
{
    const struct marking *x = arg;
    struct arena a = {0};
    int e = 0;
    for (size_t i = 0; !e && i < x->n; i++) {
        struct q_rcpt r;
        e = queue_tx_rcpt(tx, &a, x->id, x->g, x->rcpt[i]->n, &r);
        if (e || r.state != x->in) continue;
        x->change(tx, x, &r, x->rcpt[i]);
        queue_tx_put_rcpt(tx, &a, x->id, &r);
    }
    if (!e) e = queue_tx_settle_ended(tx, &a, x->id, x->g);
    ar_free(&a);
    return e;
}

static int mark(struct shard *s, struct marking *x)
{
    return queue_gone_is_fine(shard_transact(s, mark_tx, x));
}

static void tell_bounced(struct kv_tx *tx, const struct marking *x, const struct q_rcpt *r)
{
    /* "500 5.3.0 try again later": the words do not make it less final (docs/delivery.md, "again after 5yz").
     */
    bool at_odds = !r->expired && sl_eq(r->class, SL("temporary"));
    const char *taken = at_odds ? "; final by its code, its words are taken for: " : "; taken for: ";
    trace_tx_addf(x->q->store->trace, tx, x->id, TRACE_BOUNCED, r->address, "%s%s%.*s: %.*s%s%.*s; %s",
                  r->expired ? "given up, its time is over; the last word" : "refused for good",
                  r->host.n ? " by " : "", SLF(r->host), SLF(r->reply), r->class.n ? taken : "",
                  SLF(r->class), x->told);
}

static void tell_maker_bounced(struct kv_tx *tx, const struct marking *x, const struct q_rcpt *r)
{
    x->q->maker.tell(x->q->maker.ctx, tx,
                     &(struct made_news){.letter = x->l,
                                         .what = MADE_BOUNCED,
                                         .address = q_rcpt_asked(r),
                                         .n = r->n,
                                         .code = r->code,
                                         .attempts = r->attempts,
                                         .enhanced = r->enhanced,
                                         .reply = r->reply,
                                         .host = r->host,
                                         .class = r->class,
                                         .expired = r->expired});
}

static void to_bounced(struct kv_tx *tx, const struct marking *x, struct q_rcpt *r, const struct q_rcpt *was)
{
    q_move(r, Q_BOUNCED);
    tell_bounced(tx, x, was);
    if (x->l->made.n) tell_maker_bounced(tx, x, was);
}

static void put_off(struct kv_tx *tx, const struct marking *x, struct q_rcpt *r, const struct q_rcpt *was)
{
    (void)tx, (void)was;
    r->next_try = x->until;
}

/* It is tried again later, all of the group together; as attempts are, after half of the time that is over.
 */
static int tell_later(const struct portion *p)
{
    const struct q_loaded *l = p->l;
    const struct queue *q = p->s->q;
    struct q_rcpt **failed = ar_array(p->a, struct q_rcpt *, l->n);
    struct marking x = {.id = &l->e.l.id, .g = l->g.n, .in = Q_FAILED, .change = put_off, .rcpt = failed};
    int64_t now = rt_wall_seconds(), since = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (l->rcpt[i].state != Q_FAILED) continue;
        int64_t t = l->rcpt[i].expired ? l->e.expires : l->rcpt[i].last_try;
        if (t > since) since = t;
        failed[x.n++] = &l->rcpt[i];
    }
    int64_t wait = (now - since) / 2;
    if (wait > q->retry_most_s) wait = q->retry_most_s;
    x.until = now + (wait < q->retry_first_s ? q->retry_first_s : wait);
    int e = mark(p->s, &x);
    if (!e) trip_again(p->trip, x.until);
    return e;
}

/* The next time it would be the same, or it has been tried for long enough. */
static bool is_never_told(const struct q_envelope *e, int why)
{
    return why == ERR_TOO_LONG || why == ERR_LIMIT || why == ERR_USAGE ||
           rt_wall_seconds() >= e->expires + TELL_FOR_S;
}

static const char *told_in_words(const struct q_loaded *l, const struct bounce_told *told, int why,
                                 struct arena *a)
{
    if (why) return ar_printf(a, "the sender cannot be told: %s", err_text(why)).p;
    if (l->e.l.made.n) return "whose sender hears of it as an event";
    if (told->why_not.n) return ar_printf(a, "the sender is not told: %.*s", SLF(told->why_not)).p;
    return told->told        ? "the sender is told"
           : l->e.l.sender.n ? "the sender does not want to be told"
                             : "there is no sender to be told";
}

int mark_bounced(const struct portion *p, bool *more)
{
    struct bounce_told told;
    const struct q_loaded *l = p->l;
    struct queue *q = p->s->q;
    int why = bounce_tell(q, &l->e, p->rcpt, p->n, BOUNCE_FAILED, p->a, &told);
    if (why == ERR_CANCELED) return why;
    struct marking x = {.q = q,
                        .l = &l->e.l,
                        .id = &l->e.l.id,
                        .g = l->g.n,
                        .rcpt = p->rcpt,
                        .n = p->n,
                        .in = Q_FAILED,
                        .change = to_bounced,
                        .told = told_in_words(l, &told, why, p->a)};
    if (why && !told.later)
        log_warn("queue", "%s: the sender cannot be told: %s", l->e.l.id.s, err_text(why));
    if (told.later)
        trace_addf(q->store->trace, &l->e.l.id, TRACE_DEFERED, SL(""), "its sender is told later: %s",
                   err_text(why));
    if (why && !is_never_told(&l->e, why)) return *more = false, tell_later(p);
    int e = mark(p->s, &x);
    if (e) return e;
    queue_tally(&q->bounced, p->n);
    return 0;
}

/* ---- its time is over ---- */

static void to_expired(struct kv_tx *tx, const struct marking *x, struct q_rcpt *r, const struct q_rcpt *was)
{
    (void)tx, (void)was;
    q_move(r, Q_FAILED);
    r->expired = true;
    r->next_try = x->now;
    if (!r->attempts) { /* RFC 3463: delivery time expired */
        r->enhanced = SL("4.4.7");
        r->reply = SL("no attempt could be made before its time was over");
    }
}

int mark_expired(struct shard *s, const struct q_loaded *l)
{
    struct q_rcpt *some[QUEUE_ATTEMPT_RCPTS];
    struct marking x = {.id = &l->e.l.id,
                        .g = l->g.n,
                        .in = Q_WAITING,
                        .change = to_expired,
                        .rcpt = some,
                        .now = rt_wall_seconds()};
    for (size_t i = 0; i < l->n && x.n < QUEUE_ATTEMPT_RCPTS; i++)
        if (l->rcpt[i].state == Q_WAITING) some[x.n++] = &l->rcpt[i];
    return x.n ? mark(s, &x) : 0;
}

int mark_put_off(const struct portion *p)
{
    const struct q_loaded *l = p->l;
    int64_t now = rt_wall_seconds();
    int64_t until = queue_release(p->s->q, &l->e.l.wants, now);
    struct marking x = {.id = &l->e.l.id,
                        .g = l->g.n,
                        .in = Q_WAITING,
                        .change = put_off,
                        .rcpt = p->rcpt,
                        .n = p->n,
                        .until = until > now ? until : now + NOT_NOW_S};
    int e = mark(p->s, &x);
    if (!e) trip_again(p->trip, x.until);
    return e;
}

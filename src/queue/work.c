/* work.c - what is done for a group that is due: an attempt (attempt.c), the
 * sender told of what failed. Each step is durable before the next, and safe to repeat. */
#include "attempt.h"
#include "mark.h"

enum {
    ROUNDS_MAX = 2 * LETTER_RCPTS_MAX / QUEUE_ATTEMPT_RCPTS + 10,
    MOVES_MAX = 5,
};

/* ---- reading ---- */

static int load_group(struct shard *s, const struct letter_id *id, uint32_t g, struct arena *a,
                      struct q_loaded *out)
{
    struct slice row;
    int e = queue_load_envelope(s, id, a, &out->e);
    if (!e) e = kv_get(s->q->store->kv, shard_object(s), queue_key_group(a, id, g), a, &row);
    if (!e) e = q_group_get(row, g, &out->g);
    if (!e) e = queue_load_group_rcpts(s, &out->e, g, a, &out->rcpt, &out->n);
    return e;
}

/* The same with the letter's body pinned: a sweep may move it to another pack while this goes on with
 * the old reference, which may even come into a mailbox. Pinned is what the envelope names
 * afterwards too: then no later sweep drops its pack before the pin is gone. */
static int load_pinned(struct shard *s, const struct letter_id *id, uint32_t g, struct arena *a,
                       struct q_loaded *out)
{
    struct body_store *b = s->q->store->body;
    struct q_envelope again;
    for (int i = 0; i < MOVES_MAX; i++) {
        int e = load_group(s, id, g, a, out);
        if (e) return e;
        if (out->e.l.made.n) return 0; /* it has none */
        bool pinned = body_pin(b, &out->e.l.body) == 0;
        out->pinned = pinned && !out->g.local; /* it is only read: an old reference serves, too */
        if (out->pinned) return 0;
        e = queue_load_envelope(s, id, a, &again);
        if (!e && strcmp(again.l.body.s, out->e.l.body.s) == 0) {
            out->pinned = pinned; /* not: the pack is lost, and reading it will say so */
            return 0;
        }
        if (pinned) body_unpin(b, &out->e.l.body);
        if (e) return e;
    }
    return err_set(ERR_BUSY, "the body of %s moves all the time", id->s);
}

static void unload(struct shard *s, struct q_loaded *l)
{
    if (l->pinned) body_unpin(s->q->store->body, &l->e.l.body);
    l->pinned = false;
}

/* Recipients in a state whose time has come, or is over; at most QUEUE_ATTEMPT_RCPTS. */
static size_t pick(const struct queue *q, const struct q_loaded *l, enum q_state state, int64_t now,
                   struct q_rcpt **out)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n && n < QUEUE_ATTEMPT_RCPTS; i++)
        if (l->rcpt[i].state == state &&
            (now >= l->e.expires || queue_time(q, l->rcpt[i].next_try, now) <= now))
            out[n++] = &l->rcpt[i];
    return n;
}

static bool any_waits(const struct q_loaded *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->rcpt[i].state == Q_WAITING) return true;
    return false;
}

/* Of a letter that is made when it leaves: who of these is still to get it? What is not wanted any more comes
 * to its end here, what is not wanted now is put off; *done: something was, and the rest is looked at again.
 */
static int ask_maker(const struct portion *p, bool *done)
{
    const struct queue_maker *m = &p->s->q->maker;
    struct q_rcpt *drop[QUEUE_ATTEMPT_RCPTS], *late[QUEUE_ATTEMPT_RCPTS];
    struct portion dropped = *p, later = *p;
    struct attempt_rcpt *result = ar_array(p->a, struct attempt_rcpt, p->n);
    dropped.rcpt = drop, later.rcpt = late;
    dropped.n = later.n = 0;
    for (size_t i = 0; i < p->n; i++) {
        int why = m->wanted(m->ctx, &p->l->e.l, q_rcpt_asked(p->rcpt[i]));
        if (why < 0) late[later.n++] = p->rcpt[i];
        if (why <= 0) continue;
        result[dropped.n] = (struct attempt_rcpt){
            .result = ATTEMPT_DROPPED, .unwanted = why, .reply = SL("it is not wanted any more")};
        drop[dropped.n++] = p->rcpt[i];
    }
    *done = dropped.n || later.n;
    int e = dropped.n ? attempt_none(&dropped, result) : 0;
    return e || !later.n ? e : mark_put_off(&later);
}

/* One step of what is due; *more: there may be another. Of what is sent elsewhere one portion is a step, and
 * a start of the schedule: others have their turn before the next. */
static int work_step(struct shard *s, struct q_loaded *l, struct arena *a, struct trip *trip, bool *more)
{
    struct q_rcpt *some[QUEUE_ATTEMPT_RCPTS];
    int64_t now = rt_wall_seconds();
    int e = age_right(s, &l->e, now);
    if (e) return queue_gone_is_fine(e);
    *more = true;
    if (trip->tell && now >= l->e.expires && any_waits(l)) return mark_expired(s, l);
    struct portion p = {s, l, some, pick(s->q, l, Q_WAITING, now, some), a, trip};
    if (p.n && letter_is_held(&l->e.l.wants, now)) return mark_put_off(&p);
    bool asked = false;
    if (p.n && !trip->tell && !trip->tried && l->e.l.made.n) e = ask_maker(&p, &asked);
    if (e || asked) return e;
    if (p.n && !trip->tell && !trip->tried) {
        *more = p.n < l->n;
        return attempt_now(&p, more);
    }
    if (p.n) trip_again(trip, now);
    p.n = pick(s->q, l, Q_FAILED, now, some);
    if (p.n) return mark_bounced(&p, more);
    *more = false;
    return 0;
}

int work_group(struct shard *s, const struct letter_id *id, uint32_t g, struct trip *trip)
{
    struct arena a = {0};
    bool more = true;
    int e = shard_ours(s);
    for (int round = 0; !e && more && round < ROUNDS_MAX && !*trip->stopping; round++) {
        struct q_loaded l = {0};
        ar_reset(&a);
        e = load_pinned(s, id, g, &a, &l);
        if (e) break;
        e = work_step(s, &l, &a, trip, &more);
        unload(s, &l);
    }
    ar_free(&a);
    return e;
}

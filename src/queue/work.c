/* work.c - what is done for a group that is due: an attempt, its result recorded, the
 * sender told of what failed. Each step is durable before the next, and safe to repeat. */
#include <stdio.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "queue_i.h"
#include "trace/trace.h"

enum {
    ROUNDS_MAX = 2 * LETTER_RCPTS_MAX / QUEUE_ATTEMPT_RCPTS + 10,
    RECORD_PAUSE_MAX_S = 60,
    MOVES_MAX = 5,
    NOT_NOW_S = 60,
    TELL_FOR_S = 86400 /* so long after its time it is tried to tell the sender, then no more */
};
#define ATTEMPT_MAX (2 * 3600 * RT_S)

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

/* ---- recording ---- */

/* What a reply means for one recipient. */
struct meaning {
    struct slice class, rule;
    int64_t next_try;
};
struct recording {
    struct queue *q;
    const struct letter *l;
    const struct letter_id *id; /* its */
    uint32_t g;
    int64_t now, expires;
    struct q_rcpt *const *rcpt;
    const struct attempt_rcpt *result;
    const struct meaning *meaning;
    size_t n;
    struct slice source, bind; /* that it left from; from which it leaves the next time, or empty */
    const char *gone; /* the source that it was to leave from, and that is not there any more; or "" */
};

static void take_result(struct recording *x, struct q_rcpt *r, const struct attempt_rcpt *got,
                        const struct meaning *m)
{
    r->attempts++;
    r->last_try = x->now;
    r->code = got->code;
    r->enhanced = sl_cstr(got->enhanced);
    r->reply = got->reply;
    r->host = got->host;
    r->tls = got->tls;
    r->source = x->source;
    r->class = m->class;
    r->rule = m->rule;
    r->uncertain = got->result == ATTEMPT_UNCERTAIN;
    bool over = x->now >= x->expires;
    switch (got->result) {
    case ATTEMPT_DELIVERED: q_move(r, Q_DELIVERED); break;
    case ATTEMPT_DROPPED: q_move(r, Q_DROPPED); break;
    case ATTEMPT_PERMANENT:
        q_move(r, Q_FAILED);
        r->next_try = x->now;
        break;
    case ATTEMPT_TEMPORARY:
    case ATTEMPT_UNCERTAIN:
        if (r->state == Q_HELD) break; /* an operator held it meanwhile */
        q_move(r, over ? Q_FAILED : Q_WAITING);
        r->expired = over;
        r->next_try = over ? x->now : m->next_try;
        break;
    }
}

static void tell_result(struct kv_tx *tx, const struct recording *x, size_t i)
{
    const struct attempt_rcpt *r = &x->result[i];
    const struct meaning *m = &x->meaning[i];
    struct slice who = x->rcpt[i]->address;
    struct store *st = x->q->store;
    char until[CIVIL_TEXT_MAX];
    const char *by = r->host.n ? " by " : "", *from = x->source.n ? ", from the source " : "";
    switch (r->result) {
    case ATTEMPT_DELIVERED:
        trace_tx_addf(st->trace, tx, x->id, r->host.n ? TRACE_RELAYED : TRACE_DELIVERED, who,
                      "accepted%s%.*s%s%.*s%s%.*s: %.*s", by, SLF(r->host), r->tls.n ? " over " : "",
                      SLF(r->tls), from, SLF(x->source), SLF(r->reply));
        break;
    case ATTEMPT_PERMANENT: break; /* told with the bounce, which follows */
    case ATTEMPT_DROPPED:
        trace_tx_addf(st->trace, tx, x->id, TRACE_DROPPED, who, "not sent: %.*s", SLF(r->reply));
        break;
    case ATTEMPT_UNCERTAIN:
    case ATTEMPT_TEMPORARY:
        trace_tx_addf(st->trace, tx, x->id, TRACE_DEFERED, who, "%s%s%.*s%s%.*s: %.*s; %s%.*s%s%s %s",
                      r->result == ATTEMPT_UNCERTAIN
                          ? "perhaps delivered, the answer to the end of the data was lost"
                          : "not taken now",
                      by, SLF(r->host), from, SLF(x->source), SLF(r->reply), m->class.n ? "taken for: " : "",
                      SLF(m->class), m->class.n ? "; " : "",
                      x->now >= x->expires ? "its time ended" : "the next attempt is at",
                      civil_format(x->now >= x->expires ? x->expires : m->next_try, until));
        break;
    }
}

/* Who makes the letter hears what a sender would. */
static void tell_maker(struct kv_tx *tx, const struct recording *x, size_t i, const struct q_rcpt *now)
{
    static const enum made_end ends[Q_STATES] = {
        [Q_WAITING] = MADE_DEFERRED, [Q_DELIVERED] = MADE_DELIVERED, [Q_DROPPED] = MADE_DROPPED};
    const struct attempt_rcpt *r = &x->result[i];
    if (!x->l->made.n || !ends[now->state]) return;
    struct made_news news = {.letter = x->l,
                             .what = ends[now->state],
                             .address = q_rcpt_asked(now),
                             .n = now->n,
                             .why = r->unwanted,
                             .code = r->code,
                             .attempts = now->attempts,
                             .until = now->next_try,
                             .enhanced = sl_cstr(r->enhanced),
                             .reply = r->reply,
                             .host = r->host,
                             .class = x->meaning[i].class};
    if (now->state == Q_DROPPED && !r->unwanted) news.what = MADE_FAILED;
    x->q->maker.tell(x->q->maker.ctx, tx, &news);
}

/* With what an attempt came to goes the note that it began. */
static int settle_ended(struct kv_tx *tx, struct arena *a, const struct letter_id *id, uint32_t g)
{
    kv_tx_del(tx, queue_key_sending(a, id, g));
    return queue_tx_settle(tx, a, id, g);
}

/* A letter that was to leave from a source which is gone was planned anew. */
static int bind_tx(struct kv_tx *tx, struct arena *a, const struct recording *x)
{
    int e = 0;
    if (*x->gone) {
        e = queue_tx_bind(tx, a, x->id, x->g, SL(""), true);
        trace_tx_addf(x->q->store->trace, tx, x->id, TRACE_RETRIED, SL(""),
                      "the source %s that it was to leave from is gone: it was planned anew%s%.*s", x->gone,
                      x->source.n ? ", and left from the source " : "", SLF(x->source));
    }
    return e ? e : queue_tx_bind(tx, a, x->id, x->g, x->bind, false);
}

static int record_tx(struct kv_tx *tx, void *arg)
{
    struct recording *x = arg;
    struct arena a = {0};
    int e = 0;
    for (size_t i = 0; !e && i < x->n; i++) {
        struct q_rcpt r;
        e = queue_tx_rcpt(tx, &a, x->id, x->g, x->rcpt[i]->n, &r);
        if (e || (r.state != Q_WAITING && r.state != Q_HELD)) continue; /* dropped meanwhile */
        take_result(x, &r, &x->result[i], &x->meaning[i]);
        queue_tx_put_rcpt(tx, &a, x->id, &r);
        tell_result(tx, x, i);
        tell_maker(tx, x, i, &r);
    }
    if (!e) e = bind_tx(tx, &a, x);
    if (!e) e = settle_ended(tx, &a, x->id, x->g);
    ar_free(&a);
    return e;
}

/* The letter was dropped meanwhile: nothing is left to record. */
static int gone_is_fine(int e) { return e == ERR_NOT_FOUND ? 0 : e; }

/* A result that is lost means that the letter goes out once more, and on a dead disk again and
 * again. So this goes on until it is recorded; meanwhile the group counts as under way, and what is
 * under way is bounded. Recording twice does no harm: what has moved on is passed over. */
static int record(struct shard *s, struct recording *x, const struct trip *trip)
{
    int e = kv_transact(s->q->store->kv, shard_object(s), record_tx, x);
    for (int64_t pause = 1; e && e != ERR_NOT_FOUND && e != ERR_CORRUPT && err_is_temporary(e); pause *= 2) {
        if (pause > RECORD_PAUSE_MAX_S) pause = RECORD_PAUSE_MAX_S;
        log_error("queue", "%s: the result of an attempt cannot be written down yet: %s", x->id->s,
                  err_text(e));
        if (*trip->stopping || fiber_sleep(pause * RT_S) != 0) break;
        e = kv_transact(s->q->store->kv, shard_object(s), record_tx, x);
    }
    if ((e = gone_is_fine(e)) != 0) return e;
    for (size_t i = 0; i < x->n; i++) {
        if (x->result[i].result == ATTEMPT_DELIVERED) queue_tally(&s->q->delivered, 1);
        else if (x->result[i].result != ATTEMPT_PERMANENT && x->result[i].result != ATTEMPT_DROPPED)
            queue_tally(&s->q->deferred, 1);
        if (x->result[i].result == ATTEMPT_UNCERTAIN) queue_tally(&s->q->uncertain, 1);
    }
    return 0;
}

/* ---- an attempt ---- */

struct attempting {
    struct shard *s;
    const struct q_loaded *l;
    struct q_rcpt *const *rcpt;
    size_t n;
    struct attempt_rcpt *result;
    struct arena *a;
    struct trip *trip;
};

static void attempt_remote(const struct attempting *x, const struct letter_source *source)
{
    struct queue *q = x->s->q;
    struct attempt_letter at = {.letter = &x->l->e.l,
                                .source = source,
                                .domain = x->l->g.hop,
                                .rcpt = x->result,
                                .nrcpt = x->n,
                                .a = x->a,
                                .item = x->trip->item,
                                .families = x->trip->families,
                                .until = DEADLINE_IN(ATTEMPT_MAX)};
    for (size_t i = 0; i < x->n; i++)
        if (x->rcpt[i]->uncertain) at.first_host = x->rcpt[i]->host;
    q->relay(q->relay_ctx, &at);
    x->trip->tried = true;
    x->trip->no_room = at.no_room;
    x->trip->found = at.found;
    x->trip->asked = at.asked;
    x->trip->source = ar_dup(x->a, at.from.name);
}

/* It cannot be made now, or never. */
static void not_made(const struct attempting *x, int e)
{
    struct slice why = ar_printf(x->a, "the letter cannot be made: %s", err_text(e));
    for (size_t i = 0; i < x->n; i++) {
        x->result[i].result = err_is_temporary(e) ? ATTEMPT_TEMPORARY : ATTEMPT_DROPPED;
        x->result[i].reply = why;
        snprintf(x->result[i].enhanced, sizeof x->result[i].enhanced, "%s",
                 err_is_temporary(e) ? "4.3.0" : "5.6.0");
    }
}

static void attempt_made(const struct attempting *x)
{
    struct queue *q = x->s->q;
    struct letter_source source = {0};
    int e = q->maker.source(q->maker.ctx, &x->l->e.l, x->a, &source);
    if (e) not_made(x, e);
    else if (x->l->g.local) local_attempt_made(q, *x->l, &source, x->rcpt, x->result, x->n, x->a);
    else attempt_remote(x, &source);
    if (!e && source.end) source.end(source.ctx);
}

static void attempt_group(const struct attempting *x)
{
    struct queue *q = x->s->q;
    struct letter_source stored;
    if (x->l->e.l.made.n) {
        attempt_made(x);
    } else if (x->l->g.local) {
        local_attempt(q, x->l, x->rcpt, x->result, x->n, x->a);
    } else {
        stored = letter_source_stored(x->a, q->store->body, &x->l->e.l);
        attempt_remote(x, &stored);
    }
}

/* RFC 3461 section 4.1: of success, which the next server will not report. RFC 2852 section 4.1.4: that it
 * went on, to one that does not watch the time, or because each server is to say so. */
static bool to_be_told(const struct q_loaded *l, const struct q_rcpt *r, const struct attempt_rcpt *got,
                       enum bounce_kind kind)
{
    const struct letter_wants *w = &l->e.l.wants;
    bool success = r->notify & NOTIFY_SUCCESS && !got->dsn_taken;
    if (got->result != ATTEMPT_DELIVERED || kind == BOUNCE_SUCCESS)
        return got->result == ATTEMPT_DELIVERED && success;
    bool unwatched = w->by_mode == 'N' && !got->by_taken && rt_wall_seconds() < w->by;
    return !success && !l->g.local && !(r->notify & NOTIFY_NEVER) && (w->by_trace || unwatched);
}

static int tell_success(struct shard *s, const struct q_loaded *l, struct q_rcpt *const *rcpt, size_t n,
                        const struct attempt_rcpt *result, struct arena *a)
{
    static const enum bounce_kind kinds[] = {BOUNCE_SUCCESS, BOUNCE_RELAYED};
    int e = 0;
    for (size_t k = 0; !e && k < COUNT_OF(kinds); k++) {
        struct q_rcpt *good[QUEUE_ATTEMPT_RCPTS];
        size_t ngood = 0;
        bool told;
        for (size_t i = 0; i < n; i++) {
            if (!to_be_told(l, rcpt[i], &result[i], kinds[k])) continue;
            good[ngood] = rcpt[i];
            rcpt[i]->host = result[i].host;
            rcpt[i]->reply = result[i].reply;
            rcpt[i]->last_try = rt_wall_seconds();
            ngood++;
        }
        if (ngood) e = bounce_tell(s->q, &l->e, good, ngood, kinds[k], a, &told);
    }
    return e;
}

/* Without a reply of the server: who refuses for good, or for what a session is not (4.7.z: TLS that a letter
 * asks for), has met it; our own trouble (4.3.z) says nothing of it. */
static enum site_news news_without_reply(const struct attempt_rcpt *r)
{
    struct slice status = sl_cstr(r->enhanced);
    if (r->result == ATTEMPT_PERMANENT || sl_starts(status, SL("4.7."))) return SITE_ANSWERED;
    return sl_starts(status, SL("4.3.")) ? SITE_NO_NEWS : SITE_UNREACHED;
}

/* What an answer says of the site. */
static enum site_news news_of(const struct attempt_rcpt *r, const struct reply_verdict *v)
{
    if (r->result == ATTEMPT_DELIVERED) return SITE_GOOD;
    if (!r->code) return news_without_reply(r);
    if (v->pause) return SITE_REFUSED;
    bool ours =
        v->class == REPLY_POLICY || v->class == REPLY_AUTH || v->class == REPLY_DNS || v->class == REPLY_TLS;
    if (r->code / 100 == 5 && ours && v->about == REPLY_OF_SENDER) return SITE_SPURNED;
    bool busy = v->class == REPLY_TEMPORARY || v->class == REPLY_NETWORK || r->code == 421;
    return r->code / 100 == 4 && busy ? SITE_BUSY : SITE_ANSWERED;
}

/* Of the recipients of one letter: that one was taken counts most, then that the site refuses us. */
static void tell_site(struct trip *trip, const struct attempt_rcpt *r, const struct reply_verdict *v)
{
    static const int weight[] = {
        [SITE_NO_NEWS] = 0, [SITE_UNREACHED] = 1, [SITE_ANSWERED] = 2, [SITE_BUSY] = 3,
        [SITE_SPURNED] = 4, [SITE_REFUSED] = 5,   [SITE_GOOD] = 6};
    enum site_news n = news_of(r, v);
    if (weight[n] <= weight[trip->news]) return;
    trip->news = n;
    trip->words = utf8_cut(r->reply, sizeof trip->room);
    if (trip->words.n) memcpy(trip->room, trip->words.p, trip->words.n);
    trip->words.p = trip->room;
}

/* What each reply means, and when to try again. A refusal for good that speaks of a moment is not the
 * last word (docs/delivery.md). */
static struct meaning *understand(struct shard *s, const struct q_loaded *l, struct q_rcpt *const *rcpt,
                                  struct attempt_rcpt *result, size_t n, struct arena *a, struct trip *trip)
{
    int64_t now = rt_wall_seconds();
    struct meaning *m = ar_array(a, struct meaning, n);
    for (size_t i = 0; i < n; i++) {
        struct attempt_rcpt *r = &result[i];
        struct reply_verdict v = {0};
        struct reply_in in = {
            .code = r->code, .enhanced = sl_cstr(r->enhanced), .text = r->reply, .host = r->host};
        if (r->code >= 400) reply_class(s->q->replies, a, &in, &v);
        if (r->code >= 400) m[i].class = sl_cstr(reply_class_word(v.class)), m[i].rule = sl_cstr(v.rule);
        if (trip->tried) tell_site(trip, r, &v);
        if (r->result == ATTEMPT_PERMANENT && v.again) r->result = ATTEMPT_TEMPORARY;
        int64_t next = now + retry_interval(s->q, rcpt[i]->attempts + 1, v.first, v.most);
        if (now < l->e.l.wants.by && l->e.l.wants.by < next)
            next = l->e.l.wants.by; /* its sender is to hear then */
        if (next > l->e.expires) next = l->e.expires > now ? l->e.expires : now + 1;
        m[i].next_try = fiber_canceled() ? now : next; /* the server stops: the next one tries at once */
    }
    return m;
}

/* From which source it leaves the next time: who is put off because nobody knows him yet is known by his
 * address; else the pool says whether it matters. */
static struct slice bind_to(const struct trip *trip, const struct attempt_rcpt *r, const struct meaning *m,
                            size_t n)
{
    bool bind = trip->same;
    for (size_t i = 0; i < n; i++)
        bind |= r[i].result == ATTEMPT_TEMPORARY && sl_eq(m[i].class, SL("greylist"));
    return bind ? trip->source : SL("");
}

static int64_t soonest(const struct meaning *m, size_t n)
{
    int64_t t = INT64_MAX;
    for (size_t i = 0; i < n; i++)
        if (m[i].next_try < t) t = m[i].next_try;
    return t;
}

/* It is due again then. */
static void again(struct trip *trip, int64_t due)
{
    if (!trip->again || due < trip->again) trip->again = due;
}

/* RFC 2852 section 4.1.3: not tried any more; what was answered last stands. */
static void out_of_time(struct q_rcpt *const *rcpt, struct attempt_rcpt *result, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        result[i].reply =
            rcpt[i]->reply.n ? rcpt[i]->reply : SL("the time it was to be delivered by is over");
        result[i].host = rcpt[i]->host;
        result[i].code = rcpt[i]->code;
        snprintf(result[i].enhanced, sizeof result[i].enhanced, "%.*s", SLF(rcpt[i]->enhanced));
    }
}

static bool is_out_of_time(const struct q_envelope *e)
{
    return e->l.wants.by && e->l.wants.by_mode == 'R' && rt_wall_seconds() >= e->l.wants.by;
}

static int try_now(struct shard *s, const struct q_loaded *l, struct q_rcpt *const *rcpt, size_t n,
                   struct arena *a, struct trip *trip, bool *rest)
{
    struct attempt_rcpt *result = ar_array(a, struct attempt_rcpt, n);
    trip->source = SL("");
    for (size_t i = 0; i < n; i++)
        result[i] = (struct attempt_rcpt){.address = rcpt[i]->address,
                                          .notify = rcpt[i]->notify,
                                          .orcpt = rcpt[i]->orcpt,
                                          .result = ATTEMPT_TEMPORARY};
    if (is_out_of_time(&l->e)) out_of_time(rcpt, result, n);
    else attempt_group(&(struct attempting){s, l, rcpt, n, result, a, trip});
    if (trip->no_room) return *rest = false, 0;
    for (size_t i = 0; i < n; i++)
        *rest |= result[i].result != ATTEMPT_DELIVERED && result[i].result != ATTEMPT_DROPPED;
    int e = tell_success(s, l, rcpt, n, result, a);
    if (e) log_warn("queue", "%s: no report of success could be made: %s", l->e.l.id.s, err_text(e));
    int64_t now = rt_wall_seconds();
    struct recording x = {.q = s->q,
                          .l = &l->e.l,
                          .id = &l->e.l.id,
                          .g = l->g.n,
                          .now = now,
                          .expires = l->e.expires,
                          .rcpt = rcpt,
                          .result = result,
                          .meaning = understand(s, l, rcpt, result, n, a, trip),
                          .n = n,
                          .source = trip->source,
                          .gone = trip->tried ? trip->gone : ""};
    x.bind = bind_to(trip, result, x.meaning, n);
    e = record(s, &x, trip);
    if (!e && *rest) again(trip, soonest(x.meaning, n));
    return e;
}

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
    if (!e) e = settle_ended(tx, &a, x->id, x->g);
    ar_free(&a);
    return e;
}

static int mark(struct shard *s, struct marking *x)
{
    return gone_is_fine(kv_transact(s->q->store->kv, shard_object(s), mark_tx, x));
}

static void tell_bounced(struct kv_tx *tx, const struct marking *x, const struct q_rcpt *r)
{
    trace_tx_addf(x->q->store->trace, tx, x->id, TRACE_BOUNCED, r->address, "%s%s%.*s: %.*s%s%.*s; %s",
                  r->expired ? "given up, its time is over; the last word" : "refused for good",
                  r->host.n ? " by " : "", SLF(r->host), SLF(r->reply), r->class.n ? "; taken for: " : "",
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
static int tell_later(struct shard *s, const struct q_loaded *l, struct arena *a, struct trip *trip)
{
    struct q_rcpt **failed = ar_array(a, struct q_rcpt *, l->n);
    struct marking x = {.id = &l->e.l.id, .g = l->g.n, .in = Q_FAILED, .change = put_off, .rcpt = failed};
    int64_t now = rt_wall_seconds(), since = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (l->rcpt[i].state != Q_FAILED) continue;
        int64_t t = l->rcpt[i].expired ? l->e.expires : l->rcpt[i].last_try;
        if (t > since) since = t;
        failed[x.n++] = &l->rcpt[i];
    }
    int64_t wait = (now - since) / 2;
    if (wait > s->q->retry_most_s) wait = s->q->retry_most_s;
    x.until = now + (wait < s->q->retry_first_s ? s->q->retry_first_s : wait);
    int e = mark(s, &x);
    if (!e) again(trip, x.until);
    return e;
}

/* The next time it would be the same, or it has been tried for long enough. */
static bool is_never_told(const struct q_envelope *e, int why)
{
    return why == ERR_TOO_LONG || why == ERR_LIMIT || why == ERR_USAGE ||
           rt_wall_seconds() >= e->expires + TELL_FOR_S;
}

static const char *told_in_words(const struct q_loaded *l, bool told, int why, struct arena *a)
{
    if (why) return ar_printf(a, "the sender cannot be told: %s", err_text(why)).p;
    if (l->e.l.made.n) return "whose sender hears of it as an event";
    return told              ? "the sender is told"
           : l->e.l.sender.n ? "the sender does not want to be told or cannot be"
                             : "there is no sender to be told";
}

static int bounce(struct shard *s, const struct q_loaded *l, struct q_rcpt *const *rcpt, size_t n,
                  struct arena *a, struct trip *trip, bool *more)
{
    bool told = false;
    int why = bounce_tell(s->q, &l->e, rcpt, n, BOUNCE_FAILED, a, &told);
    if (why == ERR_CANCELED) return why;
    struct marking x = {.q = s->q,
                        .l = &l->e.l,
                        .id = &l->e.l.id,
                        .g = l->g.n,
                        .rcpt = rcpt,
                        .n = n,
                        .in = Q_FAILED,
                        .change = to_bounced,
                        .told = told_in_words(l, told, why, a)};
    if (why) log_warn("queue", "%s: the sender cannot be told: %s", l->e.l.id.s, err_text(why));
    if (why && !is_never_told(&l->e, why)) return *more = false, tell_later(s, l, a, trip);
    int e = mark(s, &x);
    if (e) return e;
    queue_tally(&s->q->bounced, n);
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

static int expire(struct shard *s, const struct q_loaded *l, int64_t now)
{
    struct q_rcpt *some[QUEUE_ATTEMPT_RCPTS];
    struct marking x = {
        .id = &l->e.l.id, .g = l->g.n, .in = Q_WAITING, .change = to_expired, .rcpt = some, .now = now};
    for (size_t i = 0; i < l->n && x.n < QUEUE_ATTEMPT_RCPTS; i++)
        if (l->rcpt[i].state == Q_WAITING) some[x.n++] = &l->rcpt[i];
    return x.n ? mark(s, &x) : 0;
}

static bool any_waits(const struct q_loaded *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->rcpt[i].state == Q_WAITING) return true;
    return false;
}

/* Its sender wants it held for longer than anything else waits: a part of that time is over. Or who makes it
 * does not want it sent now. */
static int hold_on(struct shard *s, const struct q_loaded *l, struct q_rcpt *const *rcpt, size_t n,
                   int64_t now, struct trip *trip)
{
    int64_t until = queue_release(s->q, &l->e.l.wants, now);
    struct marking x = {.id = &l->e.l.id,
                        .g = l->g.n,
                        .in = Q_WAITING,
                        .change = put_off,
                        .rcpt = rcpt,
                        .n = n,
                        .until = until > now ? until : now + NOT_NOW_S};
    int e = mark(s, &x);
    if (!e) again(trip, x.until);
    return e;
}

/* Of a letter that is made when it leaves: who of these is still to get it? What is not wanted any more comes
 * to its end here, what is not wanted now is put off; *done: something was, and the rest is looked at again.
 */
static int ask_maker(struct shard *s, const struct q_loaded *l, struct q_rcpt *const *rcpt, size_t n,
                     struct arena *a, struct trip *trip, bool *done)
{
    const struct queue_maker *m = &s->q->maker;
    struct q_rcpt *out[QUEUE_ATTEMPT_RCPTS], *later[QUEUE_ATTEMPT_RCPTS];
    struct attempt_rcpt *result = ar_array(a, struct attempt_rcpt, n);
    size_t nout = 0, nlater = 0;
    for (size_t i = 0; i < n; i++) {
        int why = m->wanted(m->ctx, &l->e.l, q_rcpt_asked(rcpt[i]));
        if (why < 0) later[nlater++] = rcpt[i];
        if (why <= 0) continue;
        result[nout] = (struct attempt_rcpt){
            .result = ATTEMPT_DROPPED, .unwanted = why, .reply = SL("it is not wanted any more")};
        out[nout++] = rcpt[i];
    }
    struct recording x = {.q = s->q,
                          .l = &l->e.l,
                          .id = &l->e.l.id,
                          .g = l->g.n,
                          .now = rt_wall_seconds(),
                          .expires = l->e.expires,
                          .rcpt = out,
                          .result = result,
                          .meaning = ar_array(a, struct meaning, n),
                          .n = nout,
                          .gone = ""};
    *done = nout || nlater;
    int e = nout ? record(s, &x, trip) : 0;
    return e || !nlater ? e : hold_on(s, l, later, nlater, x.now, trip);
}

/* One step of what is due; *more: there may be another. Of what is sent elsewhere one portion is a step, and
 * a start of the schedule: others have their turn before the next. */
static int work_step(struct shard *s, struct q_loaded *l, struct arena *a, struct trip *trip, bool *more)
{
    struct q_rcpt *some[QUEUE_ATTEMPT_RCPTS];
    int64_t now = rt_wall_seconds();
    int e = age_right(s, &l->e, now);
    if (e) return gone_is_fine(e);
    *more = true;
    if (trip->tell && now >= l->e.expires && any_waits(l)) return expire(s, l, now);
    size_t n = pick(s->q, l, Q_WAITING, now, some);
    if (n && letter_is_held(&l->e.l.wants, now)) return hold_on(s, l, some, n, now, trip);
    bool asked = false;
    if (n && !trip->tell && !trip->tried && l->e.l.made.n) e = ask_maker(s, l, some, n, a, trip, &asked);
    if (e || asked) return e;
    if (n && !trip->tell && !trip->tried) {
        *more = n < l->n;
        return try_now(s, l, some, n, a, trip, more);
    }
    if (n) again(trip, now);
    n = pick(s->q, l, Q_FAILED, now, some);
    if (n) return bounce(s, l, some, n, a, trip, more);
    *more = false;
    return 0;
}

int work_group(struct shard *s, const struct letter_id *id, uint32_t g, struct trip *trip)
{
    struct arena a = {0};
    bool more = true;
    int e = 0;
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

/* attempt.c - one attempt at recipients of a group, what it came to recorded, and what its replies mean for
 * them and for the site. */
#include "attempt.h"

#include <stdio.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "letter_source.h"
#include "shape/reply.h"
#include "trace/trace.h"

enum { RECORD_PAUSE_MAX_S = 60, SENTENCE_MAX = 2000 };
#define ATTEMPT_MAX (2 * 3600 * RT_S)

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
    struct slice source, group; /* that it left from; of the site */
    struct slice bind;          /* from which it leaves the next time, or empty */
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

/* By the data a complaint that comes home finds the source (return_path.c in send). */
static void tell_delivered(struct kv_tx *tx, const struct recording *x, const struct attempt_rcpt *r,
                           struct slice who)
{
    struct arena a = {0};
    struct trace_event e = {.id = *x->id, .kind = r->host.n ? TRACE_RELAYED : TRACE_DELIVERED, .who = who};
    e.sentence = ar_printf(&a, "accepted%s%.*s%s%.*s%s%.*s: %.*s", r->host.n ? " by " : "", SLF(r->host),
                           r->tls.n ? " over " : "", SLF(r->tls), x->source.n ? ", from the source " : "",
                           SLF(x->source), SLF(r->reply));
    e.sentence = utf8_cut(e.sentence, SENTENCE_MAX);
    if (x->l->made.n && x->source.n)
        e.data = ar_printf(&a, "{\"source\": \"%.*s\", \"group\": \"%.*s\"}", SLF(x->source), SLF(x->group));
    trace_tx_add_together(x->q->store->trace, tx, &e, 1);
    ar_free(&a);
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
    case ATTEMPT_DELIVERED: tell_delivered(tx, x, r, who); break;
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
    if (!e) e = queue_tx_settle_ended(tx, &a, x->id, x->g);
    ar_free(&a);
    return e;
}

/* A result that is lost means that the letter goes out once more, and on a dead disk again and
 * again. So this goes on until it is recorded; meanwhile the group counts as under way, and what is
 * under way is bounded. Recording twice does no harm: what has moved on is passed over. */
static int record(struct shard *s, struct recording *x, const struct trip *trip)
{
    int e = shard_transact(s, record_tx, x);
    for (int64_t pause = 1; e && e != ERR_NOT_FOUND && e != ERR_CORRUPT && err_is_temporary(e); pause *= 2) {
        if (pause > RECORD_PAUSE_MAX_S) pause = RECORD_PAUSE_MAX_S;
        log_error("queue", "%s: the result of an attempt cannot be written down yet: %s", x->id->s,
                  err_text(e));
        if (*trip->stopping || fiber_sleep(pause * RT_S) != 0) break;
        e = shard_transact(s, record_tx, x);
    }
    if ((e = queue_gone_is_fine(e)) != 0) return e;
    for (size_t i = 0; i < x->n; i++) {
        if (x->result[i].result == ATTEMPT_DELIVERED) queue_tally(&s->q->delivered, 1);
        else if (x->result[i].result != ATTEMPT_PERMANENT && x->result[i].result != ATTEMPT_DROPPED)
            queue_tally(&s->q->deferred, 1);
        if (x->result[i].result == ATTEMPT_UNCERTAIN) queue_tally(&s->q->uncertain, 1);
    }
    return 0;
}

/* ---- an attempt ---- */

static void attempt_remote(const struct portion *p, const struct letter_source *source,
                           struct attempt_rcpt *result)
{
    struct queue *q = p->s->q;
    struct attempt_letter at = {.letter = &p->l->e.l,
                                .source = source,
                                .domain = p->l->g.hop,
                                .rcpt = result,
                                .nrcpt = p->n,
                                .a = p->a,
                                .item = p->trip->item,
                                .families = p->trip->families,
                                .until = DEADLINE_IN(ATTEMPT_MAX)};
    for (size_t i = 0; i < p->n; i++)
        if (p->rcpt[i]->uncertain) at.first_host = p->rcpt[i]->host;
    q->relay(q->relay_ctx, &at);
    p->trip->tried = true;
    p->trip->no_room = at.no_room;
    p->trip->found = at.found;
    p->trip->asked = at.asked;
    p->trip->source = ar_dup(p->a, at.from.name);
    p->trip->group = at.group;
}

/* It cannot be made now, or never. */
static void not_made(const struct portion *p, int e, struct attempt_rcpt *result)
{
    struct slice why = ar_printf(p->a, "the letter cannot be made: %s", err_text(e));
    for (size_t i = 0; i < p->n; i++) {
        result[i].result = err_is_temporary(e) ? ATTEMPT_TEMPORARY : ATTEMPT_DROPPED;
        result[i].reply = why;
        snprintf(result[i].enhanced, sizeof result[i].enhanced, "%s",
                 err_is_temporary(e) ? "4.3.0" : "5.6.0");
    }
}

static void attempt_made(const struct portion *p, struct attempt_rcpt *result)
{
    const struct queue_maker *m = &p->s->q->maker;
    struct letter_source source = {0};
    int e = m->source(m->ctx, &p->l->e.l, p->a, &source);
    if (e) not_made(p, e, result);
    else if (p->l->g.local) local_attempt_made(p, &source, result);
    else attempt_remote(p, &source, result);
    if (!e && source.end) source.end(source.ctx);
}

static void attempt_group(const struct portion *p, struct attempt_rcpt *result)
{
    const struct letter *l = &p->l->e.l;
    struct letter_source stored;
    if (l->made.n) {
        attempt_made(p, result);
    } else if (p->l->g.local) {
        local_attempt(p, result);
    } else {
        stored = letter_source_stored(p->a, p->s->q->store->body, l);
        attempt_remote(p, &stored, result);
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

static int tell_success(const struct portion *p, const struct attempt_rcpt *result)
{
    static const enum bounce_kind kinds[] = {BOUNCE_SUCCESS, BOUNCE_RELAYED};
    int e = 0;
    for (size_t k = 0; !e && k < COUNT_OF(kinds); k++) {
        struct q_rcpt *good[QUEUE_ATTEMPT_RCPTS];
        size_t ngood = 0;
        struct bounce_told told;
        for (size_t i = 0; i < p->n; i++) {
            struct q_rcpt *r = p->rcpt[i];
            if (!to_be_told(p->l, r, &result[i], kinds[k])) continue;
            r->host = result[i].host;
            r->reply = result[i].reply;
            r->last_try = rt_wall_seconds();
            good[ngood++] = r;
        }
        if (ngood) e = bounce_tell(p->s->q, &p->l->e, good, ngood, kinds[k], p->a, &told);
        if (ngood && !e && told.why_not.n)
            log_info("queue", "%s: no report of success is made: %.*s", p->l->e.l.id.s, SLF(told.why_not));
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
static struct meaning *understand(const struct portion *p, struct attempt_rcpt *result)
{
    const struct q_envelope *l = &p->l->e;
    struct queue *q = p->s->q;
    int64_t now = rt_wall_seconds();
    struct meaning *m = ar_array(p->a, struct meaning, p->n);
    for (size_t i = 0; i < p->n; i++) {
        struct attempt_rcpt *r = &result[i];
        struct reply_verdict v = {0};
        struct reply_in in = {
            .code = r->code, .enhanced = sl_cstr(r->enhanced), .text = r->reply, .host = r->host};
        if (r->code >= 400) reply_class(q->replies, p->a, &in, &v);
        if (r->code >= 400) m[i].class = sl_cstr(reply_class_word(v.class)), m[i].rule = sl_cstr(v.rule);
        if (p->trip->tried) tell_site(p->trip, r, &v);
        if (r->result == ATTEMPT_PERMANENT && v.again) r->result = ATTEMPT_TEMPORARY;
        int64_t next = now + retry_interval(q, p->rcpt[i]->attempts + 1, v.first, v.most);
        if (now < l->l.wants.by && l->l.wants.by < next)
            next = l->l.wants.by; /* its sender is to hear then */
        if (next > l->expires) next = l->expires > now ? l->expires : now + 1;
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

/* What the n results are recorded with; what they mean is to be set. */
static struct recording recording_of(const struct portion *p, const struct attempt_rcpt *result)
{
    return (struct recording){.q = p->s->q,
                              .l = &p->l->e.l,
                              .id = &p->l->e.l.id,
                              .g = p->l->g.n,
                              .now = rt_wall_seconds(),
                              .expires = p->l->e.expires,
                              .rcpt = p->rcpt,
                              .result = result,
                              .n = p->n,
                              .gone = ""};
}

int attempt_now(const struct portion *p, bool *rest)
{
    struct trip *trip = p->trip;
    struct attempt_rcpt *result = ar_array(p->a, struct attempt_rcpt, p->n);
    trip->source = trip->group = SL("");
    for (size_t i = 0; i < p->n; i++)
        result[i] = (struct attempt_rcpt){.address = p->rcpt[i]->address,
                                          .notify = p->rcpt[i]->notify,
                                          .orcpt = p->rcpt[i]->orcpt,
                                          .result = ATTEMPT_TEMPORARY};
    if (is_out_of_time(&p->l->e)) out_of_time(p->rcpt, result, p->n);
    else attempt_group(p, result);
    if (trip->no_room) return *rest = false, 0;
    for (size_t i = 0; i < p->n; i++)
        *rest |= result[i].result != ATTEMPT_DELIVERED && result[i].result != ATTEMPT_DROPPED;
    int e = tell_success(p, result);
    if (e) log_warn("queue", "%s: no report of success could be made: %s", p->l->e.l.id.s, err_text(e));
    struct recording x = recording_of(p, result);
    x.meaning = understand(p, result);
    x.source = trip->source;
    x.group = trip->group;
    if (trip->tried) x.gone = trip->gone;
    x.bind = bind_to(trip, result, x.meaning, p->n);
    trip->answered(trip);
    e = record(p->s, &x, trip);
    if (!e && *rest) trip_again(trip, soonest(x.meaning, p->n));
    return e;
}

int attempt_none(const struct portion *p, const struct attempt_rcpt *result)
{
    struct recording x = recording_of(p, result);
    x.meaning = ar_array(p->a, struct meaning, p->n);
    return record(p->s, &x, p->trip);
}

/* schedule.c - what to try next, one schedule for each loop over all of its shards. Rows that are due come
 * into memory (ahead.c), stand in line by stream, sender and next hop (ready.c), and are started when their
 * site has room (site.c): none waits for room while it holds a place. */
#include <stdio.h>
#include <stdlib.h>

#include "ahead.h"
#include "base/log.h"
#include "base/text.h"
#include "trace/trace.h"

struct schedule {
    struct queue *q;
    int loop;
    bool running, stopping;
    bool room_posted;    /* atomic: source_room_here() is on its way */
    int64_t reads_again; /* rt_now(): until then the reader waits; 0: it reads */
    int64_t hungry;      /* rt_now(): when the watchdog first saw it wait in vain; 0: it does not */
    struct ready ready;
    struct ahead ahead;
    struct waitq news, unread, end; /* for the starter, the reader, the others */
    struct group fibers, scheduler;
};
enum { AGES_AT_ONCE = 100, NAMED_AT_ONCE = 20 };
#define QUIET_FOR (3600 * RT_S)
#define STALLED_FOR (60 * RT_S)
#define WATCH_EVERY (20 * RT_S)
#define AGES_EVERY (30 * RT_S)
#define TURN_AT_LEAST (5 * RT_MS)

/* ---- offers ---- */

/* A row of the schedule on its way: to another loop, or for when the attempt that is under way has ended. */
struct offer {
    struct shard *s;
    struct q_due due;
    bool wanted; /* by an operator */
    char text[];
};

static struct slice put_text(char **at, struct slice s)
{
    if (s.n) memcpy(*at, s.p, s.n);
    struct slice copy = sl(*at, s.n);
    *at += s.n;
    return copy;
}

static struct offer *offer_new(struct shard *s, const struct q_due *d)
{
    struct offer *o = xmalloc(sizeof *o + d->hop.n + d->domain.n + d->account.n + d->campaign.n + d->bound.n);
    char *at = o->text;
    o->s = s;
    o->wanted = false;
    o->due = *d;
    o->due.hop = put_text(&at, d->hop);
    o->due.domain = put_text(&at, d->domain);
    o->due.account = put_text(&at, d->account);
    o->due.campaign = put_text(&at, d->campaign);
    o->due.bound = put_text(&at, d->bound);
    return o;
}

static void offer_here(struct shard *s, const struct q_due *due)
{
    struct schedule *x = s->schedule;
    if (!x || !x->running || x->stopping) return; /* found in the schedule at the start */
    struct item *it = ready_find(&x->ready, &due->id, due->g);
    struct arena a = {0};
    struct q_due d = *due;
    int64_t now = rt_wall_seconds();
    d.due = queue_time(s->q, d.due, now);
    bool moved = it && (it->line->like.tell != d.tell || !sl_eq(it->line->like.bound, d.bound));
    if (moved && it->pace == WAITS) ready_drop(&x->ready, it), it = NULL;
    if (it && it->pace != WAITS) {
        free(it->again);
        it->again = offer_new(s, due);
    } else if (d.due > now) {
        ahead_later(&x->ahead, s, &d, now);
    } else if (ready_add(&x->ready, s, due, queue_key_due(&a, due->stream, due->due, &due->id, due->g)) ==
               NO_ROOM) {
        ahead_leave(&x->ahead, s, due);
    }
    ar_free(&a);
    waitq_wake_all(&x->news);
}

static void wanted_here(struct shard *s, const struct q_due *d)
{
    offer_here(s, d);
    if (s->schedule && s->schedule->running) ready_nudge(&s->schedule->ready, d);
}

static void offer_arrives(void *arg)
{
    struct offer *o = arg;
    if (o->wanted) wanted_here(o->s, &o->due);
    else offer_here(o->s, &o->due);
    free(o);
}

void schedule_want(struct shard *s, const struct q_due *d)
{
    if (rt_loop_id() == s->loop) {
        wanted_here(s, d);
        return;
    }
    struct offer *o = offer_new(s, d);
    o->wanted = true;
    rt_post(s->loop, offer_arrives, o);
}

void schedule_offer(struct shard *s, const struct q_due *d)
{
    if (rt_loop_id() == s->loop) offer_here(s, d);
    else rt_post(s->loop, offer_arrives, offer_new(s, d));
}

/* ---- attempts ---- */

struct quarantine {
    const struct item *it;
    bool taken;
};

static int quarantine_tx(struct kv_tx *tx, void *arg)
{
    struct quarantine *q = arg;
    struct arena a = {0};
    int e = queue_tx_quarantine(
        tx, &a,
        &(struct q_due){.due = q->it->due, .stream = q->it->line->stream, .id = q->it->id, .g = q->it->g},
        &q->taken);
    ar_free(&a);
    return e;
}

/* Its rows cannot be read, or it came to its end meanwhile: then nothing is left in the schedule. What
 * is there is taken out, so that neither this one is tried for ever nor others wait for it. */
static int quarantine(struct shard *s, const struct item *it, int why)
{
    struct arena a = {0};
    struct slice row;
    struct quarantine q = {.it = it};
    char text[ERR_TEXT_MAX];
    snprintf(text, sizeof text, "%s", err_text(why));
    int e = kv_get(s->q->store->kv, shard_object(s),
                   queue_key_due(&a, it->line->stream, it->due, &it->id, it->g), &a, &row);
    ar_free(&a);
    if (e) return e == ERR_NOT_FOUND && why == ERR_NOT_FOUND ? 0 : e == ERR_NOT_FOUND ? why : e;
    e = shard_transact(s, quarantine_tx, &q);
    if (e || !q.taken) return e ? e : why;
    log_error("queue",
              "%s: a row of this letter is damaged or missing (%s); it is not tried any more, see `tram "
              "queue show %s`",
              it->id.s, text, it->id.s);
    trace_addf(s->q->store->trace, &it->id, TRACE_HELD, SL(""),
               "a row of it is damaged or missing: %s; it is not tried any more, an operator can drop it",
               text);
    return 0;
}

static bool is_unreadable(int e) { return e == ERR_NOT_FOUND || err_is_damage(e); }

bool attempt_place(struct attempt_letter *at, struct slice mx_set, struct slice host, unsigned families)
{
    at->found = true;
    if (!at->item) return true;
    struct schedule *x = at->item->shard->schedule;
    at->no_room = !ready_place(&x->ready, at->item, &(struct ready_site){mx_set, host, families, at->routed});
    if (at->item->from) {
        at->from = *at->item->from;
        at->group = ar_dup(at->a, site_group(at->item->place));
    }
    waitq_wake_all(&x->news);
    return !at->no_room;
}

bool attempt_may_open(struct attempt_letter *at)
{
    bool may = !at->item || !at->item->place || site_may_open(at->item->place);
    if (may && at->from.via == VIA_NONE) attempt_asks(at);
    at->asked |= may; /* behind a proxy it has begun when that did its part */
    at->no_room = !may;
    return may;
}

static struct sources *sources_of(const struct attempt_letter *at)
{
    return at->item ? at->item->shard->q->sources : NULL;
}

void attempt_source_works(struct attempt_letter *at)
{
    attempt_asks(at);
    source_works(sources_of(at), at->from.name);
}

bool attempt_source_unheard(struct attempt_letter *at, struct slice site)
{
    return source_unheard(sources_of(at), at->from.name, site);
}

void attempt_source_failed(struct attempt_letter *at, struct slice why, bool answered)
{
    source_failed(sources_of(at), at->from.name, why);
    at->no_room = at->item && !answered;
}

void attempt_asks(struct attempt_letter *at)
{
    const struct item *it = at->item;
    struct arena a = {0};
    if (it && !at->noted)
        kv_note(it->shard->q->store->kv, shard_object(it->shard), queue_key_sending(&a, &it->id, it->g),
                SL("1"));
    at->asked = at->noted = true;
    ar_free(&a);
}

/* What the way it goes by means for the attempt. */
static void set_out(struct trip *trip, const struct item *it)
{
    const struct source_way *way = it->line->hop->way;
    struct slice bound = it->line->like.bound;
    for (size_t i = 0; i < way->n; i++) trip->families |= way->v[i]->ip.family == 6 ? FROM_IPV6 : FROM_IPV4;
    trip->same = way->same;
    if (bound.n && !source_find(it->line->hop->plan, bound))
        snprintf(trip->gone, sizeof trip->gone, "%.*s", SLF(bound));
}

static void answered(const struct trip *trip)
{
    struct schedule *x = trip->item->shard->schedule;
    ready_answered(&x->ready, trip->item, trip);
    waitq_wake_all(&x->news);
}

static void attempt(void *arg)
{
    struct item *it = arg;
    struct shard *s = it->shard;
    struct schedule *x = s->schedule;
    struct trip trip = {
        .item = it, .stopping = &x->stopping, .answered = answered, .tell = it->line->like.tell};
    set_out(&trip, it);
    struct letter_id id = it->id;
    int e = work_group(s, &it->id, it->g, &trip);
    if (is_unreadable(e)) e = quarantine(s, it, e);
    struct offer *again = it->again;
    it->again = NULL;
    bool anew = trip.no_room && ready_is_outdated(&x->ready, it); /* it does not wait for what is gone */
    if (anew) trip.no_room = false, trip.again = it->due;
    struct offer *next = trip.again ? offer_new(s, again ? &again->due : &it->line->like) : NULL;
    if (next) next->due.id = id, next->due.g = it->g, next->due.due = trip.again, next->due.tell = false;
    ready_end(&x->ready, it, &trip);
    if (is_unreadable(e)) { /* it is read again from its true place in the schedule */
        log_warn("queue", "%s: a row of this letter cannot be read: %s", id.s, err_text(e));
    } else if (e && !x->stopping) {
        log_warn("queue", "%s: the state of the attempt could not be recorded: %s", id.s, err_text(e));
        ahead_error(&x->ahead, s);
    }
    if (again) offer_here(s, &again->due);
    if (next) offer_here(s, &next->due);
    free(again);
    free(next);
    waitq_wake_all(&x->news);
}

/* False: there is no stack left for one more. */
static bool start_ready(struct schedule *x)
{
    struct item *it;
    while ((it = ready_next(&x->ready)) != NULL)
        if (group_go(&x->fibers, "delivery", attempt, it) != 0) {
            ready_back(&x->ready, it);
            return x->ready.no_stack = true, false;
        }
    x->ready.no_stack = false;
    return true;
}

/* Until news come, or until next (rt_now()), which was asked after all that sets a time, and nothing
 * suspended since. False: canceled. */
static bool wait_for(struct waitq *news, bool again, int64_t next)
{
    int64_t soon = rt_now() + TURN_AT_LEAST, before = deadline_narrow(again || next < soon ? soon : next);
    int e = waitq_wait(news);
    deadline_restore(before);
    return e != ERR_CANCELED;
}

static void starter(void *arg)
{
    struct schedule *x = arg;
    bool on = true;
    while (on && !x->stopping && !fiber_canceled()) {
        ready_tick(&x->ready);
        bool all = start_ready(x);
        if (ahead_next(&x->ahead) < x->reads_again) waitq_wake_all(&x->unread); /* what was unloaded, say */
        on = wait_for(&x->news, !all, ready_next_tick(&x->ready));
    }
}

/* On a fiber of its own: a walk over a long queue takes seconds, in which what is ready starts. It is not
 * woken by each letter, for it looks at all that was left on the disk: the starter says when there is
 * something. */
static void reader(void *arg)
{
    struct schedule *x = arg;
    bool on = true;
    while (on && !x->stopping && !fiber_canceled()) {
        x->reads_again = 0;
        bool again = ahead_read(&x->ahead);
        x->hungry = 0;
        x->reads_again = ahead_next(&x->ahead);
        on = wait_for(&x->unread, again, x->reads_again);
    }
}

/* ---- age ---- */

static int look_at_one(struct schedule *x, struct shard *s, struct slice key)
{
    struct letter_id id;
    struct arena a = {0};
    struct q_due *over;
    int64_t at;
    size_t n;
    if (!queue_key_age_parse(key, &at, &id)) return 0; /* `tram verify` tells of it */
    int e = age_look(s, at, &id, &a, &over, &n);
    for (size_t i = 0; !e && i < n && !x->stopping; i++) offer_here(s, &over[i]);
    if (e && e != ERR_CANCELED) log_warn("queue", "%s: its age cannot be judged: %s", id.s, err_text(e));
    ar_free(&a);
    return e == ERR_CANCELED ? e : 0;
}

/* Letters whose time to be looked at lies in [from, to). What is wrong with one keeps no other from it. */
static void look_at_ages(struct schedule *x, struct shard *s, struct slice from, struct slice to)
{
    struct arena a = {0};
    struct kv_page page = {.more = true};
    bool hole;
    int e = 0;
    while (!e && page.more && !x->stopping) {
        e = kv_scan_over(x->q->store->kv, shard_object(s), from, to, AGES_AT_ONCE, &a, &page, &hole);
        for (size_t i = 0; !e && i < page.n && !x->stopping; i++) e = look_at_one(x, s, page.row[i].key);
        if (page.n) from = kv_after(&a, page.row[page.n - 1].key);
    }
    if (e && e != ERR_CANCELED)
        log_warn("queue", "the ages of the letters in %s cannot be read: %s", s->object, err_text(e));
    ar_free(&a);
}

/* False: it is to end. */
static bool wait_for_end(struct schedule *x, int64_t ns)
{
    int64_t before = deadline_narrow(DEADLINE_IN(ns));
    int e = waitq_wait(&x->end);
    deadline_restore(before);
    return e != ERR_CANCELED && !x->stopping && !fiber_canceled();
}

/* Whatever keeps a letter, its age is judged. A time later than any was written by a clock that was wrong. */
static void ager(void *arg)
{
    struct schedule *x = arg;
    do {
        int64_t now = rt_wall_seconds();
        for (int i = x->loop; i < x->q->nshards && !x->stopping; i += x->q->nloops) {
            struct arena a = {0};
            struct slice latest = ar_printf(&a, "x%012lld", (long long)(now + age_latest(x->q)));
            look_at_ages(x, &x->q->shard[i], SL("x"), ar_printf(&a, "x%012lld", (long long)now + 1));
            look_at_ages(x, &x->q->shard[i], latest, SL("y"));
            ar_free(&a);
            fiber_breathe();
        }
    } while (wait_for_end(x, AGES_EVERY));
}

/* ---- the watchdog ---- */

/* Names each next hop whose letters are due and not tried for long, with the reason. */
static void name_quiet(struct schedule *x)
{
    struct slice why;
    const char *hop;
    size_t n;
    for (int i = 0; i < NAMED_AT_ONCE; i++) {
        struct arena a = {0};
        hop = ready_watch(&x->ready, QUIET_FOR, &a, &why, &n);
        if (hop)
            log_warn("queue", "%zu letters to %s are due and were not tried for an hour: %.*s", n, hop,
                     SLF(why));
        ar_free(&a);
        if (!hop) return;
    }
}

/* Has there been something to read for long, which nobody reads? */
static bool reader_sleeps(struct schedule *x)
{
    if (!x->reads_again || ahead_next(&x->ahead) > rt_now()) x->hungry = 0;
    else if (!x->hungry) x->hungry = rt_now();
    return x->hungry && rt_now() - x->hungry >= STALLED_FOR;
}

/* What should have been tried long ago is: a fault of ours delays a letter and does not keep it. */
static void mend_stalled(struct schedule *x)
{
    struct arena a = {0};
    struct slice where = SL("the schedule is not read"), hop = SL("");
    size_t n = ready_stalled(&x->ready, STALLED_FOR, &a, &where, &hop);
    if (reader_sleeps(x)) n++;
    if (n) {
        queue_tally(&x->q->stalled, n);
        log_error("queue",
                  "%zu lines of due letters had room and were not tried for a minute%s%.*s (%.*s); they are "
                  "tried now: please report this",
                  n, hop.n ? ", the first to " : "", SLF(hop), SLF(where));
        waitq_wake_all(&x->news);
        waitq_wake_all(&x->unread);
    }
    ar_free(&a);
}

static void watchdog(void *arg)
{
    struct schedule *x = arg;
    while (wait_for_end(x, WATCH_EVERY)) {
        mend_stalled(x);
        if (ready_weigh(&x->ready)) waitq_wake_all(&x->unread);
        name_quiet(x);
    }
}

/* ---- from outside ---- */

void schedule_site_free(void *queue, int loop, const struct site *site)
{
    struct schedule *x = ((struct queue *)queue)->schedule[loop];
    if (!x || !x->running) return;
    ready_site_free(&x->ready, site);
    waitq_wake_all(&x->news);
}

static void source_room_here(void *arg)
{
    struct schedule *x = arg;
    __atomic_store_n(&x->room_posted, false, __ATOMIC_RELEASE);
    if (!x->running || x->stopping) return;
    ready_source_free(&x->ready);
    waitq_wake_all(&x->news);
}

void schedule_source_room(void *queue)
{
    struct queue *q = queue;
    for (int i = 0; i < q->nloops; i++) {
        struct schedule *x = q->schedule[i];
        if (x && !__atomic_exchange_n(&x->room_posted, true, __ATOMIC_ACQ_REL))
            rt_post(i, source_room_here, x);
    }
}

bool schedule_sending(struct shard *s, const struct letter_id *id, uint32_t g)
{
    bool runs = s->schedule && s->schedule->running;
    struct item *it = runs ? ready_find(&s->schedule->ready, id, g) : NULL;
    return it && it->pace != WAITS;
}

struct slice schedule_why(struct shard *s, const struct q_due *d, struct arena *a)
{
    bool runs = s->schedule && s->schedule->running;
    if (queue_is_lost(s->q)) return SL("another process has taken over the queue");
    return runs ? ready_why(&s->schedule->ready, d, a) : SL("the queue is not running");
}

static void replan_here(void *arg)
{
    struct schedule *x = arg;
    if (!x->running || x->stopping) return;
    ready_replan(&x->ready, source_plan_now(x->q->sources));
    ahead_restart(&x->ahead);
    waitq_wake_all(&x->news);
}

void schedule_replan(void *queue)
{
    struct queue *q = queue;
    for (int i = 0; i < q->nloops; i++)
        if (q->schedule[i]) rt_post(i, replan_here, q->schedule[i]);
}

static void abandon_here(void *arg)
{
    struct schedule *x = arg;
    x->stopping = true;
    group_cancel(&x->fibers);
    waitq_wake_all(&x->news);
    waitq_wake_all(&x->unread);
    waitq_wake_all(&x->end);
}

void schedule_abandon(struct queue *q)
{
    for (int i = 0; i < q->nloops; i++)
        if (q->schedule[i]) rt_post(i, abandon_here, q->schedule[i]);
}

size_t schedule_under_way(const struct schedule *x)
{
    return x ? __atomic_load_n(&x->ready.nquick, __ATOMIC_RELAXED) +
                   __atomic_load_n(&x->ready.nslow, __ATOMIC_RELAXED)
             : 0;
}

int schedule_loop(const struct schedule *x) { return x->loop; }
struct ready *schedule_ready(struct schedule *x) { return x && x->running ? &x->ready : NULL; }

int schedule_start(struct queue *q, int loop)
{
    struct schedule *x = xcalloc(1, sizeof *x);
    x->q = q;
    x->loop = loop;
    ready_init(&x->ready, q->sites, q->sources, source_plan_now(q->sources), q->nloops);
    for (int i = loop; i < q->nshards; i += q->nloops) q->shard[i].schedule = x;
    waitq_init(&x->news);
    waitq_init(&x->unread);
    ahead_init(&x->ahead, q, &x->ready, &x->news, loop);
    waitq_init(&x->end);
    group_init(&x->fibers);
    group_init(&x->scheduler);
    x->running = true;
    q->schedule[loop] = x;
    int e = group_go(&x->scheduler, "schedule", starter, x);
    if (!e) e = group_go(&x->scheduler, "ahead", reader, x);
    if (!e) e = group_go(&x->scheduler, "watch", watchdog, x);
    return e ? e : group_go(&x->scheduler, "age", ager, x);
}

void schedule_stop(struct schedule *x, int64_t until)
{
    x->stopping = true;
    waitq_wake_all(&x->news);
    waitq_wake_all(&x->unread);
    waitq_wake_all(&x->end);
    group_wait(&x->scheduler);
    int64_t before = deadline_narrow(until);
    group_wait(&x->fibers); /* past the deadline the attempts are cut short */
    deadline_restore(before);
    x->running = false;
    ready_free(&x->ready);
    ahead_free(&x->ahead);
}

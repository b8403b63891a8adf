/* send_run.c - the fiber of a node that keeps its sends going: each in turn gives a batch of letters to the
 * queue while it has room there, events are counted, what has ended is closed. All on loop 0; other loops ask
 * for a send under a lock.
 *
 * A send's place moves in the transaction behind its letters (send_give.c), its counts with the events
 * (send_count.c): at any moment the rows say all there is to know, and a start goes on from them. */
#include "send_run.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "send_batch.h"
#include "standing.h"

#define PAUSE_AFTER_ERROR (2 * RT_S)
#define LOOK_EVERY (300 * RT_S)
#define CARE_EVERY (3600 * RT_S)

struct account_id {
    char s[20];
};
struct following { /* an account of which sends are under way */
    char id[20];
    uint64_t at; /* the last event that was read */
    size_t sends;
};

/* ---- the ring of sends ---- */

static struct run *run_find(struct sends *s, const struct letter_id *id)
{
    return map_get(&s->runs, sl_cstr(id->s));
}

bool send_name_parse(struct slice made, struct send_letter_name *out)
{
    struct slice id, page;
    *out = (struct send_letter_name){0};
    if (!sl_next(&made, ' ', &id) || !letter_id_ok(id) || !sl_next(&made, ' ', &page)) return false;
    memcpy(out->send.s, id.p, LETTER_ID_LEN);
    return num_u64(page, UINT64_MAX, &out->page) && num_u64(made, UINT64_MAX, &out->number) &&
           out->number >= out->page;
}

/* Behind which its first event comes that is not counted. */
static uint64_t events_from(struct sends *s, const struct run *r)
{
    if (!run_is_fresh(r)) return r->count.seen ? r->count.seen : r->events;
    lock_take(&s->lock);
    uint64_t last = s->last_event;
    lock_release(&s->lock);
    return last;
}

static struct following *follow(struct sends *s, const struct run *r)
{
    struct following *f = map_get(&s->accounts, sl_cstr(r->account));
    uint64_t from = events_from(s, r);
    if (!f) {
        f = xcalloc(1, sizeof *f);
        snprintf(f->id, sizeof f->id, "%s", r->account);
        f->at = from;
        map_put(&s->accounts, sl_cstr(f->id), f);
    }
    if (from < f->at) f->at = from;
    f->sends++;
    return f;
}

static bool is_over(const struct run *r)
{
    return r->count.next >= r->numbers && r->count.queued <= r->count.ended;
}

static struct run *after(struct run *r) { return CONTAINER_OF(r->turn.next, struct run, turn); }

static void ring_leave(struct sends *s, struct run *r)
{
    if (s->turn == r) s->turn = after(r) == r ? NULL : after(r);
    list_remove(&r->turn);
    r->in_ring = false;
}

/* In the ring while it has letters to give; among those that are over at its end. */
static void sort_in(struct sends *s, struct run *r)
{
    bool gives = r->count.next < r->numbers;
    if (gives && !r->in_ring) {
        if (s->turn) list_push(&s->turn->turn, &r->turn); /* the last before whose turn it is */
        else s->turn = r;
        r->in_ring = true;
    }
    if (!gives && r->in_ring) ring_leave(s, r);
    if (is_over(r) && list_empty(&r->over)) list_push(&s->over, &r->over);
}

static void now_counted(struct sends *s, const struct letter_id *id, const struct send_count *c)
{
    struct run *r = run_find(s, id);
    if (!r) return;
    r->count = *c;
    sort_in(s, r);
}

static void run_add(struct sends *s, struct run *r)
{
    list_init(&r->turn);
    list_init(&r->over);
    lock_take(&s->lock);
    map_put(&s->runs, sl_cstr(r->id.s), r);
    lock_release(&s->lock);
    follow(s, r);
    sort_in(s, r);
}

static void run_remove(struct sends *s, struct run *r)
{
    struct following *f = map_get(&s->accounts, sl_cstr(r->account));
    if (r->in_ring) ring_leave(s, r);
    list_remove(&r->over);
    lock_take(&s->lock);
    map_del(&s->runs, sl_cstr(r->id.s));
    lock_release(&s->lock);
    if (f && --f->sends == 0) {
        map_del(&s->accounts, sl_cstr(f->id));
        free(f);
    }
    free(r);
}

static void set_state(struct sends *s, struct run *r, enum send_state state)
{
    lock_take(&s->lock);
    r->state = state;
    lock_release(&s->lock);
}

/* What its row says now. Of several who read at once the last one to begin has seen the most. */
static int know_state(struct sends *s, const struct letter_id *id)
{
    struct arena a = {0};
    struct send_order o;
    struct run *r = run_find(s, id);
    char object[24];
    if (!r) return 0;
    unsigned mine = ++r->asked;
    send_object(id, object);
    int e = send_order_read(s, object, &a, &o);
    r = run_find(s, id);
    if (r && r->asked == mine) r->unsure = e != 0;
    if (!e && r && r->asked == mine) {
        set_state(s, r, o.state);
        r->resumed |= o.since != 0;
    }
    ar_free(&a);
    return e;
}

/* ---- orders ---- */

struct ordering {
    struct send_order order;
    unsigned from; /* states that it may be in, as bits */
};

static int order_tx(struct kv_tx *tx, void *arg)
{
    const struct ordering *x = arg;
    struct slice row;
    struct send_order o = {0};
    struct buf b = BUF_INIT;
    int e = kv_tx_get(tx, SL("h"), &row);
    if (!e) e = kv_tx_get(tx, SL("s"), &row);
    else if (e == ERR_NOT_FOUND) return err_set(e, "there is no such send");
    if (!e) e = send_order_get(row, &o);
    if (e && e != ERR_NOT_FOUND) return e;
    if (!(x->from & 1u << o.state)) {
        static const char *const words[] = {"under way", "paused", "canceled", "finished"};
        return err_set(ERR_STATE, "the send is %s", words[o.state]);
    }
    send_order_put(&b, &x->order);
    kv_tx_put_record(tx, SL("s"), &b);
    buf_free(&b);
    return 0;
}

static int put_order(struct sends *s, const struct letter_id *id, enum send_state state, unsigned from,
                     struct slice why)
{
    char object[24];
    struct ordering x = {{state, rt_wall_seconds(), why}, from};
    send_object(id, object);
    return kv_transact(s->store->kv, sl_cstr(object), order_tx, &x);
}

static const struct move {
    enum send_state to;
    unsigned from;
} moves[] = {[SEND_PAUSE] = {SEND_PAUSED, 1u << SEND_RUNS},
             [SEND_RESUME] = {SEND_RUNS, 1u << SEND_PAUSED},
             [SEND_CANCEL] = {SEND_CANCELED, 1u << SEND_RUNS | 1u << SEND_PAUSED}};

/* ---- reading a send ---- */

/* What was said to its batch later than to it: the power may have been cut before it heard of it, or it was
 * taken at that moment. */
static int hear_batch(struct sends *s, const struct letter_id *id, const struct send_head *h,
                      struct send_order *o)
{
    enum send_action said;
    int e = send_batch_said(s, h->account, h->batch, o->since, &said);
    if (e || said == SEND_RESUME) return e;
    const struct move *m = &moves[said];
    if (!(m->from & 1u << o->state)) return 0;
    e = put_order(s, id, m->to, m->from, SL(SEND_BATCH_WHY));
    if (!e) o->state = m->to, o->since = rt_wall_seconds();
    return e == ERR_STATE ? 0 : e; /* know_state() sees the newer one */
}

/* Reads a send that is to be run. */
static int load(struct sends *s, const struct letter_id *id)
{
    struct arena a = {0};
    struct send_head h;
    struct send_order o;
    struct run *r = NULL;
    if (run_find(s, id)) return 0;
    r = xcalloc(1, sizeof *r);
    r->id = *id;
    send_object(id, r->object);
    int e = send_head_read(s, id, &a, &h);
    if (!e) e = send_count_read(s, r->object, &a, &r->count);
    if (!e) e = send_order_read(s, r->object, &a, &o);
    if (!e) e = hear_batch(s, id, &h, &o);
    if (!e && h.account.n >= sizeof r->account) e = ERR_CORRUPT;
    if (!e && !run_find(s, id)) { /* nor was it loaded meanwhile */
        memcpy(r->account, h.account.p, h.account.n);
        r->stream = h.stream, r->options = h.options, r->group = h.group;
        r->taken = h.taken, r->send_at = h.send_at, r->numbers = h.numbers, r->events = h.events;
        r->state = o.state;
        r->resumed = o.since != 0;
        r->doubt = run_is_fresh(r) ? r->count.next : r->count.next + RUN_BATCH;
        run_add(s, r);
        r = NULL;
    }
    free(r);
    ar_free(&a);
    return e ? e : know_state(s, id); /* an order may have come before it could be found */
}

/* ---- what is to be run ---- */

static bool is_due_soon(struct slice row)
{
    struct rec r;
    int64_t at = 0;
    if (rec_open(&r, row, 1) != 0) return true;
    while (rec_next(&r))
        if (r.tag == 'u') at = (int64_t)rec_u64(&r);
    return at <= rt_wall_seconds() + SEND_SOON_S;
}

static bool id_of_key(struct slice key, struct letter_id *id)
{
    struct slice text = sl_from(key, 2);
    *id = (struct letter_id){{0}};
    if (!letter_id_ok(text)) return false;
    memcpy(id->s, text.p, LETTER_ID_LEN);
    return true;
}

static int look_at(struct sends *s, const struct kv_row *row, struct arena *a, void *arg)
{
    struct letter_id id;
    (void)a, (void)arg;
    if (!is_due_soon(row->value) || !id_of_key(row->key, &id)) return 0;
    int bad = load(s, &id);
    if (bad) log_error("send", "the send %s cannot be read: %s", id.s, err_text(bad));
    return 0;
}

static int look(struct sends *s) { return sends_each_row(s, "a", SL(""), look_at, NULL); }

/* ---- what holds a send ---- */

/* It waits for a word of its sender. */
static int pause_run(struct sends *s, struct run *r, struct slice why)
{
    int e = put_order(s, &r->id, SEND_PAUSED, 1u << SEND_RUNS, why);
    return e && e != ERR_STATE ? e : know_state(s, &r->id);
}

/* A scheduled send that would begin too late. */
static int hold_late(struct sends *s, struct run *r)
{
    char when[CIVIL_TEXT_MAX];
    struct arena a = {0};
    struct slice why = ar_printf(&a, "it was to be sent at %s, and that was long ago; resume or cancel it",
                                 civil_format(r->send_at, when));
    int e = pause_run(s, r, why);
    ar_free(&a);
    return e;
}

/* Bulk mail that comes back, or is complained of, more often than receivers put up with, harms all later mail
 * of its sender: the sentence, or empty. */
static struct slice too_bad(const struct run *r, struct arena *a)
{
    const struct send_count *c = &r->count;
    uint64_t ends = c->delivered + c->bounced;
    if (r->stream != STREAM_BULK || r->resumed) return SL("");
    if (ends >= RUN_BOUNCES_LEAST && c->bounced * 100 > ends * RUN_BOUNCES_PERCENT)
        return ar_printf(
            a, "%llu of the first %llu recipients bounced, more than %d of 100; resume or cancel it",
            (unsigned long long)c->bounced, (unsigned long long)ends, RUN_BOUNCES_PERCENT);
    if (c->delivered >= RUN_COMPLAINTS_LEAST && c->complained * 1000 > c->delivered * RUN_COMPLAINTS_MILLE)
        return ar_printf(
            a, "%llu of the first %llu recipients complained, more than %d of 1000; resume or cancel it",
            (unsigned long long)c->complained, (unsigned long long)c->delivered, RUN_COMPLAINTS_MILLE);
    return SL("");
}

static bool hold_bad(struct sends *s, struct run *r, int *e)
{
    struct arena a = {0};
    struct slice why = too_bad(r, &a);
    int64_t until;
    if (!why.n && r->stream == STREAM_BULK && standing_ask(s, sl_cstr(r->account), &until) == ERR_LIMIT)
        why = ar_printf(&a, "%s; resume it then", err_text(ERR_LIMIT));
    if (why.n) {
        log_warn("send", "the send %s is paused: %.*s", r->id.s, SLF(why));
        *e = pause_run(s, r, why);
    }
    ar_free(&a);
    return why.n != 0;
}

/* What all its letters share cannot be read: none can be made. */
static int hold_damaged(struct sends *s, struct run *r, int why)
{
    struct arena a = {0};
    struct slice text =
        ar_printf(&a, "its content cannot be read (%s); resume it when it can, or cancel it", err_text(why));
    log_error("send", "the send %s: %.*s", r->id.s, SLF(text));
    int e = pause_run(s, r, text);
    ar_free(&a);
    return e;
}

/* ---- the end ---- */

static int over_tx(struct kv_tx *tx, void *arg)
{
    const struct run *r = arg;
    struct arena a = {0};
    kv_tx_del(tx, ar_printf(&a, "a/%s", r->id.s));
    kv_tx_put(tx, send_key_over(&a, rt_wall_seconds(), &r->id), SL("1"));
    ar_free(&a);
    return 0;
}

static int end_tx(struct kv_tx *tx, void *arg)
{
    struct slice row;
    struct send_count c = {0};
    struct send_order o = {0};
    (void)arg;
    struct buf b = BUF_INIT;
    int e = kv_tx_get(tx, SL("c"), &row);
    if (!e) e = send_count_get(row, &c);
    if (e && e != ERR_NOT_FOUND) return e;
    c.over = rt_wall_seconds();
    send_count_put(&b, &c);
    kv_tx_put_record(tx, SL("c"), &b);
    if (kv_tx_get(tx, SL("s"), &row) == 0 && send_order_get(row, &o) != 0) o.state = SEND_RUNS;
    if (o.state != SEND_CANCELED) {
        send_order_put(&b, &(struct send_order){SEND_FINISHED, c.over, SL("")});
        kv_tx_put_record(tx, SL("s"), &b);
    }
    buf_free(&b);
    return 0;
}

static int finish(struct sends *s, struct run *r)
{
    int e = kv_transact(s->store->kv, sl_cstr(r->object), end_tx, NULL);
    if (!e) e = kv_transact(s->store->kv, SL(SENDS_OBJECT), over_tx, r);
    if (!e) run_remove(s, r);
    return e;
}

/* ---- turns ---- */

static void sooner(int64_t *next, int64_t t)
{
    if (t < *next) *next = t;
}

static void failed(struct run *r, int e, int64_t *next)
{
    r->again = rt_now() + PAUSE_AFTER_ERROR;
    sooner(next, r->again);
    if (e != ERR_CANCELED) log_warn("send", "the send %s cannot go on now: %s", r->id.s, err_text(e));
}

/* *next: when there may be something to do at the earliest. */
static bool one_turn(struct sends *s, struct run *r, int64_t *next)
{
    int64_t now = rt_wall_seconds();
    struct given given = {0};
    int e = 0;
    if (r->again > rt_now()) {
        sooner(next, r->again);
        return false;
    }
    if (r->unsure && (e = know_state(s, &r->id)) != 0) {
        failed(r, e, next);
        return false;
    }
    if (r->unsure) return false; /* somebody else began to read it later: what he finds is told */
    if (r->state == SEND_PAUSED) return false;
    if (r->send_at > now && r->state == SEND_RUNS) {
        sooner(next, rt_now() + (r->send_at - now) * RT_S);
        return false;
    }
    if (r->send_at && now > r->send_at + RUN_LATE_S && !r->count.begun && !r->resumed &&
        r->state == SEND_RUNS)
        e = hold_late(s, r);
    else if (r->state != SEND_RUNS || !hold_bad(s, r, &e)) e = run_give(s, r, &given);
    if (given.damaged) e = hold_damaged(s, r, e);
    if (given.moved) now_counted(s, &r->id, &given.count);
    if (e) failed(r, e, next);
    return given.moved;
}

/* Each send once: those that somebody waits for first. */
static bool all_turns(struct sends *s, int64_t *next)
{
    bool moved = false;
    for (int stream = 0; stream < STREAMS; stream++) {
        struct run *r = s->turn, *last = r ? CONTAINER_OF(r->turn.prev, struct run, turn) : NULL;
        for (bool more = r != NULL; more && !s->stopping;) {
            struct run *then = after(r);
            more = r != last;
            if ((int)r->stream == stream) moved |= one_turn(s, r, next);
            r = then;
        }
    }
    if (s->turn) s->turn = after(s->turn);
    return moved;
}

static void end_all(struct sends *s, int64_t *next)
{
    struct link *l = s->over.next;
    while (l != &s->over && !s->stopping) {
        struct run *r = CONTAINER_OF(l, struct run, over);
        l = l->next;
        if (!is_over(r)) { /* events have come that tell of more letters */
            list_remove(&r->over);
            continue;
        }
        int e = finish(s, r);
        if (e) failed(r, e, next);
    }
}

/* All events there are; false: not all could be read. */
static bool count_all(struct sends *s, int64_t *next)
{
    bool all = true;
    struct map_iter it = {0};
    struct arena a = {0};
    size_t n = 0;
    struct account_id *ids = ar_array(&a, struct account_id, s->accounts.count);
    while (map_next(&s->accounts, &it)) snprintf(ids[n++].s, sizeof ids->s, "%.*s", SLF(it.key));
    for (size_t i = 0; i < n && !s->stopping; i++) {
        struct following *f = map_get(&s->accounts, sl_cstr(ids[i].s));
        bool more = f != NULL;
        while (more && !s->stopping) {
            uint64_t at = f->at;
            int e = run_count(s, sl_cstr(ids[i].s), &at, &more, now_counted);
            f = map_get(&s->accounts, sl_cstr(ids[i].s));
            if (!e && f) f->at = at;
            if (e && e != ERR_CANCELED) log_warn("send", "events cannot be counted now: %s", err_text(e));
            if (e) sooner(next, rt_now() + PAUSE_AFTER_ERROR), all = false;
            more = more && f && !e;
        }
    }
    ar_free(&a);
    return all && !s->stopping;
}

static void runner(void *arg)
{
    struct sends *s = arg;
    while (!s->stopping && !fiber_canceled()) {
        int64_t next = RT_NEVER;
        sends_look(s, SENDS_RUNNER);
        if (rt_now() >= s->look_again) {
            int e = look(s);
            s->look_again = rt_now() + (e ? PAUSE_AFTER_ERROR : LOOK_EVERY);
        }
        if (count_all(s, &next)) end_all(s, &next);
        bool moved = all_turns(s, &next);
        if (moved || sends_have_news(s, SENDS_RUNNER)) {
            fiber_yield();
            continue;
        }
        sooner(&next, s->look_again);
        int64_t before = deadline_narrow(next);
        int e = waitq_wait(&s->news);
        deadline_restore(before);
        if (e == ERR_CANCELED) break;
    }
}

static void carer(void *arg)
{
    struct sends *s = arg;
    while (!s->stopping && !fiber_canceled()) {
        int e = sends_care(s);
        if (e && e != ERR_CANCELED) log_warn("send", "what is old cannot be forgotten now: %s", err_text(e));
        int64_t before = deadline_narrow(DEADLINE_IN(CARE_EVERY));
        e = waitq_wait(&s->end);
        deadline_restore(before);
        if (e == ERR_CANCELED) break;
    }
}

/* ---- from elsewhere ---- */

struct word { /* to loop 0 */
    struct sends *s;
    struct letter_id id; /* a send that was taken; or empty */
};

/* Sends that are to be run are looked for then, if not before. */
static void look_again_in(struct sends *s, int64_t ns)
{
    if (rt_now() + ns < s->look_again) s->look_again = rt_now() + ns;
}

static void word_fiber(void *arg)
{
    struct word *w = arg;
    int e = load(w->s, &w->id);
    if (e && e != ERR_CANCELED) log_error("send", "the send %s cannot be read: %s", w->id.s, err_text(e));
    if (e) look_again_in(w->s, PAUSE_AFTER_ERROR);
    sends_wake(w->s, SENDS_ALL);
    free(w);
}

static void word_arrives(void *arg)
{
    struct word *w = arg;
    bool runs = w->s->started && !w->s->stopping, reads = runs && w->id.s[0];
    if (reads && group_go(&w->s->fibers, "send", word_fiber, w) == 0) return;
    if (reads) look_again_in(w->s, PAUSE_AFTER_ERROR); /* no stack was left for it */
    if (runs) sends_wake(w->s, SENDS_ALL);
    free(w);
}

static void tell_runner(struct sends *s, const struct letter_id *id)
{
    unsigned had = id ? 0 : __atomic_fetch_or(&s->news_for, SENDS_ALL, __ATOMIC_ACQ_REL);
    if (had == SENDS_ALL) return; /* each has yet to look, and was told */
    struct word *w = xcalloc(1, sizeof *w);
    w->s = s;
    if (id) w->id = *id;
    rt_post(0, word_arrives, w);
}

struct state_word {
    struct sends *s;
    const struct letter_id *id;
};

static int state_arrives(void *arg)
{
    struct state_word *w = arg;
    int e = know_state(w->s, w->id);
    sends_wake(w->s, SENDS_RUNNER);
    return e;
}

int send_act(struct sends *s, const struct letter_id *id, enum send_action what, struct slice why)
{
    int e = put_order(s, id, moves[what].to, moves[what].from, why);
    if (!e && s->started) {
        e = rt_call(0, state_arrives, &(struct state_word){s, id});
        if (!e && what == SEND_CANCEL) tell_runner(s, id); /* also one that was due much later */
    }
    return e;
}

bool run_copy(struct sends *s, const struct letter_id *id, struct run *out)
{
    lock_take(&s->lock);
    struct run *r = run_find(s, id);
    if (r) *out = *r;
    lock_release(&s->lock);
    return r != NULL;
}

static int start(void *arg)
{
    struct sends *s = arg;
    waitq_init(&s->news);
    waitq_init(&s->end);
    waitq_init(&s->hooks);
    waitq_init(&s->counters);
    s->started_at = rt_wall_seconds();
    group_init(&s->fibers);
    s->started = true;
    s->tell = tell_runner;
    int e = look(s); /* before the queue asks for them */
    if (e) return e;
    s->look_again = rt_now() + LOOK_EVERY;
    e = group_go(&s->fibers, "sends", runner, s);
    if (!e) e = group_go(&s->fibers, "sends", carer, s);
    if (!e) e = group_go(&s->fibers, "numbers", numbers_run, s);
    return e || !s->fetch ? e : group_go(&s->fibers, "webhooks", webhooks_run, s);
}

int sends_start(struct sends *s, struct queue *q)
{
    s->queue = q;
    return rt_call(0, start, s);
}

static int stop(void *arg)
{
    struct sends *s = arg;
    s->stopping = true;
    s->tell = NULL;
    waitq_wake_all(&s->news);
    waitq_wake_all(&s->end);
    waitq_wake_all(&s->hooks);
    waitq_wake_all(&s->counters);
    group_cancel(&s->fibers);
    group_wait(&s->fibers);
    struct map_iter it = {0};
    while (map_next(&s->runs, &it)) run_remove(s, it.value);
    s->started = false;
    return 0;
}

void sends_stop(struct sends *s)
{
    if (s && s->started) (void)rt_call(0, stop, s);
}

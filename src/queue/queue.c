/* queue.c - opening, starting, closing; which shard a letter lies in. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "pages.h"
#include "queue_i.h"
#include "shape/reply.h"
#include "tellings.h"
#include "trace/trace.h"

enum { SHARDS_DEFAULT = 256, DAY_S = 86400, CLOSE_S = 8 };

struct shard *queue_shard(struct queue *q, const struct letter_id *id)
{
    return &q->shard[queue_shard_of(id->s, q->nshards)];
}

static int64_t or_default(int64_t v, int64_t otherwise) { return v ? v : otherwise; }

int queue_open(struct queue **out, struct store *s, const struct queue_conf *conf)
{
    ASSERT(conf->take && conf->deliver);
    int shards, e = queue_shards(s, conf->shards ? conf->shards : SHARDS_DEFAULT, &shards);
    if (e) return e;
    struct queue *q = xcalloc(1, sizeof *q);
    e = replies_open(&q->replies);
    struct shaping *shaping = NULL;
    if (!e) e = shaping_open(&shaping);
    if (e) {
        replies_close(&q->replies);
        free(q);
        return e;
    }
    q->tellings = tellings_open();
    q->sites = sites_open(shaping, schedule_site_free, q);
    q->store = s;
    q->nloops = rt_loops() < QUEUE_LOOPS_MAX ? rt_loops() : QUEUE_LOOPS_MAX;
    q->take = conf->take;
    q->take_ctx = conf->take_ctx;
    q->deliver = conf->deliver;
    q->deliver_ctx = conf->deliver_ctx;
    q->maker = conf->maker;
    q->sources = conf->sources;
    q->hostname = sl(xstrndup(conf->hostname.p, conf->hostname.n), conf->hostname.n);
    q->retry_first_s = or_default(conf->retry_first_s, 60);
    q->retry_most_s = or_default(conf->retry_most_s, 4 * 3600);
    q->lifetime_s = or_default(conf->lifetime_s, 5 * DAY_S);
    q->over_quota_is_final = conf->over_quota_is_final;
    q->delay_warning_s = or_default(conf->delay_warning_s, 4 * 3600);
    q->nshards = shards;
    q->abandon = schedule_abandon;
    e = queue_owner_take(q);
    for (int i = 0; i < q->nshards; i++) {
        struct shard *sh = &q->shard[i];
        sh->q = q;
        sh->n = i;
        sh->loop = i % q->nloops;
        snprintf(sh->object, sizeof sh->object, "q:%03d", i);
    }
    if (e) queue_close(&q);
    *out = q;
    return e ? err_prefix(e, "cannot open the queue") : 0;
}

/* ---- what an end in the middle of things left behind ---- */

struct interrupted {
    const struct letter_id *id;
    uint32_t g;
};

static int mark_row(void *arg, struct slice key, struct slice value)
{
    struct kv_tx *tx = arg;
    struct q_rcpt r;
    if (q_rcpt_get(key, value, &r) != 0) { /* one row stops no start */
        log_error("queue", "the row %.*s is damaged; see `tram verify`", SLF(key));
        return 0;
    }
    if (r.state != Q_WAITING) return 0;
    struct buf b = BUF_INIT;
    r.uncertain = true;
    q_rcpt_put(&b, &r);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
    return 0;
}

static int forget_tx(struct kv_tx *tx, void *arg)
{
    const struct kv_page *page = arg;
    for (size_t i = 0; i < page->n; i++) kv_tx_del(tx, page->row[i].key);
    return 0;
}

static int interrupted_tx(struct kv_tx *tx, void *arg)
{
    struct interrupted *x = arg;
    struct arena a = {0};
    struct slice from = queue_key_rcpts(&a, x->id, x->g);
    kv_tx_del(tx, queue_key_sending(&a, x->id, x->g));
    int e = kv_tx_scan(tx, from, kv_prefix_end(&a, from), mark_row, tx);
    ar_free(&a);
    return e;
}

/* Attempts that had begun when the server ended: the letter may have been handed over. */
static int find_interrupted(struct shard *s, struct arena *a)
{
    struct kv_page page;
    bool hole;
    int e = kv_scan_over(s->q->store->kv, shard_object(s), SL("s"), SL("t"), KV_PAGE_MAX, a, &page, &hole);
    if (!e && hole)
        log_error("queue",
                  "not all attempts that were under way in %s when the server ended can be read: a letter "
                  "of them may be delivered twice",
                  s->object);
    for (size_t i = 0; !e && i < page.n; i++) {
        struct slice key = page.row[i].key;
        struct letter_id id = {{0}};
        uint64_t g;
        if (key.n != 23 || !letter_id_ok(sl_sub(key, 1, 17)) || !num_u64(sl_from(key, 18), 99999, &g)) {
            log_error("queue", "the row %.*s is damaged and forgotten", SLF(key));
            e = shard_transact(s, forget_tx, &(struct kv_page){.row = &page.row[i], .n = 1});
            continue;
        }
        memcpy(id.s, key.p + 1, LETTER_ID_LEN);
        struct interrupted x = {&id, (uint32_t)g};
        e = shard_transact(s, interrupted_tx, &x);
        if (!e)
            trace_addf(s->q->store->trace, &id, TRACE_DEFERED, SL(""),
                       "the server ended during an attempt; the letter may have been handed over already");
    }
    return e ? e : page.more;
}

struct starting {
    struct queue *q;
    int loop;
};

static int start_loop(void *arg)
{
    struct starting *x = arg;
    struct arena a = {0};
    int e = queue_owner_claim(x->q, x->loop);
    for (int i = x->loop; e >= 0 && i < x->q->nshards; i += x->q->nloops) {
        while ((e = find_interrupted(&x->q->shard[i], &a)) == 1) ar_reset(&a);
        if (!e) e = queue_pages_care(&x->q->shard[i], true);
    }
    ar_free(&a);
    return e ? err_prefix(e, "cannot read the queue") : schedule_start(x->q, x->loop);
}

int queue_start(struct queue *q, queue_relay *relay, void *ctx)
{
    ASSERT(!q->started && relay);
    q->relay = relay;
    q->relay_ctx = ctx;
    int e = 0;
    q->started = true;
    if (q->sources) sources_watch(q->sources, schedule_replan, schedule_source_room, q);
    for (int i = 0; !e && i < q->nloops; i++) e = rt_call(i, start_loop, &(struct starting){q, i});
    return e;
}

static int stop_loop(void *arg)
{
    schedule_stop(arg, DEADLINE_IN(CLOSE_S * RT_S));
    return 0;
}

static void stop_fiber(void *arg)
{
    struct schedule *x = arg;
    rt_call(schedule_loop(x), stop_loop, x);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

void queue_close(struct queue **qp)
{
    struct queue *q = *qp;
    if (!q) return;
    struct group g;
    group_init(&g);
    for (int i = 0; i < q->nloops; i++) /* all at once: one bound for all */
        if (q->schedule[i] && group_go(&g, "stop", stop_fiber, q->schedule[i]) != 0)
            stop_fiber(q->schedule[i]);
    group_wait(&g);
    if (q->sources) sources_watch(q->sources, NULL, NULL, NULL);
    /* What the loops posted to each other while they stopped: it arrives before this does. */
    bool calls = q->started;
    while (calls) {
        for (int i = 0; i < q->nloops; i++) (void)rt_call(i, nothing, NULL);
        calls = sites_call(q->sites);
    }
    for (int i = 0; i < q->nloops; i++) free(q->schedule[i]);
    sites_close(&q->sites);
    replies_close(&q->replies);
    tellings_close(&q->tellings);
    free((char *)q->hostname.p);
    free(q);
    *qp = NULL;
}

/* metrics.c - the figures of the node, as Prometheus reads them (text format 0.0.4; names and units by its
 * conventions). */
#include "api_i.h"
#include "base/log.h"
#include "base/memory.h"
#include "core/home.h"
#include "kv/kv.h"
#include "queue/queue.h"
#include "rt/rt.h"
#include "send/numbers.h"

enum { BLOCKS_COUNTED = 1 };

static void put(struct buf *b, const char *type, const char *name, const char *help, long long v)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n%s %lld\n", name, help, name, type, name, v);
}
#define GAUGE(b, name, help, v) put(b, "gauge", "tram_" name, help, (long long)(v))
#define COUNTER(b, name, help, v) put(b, "counter", "tram_" name "_total", help, (long long)(v))

static int put_queue(struct buf *b, struct core *core)
{
    struct queue_stats q;
    int64_t now = rt_wall_seconds();
    int e = queue_stats(core->queue, &q);
    if (e) return e;
    GAUGE(b, "queue_letters", "Letters that wait in the queue.", q.letters);
    GAUGE(b, "queue_recipients", "Recipients that they are still for.", q.recipients);
    GAUGE(b, "queue_due", "Groups of recipients whose next attempt is due.", q.due);
    GAUGE(b, "queue_sending", "Deliveries under way.", q.sending);
    GAUGE(b, "queue_oldest_seconds", "Age of the oldest letter in the queue.",
          q.oldest && q.oldest < now ? now - q.oldest : 0); /* of a time that has not come nothing is known */
    COUNTER(b, "queue_stalled", "Lines of due letters that the watchdog had to set going: a fault of Tram's.",
            q.stalled);
    COUNTER(b, "reports", "Reports of failures, delays and successes that were made.", q.reports);
    COUNTER(b, "reports_withheld", "Reports that nobody got: its letter may be forged, or it had its share.",
            q.reports_withheld);
    COUNTER(b, "reports_later", "Times that a report was put off because many had gone to its sender.",
            q.reports_later);
    buf_str(b, "# HELP tram_recipients_total Recipients by what came of attempts since the start.\n"
               "# TYPE tram_recipients_total counter\n");
    buf_printf(b, "tram_recipients_total{result=\"delivered\"} %llu\n", (unsigned long long)q.delivered);
    buf_printf(b, "tram_recipients_total{result=\"bounced\"} %llu\n", (unsigned long long)q.bounced);
    buf_printf(b, "tram_recipients_total{result=\"deferred\"} %llu\n", (unsigned long long)q.deferred);
    return 0;
}

/* What is sent as a service, counted from events since the start. */
static void put_sends(struct buf *b, struct core *core)
{
    struct numbers n;
    numbers_node(core->sends, &n);
    buf_str(b, "# HELP tram_sends_total Recipients of sends, attempts and what came back, by what it was.\n"
               "# TYPE tram_sends_total counter\n");
    for (int i = 0; i < NUMBER_COUNT; i++)
        buf_printf(b, "tram_sends_total{what=\"%s\"} %llu\n", number_word((enum number)i),
                   (unsigned long long)n.n[i]);
    buf_str(b, "# HELP tram_sends_bounced_total Bounces of sends by class.\n"
               "# TYPE tram_sends_bounced_total counter\n");
    for (int i = 0; i < REPLY_NCLASSES; i++)
        buf_printf(b, "tram_sends_bounced_total{class=\"%s\"} %llu\n", reply_class_word((enum reply_class)i),
                   (unsigned long long)n.bounced[i]);
    buf_str(b, "# HELP tram_sends_delivery_seconds Time from the taking of a send to a delivery.\n"
               "# TYPE tram_sends_delivery_seconds gauge\n");
    for (int i = 0; i < 2; i++)
        buf_printf(b, "tram_sends_delivery_seconds{quantile=\"%s\"} %.3f\n", i ? "0.95" : "0.5",
                   (double)numbers_within(&n, i ? 0.95 : 0.5) / 1000);
}

static void put_index(struct buf *b, struct core *core)
{
    struct kv_stats k;
    kv_stats(core->store->kv, &k);
    COUNTER(b, "index_transactions", "Transactions of the index.", k.transactions);
    COUNTER(b, "index_groups", "Groups of them, each synced once.", k.groups);
    COUNTER(b, "index_written_bytes", "Bytes of rows that they wrote.", k.bytes);
    COUNTER(b, "index_reopened", "Times the index was opened again after a write error.", k.reopened);
    COUNTER(b, "trace_notes", "Notes for the trace.", k.notes);
    COUNTER(b, "trace_notes_dropped", "Notes for which there was no room.", k.notes_dropped);
}

static void put_node(struct buf *b, struct core *core)
{
    struct rt_stats t;
    struct guard_block one[BLOCKS_COUNTED];
    rt_stats(&t);
    GAUGE(b, "start_time_seconds", "When the server started, since 1970.", core->started);
    GAUGE(b, "memory_sessions_bytes", "Memory of sessions and of letters under way.", memory_used());
    GAUGE(b, "fibers", "Fibers.", t.fibers);
    GAUGE(b, "parked_connections", "Connections that wait and hold no stack.", t.parked);
    GAUGE(b, "blocked", "Networks and accounts that are shut out.",
          guard_blocks(core->guard, one, BLOCKS_COUNTED));
    GAUGE(b, "strangers_remembered", "Networks and accounts that are remembered for what went wrong.",
          guard_entries(core->guard));
}

static void put_http(struct buf *b, const struct http_call *c)
{
    uint64_t n[HTTP_CLASSES];
    http_counts(c, n);
    buf_str(b, "# HELP tram_http_requests_total Requests of HTTP by their answer.\n"
               "# TYPE tram_http_requests_total counter\n");
    for (int i = 1; i < HTTP_CLASSES; i++)
        buf_printf(b, "tram_http_requests_total{code=\"%dxx\"} %llu\n", i, (unsigned long long)n[i]);
}

struct certificate {
    struct core *core;
    int64_t ends;
};

/* BLOCKS. */
static int certificate_ends(void *arg)
{
    struct certificate *x = arg;
    struct arena a;
    struct slice chain, key;
    ar_init(&a, 0);
    int e = home_certificate(x->core->conf, &a, &chain, &key);
    if (!e) e = cert_expires(chain, &x->ends);
    ar_free(&a);
    return e;
}

/* What cannot be counted hides nothing else. */
void api_metrics(struct http_call *c)
{
    struct core *core = api_of(c)->core;
    struct certificate x = {.core = core};
    struct buf b = BUF_INIT;
    int e = put_queue(&b, core);
    if (e) log_warn("api", "the queue cannot be counted for /metrics: %s", err_text(e));
    put_sends(&b, core);
    put_index(&b, core);
    put_node(&b, core);
    put_http(&b, c);
    if (!offload(certificate_ends, &x))
        GAUGE(&b, "certificate_expiry_timestamp_seconds", "When the certificate ends, since 1970.", x.ends);
    http_answer(c, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&b));
    buf_free(&b);
}

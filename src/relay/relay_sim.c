/* relay_sim.c - queue and relay together against a small world of mail servers: a good one, one
 * that says "later" at every step, one that drops connections, a slow one, one that refuses
 * everything, one that does not exist; over a network that resets and stalls.
 *
 * Each letter ends delivered or bounced in its lifetime; the good site's letters are there within
 * a minute, whatever the others do; a letter is there twice only when the answer to its
 * final dot was lost. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "queue/own_test.h"
#include "queue/queue.h"
#include "relay_i.h"
#include "rt/serve_test.h"
#include "sim/sim.h"

enum { KINDS = 6, LETTERS = 60, PORT = 25 };
enum kind { GOOD, LATER, DROPS, SLOW, REFUSES, ABSENT };
#define DAY (86400 * RT_S)

struct letter_seen {
    int taken, lost; /* lost: the server took it and dropped the connection */
    int64_t submitted, first;
};
struct world {
    struct sim *sim;
    struct sim_node *tram, *mx[KINDS];
    struct letter_seen letter[LETTERS];
    int reports;
    bool faults;
    uint64_t left;
};
struct host {
    struct world *w;
    enum kind kind;
};

/* ---- the other servers ---- */

static bool chance(int percent) { return rt_random_below(100) < (uint64_t)percent; }

/* What the host does at a step. False: it drops the connection. */
static bool reply(struct host *h, struct conn *c, const char *usual)
{
    if (h->kind == SLOW && fiber_sleep((int64_t)rt_random_below(100 * RT_S)) != 0) return false;
    if (h->kind == DROPS && chance(8)) return false;
    if (h->kind == LATER && chance(25)) usual = "451 4.3.2 later";
    conn_printf(c, "%s\r\n", usual);
    return true;
}

static void took(struct host *h, struct slice text, bool lost)
{
    size_t at = sl_find(text, SL("Subject: letter "));
    uint64_t n = 0;
    if (at == SL_NONE || sl_find(text, SL("multipart/report")) != SL_NONE) {
        h->w->reports++;
        return;
    }
    struct slice rest = sl_from(text, at + 16);
    for (size_t i = 0; i < rest.n && rest.p[i] >= '0' && rest.p[i] <= '9'; i++)
        n = n * 10 + (uint64_t)(rest.p[i] - '0');
    if (n >= LETTERS) return;
    struct letter_seen *l = &h->w->letter[n];
    l->taken++;
    l->lost += lost;
    if (!l->first) l->first = rt_now();
}

static bool data(struct host *h, struct conn *c)
{
    struct smtp_data d;
    struct buf text = BUF_INIT;
    bool ended = false;
    smtp_data_begin(&d);
    while (!ended && (conn_peek(c).n || conn_fill(c) > 0)) {
        struct slice in = conn_peek(c), run;
        size_t had = in.n;
        int what;
        do {
            what = smtp_data_feed(&d, &in, &run);
            buf_put(&text, run);
        } while (what == SMTP_DATA_RUN);
        conn_consume(c, had - in.n);
        ended = what == SMTP_DATA_END;
    }
    bool later = h->kind == LATER && chance(25), drop = h->kind == DROPS && chance(20);
    if (ended && later) conn_puts(c, "451 4.3.0 later\r\n");
    if (ended && !later) {
        if (!drop) conn_puts(c, "250 2.0.0 taken\r\n");
        bool lost = drop || conn_flush(c) != 0;
        /* the network may still lose the answer; the client's view decides what is allowed */
        took(h, buf_slice(&text), lost || h->w->faults);
    }
    buf_free(&text);
    return ended && !drop;
}

static bool step(struct host *h, struct conn *c, struct slice line)
{
    if (sl_startsi(line, SL("EHLO"))) return reply(h, c, "250-mx.test\r\n250-PIPELINING\r\n250 SIZE 1000000");
    if (sl_startsi(line, SL("RCPT")) && h->kind == REFUSES) return reply(h, c, "550 5.1.1 no such user");
    if (sl_startsi(line, SL("DATA"))) {
        if (h->kind == REFUSES) return reply(h, c, "503 5.5.1 no recipient");
        if (h->kind == SLOW && fiber_sleep((int64_t)rt_random_below(60 * RT_S)) != 0) return false;
        conn_puts(c, "354 go on\r\n");
        return data(h, c);
    }
    if (sl_startsi(line, SL("QUIT"))) conn_puts(c, "221 bye\r\n");
    return !sl_startsi(line, SL("QUIT")) && reply(h, c, "250 ok");
}

static void session(struct serving *s, struct conn *c)
{
    struct slice line;
    char copy[600];
    deadline_narrow(DEADLINE_IN(3600 * RT_S));
    if (reply(s->ctx, c, "220 mx.test"))
        while (conn_read_line(c, 500, &line) == 0) {
            struct slice mine = sl(copy, line.n < sizeof copy ? line.n : sizeof copy);
            memcpy(copy, line.p, mine.n);
            if (!step(s->ctx, c, mine)) break;
        }
    conn_close(&c);
}

static int host_main(void *arg)
{
    struct host *h = arg;
    struct serving s = {.session = session, .ctx = h};
    char at[32];
    snprintf(at, sizeof at, "192.0.2.%d:%d", 10 + (int)h->kind, PORT);
    deadline_narrow(DEADLINE_IN(8 * DAY));
    return serving_run(&s, at);
}

/* ---- ours ---- */

static int submit(struct world *w, struct store *s, struct queue *q, int n)
{
    char text[64], to[32];
    int size = snprintf(text, sizeof text, "Subject: letter %d\r\n\r\nHello\r\n", n);
    snprintf(to, sizeof to, "user@d%d.test", n % (2 * KINDS)); /* two domains a host */
    struct letter_rcpt r = {.address = sl_cstr(to), .route = {.address = sl_cstr(to)}};
    struct letter l = {.sender = SL("sender@d0.test"), .rcpt = &r, .nrcpt = 1, .received = rt_wall_seconds()};
    l.head_size = (uint32_t)sl_find(sl(text, (size_t)size), SL("\r\n\r\n")) + 4;
    letter_id_new(&l.id);
    int e = body_put(s->body, BODY_QUEUE, sl(text, (size_t)size), SL(""), &l.body);
    if (!e) e = accept_letter(q, &l);
    w->letter[n].submitted = rt_now();
    return e;
}

static struct dns *zone(struct arena *a)
{
    struct buf b = BUF_INIT;
    struct dns *d = NULL;
    for (int i = 0; i < 2 * KINDS; i++) buf_printf(&b, "d%d.test. MX 10 mx%d.test.\n", i, i % KINDS);
    for (int i = 0; i < KINDS; i++) buf_printf(&b, "mx%d.test. A 192.0.2.%d\n", i, 10 + i);
    CHECK_OK(dns_open_zone_text(&d, ar_dup(a, buf_slice(&b))));
    buf_free(&b);
    return d;
}

static int tram_main(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    struct store *s = NULL;
    struct queue *q = NULL;
    struct relay *r = NULL;
    struct queue_stats st = {0};
    struct own_way way = {&s, &q};
    struct queue_conf qc = own_way_queue(&way, 4);
    struct dns *d = zone(&a);
    int e = kv_mem_open(&kv, "kv.log");
    if (!e) e = body_open(&b, "body", 1 << 20);
    if (!e) e = store_open(&s, kv, b);
    struct relay_conf rc = {.dns = d, .hostname = SL("mail.one.test"), .port = PORT};
    if (!e) e = relay_open(&r, &rc);
    if (!e) e = queue_open(&q, s, &qc);
    if (!e) e = queue_start(q, relay_deliver, r);
    for (int i = 0; !e && i < LETTERS; i++) {
        e = submit(w, s, q, i);
        if (!e) e = fiber_sleep((int64_t)rt_random_below(2 * RT_S));
    }
    if (!e) e = fiber_sleep(7 * DAY);
    if (!e) e = queue_stats(q, &st);
    w->left = st.letters;
    queue_close(&q);
    relay_close(&r);
    store_close(&s);
    dns_close(&d);
    ar_free(&a);
    return e;
}

static void world(uint64_t seed, bool faults)
{
    struct world w = {.sim = sim_new(seed), .faults = faults};
    struct host h[KINDS];
    w.tram = sim_node(w.sim, "one", "192.0.2.1");
    for (int i = 0; i < KINDS; i++) {
        char name[32], at[32];
        snprintf(name, sizeof name, "mx%d", i);
        snprintf(at, sizeof at, "192.0.2.%d", 10 + i);
        w.mx[i] = sim_node(w.sim, name, at);
        h[i] = (struct host){&w, (enum kind)i};
        if (i != ABSENT) sim_node_start(w.mx[i], host_main, &h[i]);
    }
    struct sim_faults f = {.delay_min = RT_MS, .delay_max = 80 * RT_MS};
    if (faults) f.reset = 3000, f.stall = 1000, f.refuse = 20000;
    sim_faults(w.sim, &f);
    sim_node_start(w.tram, tram_main, &w);
    sim_run(w.sim, RT_NEVER);
    CHECK_INT(sim_node_result(w.tram), 0);
    CHECK_INT(w.left, 0);
    int bounced = 0;
    for (int i = 0; i < LETTERS; i++) {
        const struct letter_seen *l = &w.letter[i];
        enum kind k = i % KINDS;
        bounced += k == REFUSES || k == ABSENT;
        CHECK(k == REFUSES || k == ABSENT ? l->taken == 0 : l->taken >= 1);
        CHECK(l->taken <= 1 + l->lost);
        if (k == GOOD && !faults) CHECK(l->first - l->submitted < 60 * RT_S);
    }
    CHECK(w.reports >= bounced); /* and warnings of delay */
    sim_free(&w.sim);
}

/* How many times as many runs as usual: SEEDS=1000 for a long campaign. */
static uint64_t campaign(void)
{
    const char *asked = getenv("SEEDS");
    uint64_t n = 1;
    return asked && num_u64(sl_cstr(asked), 100000, &n) && n >= 100 ? n / 50 : 1;
}

TEST(every_letter_finds_its_end)
{
    for (uint64_t seed = 1; seed <= 4 * campaign(); seed++) world(seed, false);
}

TEST(every_letter_finds_its_end_over_a_bad_network)
{
    for (uint64_t seed = 1; seed <= 6 * campaign(); seed++) world(100000 + seed, true);
}

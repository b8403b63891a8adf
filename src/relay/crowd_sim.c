/* crowd_sim.c - queue and relay with sites that are silent or slow, and one that is well: whatever waits for
 * the others, a letter to the good one is there within seconds, and each that waits says why. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "queue/own_test.h"
#include "queue/queue.h"
#include "relay_i.h"
#include "rt/serve_test.h"
#include "sim/sim.h"

enum { PORT = 25, SILENT_MOST = 1500 };

struct world {
    struct sim *sim;
    struct sim_node *tram, *good, *silent;
    int sites, domains; /* that do not answer: so many MX hosts, so many domains over them */
    const char *same;   /* the good letter's sender, also that of the others */
    int64_t sent, there, tried;
    char why[600];
};

/* ---- the good server ---- */

static bool one_line(struct world *w, struct conn *c, struct slice line, bool *data)
{
    if (*data) {
        *data = !sl_eq(line, SL("."));
        if (!*data) conn_puts(c, "250 2.0.0 taken\r\n"), w->there = rt_now();
        return true;
    }
    *data = sl_startsi(line, SL("DATA"));
    bool quit = sl_startsi(line, SL("QUIT"));
    conn_puts(c, *data ? "354 go on\r\n" : quit ? "221 bye\r\n" : "250 ok\r\n");
    return !quit;
}

static void session(struct serving *s, struct conn *c)
{
    struct slice line;
    bool data = false;
    deadline_narrow(DEADLINE_IN(600 * RT_S));
    conn_puts(c, "220 mx.good.test\r\n");
    while (conn_read_line(c, 1000, &line) == 0 && one_line(s->ctx, c, line, &data)) continue;
    conn_close(&c);
}

static int good_main(void *arg)
{
    struct serving s = {.session = session, .ctx = arg};
    deadline_narrow(DEADLINE_IN(1000 * RT_S));
    return serving_run(&s, "192.0.2.9:25");
}

/* ---- ours ---- */

static int submit(struct store *s, struct queue *q, const char *sender, struct slice to, struct letter_id *id)
{
    static const char text[] = "Subject: s\r\n\r\nHello\r\n";
    struct letter_rcpt r = {.address = to, .route = {.address = to}};
    struct letter l = {.sender = sl_cstr(sender),
                       .rcpt = &r,
                       .nrcpt = 1,
                       .head_size = 14,
                       .received = rt_wall_seconds(),
                       .stream = STREAM_TRANSACTIONAL,
                       .submitter = sl_starts(sl_cstr(sender), SL("many")) ? SL("acc1") : SL("acc2")};
    letter_id_new(&l.id);
    *id = l.id;
    int e = body_put(s->body, BODY_QUEUE, sl_cstr(text), SL(""), &l.body);
    return e ? e : accept_letter(q, &l);
}

static struct dns *zone(struct arena *a, const struct world *w)
{
    struct buf b = BUF_INIT;
    struct dns *d = NULL;
    for (int i = 0; i < w->domains; i++) buf_printf(&b, "d%d.test. MX 10 mx%d.test.\n", i, i % w->sites);
    for (int i = 0; i < w->sites; i++) buf_printf(&b, "mx%d.test. A 198.51.%d.%d\n", i, i / 200, 1 + i % 200);
    buf_printf(&b, "good.test. MX 10 mx.good.test.\nmx.good.test. A 192.0.2.9\n");
    CHECK_OK(dns_open_zone_text(&d, ar_dup(a, buf_slice(&b))));
    buf_free(&b);
    return d;
}

static int letters(struct world *w, struct store *s, struct queue *q, struct arena *a)
{
    struct letter_id id, last = {{0}};
    struct queue_info info;
    int e = 0;
    for (int i = 0; !e && i < SILENT_MOST; i++)
        e = submit(s, q, "many@one.test", ar_printf(a, "u@d%d.test", i % w->domains), &last);
    if (!e) e = fiber_sleep(2 * RT_S);
    w->sent = rt_now();
    if (!e) e = submit(s, q, w->same, SL("u@good.test"), &id);
    if (!e) e = fiber_sleep(12 * RT_S); /* a dial takes 30, of which handing the letters in took some */
    if (!e) e = queue_show(q, &last, a, &info);
    if (!e) snprintf(w->why, sizeof w->why, "%.*s", SLF(info.rcpt[0].why));
    return e;
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
    struct own_way way = {&s, &q};
    struct queue_conf qc = own_way_queue(&way, 1);
    struct dns *d = zone(&a, w);
    int e = kv_mem_open(&kv, "kv.log");
    if (!e) e = body_open(&b, "body", 1 << 20);
    if (!e) e = store_open(&s, kv, b);
    struct relay_conf rc = {.dns = d, .hostname = SL("mail.one.test"), .port = PORT};
    if (!e) e = relay_open(&r, &rc);
    if (!e) e = queue_open(&q, s, &qc);
    if (!e) e = queue_start(q, relay_deliver, r);
    if (!e) e = letters(w, s, q, &a);
    queue_close(&q);
    relay_close(&r);
    store_close(&s);
    dns_close(&d);
    ar_free(&a);
    return e;
}

static void run(int sites, int domains, const char *same, const char *why)
{
    struct world w = {.sim = sim_new(7), .sites = sites, .domains = domains, .same = same};
    struct buf at = BUF_INIT;
    for (int i = 0; i < sites; i++) buf_printf(&at, "%s198.51.%d.%d", i ? "," : "", i / 200, 1 + i % 200);
    buf_char(&at, 0);
    w.tram = sim_node(w.sim, "one", "192.0.2.1");
    w.good = sim_node(w.sim, "good", "192.0.2.9");
    w.silent = sim_node(w.sim, "silent", at.p);
    sim_kill(w.silent); /* a dial waits */
    sim_node_start(w.good, good_main, &w);
    sim_node_start(w.tram, tram_main, &w);
    sim_run(w.sim, RT_NEVER);
    CHECK_INT(sim_node_result(w.tram), 0);
    CHECK(w.there && w.there - w.sent < 10 * RT_S);
    if (sl_find(sl_cstr(w.why), sl_cstr(why)) == SL_NONE) test_fail(__FILE__, __LINE__, "it says: %s", w.why);
    buf_free(&at);
    sim_free(&w.sim);
}

TEST(a_silent_site_delays_no_other)
{
    run(1, 1, "other@one.test", "deliveries to the site mx0.test are under way");
    run(1, 400, "other@one.test", "the site mx0.test");
}

TEST(many_silent_sites_delay_no_other)
{
    run(SILENT_MOST, SILENT_MOST, "other@one.test", "");
    run(SILENT_MOST, SILENT_MOST, "many@one.test", "");
}

/* race_sim.c - a host with an IPv6 and an IPv4 address, of which one is silent, refuses, or both work: how
 * long a letter takes, and the one after it (RFC 8305). */
#include "base/test.h"
#include "base/text.h"
#include "queue/letter_source.h"
#include "relay_i.h"
#include "rt/serve_test.h"
#include "sim/sim.h"

struct world;
struct host {
    struct world *w;
    const char *at;
    int letters;
};
struct world {
    struct sim *sim;
    struct sim_node *tram, *node[2];
    struct host host[2]; /* by IPv6, by IPv4 */
    enum attempt result[2];
    int64_t took[2];
};

static void session(struct serving *s, struct conn *c)
{
    struct host *h = s->ctx;
    struct slice line;
    bool data = false;
    conn_puts(c, "220 mx.test\r\n");
    while (conn_read_line(c, 500, &line) == 0) {
        bool end = data && sl_eq(line, SL("."));
        if (data && !end) continue;
        data = sl_startsi(line, SL("DATA"));
        h->letters += end;
        conn_puts(c, data ? "354 go on\r\n" : "250 ok\r\n");
    }
    conn_close(&c);
}

static int host_main(void *arg)
{
    struct host *h = arg;
    struct serving s = {.session = session, .ctx = h};
    deadline_narrow(DEADLINE_IN(3600 * RT_S));
    return serving_run(&s, h->at);
}

static int64_t read_text(void *text, uint64_t at, void *p, size_t n)
{
    struct slice s = sl_sub(sl_cstr(text), (size_t)at, (size_t)at + n);
    memcpy(p, s.p, s.n);
    return (int64_t)s.n;
}

static void send_one(struct world *w, struct relay *r, int n)
{
    static char text[] = "Subject: s\r\n\r\nHello\r\n";
    struct arena a = {0};
    struct attempt_rcpt rcpt = {.address = SL("user@two.test")};
    struct letter l = {.sender = SL("sender@one.test")};
    struct letter_source src = {.size = sizeof text - 1, .head = 14, .read = read_text, .ctx = text};
    struct attempt_letter at = {.letter = &l,
                                .source = &src,
                                .domain = SL("two.test"),
                                .rcpt = &rcpt,
                                .nrcpt = 1,
                                .a = &a,
                                .until = DEADLINE_IN(600 * RT_S)};
    int64_t begun = rt_now();
    relay_deliver(r, &at);
    w->took[n] = rt_now() - begun;
    w->result[n] = rcpt.result;
    ar_free(&a);
}

static int tram_main(void *arg)
{
    struct world *w = arg;
    struct dns *d = NULL;
    struct relay *r = NULL;
    int e = dns_open_zone_text(&d, SL("two.test. MX 10 mx.two.test.\n"
                                      "mx.two.test. A 192.0.2.10\nmx.two.test. AAAA 2001:db8::10\n"));
    struct relay_conf rc = {.dns = d, .hostname = SL("mail.one.test"), .port = 25};
    if (!e) e = relay_open(&r, &rc);
    for (int i = 0; !e && i < 2; i++) {
        send_one(w, r, i);
        e = fiber_sleep(120 * RT_S); /* no connection is kept so long */
    }
    relay_close(&r);
    dns_close(&d);
    return e;
}

enum state { WORKS, REFUSES, SILENT };

static void run(struct world *w, enum state six, enum state four)
{
    static const char *const ip[] = {"2001:db8::10", "192.0.2.10"}, *const at[] = {"[2001:db8::10]:25",
                                                                                   "192.0.2.10:25"};
    const enum state state[] = {six, four};
    *w = (struct world){.sim = sim_new(7)};
    w->tram = sim_node(w->sim, "one.test", "192.0.2.1,2001:db8::1");
    for (int i = 0; i < 2; i++) {
        w->node[i] = sim_node(w->sim, i ? "four" : "six", ip[i]);
        w->host[i] = (struct host){.w = w, .at = at[i]};
        if (state[i] == WORKS) sim_node_start(w->node[i], host_main, &w->host[i]);
        if (state[i] == SILENT) sim_partition(w->sim, w->tram, w->node[i], true);
    }
    sim_node_start(w->tram, tram_main, w);
    sim_run(w->sim, RT_NEVER);
    CHECK_INT(sim_node_result(w->tram), 0);
    sim_free(&w->sim);
}

static bool within(int64_t took, int64_t least, int64_t most) { return took >= least && took < most; }

TEST(a_silent_address_costs_a_quarter_of_a_second_once)
{
    struct world w;
    run(&w, SILENT, WORKS);
    CHECK(w.result[0] == ATTEMPT_DELIVERED && w.result[1] == ATTEMPT_DELIVERED);
    CHECK_INT(w.host[1].letters, 2);
    CHECK(within(w.took[0], 250 * RT_MS, 500 * RT_MS));
    CHECK(within(w.took[1], 0, 250 * RT_MS)); /* it is remembered */
    run(&w, REFUSES, WORKS);
    CHECK_INT(w.host[1].letters, 2);
    CHECK(within(w.took[0], 0, 250 * RT_MS)); /* the next is begun when the first has failed */
}

TEST(the_first_address_that_answers_is_used)
{
    struct world w;
    run(&w, WORKS, WORKS);
    CHECK(w.host[0].letters == 2 && w.host[1].letters == 0);
    CHECK(within(w.took[0], 0, 250 * RT_MS));
    run(&w, WORKS, SILENT);
    CHECK_INT(w.host[0].letters, 2);
    run(&w, SILENT, SILENT);
    CHECK(w.result[0] == ATTEMPT_TEMPORARY && w.host[0].letters + w.host[1].letters == 0);
    CHECK(within(w.took[0], 29 * RT_S, 61 * RT_S)); /* as long as one alone */
    run(&w, REFUSES, SILENT);
    CHECK(w.result[0] == ATTEMPT_TEMPORARY);
}

/* net_sim.c - tests of the simulated network: streams between nodes, what delays, cuts and breaks
 * them, and TLS over it. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/test.h"
#include "rt/conn.h"
#include "sim.h"

struct net {
    struct sim *sim;
    struct sim_node *a, *b;
    struct group sessions;
    struct tls_ctx *server_tls, *client_tls;
    int asked, answered, failed[32], sessions_ended;
    int64_t took[4];
    bool parked;
    uint64_t got;
};

static struct net *net_new(uint64_t seed)
{
    struct net *t = xcalloc(1, sizeof *t);
    t->sim = sim_new(seed);
    t->a = sim_node(t->sim, "a.test", "192.0.2.1,2001:db8::1");
    t->b = sim_node(t->sim, "b.test", "127.0.0.2,192.0.2.2");
    return t;
}

static void net_free(struct net *t)
{
    sim_free(&t->sim);
    free(t);
}

static struct endpoint at(const char *s)
{
    struct endpoint e = {0};
    if (s[0] == '/') snprintf(e.path, sizeof e.path, "%s", s);
    else CHECK(endpoint_parse(sl_cstr(s), &e));
    return e;
}

/* ---- a server that says every line back ---- */

struct session {
    struct net *t;
    struct conn *c;
};

static void echo_lines(struct session *x)
{
    struct slice line;
    int e = x->t->server_tls ? conn_tls_accept(x->c, x->t->server_tls) : 0;
    while (!e) {
        e = conn_read_line(x->c, 1000, &line);
        if (e == ERR_EOF || e == ERR_CANCELED) break;
        if (!e) conn_printf(x->c, "you said %.*s\r\n", SLF(line));
        if (e == ERR_TOO_LONG || e == ERR_SYNTAX) e = 0;
    }
}

static void echo_session(void *arg)
{
    struct session *x = arg;
    echo_lines(x);
    conn_close(&x->c);
    x->t->sessions_ended++;
    free(x);
}

/* The same, holding no stack while it waits. */
static void parked_session(void *arg)
{
    struct session *x = arg;
    struct slice in = conn_peek(x->c);
    if (conn_error(x->c) || fiber_canceled()) {
        conn_close(&x->c);
        x->t->sessions_ended++;
        free(x);
        return;
    }
    size_t lf = sl_chr(in, '\n');
    if (lf != SL_NONE) {
        conn_printf(x->c, "you said %.*s\r\n", (int)lf - 1, in.p);
        conn_consume(x->c, lf + 1);
    } else if (in.n) {
        if (conn_fill(x->c) < 0) lf = 0;
    }
    conn_park(x->c, &x->t->sessions, RT_NEVER, parked_session, x);
}

static int serve(struct net *t, const char *where)
{
    struct listener *l;
    struct endpoint e = at(where);
    struct conn *c;
    int code = listener_open(&l, &e);
    if (code) return code;
    group_init(&t->sessions);
    while (!(code = listener_accept(l, &c))) {
        struct session *x = xcalloc(1, sizeof *x);
        *x = (struct session){t, c};
        CHECK_OK(group_go(&t->sessions, "session", t->parked ? parked_session : echo_session, x));
    }
    listener_close(&l);
    group_cancel(&t->sessions);
    int w = group_wait(&t->sessions);
    return w ? w : code;
}

static int server(void *arg) { return serve(arg, "192.0.2.2:25"); }
static int anywhere(void *arg) { return serve(arg, "0.0.0.0:25"); }
static int loopback(void *arg) { return serve(arg, "127.0.0.1:25"); }
static int unix_server(void *arg) { return serve(arg, "/run/socket"); }

static int ask(struct conn *c, int no)
{
    struct slice line;
    char want[64];
    conn_printf(c, "line %d\r\n", no);
    int e = conn_read_line(c, 1000, &line);
    if (e) return e;
    snprintf(want, sizeof want, "you said line %d", no);
    CHECK_SL(line, want);
    return 0;
}

/* Connects to `where` and asks n times with a pause. */
static int asks(struct net *t, const char *where, int n, int64_t pause)
{
    struct endpoint e = at(where);
    struct conn *c;
    int code = conn_dial(&c, &e, NULL);
    if (code) return code;
    struct tls_peer peer = {.name = SL("b.test"), .verify = TLS_VERIFY_PKIX};
    if (t->client_tls) code = conn_tls_connect(c, t->client_tls, &peer);
    for (int i = 0; !code && i < n; i++) {
        t->asked++;
        code = ask(c, i);
        if (!code) t->answered++;
        if (!code && pause) code = fiber_sleep(pause);
    }
    conn_close(&c);
    return code;
}

static int client(void *arg) { return asks(arg, "192.0.2.2:25", 20, 0); }
static int slow_client(void *arg) { return asks(arg, "192.0.2.2:25", 100, RT_S); }
static int local_client(void *arg) { return asks(arg, "127.0.0.1:25", 20, 0); }
static int other_client(void *arg) { return asks(arg, "127.0.0.2:25", 20, 0); }
static int unix_client(void *arg) { return asks(arg, "/run/socket", 20, 0); }

static int pair(struct net *t, int (*srv)(void *), int (*cl)(void *))
{
    sim_node_start(t->b, srv, t);
    sim_run(t->sim, RT_S);
    sim_node_start(t->a, cl, t);
    sim_run(t->sim, RT_NEVER);
    CHECK(!sim_node_running(t->a));
    return sim_node_result(t->a);
}

TEST(echo)
{
    uint64_t digest[3];
    for (int i = 0; i < 3; i++) {
        struct net *t = net_new(i < 2 ? 5 : 6);
        CHECK_OK(pair(t, server, client));
        CHECK_INT(t->answered, 20);
        CHECK_INT(t->sessions_ended, 1);
        digest[i] = sim_digest(t->sim);
        net_free(t);
    }
    CHECK(digest[0] == digest[1]);
    CHECK(digest[0] != digest[2]);
}

TEST(echo_parked)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct net *t = net_new(seed);
        t->parked = true;
        CHECK_OK(pair(t, server, client));
        CHECK_INT(t->answered, 20);
        CHECK_INT(t->sessions_ended, 1);
        net_free(t);
    }
}

TEST(addresses)
{
    struct net *t = net_new(1);
    CHECK_ERR(pair(t, anywhere, local_client), ERR_REFUSED); /* a's own loopback, not b's */
    CHECK_OK(pair(t, server, other_client));                 /* b listens at its every address */
    net_free(t);
    t = net_new(1);
    CHECK_ERR(pair(t, loopback, client), ERR_REFUSED);
    sim_node_start(t->b, local_client, t);
    sim_run(t->sim, RT_NEVER);
    CHECK_INT(t->answered, 20);
    sim_node_start(t->b, unix_server, t);
    sim_run(t->sim, RT_NEVER);
    CHECK_ERR(pair(t, unix_server, unix_client), ERR_REFUSED); /* a path is of one node */
    sim_node_start(t->b, unix_client, t);
    sim_run(t->sim, RT_NEVER);
    CHECK_INT(t->answered, 40);
    net_free(t);
}

static int nowhere(void *arg)
{
    (void)arg;
    struct endpoint far = at("198.51.100.1:25"), near = at("192.0.2.2:25"), mine = at("192.0.2.1:0");
    struct endpoint his = near;
    struct ip his_ip = his.ip;
    struct conn *c;
    struct listener *l, *m;
    CHECK_ERR(conn_dial(&c, &far, NULL), ERR_UNREACHABLE);
    CHECK_ERR(conn_dial(&c, &near, &his_ip), ERR_UNREACHABLE);
    CHECK_ERR(listener_open(&l, &his), ERR_UNREACHABLE);
    CHECK_OK(listener_open(&l, &mine));
    CHECK(listener_at(l)->port != 0);
    CHECK_ERR(listener_open(&m, listener_at(l)), ERR_BUSY);
    CHECK_OK(conn_dial(&c, listener_at(l), NULL));
    CHECK(ip_eq(&conn_peer(c)->ip, &mine.ip));
    conn_close(&c);
    listener_close(&l);
    return 0;
}
TEST(unreachable_and_in_use)
{
    struct net *t = net_new(1);
    sim_node_start(t->a, nowhere, t);
    sim_run(t->sim, RT_NEVER);
    CHECK_OK(sim_node_result(t->a));
    net_free(t);
}

/* ---- time ---- */

static int times(void *arg)
{
    struct net *t = arg;
    struct endpoint e = at("192.0.2.2:25");
    struct conn *c;
    int64_t from = rt_now();
    CHECK_OK(conn_dial(&c, &e, NULL));
    t->took[0] = rt_now() - from;
    from = rt_now();
    CHECK_OK(ask(c, 1));
    t->took[1] = rt_now() - from;
    int64_t before = deadline_narrow(DEADLINE_IN(50 * RT_MS));
    CHECK_ERR(ask(c, 2), ERR_TIMEOUT);
    deadline_restore(before);
    conn_close(&c);
    return 0;
}
TEST(delays)
{
    struct net *t = net_new(1);
    sim_faults(t->sim, &(struct sim_faults){.delay_min = 100 * RT_MS, .delay_max = 150 * RT_MS});
    CHECK_OK(pair(t, server, times));
    for (int i = 0; i < 2; i++) CHECK(t->took[i] >= 200 * RT_MS && t->took[i] < 301 * RT_MS);
    net_free(t);
}

/* ---- much data, slowly read ---- */

enum { MUCH = 3 << 20 };
static int pours(void *arg)
{
    struct net *t = arg;
    struct listener *l;
    struct endpoint e = at("192.0.2.2:25");
    struct conn *c;
    char block[8192];
    CHECK_OK(listener_open(&l, &e));
    CHECK_OK(listener_accept(l, &c));
    for (size_t sent = 0; sent < MUCH; sent += sizeof block) {
        for (size_t i = 0; i < sizeof block; i++) block[i] = (char)((sent + i) * 7 / 5);
        conn_write(c, sl(block, sizeof block));
        t->got = sent;
    }
    conn_close(&c);
    listener_close(&l);
    return 0;
}
static int sips(void *arg)
{
    struct net *t = arg;
    struct endpoint e = at("192.0.2.2:25");
    struct conn *c;
    size_t got = 0, wrong = 0;
    CHECK_OK(conn_dial(&c, &e, NULL));
    CHECK_OK(fiber_sleep(10 * RT_S));
    CHECK(t->got < 512 << 10); /* the sender was held back */
    int e2;
    while ((e2 = conn_fill(c)) > 0) {
        struct slice in = conn_peek(c);
        for (size_t i = 0; i < in.n; i++) wrong += in.p[i] != (char)((got + i) * 7 / 5);
        got += in.n;
        conn_consume(c, in.n);
    }
    CHECK_ERR(e2, ERR_EOF);
    CHECK_INT(got, MUCH);
    CHECK_INT(wrong, 0);
    conn_close(&c);
    return 0;
}
TEST(back_pressure)
{
    struct net *t = net_new(1);
    CHECK_OK(pair(t, pours, sips));
    net_free(t);
}

/* ---- cuts ---- */

static int patient(void *arg)
{
    struct net *t = arg;
    struct endpoint e = at("192.0.2.2:25");
    struct conn *c;
    CHECK_OK(conn_dial(&c, &e, NULL));
    sim_partition(t->sim, t->a, t->b, true);
    int64_t from = rt_now(), before = deadline_narrow(DEADLINE_IN(60 * RT_S));
    CHECK_ERR(ask(c, 1), ERR_TIMEOUT);
    deadline_restore(before);
    CHECK(rt_now() - from >= 60 * RT_S);
    conn_close(&c);
    before = deadline_narrow(DEADLINE_IN(60 * RT_S));
    CHECK_ERR(conn_dial(&c, &e, NULL), ERR_TIMEOUT);
    deadline_restore(before);
    from = rt_now();
    CHECK_ERR(conn_dial(&c, &e, NULL), ERR_TIMEOUT); /* the system gives up by itself */
    CHECK(rt_now() - from > 100 * RT_S && rt_now() - from < 150 * RT_S);
    sim_partition(t->sim, t->a, t->b, false);
    CHECK_OK(conn_dial(&c, &e, NULL));
    CHECK_OK(ask(c, 2));
    conn_close(&c);
    return 0;
}
TEST(partition)
{
    struct net *t = net_new(1);
    CHECK_OK(pair(t, server, patient));
    net_free(t);
}

TEST(partition_heals_under_a_session)
{
    struct net *t = net_new(1);
    sim_node_start(t->b, server, t);
    sim_node_start(t->a, slow_client, t);
    sim_run(t->sim, 30 * RT_S);
    int before = t->answered;
    CHECK(before > 20);
    sim_partition(t->sim, t->a, t->b, true);
    sim_run(t->sim, 300 * RT_S);
    CHECK(t->answered <= before + 1);
    sim_partition(t->sim, t->a, t->b, false);
    sim_run(t->sim, 3600 * RT_S);
    CHECK_INT(t->answered, 100);
    CHECK_OK(sim_node_result(t->a));
    net_free(t);
}

TEST(partition_for_ever)
{
    struct net *t = net_new(1);
    sim_node_start(t->b, server, t);
    sim_node_start(t->a, slow_client, t);
    sim_run(t->sim, 30 * RT_S);
    sim_partition(t->sim, t->a, t->b, true);
    sim_run(t->sim, 7200 * RT_S);
    CHECK(!sim_node_running(t->a));
    CHECK_ERR(sim_node_result(t->a), ERR_TIMEOUT);
    net_free(t);
}

/* ---- faults ---- */

static int many(void *arg)
{
    struct net *t = arg;
    for (int i = 0; i < 200; i++) {
        int64_t from = rt_now(), before = deadline_narrow(DEADLINE_IN(3600 * RT_S));
        int e = asks(t, "192.0.2.2:25", 5, 0);
        deadline_restore(before);
        t->failed[-e]++;
        if (rt_now() - from > 60 * RT_S) t->took[0]++;
    }
    return 0;
}
static struct net *faulty(const struct sim_faults *f)
{
    struct net *t = net_new(9);
    sim_faults(t->sim, f);
    CHECK_OK(pair(t, server, many));
    return t;
}
TEST(resets)
{
    struct net *t = faulty(&(struct sim_faults){.reset = 20000});
    CHECK(t->failed[-ERR_EOF] > 10 && t->failed[-ERR_EOF] < 80);
    CHECK_INT(t->failed[0] + t->failed[-ERR_EOF], 200);
    net_free(t);
}
TEST(refusals)
{
    struct net *t = faulty(&(struct sim_faults){.refuse = 250000});
    CHECK(t->failed[-ERR_REFUSED] > 30 && t->failed[-ERR_REFUSED] < 75);
    CHECK_INT(t->failed[0] + t->failed[-ERR_REFUSED], 200);
    net_free(t);
}
/* Who could not be accepted is, when there is a descriptor again. */
TEST(descriptors_run_out)
{
    struct net *t = faulty(&(struct sim_faults){.no_descriptor = 250000});
    CHECK(t->failed[-ERR_BUSY] > 30 && t->failed[-ERR_BUSY] < 75);
    CHECK_INT(t->failed[0] + t->failed[-ERR_BUSY], 200);
    net_free(t);
}
TEST(stalls)
{
    struct net *t = faulty(&(struct sim_faults){.stall = 20000});
    CHECK_INT(t->failed[0], 200);
    CHECK(t->took[0] > 10 && t->took[0] < 100);
    net_free(t);
}

/* ---- power ---- */

TEST(power_cut_of_the_server)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        for (int parked = 0; parked < 2; parked++) {
            struct net *t = net_new(seed);
            t->parked = parked;
            sim_node_start(t->b, server, t);
            sim_node_start(t->a, slow_client, t);
            sim_run(t->sim, 10 * RT_S);
            sim_kill(t->b);
            sim_run(t->sim, 20 * RT_S);
            CHECK(!sim_node_running(t->b));
            CHECK_INT(t->sessions_ended, 1);
            CHECK(!sim_node_running(t->a));
            CHECK_ERR(sim_node_result(t->a), ERR_EOF);
            t->answered = 0;
            sim_node_start(t->a, client, t); /* nobody answers until the power is back */
            sim_run(t->sim, 30 * RT_S);
            CHECK(sim_node_running(t->a));
            sim_node_start(t->b, server, t);
            sim_run(t->sim, 60 * RT_S);
            CHECK_OK(sim_node_result(t->a));
            CHECK_INT(t->answered, 20);
            net_free(t);
        }
}

/* A program that has ended leaves nobody hanging, and its port can be taken again. */
static int one_answer(void *arg)
{
    (void)arg;
    struct listener *l;
    struct endpoint e = at("192.0.2.2:25");
    struct conn *c;
    CHECK_OK(listener_open(&l, &e));
    CHECK_OK(listener_accept(l, &c));
    conn_puts(c, "you said line 0\r\nbye\r\n");
    conn_close(&c);
    listener_close(&l);
    return 0;
}
static int reads_to_the_end(void *arg)
{
    (void)arg;
    struct endpoint e = at("192.0.2.2:25");
    struct conn *c;
    struct slice line;
    CHECK_OK(conn_dial(&c, &e, NULL));
    CHECK_OK(ask(c, 0));
    CHECK_OK(fiber_sleep(RT_S));
    CHECK_OK(conn_read_line(c, 100, &line)); /* what was sent before the close arrives */
    CHECK_SL(line, "bye");
    CHECK_ERR(conn_read_line(c, 100, &line), ERR_EOF);
    conn_puts(c, "are you there?\r\n");
    (void)conn_flush(c);
    CHECK_OK(fiber_sleep(RT_S));
    conn_puts(c, "are you there?\r\n");
    CHECK_ERR(conn_flush(c), ERR_EOF);
    conn_close(&c);
    return 0;
}
TEST(close)
{
    struct net *t = net_new(1);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(pair(t, one_answer, reads_to_the_end));
        CHECK(!sim_node_running(t->b));
    }
    net_free(t);
}

/* Cancel reaches fibers that wait for the network. */
static void waits(void *arg)
{
    struct net *t = arg;
    int e = asks(t, "192.0.2.2:25", 1000000, RT_S);
    t->failed[-e]++;
}
static int cancels(void *arg)
{
    struct net *t = arg;
    struct group g;
    group_init(&g);
    for (int i = 0; i < 10; i++) CHECK_OK(group_go(&g, "waits", waits, t));
    CHECK_OK(fiber_sleep(20 * RT_S));
    group_cancel(&g);
    return group_wait(&g);
}
TEST(cancel)
{
    struct net *t = net_new(1);
    CHECK_OK(pair(t, server, cancels));
    CHECK_INT(t->failed[-ERR_CANCELED], 10);
    CHECK_INT(t->sessions_ended, 10);
    net_free(t);
}

/* ---- TLS ---- */

static int tls_server(void *arg)
{
    struct net *t = arg;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice name = SL("b.test");
    CHECK_OK(tls_self_signed(&name, 1, 30, &chain, &key));
    CHECK_OK(tls_server_new(&t->server_tls, NULL));
    CHECK_OK(tls_server_add_cert(t->server_tls, buf_slice(&chain), buf_slice(&key)));
    CHECK_OK(tls_client_new(&t->client_tls, buf_slice(&chain)));
    buf_free(&chain);
    buf_free(&key);
    int e = serve(t, "192.0.2.2:25");
    tls_free(&t->server_tls);
    return e;
}
static int two_sessions(void *arg)
{
    struct net *t = arg;
    int e = asks(t, "192.0.2.2:25", 20, 0);
    if (!e) e = asks(t, "192.0.2.2:25", 20, 0);
    return e;
}
TEST(tls_repeats)
{
    uint64_t digest[4];
    for (int i = 0; i < 4; i++) {
        struct net *t = net_new(i < 3 ? 5 : 6);
        CHECK_OK(pair(t, tls_server, two_sessions));
        CHECK_INT(t->answered, 40);
        CHECK_INT(t->sessions_ended, 2);
        digest[i] = sim_digest(t->sim);
        tls_free(&t->client_tls);
        net_free(t);
    }
    CHECK(digest[0] == digest[1]);
    CHECK(digest[0] == digest[2]);
    CHECK(digest[0] != digest[3]);
}

/* Certificates live in virtual time. */
static int in_a_year(void *arg)
{
    struct net *t = arg;
    CHECK_OK(asks(t, "192.0.2.2:25", 2, 0));
    CHECK_OK(fiber_sleep(40 * 86400 * RT_S));
    return asks(t, "192.0.2.2:25", 2, 0);
}
TEST(certificates_expire)
{
    struct net *t = net_new(1);
    CHECK_ERR(pair(t, tls_server, in_a_year), ERR_TLS);
    CHECK_INT(t->answered, 2);
    tls_free(&t->client_tls);
    net_free(t);
}

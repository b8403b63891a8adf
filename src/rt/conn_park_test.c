/* conn_park_test.c - connections that wait without a stack. */
#include <malloc.h>
#include <stdio.h>

#include "base/buf.h"
#include "conn_test.h"

struct parked {
    struct conn *c;
    struct group *g;
    int64_t until;
    struct buf *log;
    bool close_now;
};

static void resumed(void *arg)
{
    struct parked *p = arg;
    struct slice in = conn_peek(p->c);
    if (conn_error(p->c)) buf_printf(p->log, "%s;", err_name(conn_error(p->c)));
    else if (in.n) buf_printf(p->log, "%.*s;", SLF(in));
    else if (fiber_canceled()) buf_str(p->log, "canceled;");
    else if (rt_now() >= p->until) buf_str(p->log, "late;");
    else buf_str(p->log, "woken;");
    conn_consume(p->c, in.n);
    if (conn_error(p->c) || fiber_canceled() || p->close_now) {
        conn_close(&p->c);
        return;
    }
    if (rt_now() >= p->until) p->until = RT_NEVER;
    conn_park(p->c, p->g, p->until, resumed, p);
}

static void start_parked(void *arg)
{
    struct parked *p = arg;
    conn_park(p->c, p->g, p->until, resumed, p);
}

static void settle(struct buf *log, size_t n)
{
    for (int i = 0; i < 20000 && log->n < n; i++) CHECK_OK(fiber_sleep(RT_MS));
}

TEST(parked_connections_wake)
{
    struct pair p;
    struct buf log = BUF_INIT;
    struct rt_stats st;
    REQUIRE(pair_open(&p));
    struct parked k = {p.b, &p.g, RT_NEVER, &log, false};
    p.b = NULL;
    conn_puts(k.c, "* OK ready\r\n"); /* goes out in the background */
    CHECK_OK(group_go(&p.g, "session", start_parked, &k));
    struct slice line;
    CHECK_OK(conn_read_line(p.a, 100, &line));
    CHECK_SL(line, "* OK ready");
    rt_stats(&st);
    CHECK_INT(st.parked, 1);
    conn_puts(p.a, "hello");
    CHECK_OK(conn_flush(p.a));
    settle(&log, 6);
    CHECK_SL(buf_slice(&log), "hello;");
    CHECK_INT(p.g.count, 1);
    conn_wake(k.c);
    CHECK_INT(p.g.count, 1);
    conn_wake(k.c); /* no effect: it is awake */
    settle(&log, 12);
    CHECK_SL(buf_slice(&log), "hello;woken;");
    conn_close(&p.a);
    CHECK_OK(group_wait(&p.g)); /* waits for the parked one, too */
    CHECK_SL(buf_slice(&log), "hello;woken;ERR_EOF;");
    CHECK(k.c == NULL);
    buf_free(&log);
    pair_close(&p);
}

TEST(parked_until_or_canceled)
{
    struct pair p;
    struct buf log = BUF_INIT;
    REQUIRE(pair_open(&p));
    struct parked k = {p.b, &p.g, DEADLINE_IN(2 * RT_MS), &log, false};
    p.b = NULL;
    CHECK_OK(group_go(&p.g, "session", start_parked, &k));
    settle(&log, 5);
    CHECK_SL(buf_slice(&log), "late;");
    group_cancel(&p.g);
    CHECK_OK(group_wait(&p.g));
    CHECK_SL(buf_slice(&log), "late;canceled;");
    CHECK(k.c == NULL);
    buf_free(&log);
    pair_close(&p);
}

TEST(parking_with_input_or_in_a_canceled_group_resumes_at_once)
{
    struct pair p;
    struct slice line;
    struct buf log = BUF_INIT;
    REQUIRE(pair_open(&p));
    conn_puts(p.a, "one\r\ntwo");
    CHECK_OK(conn_flush(p.a));
    CHECK_OK(conn_read_line(p.b, 100, &line));
    struct parked k = {p.b, &p.g, RT_NEVER, &log, true};
    p.b = NULL;
    conn_park(k.c, &p.g, RT_NEVER, resumed, &k);
    CHECK_OK(group_wait(&p.g));
    CHECK_SL(buf_slice(&log), "two;");
    pair_close(&p);
    buf_clear(&log);
    REQUIRE(pair_open(&p));
    k = (struct parked){p.b, &p.g, RT_NEVER, &log, true};
    p.b = NULL;
    group_cancel(&p.g);
    conn_park(k.c, &p.g, RT_NEVER, resumed, &k);
    CHECK_OK(group_wait(&p.g));
    CHECK_SL(buf_slice(&log), "canceled;");
    pair_close(&p);
    buf_free(&log);
}

TEST(abort_wakes_a_parked_connection)
{
    struct pair p;
    struct buf log = BUF_INIT;
    REQUIRE(pair_open(&p));
    struct parked k = {p.b, &p.g, RT_NEVER, &log, false};
    p.b = NULL;
    conn_park(k.c, &p.g, RT_NEVER, resumed, &k);
    conn_abort(k.c);
    CHECK_OK(group_wait(&p.g));
    CHECK_SL(buf_slice(&log), "ERR_CANCELED;");
    buf_free(&log);
    pair_close(&p);
}

enum { MANY = 4000 };

static size_t heap_now(void) { return mallinfo2().uordblks; }

TEST(thousands_of_parked_connections)
{
    static struct conn *client[MANY];
    static struct parked k[MANY];
    struct endpoint at = loopback(), to;
    struct listener *l;
    struct group g;
    struct rt_stats st;
    struct buf log = BUF_INIT;
    group_init(&g);
    CHECK_OK(listener_open(&l, &at));
    to = *listener_at(l);
    size_t heap = heap_now();
    for (int i = 0; i < MANY; i++) {
        k[i] = (struct parked){NULL, &g, RT_NEVER, &log, true};
        REQUIRE(conn_dial(&client[i], &to, NULL) == 0);
        REQUIRE(listener_accept(l, &k[i].c) == 0);
        CHECK_OK(group_go(&g, "session", start_parked, &k[i]));
        fiber_yield();
    }
    CHECK_OK(fiber_sleep(RT_MS));
    rt_stats(&st);
    CHECK_INT(st.parked, MANY);
    CHECK(st.fibers < 20);
    CHECK(st.stacks < 100);
    size_t each = (heap_now() - heap) / (2 * MANY);
    if (heap) CHECK(each < 1200);
    for (int i = 0; i < MANY; i++) {
        conn_puts(client[i], "x");
        CHECK_OK(conn_flush(client[i]));
    }
    CHECK_OK(group_wait(&g));
    CHECK_INT(log.n, 2 * MANY);
    for (int i = 0; i < MANY; i++) conn_close(&client[i]);
    listener_close(&l);
    buf_free(&log);
}

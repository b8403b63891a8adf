/* listener_test.c - accepting: on two loops, without descriptors, until closed. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "conn_test.h"

static void accept_once(void *arg)
{
    struct pair *p = arg;
    struct conn *c = NULL;
    p->dial_error = listener_accept(p->l, &c);
    conn_close(&c);
}

TEST(closing_a_listener_ends_accept)
{
    struct pair p = {0};
    struct endpoint at = loopback();
    CHECK_OK(listener_open(&p.l, &at));
    group_init(&p.g);
    CHECK_OK(group_go(&p.g, "accept", accept_once, &p));
    CHECK_OK(fiber_sleep(RT_MS));
    listener_close(&p.l);
    CHECK_OK(group_wait(&p.g));
    CHECK_ERR(p.dial_error, ERR_CANCELED);
}

TEST(accept_is_canceled_and_late)
{
    struct pair p = {0};
    struct endpoint at = loopback();
    struct conn *c;
    CHECK_OK(listener_open(&p.l, &at));
    group_init(&p.g);
    CHECK_OK(group_go(&p.g, "accept", accept_once, &p));
    CHECK_OK(fiber_sleep(RT_MS));
    group_cancel(&p.g);
    CHECK_OK(group_wait(&p.g));
    CHECK_ERR(p.dial_error, ERR_CANCELED);
    int64_t before = deadline_narrow(DEADLINE_IN(RT_MS));
    CHECK_ERR(listener_accept(p.l, &c), ERR_TIMEOUT);
    deadline_restore(before);
    /* Nobody accepts now, but the listener lives: a caller must not wake what is gone. */
    struct conn *d = NULL;
    CHECK_OK(conn_dial(&d, listener_at(p.l), NULL));
    CHECK_OK(fiber_sleep(RT_MS));
    CHECK_OK(listener_accept(p.l, &c));
    conn_close(&c);
    conn_close(&d);
    listener_close(&p.l);
}

struct two_loops {
    struct listener *l;
    int accepted[2];
    struct completion ready;
};

static int accept_all(void *arg)
{
    struct two_loops *t = arg;
    struct conn *c;
    while (listener_accept(t->l, &c) == 0) {
        __atomic_add_fetch(&t->accepted[rt_loop_id()], 1, __ATOMIC_RELAXED);
        conn_puts(c, "hello\r\n");
        conn_close(&c);
    }
    return 0;
}

static void accept_on(void *arg) { CHECK_OK(accept_all(arg)); }
static void accept_on_1(void *arg) { CHECK_OK(rt_call(1, accept_all, arg)); }

TEST(two_loops_accept)
{
    struct two_loops t = {0};
    struct endpoint at = loopback(), to;
    struct group g;
    CHECK_OK(listener_open(&t.l, &at));
    to = *listener_at(t.l);
    group_init(&g);
    CHECK_OK(group_go(&g, "accept 0", accept_on, &t));
    CHECK_OK(group_go(&g, "accept 1", accept_on_1, &t));
    for (int i = 0; i < 200; i++) {
        struct conn *c = NULL;
        struct slice line;
        REQUIRE(conn_dial(&c, &to, NULL) == 0);
        CHECK_OK(conn_read_line(c, 10, &line));
        conn_close(&c);
    }
    struct listener *l = t.l;
    listener_close(&l);
    CHECK_OK(group_wait(&g));
    CHECK_INT(t.accepted[0] + t.accepted[1], 200);
}

static void take_descriptors(int *fd, int max)
{
    int n = 0;
    while (n < max && (fd[n] = open("/dev/null", O_RDONLY)) >= 0) n++;
    fd[n < max ? n : max - 1] = -1;
}

static void give_back_soon(void *arg)
{
    CHECK_OK(fiber_sleep(5 * RT_MS));
    for (int *fd = arg; *fd >= 0; fd++) close(*fd);
}

TEST(accept_survives_without_descriptors)
{
    struct endpoint at = loopback(), to;
    struct listener *l;
    struct rlimit before, few = {0};
    static int fd[1000];
    struct conn *c = NULL, *warm = NULL, *d = NULL;
    struct group g;
    CHECK_OK(listener_open(&l, &at));
    to = *listener_at(l);
    CHECK_OK(conn_dial(&warm, &to, NULL));
    CHECK_OK(listener_accept(l, &d)); /* the share of this loop exists now */
    conn_close(&d);
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = 200;
    setrlimit(RLIMIT_NOFILE, &few);
    CHECK_OK(conn_dial(&c, &to, NULL));
    take_descriptors(fd, 1000);
    group_init(&g);
    CHECK_OK(group_go(&g, "relief", give_back_soon, fd));
    CHECK_OK(listener_accept(l, &d));
    CHECK_OK(group_wait(&g));
    setrlimit(RLIMIT_NOFILE, &before);
    conn_close(&warm);
    conn_close(&c);
    conn_close(&d);
    listener_close(&l);
}

TEST(connections_leave_descriptors_for_files_and_dials)
{
    enum { FILES = 60, DIALS = 20, ALL = 300 };
    struct endpoint to, at = {.ip = {.family = 4, .b = {127, 0, 0, 1}}};
    struct listener *l;
    struct rlimit before, few;
    struct conn *client[ALL] = {0}, *served[ALL] = {0};
    static int fd[1000];
    size_t possible, n = 0, files = 0;
    CHECK_OK(listener_open(&l, &at));
    to = *listener_at(l);
    getrlimit(RLIMIT_NOFILE, &before);
    few = before;
    few.rlim_cur = ALL;
    setrlimit(RLIMIT_NOFILE, &few);
    CHECK_ERR(rt_reserve(FILES, DIALS, ALL, &possible), ERR_LIMIT);
    CHECK(strstr(err_text(ERR_LIMIT), "this process may have 300 files open, and needs at least "));
    CHECK_OK(rt_reserve(FILES, DIALS, 10, &possible));
    CHECK(possible > 10 && possible < (ALL - FILES - DIALS) / 2);
    for (int e = 0; !e && n < ALL; n += !e) {
        int64_t deadline = deadline_narrow(DEADLINE_IN(RT_S / 5));
        e = conn_dial(&client[n], &to, NULL);
        if (!e) e = listener_accept(l, &served[n]);
        deadline_restore(deadline);
    }
    CHECK(n > 50 && n < (ALL - FILES - DIALS) / 2); /* accepting ended while dials are left */
    size_t dialed = n + 1;
    while (dialed < ALL && conn_dial(&client[dialed], &to, NULL) == 0) dialed++;
    CHECK(dialed - n >= DIALS - 3);
    while (files < 1000 && (fd[files] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0) files++;
    CHECK(files >= FILES - 4); /* a few may have been open beyond */
    while (files) close(fd[--files]);
    for (size_t i = 0; i < ALL; i++) conn_close(&client[i]), conn_close(&served[i]);
    CHECK_OK(rt_reserve(0, 0, 0, &possible));
    setrlimit(RLIMIT_NOFILE, &before);
    listener_close(&l);
}

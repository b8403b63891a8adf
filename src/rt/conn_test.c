/* conn_test.c - connections over loopback TCP and Unix sockets. */
#include "conn_test.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "conn_i.h"

/* ---- a pair of connected ends (conn_test.h) ---- */

static void dial(void *arg)
{
    struct pair *p = arg;
    p->dial_error = conn_dial(&p->a, &p->to, NULL);
}

bool pair_at(struct pair *p, const struct endpoint *at)
{
    *p = (struct pair){0};
    int e = listener_open(&p->l, at);
    CHECK_OK(e);
    if (e) return false;
    p->to = *listener_at(p->l);
    group_init(&p->g);
    CHECK_OK(group_go(&p->g, "dial", dial, p));
    e = listener_accept(p->l, &p->b);
    CHECK_OK(e);
    CHECK_OK(group_wait(&p->g));
    CHECK_OK(p->dial_error);
    group_init(&p->g);
    return !e && !p->dial_error;
}

struct endpoint loopback(void)
{
    struct endpoint at = {0};
    if (!endpoint_parse(SL("127.0.0.1:0"), &at)) test_fail(__FILE__, __LINE__, "endpoint");
    return at;
}

bool pair_open(struct pair *p)
{
    struct endpoint at = loopback();
    return pair_at(p, &at);
}

void pair_close(struct pair *p)
{
    conn_close(&p->a);
    conn_close(&p->b);
    listener_close(&p->l);
}

/* Sends the text of a in pieces of one byte. */
struct typing {
    struct conn *c;
    const char *text;
    size_t step;
    bool end;
};

static void type(void *arg)
{
    struct typing *t = arg;
    struct slice s = sl_cstr(t->text);
    while (s.n) {
        size_t k = t->step < s.n ? t->step : s.n;
        conn_write(t->c, sl_sub(s, 0, k));
        CHECK_OK(conn_flush(t->c));
        fiber_yield();
        s = sl_from(s, k);
    }
}

TEST(ends_know_each_other)
{
    struct pair p;
    char x[ENDPOINT_TEXT_MAX], y[ENDPOINT_TEXT_MAX];
    REQUIRE(pair_open(&p));
    CHECK(p.to.port != 0);
    CHECK_SL(sl_cstr(endpoint_format(conn_peer(p.a), x)), endpoint_format(&p.to, y));
    CHECK(ip_eq(&conn_peer(p.b)->ip, &p.to.ip) && conn_peer(p.b)->port);
    CHECK_INT(conn_peer(p.a)->port, p.to.port);
    CHECK(!conn_is_tls(p.a));
    pair_close(&p);
}

TEST(requests_and_answers)
{
    struct pair p;
    struct slice line;
    char b[8];
    REQUIRE(pair_open(&p));
    conn_puts(p.a, "one\r\n");
    conn_printf(p.a, "%s %d\r\n", "two", 2);
    CHECK_INT(conn_pending(p.a), 12);
    CHECK_OK(conn_flush(p.a));
    CHECK_OK(conn_read_line(p.b, 100, &line));
    CHECK_SL(line, "one");
    CHECK_SL(conn_peek(p.b), "two 2\r\n");
    conn_puts(p.b, "yes\r\n"); /* goes out when b waits for more */
    CHECK_OK(conn_read_line(p.b, 100, &line));
    CHECK_SL(line, "two 2");
    conn_puts(p.a, "abcdefghij");
    CHECK_OK(conn_flush(p.a));
    CHECK_OK(conn_read(p.b, b, 4));
    CHECK_SL(sl(b, 4), "abcd");
    CHECK_OK(conn_read(p.b, b, 6));
    CHECK_SL(sl(b, 6), "efghij");
    CHECK_OK(conn_flush(p.b));
    CHECK_OK(conn_read_line(p.a, 100, &line));
    CHECK_SL(line, "yes");
    CHECK_INT(conn_bytes_in(p.b), 22);
    CHECK_INT(conn_bytes_out(p.a), 22);
    CHECK_INT(conn_bytes_out(p.b), 5);
    pair_close(&p);
}

static void answer_each_line(void *arg)
{
    struct conn *c = arg;
    struct slice line;
    while (conn_read_line(c, 100, &line) == 0) conn_printf(c, "you said %.*s\r\n", SLF(line));
    CHECK_ERR(conn_error(c), ERR_EOF);
}

/* Nobody calls conn_flush(): waiting for input sends what is pending. */
TEST(reading_flushes)
{
    struct pair p;
    struct slice line;
    REQUIRE(pair_open(&p));
    CHECK_OK(group_go(&p.g, "echo", answer_each_line, p.b));
    for (int i = 0; i < 50; i++) {
        char want[32];
        snprintf(want, sizeof want, "you said %d", i);
        conn_printf(p.a, "%d\r\n", i);
        CHECK_OK(conn_read_line(p.a, 100, &line));
        CHECK_SL(line, want);
    }
    conn_close(&p.a);
    CHECK_OK(group_wait(&p.g));
    pair_close(&p);
}

/* ---- lines ---- */

static const char lines[] = "first\r\n"
                            "\r\n"
                            "0123456789\r\n"  /* just fits */
                            "01234567890\r\n" /* one too long */
                            "bare\n"
                            "c\rr\r\n"
                            "\n"
                            "0123456789\r\r\n" /* 11 bytes, the last a CR */
                            "01234567890123456789\n"
                            "last\r\n";

TEST(lines_arrive_in_any_pieces)
{
    static const struct {
        int e;
        const char *text;
    } want[] = {{0, "first"}, {0, ""},          {0, "0123456789"},  {ERR_TOO_LONG, ""}, {ERR_SYNTAX, "bare"},
                {0, "c\rr"},  {ERR_SYNTAX, ""}, {ERR_TOO_LONG, ""}, {ERR_TOO_LONG, ""}, {0, "last"}};
    for (size_t step = 1; step < 40; step += step < 8 ? 1 : 5) {
        struct pair p;
        struct slice line;
        REQUIRE(pair_open(&p));
        struct typing t = {.c = p.a, .text = lines, .step = step};
        CHECK_OK(group_go(&p.g, "type", type, &t));
        for (size_t i = 0; i < COUNT_OF(want); i++) {
            CHECK_ERR(conn_read_line(p.b, 10, &line), want[i].e);
            CHECK_SL(line, want[i].text);
        }
        CHECK_OK(group_wait(&p.g));
        conn_close(&p.a);
        CHECK_ERR(conn_read_line(p.b, 10, &line), ERR_EOF);
        pair_close(&p);
    }
}

struct flood {
    struct conn *c;
    size_t n;
    const char *end;
};

static void flood(void *arg)
{
    struct flood *f = arg;
    char block[1000];
    memset(block, 'x', sizeof block);
    for (size_t i = 0; i < f->n; i += sizeof block) conn_write(f->c, sl(block, sizeof block));
    conn_puts(f->c, f->end);
    CHECK_OK(conn_flush(f->c));
}

TEST(an_endless_line_costs_no_memory)
{
    struct pair p;
    struct slice line;
    REQUIRE(pair_open(&p));
    struct flood f = {p.a, 3000000, "\r\nnext\r\n"};
    CHECK_OK(group_go(&p.g, "flood", flood, &f));
    CHECK_ERR(conn_read_line(p.b, 1000, &line), ERR_TOO_LONG);
    CHECK(p.b->in.size <= 16 << 10);
    CHECK_OK(conn_read_line(p.b, 1000, &line));
    CHECK_SL(line, "next");
    CHECK_OK(group_wait(&p.g));
    pair_close(&p);
}

TEST(a_line_may_be_longer_than_the_buffer)
{
    struct pair p;
    struct slice line;
    REQUIRE(pair_open(&p));
    struct flood f = {p.a, 100000, "\r\n"};
    CHECK_OK(group_go(&p.g, "flood", flood, &f));
    CHECK_OK(conn_read_line(p.b, 100000, &line));
    CHECK_INT(line.n, 100000);
    CHECK_OK(group_wait(&p.g));
    pair_close(&p);
}

TEST(the_input_buffer_is_bounded)
{
    struct pair p;
    REQUIRE(pair_open(&p));
    struct flood f = {p.a, 200000, ""};
    CHECK_OK(group_go(&p.g, "flood", flood, &f));
    int e;
    while ((e = conn_fill(p.b)) > 0) continue;
    CHECK_ERR(e, ERR_LIMIT);
    CHECK_INT(conn_peek(p.b).n, 16384);
    CHECK_OK(conn_error(p.b)); /* not sticky */
    conn_set_buffer(p.b, 50000);
    while ((e = conn_fill(p.b)) > 0) continue;
    CHECK_ERR(e, ERR_LIMIT);
    CHECK_INT(conn_peek(p.b).n, 50000);
    size_t n = 0;
    do {
        n += conn_peek(p.b).n;
        conn_consume(p.b, conn_peek(p.b).n);
    } while (n < 200000 && conn_fill(p.b) > 0);
    CHECK_INT(n, 200000);
    CHECK_OK(group_wait(&p.g));
    pair_close(&p);
}

/* ---- much data both ways ---- */

static void send_much(void *arg)
{
    struct conn *c = arg;
    struct buf b = BUF_INIT;
    for (int i = 0; i < 400000; i++) buf_printf(&b, "%07d\n", i);
    conn_write(c, buf_slice(&b));
    CHECK_OK(conn_flush(c));
    buf_free(&b);
}

static void read_much(void *arg)
{
    struct conn *c = arg;
    char got[9] = {0}, want[16];
    for (int i = 0; i < 400000; i++) {
        if (conn_read(c, got, 8)) {
            test_fail(__FILE__, __LINE__, "ended at %d", i);
            return;
        }
        snprintf(want, sizeof want, "%07d\n", i);
        if (strcmp(got, want) != 0) {
            test_fail(__FILE__, __LINE__, "wrong bytes at %d", i);
            return;
        }
    }
}

TEST(much_data)
{
    struct pair p;
    REQUIRE(pair_open(&p));
    CHECK_OK(group_go(&p.g, "send", send_much, p.a));
    CHECK_OK(group_go(&p.g, "read", read_much, p.b));
    CHECK_OK(group_wait(&p.g));
    CHECK_INT(conn_bytes_in(p.b), 3200000);
    CHECK_INT(conn_bytes_out(p.a), 3200000);
    CHECK(p.a->out.p == NULL); /* given back */
    pair_close(&p);
}

/* Reads lines while its answers are not taken: neither side may block the other for ever. */
TEST(answers_go_out_while_input_arrives)
{
    struct pair p;
    struct slice line;
    REQUIRE(pair_open(&p));
    CHECK_OK(group_go(&p.g, "echo", answer_each_line, p.b));
    for (int i = 0; i < 1000; i++) conn_printf(p.a, "%d\r\n", i);
    CHECK_OK(conn_flush(p.a));
    for (int i = 0; i < 1000; i++) CHECK_OK(conn_read_line(p.a, 100, &line));
    CHECK_SL(line, "you said 999");
    conn_close(&p.a);
    CHECK_OK(group_wait(&p.g));
    pair_close(&p);
}

/* ---- ends, errors, cancel ---- */

/* A peer without manners: a plain blocking socket. */
static int raw_dial(const struct endpoint *to)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(to->port)};
    memcpy(&a.sin_addr, to->ip.b, 4);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

TEST(a_half_closed_peer_still_hears)
{
    struct pair p;
    struct slice line;
    struct conn *c;
    char b[100];
    REQUIRE(pair_open(&p));
    int fd = raw_dial(&p.to);
    REQUIRE(listener_accept(p.l, &c) == 0);
    CHECK_INT(write(fd, "QUIT\r\n", 6), 6);
    shutdown(fd, SHUT_WR);
    CHECK_OK(conn_read_line(c, 100, &line));
    CHECK_SL(line, "QUIT");
    CHECK_ERR(conn_read_line(c, 100, &line), ERR_EOF);
    CHECK_ERR(conn_fill(c), ERR_EOF);
    conn_puts(c, "221 bye\r\n");
    conn_close(&c);
    CHECK_INT(read(fd, b, sizeof b), 9);
    CHECK_SL(sl(b, 9), "221 bye\r\n");
    CHECK_INT(read(fd, b, sizeof b), 0);
    close(fd);
    pair_close(&p);
}

/* Closing with unread input would reset the connection and destroy the answer. */
TEST(the_answer_arrives_although_input_was_left_unread)
{
    struct pair p;
    struct slice line;
    struct conn *c;
    char b[100];
    REQUIRE(pair_open(&p));
    int fd = raw_dial(&p.to);
    REQUIRE(listener_accept(p.l, &c) == 0);
    CHECK_INT(write(fd, "one\r\n", 5), 5);
    CHECK_OK(conn_read_line(c, 100, &line));
    CHECK_INT(write(fd, "two\r\n", 5), 5);
    conn_puts(c, "554 go away\r\n");
    conn_close(&c);
    CHECK_INT(read(fd, b, sizeof b), 13);
    CHECK_INT(read(fd, b, sizeof b), 0);
    close(fd);
    pair_close(&p);
}

TEST(errors_are_sticky)
{
    struct pair p;
    struct slice line;
    struct conn *c;
    char b[2];
    REQUIRE(pair_open(&p));
    int fd = raw_dial(&p.to);
    REQUIRE(listener_accept(p.l, &c) == 0);
    CHECK_INT(write(fd, "x", 1), 1);
    CHECK_OK(conn_read(c, b, 1));
    struct linger hard = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd); /* resets */
    CHECK_ERR(conn_read(c, b, 2), ERR_EOF);
    CHECK_ERR(conn_read_line(c, 10, &line), ERR_EOF);
    CHECK_ERR(conn_error(c), ERR_EOF);
    for (int i = 0; i < 100; i++) conn_write(c, SL("into the void"));
    CHECK_ERR(conn_flush(c), ERR_EOF);
    CHECK_INT(conn_pending(c), 0);
    conn_close(&c);
    pair_close(&p);
}

struct last {
    struct conn *c;
    int e;
};

static void session(void *arg)
{
    struct last *s = arg;
    struct slice line;
    s->e = conn_read_line(s->c, 100, &line);
    CHECK_ERR(conn_error(s->c), s->e);
    conn_puts(s->c, "421 good night\r\n");
    conn_close(&s->c);
}

TEST(a_canceled_session_says_a_last_word)
{
    struct pair p;
    struct slice line;
    REQUIRE(pair_open(&p));
    struct last s = {p.b, 0};
    p.b = NULL;
    CHECK_OK(group_go(&p.g, "session", session, &s));
    CHECK_OK(fiber_sleep(RT_MS));
    group_cancel(&p.g);
    CHECK_OK(group_wait(&p.g));
    CHECK_ERR(s.e, ERR_CANCELED);
    CHECK_OK(conn_read_line(p.a, 100, &line));
    CHECK_SL(line, "421 good night");
    CHECK_ERR(conn_read_line(p.a, 100, &line), ERR_EOF);
    pair_close(&p);
}

TEST(reads_end_at_the_deadline)
{
    struct pair p;
    struct slice line;
    REQUIRE(pair_open(&p));
    int64_t before = deadline_narrow(DEADLINE_IN(2 * RT_MS));
    CHECK_ERR(conn_read_line(p.b, 100, &line), ERR_TIMEOUT);
    deadline_restore(before);
    CHECK_ERR(conn_fill(p.b), ERR_TIMEOUT); /* sticky */
    conn_puts(p.b, "421 too slow\r\n");
    CHECK_OK(conn_flush(p.b));
    CHECK_OK(conn_read_line(p.a, 100, &line));
    CHECK_SL(line, "421 too slow");
    pair_close(&p);
}

TEST(writes_end_at_the_deadline)
{
    struct pair p;
    char block[60000] = {0};
    REQUIRE(pair_open(&p));
    int64_t before = deadline_narrow(DEADLINE_IN(20 * RT_MS));
    for (int i = 0; i < 1000 && !conn_error(p.b); i++) conn_write(p.b, sl(block, sizeof block));
    CHECK_ERR(conn_error(p.b), ERR_TIMEOUT);
    deadline_restore(before);
    pair_close(&p);
}

static void write_for_ever(void *arg)
{
    struct last *s = arg;
    char block[60000] = {0};
    while (!conn_error(s->c)) conn_write(s->c, sl(block, sizeof block));
    s->e = conn_error(s->c);
}

TEST(cancel_ends_a_write)
{
    struct pair p;
    REQUIRE(pair_open(&p));
    struct last s = {p.b, 0};
    CHECK_OK(group_go(&p.g, "write", write_for_ever, &s));
    CHECK_OK(fiber_sleep(5 * RT_MS));
    group_cancel(&p.g);
    CHECK_OK(group_wait(&p.g));
    CHECK_ERR(s.e, ERR_CANCELED);
    pair_close(&p);
}

static void read_once(void *arg)
{
    struct last *s = arg;
    s->e = conn_fill(s->c);
}

TEST(abort_from_outside)
{
    struct pair p;
    REQUIRE(pair_open(&p));
    struct last s = {p.b, 0};
    CHECK_OK(group_go(&p.g, "read", read_once, &s));
    CHECK_OK(fiber_sleep(RT_MS));
    conn_abort(p.b);
    CHECK_OK(group_wait(&p.g));
    CHECK_ERR(s.e, ERR_CANCELED);
    CHECK_ERR(conn_flush(p.b), ERR_CANCELED);
    pair_close(&p);
}

TEST(hurry_ends_a_wait_and_leaves_a_last_word)
{
    struct pair p;
    REQUIRE(pair_open(&p));
    struct last s = {p.b, 0};
    CHECK(!conn_hurry(p.b)); /* nobody waits */
    conn_set_min_rate(p.b, 1, RT_S);
    CHECK_OK(group_go(&p.g, "read", read_once, &s));
    CHECK_OK(fiber_sleep(RT_MS));
    CHECK(!conn_hurry(p.b)); /* its input has a rate */
    conn_puts(p.a, "x");
    CHECK_OK(conn_flush(p.a));
    CHECK_OK(group_wait(&p.g));
    conn_consume(p.b, 1);
    conn_set_min_rate(p.b, 0, 0);
    CHECK_OK(group_go(&p.g, "read", read_once, &s));
    CHECK_OK(fiber_sleep(RT_MS));
    CHECK(conn_hurry(p.b));
    CHECK_OK(group_wait(&p.g));
    CHECK_ERR(s.e, ERR_TIMEOUT);
    conn_puts(p.b, "421");
    CHECK_OK(conn_flush(p.b));
    CHECK_INT(conn_fill(p.a), 3);
    pair_close(&p);
}

TEST(a_peer_that_drips_is_too_slow)
{
    struct pair p;
    struct slice line;
    REQUIRE(pair_open(&p));
    conn_set_min_rate(p.b, 1000000, 3 * RT_MS);
    conn_puts(p.a, "abc");
    CHECK_OK(conn_flush(p.a));
    CHECK_ERR(conn_read_line(p.b, 100, &line), ERR_TIMEOUT);
    CHECK(sl_find(sl_cstr(err_text(ERR_TIMEOUT)), SL("bytes a second")) != SL_NONE);
    CHECK_INT(deadline_get(), RT_NEVER);
    pair_close(&p);
}

TEST(dialing_nobody)
{
    struct listener *l;
    struct endpoint at = loopback(), to;
    struct conn *c = NULL;
    CHECK_OK(listener_open(&l, &at));
    to = *listener_at(l);
    listener_close(&l);
    CHECK_ERR(conn_dial(&c, &to, NULL), ERR_REFUSED);
    char text[ENDPOINT_TEXT_MAX];
    CHECK(sl_find(sl_cstr(err_text(ERR_REFUSED)), sl_cstr(endpoint_format(&to, text))) != SL_NONE);
    CHECK(c == NULL);
}

TEST(dialing_from_an_address)
{
    struct pair p;
    struct conn *c, *d;
    struct ip from;
    REQUIRE(ip_parse(SL("127.0.0.9"), &from));
    REQUIRE(pair_open(&p));
    CHECK_OK(conn_dial(&c, &p.to, &from));
    CHECK_OK(listener_accept(p.l, &d));
    CHECK(ip_eq(&conn_peer(d)->ip, &from));
    conn_close(&c);
    conn_close(&d);
    REQUIRE(ip_parse(SL("192.0.2.77"), &from));
    CHECK_ERR(conn_dial(&c, &p.to, &from), ERR_UNREACHABLE);
    pair_close(&p);
}

TEST(ports_are_exclusive)
{
    struct listener *a, *b = NULL;
    struct endpoint at = loopback(), same;
    CHECK_OK(listener_open(&a, &at));
    same = *listener_at(a);
    CHECK_ERR(listener_open(&b, &same), ERR_BUSY);
    CHECK(sl_find(sl_cstr(err_text(ERR_BUSY)), SL("127.0.0.1:")) != SL_NONE);
    listener_close(&a);
    CHECK(a == NULL);
    CHECK_OK(listener_open(&a, &same));
    listener_close(&a);
}

TEST(ipv6_loopback)
{
    struct pair p;
    struct endpoint at;
    struct listener *l;
    REQUIRE(endpoint_parse(SL("[::1]:0"), &at));
    if (listener_open(&l, &at) != 0) return; /* a machine without IPv6 */
    listener_close(&l);
    REQUIRE(pair_at(&p, &at));
    CHECK_INT(conn_peer(p.b)->ip.family, 6);
    pair_close(&p);
}

TEST(unix_sockets)
{
    struct pair p;
    struct slice line;
    struct stat st;
    struct endpoint at = {0};
    snprintf(at.path, sizeof at.path, "/tmp/tram-conn-test-%d", (int)getpid());
    for (int i = 0; i < 2; i++) { /* the second time a stale one is there */
        REQUIRE(pair_at(&p, &at));
        CHECK(stat(at.path, &st) == 0 && (st.st_mode & 0777) == 0600);
        struct listener *second = NULL;
        CHECK_ERR(listener_open(&second, &at), ERR_BUSY);
        conn_puts(p.a, "over a path\r\n");
        CHECK_OK(conn_flush(p.a));
        CHECK_OK(conn_read_line(p.b, 100, &line));
        CHECK_SL(line, "over a path");
        pair_close(&p);
    }
    unlink(at.path);
}

static void count_close(void *arg) { ++*(int *)arg; }

TEST(closing_tells_who_asked)
{
    struct pair p;
    int closed = 0;
    REQUIRE(pair_open(&p));
    conn_on_close(p.b, count_close, &closed);
    conn_abort(p.b);
    CHECK_INT(closed, 0);
    pair_close(&p);
    CHECK_INT(closed, 1);
}

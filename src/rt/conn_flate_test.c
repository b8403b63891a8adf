/* conn_flate_test.c - compressed connections: what is said arrives, at once, whole, and in bounded memory. */
#include <stdlib.h>
#include <zlib.h>

#include "base/buf.h"
#include "conn_i.h"
#include "conn_test.h"

static bool open_compressed(struct pair *p)
{
    if (!pair_open(p)) return false;
    conn_compress(p->a);
    conn_compress(p->b);
    return true;
}

TEST(flate_lines_arrive_when_they_are_flushed)
{
    struct pair p;
    struct slice line;
    if (!open_compressed(&p)) return;
    for (int i = 0; i < 100; i++) {
        conn_printf(p.a, "a%d UID FETCH 1:* (FLAGS)\r\n", i);
        CHECK_OK(conn_flush(p.a));
        CHECK_OK(conn_read_line(p.b, 100, &line));
        conn_printf(p.b, "* %.*s\r\n", SLF(line));
        CHECK_OK(conn_flush(p.b));
        CHECK_OK(conn_read_line(p.a, 100, &line));
        CHECK(sl_starts(line, SL("* a")) && sl_ends(line, SL(" UID FETCH 1:* (FLAGS)")));
    }
    CHECK(conn_bytes_out(p.a) < 100 * 20); /* of 30 bytes each */
    pair_close(&p);
}

struct sending {
    struct conn *c;
    struct slice all;
    int e;
};

static void send_all(void *arg)
{
    struct sending *s = arg;
    for (size_t at = 0, step = 1; at < s->all.n; at += step, step = step * 7 % 100003) {
        if (step > s->all.n - at) step = s->all.n - at;
        conn_write(s->c, sl_sub(s->all, at, at + step));
    }
    s->e = conn_flush(s->c);
}

/* Four megabytes, half of them noise, in pieces of any size. */
TEST(flate_much_arrives_whole)
{
    enum { N = 4 << 20 };
    struct pair p;
    struct group g;
    if (!open_compressed(&p)) return;
    char *all = malloc(N), *got = malloc(N);
    uint32_t x = 1;
    for (size_t i = 0; i < N; i++) all[i] = i & 4096 ? (char)((x = x * 1664525 + 1013904223) >> 24) : 'a';
    struct sending s = {.c = p.a, .all = sl(all, N)};
    group_init(&g);
    CHECK_OK(group_go(&g, "send", send_all, &s));
    CHECK_OK(conn_read(p.b, got, N));
    CHECK_OK(group_wait(&g));
    CHECK_OK(s.e);
    CHECK(!memcmp(all, got, N));
    CHECK(conn_bytes_out(p.a) < N * 6 / 10); /* the other half vanished */
    free(all);
    free(got);
    pair_close(&p);
}

/* A megabyte of zeros in a thousand bytes is handed out as it is asked for. */
TEST(flate_a_bomb_is_read_in_pieces)
{
    enum { N = 1 << 20 };
    struct pair p;
    if (!pair_open(&p)) return;
    char *zeros = calloc(1, N), small[4096];
    z_stream z = {0};
    CHECK_INT(deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)zeros;
    z.avail_in = N;
    z.next_out = (unsigned char *)small;
    z.avail_out = sizeof small;
    CHECK_INT(deflate(&z, Z_SYNC_FLUSH), Z_OK);
    conn_write(p.a, sl(small, sizeof small - z.avail_out));
    deflateEnd(&z);
    CHECK_OK(conn_flush(p.a));
    conn_compress(p.b);
    size_t n = 0;
    while (n < N) {
        int k = conn_fill(p.b);
        if (k <= 0) break;
        CHECK(conn_peek(p.b).n <= CONN_IN_FIRST);
        n += conn_peek(p.b).n;
        conn_consume(p.b, conn_peek(p.b).n);
    }
    CHECK_INT(n, N);
    free(zeros);
    pair_close(&p);
}

TEST(flate_damage_is_told)
{
    struct pair p;
    struct slice line;
    if (!pair_open(&p)) return;
    conn_compress(p.b);
    conn_puts(p.a, "\xff\xff\xff\xff this is no deflate stream at all\r\n");
    CHECK_OK(conn_flush(p.a));
    CHECK_ERR(conn_read_line(p.b, 100, &line), ERR_SYNTAX);
    CHECK_ERR(conn_error(p.b), ERR_SYNTAX);
    pair_close(&p);
}

/* Empty blocks without end make no byte: they end the connection, not the loop. */
TEST(flate_silence_ends)
{
    enum { N = 1 << 20 };
    struct pair p;
    struct slice line;
    if (!pair_open(&p)) return;
    conn_compress(p.b);
    char *blocks = malloc(N);
    for (int i = 0; i < N; i++) blocks[i] = i % 2 ? 0 : 3; /* a final block of no bytes, again and again */
    struct sending s = {.c = p.a, .all = sl(blocks, N)};
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "send", send_all, &s));
    CHECK_ERR(conn_read_line(p.b, 100, &line), ERR_SYNTAX);
    conn_close(&p.b);
    CHECK_OK(group_wait(&g));
    free(blocks);
    pair_close(&p);
}

/* ---- parking ---- */

struct echo {
    struct conn *c;
    struct group *g;
    int lines;
};

static void echo(void *arg)
{
    struct echo *x = arg;
    struct slice line;
    while (!conn_error(x->c) && conn_peek(x->c).n) {
        if (conn_read_line(x->c, 100, &line) != 0) break;
        conn_printf(x->c, "%.*s again\r\n", SLF(line));
        x->lines++;
    }
    if (conn_error(x->c)) return;
    conn_park(x->c, x->g, RT_NEVER, echo, x);
}

/* The compressor is given up while the connection is parked, and what comes after it is read all the same. */
TEST(flate_goes_on_after_parking)
{
    struct pair p;
    struct slice line;
    struct group g;
    if (!open_compressed(&p)) return;
    struct echo x = {.c = p.b, .g = &g};
    group_init(&g);
    CHECK_OK(group_go(&g, "echo", echo, &x));
    for (int i = 0; i < 20; i++) {
        conn_puts(p.a, "hello hello hello\r\nmore of it\r\n"); /* two lines in one flush */
        CHECK_OK(conn_flush(p.a));
        CHECK_OK(conn_read_line(p.a, 100, &line));
        CHECK_SL(line, "hello hello hello again");
        CHECK_OK(conn_read_line(p.a, 100, &line));
        CHECK_SL(line, "more of it again");
    }
    CHECK_INT(x.lines, 40);
    conn_close(&p.a);
    CHECK_OK(group_wait(&g));
    pair_close(&p);
}

/* conn.c - one buffered stream: its life, reading of bytes and lines, writing. */
#include "conn_i.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/memory.h"

#define CLOSE_PATIENCE (5 * RT_S)
#define CLOSE_PATIENCE_CANCELED RT_S

/* ---- coming to be, ending ---- */

struct conn *conn_make(struct sock *s)
{
    struct conn *c = xcalloc(1, sizeof *c);
    c->sock = s;
    c->in_max = CONN_IN_FIRST;
    return c;
}

static int wait_connected(struct sock *s, const struct endpoint *to)
{
    char text[ENDPOINT_TEXT_MAX];
    int e = sock_wait(s, SOCK_OUT);
    if (!e) e = sock_connected(s);
    return e ? err_prefix(e, "cannot connect to %s", endpoint_format(to, text)) : 0;
}

int conn_dial(struct conn **out, const struct endpoint *to, const struct ip *from)
{
    struct sock *s = NULL;
    int e = fiber_check();
    if (e) return e;
    e = sock_connect(&s, to, from);
    if (e == SOCK_AGAIN) e = wait_connected(s, to);
    if (e) {
        sock_close(&s);
        return e;
    }
    *out = conn_make(s);
    (*out)->peer = *to;
    return 0;
}

/* The last words go out even when the fiber is canceled, but within bounds. */
static void send_last_words(struct conn *c)
{
    struct fiber *f = fiber_self();
    ASSERT(f && "only a fiber closes a connection");
    bool was = f->shielded;
    int64_t before = deadline_narrow(DEADLINE_IN(f->canceled ? CLOSE_PATIENCE_CANCELED : CLOSE_PATIENCE));
    f->shielded = true;
    int e;
    while ((e = conn_try_send(c)) == SOCK_AGAIN)
        if (conn_wait(c, c->tls ? tls_link_wants(c->tls) : SOCK_OUT)) break;
    if (!e && c->tls) tls_link_goodbye(c->tls);
    f->shielded = was;
    deadline_restore(before);
}

void conn_close(struct conn **out)
{
    struct conn *c = *out;
    if (!c) return;
    ASSERT(!c->parked && !c->waiting);
    *out = NULL;
    if (!c->err) send_last_words(c);
    flate_free(c);
    tls_link_free(&c->tls);
    sock_close(&c->sock);
    span_free(&c->in);
    span_free(&c->out);
    if (c->closed) c->closed(c->closed_arg);
    free(c);
}

void conn_leave(struct conn *c)
{
    ASSERT(!c->parked && !c->waiting && !span_used(&c->out));
    sock_leave(c->sock);
}

void conn_enter(struct conn *c) { sock_enter(c->sock); }

void conn_on_close(struct conn *c, void (*fn)(void *arg), void *arg)
{
    c->closed = fn;
    c->closed_arg = arg;
}

const struct endpoint *conn_peer(const struct conn *c) { return &c->peer; }
void conn_set_peer(struct conn *c, const struct endpoint *peer) { c->peer = *peer; }
int conn_peer_user(const struct conn *c, uint32_t *user) { return sock_peer_user(c->sock, user); }
int conn_error(const struct conn *c) { return c->err ? c->err : c->read_err; }
bool conn_is_tls(const struct conn *c) { return c->tls != NULL; }
uint64_t conn_bytes_in(const struct conn *c) { return c->bytes_in; }
uint64_t conn_bytes_out(const struct conn *c) { return c->bytes_out; }
size_t conn_pending(const struct conn *c) { return span_used(&c->out); }

/* ---- reading ---- */

struct slice conn_peek(const struct conn *c) { return sl_sub(sl(c->in.p, c->in.to), c->in.from, c->in.to); }

void conn_consume(struct conn *c, size_t n)
{
    ASSERT(n <= span_used(&c->in));
    c->in.from += n;
    c->scanned = c->scanned > n ? c->scanned - n : 0;
}

void conn_set_buffer(struct conn *c, size_t max) { c->in_max = max ? max : 1; }

void conn_set_min_rate(struct conn *c, uint64_t bytes_per_second, int64_t grace)
{
    c->rate = bytes_per_second;
    c->rate_grace = grace;
    c->rate_waited = 0;
    c->rate_bytes = 0;
}

/* Only waiting for the peer counts against it, not what the server does meanwhile. */
static int64_t rate_deadline(const struct conn *c)
{
    if (!c->rate) return RT_NEVER;
    uint64_t whole = c->rate_bytes / c->rate, part = c->rate_bytes % c->rate;
    int64_t earned = (int64_t)whole * RT_S + (int64_t)((double)part * (double)RT_S / (double)c->rate);
    return rt_now() + c->rate_grace + earned - c->rate_waited;
}

static ssize_t receive_into(struct conn *c, void *p, size_t n)
{
    return c->flate ? flate_receive(c, p, n) : conn_receive_plain(c, p, n);
}

ssize_t conn_receive(struct conn *c, size_t limit)
{
    size_t room = span_room(&c->in, CONN_IN_FIRST < limit ? CONN_IN_FIRST : limit, limit);
    if (!room) return err_set(ERR_LIMIT, "the peer sent more than %zu bytes at once", limit);
    ssize_t k = receive_into(c, c->in.p + c->in.to, room);
    if (k > 0) c->in.to += (size_t)k;
    return k;
}

/* What a read waits for; pending output goes out meanwhile. */
static int wait_for_input(struct conn *c)
{
    int want = c->tls ? tls_link_wants(c->tls) : SOCK_IN, sent = conn_try_send(c);
    if (sent && sent != SOCK_AGAIN) return sent;
    if (sent == SOCK_AGAIN) want |= c->tls ? tls_link_wants(c->tls) : SOCK_OUT;
    /* In the middle of something the peer may hold back its next small piece until it has our
     * acknowledgement, which the system would delay for 40 ms. */
    if (c->unanswered) sock_ack(c->sock);
    c->unanswered = false;
    span_release(&c->in);
    int64_t from = rt_now(), slow = rate_deadline(c), before = deadline_narrow(slow);
    int e = conn_wait(c, want);
    deadline_restore(before);
    c->rate_waited += rt_now() - from;
    if (e == SOCK_AGAIN) return e; /* nudged */
    if (e == ERR_TIMEOUT && slow < before)
        err_set(e, "the peer sent less than %llu bytes a second", (unsigned long long)c->rate);
    if (e) c->read_err = e;
    return e;
}

static int may_read(struct conn *c)
{
    if (conn_error(c)) return conn_error(c);
    int e = fiber_check();
    if (e) c->read_err = e;
    return e;
}

static int fill(struct conn *c, size_t limit)
{
    int e = may_read(c);
    if (e) return e;
    for (;;) {
        ssize_t k = conn_receive(c, limit);
        if (k > 0) fiber_spend((size_t)k);
        if (k != SOCK_AGAIN) return (int)k;
        if ((e = wait_for_input(c))) return e;
    }
}

int conn_fill(struct conn *c) { return fill(c, c->in_max); }

size_t conn_overhear(struct conn *c)
{
    fiber_yield(); /* the loop hears what came */
    while (c->read_err != ERR_EOF && span_used(&c->in) < c->in_max && conn_receive(c, c->in_max) > 0) {
    }
    return span_used(&c->in);
}

int conn_read(struct conn *c, void *p, size_t n)
{
    for (;;) {
        size_t have = span_used(&c->in), k = n < have ? n : have;
        if (k) memcpy(p, c->in.p + c->in.from, k);
        conn_consume(c, k);
        p = (char *)p + k;
        n -= k;
        if (!n) return 0;
        int e = may_read(c);
        ssize_t got = e ? e : receive_into(c, p, n);
        if (got == SOCK_AGAIN) got = wait_for_input(c);
        if (got < 0) return (int)got;
        p = (char *)p + got;
        n -= (size_t)got;
        fiber_spend((size_t)got);
    }
}

/* A line whose LF is at byte `at` of the input. */
static int take_line(struct conn *c, size_t at, size_t max, struct slice *line)
{
    struct slice s = sl_sub(conn_peek(c), 0, at);
    bool crlf = s.n && s.p[s.n - 1] == '\r';
    bool skipped = c->skipping;
    if (crlf) s.n--;
    conn_consume(c, at + 1);
    c->scanned = 0;
    c->skipping = false;
    *line = s;
    if (skipped || s.n > max) {
        *line = sl(NULL, 0);
        return err_set(ERR_TOO_LONG, "the line is longer than %zu bytes", max);
    }
    return crlf ? 0 : err_set(ERR_SYNTAX, "a line ended with a bare LF");
}

int conn_read_line(struct conn *c, size_t max, struct slice *line)
{
    size_t limit = max + 2 > c->in_max ? max + 2 : c->in_max;
    *line = sl(NULL, 0);
    for (;;) {
        struct slice in = conn_peek(c);
        size_t lf = sl_chr(sl_from(in, c->scanned), '\n');
        if (lf != SL_NONE) return take_line(c, c->scanned + lf, max, line);
        c->scanned = in.n;
        if (in.n > max + 1) c->skipping = true; /* one more: it may be the CR */
        if (c->skipping) conn_consume(c, in.n);
        int e = fill(c, limit);
        if (e < 0) return e;
    }
}

/* ---- writing ---- */

int conn_try_send(struct conn *c)
{
    struct slice none = {0};
    if (!c->err) flate_flush(c);
    while (!c->err && span_used(&c->out)) {
        int e = conn_send(c, &none);
        if (e) return e;
    }
    span_release(&c->out);
    return c->err;
}

int conn_flush(struct conn *c)
{
    if (c->err) return c->err;
    int e = fiber_check();
    if (e) return e; /* what is pending stays: conn_close() sends it */
    while ((e = conn_try_send(c)) == SOCK_AGAIN)
        if ((e = conn_wait_for_output(c))) return e;
    fiber_spend(0);
    return e;
}

void conn_write(struct conn *c, struct slice s)
{
    if (c->flate) flate_write(c, s);
    else conn_write_plain(c, s);
}

/* ---- both at once ---- */

static int turn(struct conn *c)
{
    for (int e; (e = may_read(c)) == 0;) {
        size_t before = span_used(&c->out);
        if ((e = conn_try_send(c)) && e != SOCK_AGAIN) return e;
        ssize_t k = conn_receive(c, c->in_max);
        if (k > 0) fiber_spend((size_t)k);
        if (k != SOCK_AGAIN) return k > 0 ? 0 : (int)k;
        if (c->nudged || span_used(&c->out) < before) return 0;
        e = wait_for_input(c);
        if (e == SOCK_AGAIN) return 0;
        if (e) return e;
    }
    return conn_error(c);
}

int conn_turn(struct conn *c)
{
    c->turning = true;
    int e = turn(c);
    c->turning = c->nudged = false;
    return e;
}

void conn_nudge(struct conn *c)
{
    c->nudged = true;
    if (c->turning && c->waiting) fiber_wake(c->waiting, SOCK_AGAIN);
}

void conn_puts(struct conn *c, const char *s) { conn_write(c, sl_cstr(s)); }

void conn_printf(struct conn *c, const char *fmt, ...)
{
    char small[512], *text = small;
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    if (n >= (int)sizeof small) {
        text = xmalloc((size_t)n + 1);
        vsnprintf(text, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    va_end(ap);
    if (n > 0) conn_write(c, sl(text, (size_t)n));
    if (text != small) free(text);
}

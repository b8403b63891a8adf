/* link.c - the connection to one filter: packets there and back, within its time. */
#include "filter_i.h"

/* ---- packets ---- */

static int64_t narrow(const struct filter_link *k, int64_t most)
{
    int64_t time = k->f->timeout_s * RT_S;
    return deadline_narrow(DEADLINE_IN(time < most ? time : most));
}

int link_send(struct filter_link *k, struct buf *b)
{
    ASSERT(k->c);
    conn_consume(k->c, k->taken);
    k->taken = 0;
    if (conn_peek(k->c).n) /* it would be taken for the answer */
        return err_set(ERR_STATE, "it spoke without being asked");
    int64_t before = narrow(k, RT_NEVER / 2);
    conn_write(k->c, buf_slice(b));
    buf_clear(b);
    int e = conn_error(k->c);
    deadline_restore(before);
    return e;
}

static int one_packet(struct filter_link *k, struct slice *packet)
{
    size_t size = 0;
    conn_consume(k->c, k->taken);
    k->taken = 0;
    for (;;) {
        int e = milter_packet(conn_peek(k->c), &size);
        if (!e && size) {
            *packet = sl_sub(conn_peek(k->c), 0, size);
            k->taken = size;
            return 0;
        }
        if (!e) e = conn_fill(k->c);
        if (e < 0) return e;
    }
}

int link_read(struct filter_link *k, struct arena *a, struct milter_reply *out)
{
    struct slice packet;
    int e;
    do {
        int64_t before = narrow(k, RT_NEVER / 2);
        e = one_packet(k, &packet);
        deadline_restore(before);
        if (!e) e = milter_reply_parse(a, packet, out);
    } while (!e && out->kind == MILTER_SAYS_PROGRESS);
    return e;
}

/* ---- coming and going ---- */

static void keep_macros(struct filter_link *k)
{
    for (size_t i = 0; i < MILTER_STAGES; i++) {
        struct slice names = k->options.macros[i];
        k->chosen[i] = names.p != NULL;
        size_t n = names.n < sizeof k->macros[i] - 1 ? names.n : sizeof k->macros[i] - 1;
        if (n) memcpy(k->macros[i], names.p, n);
        k->macros[i][n] = 0;
        k->options.macros[i] = SL("");
    }
}

static int agree(struct filter_link *k)
{
    struct buf b = BUF_INIT;
    struct arena a = {0};
    struct milter_reply r;
    k->taken = 0;
    conn_set_buffer(k->c, (size_t)MILTER_PACKET_MAX + 4);
    milter_put_options(&b);
    int e = link_send(k, &b);
    if (!e) e = link_read(k, &a, &r);
    if (!e && r.kind != MILTER_SAYS_OPTIONS) e = err_set(ERR_SYNTAX, "it did not answer with its options");
    if (!e) {
        k->options = r.options;
        keep_macros(k);
    }
    buf_free(&b);
    ar_free(&a);
    return e;
}

static bool is_resting(const struct filter *f)
{
    return rt_now() < __atomic_load_n(&f->resting, __ATOMIC_RELAXED);
}

static int reach(struct filter_link *k, bool greets)
{
    ASSERT(!k->c);
    if (is_resting(k->f)) return err_set(ERR_REFUSED, "it could not be reached a moment ago");
    /* who comes when others used up the session's time says nothing about this one */
    int64_t whole = DEADLINE_IN(k->f->timeout_s * RT_S < FILTER_DIAL ? k->f->timeout_s * RT_S : FILTER_DIAL);
    int64_t before = narrow(k, FILTER_DIAL);
    bool hurried = before < whole;
    int e = conn_dial(&k->c, &k->f->at, NULL);
    deadline_restore(before);
    if (e) k->c = NULL;
    if (!e && greets) e = agree(k);
    if (e && e != ERR_CANCELED && !(hurried && e == ERR_TIMEOUT))
        __atomic_store_n(&k->f->resting, rt_now() + FILTER_REST, __ATOMIC_RELAXED);
    return e;
}

int link_open(struct filter_link *k) { return reach(k, true); }
int link_dial(struct filter_link *k) { return reach(k, false); }

void link_drop(struct filter_link *k)
{
    if (!k->c) return;
    conn_abort(k->c);
    conn_close(&k->c);
}

void link_close(struct filter_link *k)
{
    struct buf b = BUF_INIT;
    if (!k->c) return;
    milter_put(&b, MILTER_QUIT, NULL, 0);
    if (!conn_error(k->c)) conn_write(k->c, buf_slice(&b));
    buf_free(&b);
    conn_close(&k->c);
}

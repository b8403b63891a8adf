/* send_verify.c - for `verify`: rows of the service that its own readers cannot read. */
#include "send_i.h"

#include <stdio.h>

struct check {
    struct sends *s;
    void (*bad)(void *arg, const char *what);
    void *arg;
};

static int check_common(struct slice key, struct slice row) /* of SENDS_OBJECT */
{
    if (sl_starts(key, SL("w/")) || sl_starts(key, SL("W/"))) return webhook_row_check(key, row);
    return sl_starts(key, SL("b/")) ? inbound_row_check(row) : 0;
}

static int check_kept(struct slice key, struct slice row) /* of y:ACCOUNT */
{
    if (sl_starts(key, SL("t/")) || sl_starts(key, SL("v/"))) return stored_row_check(key, row);
    if (sl_starts(key, SL("b/"))) return send_batch_row_check(row);
    return sl_starts(key, SL("g/")) ? send_group_row_check(key, row) : 0;
}

static int check_send(struct slice key, struct slice row) /* of s:ID */
{
    struct send_head h;
    struct send_count c;
    struct send_order o;
    if (sl_eq(key, SL("h"))) return send_head_get(row, &h);
    if (sl_eq(key, SL("c"))) return send_count_get(row, &c);
    return sl_eq(key, SL("s")) ? send_order_get(row, &o) : 0;
}

static int check_row(struct slice object, struct slice key, struct slice row)
{
    if (sl_starts(object, SL("x:"))) return suppression_row_check(row);
    if (sl_starts(object, SL("y:"))) return check_kept(key, row);
    return sl_starts(object, SL("s:")) ? check_send(key, row) : check_common(key, row);
}

/* What is no record of a version that is known: store_verify() has told of it. */
static bool is_told(struct slice row)
{
    struct rec r;
    if (rec_open(&r, row, 1) != 0) return true;
    while (rec_next(&r)) {
    }
    return rec_error(&r) != 0;
}

/* to empty: to the end. */
static int check_rows(struct check *x, struct slice object, struct slice from, struct slice to)
{
    char next[KV_KEY_MAX + 1];
    struct arena a = {0};
    struct kv_page page = {.more = true};
    int e = 0;
    while (!e && page.more) {
        ar_reset(&a);
        e = fiber_canceled() ? ERR_CANCELED
                             : kv_walk(x->s->store->kv, object, from, to, KV_PAGE_MAX, &a, &page);
        for (size_t i = 0; i < page.n && !e; i++) {
            char what[500];
            if (is_told(page.row[i].value) || !check_row(object, page.row[i].key, page.row[i].value))
                continue;
            snprintf(what, sizeof what, "object %.*s: the row %.*s is damaged", SLF(object),
                     SLF(page.row[i].key));
            x->bad(x->arg, what);
        }
        if (!page.n) break;
        from = sl(next, (size_t)snprintf(next, sizeof next, "%.*s ", SLF(page.row[page.n - 1].key)));
        fiber_breathe();
    }
    ar_free(&a);
    return e == ERR_CORRUPT ? 0
                            : e; /* an object that cannot be read to its end is told of by store_verify() */
}

static int check_object(void *arg, struct slice object)
{
    struct check *x = arg;
    /* A send: its rows of one each, not its content and pages. */
    if (!sl_starts(object, SL("s:"))) return check_rows(x, object, SL(""), SL(""));
    int e = check_rows(x, object, SL("c"), SL("c "));
    if (!e) e = check_rows(x, object, SL("h"), SL("h "));
    return e ? e : check_rows(x, object, SL("s"), SL("s "));
}

int sends_verify(struct sends *s, void (*bad)(void *arg, const char *what), void *arg)
{
    struct check x = {s, bad, arg};
    int e = check_rows(&x, SL(SENDS_OBJECT), SL(""), SL(""));
    if (!e) e = kv_each_object(s->store->kv, SL("s:"), SL("s;"), check_object, &x);
    return e ? e : kv_each_object(s->store->kv, SL("x:"), SL("z"), check_object, &x);
}

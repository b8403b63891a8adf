/* verify_account.c - does the row of an account say what there is? Its rows are read by pages, and again when
 * the account changed meanwhile; what was found is told only of one moment. */
#include "base/log.h"
#include "care_i.h"

struct counted {
    struct account_rows rows;
    struct account_row account;
    struct buf said; /* sentences, each with a NUL; what does not fit is left out */
    uint64_t bytes, messages, noted;
    uint32_t boxes;
};

static void note(void *arg, const char *what)
{
    struct counted *c = arg;
    buf_bytes(&c->said, what, strlen(what) + 1);
}

static int count_box(void *arg, struct slice key, struct slice value)
{
    struct counted *c = arg;
    struct box_row b;
    uint64_t id;
    c->boxes++;
    if (row_number(key, &id) || box_row_get(value, (uint32_t)id, &b)) {
        note(c, "the record of a mailbox is damaged");
        return 0;
    }
    c->bytes += b.m.size;
    c->messages += b.m.exists;
    return 0;
}

static int count_note(void *arg, struct slice key, struct slice value)
{
    struct counted *c = arg;
    c->noted += key.n + value.n;
    return 0;
}

static void compare(struct counted *c, struct arena *a)
{
    const struct account_row *r = &c->account;
    if (c->bytes != r->bytes || c->messages != r->messages)
        note(c, ar_printf(a, "counts %llu messages with %llu bytes, has %llu with %llu",
                          (unsigned long long)r->messages, (unsigned long long)r->bytes,
                          (unsigned long long)c->messages, (unsigned long long)c->bytes)
                    .p);
    if (c->noted != r->noted)
        note(c, ar_printf(a, "counts %llu bytes of annotations, has %llu", (unsigned long long)r->noted,
                          (unsigned long long)c->noted)
                    .p);
}

static int count(struct counted *c, struct arena *a)
{
    c->bytes = c->messages = c->noted = 0;
    c->boxes = 0;
    buf_clear(&c->said);
    int e = account_rows_each(&c->rows, SL("b/"), SL("b0"), count_box, c);
    if (e == 0) e = account_rows_each(&c->rows, SL("t/"), SL("t0"), count_note, c);
    if (e == 0) compare(c, a);
    if (e == 0) e = quota_trees_check(&c->rows, &c->account, note, c);
    if (e == 0) e = verify_names(&c->rows, note, c);
    if (!err_is_damage(e)) return e;
    note(c, ar_printf(a, "cannot be read to its end: %s", err_text(e)).p);
    return 0; /* what was found before counts, when it is of one moment */
}

static int damaged_row(struct counted *c, struct arena *a, int e)
{
    buf_clear(&c->said);
    note(c, ar_printf(a, "its record is damaged: %s", err_text(e)).p);
    return 0;
}

/* 1: the account changed while it was read. */
static int count_pages(struct counted *c, struct arena *a)
{
    char room[KEY_ROOM];
    struct kv *kv = c->rows.s->kv;
    struct slice object = account_object(c->rows.acc, room), before, after;
    int e = kv_get(kv, object, SL("a"), a, &before);
    if (e == 0) e = account_row_get(before, &c->account);
    if (err_is_damage(e)) return damaged_row(c, a, e);
    if (e == 0) e = count(c, a);
    if (e) return e;
    e = kv_get(kv, object, SL("a"), a, &after);
    return e == 0 && !sl_eq(before, after) ? 1 : e;
}

static int count_tx(struct kv_tx *tx, void *arg)
{
    struct counted *c = arg;
    struct arena a;
    ar_init(&a, 0);
    c->rows.tx = tx;
    int e = account_tx(tx, &c->account);
    if (err_is_damage(e)) e = damaged_row(c, &a, e);
    else if (e == 0) e = count(c, &a);
    c->rows.tx = NULL;
    ar_free(&a);
    return e;
}

/* One with many mailboxes that rests for no moment: that it was not compared is said, and is no fault. */
static int count_patiently(struct counted *c, struct arena *a)
{
    enum { TRIES = 10, AT_ONCE = 3, STROKE = 500 };
    char room[KEY_ROOM];
    int e = 1;
    for (int i = 0; e == 1 && i < TRIES; i++) {
        int pause = i < AT_ONCE ? 0 : fiber_sleep((int64_t)rt_random_below(2 * RT_S));
        if (i == AT_ONCE && c->boxes <= STROKE)
            return kv_transact(c->rows.s->kv, account_object(c->rows.acc, room), count_tx, c);
        ar_reset(a);
        e = pause ? pause : count_pages(c, a);
    }
    if (e == 1)
        log_warn("care", "account %s changes all the time: what it counts was not compared", c->rows.acc);
    if (e == 1) buf_clear(&c->said);
    return e == 1 ? 0 : e;
}

int verify_account(struct store *s, const char *acc, void (*bad)(void *arg, const char *what), void *arg)
{
    struct counted c = {.rows = {.s = s, .acc = acc}};
    struct arena a;
    buf_init(&c.said, 1 << 20);
    ar_init(&a, 0);
    int e = count_patiently(&c, &a);
    bool told = e == 0 || err_is_damage(e); /* a transaction ends with what it met */
    for (size_t at = 0; told && at < c.said.n; at += strlen(c.said.p + at) + 1) bad(arg, c.said.p + at);
    buf_free(&c.said);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e; /* being erased */
}

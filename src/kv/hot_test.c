/* hot_test.c - the conformance suite: rows that are read again and again. */
#include "hot.h"

#include "kv_i.h"
#include "kv_test.h"

struct hot_step {
    const char *value; /* put, or NULL */
    bool del, erase, fail, warm;
    char seen[16]; /* what it read first */
};

static int hot_tx(struct kv_tx *tx, void *arg)
{
    struct hot_step *x = arg;
    struct slice v, again;
    int e = kv_tx_get(tx, SL("k"), &v);
    snprintf(x->seen, sizeof x->seen, "%.*s", e ? 1 : (int)v.n, e ? "-" : v.p);
    for (int i = 0; i < 5000; i++) { /* others take its place; what it read stays */
        char key[16];
        if (!e && i % 10 == 0)
            (void)!kv_tx_get(tx, sl_cstr((snprintf(key, sizeof key, "o%d", i), key)), &again);
    }
    if (!e && memcmp(v.p, x->seen, strlen(x->seen)) != 0) return ERR_CORRUPT;
    struct buf b = BUF_INIT;
    if (x->value && !x->warm) kv_tx_put(tx, SL("k"), sl_cstr(x->value));
    if (x->value && x->warm) {
        buf_str(&b, x->value);
        kv_tx_put_warm(tx, SL("k"), &b);
    }
    buf_free(&b);
    if (x->del) kv_tx_del(tx, SL("k"));
    if (x->erase) kv_tx_erase(tx, SL("a"), SL("z"));
    return x->fail ? ERR_DENIED : 0;
}

static int note_hot(struct kv_tx *tx, void *arg)
{
    struct buf b = BUF_INIT;
    buf_str(&b, arg);
    kv_tx_note(tx, SL("o"), SL("k"), &b);
    buf_free(&b);
    return 0;
}

static int put_others(struct kv_tx *tx, void *arg)
{
    char key[16];
    (void)arg;
    for (int i = 0; i < 5000; i += 10) {
        snprintf(key, sizeof key, "o%d", i);
        kv_tx_put(tx, sl_cstr(key), SL("other"));
    }
    return 0;
}

static void hot_is(struct suite *s, const char *want, struct hot_step x)
{
    int e = kv_transact(s->kv, SL("o"), hot_tx, &x);
    CHECK_INT(e, x.fail ? ERR_DENIED : 0);
    CHECK_SL(sl_cstr(x.seen), want);
}

EACH_ENGINE(a_row_that_was_read_before_is_what_was_written_last)
{
    char longer[KV_HOT_BYTES + 100];
    CHECK_OK(kv_transact(s->kv, SL("o"), put_others, NULL));
    hot_is(s, "-", (struct hot_step){.value = "1"});
    hot_is(s, "1", (struct hot_step){.value = "2", .fail = true});
    hot_is(s, "1", (struct hot_step){.value = "3"});
    hot_is(s, "3", (struct hot_step){.del = true});
    hot_is(s, "-", (struct hot_step){.value = "4"});
    hot_is(s, "4", (struct hot_step){.erase = true}); /* of so many rows that it is a range */
    hot_is(s, "-", (struct hot_step){.value = "5"});
    hot_is(s, "5", (struct hot_step){0});
    CHECK_OK(kv_transact(s->kv, SL("elsewhere"), note_hot, "6"));
    hot_is(s, "6", (struct hot_step){0});
    kv_note(s->kv, SL("o"), SL("k"), SL("7"));
    hot_is(s, "7", (struct hot_step){0});
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 0;
    CHECK_OK(put(s->kv, "o", "k", longer)); /* too long to stay */
    hot_is(s, "xxxxxxxxxxxxxxx", (struct hot_step){.value = "8"});
    hot_is(s, "8", (struct hot_step){0});
    reopen(s);
    hot_is(s, "8", (struct hot_step){0});
}

TEST(a_row_that_was_read_before_is_read_anew_when_a_group_is_in_doubt)
{
    static const enum kv_fault faults[] = {
        KV_FAULT_IO,         KV_FAULT_UNKNOWN_NOT_DONE, KV_FAULT_UNKNOWN_DONE, KV_FAULT_RERUN,
        KV_FAULT_WRITE_DONE, KV_FAULT_WRITE_LOST,       KV_FAULT_WRITE_FULL};
    static const char *const left[] = {"1", "1", "2", "2", "2", "2", "1"};
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct kv *kv;
        struct suite s = {0};
        struct hot_step x = {.value = "2"};
        REQUIRE(kv_mem_open(&kv, NULL) == 0);
        s.kv = kv;
        CHECK_OK(put(kv, "o", "k", "1"));
        hot_is(&s, "1", (struct hot_step){0});
        kv_mem_inject(kv, faults[i], 1);
        (void)!kv_transact(kv, SL("o"), hot_tx, &x); /* what it says is the fault's */
        hot_is(&s, left[i], (struct hot_step){0});
        kv_close(&kv);
    }
}

static int put_warm(struct kv_tx *tx, void *arg)
{
    struct buf b = BUF_INIT;
    buf_str(&b, arg);
    kv_tx_put_warm(tx, SL("w"), &b);
    buf_free(&b);
    return 0;
}

static int put_cold(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, SL("c"), sl_cstr(arg));
    return 0;
}

/* Is it in memory, as this? The committer rests. */
static bool is_warm(struct suite *s, const char *key, const char *value)
{
    char room[KV_FULL_MAX];
    struct slice found;
    bool there = kv_hot_find(&s->kv->hot, kv_full(room, SL("o"), sl_cstr(key)), &found);
    return there && value ? sl_eq(found, sl_cstr(value)) : there;
}

EACH_ENGINE(a_row_that_is_written_to_be_read_soon_is_in_memory)
{
    CHECK_OK(kv_transact(s->kv, SL("o"), put_cold, "1"));
    CHECK(!is_warm(s, "c", NULL));
    CHECK_OK(kv_transact(s->kv, SL("o"), put_warm, "1"));
    CHECK(is_warm(s, "w", "1"));
    CHECK_OK(kv_transact(s->kv, SL("o"), put_warm, "2"));
    CHECK(is_warm(s, "w", "2"));
    hot_is(s, "-", (struct hot_step){.value = "1", .warm = true, .fail = true}); /* nothing was written */
    CHECK(!is_warm(s, "k", NULL));
    hot_is(s, "-", (struct hot_step){.value = "1", .warm = true});
    CHECK(is_warm(s, "k", "1"));
    hot_is(s, "1", (struct hot_step){.del = true});
    CHECK(!is_warm(s, "k", NULL));
    hot_is(s, "-", (struct hot_step){0});
}

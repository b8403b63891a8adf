/* kv_test.c - the conformance suite: what kv.h promises, on every engine. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/text.h"
#include "kv.h"
#include "record.h"
#include "rt/file.h"
#include "rt/test_rt.h"

struct suite {
    const char *engine;
    char dir[64], path[96];
    struct kv *kv;
    struct arena a;
};

static int engine_open(const char *engine, const char *path, struct kv **out)
{
    return engine[0] == 'r' ? kv_rocks_open(out, path) : kv_mem_open(out, path);
}

static void remove_tree(const char *dir)
{
    char cmd[256];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    CHECK(system(cmd) == 0);
}

/* Runs body on a fresh store of each engine. */
static void each_engine(void (*body)(struct suite *s))
{
    static const char *const engines[] = {"mem", "rocks"};
    for (size_t i = 0; i < COUNT_OF(engines); i++) {
        struct suite s = {.engine = engines[i], .dir = "/tmp/tram-kv-test-XXXXXX"};
        REQUIRE(mkdtemp(s.dir));
        snprintf(s.path, sizeof s.path, "%s/index", s.dir);
        ar_init(&s.a, 0);
        REQUIRE(engine_open(s.engine, s.path, &s.kv) == 0);
        body(&s);
        kv_close(&s.kv);
        ar_free(&s.a);
        remove_tree(s.dir);
    }
}

#define EACH_ENGINE(id)                                                                                      \
    static void id##_on(struct suite *s);                                                                    \
    TEST(id) { each_engine(id##_on); }                                                                       \
    static void id##_on(struct suite *s)

static void reopen(struct suite *s)
{
    kv_close(&s->kv);
    CHECK_OK(engine_open(s->engine, s->path, &s->kv));
}

/* ---- one-line transactions ---- */

struct change {
    struct slice key, value;
};

static int put_fn(struct kv_tx *tx, void *arg)
{
    struct change *c = arg;
    if (c->value.n) kv_tx_put(tx, c->key, c->value);
    else kv_tx_del(tx, c->key);
    return 0;
}

static int put(struct kv *kv, const char *object, const char *key, const char *value)
{
    struct change c = {sl_cstr(key), sl_cstr(value)};
    return kv_transact(kv, sl_cstr(object), put_fn, &c);
}

static struct slice get(struct suite *s, const char *object, const char *key)
{
    struct slice v;
    int e = kv_get(s->kv, sl_cstr(object), sl_cstr(key), &s->a, &v);
    return e ? sl_cstr(err_name(e)) : v;
}

static struct slice rows_text(struct arena *a, const struct kv_page *page)
{
    struct slice text = SL("");
    for (size_t i = 0; i < page->n; i++)
        text = ar_printf(a, "%.*s%.*s=%.*s ", SLF(text), SLF(page->row[i].key), SLF(page->row[i].value));
    return page->more ? ar_printf(a, "%.*s...", SLF(text)) : text;
}

static struct slice scan(struct suite *s, const char *object, const char *from, const char *to, size_t limit)
{
    struct kv_page page;
    int e = kv_scan(s->kv, sl_cstr(object), sl_cstr(from), sl_cstr(to), limit, &s->a, &page);
    return e ? sl_cstr(err_name(e)) : rows_text(&s->a, &page);
}

/* ---- values ---- */

EACH_ENGINE(values_come_back)
{
    CHECK_SL(get(s, "o", "k"), "ERR_NOT_FOUND");
    CHECK_OK(put(s->kv, "o", "k", "v"));
    CHECK_SL(get(s, "o", "k"), "v");
    CHECK_OK(put(s->kv, "o", "k", "w"));
    CHECK_SL(get(s, "o", "k"), "w");
    CHECK_SL(get(s, "p", "k"), "ERR_NOT_FOUND");
    CHECK_OK(put(s->kv, "o", "k", ""));
    CHECK_SL(get(s, "o", "k"), "ERR_NOT_FOUND");
    reopen(s);
    CHECK_SL(get(s, "o", "k"), "ERR_NOT_FOUND");
    CHECK_OK(put(s->kv, "o", "k", "x"));
    reopen(s);
    CHECK_SL(get(s, "o", "k"), "x");
}

static int put_pair(struct kv_tx *tx, void *arg)
{
    struct change *c = arg;
    kv_tx_put(tx, c[0].key, c[0].value);
    kv_tx_put(tx, c[1].key, c[1].value);
    return 0;
}

EACH_ENGINE(values_hold_any_bytes_up_to_the_limit)
{
    char *big = xcalloc(1, KV_VALUE_MAX + 1);
    for (int i = 0; i < KV_VALUE_MAX; i++) big[i] = (char)(i * 7);
    struct change c = {SL("k"), sl(big, KV_VALUE_MAX)};
    struct slice v;
    CHECK_OK(kv_transact(s->kv, SL("o"), put_fn, &c));
    CHECK_OK(kv_get(s->kv, SL("o"), SL("k"), &s->a, &v));
    CHECK(sl_eq(v, c.value));
    c.value.n++;
    CHECK_ERR(kv_transact(s->kv, SL("o"), put_fn, &c), ERR_USAGE);
    struct change empty[] = {{SL("a"), SL("1")}, {SL("b"), SL("")}};
    CHECK_ERR(kv_transact(s->kv, SL("o"), put_pair, empty), ERR_USAGE);
    CHECK_SL(get(s, "o", "a"), "ERR_NOT_FOUND"); /* nothing of a refused transaction stays */
    free(big);
}

EACH_ENGINE(names_are_checked)
{
    char longest[KV_KEY_MAX + 2] = {0};
    memset(longest, 'x', KV_KEY_MAX);
    CHECK_OK(put(s->kv, longest, longest, "v"));
    CHECK_SL(get(s, longest, longest), "v");
    CHECK_INT(scan(s, longest, longest, "", 10).n, KV_KEY_MAX + 3);
    longest[KV_KEY_MAX] = 'x';
    static const char *const bad[] = {"", "a\nb", "caf\xc3\xa9", "\x7f"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        CHECK_ERR(put(s->kv, bad[i], "k", "v"), ERR_USAGE);
        CHECK_ERR(put(s->kv, "o", bad[i], "v"), ERR_USAGE);
        CHECK_SL(get(s, "o", bad[i]), "ERR_USAGE");
    }
    CHECK_ERR(put(s->kv, longest, "k", "v"), ERR_USAGE);
    CHECK_ERR(put(s->kv, "o", longest, "v"), ERR_USAGE);
    CHECK_SL(scan(s, "o", "", "", 10), "");
}

static int put_much(struct kv_tx *tx, void *arg)
{
    size_t n = *(size_t *)arg;
    char *v = xcalloc(1, KV_VALUE_MAX), key[32];
    for (size_t i = 0; i < n; i++) {
        snprintf(key, sizeof key, "k%zu", i);
        kv_tx_put(tx, sl_cstr(key), sl(v, KV_VALUE_MAX));
    }
    free(v);
    return 0;
}

EACH_ENGINE(a_transaction_has_a_limit)
{
    size_t n = 63;
    CHECK_OK(kv_transact(s->kv, SL("fits"), put_much, &n));
    n = 65;
    CHECK_ERR(kv_transact(s->kv, SL("much"), put_much, &n), ERR_TOO_LONG);
    CHECK_SL(get(s, "much", "k0"), "ERR_NOT_FOUND");
    CHECK_INT(get(s, "fits", "k62").n, KV_VALUE_MAX);
}

/* ---- scans ---- */

/* ---- records ---- */

/* A record with one field of n bytes. */
static struct buf record_of(size_t n)
{
    struct buf b = BUF_INIT;
    char *bytes = xcalloc(1, n + 1);
    rec_begin(&b, 1);
    rec_put(&b, 'x', sl(bytes, n));
    rec_put_u64(&b, 'y', 7);
    free(bytes);
    return b;
}

static int put_record(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, SL("before"), SL("v"));
    kv_tx_put_record(tx, SL("record"), arg);
    kv_tx_put(tx, SL("after"), SL("v"));
    return 0;
}

/* The old way round: a slice of what was left of it. */
static int put_slice(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, SL("record"), buf_slice(arg));
    return 0;
}

EACH_ENGINE(a_cut_record_cannot_be_stored)
{
    enum { FITS = KV_VALUE_MAX - 1 - 4 - 3 }; /* version; tag and length of x; y */
    struct rec r;
    struct buf good = record_of(FITS), cut = record_of(FITS + 1), far = record_of(10 * KV_VALUE_MAX);
    CHECK(!good.over && cut.over && far.over);
    CHECK(kv_transact(s->kv, SL("o"), put_record, &cut) == ERR_TOO_LONG);
    CHECK(kv_transact(s->kv, SL("o"), put_record, &far) == ERR_TOO_LONG);
    CHECK(kv_transact(s->kv, SL("o"), put_slice, &cut) < 0);
    CHECK_SL(scan(s, "o", "", "", 10), "");
    CHECK_OK(kv_transact(s->kv, SL("o"), put_record, &good));
    struct slice whole = get(s, "o", "record");
    CHECK_INT(whole.n, KV_VALUE_MAX);
    CHECK_OK(rec_open(&r, whole, 1));
    CHECK(rec_next(&r) && r.field.n == FITS);
    CHECK(rec_next(&r) && rec_u64(&r) == 7 && !rec_next(&r));
    CHECK_OK(rec_error(&r));
    buf_free(&good);
    buf_free(&cut);
    buf_free(&far);
}

EACH_ENGINE(a_note_that_cannot_be_a_row_is_refused)
{
    struct kv_stats before, after;
    struct buf cut = record_of(KV_VALUE_MAX);
    kv_stats(s->kv, &before);
    kv_note_record(s->kv, SL("o"), SL("cut"), &cut);
    kv_note(s->kv, SL("o"), SL("\x80"), SL("v"));
    kv_note(s->kv, SL("o"), SL("good"), SL("v"));
    CHECK_OK(put(s->kv, "o", "z", "v"));
    kv_stats(s->kv, &after);
    CHECK_INT(after.notes_dropped - before.notes_dropped, 2);
    CHECK_SL(scan(s, "o", "", "", 10), "good=v z=v ");
    buf_free(&cut);
}

EACH_ENGINE(scans_page_in_order)
{
    static const char *const keys[] = {"b", "a", "d", "c", "a/1", "a/2", "a0"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) CHECK_OK(put(s->kv, "o", keys[i], "."));
    CHECK_OK(put(s->kv, "n", "a", "other"));
    CHECK_OK(put(s->kv, "oo", "a", "other"));
    CHECK_OK(put(s->kv, "o ", "a", "other"));
    CHECK_SL(scan(s, "o", "", "", 100), "a=. a/1=. a/2=. a0=. b=. c=. d=. ");
    CHECK_SL(scan(s, "o", "a/", "a0", 100), "a/1=. a/2=. ");
    CHECK_SL(scan(s, "o", "b", "", 2), "b=. c=. ...");
    CHECK_SL(scan(s, "o", "b", "d", 2), "b=. c=. ");
    CHECK_SL(scan(s, "o", "x", "", 2), "");
    CHECK_SL(scan(s, "o", "d", "b", 2), "");
    CHECK_SL(scan(s, "none", "", "", 2), "");
    CHECK_SL(kv_after(&s->a, SL("a")), "a ");
    CHECK_SL(kv_prefix_end(&s->a, SL("a/")), "a0");
    CHECK_SL(kv_prefix_end(&s->a, SL("a~")), "a\x7f");
    CHECK_SL(kv_prefix_end(&s->a, SL("")), "");
}

EACH_ENGINE(objects_are_listed)
{
    struct slice *name;
    size_t n;
    bool more;
    for (int i = 0; i < 12; i++) {
        char object[16];
        snprintf(object, sizeof object, "u:%c%d", 'a' + i, i);
        CHECK_OK(put(s->kv, object, "k1", "v"));
        CHECK_OK(put(s->kv, object, "k2", "v"));
    }
    CHECK_OK(kv_objects(s->kv, SL("u:"), SL("u;"), 100, &s->a, &name, &n, &more));
    REQUIRE(n == 12);
    CHECK(!more);
    CHECK_SL(name[0], "u:a0");
    CHECK_SL(name[11], "u:l11");
    CHECK_OK(kv_objects(s->kv, kv_after(&s->a, name[2]), SL(""), 5, &s->a, &name, &n, &more));
    REQUIRE(n == 5);
    CHECK(more);
    CHECK_SL(name[0], "u:d3");
    CHECK_OK(kv_objects(s->kv, SL("z"), SL(""), 5, &s->a, &name, &n, &more));
    CHECK(n == 0 && !more);
}

/* ---- erasing ---- */

enum { ERASED_FEW = 3, ERASED_MANY = 1000 }; /* few are deleted one by one, many as a range */

static int fill_fn(struct kv_tx *tx, void *arg)
{
    char key[32];
    for (size_t i = 0; i < *(size_t *)arg; i++) {
        snprintf(key, sizeof key, "k/%04zu", i);
        kv_tx_put(tx, sl_cstr(key), SL("v"));
    }
    kv_tx_put(tx, SL("a"), SL("before"));
    kv_tx_put(tx, SL("z"), SL("behind"));
    return 0;
}

static void fill(struct suite *s, const char *object, size_t n)
{
    CHECK_OK(kv_transact(s->kv, sl_cstr(object), fill_fn, &n));
}

static int text_row(void *arg, struct slice key, struct slice value);

/* Puts before and behind the erase; what it sees then. */
static int erase_and_look(struct kv_tx *tx, void *arg)
{
    struct slice v;
    kv_tx_put(tx, SL("k/mine"), SL("1"));
    kv_tx_erase(tx, SL("k/"), SL("k0"));
    CHECK_ERR(kv_tx_get(tx, SL("k/0000"), &v), ERR_NOT_FOUND);
    CHECK_ERR(kv_tx_get(tx, SL("k/mine"), &v), ERR_NOT_FOUND);
    kv_tx_put(tx, SL("k/0001"), SL("new"));
    CHECK_OK(kv_tx_get(tx, SL("k/0001"), &v));
    CHECK_INT(kv_tx_scan(tx, SL(""), SL(""), text_row, arg), 0);
    return 0;
}

static int erase_and_fail(struct kv_tx *tx, void *arg)
{
    struct buf b = BUF_INIT;
    (void)!erase_and_look(tx, &b);
    kv_tx_erase(tx, SL(""), SL(""));
    buf_free(&b);
    return *(int *)arg;
}

static void erase_ranges(struct suite *s, size_t n)
{
    struct buf seen = BUF_INIT;
    int no = ERR_DENIED;
    fill(s, "n", n);
    fill(s, "o", n);
    fill(s, "p", n);
    CHECK_ERR(kv_transact(s->kv, SL("o"), erase_and_fail, &no), ERR_DENIED);
    CHECK_SL(get(s, "o", "k/0002"), "v");
    CHECK_SL(get(s, "o", "k/mine"), "ERR_NOT_FOUND");
    CHECK_OK(kv_transact(s->kv, SL("o"), erase_and_look, &seen));
    for (int i = 0; i < 2; i++) {
        CHECK_SL(buf_slice(&seen), "a=before k/0001=new z=behind ");
        CHECK_SL(scan(s, "o", "", "", 10), "a=before k/0001=new z=behind ");
        CHECK_SL(scan(s, "n", "", "", 1), "a=before ...");
        CHECK_SL(get(s, "n", "k/0002"), "v");
        CHECK_SL(get(s, "p", "k/0002"), "v");
        CHECK_SL(get(s, "o", "k/0002"), "ERR_NOT_FOUND");
        reopen(s);
    }
    CHECK_OK(kv_erase(s->kv, SL("n"), SL("k/0001"), SL("")));
    CHECK_SL(scan(s, "n", "", "", 10), "a=before k/0000=v ");
    CHECK_OK(kv_erase(s->kv, SL("o"), SL(""), SL("")));
    CHECK_SL(scan(s, "o", "", "", 10), "");
    CHECK_SL(scan(s, "p", "", "", 1), "a=before ...");
    CHECK_OK(put(s->kv, "o", "k/0002", "again"));
    reopen(s);
    CHECK_SL(scan(s, "o", "", "", 10), "k/0002=again ");
    buf_free(&seen);
}

EACH_ENGINE(few_rows_are_erased) { erase_ranges(s, ERASED_FEW); }
EACH_ENGINE(a_range_is_erased) { erase_ranges(s, ERASED_MANY); }

static int erase_too_much(struct kv_tx *tx, void *arg)
{
    size_t n = ERASED_MANY;
    for (int i = 0; i < *(int *)arg; i++) {
        (void)!fill_fn(tx, &n);
        kv_tx_erase(tx, SL("k/"), SL("k0"));
    }
    return 0;
}

EACH_ENGINE(ranges_have_a_limit)
{
    int n = 100;
    CHECK_OK(kv_transact(s->kv, SL("o"), erase_too_much, &n));
    CHECK_SL(scan(s, "o", "", "", 10), "a=before z=behind ");
    CHECK_OK(put(s->kv, "o", "z", "kept"));
    n = 300;
    CHECK_ERR(kv_transact(s->kv, SL("o"), erase_too_much, &n), ERR_TOO_LONG);
    CHECK_SL(scan(s, "o", "", "", 10), "a=before z=kept ");
}

static int erase_wrong(struct kv_tx *tx, void *arg)
{
    (void)arg;
    char longest[KV_KEY_MAX + 2];
    memset(longest, 'x', sizeof longest);
    kv_tx_erase(tx, sl(longest, sizeof longest), SL(""));
    return 0;
}

EACH_ENGINE(bounds_of_an_erase_are_checked)
{
    CHECK_ERR(kv_transact(s->kv, SL("o"), erase_wrong, NULL), ERR_USAGE);
}

/* ---- telling another object ---- */

static int tell(struct kv_tx *tx, void *arg)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, 1);
    kv_tx_put(tx, SL("mine"), SL("v"));
    kv_tx_note(tx, SL("other"), SL("told"), &b);
    buf_free(&b);
    return *(int *)arg;
}

static int tell_wrong(struct kv_tx *tx, void *arg)
{
    struct buf cut = record_of(KV_VALUE_MAX), b = BUF_INIT;
    rec_begin(&b, 1);
    kv_tx_put(tx, SL("mine"), SL("v"));
    switch (*(int *)arg) {
    case 0: kv_tx_note(tx, SL("other"), SL("told"), &cut); break;
    case 1: kv_tx_note(tx, SL("o\n"), SL("told"), &b); break;
    default: kv_tx_note(tx, SL("other"), SL(""), &b);
    }
    buf_free(&cut);
    buf_free(&b);
    return 0;
}

EACH_ENGINE(what_is_told_goes_with_the_transaction)
{
    static const int wrong[] = {ERR_TOO_LONG, ERR_USAGE, ERR_USAGE};
    int e = ERR_DENIED;
    CHECK_ERR(kv_transact(s->kv, SL("o"), tell, &e), ERR_DENIED);
    for (int i = 0; i < 3; i++) CHECK_ERR(kv_transact(s->kv, SL("o"), tell_wrong, &i), wrong[i]);
    CHECK_SL(get(s, "other", "told"), "ERR_NOT_FOUND");
    CHECK_SL(get(s, "o", "mine"), "ERR_NOT_FOUND");
    e = 0;
    CHECK_OK(kv_transact(s->kv, SL("o"), tell, &e));
    reopen(s);
    CHECK_SL(get(s, "other", "told"), "\1");
    CHECK_SL(get(s, "o", "mine"), "v");
}

/* ---- what is not in memory ---- */

struct cold {
    int runs;
    struct buf seen;
};

static int read_much(struct kv_tx *tx, void *arg)
{
    struct cold *c = arg;
    struct slice v;
    c->runs++;
    buf_clear(&c->seen);
    if (kv_tx_get(tx, SL("a"), &v) == 0) buf_put(&c->seen, v);
    if (kv_tx_get(tx, SL("z"), &v) == 0) buf_put(&c->seen, v);
    (void)!kv_tx_scan(tx, SL("k/"), SL("k0"), text_row, &c->seen);
    kv_tx_put(tx, SL("z"), buf_slice(&c->seen));
    kv_tx_erase(tx, SL("k/"), SL("k0"));
    return 0; /* as if nothing were the matter */
}

static void cold_rows(void)
{
    struct suite s = {.engine = "mem"};
    struct cold c = {.seen = BUF_INIT};
    struct kv_stats st;
    ar_init(&s.a, 0);
    REQUIRE(kv_mem_open(&s.kv, NULL) == 0);
    fill(&s, "o", 2);
    kv_mem_cool(s.kv);
    CHECK_OK(kv_transact(s.kv, SL("o"), read_much, &c));
    CHECK_SL(buf_slice(&c.seen), "beforebehindk/0000=v k/0001=v ");
    CHECK_SL(scan(&s, "o", "", "", 10), "a=before z=beforebehindk/0000=v k/0001=v  ");
    kv_stats(s.kv, &st);
    CHECK(c.runs == 2 && st.fetched == 1 && st.waited == 0);
    buf_free(&c.seen);
    kv_close(&s.kv);
    ar_free(&s.a);
}

TEST(what_is_not_in_memory_is_fetched_and_the_transaction_runs_again) { cold_rows(); }

static int read_one_more(struct kv_tx *tx, void *arg)
{
    char key[16];
    struct slice v;
    int *n = arg; /* each run wants another row */
    snprintf(key, sizeof key, "k%d", ++*n);
    int e = kv_tx_get(tx, sl_cstr(key), &v);
    return e == ERR_NOT_FOUND ? 0 : e;
}

TEST(a_transaction_that_never_finds_all_in_memory_reads_the_disk_itself)
{
    struct kv *kv;
    struct kv_stats st;
    int n = 0;
    REQUIRE(kv_mem_open(&kv, NULL) == 0);
    kv_mem_cool(kv);
    CHECK_OK(kv_transact(kv, SL("o"), read_one_more, &n));
    kv_stats(kv, &st);
    CHECK_INT(st.waited, 1);
    CHECK_INT(st.fetched, 5);
    CHECK_INT(n, 7);
    kv_close(&kv);
}

/* ---- inside a transaction ---- */

static int text_row(void *arg, struct slice key, struct slice value)
{
    struct buf *b = arg;
    buf_printf(b, "%.*s=%.*s ", SLF(key), SLF(value));
    return sl_eq(value, SL("stop")) ? 7 : 0;
}

static int own_writes(struct kv_tx *tx, void *arg)
{
    struct buf *b = arg;
    struct slice v;
    CHECK_SL(kv_tx_object(tx), "o");
    CHECK_OK(kv_tx_get(tx, SL("b"), &v));
    CHECK_SL(v, "old");
    kv_tx_put(tx, SL("b"), SL("new"));
    kv_tx_put(tx, SL("a"), SL("first"));
    kv_tx_put(tx, SL("z"), SL("last"));
    kv_tx_del(tx, SL("c"));
    kv_tx_del(tx, SL("missing"));
    CHECK_OK(kv_tx_get(tx, SL("b"), &v));
    CHECK_SL(v, "new");
    CHECK_ERR(kv_tx_get(tx, SL("c"), &v), ERR_NOT_FOUND);
    CHECK_INT(kv_tx_scan(tx, SL(""), SL(""), text_row, b), 0);
    buf_str(b, "| ");
    CHECK_INT(kv_tx_scan(tx, SL("b"), SL("d"), text_row, b), 0);
    kv_tx_put(tx, SL("bb"), SL("stop"));
    buf_str(b, "| ");
    CHECK_INT(kv_tx_scan(tx, SL("b"), SL(""), text_row, b), 7);
    return 0;
}

EACH_ENGINE(a_transaction_sees_its_own_writes)
{
    struct buf b = BUF_INIT;
    CHECK_OK(put(s->kv, "o", "b", "old"));
    CHECK_OK(put(s->kv, "o", "c", "old"));
    CHECK_OK(put(s->kv, "o", "d", "old"));
    CHECK_OK(put(s->kv, "p", "a", "other"));
    CHECK_OK(kv_transact(s->kv, SL("o"), own_writes, &b));
    CHECK_SL(buf_slice(&b), "a=first b=new d=old z=last | b=new | b=new bb=stop ");
    CHECK_SL(scan(s, "o", "", "", 100), "a=first b=new bb=stop d=old z=last ");
    buf_free(&b);
}

static int change_while_scanning(void *arg, struct slice key, struct slice value)
{
    struct kv_tx *tx = arg;
    struct slice copy;
    (void)value;
    CHECK_OK(kv_tx_get(tx, SL("k0"), &copy));
    kv_tx_put(tx, key, SL("seen"));
    if (sl_eq(key, SL("k1"))) kv_tx_del(tx, SL("k2"));
    return 0;
}

static int scan_and_change(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("k4"), SL("own"));
    return kv_tx_scan(tx, SL(""), SL(""), change_while_scanning, tx);
}

EACH_ENGINE(a_scan_may_change_what_it_visits)
{
    for (int i = 0; i < 4; i++)
        CHECK_OK(put(s->kv, "o", ((const char *[]){"k0", "k1", "k2", "k3"})[i], "old"));
    CHECK_OK(kv_transact(s->kv, SL("o"), scan_and_change, NULL));
    CHECK_SL(get(s, "o", "k0"), "seen");
    CHECK_SL(get(s, "o", "k3"), "seen");
    CHECK_SL(get(s, "o", "k4"), "seen");
}

static int refuse(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("a"), SL("never"));
    kv_tx_del(tx, SL("k"));
    return err_set(ERR_QUOTA, "the sentence of the transaction");
}

EACH_ENGINE(a_refused_transaction_leaves_nothing)
{
    CHECK_OK(put(s->kv, "o", "k", "v"));
    CHECK_ERR(kv_transact(s->kv, SL("o"), refuse, NULL), ERR_QUOTA);
    CHECK_SL(sl_cstr(err_text(ERR_QUOTA)), "the sentence of the transaction");
    CHECK_SL(scan(s, "o", "", "", 9), "k=v ");
    reopen(s);
    CHECK_SL(scan(s, "o", "", "", 9), "k=v ");
}

/* ---- many at once ---- */

enum { FIBERS = 40, ROUNDS = 25 };

struct counter {
    struct kv *kv;
    int done;
};

static int add_one(struct kv_tx *tx, void *arg)
{
    (void)arg;
    struct slice v;
    char text[32];
    uint64_t n = 0;
    if (kv_tx_get(tx, SL("n"), &v) == 0) CHECK(num_u64(v, UINT64_MAX, &n));
    snprintf(text, sizeof text, "%llu", (unsigned long long)n + 1);
    kv_tx_put(tx, SL("n"), sl_cstr(text));
    return 0;
}

static void adder(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < ROUNDS; i++)
        if (kv_transact(c->kv, SL("count"), add_one, c) == 0) c->done++;
}

static int add_here(void *arg)
{
    struct counter *c = arg, each[FIBERS];
    struct group g;
    group_init(&g);
    for (int i = 0; i < FIBERS; i++) {
        each[i] = (struct counter){.kv = c->kv};
        CHECK_OK(group_go(&g, "adder", adder, &each[i]));
    }
    CHECK_OK(group_wait(&g));
    for (int i = 0; i < FIBERS; i++) c->done += each[i].done;
    return 0;
}

static void add_on_other_loop(void *arg) { CHECK_OK(rt_call(1, add_here, arg)); }

EACH_ENGINE(transactions_are_serial_over_fibers_and_loops)
{
    struct counter here = {.kv = s->kv}, there = {.kv = s->kv};
    struct group g;
    group_init(&g);
    CHECK_OK(group_go(&g, "other", add_on_other_loop, &there));
    CHECK_OK(add_here(&here));
    CHECK_OK(group_wait(&g));
    CHECK_INT(here.done + there.done, 2 * FIBERS * ROUNDS);
    CHECK_SL(get(s, "count", "n"), "2000");
    struct kv_stats st;
    kv_stats(s->kv, &st);
    CHECK(st.transactions >= 2000 && st.groups < 2000);
    reopen(s);
    CHECK_SL(get(s, "count", "n"), "2000");
}

/* ---- notes ---- */

static int see_note(struct kv_tx *tx, void *arg)
{
    struct slice v;
    int e = kv_tx_get(tx, SL("n"), &v);
    if (e == 0) *(bool *)arg = sl_eq(v, SL("note 2"));
    return e;
}

EACH_ENGINE(notes_come_before_later_transactions)
{
    bool seen = false;
    kv_note(s->kv, SL("t"), SL("n"), SL("note 1"));
    kv_note(s->kv, SL("t"), SL("n"), SL("note 2"));
    CHECK_OK(kv_transact(s->kv, SL("t"), see_note, &seen));
    CHECK(seen);
    CHECK_SL(get(s, "t", "n"), "note 2");
    kv_note(s->kv, SL("t"), SL("m"), SL("at close"));
    reopen(s);
    CHECK_SL(get(s, "t", "m"), "at close");
    CHECK_SL(get(s, "t", "n"), "note 2");
}

EACH_ENGINE(notes_that_wait_are_bounded)
{
    static char big[60000];
    memset(big, 'x', sizeof big);
    for (int i = 0; i < 100; i++) kv_note(s->kv, SL("t"), SL("n"), sl(big, sizeof big));
    struct kv_stats st;
    kv_stats(s->kv, &st);
    CHECK(st.notes_dropped > 20 && st.notes > 40);
    CHECK_INT(st.notes + st.notes_dropped, 100);
}

/* ---- watches ---- */

static void count_news(void *arg) { ++*(int *)arg; }

EACH_ENGINE(watches_hear_of_their_object)
{
    int a = 0, b = 0;
    struct kv_watch *wa = kv_watch(s->kv, SL("a"), count_news, &a),
                    *wb = kv_watch(s->kv, SL("b"), count_news, &b);
    struct kv_watch *wa2 = kv_watch(s->kv, SL("a"), count_news, &a);
    kv_notify(s->kv, SL("a"));
    kv_notify(s->kv, SL("a"));
    kv_notify(s->kv, SL("nobody"));
    CHECK_INT(a, 0); /* in a turn of its own */
    while (a < 2) fiber_yield();
    CHECK_INT(a, 2); /* joined */
    CHECK_INT(b, 0);
    kv_notify(s->kv, SL("a"));
    kv_unwatch(&wa); /* while the call is on its way */
    while (a < 3) fiber_yield();
    fiber_yield();
    CHECK_INT(a, 3);
    kv_unwatch(&wa2);
    kv_unwatch(&wb);
    kv_notify(s->kv, SL("a"));
    fiber_yield();
    CHECK_INT(a, 3);
    CHECK(!wa && !wb);
}

/* ---- leases ---- */

static int fenced_put(struct kv_tx *tx, void *arg)
{
    int e = kv_tx_fence(tx, SL("owner"), *(uint64_t *)arg);
    if (e) return e;
    kv_tx_put(tx, SL("k"), SL("v"));
    return 0;
}

EACH_ENGINE(leases_have_one_owner)
{
    uint64_t one, two;
    int64_t left;
    CHECK_OK(kv_lease(s->kv, SL("q"), SL("owner"), SL("node 1"), 60000, &one, &left));
    CHECK_INT(one, 1);
    CHECK_ERR(kv_lease(s->kv, SL("q"), SL("owner"), SL("node 2"), 60000, &two, &left), ERR_BUSY);
    CHECK(left > 50000 && left <= 60000);
    CHECK_OK(
        kv_lease(s->kv, SL("q"), SL("owner"), SL("node 1"), 0, &one, &left)); /* renewed, and given back */
    CHECK_INT(one, 1);
    CHECK_OK(kv_transact(s->kv, SL("q"), fenced_put, &one));
    CHECK_OK(kv_lease(s->kv, SL("q"), SL("owner"), SL("node 2"), 60000, &two, &left));
    CHECK_INT(two, 2);
    CHECK_ERR(kv_transact(s->kv, SL("q"), fenced_put, &one),
              ERR_DENIED); /* the late write of a former owner */
    CHECK_OK(kv_transact(s->kv, SL("q"), fenced_put, &two));
    CHECK_ERR(kv_transact(s->kv, SL("other"), fenced_put, &two), ERR_DENIED);
    CHECK_OK(kv_lease(s->kv, SL("q"), SL("another"), SL("node 1"), 60000, &one, &left));
}

/* ---- care ---- */

static void count_bad(void *arg, const char *what)
{
    (void)what;
    ++*(int *)arg;
}

EACH_ENGINE(a_backup_is_the_state_of_its_moment)
{
    char to[96], path[112];
    int bad = 0;
    struct kv *now = s->kv;
    CHECK_OK(put(s->kv, "o", "k", "before"));
    snprintf(to, sizeof to, "%s/copy", s->dir);
    CHECK_OK(kv_backup(s->kv, to));
    CHECK_OK(put(s->kv, "o", "k", "after"));
    snprintf(path, sizeof path, "%s%s", to, s->engine[0] == 'm' ? "/kv.log" : "");
    REQUIRE(engine_open(s->engine, path, &s->kv) == 0);
    CHECK_SL(get(s, "o", "k"), "before");
    kv_close(&s->kv);
    s->kv = now;
    CHECK_SL(get(s, "o", "k"), "after");
    CHECK_OK(kv_verify(s->kv, count_bad, &bad));
    CHECK_INT(bad, 0);
    CHECK(kv_backup(s->kv, to) < 0); /* exists */
}

static int write_format(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, SL("kv"), sl_cstr(arg));
    return 0;
}

EACH_ENGINE(another_format_is_refused_with_a_sentence)
{
    CHECK_OK(kv_transact(s->kv, SL("_format"), write_format, "2"));
    kv_close(&s->kv);
    CHECK_ERR(engine_open(s->engine, s->path, &s->kv), ERR_VERSION);
    CHECK_SL(sl_cstr(err_text(ERR_VERSION)), "the index has format 2; this program reads format 1 only");
}

TEST(a_store_has_one_process)
{
    char dir[] = "/tmp/tram-kv-test-XXXXXX";
    struct kv *one, *two = NULL;
    REQUIRE(mkdtemp(dir));
    REQUIRE(kv_rocks_open(&one, dir) == 0);
    CHECK_ERR(kv_rocks_open(&two, dir), ERR_BUSY);
    CHECK(strstr(err_text(ERR_BUSY), "another process has the store"));
    kv_close(&one);
    REQUIRE(kv_rocks_open(&one, dir) == 0);
    kv_close(&one);
    remove_tree(dir);
}

/* ---- faults ---- */

TEST(faults_end_as_they_say)
{
    struct suite s = {.engine = "mem"};
    ar_init(&s.a, 0);
    REQUIRE(kv_mem_open(&s.kv, NULL) == 0);
    CHECK_OK(put(s.kv, "o", "k", "0"));
    kv_mem_inject(s.kv, KV_FAULT_IO, 1);
    CHECK_ERR(put(s.kv, "o", "k", "1"), ERR_IO);
    CHECK_SL(get(&s, "o", "k"), "0");
    kv_mem_inject(s.kv, KV_FAULT_FULL, 2);
    CHECK_ERR(put(s.kv, "o", "k", "1"), ERR_FULL);
    CHECK_ERR(put(s.kv, "o", "k", "1"), ERR_FULL);
    CHECK_OK(put(s.kv, "o", "k", "2"));
    kv_mem_inject(s.kv, KV_FAULT_UNKNOWN_NOT_DONE, 1);
    CHECK_ERR(put(s.kv, "o", "k", "3"), ERR_UNKNOWN);
    CHECK_SL(get(&s, "o", "k"), "2");
    kv_mem_inject(s.kv, KV_FAULT_UNKNOWN_DONE, 1);
    CHECK_ERR(put(s.kv, "o", "k", "4"), ERR_UNKNOWN);
    CHECK_SL(get(&s, "o", "k"), "4");
    struct counter c = {.kv = s.kv};
    kv_mem_inject(s.kv, KV_FAULT_RERUN, 1);
    CHECK_OK(kv_transact(s.kv, SL("count"), add_one, &c));
    CHECK_SL(get(&s, "count", "n"), "1"); /* run twice, done once */
    kv_close(&s.kv);
    ar_free(&s.a);
}

static int times_said;

static void say(struct slice data)
{
    CHECK_SL(data, "done");
    times_said++;
}

static int say_something(struct kv_tx *tx, void *result)
{
    kv_tx_put(tx, SL("k"), SL("v"));
    kv_tx_say(tx, say, SL("done"));
    return *(int *)result;
}

TEST(what_a_transaction_has_to_say_is_said_once_and_only_when_it_is_done)
{
    static const struct {
        int result, fault, said;
    } cases[] = {
        {0, KV_FAULT_NONE, 1}, {0, KV_FAULT_RERUN, 1}, {ERR_STATE, KV_FAULT_NONE, 0}, {0, KV_FAULT_FULL, 0}};
    struct suite s = {.engine = "mem"};
    ar_init(&s.a, 0);
    REQUIRE(kv_mem_open(&s.kv, NULL) == 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int result = cases[i].result;
        times_said = 0;
        kv_mem_inject(s.kv, (enum kv_fault)cases[i].fault, 1);
        (void)!kv_transact(s.kv, SL("o"), say_something, &result);
        CHECK_INT(times_said, cases[i].said);
    }
    kv_close(&s.kv);
    ar_free(&s.a);
}

/* On kv_mem with a log and without: the store is there again after each of these. */
static void each_memory(void (*body)(struct suite *s))
{
    for (int log = 0; log < 2; log++) {
        struct suite s = {.engine = "mem", .dir = "/tmp/tram-kv-test-XXXXXX"};
        REQUIRE(mkdtemp(s.dir));
        snprintf(s.path, sizeof s.path, "%s/log", s.dir);
        ar_init(&s.a, 0);
        REQUIRE(kv_mem_open(&s.kv, log ? s.path : NULL) == 0);
        body(&s);
        kv_close(&s.kv);
        ar_free(&s.a);
        remove_tree(s.dir);
    }
}

static uint64_t reopened(struct suite *s)
{
    struct kv_stats st;
    kv_stats(s->kv, &st);
    return st.reopened;
}

static void write_errors(struct suite *s)
{
    CHECK_OK(put(s->kv, "o", "a", "1"));
    kv_mem_inject(s->kv, KV_FAULT_WRITE_DONE, 1);
    CHECK_OK(put(s->kv, "o", "b", "2"));
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 b=2 ");
    CHECK_INT(reopened(s), 1);
    kv_mem_inject(s->kv, KV_FAULT_WRITE_LOST, 2); /* the second time it is written fails as well */
    kv_note(s->kv, SL("o"), SL("n"), SL("rides along"));
    CHECK_OK(put(s->kv, "o", "c", "3"));
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 b=2 c=3 n=rides along ");
    CHECK_INT(reopened(s), 3);
    kv_mem_inject(s->kv, KV_FAULT_WRITE_LOST, 1);
    kv_mem_refuse(s->kv, ERR_BUSY, 2); /* no descriptor to open it with */
    CHECK_OK(put(s->kv, "o", "d", "4"));
    CHECK_SL(scan(s, "o", "d", "n", 9), "d=4 ");
    CHECK_INT(reopened(s), 4);
}

TEST(after_a_write_error_the_log_says_what_is_done) { each_memory(write_errors); }

static void full_disk(struct suite *s)
{
    CHECK_OK(put(s->kv, "o", "a", "1"));
    kv_mem_inject(s->kv, KV_FAULT_WRITE_FULL, 1);
    CHECK_ERR(put(s->kv, "o", "b", "2"), ERR_FULL);
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 ");
    kv_mem_refuse(s->kv, ERR_FULL, 2); /* there is no room yet */
    CHECK_ERR(put(s->kv, "o", "b", "2"), ERR_FULL);
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 "); /* reading goes on */
    CHECK_ERR(put(s->kv, "o", "b", "2"), ERR_FULL);
    CHECK_OK(put(s->kv, "o", "b", "2"));
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 b=2 ");
    CHECK_INT(reopened(s), 1);
}

TEST(a_full_disk_is_left_behind_when_there_is_room) { each_memory(full_disk); }

/* A sync that found no space: the change may be whole in the log. */
static void full_and_unknown(struct suite *s)
{
    CHECK_OK(put(s->kv, "o", "a", "1"));
    kv_mem_inject(s->kv, KV_FAULT_WRITE_DONE, 1);
    kv_mem_refuse(s->kv, ERR_FULL, 2);
    CHECK_ERR(put(s->kv, "o", "b", "2"), ERR_UNKNOWN);
    CHECK_ERR(put(s->kv, "o", "c", "3"), ERR_FULL);
    CHECK_OK(put(s->kv, "o", "d", "4"));
    CHECK_SL(scan(s, "o", "", "", 9), "a=1 b=2 d=4 ");
    kv_mem_inject(s->kv, KV_FAULT_WRITE_LOST, 1);
    kv_mem_refuse(s->kv, ERR_FULL, 1);
    CHECK_ERR(put(s->kv, "o", "e", "5"), ERR_UNKNOWN);
    CHECK_OK(put(s->kv, "o", "f", "6"));
    CHECK_SL(scan(s, "o", "d", "", 9), "d=4 f=6 ");
}

TEST(what_a_full_disk_left_open_is_told_as_unknown) { each_memory(full_and_unknown); }

struct reader {
    struct suite *s;
    bool stop;
    int reads;
};

static void read_on(void *arg)
{
    struct reader *r = arg;
    while (!r->stop) {
        struct arena a;
        struct slice v;
        ar_init(&a, 0);
        CHECK_OK(kv_get(r->s->kv, SL("o"), SL("a"), &a, &v));
        ar_free(&a);
        r->reads++;
        fiber_yield();
    }
}

static int read_here(void *arg)
{
    read_on(arg);
    return 0;
}

static void read_there(void *arg) { CHECK_OK(rt_call(1, read_here, arg)); }

/* RocksDB's files may not grow past this: appending to its log fails with EFBIG now and then. */
static void limit_files(rlim_t bytes)
{
    struct rlimit r;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &r);
    r.rlim_cur = bytes < r.rlim_max ? bytes : r.rlim_max;
    setrlimit(RLIMIT_FSIZE, &r);
}

TEST(rocksdb_is_opened_again_under_its_readers)
{
    struct suite s = {.engine = "rocks", .dir = "/tmp/tram-kv-test-XXXXXX"};
    static char big[40000];
    struct group g;
    REQUIRE(mkdtemp(s.dir));
    snprintf(s.path, sizeof s.path, "%s/index", s.dir);
    ar_init(&s.a, 0);
    REQUIRE(kv_rocks_open(&s.kv, s.path) == 0);
    CHECK_OK(put(s.kv, "o", "a", "1"));
    struct reader here = {.s = &s}, there = {.s = &s};
    group_init(&g);
    CHECK_OK(group_go(&g, "here", read_on, &here));
    CHECK_OK(group_go(&g, "there", read_there, &there));
    memset(big, 'x', sizeof big - 1);
    limit_files(100000);
    for (int i = 0; i < 8; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        CHECK_OK(put(s.kv, "o", key, big));
    }
    limit_files(RLIM_INFINITY);
    CHECK(reopened(&s) >= 2);
    here.stop = there.stop = true;
    CHECK_OK(group_wait(&g));
    CHECK(here.reads && there.reads);
    for (int again = 0; again < 2; again++, reopen(&s))
        CHECK_INT(scan(&s, "o", "", "", 20).n, 4 + 8 * (3 + sizeof big));
    kv_close(&s.kv);
    ar_free(&s.a);
    remove_tree(s.dir);
}

TEST(a_torn_log_is_cut)
{
    char dir[] = "/tmp/tram-kv-test-XXXXXX", path[64];
    struct suite s = {.engine = "mem"};
    struct file *f;
    uint64_t size;
    ar_init(&s.a, 0);
    REQUIRE(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/log", dir);
    REQUIRE(kv_mem_open(&s.kv, path) == 0);
    CHECK_OK(put(s.kv, "o", "k", "one"));
    CHECK_OK(put(s.kv, "o", "k", "two"));
    kv_close(&s.kv);
    REQUIRE(file_open(&f, path, FILE_WRITE) == 0);
    CHECK_OK(file_size(f, &size));
    CHECK_OK(file_pwrite(f, "garbage that is longer than a header", 36, size));
    file_close(&f);
    REQUIRE(kv_mem_open(&s.kv, path) == 0);
    CHECK_SL(get(&s, "o", "k"), "two");
    kv_close(&s.kv);
    REQUIRE(file_open(&f, path, FILE_WRITE) == 0);
    CHECK_OK(file_truncate(f, size - 1));
    file_close(&f);
    REQUIRE(kv_mem_open(&s.kv, path) == 0);
    CHECK_SL(get(&s, "o", "k"), "one");
    CHECK_OK(put(s.kv, "o", "k", "three"));
    kv_close(&s.kv);
    REQUIRE(kv_mem_open(&s.kv, path) == 0);
    CHECK_SL(get(&s, "o", "k"), "three");
    kv_close(&s.kv);
    ar_free(&s.a);
    remove_tree(dir);
}

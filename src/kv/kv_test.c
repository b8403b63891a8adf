/* kv_test.c - the conformance suite: what kv.h promises of rows, on every engine. Transactions: kv_tx_test.c;
 * files and faults: kv_faults_test.c. */
#include "kv_test.h"

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

struct visits {
    size_t n, stop_at;
    char last[16];
    bool in_order;
};

static int visit_object(void *arg, struct slice object)
{
    struct visits *v = arg;
    v->in_order &= sl_cmp(sl_cstr(v->last), object) < 0;
    snprintf(v->last, sizeof v->last, "%.*s", SLF(object));
    return ++v->n == v->stop_at ? 7 : 0;
}

/* More than a page of names. */
EACH_ENGINE(each_object_is_visited)
{
    enum { OBJECTS = KV_PAGE_MAX + 50 };
    for (int i = 0; i < OBJECTS; i++) {
        char object[16];
        snprintf(object, sizeof object, "v:%05d", i);
        kv_note(s->kv, sl_cstr(object), SL("k"), SL("v"));
    }
    CHECK_OK(put(s->kv, "w:other", "k", "v"));
    struct visits all = {.in_order = true}, some = {.stop_at = OBJECTS - 5};
    CHECK_OK(kv_each_object(s->kv, SL("v:"), SL("v;"), visit_object, &all));
    CHECK(all.n == OBJECTS && all.in_order);
    CHECK_INT(kv_each_object(s->kv, SL("v:"), SL("v;"), visit_object, &some), 7);
    CHECK_INT(some.n, OBJECTS - 5);
    CHECK_OK(kv_passed_over(SL("v:1"), "counted", err_set(ERR_CORRUPT, "a row is damaged")));
    CHECK_INT(kv_passed_over(SL("v:1"), "counted", ERR_IO), ERR_IO);
}

/* ---- erasing ---- */

enum { ERASED_FEW = 3, ERASED_MANY = 1000 }; /* few are deleted one by one, many as a range */

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

/* ---- what was erased ---- */

enum { ERASED = 5000 };

static int put_many(struct kv_tx *tx, void *arg)
{
    char key[16];
    (void)arg;
    for (int i = 0; i < ERASED; i++) {
        snprintf(key, sizeof key, "m/%08d", i);
        kv_tx_put(tx, sl_cstr(key), SL("row"));
    }
    kv_tx_put(tx, SL("n"), SL("left"));
    return 0;
}

static int delete_many(struct kv_tx *tx, void *arg)
{
    char key[16];
    (void)arg;
    for (int i = 0; i < ERASED; i++) {
        snprintf(key, sizeof key, "m/%08d", i);
        kv_tx_del(tx, sl_cstr(key));
    }
    return 0;
}

static void take_turn(void *arg) { *(bool *)arg = true; }

/* A scan that passes over many of them is made elsewhere: nobody of the loop waits for it. */
EACH_ENGINE(kv_passes_over_what_was_erased_without_holding_up_a_loop)
{
    struct kv_page page;
    struct group g;
    bool others = false;
    CHECK_OK(kv_transact(s->kv, SL("u:x"), put_many, NULL));
    CHECK_OK(kv_transact(s->kv, SL("u:x"), delete_many, NULL));
    group_init(&g);
    CHECK_OK(group_go(&g, "another", take_turn, &others));
    CHECK_OK(kv_scan(s->kv, SL("u:x"), SL("m/"), SL(""), 10, &s->a, &page));
    CHECK(others || s->engine[0] == 'm'); /* the engine for tests has nothing of them any more */
    CHECK(page.n == 1 && !page.more && sl_eq(page.row[0].key, SL("n")));
    CHECK_OK(group_wait(&g));
    CHECK_OK(kv_scan(s->kv, SL("u:x"), SL("m/"), SL("m0"), 10, &s->a, &page));
    CHECK_INT(page.n, 0);
}

/* Whoever reads row after row, all of them in memory, lets others have their turn. */
EACH_ENGINE(kv_reads_without_end_hold_no_loop)
{
    struct group g;
    struct slice v;
    bool others = false;
    CHECK_OK(kv_transact(s->kv, SL("u:x"), put_many, NULL));
    group_init(&g);
    CHECK_OK(group_go(&g, "another", take_turn, &others));
    for (int i = 0; i < ERASED && !others; i++) CHECK_OK(kv_get(s->kv, SL("u:x"), SL("n"), &s->a, &v));
    CHECK(others);
    CHECK_OK(group_wait(&g));
}

/* The same where nothing is found. */
EACH_ENGINE(kv_reads_that_find_nothing_hold_no_loop)
{
    struct group g;
    struct slice v;
    bool others = false;
    CHECK_OK(kv_transact(s->kv, SL("u:x"), put_many, NULL));
    group_init(&g);
    CHECK_OK(group_go(&g, "another", take_turn, &others));
    for (int i = 0; i < 100 * ERASED && !others; i++)
        CHECK_ERR(kv_get(s->kv, SL("u:x"), SL("none"), &s->a, &v), ERR_NOT_FOUND);
    CHECK(others);
    CHECK_OK(group_wait(&g));
}

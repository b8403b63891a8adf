/* junk_test.c - learning from letters that are made up, and judging others of the same kind. */
#include "base/buf.h"
#include "base/test.h"
#include "kv/kv.h"
#include "kv/record.h"
#include "rt/test_rt.h"
#include "words.h"

/* ---- a corpus: two kinds of letters over one language, with some words of their own ---- */

static uint32_t chance;
static uint32_t draw(uint32_t n)
{
    chance = chance * 1664525 + 1013904223;
    return (chance >> 8) % n;
}

static void put_words(struct buf *b, const char *kind, unsigned n, unsigned of_kind)
{
    for (unsigned i = 0; i < n; i++)
        if (draw(100) < of_kind) buf_printf(b, "%s%u ", kind, draw(60));
        else buf_printf(b, "common%u ", draw(400));
}

/* One word in five is of the kind; one in twenty of the other. */
static struct slice made_up(struct arena *a, bool junk)
{
    struct buf b = BUF_INIT;
    put_words(&b, junk ? "junk" : "good", 60, 20);
    put_words(&b, junk ? "good" : "junk", 20, 5);
    struct slice s = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return s;
}

static struct junk_letter letter(struct arena *a, bool junk, unsigned no)
{
    return (struct junk_letter){.subject = SL("a letter"),
                                .from = junk ? SL("x@junk.example") : SL("y@good.example"),
                                .text = made_up(a, junk),
                                .name = ar_printf(a, "%c%u", junk ? 'j' : 'g', no)};
}

static void teach(struct kv *kv, struct arena *a, const char *account, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        for (int junk = 0; junk < 2; junk++) {
            struct junk_letter l = letter(a, junk, i);
            CHECK_OK(junk_learn(kv, account, &l, junk));
        }
}

TEST(junk_is_told_from_good_letters_on_a_made_up_corpus)
{
    struct kv *kv;
    struct arena a = {0};
    unsigned caught = 0, wrong = 0, n = 200;
    chance = 1;
    CHECK_OK(kv_mem_open(&kv, NULL));
    teach(kv, &a, "A", 50);
    for (unsigned i = 0; i < n; i++) {
        struct junk_letter bad = letter(&a, true, 1000 + i), good = letter(&a, false, 1000 + i);
        struct junk_verdict v;
        bad.from = good.from = SL("z@unknown.example"); /* by their words alone */
        CHECK_OK(junk_judge(kv, "A", &bad, &a, &v));
        CHECK(v.known && v.words.n);
        caught += v.score >= JUNK_FROM;
        CHECK_OK(junk_judge(kv, "A", &good, &a, &v));
        wrong += v.score >= JUNK_FROM;
    }
    CHECK(caught >= n * 90 / 100);
    CHECK_INT(wrong, 0);
    kv_close(&kv);
    ar_free(&a);
}

TEST(junk_says_nothing_before_it_knows_both_kinds)
{
    struct kv *kv;
    struct arena a = {0};
    struct junk_verdict v;
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK(!junk_known(kv, "A"));
    for (unsigned i = 0; i < 100; i++) {
        struct junk_letter l = letter(&a, true, i);
        CHECK_OK(junk_learn(kv, "A", &l, true));
    }
    struct junk_letter l = letter(&a, true, 0);
    CHECK_OK(junk_judge(kv, "A", &l, &a, &v));
    CHECK(!v.known && !v.words.n);
    CHECK_OK(junk_judge(kv, NULL, &l, &a, &v));
    CHECK(!v.known);
    kv_close(&kv);
    ar_free(&a);
}

/* What one person taught helps others, through the node's corpus. */
TEST(junk_is_known_to_the_node_as_well)
{
    struct kv *kv;
    struct arena a = {0};
    struct junk_verdict v;
    chance = 2;
    CHECK_OK(kv_mem_open(&kv, NULL));
    teach(kv, &a, "A", 30);
    struct junk_letter l = letter(&a, true, 1000);
    CHECK_OK(junk_judge(kv, "B", &l, &a, &v));
    CHECK(v.known && v.score >= JUNK_FROM);
    kv_close(&kv);
    ar_free(&a);
}

TEST(junk_takes_back_what_was_a_mistake)
{
    struct kv *kv;
    struct arena a = {0};
    struct junk_verdict before, after;
    chance = 3;
    CHECK_OK(kv_mem_open(&kv, NULL));
    teach(kv, &a, "A", 30);
    struct junk_letter l = letter(&a, false, 5000), again;
    l.text = SL("orchid orchid petal petal");
    again = l;
    again.name = SL("another");
    CHECK_OK(junk_learn(kv, "A", &l, true));
    CHECK_OK(junk_learn(kv, "A", &l, true)); /* the second time is nothing new */
    CHECK_OK(junk_judge(kv, "A", &again, &a, &before));
    CHECK_OK(junk_learn(kv, "A", &l, false));
    CHECK_OK(junk_judge(kv, "A", &again, &a, &after));
    CHECK(before.score > after.score && after.score < 50);
    kv_close(&kv);
    ar_free(&a);
}

TEST(junk_words_of_a_letter)
{
    struct arena a = {0};
    static struct junk_words w;
    struct junk_letter l = {.subject = SL("Cheap CHEAP"),
                            .from = SL("Joe@Example.org"),
                            .text = SL("<p class=\"x\">Buy <b>n\xc3\x96w</b>, it's $100 <a "
                                       "href='http://Evil.example/x'>here</a> a < b to")};
    static const char *const want[] = {"from*joe@example.org",
                                       "from*example.org",
                                       "subject*cheap",
                                       "buy",
                                       "now",
                                       "it's",
                                       "$100",
                                       "link*evil.example",
                                       "here"};
    junk_words(&a, &l, &w);
    CHECK_INT(w.n, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want) && i < w.n; i++)
        CHECK(sl_starts(w.v[i].text, sl_sub(sl_cstr(want[i]), 0, 1)));
    CHECK_SL(w.v[0].text, "from*joe@example.org");
    CHECK_SL(w.v[7].text, "link*evil.example");
    struct buf b = BUF_INIT;
    for (int i = 0; i < 2000; i++) buf_printf(&b, "word%d ", i);
    l.text = buf_slice(&b);
    junk_words(&a, &l, &w);
    CHECK_INT(w.n, JUNK_WORDS_MAX);
    buf_free(&b);
    ar_free(&a);
}

TEST(junk_of_words_together)
{
    static struct junk_words w;
    CHECK(junk_says((struct junk_counts){0}, (struct junk_counts){10, 10}) == 0.5);
    CHECK(junk_says((struct junk_counts){5, 0}, (struct junk_counts){10, 10}) > 0.9);
    CHECK(junk_says((struct junk_counts){0, 5}, (struct junk_counts){10, 10}) < 0.1);
    CHECK(junk_together(&w) == 0.5);
    for (w.n = 0; w.n < 10; w.n++) w.v[w.n].says = 0.95;
    CHECK(junk_together(&w) > 0.99);
    for (w.n = 0; w.n < 10; w.n++) w.v[w.n].says = w.n % 2 ? 0.95 : 0.05;
    CHECK(junk_together(&w) > 0.4 && junk_together(&w) < 0.6);
    for (w.n = 0; w.n < 10; w.n++) w.v[w.n].says = 0.05;
    CHECK(junk_together(&w) < 0.01);
}

static size_t learned(struct kv *kv, struct slice object)
{
    struct arena a = {0};
    struct kv_page page = {.more = true};
    struct slice from = SL("l/");
    size_t n = 0;
    while (page.more) {
        CHECK_OK(kv_scan(kv, object, from, SL("m"), 500, &a, &page));
        n += page.n;
        if (!page.n) break;
        from = kv_after(&a, page.row[page.n - 1].key);
    }
    ar_free(&a);
    return n;
}

/* As many letters as it takes, by the sums; the rest of them stays. */
static int full_tx(struct kv_tx *tx, void *arg)
{
    struct buf b = BUF_INIT;
    struct slice row;
    struct rec r;
    (void)arg;
    int e = kv_tx_get(tx, SL("n"), &row);
    if (!e) e = rec_open(&r, row, 1);
    if (e) return e;
    rec_begin(&b, 1);
    rec_put_u64(&b, 'j', JUNK_LETTERS_MAX / 2);
    rec_put_u64(&b, 'g', JUNK_LETTERS_MAX / 2);
    while (rec_next(&r))
        if (r.tag != 'j' && r.tag != 'g') rec_put(&b, r.tag, r.field);
    kv_tx_put_record(tx, SL("n"), &b);
    buf_free(&b);
    return 0;
}

TEST(junk_one_account_teaches_the_node_a_share_only)
{
    struct kv *kv;
    struct arena a = {0};
    CHECK_OK(kv_mem_open(&kv, NULL));
    for (unsigned i = 0; i < JUNK_NODE_SHARE + 20; i++) {
        struct junk_letter l = {.text = SL("bank"), .name = ar_printf(&a, "%u", i)};
        CHECK_OK(junk_learn(kv, "A", &l, true));
        if (i < 10)
            CHECK_OK(junk_learn(
                kv, "B", &(struct junk_letter){.text = SL("bank"), .name = ar_printf(&a, "b%u", i)}, false));
    }
    CHECK_INT(learned(kv, SL("j:A")), JUNK_NODE_SHARE + 20);
    CHECK_INT(learned(kv, SL("j:node")), JUNK_NODE_SHARE + 10);
    kv_close(&kv);
    ar_free(&a);
}

/* ---- ageing ---- */

static void teach_one(struct kv *kv, struct arena *a, const char *text, unsigned no, bool junk)
{
    struct junk_letter l = {.text = sl_cstr(text), .name = ar_printf(a, "%s%u", text, no)};
    CHECK_OK(junk_learn(kv, "B", &l, junk));
}

static unsigned score_of(struct kv *kv, struct arena *a, const char *text)
{
    struct junk_verdict v;
    struct junk_letter l = {.text = sl_cstr(text), .name = SL("?")};
    CHECK_OK(junk_judge(kv, "B", &l, a, &v));
    CHECK(v.known);
    return v.score;
}

static bool knows(struct kv *kv, struct arena *a, const char *word)
{
    static struct junk_words w;
    struct junk_letter l = {.text = sl_cstr(word)};
    struct slice row;
    junk_words(a, &l, &w);
    return kv_get(kv, SL("j:B"), ar_printf(a, "w/%016llx", (unsigned long long)w.v[0].hash), a, &row) == 0;
}

/* A corpus that has its fill learns on: what it learned before weighs half, then less, then is forgotten. */
TEST(junk_that_was_learned_long_ago_fades)
{
    struct kv *kv;
    struct arena a = {0};
    CHECK_OK(kv_mem_open(&kv, NULL));
    for (unsigned i = 0; i < 30; i++)
        teach_one(kv, &a, "orchid", i, true), teach_one(kv, &a, "bank", i, false);
    teach_one(kv, &a, "rarity", 1, true);
    CHECK(score_of(kv, &a, "orchid") > 50 && score_of(kv, &a, "bank") < 50);
    CHECK(knows(kv, &a, "rarity"));
    CHECK_OK(kv_transact(kv, SL("j:B"), full_tx, NULL));
    teach_one(kv, &a, "fresh", 1, true);
    CHECK(!knows(kv, &a, "rarity") && knows(kv, &a, "orchid")); /* half of one is nothing */
    CHECK_INT(learned(kv, SL("j:B")), 62);
    for (unsigned i = 0; i < 40; i++)
        teach_one(kv, &a, "orchid", 100 + i, false); /* words change their side */
    CHECK(score_of(kv, &a, "orchid") < 50);
    CHECK_OK(kv_transact(kv, SL("j:B"), full_tx, NULL));
    teach_one(kv, &a, "fresh", 2, true);
    CHECK_INT(learned(kv, SL("j:B")),
              42); /* letters of two halvings ago are learned anew when they come again */
    kv_close(&kv);
    ar_free(&a);
}

TEST(junk_takes_back_nothing_that_was_halved_since)
{
    struct kv *kv;
    struct arena a = {0};
    CHECK_OK(kv_mem_open(&kv, NULL));
    for (unsigned i = 0; i < 40; i++)
        teach_one(kv, &a, "orchid", i, true), teach_one(kv, &a, "bank", i, false);
    CHECK_OK(kv_transact(kv, SL("j:B"), full_tx, NULL));
    teach_one(kv, &a, "fresh", 1, true);
    for (unsigned i = 0; i < 20; i++) teach_one(kv, &a, "orchid", i, false);
    unsigned once = score_of(kv, &a, "orchid");
    for (unsigned i = 0; i < 20; i++) teach_one(kv, &a, "orchid", i, false);
    CHECK_INT(score_of(kv, &a, "orchid"), once); /* the second time is nothing new */
    for (unsigned i = 20; i < 40; i++) teach_one(kv, &a, "orchid", i, false);
    CHECK(score_of(kv, &a, "orchid") < once);
    kv_close(&kv);
    ar_free(&a);
}

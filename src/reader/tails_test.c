/* tails_test.c - digests in memory: what was put is there or not, but never another's; within the budget. */
#include "base/memory.h"
#include "base/test.h"
#include "tails.h"

static bool is(struct reader_tails *t, const struct digest_key *k, uint32_t uid, struct slice want)
{
    struct buf b = BUF_INIT;
    bool there = reader_tails_get(t, k, uid, &b);
    if (there) CHECK(sl_eq(buf_slice(&b), want));
    buf_free(&b);
    return there;
}

TEST(tails_are_whose_they_are)
{
    struct reader_tails *t = reader_tails_new();
    struct digest_key k = {.box = {.account = "a", .box = 1}, .uidvalidity = 7, .kind = 'h', .version = 2},
                      o = k;
    CHECK(!is(t, &k, 1, SL("")));
    reader_tails_put(t, &k, 1, SL("one"));
    reader_tails_put(t, &k, 2, SL(""));
    CHECK(is(t, &k, 1, SL("one")) && is(t, &k, 2, SL("")));
    reader_tails_put(t, &k, 1, SL("ONE"));
    CHECK(is(t, &k, 1, SL("ONE")) && !is(t, &k, 3, SL("")));
    o.box.account = "b";
    CHECK(!is(t, &o, 1, SL("")));
    o = k, o.box.box = 2;
    CHECK(!is(t, &o, 1, SL("")));
    o = k, o.uidvalidity++;
    CHECK(!is(t, &o, 1, SL("")));
    o = k, o.kind = 'p';
    CHECK(!is(t, &o, 1, SL("")));
    o = k, o.version++;
    CHECK(!is(t, &o, 1, SL("")));
    reader_tails_free(&t);
}

TEST(tails_keep_within_their_budget)
{
    struct reader_tails *t = reader_tails_new();
    struct digest_key k = {.box = {.account = "a", .box = 1}, .uidvalidity = 7, .kind = 'h'};
    static char big[DIGEST_MAX];
    size_t before = memory_used(), there = 0;
    for (uint32_t uid = 1; uid <= 50000; uid++) {
        memset(big, (char)uid, sizeof big);
        reader_tails_put(t, &k, uid, sl(big, sizeof big));
        CHECK(is(t, &k, uid, sl(big, sizeof big)));
    }
    for (uint32_t uid = 1; uid <= 50000; uid++) {
        memset(big, (char)uid, sizeof big);
        there += is(t, &k, uid, sl(big, sizeof big));
    }
    CHECK(there > 1000 && memory_used() <= before + (4 << 20) + sizeof big);
    reader_tails_free(&t);
    CHECK_INT(memory_used(), before);
}

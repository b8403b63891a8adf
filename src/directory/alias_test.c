/* alias_test.c - where a letter for an address goes: accounts, aliases, the duties of postmaster. */
#include "directory_i.h"
#include "directory_test.h"
#include "kv/record.h"

#include <stdlib.h>

TEST(directory_resolves_in_order)
{
    struct dir_fixture f;
    REQUIRE(dir_fixture_people(&f));
    struct slice to_both[] = {SL("alice@one.test"), SL("bob@one.test"), SL("far@away.example")};
    CHECK_OK(alias_add(f.dir, SL("team@one.test"), to_both, 3));
    CHECK(reaches(&f, "ALICE", "One.Test", "alice@one.test"));
    CHECK(reaches(&f, "alice+lists", "one.test", "alice@one.test"));
    CHECK_SL(resolve(&f, "alice+lists", "one.test").v[0].detail, "lists");
    CHECK_INT(resolve(&f, "nobody", "one.test").result, RESOLVED_NO_USER);
    CHECK_INT(resolve(&f, "x", "elsewhere.test").result, RESOLVED_NOT_LOCAL);
    struct routes r = resolve(&f, "team", "one.test");
    REQUIRE(r.result == RESOLVED && r.n == 3 && r.rewritten);
    CHECK(r.v[0].local && r.v[1].local && !r.v[2].local);
    CHECK(reaches(&f, "postmaster", "two.test", "alice@one.test")); /* nobody there: the oldest of the node */
    CHECK(reaches(&f, "postmaster", "", "alice@one.test"));
    CHECK(reaches(&f, "abuse", "one.test", "alice@one.test"));
    CHECK_OK(domain_set_catch_all(f.dir, SL("two.test"), SL("bob@one.test")));
    CHECK(reaches(&f, "anything", "two.test", "bob@one.test"));
    CHECK_OK(account_disable(f.dir, SL("bob@one.test"), true));
    CHECK_INT(resolve(&f, "bob", "one.test").result, RESOLVED_DISABLED);
    CHECK_INT(resolve(&f, "team", "one.test").n, 2);
    dir_fixture_end(&f);
}

TEST(directory_aliases_in_a_circle_end)
{
    struct dir_fixture f;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(alias_add(f.dir, SL("x@one.test"), &SL("y@one.test"), 1));
    CHECK_OK(alias_add(f.dir, SL("y@one.test"), &SL("x@one.test"), 1));
    CHECK_INT(resolve(&f, "x", "one.test").result, RESOLVED_LOOP);
    /* each of many leads to all of them: bounded, not 10 levels of 60 */
    struct slice all[60];
    for (int i = 0; i < 60; i++) all[i] = ar_printf(&f.a, "m%d@one.test", i);
    for (int i = 0; i < 60; i++) CHECK_OK(alias_add(f.dir, all[i], all, 60));
    CHECK_INT(resolve(&f, "m7", "one.test").result, RESOLVED_TOO_MANY);
    CHECK_ERR(alias_remove(f.dir, SL("never@one.test"), NULL), ERR_NOT_FOUND);
    CHECK_OK(alias_remove(f.dir, SL("x@one.test"), NULL));
    CHECK_INT(resolve(&f, "x", "one.test").result, RESOLVED_NO_USER);
    dir_fixture_end(&f);
}

/* An address of 64 + 1 + n bytes. */
static struct slice long_address(struct arena *a, int i, int n)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "%064d@", i);
    while (n > 5) {
        int label = n - 5 > 60 ? 60 : n - 5;
        buf_printf(&b, "%0*d%s", label - 1, 1, n - label > 5 ? "." : "x");
        n -= label;
    }
    buf_str(&b, ".test");
    struct slice s = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return s;
}

TEST(an_alias_is_whole_or_refused_in_words)
{
    struct dir_fixture f;
    struct alias *list;
    size_t n;
    struct slice to[ALIAS_TARGETS_MAX];
    REQUIRE(dir_fixture_people(&f));
    for (int i = 0; i < ALIAS_TARGETS_MAX; i++) to[i] = long_address(&f.a, i, 200);
    CHECK_ERR(alias_add(f.dir, SL("all@one.test"), to, 400), ERR_LIMIT);
    CHECK(strstr(err_text(ERR_LIMIT), "61440 bytes together"));
    CHECK_INT(resolve(&f, "all", "one.test").result, RESOLVED_NO_USER);
    size_t fit = LIMIT_ALIAS_BYTES / (to[0].n + 3); /* tag, two bytes of length */
    CHECK_OK(alias_add(f.dir, SL("all@one.test"), to, fit));
    CHECK_INT(resolve(&f, "all", "one.test").n, fit);
    CHECK_ERR(alias_add(f.dir, SL("all@one.test"), to + fit, 1), ERR_LIMIT);
    CHECK_OK(alias_list(f.dir, &f.a, SL("one.test"), &list, &n));
    CHECK(n == 1 && list[0].n == fit);
    /* the way that the sentence names */
    CHECK_OK(alias_add(f.dir, SL("more@one.test"), to + fit, fit));
    struct slice both[2] = {SL("all@one.test"), SL("more@one.test")};
    CHECK_OK(alias_add(f.dir, SL("each@one.test"), both, 2));
    CHECK_INT(resolve(&f, "each", "one.test").n, 2 * fit);
    dir_fixture_end(&f);
}

/* Nobody is left out in silence. */
TEST(aliases_that_lead_to_too_many_are_refused)
{
    struct dir_fixture f;
    struct slice to[ALIAS_TARGETS_MAX], deep[ALIAS_DEPTH_MAX + 2];
    REQUIRE(dir_fixture_people(&f));
    for (int i = 0; i < ALIAS_TARGETS_MAX; i++) to[i] = ar_printf(&f.a, "u%d@far.test", i);
    CHECK_OK(alias_add(f.dir, SL("all@one.test"), to, ALIAS_TARGETS_MAX));
    CHECK_INT(resolve(&f, "all", "one.test").n, ALIAS_TARGETS_MAX);
    struct slice two[2] = {SL("all@one.test"), SL("alice@one.test")};
    CHECK_OK(alias_add(f.dir, SL("more@one.test"), two, 2));
    CHECK_INT(resolve(&f, "more", "one.test").result, RESOLVED_TOO_MANY);
    for (int i = 0; i <= ALIAS_DEPTH_MAX + 1; i++) deep[i] = ar_printf(&f.a, "d%d@one.test", i);
    for (int i = 0; i <= ALIAS_DEPTH_MAX; i++) CHECK_OK(alias_add(f.dir, deep[i], &deep[i + 1], 1));
    CHECK_OK(alias_add(f.dir, deep[ALIAS_DEPTH_MAX + 1], &two[1], 1));
    CHECK_OK(alias_add(f.dir, deep[0], &SL("bob@one.test"), 1));
    CHECK_INT(resolve(&f, "d0", "one.test").result, RESOLVED_TOO_MANY);
    CHECK_INT(resolve(&f, "d2", "one.test").n, 1);
    /* a circle with a way out leads there */
    CHECK_OK(alias_add(f.dir, SL("x@one.test"), (struct slice[]){SL("y@one.test"), two[1]}, 2));
    CHECK_OK(alias_add(f.dir, SL("y@one.test"), &SL("X@one.test"), 1));
    CHECK(reaches(&f, "x", "one.test", "alice@one.test") && reaches(&f, "y", "one.test", "alice@one.test"));
    dir_fixture_end(&f);
}

TEST(directory_an_account_can_keep_mail_and_send_it_on)
{
    struct dir_fixture f;
    struct alias_effect x;
    struct account bob;
    struct slice to[] = {SL("far@away.example"), SL("bob@one.test")};
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(alias_add(f.dir, SL("bob@one.test"), to, 1));
    CHECK_OK(alias_effect(f.dir, &f.a, SL("Bob@one.test"), &x));
    CHECK(x.hidden && !x.kept && x.n == 1 && x.end[0] == ALIAS_LEAVES);
    CHECK(reaches(&f, "bob", "one.test", "bob@one.test"));
    CHECK_OK(alias_add(f.dir, SL("bob@one.test"), &to[1], 1));
    CHECK_OK(alias_effect(f.dir, &f.a, SL("bob@one.test"), &x));
    CHECK(!x.hidden && x.kept && x.n == 2 && x.end[1] == ALIAS_ARRIVES);
    struct routes r = resolve(&f, "bob+tag", "one.test");
    REQUIRE(r.n == 2 && r.v[0].local && !r.v[1].local);
    CHECK_SL(r.v[0].detail, "tag");
    CHECK_OK(account_get(f.dir, &f.a, SL("bob@one.test"), &bob));
    CHECK_OK(account_may_send_as(f.dir, &bob, SL("bob"), SL("one.test")));
    CHECK_OK(account_may_send_as(f.dir, &bob, SL("bob+shop"), SL("one.test")));
    CHECK_OK(account_disable(f.dir, SL("bob@one.test"), true));
    CHECK_INT(resolve(&f, "bob", "one.test").result, RESOLVED_DISABLED);
    dir_fixture_end(&f);
}

TEST(directory_an_alias_tells_where_each_target_ends)
{
    struct dir_fixture f;
    struct alias_effect x;
    struct slice to[] = {SL("alice@one.test"), SL("bob@one.test"),     SL("nobody@one.test"),
                         SL("back@one.test"),  SL("far@away.example"), SL("team@one.test")};
    static const enum alias_end want[] = {ALIAS_ARRIVES, ALIAS_DISABLED, ALIAS_NOBODY,
                                          ALIAS_CIRCLE,  ALIAS_LEAVES,   ALIAS_CIRCLE};
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(account_disable(f.dir, SL("bob@one.test"), true));
    CHECK_OK(alias_add(f.dir, SL("team@one.test"), to, 3));
    CHECK_OK(alias_add(f.dir, SL("back@one.test"), &to[5], 1));
    CHECK_OK(alias_add(f.dir, SL("team@one.test"), to, 6)); /* merges */
    CHECK_OK(alias_effect(f.dir, &f.a, SL("team@one.test"), &x));
    REQUIRE(x.n == COUNT_OF(want));
    for (size_t i = 0; i < x.n; i++) CHECK_INT(x.end[i], want[i]);
    CHECK_ERR(alias_remove(f.dir, SL("team@one.test"), &SL("FAR@away.example")), ERR_NOT_FOUND);
    CHECK_OK(alias_remove(f.dir, SL("team@one.test"), &SL("Nobody@one.test")));
    CHECK_OK(alias_effect(f.dir, &f.a, SL("team@one.test"), &x));
    CHECK_INT(x.n, COUNT_OF(want) - 1);
    dir_fixture_end(&f);
}

/* ---- one row for the duties ---- */

static int damage(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("a:bob"), SL("\xff"));
    return 0;
}

TEST(directory_postmaster_is_found_without_reading_every_account)
{
    struct dir_fixture f;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(kv_transact(f.kv, SL("d:one.test"), damage, NULL));
    CHECK(reaches(&f, "postmaster", "one.test", "alice@one.test"));
    CHECK(reaches(&f, "abuse", "two.test", "alice@one.test"));
    CHECK_OK(account_add(f.dir, SL("carol@two.test"), SL("x")));
    CHECK(reaches(&f, "abuse", "two.test", "carol@two.test"));
    CHECK_OK(account_disable(f.dir, SL("alice@one.test"), true)); /* bob's row cannot be read */
    CHECK(reaches(&f, "postmaster", "one.test", "carol@two.test"));
    CHECK_OK(account_disable(f.dir, SL("alice@one.test"), false));
    CHECK(reaches(&f, "postmaster", "one.test", "alice@one.test"));
    CHECK_OK(account_remove(f.dir, SL("carol@two.test")));
    CHECK(reaches(&f, "abuse", "two.test", "alice@one.test"));
    dir_fixture_end(&f);
}

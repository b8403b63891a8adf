/* login_test.c - passwords, decoys, and sessions whose login counts no more. */
#include "login.h"

#include "directory/directory_test.h"

struct world {
    struct dir_fixture f;
    struct login *login;
};

static bool begin(struct world *w)
{
    if (!dir_fixture_begin(&w->f)) return false;
    CHECK_OK(domain_add(w->f.dir, SL("one.test")));
    CHECK_OK(domain_add(w->f.dir, SL("two.test")));
    CHECK_OK(account_add(w->f.dir, SL("alice@one.test"), SL("secret-a")));
    CHECK_OK(account_add(w->f.dir, SL("bob@one.test"), SL("secret-b")));
    int e = login_open(&w->login, w->f.kv, w->f.dir);
    CHECK_OK(e);
    return e == 0;
}

static void end(struct world *w)
{
    login_close(&w->login);
    dir_fixture_end(&w->f);
}

TEST(login_by_password)
{
    struct world w;
    struct account acc;
    REQUIRE(begin(&w));
    for (int i = 0; i < 2; i++)
        CHECK_OK(login_password(w.login, &w.f.a, SL("alice@one.test"), SL("secret-a"), 0, &acc));
    CHECK_ERR(login_password(w.login, &w.f.a, SL("alice@one.test"), SL("secret-b"), 0, &acc), ERR_DENIED);
    CHECK_ERR(login_password(w.login, &w.f.a, SL("nobody@one.test"), SL("secret-a"), 0, &acc), ERR_DENIED);
    CHECK_ERR(login_password(w.login, &w.f.a, SL("alice"), SL("secret-a"), 0, &acc),
              ERR_DENIED); /* two domains are here */
    CHECK_OK(account_password(w.f.dir, SL("alice@one.test"), SL("new")));
    CHECK_ERR(login_password(w.login, &w.f.a, SL("alice@one.test"), SL("secret-a"), 0, &acc), ERR_DENIED);
    CHECK_OK(login_password(w.login, &w.f.a, SL("alice@one.test"), SL("new"), 0, &acc));
    CHECK_OK(account_disable(w.f.dir, SL("alice@one.test"), true));
    CHECK_ERR(login_password(w.login, &w.f.a, SL("alice@one.test"), SL("new"), 0, &acc), ERR_DENIED);
    CHECK_OK(account_disable(w.f.dir, SL("alice@one.test"), false));
    CHECK_OK(domain_remove(w.f.dir, SL("two.test")));
    CHECK_OK(login_password(w.login, &w.f.a, SL("alice"), SL("new"), 0, &acc)); /* now there is one */
    struct scram_keys x, y;
    login_decoy(w.login, SL("ghost@one.test"), &x);
    login_decoy(w.login, SL("ghost@one.test"), &y);
    CHECK(memcmp(x.salt, y.salt, sizeof x.salt) == 0 && x.iterations == acc.keys.iterations);
    end(&w);
}

TEST(login_an_open_session_learns_that_its_login_counts_no_more)
{
    struct world w;
    struct account alice, bob;
    struct authority a, b, again;
    REQUIRE(begin(&w));
    CHECK_OK(account_get(w.f.dir, &w.f.a, SL("alice@one.test"), &alice));
    CHECK_OK(account_get(w.f.dir, &w.f.a, SL("bob@one.test"), &bob));
    authority_begin(&a, w.f.dir, &alice, NULL);
    authority_begin(&b, w.f.dir, &bob, NULL);
    CHECK_OK(domain_add(w.f.dir, SL("three.test")));
    CHECK_OK(authority_check(&a));
    again = a;
    CHECK_OK(account_password(w.f.dir, SL("alice@one.test"), SL("secret-a"))); /* the same one, set again */
    CHECK_ERR(authority_check(&a), ERR_DENIED);
    CHECK_ERR(authority_check(&again), ERR_DENIED);
    CHECK_OK(authority_check(&b));
    CHECK_OK(account_disable(w.f.dir, SL("bob@one.test"), true));
    CHECK_OK(account_disable(w.f.dir, SL("bob@one.test"), false)); /* nobody looked meanwhile */
    CHECK_ERR(authority_check(&b), ERR_DENIED);
    CHECK_OK(account_get(w.f.dir, &w.f.a, SL("bob@one.test"), &bob));
    authority_begin(&b, w.f.dir, &bob, NULL);
    CHECK_OK(account_remove(w.f.dir, SL("bob@one.test")));
    CHECK_OK(account_add(w.f.dir, SL("bob@one.test"), SL("secret-b")));
    CHECK_ERR(authority_check(&b), ERR_DENIED);
    end(&w);
}

TEST(login_decoys_are_one_for_every_spelling_and_last)
{
    static const char *const spelled[] = {"ghost@one.test", "GHOST@One.Test"};
    struct world w;
    struct scram_keys first, again;
    REQUIRE(begin(&w));
    login_decoy(w.login, SL("Ghost@one.test"), &first);
    for (size_t i = 0; i < COUNT_OF(spelled); i++) {
        login_decoy(w.login, sl_cstr(spelled[i]), &again);
        CHECK(memcmp(first.salt, again.salt, sizeof first.salt) == 0);
    }
    login_close(&w.login); /* the next start */
    CHECK_OK(login_open(&w.login, w.f.kv, w.f.dir));
    login_decoy(w.login, SL("ghost@one.test"), &again);
    CHECK(memcmp(first.salt, again.salt, sizeof first.salt) == 0);
    login_decoy(w.login, SL("other@one.test"), &again);
    CHECK(memcmp(first.salt, again.salt, sizeof first.salt) != 0);
    CHECK_OK(domain_remove(w.f.dir, SL("two.test"))); /* a bare name is one of the only domain */
    login_decoy(w.login, SL("GHOST"), &again);
    CHECK(memcmp(first.salt, again.salt, sizeof first.salt) == 0);
    end(&w);
}

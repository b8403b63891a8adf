/* login_test.c - passwords, decoys, and sessions whose login counts no more. */
#include "login.h"

#include "directory/directory_test.h"
#include "people/people_test.h"

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

static int try(struct world *w, struct slice user, struct slice password, unsigned protocol,
               struct account *out)
{
    return login_password(w->login, &w->f.a,
                          &(struct login_try){.user = user, .password = password, .protocol = protocol}, out);
}

TEST(login_by_password)
{
    struct world w;
    struct account acc;
    REQUIRE(begin(&w));
    for (int i = 0; i < 2; i++) CHECK_OK(try(&w, SL("alice@one.test"), SL("secret-a"), LOGIN_SMTP, &acc));
    CHECK_ERR(try(&w, SL("alice@one.test"), SL("secret-b"), LOGIN_SMTP, &acc), ERR_DENIED);
    CHECK_ERR(try(&w, SL("nobody@one.test"), SL("secret-a"), LOGIN_SMTP, &acc), ERR_DENIED);
    CHECK_ERR(try(&w, SL("alice"), SL("secret-a"), LOGIN_SMTP, &acc), ERR_DENIED); /* two domains are here */
    CHECK_OK(account_password(w.f.dir, SL("alice@one.test"), SL("new")));
    CHECK_ERR(try(&w, SL("alice@one.test"), SL("secret-a"), LOGIN_SMTP, &acc), ERR_DENIED);
    CHECK_OK(try(&w, SL("alice@one.test"), SL("new"), LOGIN_SMTP, &acc));
    CHECK_OK(account_disable(w.f.dir, SL("alice@one.test"), true));
    CHECK_ERR(try(&w, SL("alice@one.test"), SL("new"), LOGIN_SMTP, &acc), ERR_DENIED);
    CHECK_OK(account_disable(w.f.dir, SL("alice@one.test"), false));
    CHECK_OK(domain_remove(w.f.dir, SL("two.test")));
    CHECK_OK(try(&w, SL("alice"), SL("new"), LOGIN_SMTP, &acc)); /* now there is one */
    struct scram_keys x, y;
    login_decoy(w.login, SL("ghost@one.test"), &x);
    login_decoy(w.login, SL("ghost@one.test"), &y);
    CHECK(memcmp(x.salt, y.salt, sizeof x.salt) == 0 && x.iterations == acc.keys.iterations);
    end(&w);
}

static int is_shut_out(void *arg, struct slice account)
{
    return *(bool *)arg && sl_eq(account, SL("alice@one.test")) ? ERR_BUSY : 0;
}

TEST(login_of_who_is_shut_out_is_answered_as_a_wrong_password)
{
    struct world w;
    struct account acc;
    bool shut = true;
    struct login_try t = {.user = SL("alice@one.test"), .allows = is_shut_out, .allows_arg = &shut};
    struct login_proof p = {.said = &t, .out = &acc};
    REQUIRE(begin(&w));
    p.login = w.login;
    p.a = &w.f.a;
    for (int i = 0; i < 4; i++) {
        t.password = i % 2 ? SL("wrong") : SL("secret-a");
        CHECK_ERR(login_prove(&p), ERR_DENIED);
        CHECK_SL(sl_cstr(err_text(ERR_DENIED)), "user name or password is wrong");
        if (i == 1)
            CHECK_OK(try(&w, t.user, SL("secret-a"), LOGIN_SMTP, &acc)); /* from now on it is remembered */
    }
    shut = false;
    t.password = SL("secret-a");
    CHECK_OK(login_prove(&p));
    end(&w);
}

TEST(login_by_an_alias_domain_counts_as_the_account)
{
    struct world w;
    struct account acc;
    REQUIRE(begin(&w));
    CHECK_OK(domain_add_alias(w.f.dir, SL("alias.test"), SL("one.test")));
    CHECK_SL(login_name(w.login, &w.f.a, SL("Bob@Alias.test")), "bob@one.test");
    CHECK_SL(login_name(w.login, &w.f.a, SL("Bob@One.test")), "bob@one.test");
    CHECK_SL(login_name(w.login, &w.f.a, SL("Ghost@alias.test")), "ghost@one.test");
    CHECK_OK(account_add(w.f.dir, SL("bob@alias.test"), SL("secret-c"))); /* its own comes first */
    CHECK_SL(login_name(w.login, &w.f.a, SL("bob@alias.test")), "bob@alias.test");
    CHECK_OK(try(&w, SL("bob@alias.test"), SL("secret-c"), LOGIN_SMTP, &acc));
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
    static const char *const spelled[] = {"ghost@one.test",
                                          "GHOST@One.Test",
                                          "\"gh\\ost\"@one.test",
                                          "Ghost@alias.test",
                                          "ghost@ALIAS.test",
                                          "ghost@b\xc3\xbc"
                                          "cher.test",
                                          "ghost@xn--bcher-kva.test"};
    struct world w;
    struct scram_keys first, again;
    REQUIRE(begin(&w));
    CHECK_OK(domain_add_alias(w.f.dir, SL("alias.test"), SL("one.test")));
    CHECK_OK(domain_add_alias(w.f.dir,
                              SL("b\xc3\xbc"
                                 "cher.test"),
                              SL("one.test")));
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
    CHECK_OK(domain_remove(w.f.dir, SL("alias.test")));
    CHECK_OK(domain_remove(w.f.dir, SL("b\xc3\xbc"
                                       "cher.test")));
    login_decoy(w.login, SL("GHOST"), &again);
    CHECK(memcmp(first.salt, again.salt, sizeof first.salt) == 0);
    end(&w);
}

TEST(login_salts_of_an_account_are_one_for_every_spelling_and_last)
{
    struct world w;
    struct account before, after;
    REQUIRE(begin(&w));
    CHECK_OK(domain_add_alias(w.f.dir, SL("alias.test"), SL("one.test")));
    CHECK_OK(login_find(w.login, &w.f.a, SL("alice@one.test"), &before));
    CHECK_OK(login_find(w.login, &w.f.a, SL("Alice@alias.test"), &after));
    CHECK(memcmp(before.keys.salt, after.keys.salt, sizeof before.keys.salt) == 0);
    CHECK_OK(account_password(w.f.dir, SL("alice@one.test"), SL("another")));
    CHECK_OK(login_find(w.login, &w.f.a, SL("alice@one.test"), &after));
    CHECK(memcmp(before.keys.salt, after.keys.salt, sizeof before.keys.salt) == 0);
    CHECK(memcmp(before.keys.stored_key, after.keys.stored_key, sizeof before.keys.stored_key) != 0);
    CHECK_INT(after.keys.iterations, PASSWORD_ITERATIONS);
    end(&w);
}

/* Adds one and gives its password. */
static struct slice app(struct world *w, const char *name, unsigned protocols)
{
    struct slice password = SL("");
    struct app_password what = {.name = sl_cstr(name), .protocols = protocols, .limits = SENDER_LIMITS_UNSET};
    CHECK_OK(app_password_add(w->f.dir, &w->f.a, SL("alice@one.test"), &what, &password));
    return password;
}

TEST(login_by_app_password)
{
    struct world w;
    struct account acc;
    int64_t when;
    REQUIRE(begin(&w));
    struct slice user = SL("alice@one.test"), printer = app(&w, "printer", LOGIN_SMTP),
                 phone = app(&w, "phone", LOGIN_SMTP | LOGIN_IMAP);
    CHECK(!sl_eq(printer, phone) && printer.n == 23);
    for (int i = 0; i < 2; i++) { /* the second time from memory */
        CHECK_OK(try(&w, user, SL("secret-a"), LOGIN_IMAP, &acc));
        CHECK(!acc.by);
        CHECK_OK(try(&w, user, printer, LOGIN_SMTP, &acc));
        CHECK(acc.by && sl_eq(acc.by->name, SL("printer")));
        CHECK_ERR(try(&w, user, printer, LOGIN_IMAP, &acc), ERR_DENIED);
        CHECK_ERR(try(&w, user, printer, 0, &acc), ERR_DENIED);
        CHECK_OK(try(&w, user, phone, LOGIN_IMAP, &acc));
        CHECK(acc.by && sl_eq(acc.by->name, SL("phone")));
        CHECK_ERR(try(&w, SL("bob@one.test"), phone, LOGIN_IMAP, &acc), ERR_DENIED);
    }
    CHECK_OK(account_password(w.f.dir, user, SL("new"))); /* the others go on, for the salt stays */
    CHECK_ERR(try(&w, user, SL("secret-a"), LOGIN_IMAP, &acc), ERR_DENIED);
    CHECK_OK(try(&w, user, SL("new"), LOGIN_IMAP, &acc));
    CHECK_OK(try(&w, user, phone, LOGIN_IMAP, &acc));
    CHECK_OK(domain_add(w.f.dir, SL("four.test"))); /* commits what was noted */
    CHECK_OK(app_password_last_use(w.f.dir, acc.id, acc.by->id, &when));
    CHECK(when > 1700000000);
    CHECK_OK(account_disable(w.f.dir, user, true));
    CHECK_ERR(try(&w, user, phone, LOGIN_IMAP, &acc), ERR_DENIED);
    end(&w);
}

TEST(login_an_app_password_that_is_removed_ends_its_sessions_and_no_others)
{
    struct world w;
    struct account acc;
    struct authority own, by_phone;
    REQUIRE(begin(&w));
    struct slice user = SL("alice@one.test"), phone = app(&w, "phone", LOGIN_IMAP),
                 tv = app(&w, "tv", LOGIN_IMAP);
    CHECK_OK(try(&w, user, SL("secret-a"), LOGIN_IMAP, &acc));
    authority_begin(&own, w.f.dir, &acc, NULL);
    CHECK_OK(try(&w, user, phone, LOGIN_IMAP, &acc));
    authority_begin(&by_phone, w.f.dir, &acc, NULL);
    CHECK_OK(app_password_remove(w.f.dir, user, SL("tv")));
    CHECK_ERR(try(&w, user, tv, LOGIN_IMAP, &acc), ERR_DENIED);
    CHECK_OK(authority_check(&by_phone));
    CHECK_ERR(app_password_remove(w.f.dir, user, SL("tv")), ERR_NOT_FOUND);
    CHECK(sl_find(sl_cstr(err_text(ERR_NOT_FOUND)), SL("app password")) != SL_NONE);
    CHECK_OK(app_password_remove(w.f.dir, user, sl_cstr(by_phone.app))); /* by its id */
    CHECK_ERR(authority_check(&by_phone), ERR_DENIED);
    CHECK_OK(authority_check(&own));
    CHECK_ERR(try(&w, user, phone, LOGIN_IMAP, &acc), ERR_DENIED); /* nor is it remembered */
    end(&w);
}

TEST(login_app_passwords_are_so_many_at_most)
{
    struct world w;
    struct account acc;
    struct slice password, last = SL("");
    char name[16];
    struct app_password what = {.protocols = LOGIN_ALL, .limits = SENDER_LIMITS_UNSET};
    REQUIRE(begin(&w));
    for (int i = 0; i < APP_PASSWORDS_MAX; i++) {
        snprintf(name, sizeof name, "n%d", i);
        last = app(&w, name, LOGIN_ALL);
    }
    CHECK_OK(try(&w, SL("alice@one.test"), last, LOGIN_HTTP, &acc));
    what.name = SL("more");
    CHECK_ERR(app_password_add(w.f.dir, &w.f.a, SL("alice@one.test"), &what, &password), ERR_LIMIT);
    what.name = SL("n3");
    CHECK_ERR(app_password_add(w.f.dir, &w.f.a, SL("alice@one.test"), &what, &password), ERR_EXISTS);
    what.name = SL("a\nb");
    CHECK_ERR(app_password_add(w.f.dir, &w.f.a, SL("bob@one.test"), &what, &password), ERR_USAGE);
    what.name = SL("");
    CHECK_ERR(app_password_add(w.f.dir, &w.f.a, SL("bob@one.test"), &what, &password), ERR_USAGE);
    what.name = SL("x");
    what.protocols = 0;
    CHECK_ERR(app_password_add(w.f.dir, &w.f.a, SL("bob@one.test"), &what, &password), ERR_USAGE);
    end(&w);
}

TEST(login_at_an_alias_domain)
{
    struct world w;
    struct account acc;
    REQUIRE(begin(&w));
    CHECK_OK(domain_add_alias(w.f.dir, SL("other.test"), SL("one.test")));
    CHECK_OK(try(&w, SL("alice@other.test"), SL("secret-a"), LOGIN_IMAP, &acc));
    CHECK_SL(acc.address, "alice@one.test");
    CHECK_ERR(try(&w, SL("alice@two.test"), SL("secret-a"), LOGIN_IMAP, &acc), ERR_DENIED);
    end(&w);
}

/* ---- people of a directory elsewhere ---- */

TEST(login_of_people_elsewhere)
{
    struct world w;
    struct account acc;
    struct table t = {.v = {{"uid=carol", "7", {"carol@one.test", "cc@one.test"}, "secret"}}, .n = 1};
    struct people_conf c = table_conf(&t);
    struct people *people;
    struct slice app;
    struct app_password what = {.name = SL("phone"), .protocols = LOGIN_SMTP, .limits = SENDER_LIMITS_UNSET};
    REQUIRE(begin(&w));
    people_open(&people, &c);
    directory_set_people(w.f.dir, people);
    CHECK_ERR(try(&w, SL("carol@one.test"), SL("guess"), LOGIN_SMTP, &acc), ERR_DENIED);
    for (int i = 0; i < 2; i++) CHECK_OK(try(&w, SL("carol@one.test"), SL("secret"), LOGIN_SMTP, &acc));
    CHECK_INT(t.binds, 2); /* the second time it is remembered */
    CHECK_OK(try(&w, SL("CC@one.test"), SL("secret"), LOGIN_IMAP, &acc));
    CHECK_SL(acc.address, "carol@one.test");
    CHECK_ERR(try(&w, SL("carol@one.test"), SL(""), LOGIN_SMTP, &acc), ERR_DENIED);
    CHECK_OK(app_password_add(w.f.dir, &w.f.a, SL("carol@one.test"), &what, &app));
    size_t binds = t.binds;
    CHECK_OK(try(&w, SL("carol@one.test"), app, LOGIN_SMTP, &acc)); /* that one is nobody's business there */
    CHECK_INT(t.binds, binds);
    t.fails = ERR_UNREACHABLE;
    CHECK_ERR(try(&w, SL("carol@one.test"), SL("guess"), LOGIN_SMTP, &acc), ERR_UNREACHABLE);
    CHECK_ERR(try(&w, SL("nobody@one.test"), SL("guess"), LOGIN_SMTP, &acc), ERR_UNREACHABLE);
    CHECK_OK(try(&w, SL("alice@one.test"), SL("secret-a"), LOGIN_SMTP, &acc));
    CHECK_OK(try(&w, SL("carol@one.test"), app, LOGIN_SMTP, &acc));
    end(&w);
    people_close(&people);
}

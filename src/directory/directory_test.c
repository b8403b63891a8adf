/* directory_test.c - who is here, where a letter for an address goes, who may send as whom. */
#include "directory_test.h"
#include "directory_i.h"
#include "kv/record.h"
#include "mail/addr.h"

#include <stdlib.h>

TEST(directory_domains_and_accounts)
{
    struct dir_fixture f;
    struct account acc, *list;
    struct domain *d;
    size_t n;
    REQUIRE(dir_fixture_people(&f));
    CHECK_ERR(domain_add(f.dir, SL("one.TEST")), ERR_EXISTS);
    CHECK_ERR(domain_add(f.dir, SL("nodot")), ERR_SYNTAX);
    CHECK_ERR(domain_add(f.dir, SL("bad_name..test")), ERR_SYNTAX);
    CHECK_OK(domain_list(f.dir, &f.a, &d, &n));
    CHECK(n == 2 && sl_eq(d[0].name, SL("one.test")));
    CHECK_ERR(account_add(f.dir, SL("ALICE@one.test"), SL("x")), ERR_EXISTS);
    CHECK_ERR(account_add(f.dir, SL("a+b@one.test"), SL("x")), ERR_SYNTAX);
    CHECK_ERR(account_add(f.dir, SL("a@elsewhere.test"), SL("x")), ERR_NOT_FOUND);
    CHECK_ERR(account_add(f.dir, SL("no address"), SL("x")), ERR_SYNTAX);
    CHECK_ERR(account_add(f.dir, SL("carol@one.test"), SL("")), ERR_SYNTAX);
    CHECK_OK(account_get(f.dir, &f.a, SL("Alice@ONE.test"), &acc));
    CHECK_SL(acc.address, "alice@one.test");
    CHECK_OK(account_list(f.dir, &f.a, (struct slice){0}, &list, &n));
    CHECK_INT(n, 2);
    CHECK_ERR(domain_remove(f.dir, SL("one.test")), ERR_STATE);
    CHECK_OK(account_remove(f.dir, SL("alice@one.test")));
    CHECK_ERR(account_get(f.dir, &f.a, SL("alice@one.test"), &acc), ERR_NOT_FOUND);
    CHECK_OK(account_remove(f.dir, SL("bob@one.test")));
    CHECK_OK(domain_remove(f.dir, SL("one.test")));
    CHECK_INT(resolve(&f, "alice", "one.test").result, RESOLVED_NOT_LOCAL);
    dir_fixture_end(&f);
}

TEST(directory_local_parts_of_every_kind)
{
    struct dir_fixture f;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(account_add(f.dir, SL("\"odd name\"@one.test"), SL("x")));
    CHECK(resolve(&f, "odd name", "one.test").n == 1);
    CHECK_OK(account_add(f.dir, SL("j\xc3\xbcrgen@one.test"), SL("x")));
    CHECK(resolve(&f, "j\xc3\xbcrgen", "one.test").n == 1);
    CHECK_OK(account_add(f.dir, SL("o'neil%x@one.test"), SL("x"))); /* % is what keys escape with */
    CHECK(resolve(&f, "o'neil%x", "one.test").n == 1);
    CHECK_INT(resolve(&f, "o'neil", "one.test").result, RESOLVED_NO_USER);
    dir_fixture_end(&f);
}

TEST(a_domain_here_names_an_object)
{
    struct dir_fixture f;
    char name[300];
    REQUIRE(dir_fixture_people(&f));
    for (size_t n = LIMIT_DOMAIN_HERE - 1; n <= LIMIT_DOMAIN_HERE + 1; n++) {
        memset(name, 'a', n - 5);
        for (size_t i = 60; i < n - 5; i += 60) name[i] = '.';
        snprintf(name + n - 5, 6, ".test");
        int e = domain_add(f.dir, sl_cstr(name));
        CHECK(n <= LIMIT_DOMAIN_HERE ? e == 0 : e == ERR_SYNTAX && strstr(err_text(e), "198 bytes at most"));
    }
    dir_fixture_end(&f);
}

TEST(directory_who_may_send_as_whom)
{
    struct dir_fixture f;
    struct account alice;
    struct slice both[] = {SL("alice@one.test"), SL("bob@one.test")};
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(alias_add(f.dir, SL("sales@one.test"), both, 1));
    CHECK_OK(alias_add(f.dir, SL("team@one.test"), both, 2));
    CHECK_OK(domain_set_catch_all(f.dir, SL("two.test"), SL("alice@one.test")));
    CHECK_OK(account_get(f.dir, &f.a, SL("alice@one.test"), &alice));
    CHECK_OK(account_may_send_as(f.dir, &alice, SL("Alice"), SL("one.test")));
    CHECK_OK(account_may_send_as(f.dir, &alice, SL("alice+shop"), SL("one.test")));
    CHECK_OK(account_may_send_as(f.dir, &alice, SL("sales"), SL("one.test")));
    CHECK_ERR(account_may_send_as(f.dir, &alice, SL("team"), SL("one.test")), ERR_DENIED);
    CHECK_ERR(account_may_send_as(f.dir, &alice, SL("bob"), SL("one.test")), ERR_DENIED);
    CHECK_ERR(account_may_send_as(f.dir, &alice, SL("anything"), SL("two.test")), ERR_DENIED);
    CHECK_ERR(account_may_send_as(f.dir, &alice, SL("postmaster"), SL("one.test")), ERR_DENIED);
    CHECK_ERR(account_may_send_as(f.dir, &alice, SL("a"), SL("elsewhere.test")), ERR_DENIED);
    dir_fixture_end(&f);
}

TEST(directory_dkim_keys)
{
    struct dir_fixture f;
    struct dkim_key *k;
    size_t n;
    REQUIRE(dir_fixture_people(&f));
    uint64_t before = directory_generation(f.dir);
    CHECK_OK(dkim_key_add(f.dir, SL("one.test"), SL("e1"), KEY_ED25519, DKIM_KEY_PUBLISH));
    CHECK(directory_generation(f.dir) != before);
    CHECK_ERR(dkim_key_add(f.dir, SL("one.test"), SL("E1"), KEY_ED25519, DKIM_KEY_PUBLISH), ERR_EXISTS);
    CHECK_ERR(dkim_key_add(f.dir, SL("one.test"), SL("a.b"), KEY_ED25519, DKIM_KEY_PUBLISH), ERR_SYNTAX);
    CHECK_ERR(dkim_key_add(f.dir, SL("one.test"), SL("e2"), KEY_ED25519, DKIM_KEY_PUBLISH), ERR_STATE);
    struct slice *old;
    CHECK_OK(dkim_key_take_over(f.dir, &f.a, SL("one.test"), SL("e1"), &old, &n));
    CHECK_INT(n, 0);
    CHECK_ERR(dkim_key_take_over(f.dir, &f.a, SL("one.test"), SL("e1"), &old, &n), ERR_STATE);
    CHECK_ERR(dkim_key_take_over(f.dir, &f.a, SL("one.test"), SL("e2"), &old, &n), ERR_NOT_FOUND);
    CHECK_OK(dkim_keys(f.dir, &f.a, SL("ONE.test"), &k, &n));
    REQUIRE(n == 1 && k[0].state == DKIM_KEY_ACTIVE && k[0].kind == KEY_ED25519);
    struct sign_key *key;
    CHECK_OK(sign_key_from_pem(k[0].pem, &key));
    sign_key_free(&key);
    CHECK_OK(dkim_key_add(f.dir, SL("one.test"), SL("e2"), KEY_ED25519, DKIM_KEY_PUBLISH));
    CHECK_OK(dkim_key_take_over(f.dir, &f.a, SL("one.test"), SL("E2"), &old, &n));
    REQUIRE(n == 1);
    CHECK_SL(old[0], "e1");
    CHECK_OK(dkim_keys(f.dir, &f.a, SL("one.test"), &k, &n));
    REQUIRE(n == 2 && k[0].state == DKIM_KEY_RETIRED && k[1].state == DKIM_KEY_ACTIVE);
    CHECK_OK(dkim_key_remove(f.dir, SL("one.test"), SL("e1")));
    CHECK_ERR(dkim_key_remove(f.dir, SL("one.test"), SL("e1")), ERR_NOT_FOUND);
    dir_fixture_end(&f);
}

/* ---- damaged rows, and many of them ---- */

/* ---- read, changed and written as one ---- */

static void change_password(void *arg)
{
    struct dir_fixture *f = arg;
    CHECK_OK(account_password(f->dir, SL("alice@one.test"), SL("new")));
}

TEST(directory_a_new_password_does_not_undo_a_disable)
{
    struct dir_fixture f;
    struct account acc;
    struct group g;
    REQUIRE(dir_fixture_people(&f));
    group_init(&g);
    CHECK_OK(group_go(&g, "passwd", change_password, &f));
    CHECK_OK(account_disable(f.dir, SL("alice@one.test"), true));
    CHECK_OK(group_wait(&g));
    CHECK_OK(account_get(f.dir, &f.a, SL("alice@one.test"), &acc));
    CHECK(acc.disabled);
    dir_fixture_end(&f);
}

struct adding {
    struct dir_fixture *f;
    int i;
};

static void add_target(void *arg)
{
    struct adding *x = arg;
    struct arena a;
    ar_init(&a, 0);
    struct slice to = ar_printf(&a, "t%d@away.example", x->i);
    CHECK_OK(alias_add(x->f->dir, SL("team@one.test"), &to, 1));
    CHECK_OK(domain_set_catch_all(x->f->dir, SL("one.test"), to));
    ar_free(&a);
}

TEST(directory_targets_added_at_the_same_time_are_all_there)
{
    enum { N = 20 };
    struct dir_fixture f;
    struct adding x[N];
    struct alias *list;
    struct group g;
    size_t n;
    REQUIRE(dir_fixture_people(&f));
    group_init(&g);
    for (int i = 0; i < N; i++) {
        x[i] = (struct adding){&f, i};
        CHECK_OK(group_go(&g, "adder", add_target, &x[i]));
    }
    CHECK_OK(account_disable(f.dir, SL("alice@one.test"), true)); /* the duties move in the same row */
    CHECK_OK(group_wait(&g));
    CHECK_OK(alias_list(f.dir, &f.a, SL("one.test"), &list, &n));
    REQUIRE(n == 1);
    CHECK_INT(list[0].n, N);
    CHECK(reaches(&f, "postmaster", "two.test", "bob@one.test"));
    dir_fixture_end(&f);
}

TEST(directory_nothing_comes_into_a_domain_that_is_gone)
{
    struct dir_fixture f;
    struct slice row;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(domain_remove(f.dir, SL("two.test")));
    CHECK_ERR(dkim_key_add(f.dir, SL("two.test"), SL("s1"), KEY_ED25519, DKIM_KEY_ACTIVE), ERR_NOT_FOUND);
    CHECK_ERR(domain_set_catch_all(f.dir, SL("two.test"), SL("bob@one.test")), ERR_NOT_FOUND);
    CHECK_ERR(kv_get(f.kv, SL("d:two.test"), SL("k:s1"), &f.a, &row), ERR_NOT_FOUND);
    CHECK_ERR(kv_get(f.kv, SL("d:two.test"), SL("."), &f.a, &row), ERR_NOT_FOUND);
    dir_fixture_end(&f);
}

/* ---- removing ---- */

static int put_tombstone(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("x:acc1"), SL("\1")); /* as if its erasure were under way */
    return 0;
}

TEST(directory_a_removed_domain_keeps_what_is_still_to_be_erased)
{
    struct dir_fixture f;
    struct slice row;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(test_home_make(f.kv, "acc1", SL("mark"), SL("someone@two.test")));
    CHECK_OK(kv_transact(f.kv, SL("d:two.test"), put_tombstone, NULL));
    CHECK_OK(domain_remove(f.dir, SL("two.test")));
    CHECK_OK(kv_get(f.kv, SL("d:two.test"), SL("x:acc1"), &f.a, &row));
    CHECK_OK(kv_get(f.kv, SL("u:acc1"), SL("a"), &f.a, &row));
    directory_close(&f.dir); /* the next start */
    CHECK_OK(dir_fixture_open(&f));
    CHECK_ERR(kv_get(f.kv, SL("u:acc1"), SL("a"), &f.a, &row), ERR_NOT_FOUND);
    CHECK_ERR(kv_get(f.kv, SL("d:two.test"), SL("x:acc1"), &f.a, &row), ERR_NOT_FOUND);
    CHECK_INT(resolve(&f, "x", "two.test").result, RESOLVED_NOT_LOCAL);
    dir_fixture_end(&f);
}

/* ---- what comes in is put into one form ---- */

#define UMLAUT                                                                                               \
    "b\xc3\xbc"                                                                                              \
    "cher.test"

TEST(directory_domains_are_known_in_both_forms)
{
    struct dir_fixture f;
    struct domain d;
    struct dkim_key *k;
    struct account *list;
    struct account acc;
    size_t n;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(domain_add_with_keys(f.dir, SL(UMLAUT)));
    CHECK_ERR(domain_add(f.dir, SL("xn--bcher-kva.test")), ERR_EXISTS);
    CHECK_OK(dkim_keys(f.dir, &f.a, SL(UMLAUT), &k, &n));
    CHECK(n == 2 && k[0].state == DKIM_KEY_ACTIVE && k[1].state == DKIM_KEY_ACTIVE);
    CHECK_OK(domain_get(f.dir, &f.a,
                        SL("B\xc3\x9c"
                           "CHER.test."),
                        &d));
    CHECK_SL(d.name, "xn--bcher-kva.test");
    CHECK_OK(account_add(f.dir, SL("x@" UMLAUT), SL("secret")));
    CHECK_OK(account_get(f.dir, &f.a,
                         SL("x@bu\xcc\x88"
                            "cher.test"),
                         &acc));
    CHECK_SL(acc.address, "x@xn--bcher-kva.test");
    CHECK_OK(account_list(f.dir, &f.a, SL(UMLAUT), &list, &n));
    CHECK_INT(n, 1);
    CHECK_OK(dkim_key_add(f.dir, SL(UMLAUT), SL("s1"), KEY_ED25519, DKIM_KEY_PUBLISH));
    struct slice *old;
    CHECK_OK(dkim_key_take_over(f.dir, &f.a, SL(UMLAUT), SL("s1"), &old, &n));
    CHECK_OK(dkim_key_remove(f.dir, SL(UMLAUT), SL("S1")));
    CHECK_OK(domain_set_catch_all(f.dir, SL(UMLAUT), SL("x@" UMLAUT)));
    CHECK(reaches(&f, "any", UMLAUT, "x@xn--bcher-kva.test"));
    CHECK_OK(account_may_send_as(f.dir, &acc, SL("X"), SL(UMLAUT)));
    CHECK_OK(account_remove(f.dir, SL("x@" UMLAUT)));
    CHECK_OK(domain_remove(f.dir, SL(UMLAUT)));
    dir_fixture_end(&f);
}

TEST(directory_local_parts_are_one_in_every_form)
{
    struct dir_fixture f;
    struct account acc;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(account_add(f.dir, SL("\xc3\x89mile@one.test"), SL("secret")));  /* É in one piece, */
    CHECK(reaches(&f, "\xc3\xa9mile", "one.test", "\xc3\xa9mile@one.test"));  /* in lower case, */
    CHECK(reaches(&f, "E\xcc\x81MILE", "one.test", "\xc3\xa9mile@one.test")); /* and in two */
    CHECK_ERR(account_add(f.dir, SL("e\xcc\x81mile@one.test"), SL("x")), ERR_EXISTS);
    CHECK_OK(account_get(f.dir, &f.a, SL("e\xcc\x81mile@one.test"), &acc));
    dir_fixture_end(&f);
}

TEST(directory_elsewhere_the_local_part_is_not_ours_to_judge)
{
    struct dir_fixture f;
    struct slice to[] = {SL("Bob@Away.example"), SL("bob@away.example"), SL("BOB@one.test"),
                         SL("bob@ONE.test")};
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(alias_add(f.dir, SL("team@one.test"), to, 4));
    struct routes r = resolve(&f, "team", "one.test");
    REQUIRE(r.n == 3);
    CHECK_SL(r.v[0].address, "Bob@away.example");
    CHECK_SL(r.v[1].address, "bob@away.example");
    CHECK_SL(r.v[2].address, "bob@one.test");
    dir_fixture_end(&f);
}

/* ---- aliases say what they do ---- */

/* ---- grants, alias domains, other names ---- */

static int may(struct dir_fixture *f, const char *who, const char *as)
{
    struct account acc;
    struct slice local, domain;
    CHECK_OK(account_get(f->dir, &f->a, sl_cstr(who), &acc));
    CHECK_OK(mail_addr_split(&f->a, sl_cstr(as), &local, &domain));
    return account_may_send_as(f->dir, &acc, local, domain);
}

TEST(an_address_can_be_granted_to_several)
{
    struct dir_fixture f;
    struct slice both[] = {SL("alice@one.test"), SL("bob@one.test")};
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(alias_add(f.dir, SL("info@one.test"), both, 2));
    CHECK_ERR(may(&f, "alice@one.test", "info@one.test"), ERR_DENIED);
    CHECK_OK(account_grant(f.dir, SL("alice@one.test"), SL("Info@one.test"), true));
    CHECK_ERR(account_grant(f.dir, SL("alice@one.test"), SL("info@one.test"), true), ERR_EXISTS);
    CHECK_OK(may(&f, "alice@one.test", "info@one.test"));
    CHECK_OK(may(&f, "alice@one.test", "INFO+x@one.test"));
    CHECK_ERR(may(&f, "bob@one.test", "info@one.test"), ERR_DENIED);
    CHECK_ERR(may(&f, "alice@one.test", "info@two.test"), ERR_DENIED);
    CHECK_ERR(may(&f, "alice@one.test", "bob@one.test"), ERR_DENIED);
    CHECK_OK(alias_add(f.dir, SL("sales@one.test"), &both[1], 1)); /* not whom it leads to */
    CHECK_OK(account_grant(f.dir, SL("alice@one.test"), SL("sales@one.test"), true));
    CHECK_OK(may(&f, "alice@one.test", "sales+x@one.test"));
    CHECK_ERR(may(&f, "alice@one.test", "bob@one.test"), ERR_DENIED);
    CHECK_ERR(may(&f, "alice@one.test", "bob+x@one.test"), ERR_DENIED);
    CHECK_OK(account_grant(f.dir, SL("bob@one.test"), SL("@two.test"), true));
    CHECK_OK(may(&f, "bob@one.test", "anybody@two.test"));
    CHECK_ERR(may(&f, "bob@one.test", "anybody@sub.two.test"), ERR_DENIED);
    CHECK_ERR(account_grant(f.dir, SL("bob@one.test"), SL("x@elsewhere.test"), true), ERR_NOT_FOUND);
    CHECK_ERR(account_grant(f.dir, SL("bob@one.test"), SL("@elsewhere.test"), true), ERR_NOT_FOUND);
    CHECK_OK(account_grant(f.dir, SL("alice@one.test"), SL("info@one.test"), false));
    CHECK_ERR(may(&f, "alice@one.test", "info@one.test"), ERR_DENIED);
    CHECK_ERR(account_grant(f.dir, SL("alice@one.test"), SL("info@one.test"), false), ERR_NOT_FOUND);
    dir_fixture_end(&f);
}

/* Who administers the aliases of one domain lends nobody an address of another. */
TEST(a_grant_leads_to_no_other_domain)
{
    struct dir_fixture f;
    struct slice ceo = SL("ceo@two.test"), home = SL("alice@one.test");
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(account_add(f.dir, ceo, SL("secret-c")));
    CHECK_OK(alias_add(f.dir, SL("sales@one.test"), &home, 1));
    CHECK_OK(account_grant(f.dir, SL("bob@one.test"), SL("sales@one.test"), true));
    CHECK_OK(may(&f, "bob@one.test", "sales@one.test"));
    CHECK_ERR(may(&f, "bob@one.test", "alice@one.test"), ERR_DENIED); /* nor an alias of this one */
    CHECK_OK(alias_remove(f.dir, SL("sales@one.test"), NULL));
    CHECK_OK(alias_add(f.dir, SL("sales@one.test"), &ceo, 1));
    CHECK_OK(may(&f, "bob@one.test", "sales@one.test"));
    CHECK_ERR(may(&f, "bob@one.test", "ceo@two.test"), ERR_DENIED);
    dir_fixture_end(&f);
}

TEST(an_alias_domain_has_every_name_of_its_domain)
{
    struct dir_fixture f;
    struct routes r;
    struct slice to = SL("bob@one.test");
    struct domain d;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(domain_add_alias(f.dir, SL("three.test"), SL("One.test")));
    CHECK_ERR(domain_add_alias(f.dir, SL("four.test"), SL("three.test")), ERR_STATE);
    CHECK_ERR(domain_add_alias(f.dir, SL("four.test"), SL("nowhere.test")), ERR_NOT_FOUND);
    CHECK_OK(directory_resolve(f.dir, &f.a, SL("Alice+tag"), SL("three.test"), &r));
    CHECK(r.result == RESOLVED && r.n == 1);
    CHECK_SL(r.v[0].address, "alice@one.test");
    CHECK_SL(r.v[0].detail, "tag");
    CHECK_OK(may(&f, "alice@one.test", "alice@three.test"));
    CHECK_ERR(may(&f, "bob@one.test", "alice@three.test"), ERR_DENIED);
    CHECK_OK(account_grant(f.dir, SL("bob@one.test"), SL("alice@one.test"), true)); /* one name, one grant */
    CHECK_OK(may(&f, "bob@one.test", "alice+x@three.test"));
    CHECK_OK(account_grant(f.dir, SL("bob@one.test"), SL("alice@one.test"), false));
    CHECK_OK(directory_resolve(f.dir, &f.a, SL("nobody"), SL("three.test"), &r));
    CHECK_INT(r.result, RESOLVED_NO_USER);
    CHECK_OK(directory_resolve(f.dir, &f.a, SL("postmaster"), SL("three.test"), &r));
    CHECK_SL(r.v[0].address, "alice@one.test");
    CHECK_OK(alias_add(f.dir, SL("alice@three.test"), &to, 1)); /* a name of its own comes first */
    CHECK_OK(directory_resolve(f.dir, &f.a, SL("alice"), SL("three.test"), &r));
    CHECK_SL(r.v[0].address, "bob@one.test");
    CHECK_OK(domain_set_catch_all(f.dir, SL("one.test"), to));
    CHECK_OK(directory_resolve(f.dir, &f.a, SL("nobody"), SL("three.test"), &r));
    CHECK_SL(r.v[0].address, "bob@one.test");
    CHECK_OK(domain_get(f.dir, &f.a, SL("three.test"), &d));
    CHECK_SL(d.alias_of, "one.test");
    CHECK_OK(account_remove(f.dir, SL("alice@one.test")));
    CHECK_OK(account_remove(f.dir, SL("bob@one.test")));
    CHECK_ERR(domain_remove(f.dir, SL("one.test")), ERR_STATE);
    CHECK(sl_find(sl_cstr(err_text(ERR_STATE)), SL("three.test")) != SL_NONE);
    CHECK_OK(domain_remove(f.dir, SL("three.test")));
    CHECK_OK(domain_remove(f.dir, SL("one.test")));
    dir_fixture_end(&f);
}

TEST(an_account_that_gets_another_name_keeps_everything)
{
    struct dir_fixture f;
    struct account was, now;
    struct routes r;
    struct slice kept[] = {SL("alice@one.test"), SL("far@away.test")};
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(alias_add(f.dir, SL("alice@one.test"), kept, 2));
    CHECK_OK(account_grant(f.dir, SL("alice@one.test"), SL("@two.test"), true));
    CHECK_OK(account_grant(f.dir, SL("alice@one.test"), SL("bob@one.test"), true));
    CHECK_OK(account_get(f.dir, &f.a, SL("alice@one.test"), &was));
    CHECK_ERR(account_rename(f.dir, SL("alice@one.test"), SL("bob@one.test")), ERR_EXISTS);
    CHECK_ERR(account_rename(f.dir, SL("alice@one.test"), SL("alice@two.test")), ERR_USAGE);
    CHECK_ERR(account_rename(f.dir, SL("alice@one.test"), SL("a+b@one.test")), ERR_SYNTAX);
    CHECK_ERR(account_rename(f.dir, SL("carol@one.test"), SL("dave@one.test")), ERR_NOT_FOUND);
    CHECK_OK(account_rename(f.dir, SL("alice@one.test"), SL("Anna@one.test")));
    CHECK_ERR(account_get(f.dir, &f.a, SL("alice@one.test"), &now), ERR_NOT_FOUND);
    CHECK_OK(account_get(f.dir, &f.a, SL("anna@one.test"), &now));
    CHECK(strcmp(was.id, now.id) == 0 && now.authority != was.authority && now.ngrants == 2);
    for (int i = 0; i < 2; i++) { /* by both names it arrives, and goes on to where it went */
        CHECK_OK(directory_resolve(f.dir, &f.a, i ? SL("alice") : SL("anna"), SL("one.test"), &r));
        CHECK(r.result == RESOLVED && r.n == 2);
        CHECK_SL(r.v[0].address, "anna@one.test");
        CHECK_SL(r.v[1].address, "far@away.test");
    }
    CHECK_OK(may(&f, "anna@one.test", "x@two.test"));
    CHECK_OK(directory_resolve(f.dir, &f.a, SL("postmaster"), SL("one.test"), &r));
    CHECK_SL(r.v[0].address, "anna@one.test");
    CHECK_OK(account_rename(f.dir, SL("bob@one.test"), SL("ben@one.test")));
    CHECK_OK(may(&f, "ben@one.test", "bob@one.test"));
    CHECK_OK(may(&f, "anna@one.test", "bob@one.test")); /* what was granted by the old name holds, */
    CHECK_OK(may(&f, "anna@one.test", "ben@one.test")); /* and by the new one */
    CHECK_OK(account_rename(f.dir, SL("ben@one.test"), SL("bill@one.test")));
    CHECK_OK(may(&f, "anna@one.test", "bill@one.test")); /* whichever it is, */
    CHECK_OK(account_rename(f.dir, SL("bill@one.test"), SL("ben@one.test")));
    CHECK_OK(account_add(f.dir, SL("carl@one.test"), SL("x"))); /* until the old one is somebody else's */
    CHECK_OK(alias_remove(f.dir, SL("bob@one.test"), NULL));
    CHECK_OK(alias_add(f.dir, SL("bob@one.test"), &SL("carl@one.test"), 1));
    CHECK_ERR(may(&f, "anna@one.test", "carl@one.test"), ERR_DENIED);
    CHECK_ERR(may(&f, "anna@one.test", "ben@one.test"), ERR_DENIED);
    CHECK_OK(alias_remove(f.dir, SL("bob@one.test"), NULL));
    CHECK_OK(account_rename(f.dir, SL("ben@one.test"), SL("bob@one.test"))); /* and back */
    CHECK_OK(may(&f, "bob@one.test", "ben@one.test"));
    dir_fixture_end(&f);
}

/* elsewhere_test.c - accounts of people who are kept in a directory elsewhere. */
#include "directory_i.h"
#include "directory_test.h"
#include "people/people_test.h"

struct world {
    struct dir_fixture f;
    struct table t;
    struct people *people;
};

static void set_people(struct world *w)
{
    struct people_conf c = table_conf(&w->t);
    people_close(&w->people); /* and with it what was remembered */
    people_open(&w->people, &c);
    directory_set_people(w->f.dir, w->people);
}

static bool begin(struct world *w)
{
    *w = (struct world){.t = {.v = {{"uid=carol", "7", {"carol@one.test", "cc@one.test"}, "secret"},
                                    {"uid=al", "8", {"alice@one.test", "al@one.test"}, "other"},
                                    {"uid=far", "9", {"far@elsewhere.example"}, "far"}},
                              .n = 3}};
    if (!dir_fixture_people(&w->f)) return false;
    set_people(w);
    return true;
}

static void end(struct world *w)
{
    dir_fixture_end(&w->f);
    people_close(&w->people);
}

static size_t accounts(struct world *w)
{
    struct account *list;
    size_t n;
    CHECK_OK(account_list(w->f.dir, &w->f.a, SL(""), &list, &n));
    return n;
}

static struct account get(struct world *w, const char *address)
{
    struct account acc = {0};
    CHECK_OK(account_get(w->f.dir, &w->f.a, sl_cstr(address), &acc));
    return acc;
}

TEST(elsewhere_people_get_accounts_when_they_are_written_to)
{
    struct world w;
    REQUIRE(begin(&w));
    CHECK_INT(accounts(&w), 2);
    CHECK(reaches(&w.f, "cc", "one.test", "carol@one.test")); /* by another of her addresses */
    struct routes r = resolve(&w.f, "carol+lists", "one.test");
    CHECK(r.result == RESOLVED && r.n == 1 && sl_eq(r.v[0].detail, SL("lists")) && !r.rewritten);
    CHECK(resolve(&w.f, "nobody", "one.test").result == RESOLVED_NO_USER);
    CHECK(resolve(&w.f, "carol", "two.test").result == RESOLVED_NO_USER);
    CHECK_INT(accounts(&w), 3);
    CHECK(!get(&w, "bob@one.test").elsewhere.n);
    CHECK_SL(get(&w, "carol@one.test").elsewhere, "entryuuid=37");
    struct account acc = get(&w, "carol@one.test");
    CHECK_OK(account_may_send_as(w.f.dir, &acc, SL("cc"), SL("one.test")));
    CHECK_ERR(account_may_send_as(w.f.dir, &acc, SL("al"), SL("one.test")), ERR_DENIED);
    end(&w);
}

/* An account of our own comes first, whatever the directory says: nobody there gets into it. */
TEST(elsewhere_people_are_behind_our_own)
{
    struct world w;
    struct account acc;
    REQUIRE(begin(&w));
    CHECK(reaches(&w.f, "al", "one.test", "alice@one.test"));
    acc = get(&w, "alice@one.test");
    CHECK(!acc.elsewhere.n);
    CHECK_ERR(account_prove(w.f.dir, &acc, SL("other"), 0), ERR_DENIED);
    CHECK_INT(w.t.binds, 0);
    end(&w);
}

TEST(elsewhere_people_prove_themselves_there)
{
    struct world w;
    struct account acc;
    REQUIRE(begin(&w));
    CHECK_OK(account_elsewhere(w.f.dir, &w.f.a, SL("carol"), SL("one.test"), ASK_FOR_LOGINS, &acc));
    CHECK_OK(account_prove(w.f.dir, &acc, SL("secret"), 0));
    CHECK_ERR(account_prove(w.f.dir, &acc, SL("guess"), 0), ERR_DENIED);
    CHECK_ERR(account_prove(w.f.dir, &acc, SL(""), 0), ERR_DENIED);
    CHECK_ERR(account_password(w.f.dir, SL("carol@one.test"), SL("mine")), ERR_DENIED);
    directory_set_people(w.f.dir, NULL); /* who leaves the directory keeps the mail */
    CHECK_OK(account_password(w.f.dir, SL("carol@one.test"), SL("mine")));
    CHECK(!get(&w, "carol@one.test").elsewhere.n);
    set_people(&w);
    acc = get(&w, "carol@one.test");
    CHECK_ERR(account_prove(w.f.dir, &acc, SL("secret"), 0), ERR_DENIED);
    CHECK(reaches(&w.f, "cc", "one.test", "carol@one.test"));
    end(&w);
}

TEST(elsewhere_a_directory_that_is_dead_refuses_nobody)
{
    struct world w;
    struct routes r;
    REQUIRE(begin(&w));
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    w.t.fails = ERR_UNREACHABLE;
    set_people(&w);
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test")); /* the last word counts */
    CHECK(reaches(&w.f, "bob", "one.test", "bob@one.test"));
    CHECK_ERR(directory_resolve(w.f.dir, &w.f.a, SL("cc"), SL("one.test"), &r), ERR_UNREACHABLE);
    CHECK_ERR(directory_resolve(w.f.dir, &w.f.a, SL("nobody"), SL("one.test"), &r), ERR_UNREACHABLE);
    CHECK(err_is_temporary(ERR_UNREACHABLE));
    CHECK(resolve(&w.f, "postmaster", "one.test").result == RESOLVED);
    CHECK(!get(&w, "carol@one.test").gone);
    end(&w);
}

TEST(elsewhere_who_is_gone_is_disabled_until_he_is_back)
{
    struct world w;
    REQUIRE(begin(&w));
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    uint64_t before = get(&w, "carol@one.test").authority;
    w.t.n = 0;
    set_people(&w);
    CHECK(resolve(&w.f, "carol", "one.test").result == RESOLVED_DISABLED);
    CHECK(get(&w, "carol@one.test").disabled && get(&w, "carol@one.test").authority > before);
    CHECK_OK(account_disable(w.f.dir, SL("carol@one.test"), true)); /* and by us as well */
    w.t.n = 3;
    set_people(&w);
    CHECK(resolve(&w.f, "carol", "one.test").result == RESOLVED_DISABLED);
    CHECK(!get(&w, "carol@one.test").gone);
    CHECK_OK(account_disable(w.f.dir, SL("carol@one.test"), false));
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    end(&w);
}

TEST(elsewhere_a_person_keeps_the_account_when_addresses_change)
{
    struct world w;
    struct account acc;
    REQUIRE(begin(&w));
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    w.t.v[0].address[0] = "carol.new@one.test";
    w.t.v[0].address[1] = "aaa@one.test";
    set_people(&w);
    CHECK(reaches(&w.f, "carol.new", "one.test", "carol@one.test"));
    CHECK(reaches(&w.f, "aaa", "one.test", "carol@one.test"));
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    acc = get(&w, "carol@one.test");
    CHECK(!acc.gone);
    CHECK_OK(account_prove(w.f.dir, &acc, SL("secret"), 0));
    CHECK_OK(account_rename(w.f.dir, SL("carol@one.test"), SL("carol.new@one.test")));
    CHECK(reaches(&w.f, "aaa", "one.test", "carol.new@one.test"));
    CHECK_INT(accounts(&w), 3);
    CHECK_OK(account_remove(w.f.dir, SL("carol.new@one.test")));
    CHECK(reaches(&w.f, "carol.new", "one.test", "aaa@one.test")); /* a new one, by the first of her names */
    end(&w);
}

TEST(elsewhere_an_address_that_another_person_gets_keeps_the_mail_of_the_first)
{
    struct world w;
    struct routes r;
    REQUIRE(begin(&w));
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    w.t.v[0] = (struct table_person){"uid=carol2", "77", {"carol@one.test"}, "new"};
    set_people(&w);
    CHECK(resolve(&w.f, "carol", "one.test").result == RESOLVED_DISABLED); /* she is gone; he is not she */
    struct account acc = get(&w, "carol@one.test");
    CHECK(acc.gone);
    CHECK_ERR(account_prove(w.f.dir, &acc, SL("new"), 0), ERR_DENIED);
    CHECK_ERR(account_elsewhere(w.f.dir, &w.f.a, SL("carol"), SL("one.test"), ASK_FOR_LOGINS, &acc),
              ERR_CONFLICT);
    CHECK_OK(account_rename(w.f.dir, SL("carol@one.test"), SL("carol.old@one.test")));
    CHECK_OK(alias_remove(w.f.dir, SL("carol@one.test"), NULL));
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    CHECK_SL(get(&w, "carol@one.test").elsewhere, "entryuuid=3737");
    CHECK_ERR(directory_resolve(w.f.dir, &w.f.a, SL("far"), SL("elsewhere.example"), &r), 0);
    CHECK(r.result == RESOLVED_NOT_LOCAL);
    end(&w);
}

static int spoil(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, *(struct slice *)arg, SL("\x7f"));
    return 0;
}

TEST(elsewhere_a_damaged_row_costs_nobody_the_account)
{
    struct world w;
    struct slice key = SL("e:entryuuid=37");
    REQUIRE(begin(&w));
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    CHECK_OK(kv_transact(w.f.kv, SL("d:one.test"), spoil, &key));
    CHECK(reaches(&w.f, "cc", "one.test", "carol@one.test"));
    CHECK_INT(accounts(&w), 3);
    CHECK_ERR(directory_row_check(&w.f.a, key, SL("\x7f")), ERR_VERSION);
    end(&w);
}

/* ---- names that are ours ---- */

static void add_alias(struct world *w, const char *address, const char *target)
{
    struct slice to = sl_cstr(target);
    CHECK_OK(alias_add(w->f.dir, sl_cstr(address), &to, 1));
}

TEST(elsewhere_people_take_no_alias_and_no_list)
{
    struct world w;
    REQUIRE(begin(&w));
    w.t.v[0] =
        (struct table_person){"uid=zoe", "1", {"info@one.test", "all-owner@one.test", "zoe@one.test"}, "z"};
    w.t.v[1] = (struct table_person){"uid=yan", "2", {"team@one.test", "yan@one.test"}, "y"};
    w.t.v[2] = (struct table_person){"uid=ida", "3", {"help@one.test"}, "i"};
    set_people(&w);
    add_alias(&w, "info@one.test", "bob@one.test");
    add_alias(&w, "help@one.test", "bob@one.test");
    struct maillist list = {.address = SL("all@one.test"), .owner = SL("bob@one.test"), .hourly = 60};
    CHECK_OK(maillist_add(w.f.dir, &list));
    list.address = SL("team@one.test");
    CHECK_OK(maillist_add(w.f.dir, &list));
    CHECK(reaches(&w.f, "zoe", "one.test", "zoe@one.test"));
    CHECK(reaches(&w.f, "yan", "one.test", "yan@one.test"));
    CHECK(reaches(&w.f, "info", "one.test", "bob@one.test"));
    CHECK(reaches(&w.f, "all-owner", "one.test", "bob@one.test"));
    CHECK(reaches(&w.f, "team", "one.test", "team@one.test"));
    struct account acc = get(&w, "zoe@one.test");
    CHECK_ERR(account_may_send_as(w.f.dir, &acc, SL("info"), SL("one.test")), ERR_DENIED);
    CHECK_ERR(account_elsewhere(w.f.dir, &w.f.a, SL("help"), SL("one.test"), ASK_FOR_LOGINS, &acc),
              ERR_CONFLICT);
    CHECK(reaches(&w.f, "help", "one.test", "bob@one.test"));
    end(&w);
}

TEST(elsewhere_people_are_behind_what_an_alias_domain_stands_for)
{
    struct world w;
    struct account acc;
    REQUIRE(begin(&w));
    CHECK_OK(domain_add_alias(w.f.dir, SL("three.test"), SL("one.test")));
    add_alias(&w, "info@one.test", "alice@one.test");
    w.t.v[0] = (struct table_person){
        "uid=zoe", "1", {"bob@three.test", "info@three.test", "zoe@three.test"}, "secret"};
    set_people(&w);
    CHECK(reaches(&w.f, "bob", "three.test", "bob@one.test"));
    CHECK(reaches(&w.f, "zoe", "three.test", "zoe@three.test"));
    CHECK(reaches(&w.f, "bob", "three.test", "bob@one.test"));
    CHECK(reaches(&w.f, "info", "three.test", "alice@one.test"));
    CHECK_ERR(account_get(w.f.dir, &w.f.a, SL("bob@three.test"), &acc), ERR_NOT_FOUND);
    end(&w);
}

/* Between the look at the names and the account an alias gets there first. */
static int make_late(void *ctx, const char *id, struct slice mark, struct slice address)
{
    struct world *w = ctx;
    add_alias(w, "carol@one.test", "bob@one.test");
    return test_home_make(w->f.kv, id, mark, address);
}

static int made_late(void *ctx, const char *id, struct slice mark, bool *yes)
{
    return test_home_made_as(((struct world *)ctx)->f.kv, id, mark, yes);
}

static int erase_late(void *ctx, const char *id) { return test_home_erase(((struct world *)ctx)->f.kv, id); }

TEST(elsewhere_an_alias_that_comes_meanwhile_is_not_taken)
{
    struct world w;
    struct account acc;
    REQUIRE(begin(&w));
    struct account_home home = {.ctx = &w, .make = make_late, .made_as = made_late, .erase = erase_late};
    directory_close(&w.f.dir);
    CHECK_OK(directory_open(&w.f.dir, w.f.kv, &home));
    directory_set_people(w.f.dir, w.people);
    w.t.v[0].address[1] = "zz@one.test";
    CHECK_OK(account_elsewhere(w.f.dir, &w.f.a, SL("zz"), SL("one.test"), ASK_FOR_LETTERS, &acc));
    CHECK_SL(acc.address, "zz@one.test");
    CHECK(reaches(&w.f, "carol", "one.test", "bob@one.test"));
    CHECK_INT(accounts(&w), 3);
    end(&w);
}

/* ---- ldap_id is another ---- */

static void set_other_id(struct world *w)
{
    struct people_conf c = table_conf(&w->t);
    c.id = SL("employeeNumber");
    people_close(&w->people);
    people_open(&w->people, &c);
    directory_set_people(w->f.dir, w->people);
}

TEST(elsewhere_another_ldap_id_disables_nobody)
{
    struct world w;
    REQUIRE(begin(&w));
    w.t.number[0] = "1001", w.t.number[1] = "1002", w.t.number[2] = "1003";
    w.t.v[1] = (struct table_person){"uid=dan", "8", {"dan@one.test"}, "other"};
    w.t.v[2] = (struct table_person){"uid=eve", "9", {"eve@one.test"}, "e"};
    set_people(&w);
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    CHECK(reaches(&w.f, "dan", "one.test", "dan@one.test"));
    CHECK(reaches(&w.f, "eve", "one.test", "eve@one.test"));
    uint64_t before = get(&w, "carol@one.test").authority;
    w.t.v[1].address[0] = "dan.new@one.test";                                 /* found by the old id */
    w.t.v[2] = (struct table_person){"uid=fay", "10", {"fay@one.test"}, "f"}; /* eve cannot be found */
    set_other_id(&w);
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    CHECK(reaches(&w.f, "dan", "one.test", "dan@one.test"));
    CHECK(reaches(&w.f, "eve", "one.test", "eve@one.test"));
    CHECK(!get(&w, "eve@one.test").gone);
    CHECK_SL(get(&w, "carol@one.test").elsewhere, "employeenumber=31303031");
    CHECK_SL(get(&w, "dan@one.test").elsewhere, "employeenumber=31303032");
    CHECK_SL(get(&w, "eve@one.test").elsewhere, "entryuuid=39");
    CHECK(get(&w, "carol@one.test").authority == before); /* nobody's session ends */
    struct account acc = get(&w, "carol@one.test");
    CHECK_OK(account_prove(w.f.dir, &acc, SL("secret"), 0));
    w.t.v[0].address[0] = "carol.new@one.test"; /* from now on by the new one */
    set_other_id(&w);
    CHECK(reaches(&w.f, "carol.new", "one.test", "carol@one.test"));
    w.t.n = 0;
    set_other_id(&w);
    CHECK(resolve(&w.f, "carol", "one.test").result == RESOLVED_DISABLED);
    end(&w);
}

/* Who was gone already left the address to another. */
TEST(elsewhere_another_ldap_id_gives_nobody_the_mail_of_others)
{
    struct world w;
    struct account acc;
    REQUIRE(begin(&w));
    w.t.number[0] = "2001", w.t.number[1] = "1001";
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    w.t.v[0] = (struct table_person){"uid=carol2", "77", {"carol@one.test"}, "new"};
    set_people(&w);
    CHECK(resolve(&w.f, "carol", "one.test").result == RESOLVED_DISABLED);
    set_other_id(&w);
    CHECK(resolve(&w.f, "carol", "one.test").result == RESOLVED_DISABLED);
    acc = get(&w, "carol@one.test");
    CHECK_ERR(account_prove(w.f.dir, &acc, SL("new"), 0), ERR_DENIED);
    CHECK_ERR(account_elsewhere(w.f.dir, &w.f.a, SL("carol"), SL("one.test"), ASK_FOR_LOGINS, &acc),
              ERR_CONFLICT);
    w.t.v[1] = (struct table_person){"uid=carol", "7", {"first@one.test"}, "secret"}; /* she is back */
    set_other_id(&w);
    CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    CHECK_SL(get(&w, "carol@one.test").elsewhere, "employeenumber=31303031");
    acc = get(&w, "carol@one.test");
    CHECK_ERR(account_prove(w.f.dir, &acc, SL("new"), 0), ERR_DENIED);
    CHECK_OK(account_prove(w.f.dir, &acc, SL("secret"), 0));
    end(&w);
}

/* ---- how much an account may hold ---- */

static struct {
    char id[20];
    uint64_t bytes;
    int times;
} limited;

static int note_limit(void *ctx, const char *id, uint64_t bytes)
{
    (void)ctx;
    snprintf(limited.id, sizeof limited.id, "%s", id);
    limited.bytes = bytes;
    limited.times++;
    return 0;
}

TEST(elsewhere_says_how_much_an_account_may_hold)
{
    static const char *const no_size[] = {NULL, "many", "-1", "5 G", ""};
    struct world w;
    REQUIRE(begin(&w));
    w.f.dir->home.limit = note_limit;
    limited.times = 0;
    w.t.quota[0] = "5G";
    for (int i = 0; i < 3; i++) CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
    CHECK_INT(limited.times, 1); /* what is remembered was said before */
    CHECK_INT(limited.bytes, (uint64_t)5 << 30);
    CHECK_SL(sl_cstr(limited.id), get(&w, "carol@one.test").id);
    CHECK(reaches(&w.f, "bob", "one.test", "bob@one.test")); /* ours: no business of theirs */
    CHECK_INT(limited.times, 1);
    set_people(&w);
    w.t.quota[0] = "0";
    CHECK(reaches(&w.f, "cc", "one.test", "carol@one.test"));
    CHECK_INT(limited.times, 2);
    CHECK_INT(limited.bytes, 0);
    for (size_t i = 0; i < COUNT_OF(no_size); i++) {
        set_people(&w);
        w.t.quota[0] = no_size[i];
        CHECK(reaches(&w.f, "carol", "one.test", "carol@one.test"));
        CHECK_INT(limited.times, 2);
    }
    end(&w);
}

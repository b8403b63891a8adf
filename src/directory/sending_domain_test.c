/* sending_domain_test.c - who has a domain of others: claimed, proved, lost, and only one at a time. */
#include "sending_domain.h"

#include "directory_test.h"
#include "kv/record.h"

#define D SL("shop.example")

static const char *id_of(struct dir_fixture *f, const char *address)
{
    struct account acc;
    CHECK_OK(account_get(f->dir, &f->a, sl_cstr(address), &acc));
    return ar_cstr(&f->a, sl_cstr(acc.id));
}

static struct sending_domain claim(struct dir_fixture *f, const char *account)
{
    struct sending_domain d = {0};
    CHECK_OK(sending_domain_add(f->dir, &f->a, account, D, SL(""), SL(""), &d));
    return d;
}

static enum sending_change look(struct dir_fixture *f, struct sending_domain *d, unsigned known,
                                unsigned found)
{
    enum sending_change c = SENDING_AS_IT_WAS;
    struct sending_look l = {known, found, SL("")};
    CHECK_OK(sending_domain_looked(f->dir, &f->a, d, &l, &c));
    return c;
}

static bool may(struct dir_fixture *f, const char *address, const char *domain)
{
    struct account acc;
    CHECK_OK(account_get(f->dir, &f->a, sl_cstr(address), &acc));
    int e = account_may_send_as(f->dir, &acc, SL("any"), sl_cstr(domain));
    CHECK(!e || e == ERR_DENIED);
    return !e;
}

TEST(a_sending_domain_is_used_once_it_is_proved)
{
    struct dir_fixture f;
    struct sending_domain got;
    REQUIRE(dir_fixture_people(&f));
    const char *alice = id_of(&f, "alice@one.test");
    struct sending_domain d = claim(&f, alice);
    CHECK(d.selector.n && d.pem.n && !d.verified);
    CHECK_SL(sending_return_host(&f.a, &d), "bounce.shop.example");
    CHECK_ERR(sending_domain_add(f.dir, &f.a, alice, SL("Shop.Example."), SL(""), SL(""), &got), ERR_EXISTS);
    CHECK_ERR(sending_domain_add(f.dir, &f.a, alice, SL("two.test"), SL(""), SL(""), &got), ERR_STATE);
    CHECK_ERR(sending_domain_add(f.dir, &f.a, alice, SL("com"), SL(""), SL(""), &got), ERR_SYNTAX);
    CHECK_ERR(sending_domain_add(f.dir, &f.a, alice, SL("x.example"), SL("a.b"), SL(""), &got), ERR_SYNTAX);
    CHECK_ERR(sending_domain_add(f.dir, &f.a, alice, SL("x.example"), SL("a"), SL("A"), &got), ERR_SYNTAX);
    CHECK(!may(&f, "alice@one.test", "shop.example"));
    CHECK_ERR(sending_domain_of(f.dir, &f.a, D, &got), ERR_NOT_FOUND);
    CHECK_INT(look(&f, &d, SENDING_KEY, 0), SENDING_AS_IT_WAS);
    CHECK_INT(look(&f, &d, SENDING_KEY | SENDING_RETURN, SENDING_KEY), SENDING_PROVED);
    CHECK(may(&f, "alice@one.test", "shop.example") && !may(&f, "bob@one.test", "shop.example"));
    CHECK(!may(&f, "alice@one.test", "sub.shop.example"));
    CHECK_OK(sending_domain_of(f.dir, &f.a, D, &got));
    CHECK(sl_eq(got.selector, d.selector) && got.verified);
    CHECK_OK(domain_add(f.dir, D)); /* whose mail comes here is no customer's */
    CHECK(!may(&f, "alice@one.test", "shop.example"));
    CHECK_ERR(sending_domain_of(f.dir, &f.a, D, &got), ERR_NOT_FOUND);
    CHECK_OK(domain_remove(f.dir, D));
    CHECK(may(&f, "alice@one.test", "shop.example"));
    CHECK_OK(sending_domain_remove(f.dir, alice, D));
    CHECK(!may(&f, "alice@one.test", "shop.example"));
    CHECK_ERR(sending_domain_remove(f.dir, alice, D), ERR_NOT_FOUND);
    dir_fixture_end(&f);
}

TEST(a_sending_domain_belongs_to_who_proves_it)
{
    struct dir_fixture f;
    struct sending_domain got;
    REQUIRE(dir_fixture_people(&f));
    const char *alice = id_of(&f, "alice@one.test"), *bob = id_of(&f, "bob@one.test");
    struct sending_domain hers = claim(&f, alice), his = claim(&f, bob);
    CHECK(!sl_eq(hers.selector, his.selector));
    CHECK_INT(look(&f, &hers, SENDING_KEY, SENDING_KEY), SENDING_PROVED);
    CHECK_INT(look(&f, &his, SENDING_KEY, SENDING_KEY), SENDING_AS_IT_WAS);
    CHECK(!his.verified && his.why.n && !may(&f, "bob@one.test", "shop.example"));
    CHECK_OK(sending_domain_remove(f.dir, bob, D)); /* takes nothing from her */
    CHECK_OK(sending_domain_of(f.dir, &f.a, D, &got));
    CHECK_SL(got.account, alice);
    his = claim(&f, bob);
    CHECK_OK(sending_domains_forget(f.dir, alice));
    CHECK_ERR(sending_domain_of(f.dir, &f.a, D, &got), ERR_NOT_FOUND);
    CHECK_INT(look(&f, &his, SENDING_KEY, SENDING_KEY), SENDING_PROVED);
    struct sending_domain again =
        claim(&f, alice); /* another key: what was seen of the old one says nothing */
    enum sending_change c;
    struct sending_look seen = {SENDING_KEY, SENDING_KEY, SL("")};
    CHECK(!sl_eq(again.selector, hers.selector));
    CHECK_ERR(sending_domain_looked(f.dir, &f.a, &hers, &seen, &c), ERR_NOT_FOUND);
    dir_fixture_end(&f);
}

static void hosts_change(struct dir_fixture *f, const char *alice, struct sending_domain *d)
{
    enum sending_change c;
    struct sending_domain old = *d;
    struct sending_look all = {15, 15, SL("")};
    CHECK_OK(sending_domain_hosts(f->dir, alice, D, SL("back"), SL("")));
    CHECK_OK(sending_domain_looked(f->dir, &f->a, &old, &all, &c)); /* of the host before */
    CHECK_INT(old.found, SENDING_KEY | SENDING_LINKS | SENDING_TLS);
    CHECK_SL(old.returns, "back");
    CHECK_SL(old.links, "links");
    CHECK(old.looked == 0 && old.verified); /* who asks has the new one looked at */
    CHECK_INT(look(f, &old, 15, 15), SENDING_AS_IT_WAS);
    CHECK(old.looked > 0 && old.found == 15);
}

/* What is not said stays as it is then, whatever it was when somebody looked before. */
TEST(a_label_that_is_not_said_stays_as_it_is)
{
    struct dir_fixture f;
    struct sending_domain d;
    REQUIRE(dir_fixture_people(&f));
    const char *alice = id_of(&f, "alice@one.test");
    (void)claim(&f, alice);
    CHECK_OK(sending_domain_hosts(f.dir, alice, D, SL("Back"), SL("")));
    CHECK_OK(sending_domain_hosts(f.dir, alice, D, SL(""), SL("go")));
    CHECK_OK(sending_domain_get(f.dir, &f.a, alice, D, &d));
    CHECK_SL(d.returns, "back");
    CHECK_SL(d.links, "go");
    CHECK_ERR(sending_domain_hosts(f.dir, alice, D, SL(""), SL("back")), ERR_SYNTAX);
    CHECK_ERR(sending_domain_hosts(f.dir, alice, D, SL("go"), SL("")), ERR_SYNTAX);
    CHECK_OK(sending_domain_hosts(f.dir, alice, D, SL(""), SENDING_LINKED));
    CHECK_OK(sending_domain_get(f.dir, &f.a, alice, D, &d));
    CHECK_SL(d.returns, "back");
    CHECK_SL(d.links, "links");
    dir_fixture_end(&f);
}

TEST(what_the_dns_does_not_say_stays_as_it_was)
{
    struct dir_fixture f;
    REQUIRE(dir_fixture_people(&f));
    const char *alice = id_of(&f, "alice@one.test");
    struct sending_domain d = claim(&f, alice);
    CHECK_INT(look(&f, &d, 15, 15), SENDING_PROVED);
    CHECK_INT(look(&f, &d, 0, 0), SENDING_AS_IT_WAS);
    CHECK(d.found == 15 && d.failing && d.verified);
    CHECK_INT(look(&f, &d, SENDING_LINKS, 0), SENDING_AS_IT_WAS);
    CHECK_INT(d.found, SENDING_KEY | SENDING_RETURN | SENDING_TLS);
    CHECK_INT(look(&f, &d, 15, 15), SENDING_AS_IT_WAS);
    CHECK(!d.failing && may(&f, "alice@one.test", "shop.example"));
    hosts_change(&f, alice, &d);
    dir_fixture_end(&f);
}

struct spoiling {
    struct slice key, value;
};

static int spoil_tx(struct kv_tx *tx, void *arg)
{
    const struct spoiling *x = arg;
    kv_tx_put(tx, x->key, x->value);
    return 0;
}

static void spoil(struct dir_fixture *f, struct slice key)
{
    struct spoiling x = {key, SL("\1"
                                 "a")};
    CHECK_OK(kv_transact(f->kv, SL("_senders"), spoil_tx, &x));
}

static void put_later(struct dir_fixture *f, struct slice key)
{
    struct spoiling x = {key, SL("\x4d")};
    CHECK_OK(kv_transact(f->kv, SL("_senders"), spoil_tx, &x));
}

static bool is_later(struct dir_fixture *f, struct slice key)
{
    struct slice value = {0};
    CHECK_OK(kv_get(f->kv, SL("_senders"), key, &f->a, &value));
    return sl_eq(value, SL("\x4d"));
}

TEST(a_sending_domains_row_of_a_later_version_is_neither_written_over_nor_deleted)
{
    struct dir_fixture f;
    REQUIRE(dir_fixture_people(&f));
    const char *alice = id_of(&f, "alice@one.test"), *bob = id_of(&f, "bob@one.test");
    struct sending_domain hers = claim(&f, alice), his = claim(&f, bob);
    struct sending_look shown = {15, 15, SL("")};
    enum sending_change c;
    CHECK_INT(look(&f, &hers, 15, 15), SENDING_PROVED);
    put_later(&f, ar_printf(&f.a, "c/%s/shop.example", alice));
    CHECK_ERR(sending_domain_looked(f.dir, &f.a, &his, &shown, &c), ERR_VERSION);
    put_later(&f, SL("d/shop.example"));
    CHECK_ERR(sending_domain_looked(f.dir, &f.a, &his, &shown, &c), ERR_VERSION);
    CHECK(is_later(&f, SL("d/shop.example")));
    CHECK_OK(sending_domain_remove(f.dir, alice, D));
    CHECK_OK(sending_domain_remove(f.dir, bob, D));
    CHECK(is_later(&f, SL("d/shop.example")));
    dir_fixture_end(&f);
}

TEST(a_damaged_row_keeps_letters_of_a_sending_domain_waiting)
{
    struct dir_fixture f;
    struct sending_domain got;
    REQUIRE(dir_fixture_people(&f));
    const char *alice = id_of(&f, "alice@one.test"), *bob = id_of(&f, "bob@one.test");
    struct sending_domain hers = claim(&f, alice), his = claim(&f, bob);
    CHECK_INT(look(&f, &hers, 15, 15), SENDING_PROVED);
    spoil(&f, SL("d/shop.example"));
    CHECK_ERR(sending_domain_of(f.dir, &f.a, D, &got), ERR_CORRUPT);
    CHECK_INT(look(&f, &hers, 0, 0), SENDING_PROVED); /* even while its DNS is silent */
    CHECK_OK(sending_domain_of(f.dir, &f.a, D, &got));
    CHECK_SL(got.account, alice);
    spoil(&f, SL("d/shop.example"));
    CHECK_INT(look(&f, &hers, SENDING_KEY, 0), SENDING_LOST);
    CHECK_ERR(sending_domain_of(f.dir, &f.a, D, &got), ERR_NOT_FOUND);
    CHECK_INT(look(&f, &hers, 15, 15), SENDING_PROVED);
    spoil(&f, ar_printf(&f.a, "c/%s/shop.example", alice));
    CHECK_ERR(sending_domain_of(f.dir, &f.a, D, &got), ERR_CORRUPT);
    CHECK(err_is_temporary(ERR_CORRUPT));
    CHECK_INT(look(&f, &his, SENDING_KEY, SENDING_KEY), SENDING_PROVED); /* locked for nobody */
    CHECK(may(&f, "bob@one.test", "shop.example"));
    CHECK_OK(sending_domain_remove(f.dir, alice, D));
    CHECK(may(&f, "bob@one.test", "shop.example"));
    dir_fixture_end(&f);
}

TEST(a_damaged_row_outlives_the_last_claim_by_nothing)
{
    struct dir_fixture f;
    struct sending_domain got;
    REQUIRE(dir_fixture_people(&f));
    const char *alice = id_of(&f, "alice@one.test"), *bob = id_of(&f, "bob@one.test");
    struct sending_domain hers = claim(&f, alice);
    (void)claim(&f, bob);
    CHECK_INT(look(&f, &hers, 15, 15), SENDING_PROVED);
    CHECK_OK(sending_domain_stands(f.dir, &hers));
    spoil(&f, SL("d/shop.example"));
    CHECK_ERR(sending_domain_stands(f.dir, &hers), ERR_CORRUPT);
    CHECK_OK(sending_domain_remove(f.dir, bob, D)); /* she may have it: her letters wait for her next look */
    CHECK_ERR(sending_domain_of(f.dir, &f.a, D, &got), ERR_CORRUPT);
    (void)claim(&f, bob);
    CHECK_OK(sending_domain_remove(f.dir, alice, D)); /* nobody else that is proved */
    CHECK_ERR(sending_domain_of(f.dir, &f.a, D, &got), ERR_NOT_FOUND);
    CHECK(!may(&f, "bob@one.test", "shop.example"));
    dir_fixture_end(&f);
}

TEST(a_claim_that_is_made_again_has_nothing_of_the_damaged_one)
{
    struct dir_fixture f;
    struct sending_domain got;
    REQUIRE(dir_fixture_people(&f));
    const char *alice = id_of(&f, "alice@one.test");
    struct sending_domain d = claim(&f, alice);
    CHECK_INT(look(&f, &d, 15, 15), SENDING_PROVED);
    spoil(&f, ar_printf(&f.a, "c/%s/shop.example", alice));
    CHECK_OK(sending_domain_remove(f.dir, alice, D));
    (void)claim(&f, alice);
    CHECK_ERR(sending_domain_of(f.dir, &f.a, D, &got), ERR_NOT_FOUND);
    dir_fixture_end(&f);
}

struct counted {
    struct slice key;
    uint64_t day, n;
};

static int put_count(struct kv_tx *tx, void *arg)
{
    const struct counted *c = arg;
    struct buf b = BUF_INIT;
    rec_begin(&b, 1);
    rec_put_u64(&b, 'd', c->day);
    rec_put_u64(&b, 'n', c->n);
    kv_tx_put_record(tx, c->key, &b);
    buf_free(&b);
    return 0;
}

/* Claims cost a key each: who adds and removes in a loop is held up until the next day. */
TEST(so_many_sending_domains_are_claimed_on_a_day)
{
    struct dir_fixture f;
    struct sending_domain got;
    struct slice row;
    REQUIRE(dir_fixture_people(&f));
    const char *alice = id_of(&f, "alice@one.test");
    struct counted c = {.key = ar_printf(&f.a, "n/%s", alice),
                        .day = (uint64_t)(rt_wall_seconds() / 86400),
                        .n = SENDING_DOMAINS_DAY - 1};
    CHECK_OK(kv_transact(f.kv, SL("_senders"), put_count, &c));
    claim(&f, alice);
    CHECK_OK(sending_domain_remove(f.dir, alice, D));
    CHECK_ERR(sending_domain_add(f.dir, &f.a, alice, D, SL(""), SL(""), &got), ERR_LIMIT);
    CHECK(sl_find(sl_cstr(err_text(ERR_LIMIT)), SL("tomorrow")) != SL_NONE);
    claim(&f, id_of(&f, "bob@one.test"));
    c.day--, c.n = 1000; /* yesterday's */
    CHECK_OK(kv_transact(f.kv, SL("_senders"), put_count, &c));
    claim(&f, alice);
    CHECK_OK(sending_domains_forget(f.dir, alice));
    CHECK_ERR(kv_get(f.kv, SL("_senders"), c.key, &f.a, &row), ERR_NOT_FOUND);
    dir_fixture_end(&f);
}

/* damage_test.c - rows that cannot be read, and any number of rows. */
#include "directory_i.h"
#include "directory_test.h"
#include "kv/record.h"

#include <stdlib.h>

static int put_large_rows(struct kv_tx *tx, void *arg)
{
    char *value = xcalloc(1, 60000), key[32];
    for (int i = 0; i < 50; i++) {
        snprintf(key, sizeof key, "l:%s%d", (const char *)arg, i);
        kv_tx_put(tx, sl_cstr(key), sl(value, 60000));
    }
    free(value);
    return 0;
}

TEST(a_domain_is_removed_however_much_it_holds)
{
    struct dir_fixture f;
    struct kv_page page;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(kv_transact(f.kv, SL("d:two.test"), put_large_rows, "a"));
    CHECK_OK(kv_transact(f.kv, SL("d:two.test"), put_large_rows, "b"));
    CHECK_OK(domain_remove(f.dir, SL("two.test")));
    CHECK_OK(kv_scan(f.kv, SL("d:two.test"), SL(""), SL(""), 10, &f.a, &page));
    CHECK_INT(page.n, 0);
    dir_fixture_end(&f);
}

static int put_damaged(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, sl_cstr(key), SL("\1x"));
    return 0;
}

static void spoil(struct dir_fixture *f, const char *object, const char *key)
{
    CHECK_OK(kv_transact(f->kv, sl_cstr(object), put_damaged, (void *)key));
}

TEST(directory_a_damaged_row_hides_no_other)
{
    struct dir_fixture f;
    struct account *acc;
    struct alias *alias;
    struct domain *d;
    struct dkim_key *k;
    struct slice to = SL("bob@elsewhere.test");
    size_t n;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(alias_add(f.dir, SL("zoe@one.test"), &to, 1));
    CHECK_OK(dkim_key_add(f.dir, SL("one.test"), SL("s"), KEY_ED25519, DKIM_KEY_ACTIVE));
    CHECK_OK(domain_list(f.dir, &f.a, &d, &n));
    size_t domains = n;
    CHECK_OK(account_list(f.dir, &f.a, SL("one.test"), &acc, &n));
    size_t accounts = n;
    spoil(&f, "d:one.test", "a:aa");
    spoil(&f, "d:one.test", "l:aa");
    spoil(&f, "d:one.test", "k:aa");
    CHECK_OK(account_list(f.dir, &f.a, SL("one.test"), &acc, &n));
    REQUIRE(n == accounts + 1);
    CHECK_SL(acc[0].address, "aa@one.test");
    CHECK(acc[0].damage.n > 0 && !acc[1].damage.n);
    CHECK_OK(alias_list(f.dir, &f.a, SL("one.test"), &alias, &n));
    CHECK(alias[0].damage.n > 0 && !alias[0].n && !alias[n - 1].damage.n);
    CHECK_SL(alias[n - 1].address, "zoe@one.test");
    CHECK_OK(dkim_keys(f.dir, &f.a, SL("one.test"), &k, &n));
    REQUIRE(n == 2 && k[0].state == DKIM_KEY_DAMAGED && k[1].state == DKIM_KEY_ACTIVE);
    spoil(&f, "d:one.test", ".");
    CHECK_OK(domain_list(f.dir, &f.a, &d, &n));
    REQUIRE(n == domains);
    for (size_t i = 0; i < n; i++) CHECK(sl_eq(d[i].name, SL("one.test")) == (d[i].damage.n > 0));
    dir_fixture_end(&f);
}

/* A thousand, each with a name of 150 bytes. */
static int put_aliases(struct kv_tx *tx, void *arg)
{
    int from = *(int *)arg;
    char key[200];
    for (int i = from; i < from + 1000; i++) {
        snprintf(key, sizeof key, "l:%0150d", i);
        kv_tx_put(tx, sl_cstr(key), SL("\1t\5a@b.c"));
    }
    return 0;
}

TEST(directory_a_domain_with_any_number_of_aliases_goes)
{
    enum { ALIASES = 30000 };
    struct dir_fixture f;
    struct alias *alias;
    size_t n;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(domain_add(f.dir, SL("big.test")));
    for (int i = 0; i < ALIASES; i += 1000) CHECK_OK(kv_transact(f.kv, SL("d:big.test"), put_aliases, &i));
    CHECK_OK(domain_remove(f.dir, SL("big.test")));
    CHECK_OK(alias_list(f.dir, &f.a, SL("big.test"), &alias, &n));
    CHECK_INT(n, 0);
    dir_fixture_end(&f);
}

struct spoilt {
    struct slice key;
    struct buf row;
};

static int put_spoilt(struct kv_tx *tx, void *arg)
{
    struct spoilt *s = arg;
    kv_tx_put_record(tx, s->key, &s->row);
    return 0;
}

TEST(directory_an_account_whose_row_is_damaged_can_be_removed)
{
    struct dir_fixture f;
    struct account acc, got;
    struct account *list;
    struct spoilt s = {SL("a:alice"), BUF_INIT};
    size_t n;
    REQUIRE(dir_fixture_begin(&f));
    CHECK_OK(domain_add(f.dir, SL("one.test")));
    CHECK_OK(account_add(f.dir, SL("alice@one.test"), SL("secret")));
    CHECK_OK(account_get(f.dir, &f.a, SL("alice@one.test"), &acc));
    rec_begin(&s.row, 1);
    rec_put(&s.row, 'k', SL("no keys"));
    CHECK_OK(kv_transact(f.kv, SL("d:one.test"), put_spoilt, &s));
    CHECK_ERR(account_remove(f.dir, SL("alice@one.test")), ERR_CORRUPT); /* whose mailboxes? */
    CHECK_ERR(account_get_damaged(f.dir, &f.a, SL("alice@one.test"), &got), ERR_CORRUPT);
    rec_begin(&s.row, 1);
    rec_put(&s.row, 'i', sl_cstr(acc.id));
    rec_put(&s.row, 'k', SL("no keys"));
    CHECK_OK(kv_transact(f.kv, SL("d:one.test"), put_spoilt, &s));
    CHECK_OK(account_get_damaged(f.dir, &f.a, SL("alice@one.test"), &got));
    CHECK(!strcmp(got.id, acc.id) && sl_eq(got.address, SL("alice@one.test")));
    CHECK_OK(account_remove(f.dir, SL("alice@one.test")));
    CHECK_OK(account_list(f.dir, &f.a, SL("one.test"), &list, &n));
    CHECK_INT(n, 0);
    CHECK_OK(account_add(f.dir, SL("alice@one.test"), SL("secret")));
    buf_free(&s.row);
    dir_fixture_end(&f);
}

TEST(directory_a_damaged_domain_keeps_no_account_from_being_disabled_or_removed)
{
    struct dir_fixture f;
    struct account acc;
    REQUIRE(dir_fixture_people(&f));
    spoil(&f, "d:one.test", ".");
    CHECK_OK(account_disable(f.dir, SL("alice@one.test"), true));
    CHECK_OK(account_get(f.dir, &f.a, SL("alice@one.test"), &acc));
    CHECK(acc.disabled);
    CHECK_OK(account_disable(f.dir, SL("alice@one.test"), false));
    CHECK_OK(account_remove(f.dir, SL("alice@one.test")));
    CHECK_ERR(account_get(f.dir, &f.a, SL("alice@one.test"), &acc), ERR_NOT_FOUND);
    dir_fixture_end(&f);
}

/* What a row does not name is nothing, whatever stood in the caller's memory. */
TEST(directory_a_row_sets_all_of_a_domain)
{
    struct dir_fixture f;
    struct domain d;
    struct slice row;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(kv_get(f.kv, SL("d:one.test"), SL("."), &f.a, &row));
    memset(&d, 0xaa, sizeof d);
    d.name = SL("one.test");
    CHECK_OK(domain_parse(row, &d));
    CHECK(d.created > 0 && !d.catch_all.n && !d.alias_of.n && !d.damage.n && d.sts == (enum domain_sts)0);
    dir_fixture_end(&f);
}

/* Whole records with bytes in a field that it never holds: what they name can be no object, no address. */
TEST(directory_a_field_that_names_nothing_is_damage)
{
    struct dir_fixture f;
    static const struct {
        const char *key;
        struct slice row;
    } rows[] = {
        {"a:torn", SL("\1i\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")},
        {"a:torn", SL("\1i\x03"
                      "a/b")},
        {"l:torn", SL("\1t\2\xff\xff")},
        {"M:0123456789abcdef/0123456789abcdef", SL("\1w\2\xff\xff")},
    };
    struct account *acc;
    struct alias *alias;
    size_t n, accounts;
    REQUIRE(dir_fixture_people(&f));
    CHECK_OK(account_list(f.dir, &f.a, SL("one.test"), &acc, &accounts));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct spoilt s = {.key = sl_cstr(rows[i].key)};
        buf_put(&s.row, rows[i].row);
        CHECK_ERR(directory_row_check(&f.a, s.key, rows[i].row), ERR_CORRUPT);
        CHECK_OK(kv_transact(f.kv, SL("d:one.test"), put_spoilt, &s));
        buf_free(&s.row);
        CHECK_OK(account_list(f.dir, &f.a, SL("one.test"), &acc, &n));
        REQUIRE(n == accounts + 1);
        for (size_t k = 0; k < n; k++)
            CHECK((acc[k].damage.n > 0) == sl_eq(acc[k].address, SL("torn@one.test")));
    }
    CHECK_OK(alias_list(f.dir, &f.a, SL("one.test"), &alias, &n));
    for (size_t k = 0; k < n; k++)
        CHECK((alias[k].damage.n > 0) == sl_eq(alias[k].address, SL("torn@one.test")));
    dir_fixture_end(&f);
}

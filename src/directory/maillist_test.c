/* maillist_test.c - distribution lists: their names, their members, and what is said of what they cannot be.
 */
#include <stdlib.h>

#include "directory_i.h"
#include "directory_test.h"

static struct maillist dev(void)
{
    return (struct maillist){.address = SL("Dev@one.test"),
                             .owner = SL("alice@one.test"),
                             .name = SL("Developers"),
                             .hourly = MAILLIST_HOURLY};
}

static bool lists_begin(struct dir_fixture *f)
{
    struct maillist l = dev();
    if (!dir_fixture_people(f)) return false;
    int e = maillist_add(f->dir, &l);
    CHECK_OK(e);
    return e == 0;
}

TEST(maillist_has_four_names_that_nobody_else_gets)
{
    struct dir_fixture f;
    struct maillist l;
    REQUIRE(lists_begin(&f));
    CHECK_OK(maillist_get(f.dir, &f.a, SL("dev@one.test"), &l));
    struct routes r = resolve(&f, "DEV", "one.test");
    REQUIRE(r.result == RESOLVED && r.n == 1 && r.v->local && !r.rewritten);
    CHECK(maillist_is_post(r.v->account) && sl_eq(sl_cstr(r.v->account + 2), sl_cstr(l.id)));
    CHECK_SL(r.v->address, "dev@one.test");
    r = resolve(&f, "dev-leave", "one.test");
    REQUIRE(r.result == RESOLVED && r.n == 1);
    CHECK(maillist_is_leave(r.v->account) && maillist_is(r.v->account) && !maillist_is_post(r.v->account));
    CHECK(reaches(&f, "dev-owner", "one.test", "alice@one.test"));
    CHECK(reaches(&f, "dev-request", "one.test", "alice@one.test"));
    CHECK(reaches(&f, "dev-bounces", "one.test", "alice@one.test"));
    CHECK_INT(resolve(&f, "dev-other", "one.test").result, RESOLVED_NO_USER);
    CHECK_INT(account_add(f.dir, SL("dev@one.test"), SL("x")), ERR_STATE);
    CHECK_INT(account_add(f.dir, SL("dev-bounces@one.test"), SL("x")), ERR_STATE);
    CHECK(strstr(err_text(ERR_STATE), "the list dev"));
    CHECK_INT(alias_add(f.dir, SL("dev-leave@one.test"), &SL("bob@one.test"), 1), ERR_STATE);
    CHECK_INT(account_rename(f.dir, SL("bob@one.test"), SL("dev@one.test")), ERR_STATE);
    struct maillist again = dev();
    CHECK_INT(maillist_add(f.dir, &again), ERR_EXISTS);
    again.address = SL("bob@one.test");
    CHECK_INT(maillist_add(f.dir, &again), ERR_EXISTS);
    CHECK_OK(alias_add(f.dir, SL("ops-owner@one.test"), &SL("bob@one.test"), 1));
    again.address = SL("ops@one.test");
    CHECK_INT(maillist_add(f.dir, &again), ERR_EXISTS);
    again.address = SL("ops+x@one.test");
    CHECK_INT(maillist_add(f.dir, &again), ERR_SYNTAX);
    again.address = SL("dev-owner@one.test");
    CHECK_INT(maillist_add(f.dir, &again), ERR_STATE);
    CHECK_OK(maillist_remove(f.dir, SL("dev@one.test")));
    CHECK_INT(maillist_remove(f.dir, SL("dev@one.test")), ERR_NOT_FOUND);
    CHECK_INT(resolve(&f, "dev-bounces", "one.test").result, RESOLVED_NO_USER);
    CHECK_OK(account_add(f.dir, SL("dev-bounces@one.test"), SL("x")));
    dir_fixture_end(&f);
}

static size_t members_of(struct dir_fixture *f, const char *list, struct maillist_member **m)
{
    struct maillist l;
    size_t n = 0;
    CHECK_OK(maillist_get(f->dir, &f->a, sl_cstr(list), &l));
    CHECK_OK(maillist_members(f->dir, &f->a, &l, m, &n));
    CHECK_INT(l.members, n);
    return n;
}

TEST(maillist_members_come_once_and_go)
{
    struct dir_fixture f;
    struct maillist l;
    struct maillist_member *m;
    struct slice who[] = {SL("BOB@one.test"), SL("Far@Away.example"), SL("bob@ONE.test")};
    size_t n;
    bool yes;
    REQUIRE(lists_begin(&f));
    CHECK_OK(maillist_members_add(f.dir, SL("dev@one.test"), who, 3, &n));
    CHECK_INT(n, 2);
    CHECK_INT(members_of(&f, "dev@one.test", &m), 2);
    CHECK_OK(maillist_get(f.dir, &f.a, SL("dev@one.test"), &l));
    CHECK_OK(maillist_has(f.dir, &l, SL("far@away.EXAMPLE"), &yes));
    CHECK(yes);
    CHECK_OK(maillist_has(f.dir, &l, SL("no address"), &yes));
    CHECK(!yes);
    CHECK_OK(maillist_members_remove(f.dir, SL("dev@one.test"), &SL("FAR@away.example"), 1, &n));
    CHECK_INT(n, 1);
    CHECK_OK(maillist_members_remove(f.dir, SL("dev@one.test"), &SL("far@away.example"), 1, &n));
    CHECK_INT(n, 0);
    /* decomposed or not it is the same name (RFC 6532 section 3.1) */
    CHECK_OK(maillist_members_add(f.dir, SL("dev@one.test"), &SL("e\314\201@bu\314\210cher.test"), 1, &n));
    CHECK_INT(n, 1);
    CHECK_OK(maillist_members_add(f.dir, SL("dev@one.test"), &SL("\303\211@b\303\274cher.test"), 1, &n));
    CHECK_INT(n, 0);
    CHECK_OK(maillist_has(f.dir, &l, SL("\303\251@xn--bcher-kva.test"), &yes));
    CHECK(yes);
    CHECK_OK(maillist_members_remove(f.dir, SL("dev@one.test"), &SL("\303\251@b\303\274cher.test"), 1, &n));
    CHECK_INT(n, 1);
    CHECK_INT(maillist_members_add(f.dir, SL("dev@one.test"), &SL("dev-owner@one.test"), 1, &n), ERR_USAGE);
    CHECK_INT(maillist_members_add(f.dir, SL("none@one.test"), who, 1, &n), ERR_NOT_FOUND);
    CHECK(strstr(err_text(ERR_NOT_FOUND), "no list"));
    /* another list of the same name begins empty */
    struct maillist again = dev();
    CHECK_OK(maillist_remove(f.dir, SL("dev@one.test")));
    CHECK_OK(maillist_add(f.dir, &again));
    CHECK_INT(members_of(&f, "dev@one.test", &m), 0);
    dir_fixture_end(&f);
}

TEST(maillist_is_changed_where_it_is_asked_for)
{
    struct dir_fixture f;
    struct maillist l, set = {.address = SL("dev@one.test"), .post = MAILLIST_BY_SENDERS, .hourly = 5};
    struct slice who[] = {SL("Boss@away.example")};
    size_t n;
    REQUIRE(lists_begin(&f));
    CHECK_OK(maillist_members_add(f.dir, SL("dev@one.test"), who, 1, &n));
    set.sender = who, set.nsenders = 1;
    CHECK_OK(maillist_set(f.dir, &set, MAILLIST_SET_POST | MAILLIST_SET_SENDERS));
    CHECK_OK(maillist_get(f.dir, &f.a, SL("dev@one.test"), &l));
    CHECK(l.post == MAILLIST_BY_SENDERS && l.hourly == MAILLIST_HOURLY && l.members == 1);
    CHECK_SL(l.name, "Developers");
    CHECK_SL(l.owner, "alice@one.test");
    CHECK(maillist_names_sender(&l, SL("boss@away.example")) && !maillist_names_sender(&l, SL("x@y.test")));
    CHECK_SL(maillist_list_id(&f.a, &l), "dev.one.test");
    set.owner = SL("dev-owner@one.test");
    CHECK_INT(maillist_set(f.dir, &set, MAILLIST_SET_OWNER), ERR_USAGE);
    set.address = SL("none@one.test");
    CHECK_INT(maillist_set(f.dir, &set, MAILLIST_SET_POST), ERR_NOT_FOUND);
    dir_fixture_end(&f);
}

TEST(maillist_is_bounded_in_words)
{
    struct dir_fixture f;
    struct maillist_member *m;
    size_t n;
    REQUIRE(lists_begin(&f));
    struct slice *who = ar_array(&f.a, struct slice, MAILLIST_MEMBERS_MAX);
    for (int i = 0; i < MAILLIST_MEMBERS_MAX; i++) who[i] = ar_printf(&f.a, "m%05d@away.example", i);
    CHECK_OK(maillist_members_add(f.dir, SL("dev@one.test"), who, MAILLIST_MEMBERS_MAX, &n));
    CHECK_INT(n, MAILLIST_MEMBERS_MAX);
    CHECK_INT(maillist_members_add(f.dir, SL("dev@one.test"), &SL("one@more.example"), 1, &n), ERR_LIMIT);
    CHECK(strstr(err_text(ERR_LIMIT), "10000 members"));
    CHECK_INT(members_of(&f, "dev@one.test", &m), MAILLIST_MEMBERS_MAX);
    CHECK_OK(maillist_members_remove(f.dir, SL("dev@one.test"), who, MAILLIST_MEMBERS_MAX, &n));
    for (int i = 0; i < 4500; i++)
        who[i] = ar_printf(
            &f.a, "a-long-local-part-that-is-someones-own-%05d@a-long-name.of-a-domain.away.example", i);
    CHECK_INT(maillist_members_add(f.dir, SL("dev@one.test"), who, 4500, &n), 0);
    for (int i = 0; i < 2000; i++) who[i] = ar_cat(&f.a, SL("x"), who[i]);
    CHECK_INT(maillist_members_add(f.dir, SL("dev@one.test"), who, 2000, &n), ERR_LIMIT);
    CHECK(strstr(err_text(ERR_LIMIT), "bytes together"));
    CHECK_INT(members_of(&f, "dev@one.test", &m), 4500);
    dir_fixture_end(&f);
}

struct damaging {
    struct slice key;
};
static int damage(struct kv_tx *tx, void *arg)
{
    struct damaging *d = arg;
    kv_tx_put(tx, d->key, SL("\x01\x77"));
    return 0;
}

static int keep_list(void *arg, struct maillist *l)
{
    struct kept *k = arg;
    *(struct maillist *)keep(k, sizeof *l) =
        (struct maillist){.address = ar_dup(k->a, l->address), .damage = ar_dup(k->a, l->damage)};
    return 0;
}

TEST(maillist_damaged_rows_are_shown_and_mended)
{
    struct dir_fixture f;
    struct maillist_member *m;
    struct slice who[] = {SL("bob@one.test"), SL("far@away.example")};
    size_t n;
    REQUIRE(lists_begin(&f));
    CHECK_OK(maillist_members_add(f.dir, SL("dev@one.test"), who, 2, &n));
    REQUIRE(members_of(&f, "dev@one.test", &m) == 2);
    struct slice hurt = ar_dup(&f.a, m[0].address);
    struct damaging d = {m[0].key};
    CHECK_OK(kv_transact(f.kv, SL("d:one.test"), damage, &d));
    REQUIRE(members_of(&f, "dev@one.test", &m) == 2);
    CHECK(!m[0].address.n && m[0].key.n && m[1].address.n);
    CHECK_INT(directory_row_check(&f.a, m[0].key, SL("\x01\x77")), ERR_CORRUPT);
    CHECK_OK(maillist_members_add(f.dir, SL("dev@one.test"), &hurt, 1, &n)); /* written anew */
    REQUIRE(members_of(&f, "dev@one.test", &m) == 2);
    CHECK(m[0].address.n && m[1].address.n);
    struct kept k = {.a = &f.a};
    d.key = SL("L:dev");
    CHECK_OK(kv_transact(f.kv, SL("d:one.test"), damage, &d));
    struct maillist ops = dev(), l;
    ops.address = SL("ops@one.test");
    CHECK_OK(maillist_add(f.dir, &ops));
    CHECK_INT(maillist_get(f.dir, &f.a, SL("dev@one.test"), &l), ERR_CORRUPT);
    CHECK_OK(maillist_each(f.dir, SL("one.test"), keep_list, &k));
    struct maillist *all = k.list;
    REQUIRE(k.n == 2);
    CHECK(all[0].damage.n && !all[1].damage.n);
    CHECK_OK(maillist_remove(f.dir, SL("dev@one.test"))); /* it can be taken away, and made again */
    struct maillist again = dev();
    CHECK_OK(maillist_add(f.dir, &again));
    dir_fixture_end(&f);
}

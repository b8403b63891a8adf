/* suppression_test.c - the one list of who gets nothing: added, asked, bypassed, expired, forgotten. */
#include "send_test.h"
#include "suppression.h"
#include "unsubscribe.h"

static enum send_reason judge(struct send_fixture *x, const char *address, enum stream stream, uint32_t group,
                              unsigned options)
{
    enum send_reason r;
    struct suppression_ask ask = {sl_cstr(x->account.id), sl_cstr(address), stream, group, options};
    CHECK_OK(suppression_judge(x->s, &ask, &r));
    return r;
}

static void enter(struct send_fixture *x, const char *address, enum send_reason r, uint32_t group,
                  int64_t expires)
{
    struct suppression_entry e = {
        .address = sl_cstr(address), .reason = r, .group = group, .expires = expires, .evidence = SL("why")};
    CHECK_OK(suppression_add(x->s, sl_cstr(x->account.id), &e));
}

TEST(suppression_knows_an_address_in_any_spelling)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    enter(&x, "Jörg@bücher.example", SEND_OUT_COMPLAINED, 0, 0);
    CHECK_INT(judge(&x, "JÖRG@xn--bcher-kva.EXAMPLE", STREAM_BULK, 0, 0), SEND_OUT_COMPLAINED);
    CHECK_INT(judge(&x, "jorg@bücher.example", STREAM_BULK, 0, 0), SEND_OUT_NONE);
    struct suppression_ask bad = {.account = SL("x"), .address = SL("none")};
    enum send_reason r;
    CHECK_ERR(suppression_judge(x.s, &bad, &r), ERR_SYNTAX);
    send_fixture_end(&x);
}

TEST(suppression_binds_by_reason_stream_and_group)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    enter(&x, "all@two.test", SEND_OUT_UNSUBSCRIBED, 0, 0);
    CHECK_INT(judge(&x, "all@two.test", STREAM_BULK, 0, 0), SEND_OUT_UNSUBSCRIBED);
    CHECK_INT(judge(&x, "all@two.test", STREAM_TRANSACTIONAL, 0, 0), SEND_OUT_NONE);
    CHECK_INT(judge(&x, "all@two.test", STREAM_TRANSACTIONAL, 0, SEND_HONOUR_UNSUBSCRIBED),
              SEND_OUT_UNSUBSCRIBED);
    CHECK_INT(judge(&x, "all@two.test", STREAM_BULK, 0, SEND_BYPASS_UNSUBSCRIBED), SEND_OUT_NONE);
    enter(&x, "one@two.test", SEND_OUT_LEFT_GROUP, 7, 0);
    enter(&x, "one@two.test", SEND_OUT_LEFT_GROUP, 8, 0);
    CHECK_INT(judge(&x, "one@two.test", STREAM_BULK, 7, 0), SEND_OUT_LEFT_GROUP);
    CHECK_INT(judge(&x, "one@two.test", STREAM_BULK, 9, 0), SEND_OUT_NONE);
    size_t n;
    CHECK_OK(suppression_remove(x.s, sl_cstr(x.account.id), SL("one@two.test"), SEND_OUT_LEFT_GROUP, 7, &n));
    CHECK_INT(n, 1);
    CHECK_INT(judge(&x, "one@two.test", STREAM_BULK, 7, 0), SEND_OUT_NONE);
    CHECK_INT(judge(&x, "one@two.test", STREAM_BULK, 8, 0), SEND_OUT_LEFT_GROUP);
    enter(&x, "gone@two.test", SEND_OUT_BOUNCED, 0, rt_wall_seconds() - 1);
    CHECK_INT(judge(&x, "gone@two.test", STREAM_BULK, 0, 0), SEND_OUT_NONE);
    send_fixture_end(&x);
}

static int count(void *arg, const struct suppression_entry *e, struct slice place)
{
    CHECK(place.n > 0);
    *(unsigned *)arg += e->address.n ? 1 : 100;
    return 0;
}

TEST(suppression_of_who_is_forgotten_stays)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct slice acc = sl_cstr(x.account.id);
    struct suppression_entry *e;
    size_t n;
    enter(&x, "a@two.test", SEND_OUT_BY_HAND, 0, 0);
    enter(&x, "a@two.test", SEND_OUT_UNSUBSCRIBED, 0, 0);
    enter(&x, "b@two.test", SEND_OUT_BY_HAND, 0, 0);
    CHECK_OK(suppression_forget(x.s, acc, SL("A@two.test")));
    CHECK_ERR(suppression_forget(x.s, acc, SL("z@two.test")), ERR_NOT_FOUND);
    CHECK_INT(judge(&x, "a@two.test", STREAM_TRANSACTIONAL, 0, 0), SEND_OUT_BY_HAND);
    unsigned seen = 0;
    CHECK_OK(suppression_each(x.s, acc, SL(""), count, &seen));
    CHECK_INT(seen, 201);
    CHECK_OK(suppression_get(x.s, acc, SL("a@two.test"), &x.f.a, &e, &n));
    CHECK_INT(n, 2);
    CHECK_OK(suppression_remove(x.s, acc, SL("a@two.test"), SEND_OUT_NONE, 0, &n));
    CHECK_INT(n, 2);
    CHECK_OK(suppression_get(x.s, acc, SL("a@two.test"), &x.f.a, &e, &n));
    CHECK_INT(n, 0);
    send_fixture_end(&x);
}

static struct slice key_of_row; /* the only one */

static int spoil_tx(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, key_of_row, *(struct slice *)arg);
    return 0;
}

static void spoil(struct send_fixture *x, bool cut)
{
    struct kv_page page;
    char object[40];
    snprintf(object, sizeof object, "x:%s", x->account.id);
    CHECK_OK(kv_scan(x->f.s->kv, sl_cstr(object), SL("a/"), SL("b"), 10, &x->f.a, &page));
    if (page.n != 1) test_fail(__FILE__, __LINE__, "%zu rows", page.n);
    if (page.n != 1) return;
    key_of_row = page.row[0].key;
    struct slice row = cut ? sl_sub(page.row[0].value, 0, page.row[0].value.n - 5) : SL("\377");
    CHECK_OK(kv_transact(x->f.s->kv, sl_cstr(object), spoil_tx, &row));
}

TEST(suppression_of_a_damaged_row_is_total_until_it_is_taken_away)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct slice acc = sl_cstr(x.account.id);
    unsigned seen = 0;
    size_t n;
    for (int cut = 0; cut < 2; cut++) {
        enter(&x, "a@two.test", SEND_OUT_LEFT_GROUP, 7, 0);
        spoil(&x, cut);
        CHECK_INT(judge(&x, "a@two.test", STREAM_TRANSACTIONAL, 0, 0), SEND_OUT_BY_HAND);
        enter(&x, "a@two.test", SEND_OUT_UNSUBSCRIBED, 0, 0); /* who leaves is heard */
        CHECK_INT(judge(&x, "a@two.test", STREAM_BULK, 9, SEND_BYPASS_UNSUBSCRIBED), SEND_OUT_BY_HAND);
        CHECK_OK(suppression_each(x.s, acc, SL(""), count, &seen));
        CHECK_OK(suppression_remove(x.s, acc, SL("a@two.test"), SEND_OUT_NONE, 0, &n));
        CHECK_INT(n, 2);
        CHECK_INT(judge(&x, "a@two.test", STREAM_BULK, 7, 0), SEND_OUT_NONE);
    }
    CHECK_INT(seen, 4);
    send_fixture_end(&x);
}

TEST(suppression_who_left_very_many_groups_leaves_all)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    for (unsigned i = 1; i <= SUPPRESSION_ENTRIES_MAX; i++) {
        struct unsubscribe u = {.account = sl_cstr(x.account.id), .address = SL("a@two.test"), .group = i};
        CHECK_OK(unsubscribe_do(x.s, &u));
        CHECK(judge(&x, "a@two.test", STREAM_BULK, i, 0) != SEND_OUT_NONE);
    }
    CHECK_INT(judge(&x, "a@two.test", STREAM_BULK, 0, 0), SEND_OUT_UNSUBSCRIBED);
    enter(&x, "a@two.test", SEND_OUT_COMPLAINED, 0, 0);
    struct unsubscribe all = {.account = sl_cstr(x.account.id), .address = SL("b@two.test")}, one = all;
    one.group = 7;
    CHECK_OK(unsubscribe_do(x.s, &all));
    CHECK_OK(unsubscribe_do(x.s, &one)); /* stays when all is taken back */
    CHECK_OK(unsubscribe_undo(x.s, &all));
    CHECK_INT(judge(&x, "b@two.test", STREAM_BULK, 7, 0), SEND_OUT_LEFT_GROUP);
    CHECK_INT(judge(&x, "b@two.test", STREAM_BULK, 8, 0), SEND_OUT_NONE);
    send_fixture_end(&x);
}

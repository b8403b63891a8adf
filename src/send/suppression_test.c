/* suppression_test.c - the one list of who gets nothing: added, asked, bypassed, expired, forgotten. */
#include "event.h"
#include "send_run.h"
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

/* ---- refusals that leave a doubt ---- */

static void doubt(struct send_fixture *x, int64_t days_ago, int64_t hours, const char *letter, bool late)
{
    struct suppression_entry e = {.address = SL("who@two.test"),
                                  .reason = SEND_OUT_BOUNCED,
                                  .since = rt_wall_seconds() - days_ago * 86400 + hours * 3600,
                                  .expires = rt_wall_seconds() + 86400,
                                  .letter = sl_cstr(letter)};
    CHECK_OK(suppression_add_doubted(x->s, sl_cstr(x->account.id), &e, late));
}

static bool is_kept_away(struct send_fixture *x)
{
    return judge(x, "Who@two.test", STREAM_BULK, 0, 0) == SEND_OUT_BOUNCED;
}

TEST(suppression_a_doubt_counts_when_another_letter_says_so_a_day_later)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    doubt(&x, 10, 0, "a", false);
    doubt(&x, 10, 23, "b", false); /* an hour of trouble, and many letters */
    doubt(&x, 8, 0, "a", false);   /* the same one, read again */
    CHECK(!is_kept_away(&x));
    doubt(&x, 8, 0, "c", false);
    CHECK(is_kept_away(&x));
    send_fixture_end(&x);
}

TEST(suppression_a_doubt_is_gone_after_half_a_year_or_when_it_was_to_come)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    doubt(&x, 200, 0, "a", false);
    doubt(&x, 10, 0, "b", false);
    CHECK(!is_kept_away(&x));
    doubt(&x, -5, 0, "c", false); /* the clock was ahead: it counts from then */
    CHECK(is_kept_away(&x));
    size_t n;
    CHECK_OK(suppression_remove(x.s, sl_cstr(x.account.id), SL("who@two.test"), SEND_OUT_NONE, 0, &n));
    doubt(&x, -5, 0, "d", false);
    doubt(&x, 0, 0, "e", false);
    CHECK(!is_kept_away(&x));
    send_fixture_end(&x);
}

TEST(suppression_a_letter_that_comes_through_ends_a_doubt)
{
    struct send_fixture x;
    struct suppression_entry *v;
    size_t n;
    if (!send_fixture_begin(&x)) return;
    struct slice account = sl_cstr(x.account.id), who = SL("WHO@two.test");
    doubt(&x, 10, 0, "a", false);
    CHECK_OK(suppression_came_through(x.s, account, who));
    doubt(&x, 5, 0, "b", false);
    CHECK(!is_kept_away(&x));
    CHECK_OK(suppression_remove(x.s, account, who, SEND_OUT_NONE, 0, &n));
    CHECK_INT(n, 0);
    doubt(&x, 10, 0, "c", true); /* the first server took it, and the report followed */
    CHECK_OK(suppression_came_through(x.s, account, who));
    doubt(&x, 5, 0, "d", true);
    CHECK(is_kept_away(&x));
    CHECK_OK(suppression_came_through(x.s, account, who)); /* as a bypass does: what was entered stays */
    CHECK(is_kept_away(&x));
    CHECK_OK(suppression_get(x.s, account, who, &x.f.a, &v, &n));
    CHECK_INT(n, 1);
    CHECK_OK(suppression_came_through(x.s, account, SL("nobody@two.test")));
    CHECK_OK(suppression_get(x.s, account, SL("nobody@two.test"), &x.f.a, &v, &n));
    CHECK_INT(n, 0);
    send_fixture_end(&x);
}

/* ---- by what receivers answer ---- */

static int note(struct kv_tx *tx, void *arg)
{
    struct send_fixture *x = ((void **)arg)[0];
    event_tx_add(x->s, tx, sl_cstr(x->account.id), ((void **)arg)[1]);
    return 0;
}

static void refuse(struct send_fixture *x, const char *address, const char *enhanced, const char *words)
{
    struct event e = {.kind = EVENT_BOUNCED,
                      .address = sl_cstr(address),
                      .code = 550,
                      .enhanced = sl_cstr(enhanced),
                      .reply = sl_cstr(words),
                      .class = SL("invalid")};
    letter_id_new(&e.send);
    CHECK_OK(kv_transact(x->f.s->kv, SL("q:000"), note, (void *[]){x, &e}));
}

static void counted(struct sends *s, const struct letter_id *send, const struct send_count *c)
{
    (void)s, (void)send, (void)c;
}

TEST(suppression_goes_by_what_the_reply_says_of_the_recipient)
{
    struct send_fixture x;
    uint64_t at = 0;
    bool more;
    if (!send_fixture_begin(&x)) return;
    refuse(&x, "gone@two.test", "5.1.1", "5.1.1 <gone@two.test>: no such user here");
    refuse(&x, "full@two.test", "", "mailbox unavailable");
    refuse(&x, "here@two.test", "5.1.1", "5.1.1 Sender address rejected: not found");
    CHECK_OK(run_count(x.s, sl_cstr(x.account.id), &at, &more, counted));
    CHECK_INT(judge(&x, "gone@two.test", STREAM_BULK, 0, 0), SEND_OUT_INVALID);
    CHECK_INT(judge(&x, "full@two.test", STREAM_BULK, 0, 0), SEND_OUT_NONE);
    CHECK_INT(judge(&x, "here@two.test", STREAM_BULK, 0, 0), SEND_OUT_NONE);
    send_fixture_end(&x);
}

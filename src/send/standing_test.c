/* standing_test.c - the share of people who bounce or complain pauses bulk mail of their sender, for a time
 * that is told; one of them alone does not. */
#include "standing.h"

#include <stdio.h>

#include "numbers_i.h"
#include "send_test.h"

struct tester {
    struct send_fixture x;
    struct letter_id send;
    struct event e;
    size_t first, n;
};

static int tell_tx(struct kv_tx *tx, void *arg)
{
    struct tester *t = arg;
    char address[60];
    for (size_t i = t->first; i < t->first + 250 && i < t->n; i++) {
        int n = snprintf(address, sizeof address, "p%zu@two.test", i);
        t->e.address = sl(address, (size_t)n);
        event_tx_add(t->x.s, tx, sl_cstr(t->x.account.id), &t->e);
    }
    return 0;
}

/* People `first` to `first` + n, of each of whom that is told once. */
static void tell(struct tester *t, enum event_kind kind, size_t first, size_t n)
{
    bool more = true;
    t->e = (struct event){.kind = kind, .send = t->send};
    for (t->n = first + n, t->first = first; t->first < t->n; t->first += 250)
        CHECK_OK(kv_transact(t->x.f.s->kv, SL("any"), tell_tx, t));
    while (more) CHECK_OK(numbers_count(t->x.s, sl_cstr(t->x.account.id), &more));
}

static bool begin(struct tester *t)
{
    *t = (struct tester){0};
    if (!send_fixture_begin(&t->x)) return false;
    letter_id_new(&t->send);
    return true;
}

static int ask(struct tester *t, int64_t *until)
{
    return standing_ask(t->x.s, sl_cstr(t->x.account.id), until);
}

TEST(standing_complaints_of_many_pause_bulk_mail)
{
    struct tester t;
    int64_t until, now = rt_wall_seconds();
    if (!begin(&t)) return;
    struct send_letter l = test_letter(&t.x.f.a, SL("bob@two.test"));
    struct send s = test_send(&t.x);
    struct send_taken done;
    tell(&t, EVENT_DELIVERED, 0, STANDING_COMPLAINTS_LEAST);
    for (int i = 0; i < 30; i++) tell(&t, EVENT_COMPLAINT, 7, 1); /* one who complains of every letter */
    CHECK_OK(ask(&t, &until));
    tell(&t, EVENT_COMPLAINT, 8, 14);
    CHECK_OK(ask(&t, &until));
    tell(&t, EVENT_COMPLAINT, 100, 1);
    CHECK_ERR(ask(&t, &until), ERR_LIMIT);
    CHECK(until > now && until <= now + STANDING_DAYS * 86400 && until % 86400 == 0);
    CHECK(sl_find(sl_cstr(err_text(ERR_LIMIT)),
                  SL("5000 recipients of the last 7 days 16 complained, more than 3 of 1000")) != SL_NONE);
    CHECK_ERR(send_take(t.x.s, &s, &l, 1, &t.x.f.a, &done), ERR_LIMIT);
    s.stream = STREAM_TRANSACTIONAL; /* a password reset */
    CHECK_OK(send_take(t.x.s, &s, &l, 1, &t.x.f.a, &done));
    CHECK_OK(standing_pardon(t.x.s, sl_cstr(t.x.account.id)));
    CHECK_OK(ask(&t, &until));
    s.stream = STREAM_BULK;
    CHECK_OK(send_take(t.x.s, &s, &l, 1, &t.x.f.a, &done));
    tell(&t, EVENT_COMPLAINT, 200, 1); /* what was before does not come back */
    CHECK_OK(ask(&t, &until));
    send_fixture_end(&t.x);
}

TEST(standing_bounces_of_many_pause_bulk_mail)
{
    struct tester t;
    int64_t until;
    if (!begin(&t)) return;
    tell(&t, EVENT_DELIVERED, 0, STANDING_BOUNCES_LEAST);
    for (int i = 0; i < 20; i++) tell(&t, EVENT_BOUNCED, 5000, 20);
    CHECK_OK(ask(&t, &until));
    tell(&t, EVENT_LATE_BOUNCE, 6000, 210);
    CHECK_ERR(ask(&t, &until), ERR_LIMIT);
    CHECK(sl_find(sl_cstr(err_text(ERR_LIMIT)), SL("230 bounced, more than 10 of 100")) != SL_NONE);
    send_fixture_end(&t.x);
}

static int damage_tx(struct kv_tx *tx, void *key)
{
    kv_tx_put(tx, *(struct slice *)key, SL("\377"));
    return 0;
}

TEST(standing_of_old_days_and_damaged_ones_counts_for_nothing)
{
    struct tester t;
    int64_t until;
    bool more = true;
    if (!begin(&t)) return;
    struct arena *a = &t.x.f.a;
    struct slice account = sl_cstr(t.x.account.id);
    struct slice key = ar_printf(a, "q/%06lld", (long long)(rt_wall_seconds() / 86400));
    tell(&t, EVENT_BOUNCED, 0, STANDING_BOUNCES_LEAST);
    CHECK_ERR(ask(&t, &until), ERR_LIMIT);
    CHECK_OK(kv_transact(t.x.f.s->kv, numbers_object(account, a), damage_tx, &key));
    CHECK_OK(ask(&t, &until));
    tell(&t, EVENT_DELIVERED, 0, 1); /* it begins anew */
    CHECK_OK(ask(&t, &until));
    CHECK_OK(standing_care(t.x.s, numbers_object(account, a)));
    CHECK_OK(numbers_count(t.x.s, account, &more));
    send_fixture_end(&t.x);
}

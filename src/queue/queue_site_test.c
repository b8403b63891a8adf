/* queue_site_test.c - sites that are slow, down, full, or refuse us: who waits, and who does not. */
#include "queue_test.h"
#include "ready.h"

TEST(queue_slow_site_does_not_delay_others)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    t.slow = true;
    go(&t);
    for (int i = 0; i < 40; i++) {
        struct letter l = letter_to(&t, "alice@one.test", "ok@slow.test");
        CHECK_OK(accept_letter(t.q, &l));
    }
    CHECK(until(&t, five_slow));
    t.slow = false;
    struct letter l = letter_to(&t, "alice@one.test", "ok@fast.test");
    int before = t.rcpts;
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 20000 && t.rcpts == before; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.rcpts, before + 1);
    CHECK(t.most_under_way <= 6); /* so many are tried at once at first */
    while (!is_empty(&t) && t.under_way) {
        waitq_wake_all(&t.slow_end);
        if (fiber_sleep(RT_MS) != 0) break;
    }
    CHECK(until(&t, is_empty));
    end(&t);
}

static struct letter_id sent(struct tester *t, const char *to)
{
    int before = t->attempts;
    struct letter l = letter_to(t, "alice@one.test", to);
    CHECK_OK(accept_letter(t->q, &l));
    for (int i = 0; i < 20000 && (t->attempts == before || !none_under_way(t)); i++) fiber_sleep(RT_MS);
    return l.id;
}

static struct slice why_of(struct tester *t, const struct letter_id *id)
{
    struct queue_info info;
    if (queue_show(t->q, id, &t->f.a, &info)) return SL(""); /* it has left */
    return info.nrcpt ? info.rcpt[0].why : SL("");
}

/* One that is not tried: until it says what it waits for. */
static struct letter_id kept(struct tester *t, const char *to)
{
    struct letter l = letter_to(t, "alice@one.test", to);
    CHECK_OK(accept_letter(t->q, &l));
    for (int i = 0; i < 20000 && !why_of(t, &l.id).n; i++) fiber_sleep(RT_MS);
    return l.id;
}

/* The rest of a list is not refused one by one because the host has a bad name. */
TEST(queue_site_that_refuses_us_rests)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 3; i++) sent(&t, "block@two.test block-too@two.test");
    CHECK_INT(t.attempts, 3);
    struct letter_id id = kept(&t, "ok@two.test");
    CHECK_INT(t.attempts, 3);
    struct slice why = why_of(&t, &id);
    CHECK(sl_find(why, SL("refuses us, not the recipient")) != SL_NONE);
    CHECK(sl_find(why, SL("on our blacklist")) != SL_NONE && sl_find(why, SL("until 2")) != SL_NONE);
    sent(&t, "ok@three.test"); /* another site */
    CHECK_INT(t.attempts, 4);
    end(&t);
}

/* A list is not bounced one by one because our domain is set up wrongly; other domains go on. */
TEST(queue_site_that_refuses_a_sender_domain_gets_none_of_it_for_a_while)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 3; i++) sent(&t, "spf@two.test");
    struct letter_id id = kept(&t, "ok@two.test");
    CHECK_INT(t.attempts, 3);
    struct slice why = why_of(&t, &id);
    CHECK(sl_find(why, SL("refuses what one.test sends")) != SL_NONE);
    CHECK(sl_find(why, SL("SPF validation failed")) != SL_NONE && sl_find(why, SL("until 2")) != SL_NONE);
    struct letter l = letter_to(&t, "x@six.test", "ok@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 20000 && t.attempts < 4; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.attempts, 4);
    sent(&t, "ok@three.test");
    CHECK_INT(t.attempts, 5);
    end(&t);
}

TEST(queue_site_that_is_down_is_tried_when_an_operator_wants_it)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 3; i++) sent(&t, "dead@two.test");
    struct letter_id id = kept(&t, "ok@two.test");
    CHECK_INT(t.attempts, 3);
    CHECK(sl_find(why_of(&t, &id),
                  SL("does not answer, one letter tries from time to time: nobody answers")) != SL_NONE);
    CHECK_OK(queue_act(t.q, &id, QUEUE_RETRY));
    for (int i = 0; i < 20000 && t.attempts < 4; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.attempts, 4);
    end(&t);
}

/* What a letter asks for and our own trouble say nothing against the site: others go on. */
TEST(queue_site_is_not_down_for_what_a_letter_asks)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 4; i++) sent(&t, "tls@two.test");
    for (int i = 0; i < 4; i++) sent(&t, "own@two.test");
    sent(&t, "ok@two.test");
    CHECK_INT(t.attempts, 9);
    end(&t);
}

/* The DNS of one domain fails: others with the same servers go on. */
TEST(queue_site_is_not_down_for_the_dns_of_a_domain)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    t.slow = true;
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "ok@a.shared.test");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 20000 && !t.under_way; i++) fiber_sleep(RT_MS);
    for (int k = 1; k <= 3; k++) {
        l = letter_to(&t, "alice@one.test", "dns@a.shared.test");
        CHECK_OK(accept_letter(t.q, &l));
        for (int i = 0; i < 20000 && (t.unfound < k || stats(&t).sending > 1); i++) fiber_sleep(RT_MS);
    }
    CHECK_INT(t.unfound, 3);
    t.slow = false;
    l = letter_to(&t, "alice@one.test", "ok@b.shared.test");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 20000 && t.attempts < 2; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.attempts, 2);
    l = letter_to(&t, "alice@one.test", "ok@a.shared.test"); /* it waits: nobody knows where it goes */
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(sl_find(why_of(&t, &l.id), SL("DNS gave no answer")) != SL_NONE);
    waitq_wake_all(&t.slow_end);
    CHECK(until(&t, none_under_way));
    end(&t);
}

static bool one_slow(struct tester *t) { return t->under_way >= 1; }

/* A letter finds no room, no other ends: nothing wakes the schedule but the time of which the site spoke. */
TEST(queue_letter_that_a_rate_holds_goes_when_there_is_room_again)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    t.slow = true;
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, one_slow));                /* its site is known now, and it stays */
    CHECK_OK(fiber_sleep(RT_S + 100 * RT_MS)); /* the schedule has seen that it is slow */
    t.slow = false;
    struct site *s = site_get(t.q->sites, SL(""), SL("two.test"), SL("two.test"));
    bool held = false;
    int before = 0;
    for (int tries = 0; tries < 200 && !held; tries++) { /* on a slow machine there is room before it asks */
        l = letter_to(&t, "alice@one.test", "ok@two.test");
        before = t.rcpts;
        while (site_may_open(s)) {
        }
        CHECK_OK(accept_letter(t.q, &l));
        for (int i = 0; i < 1000 && !held && t.rcpts == before; i++) {
            while (site_may_open(s)) {
            }
            CHECK_OK(fiber_sleep(RT_MS));
            held = sl_find(why_of(&t, &l.id), SL("connections a minute")) != SL_NONE;
        }
    }
    CHECK(held);
    for (int i = 0; i < 20000 && t.rcpts == before; i++) CHECK_OK(fiber_sleep(RT_MS));
    CHECK(t.rcpts > before);
    waitq_wake_all(&t.slow_end);
    CHECK(until(&t, is_empty));
    site_put(s);
    end(&t);
}

/* A place is given back when the site has answered, and while that cannot be recorded so many go out, no
 * more. */
TEST(queue_letters_whose_end_is_not_recorded_are_bounded)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    for (int i = 0; i < 200; i++) {
        struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
        CHECK_OK(accept_letter(t.q, &l));
    }
    t.slow = true;
    go(&t);
    CHECK(until(&t, five_slow));
    kv_mem_inject(t.f.s->kv, KV_FAULT_IO, 1000000);
    t.slow = false;
    waitq_wake_all(&t.slow_end);
    for (int i = 0; i < 20000 && t.attempts <= 64; i++) CHECK_OK(fiber_sleep(RT_MS));
    CHECK_OK(fiber_sleep(700 * RT_MS)); /* in which many more could go out, were there no bound */
    CHECK(t.attempts > 64 && t.attempts <= 64 + 20);
    CHECK(t.most_under_way <= 20);
    kv_mem_inject(t.f.s->kv, KV_FAULT_NONE, 0);
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 200);
    end(&t);
}

static bool many_wait(struct tester *t) { return schedule_ready(t->q->schedule[0])->items.count >= 64; }

/* The memory is full of letters to one site, which turns out to be down: what found no room comes in at once.
 */
TEST(queue_memory_that_a_dead_site_leaves_is_used_at_once)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    schedule_ready(t.q->schedule[0])->items_most = 64;
    t.slow = true;
    for (int i = 0; i < 64; i++) {
        char sender[32];
        snprintf(sender, sizeof sender, "s@s%d.test", i % 6);
        struct letter l = letter_to(&t, sender, "dead@two.test");
        CHECK_OK(accept_letter(t.q, &l));
    }
    CHECK(until(&t, five_slow) && until(&t, many_wait));
    struct letter l = letter_to(&t, "alice@one.test", "ok@three.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_OK(fiber_sleep(20 * RT_MS)); /* four of the schedule's shortest turns */
    CHECK_INT(t.attempts, 5);          /* there was no room for it */
    t.slow = false;
    waitq_wake_all(&t.slow_end);
    struct queue_info info;
    int e = 0;
    for (int i = 0; i < 20000 && !e; i++) {
        CHECK_OK(fiber_sleep(RT_MS));
        e = queue_show(t.q, &l.id, &t.f.a, &info);
    }
    CHECK_INT(e, ERR_NOT_FOUND); /* it is gone */
    CHECK_INT(stats(&t).stalled, 0);
    end(&t);
}

static size_t notes(struct tester *t)
{
    struct kv_page page;
    CHECK_OK(kv_scan(t->f.s->kv, SL("q:000"), SL("s"), SL("t"), 10, &t->f.a, &page));
    return page.n;
}

/* What was not sent is not taken for perhaps sent when the machine dies. */
TEST(queue_attempt_that_found_no_room_leaves_no_note)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 3; i++) sent(&t, "dead@two.test");
    struct letter_id id = kept(&t, "ok@two.test");
    CHECK_INT(t.attempts, 3);
    CHECK_OK(queue_act(t.q, &id, QUEUE_HOLD)); /* notes are written with it */
    CHECK_INT(notes(&t), 0);
    end(&t);
}

TEST(queue_site_that_refuses_addresses_does_not_rest)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 5; i++) sent(&t, "perm@two.test");
    for (int i = 0; i < 2; i++) sent(&t, "block@two.test");
    sent(&t, "ok@two.test"); /* one is taken: the row is broken */
    for (int i = 0; i < 2; i++) sent(&t, "block@two.test");
    sent(&t, "ok@two.test");
    CHECK_INT(t.attempts, 11);
    end(&t);
}

static const struct queue_top_row *top_of(const struct queue_top *top, const char *site)
{
    for (size_t i = 0; i < top->n; i++)
        if (sl_eq(top->row[i].site, sl_cstr(site))) return &top->row[i];
    return NULL;
}

/* At a glance: sites with what waits, what they said last, what binds; before it runs, domains. */
static bool five_wait_at_two(struct tester *t)
{
    struct queue_top top;
    if (queue_top(t->q, 10, &t->f.a, &top) != 0) return false;
    const struct queue_top_row *two = top_of(&top, "two.test");
    return two && two->waiting == 5;
}

TEST(queue_top_says_what_waits_where_and_why)
{
    struct tester t;
    struct queue_top top;
    REQUIRE(begin(&t, NULL));
    struct letter first = letter_to(&t, "alice@one.test", "ok@three.test ok@four.test bob@one.test");
    CHECK_OK(accept_letter(t.q, &first));
    CHECK_OK(queue_top(t.q, 10, &t.f.a, &top));
    CHECK(!top.running && !top.estimated && top.n == 3 && top.waiting == 3);
    CHECK(top_of(&top, "three.test") && top_of(&top, "four.test") && top_of(&top, "accounts here"));
    go(&t);
    CHECK(until(&t, is_empty));
    for (int i = 0; i < 3; i++) sent(&t, "block@two.test");
    int tried = t.attempts;
    for (int i = 0; i < 5; i++) {
        struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
        CHECK_OK(accept_letter(t.q, &l));
    }
    CHECK(until(&t, five_wait_at_two));
    CHECK_INT(t.attempts, tried);
    sent(&t, "temp@three.test");
    sent(&t, "ok@five.test");
    CHECK_OK(queue_top(t.q, 10, &t.f.a, &top));
    CHECK(top.running && top.letters == stats(&t).letters && top.under_way == 0);
    const struct queue_top_row *two = top_of(&top, "two.test"), *three = top_of(&top, "three.test");
    REQUIRE(two && three && two == &top.row[0]);
    CHECK_INT(two->waiting, 5);
    CHECK(sl_find(two->why, SL("refuses us, not the recipient")) != SL_NONE);
    REQUIRE(two->nsource == 1);
    CHECK(two->heard && sl_find(two->said, SL("blacklist")) != SL_NONE);
    CHECK(three->waiting == 0 && three->later == 1 && sl_starts(three->why, SL("the next is due at")));
    CHECK_OK(queue_top(t.q, 1, &t.f.a, &top));
    CHECK(top.n == 1 && top.others >= 1 && sl_eq(top.row[0].site, SL("two.test")));
    end(&t);
}

/* A letter that a site takes counts in its rate, also when the next one asks for more. */
TEST(queue_top_tells_the_rate)
{
    struct tester t;
    struct queue_top top;
    REQUIRE(begin(&t, NULL));
    go(&t);
    t.slow = true;
    for (int i = 0; i < 20; i++) {
        struct letter l = letter_to(&t, "alice@one.test", "ok@slow.test");
        CHECK_OK(accept_letter(t.q, &l));
    }
    CHECK(until(&t, five_slow));
    CHECK_OK(queue_top(t.q, 10, &t.f.a, &top));
    REQUIRE(top.n == 1 && top.row[0].nsource == 1);
    CHECK_INT(top.row[0].under_way, 5);
    CHECK_INT(top.row[0].waiting, 15);
    CHECK(top.row[0].why.n > 0 && top.row[0].source[0].under_way == 5);
    struct site *s = site_get(t.q->sites, SL(""), SL("slow.test"), SL("slow.test"));
    t.slow = false;
    while (t.under_way) {
        waitq_wake_all(&t.slow_end);
        if (fiber_sleep(RT_MS) != 0) break;
    }
    CHECK(until(&t, is_empty));
    struct site_state st;
    site_look(s, STREAM_TRANSACTIONAL, SL(""), &st);
    CHECK(st.rate >= 10 && st.heard && !st.said[0]);
    site_put(s);
    end(&t);
}

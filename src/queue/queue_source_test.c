/* queue_source_test.c - letters leave from several sources: each path has its own limits and rests by itself.
 */
#include "queue_test.h"

enum { A, B, OTHER };
static int left[3];       /* attempts from each */
static bool a_is_refused; /* the site refuses what comes from a */
static const char *bound; /* the source of the last attempt */

static void site_that_knows_us(void *ctx, struct attempt_letter *at)
{
    struct tester *t = ctx;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    bool a = sl_eq(at->from.name, SL("a"));
    left[a ? A : sl_eq(at->from.name, SL("b")) ? B : OTHER]++;
    bound = a ? "a" : "b";
    for (size_t i = 0; i < at->nrcpt; i++) {
        struct attempt_rcpt *r = &at->rcpt[i];
        bool grey = sl_starts(r->address, SL("grey"));
        r->result = grey || (a && a_is_refused) ? ATTEMPT_TEMPORARY : ATTEMPT_DELIVERED;
        r->code = r->result == ATTEMPT_DELIVERED ? 250 : 451;
        r->reply = grey                             ? SL("451 4.7.1 Greylisted, try again in 5 minutes")
                   : r->result == ATTEMPT_TEMPORARY ? SL("451 4.7.1 Your IP is on our blacklist")
                                                    : SL("250 taken");
    }
    t->attempts++;
}

static bool begin_with(struct tester *t, struct sources **s)
{
    struct ip a = {0}, b = {0};
    if (!begin(t, NULL)) return false;
    queue_close(&t->q);
    CHECK(ip_parse(SL("192.0.2.1"), &a) && ip_parse(SL("192.0.2.2"), &b));
    CHECK_OK(sources_open(s, t->f.s->kv));
    CHECK_OK(source_add(*s, &(struct source){.name = SL("a"), .pool = SL(SOURCE_MAIN), .ip = a}));
    CHECK_OK(source_add(*s, &(struct source){.name = SL("b"), .pool = SL(SOURCE_MAIN), .ip = b}));
    CHECK_OK(open_queue(t, (struct queue_conf){.sources = *s}));
    memset(left, 0, sizeof left);
    a_is_refused = false;
    CHECK_OK(queue_start(t->q, site_that_knows_us, t));
    return true;
}

static struct letter_id send_one(struct tester *t, const char *to)
{
    int before = t->attempts;
    struct letter l = letter_to(t, "alice@one.test", to);
    CHECK_OK(accept_letter(t->q, &l));
    for (int i = 0; i < 20000 && (t->attempts == before || !none_under_way(t)); i++) fiber_sleep(RT_MS);
    CHECK_INT(t->attempts, before + 1);
    return l.id;
}

/* One address that a site refuses does not stop what leaves from others. */
TEST(queue_a_source_that_is_refused_rests_alone)
{
    struct tester t;
    struct sources *s;
    REQUIRE(begin_with(&t, &s));
    a_is_refused = true;
    for (int i = 0; i < 12; i++) send_one(&t, "bob@two.test");
    CHECK_INT(left[A], 3); /* then it rests there */
    CHECK_INT(left[B], 9);
    send_one(&t, "bob@three.test"), send_one(&t, "bob@three.test"); /* another site hears of nothing */
    CHECK_INT(left[A], 4);
    CHECK_INT(left[OTHER], 0);
    queue_close(&t.q);
    sources_close(&s);
    fixture_end(&t.f);
}

/* Who is put off as unknown comes again from the address that is known by then; that it is gone is told. */
TEST(queue_a_letter_stays_with_its_source_until_it_is_gone)
{
    struct tester t;
    struct sources *s;
    struct queue_info info;
    REQUIRE(begin_with(&t, &s));
    struct letter_id id = send_one(&t, "grey@two.test");
    const char *first = bound;
    for (int i = 0; i < 4; i++) {
        int before = t.attempts;
        CHECK_OK(queue_act(t.q, &id, QUEUE_RETRY));
        for (int k = 0; k < 20000 && (t.attempts == before || !none_under_way(&t)); k++) fiber_sleep(RT_MS);
        CHECK(bound == first);
    }
    CHECK_OK(queue_show(t.q, &id, &t.f.a, &info));
    CHECK(info.nrcpt == 1 && sl_eq(info.rcpt[0].source, sl_cstr(first)) &&
          sl_find(info.rcpt[0].way, SL("to which it is bound")) != SL_NONE);
    CHECK_OK(source_remove(s, sl_cstr(first)));
    CHECK_OK(queue_show(t.q, &id, &t.f.a, &info));
    CHECK(sl_find(info.rcpt[0].way, SL("to which it was bound, is gone")) != SL_NONE);
    int before = t.attempts;
    CHECK_OK(queue_act(t.q, &id, QUEUE_RETRY));
    for (int k = 0; k < 20000 && (t.attempts == before || !none_under_way(&t)); k++) fiber_sleep(RT_MS);
    CHECK(bound != first);
    CHECK_OK(queue_show(t.q, &id, &t.f.a, &info));
    CHECK(sl_find(info.rcpt[0].way, SL("gone")) == SL_NONE);
    queue_close(&t.q);
    sources_close(&s);
    fixture_end(&t.f);
}

static struct slice way_now(struct tester *t, const struct letter_id *id)
{
    struct queue_info info;
    CHECK_OK(queue_show(t->q, id, &t->f.a, &info));
    return info.nrcpt ? info.rcpt[0].way : SL("");
}

/* What an operator bound stays bound, though the source that was greylisted is another; until it is let go.
 */
TEST(queue_an_operator_says_from_where_a_letter_leaves)
{
    struct tester t;
    struct sources *s;
    size_t n = 0;
    REQUIRE(begin_with(&t, &s));
    struct letter_id id = send_one(&t, "grey@two.test");
    struct slice first = sl_cstr(bound), other = sl_eq(first, SL("a")) ? SL("b") : SL("a");
    CHECK_INT(queue_reroute(t.q, &id, SL("c")), ERR_NOT_FOUND);
    CHECK_OK(queue_reroute_all(t.q, &(struct queue_filter){.source = other}, other, &n));
    CHECK_INT(n, 0);
    CHECK_OK(queue_reroute_all(t.q, &(struct queue_filter){.source = first}, other, &n));
    CHECK_INT(n, 1);
    CHECK(sl_starts(way_now(&t, &id), other));
    int before = t.attempts;
    CHECK_OK(queue_act(t.q, &id, QUEUE_RETRY));
    for (int k = 0; k < 20000 && (t.attempts == before || !none_under_way(&t)); k++) fiber_sleep(RT_MS);
    CHECK(sl_eq(sl_cstr(bound), other));
    CHECK(sl_starts(way_now(&t, &id), other));
    CHECK_OK(queue_act(t.q, &id, QUEUE_HOLD)); /* also of what is held */
    CHECK_OK(queue_reroute(t.q, &id, SL("")));
    CHECK(sl_starts(way_now(&t, &id), SL("pool main")));
    CHECK_OK(queue_act(t.q, &id, QUEUE_DROP));
    CHECK_INT(queue_reroute(t.q, &id, first), ERR_NOT_FOUND);
    queue_close(&t.q);
    sources_close(&s);
    fixture_end(&t.f);
}

/* What servers bound, and an operator binds to the same source, is the operator's. */
TEST(queue_a_letter_that_is_bound_can_be_bound_for_good)
{
    struct tester t;
    struct sources *s;
    struct slice row;
    struct q_group g;
    REQUIRE(begin_with(&t, &s));
    struct letter_id id = send_one(&t, "grey@two.test");
    CHECK_OK(queue_reroute(t.q, &id, sl_cstr(bound)));
    CHECK_OK(kv_get(t.f.s->kv, SL("q:000"), queue_key_group(&t.f.a, &id, 0), &t.f.a, &row));
    CHECK_OK(q_group_get(row, 0, &g));
    CHECK(g.fixed);
    queue_close(&t.q);
    sources_close(&s);
    fixture_end(&t.f);
}

static bool held_open; /* the receiver waits before it answers */

static void slow_site(void *ctx, struct attempt_letter *at)
{
    struct tester *t = ctx;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    t->attempts++;
    while (held_open && fiber_sleep(RT_MS) == 0) continue;
    for (size_t i = 0; i < at->nrcpt; i++) at->rcpt[i].result = ATTEMPT_DELIVERED;
}

/* Steering a letter that is under way leaves the note that it is: a kill then makes it uncertain. */
TEST(queue_steering_keeps_the_note_of_an_attempt_under_way)
{
    struct tester t;
    struct slice row;
    REQUIRE(begin(&t, NULL));
    held_open = true;
    CHECK_OK(queue_start(t.q, slow_site, &t));
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test ok@three.test");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 20000 && t.attempts < 2; i++) fiber_sleep(RT_MS);
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RETRY));
    CHECK_OK(queue_reroute(t.q, &l.id, SL("")));
    CHECK_OK(kv_get(t.f.s->kv, SL("q:000"), queue_key_sending(&t.f.a, &l.id, 0), &t.f.a, &row));
    held_open = false;
    CHECK(until(&t, is_empty));
    CHECK_INT(kv_get(t.f.s->kv, SL("q:000"), queue_key_sending(&t.f.a, &l.id, 0), &t.f.a, &row),
              ERR_NOT_FOUND);
    end(&t);
}

/* A crowd that leaves by sources goes on when a place at its site is free again. */
TEST(queue_what_waits_for_room_at_a_source_goes_on)
{
    struct tester t;
    struct sources *s;
    REQUIRE(begin_with(&t, &s));
    for (int i = 0; i < 60; i++) {
        struct letter l = letter_to(&t, "alice@one.test", "bob@two.test");
        CHECK_OK(accept_letter(t.q, &l));
    }
    CHECK(until(&t, is_empty));
    CHECK_INT(left[A] + left[B], 60);
    queue_close(&t.q);
    sources_close(&s);
    fixture_end(&t.f);
}

static bool proxy_works; /* of the source a */

static void site_behind_a_proxy(void *ctx, struct attempt_letter *at)
{
    struct tester *t = ctx;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    if (!attempt_may_open(at)) return;
    bool a = sl_eq(at->from.name, SL("a"));
    left[a ? A : sl_eq(at->from.name, SL("b")) ? B : OTHER]++;
    if (a && !proxy_works) {
        attempt_source_failed(at, SL("its proxy does not answer"), false);
        return;
    }
    if (a) attempt_source_works(at);
    for (size_t i = 0; i < at->nrcpt; i++) at->rcpt[i].result = ATTEMPT_DELIVERED;
    t->attempts++;
}

/* It is no attempt of the letter, which leaves from another source; with no other it waits, and says for
 * what.
 */
TEST(queue_a_source_whose_proxy_fails_rests)
{
    struct tester t;
    struct sources *s;
    struct queue_info info;
    struct slice row;
    struct source a = {.name = SL("a"), .pool = SL(SOURCE_MAIN), .via = VIA_SOCKS5};
    REQUIRE(begin_with(&t, &s));
    queue_close(&t.q);
    CHECK(ip_parse(SL("192.0.2.1"), &a.ip) && endpoint_parse(SL("192.0.2.9:1080"), &a.at));
    CHECK_OK(source_add(s, &a));
    CHECK_OK(open_queue(&t, (struct queue_conf){.sources = s}));
    CHECK_OK(queue_start(t.q, site_behind_a_proxy, &t));
    proxy_works = false;
    for (int i = 0; i < 6; i++) send_one(&t, "bob@two.test");
    CHECK_INT(left[A], 1);
    CHECK_INT(left[B], 6);
    CHECK_OK(source_remove(s, SL("b")));
    struct letter l = letter_to(&t, "alice@one.test", "bob@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    bool said = false;
    for (int i = 0; i < 20000 && !said; i++) {
        fiber_sleep(RT_MS);
        CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
        CHECK(info.nrcpt == 1 && info.rcpt[0].attempts == 0);
        said = sl_find(info.rcpt[0].why, SL("the source a: its proxy does not answer; since")) != SL_NONE;
    }
    if (!said) test_fail(__FILE__, __LINE__, "%.*s", SLF(info.rcpt[0].why));
    CHECK_INT(kv_get(t.f.s->kv, SL("q:000"), queue_key_sending(&t.f.a, &l.id, 0), &t.f.a, &row),
              ERR_NOT_FOUND); /* nobody can have got it */
    CHECK_INT(left[A], 1);
    proxy_works = true;
    CHECK_OK(source_add(s, &a)); /* it is said anew how to leave: that is tried at once */
    CHECK(until(&t, is_empty));
    CHECK_INT(left[A], 2);
    queue_close(&t.q);
    sources_close(&s);
    fixture_end(&t.f);
}

/* A pool overflows when what is left of it warms up, also while one of its sources is in trouble. */
TEST(queue_a_source_whose_proxy_fails_keeps_no_pool_from_overflowing)
{
    struct tester t;
    struct sources *s;
    struct source a = {.name = SL("a"), .pool = SL(SOURCE_MAIN), .via = VIA_SOCKS5};
    struct source old = {.name = SL("old"), .pool = SL("late")};
    struct source_pool over = {.name = SL(SOURCE_MAIN), .overflow = SL("late")};
    REQUIRE(begin_with(&t, &s));
    queue_close(&t.q);
    CHECK(ip_parse(SL("192.0.2.1"), &a.ip) && endpoint_parse(SL("192.0.2.9:1080"), &a.at));
    CHECK(ip_parse(SL("192.0.2.3"), &old.ip));
    CHECK_OK(source_add(s, &a));
    CHECK_OK(source_add(s, &old));
    CHECK_OK(source_set_pool(s, &over));
    CHECK_OK(source_warm(s, SL("b"), &(struct warm_curve){.first = 2, .growth = 100, .most = 1000}));
    CHECK_OK(open_queue(&t, (struct queue_conf){.sources = s}));
    CHECK_OK(queue_start(t.q, site_behind_a_proxy, &t));
    proxy_works = false;
    for (int i = 0; i < 6; i++) send_one(&t, "bob@two.test");
    CHECK_INT(left[A], 1);
    CHECK_INT(left[B], 2);
    CHECK_INT(left[OTHER], 4);
    queue_close(&t.q);
    sources_close(&s);
    fixture_end(&t.f);
}

static const char *portions[4]; /* the source that each left from */

static void slow_site_of_portions(void *ctx, struct attempt_letter *at)
{
    struct tester *t = ctx;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    attempt_asks(at);
    portions[t->attempts++ & 3] = sl_eq(at->from.name, SL("a")) ? "a" : "b";
    while (held_open && fiber_sleep(RT_MS) == 0) continue;
    for (size_t i = 0; i < at->nrcpt; i++) at->rcpt[i].result = ATTEMPT_DELIVERED;
}

/* A letter for more than one attempt takes, rerouted while the first is under way: the rest leaves from
 * there.
 */
TEST(queue_the_rest_of_a_letter_leaves_from_where_it_was_rerouted_to)
{
    enum { MANY = 2 * QUEUE_ATTEMPT_RCPTS + 10 };
    struct tester t;
    struct sources *s;
    struct buf to = BUF_INIT;
    REQUIRE(begin_with(&t, &s));
    queue_close(&t.q);
    CHECK_OK(open_queue(&t, (struct queue_conf){.sources = s}));
    CHECK_OK(queue_start(t.q, slow_site_of_portions, &t));
    held_open = true;
    for (int i = 0; i < MANY; i++) buf_printf(&to, "%su%d@two.test", i ? " " : "", i);
    buf_char(&to, 0);
    struct letter l = letter_to(&t, "alice@one.test", to.p);
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 20000 && !t.attempts; i++) fiber_sleep(RT_MS);
    const char *first = portions[0], *other = *first == 'a' ? "b" : "a";
    CHECK_OK(queue_reroute(t.q, &l.id, sl_cstr(other)));
    held_open = false;
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 3);
    CHECK(!strcmp(portions[1], other) && !strcmp(portions[2], other));
    buf_free(&to);
    queue_close(&t.q);
    sources_close(&s);
    fixture_end(&t.f);
}

static int steps;

/* The first that comes waits, and was not tried after all. */
static void finds_no_room(void *ctx, struct attempt_letter *at)
{
    struct tester *t = ctx;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    if (steps++ == 0) {
        while (held_open && fiber_sleep(RT_MS) == 0) continue;
        at->no_room = true;
        return;
    }
    attempt_asks(at);
    left[sl_eq(at->from.name, SL("a")) ? A : sl_eq(at->from.name, SL("b")) ? B : OTHER]++;
    for (size_t i = 0; i < at->nrcpt; i++) at->rcpt[i].result = ATTEMPT_DELIVERED;
    t->attempts++;
}

/* It waits no longer for a source that was taken away meanwhile: nobody would tell it of room there. */
TEST(queue_a_letter_that_found_no_room_is_planned_anew)
{
    struct tester t;
    struct sources *s;
    REQUIRE(begin_with(&t, &s));
    queue_close(&t.q);
    CHECK_OK(open_queue(&t, (struct queue_conf){.sources = s}));
    CHECK_OK(queue_start(t.q, finds_no_room, &t));
    held_open = true;
    steps = 0;
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 20000 && !steps; i++) fiber_sleep(RT_MS);
    CHECK_OK(source_remove(s, SL("a")));
    CHECK_OK(source_remove(s, SL("b")));
    CHECK_OK(fiber_sleep(10 * RT_MS));
    held_open = false;
    CHECK(until(&t, is_empty));
    CHECK_INT(left[OTHER], 1);
    CHECK_INT(left[A] + left[B], 0);
    queue_close(&t.q);
    sources_close(&s);
    fixture_end(&t.f);
}

/* The first to come is not tried after all, though a source was there. */
static void unasked(void *ctx, struct attempt_letter *at)
{
    struct tester *t = ctx;
    if (!attempt_place(at, at->domain, at->domain, FROM_IPV4)) return;
    if (steps++ == 0) {
        while (held_open && fiber_sleep(RT_MS) == 0) continue;
        at->rcpt[0].result = ATTEMPT_TEMPORARY;
        at->rcpt[0].reply = SL("nobody was asked");
        return;
    }
    attempt_asks(at);
    for (size_t i = 0; i < at->nrcpt; i++) at->rcpt[i].result = ATTEMPT_DELIVERED;
    t->attempts++;
}

static bool one_attempt(struct tester *t) { return t->attempts == 1; }

/* What one letter does not use of a new source's allowance another uses at once, not in ten minutes. */
TEST(queue_an_allowance_that_is_given_back_is_used)
{
    struct tester t;
    struct sources *s;
    REQUIRE(begin_with(&t, &s));
    queue_close(&t.q);
    CHECK_OK(source_remove(s, SL("b")));
    CHECK_OK(source_warm(s, SL("a"), &(struct warm_curve){.first = 1, .growth = 100, .most = 1000}));
    CHECK_OK(open_queue(&t, (struct queue_conf){.sources = s}));
    CHECK_OK(queue_start(t.q, unasked, &t));
    held_open = true;
    steps = 0;
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 20000 && !steps; i++) fiber_sleep(RT_MS);
    l = letter_to(&t, "alice@one.test", "ok@three.test");
    CHECK_OK(accept_letter(t.q, &l));
    struct slice why = SL("");
    for (int i = 0; i < 20000 && sl_find(why, SL("is warming up")) == SL_NONE; i++) {
        struct queue_info info;
        fiber_sleep(RT_MS);
        CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
        why = info.rcpt[0].why;
    }
    CHECK(sl_find(why, SL("is warming up")) != SL_NONE);
    held_open = false;
    CHECK(until(&t, one_attempt));
    queue_close(&t.q);
    sources_close(&s);
    fixture_end(&t.f);
}

static void smarthost(void *ctx, struct attempt_letter *at)
{
    struct tester *t = ctx;
    at->routed = true;
    if (!attempt_place(at, SL("route smart.test:25 "), SL("smart.test"), FROM_IPV6)) return;
    attempt_asks(at);
    left[sl_eq(at->from.name, SL("a")) ? A : sl_eq(at->from.name, SL("b")) ? B : OTHER]++;
    for (size_t i = 0; i < at->nrcpt; i++) at->rcpt[i].result = ATTEMPT_DELIVERED;
    t->attempts++;
}

/* Where the operator says it leaves from none of the sources, so it waits for nothing of theirs: the proxy of
 * one rests, the other has no allowance left, and none has an address of the host's family. */
TEST(queue_what_goes_by_a_route_waits_for_no_source)
{
    struct tester t;
    struct sources *s;
    struct source a = {.name = SL("a"), .pool = SL(SOURCE_MAIN), .via = VIA_SOCKS5};
    struct warm_group *g;
    struct warm_curve c = {.first = 1, .growth = 100, .most = 1000};
    size_t n = 0;
    REQUIRE(begin_with(&t, &s));
    queue_close(&t.q);
    CHECK(ip_parse(SL("192.0.2.1"), &a.ip) && endpoint_parse(SL("192.0.2.9:1080"), &a.at));
    CHECK_OK(source_add(s, &a));
    CHECK_OK(source_warm(s, SL("b"), &c));
    source_failed(s, SL("a"), SL("its proxy does not answer"));
    CHECK_OK(open_queue(&t, (struct queue_conf){.sources = s}));
    CHECK_OK(queue_start(t.q, smarthost, &t));
    for (int i = 0; i < 4; i++) send_one(&t, "bob@two.test");
    CHECK_INT(left[OTHER], 4);
    CHECK_INT(left[A] + left[B], 0);
    CHECK(source_warm_look(s, SL("b"), &t.f.a, &c, &g, &n));
    CHECK(n == 0 || g[0].sent == 0);
    queue_close(&t.q);
    sources_close(&s);
    fixture_end(&t.f);
}

/* relay_site_test.c - connections of a site: kept, limited, left alone when nobody answers. */
#include "crypto/cert.h"
#include "relay_test.h"

/* A session is kept for all domains of a site; a host that is none of the domain's gets no letter of it. */
TEST(relay_uses_kept_sessions_with_hosts_of_the_domain_alone)
{
    struct tester t;
    REQUIRE(begin(&t));
    t.a.say[GREET] = "421 not now"; /* so b, which only pair.test names, is where a session is kept */
    send(&t, "pair.test", "ok@pair.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].host, "b.two.test");
    server_forget(&t.a);
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].host, "a.two.test");
    CHECK_INT(t.b.times[MAIL], 1);
    end(&t);
}

TEST(relay_stale_connection_is_replaced)
{
    struct tester t;
    REQUIRE(begin(&t));
    send(&t, "two.test", "ok@two.test");
    server_restart(&t.a);
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.sessions, 2);
    end(&t);
}

/* RFC 9422: letters of a session, recipients of a letter. */
TEST(relay_obeys_the_limits_that_a_server_tells)
{
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "LIMITS MAILMAX=2 RCPTMAX=2\nPIPELINING";
    send(&t, "two.test", "a@two.test b@two.test c@two.test");
    for (int i = 0; i < 3; i++) CHECK_INT(t.rcpt[i].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.times[MAIL], 2);
    CHECK_INT(t.a.sessions, 1);
    send(&t, "two.test", "a@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.sessions, 2);
    end(&t);
}

struct one_more {
    struct tester *t;
    const char *domain;
    struct attempt_rcpt rcpt;
};
static void deliver_one(void *arg)
{
    struct one_more *x = arg;
    struct arena a = {0};
    x->rcpt = (struct attempt_rcpt){.address = SL("ok@two.test")};
    struct attempt_letter at = {.letter = &x->t->letter,
                                .source = &x->t->source,
                                .domain = sl_cstr(x->domain ? x->domain : "two.test"),
                                .rcpt = &x->rcpt,
                                .nrcpt = 1,
                                .a = &a,
                                .until = DEADLINE_IN(20 * RT_S)};
    relay_deliver(x->t->relay, &at);
    ar_free(&a);
}

static int call_deliver(void *arg)
{
    deliver_one(arg);
    return 0;
}

struct elsewhere {
    struct one_more x;
    int loop;
};
static void deliver_elsewhere(void *arg)
{
    struct elsewhere *e = arg;
    CHECK_OK(rt_call(e->loop, call_deliver, &e->x));
}

/* Over all loops, and for all domains of a site that the shaping names. */
TEST(relay_connections_of_a_site_are_limited)
{
    struct tester t;
    struct elsewhere x[40];
    struct group g;
    REQUIRE(begin(&t));
    relay_close(&t.relay);
    t.conf.site_connections = 3;
    CHECK_OK(relay_open(&t.relay, &t.conf));
    prepare(&t, "apple.test", "ok@two.test");
    group_init(&g);
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        x[i] = (struct elsewhere){.x = {.t = &t, .domain = i & 1 ? "apple.test" : "other-apple.test"},
                                  .loop = (int)(i / 2) % rt_loops()};
        CHECK_OK(group_go(&g, "deliver", deliver_elsewhere, &x[i]));
    }
    CHECK_OK(group_wait(&g));
    for (size_t i = 0; i < COUNT_OF(x); i++) CHECK_INT(x[i].x.rcpt.result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.times[DOT], COUNT_OF(x));
    /* the server hears of the end of a connection late, of the end of a letter in time */
    CHECK(t.a.most_under_way <= 3 && t.a.most_under_way > 0);
    end(&t);
}

static void from_loop_to_loop(struct tester *t)
{
    relay_close(&t->relay);
    t->conf.site_connections = 1;
    CHECK_OK(relay_open(&t->relay, &t->conf));
    prepare(t, "two.test", "ok@two.test");
    for (int i = 0; i < 20; i++) {
        struct elsewhere x = {.x = {.t = t}, .loop = i % rt_loops()};
        deliver_elsewhere(&x);
        CHECK_INT(x.x.rcpt.result, ATTEMPT_DELIVERED);
    }
    CHECK_INT(t->a.times[DOT], 20);
    CHECK_INT(t->a.sessions, 1);
}

/* A connection that nobody uses goes to the loop on which a letter waits for one, as often as that is. */
TEST(relay_connection_goes_from_loop_to_loop)
{
    struct tester t;
    REQUIRE(begin(&t));
    from_loop_to_loop(&t);
    end(&t);
}

/* It answers RSET before that was said, which is left unsaid: such a session goes nowhere. */
TEST(relay_session_that_is_not_quiet_is_not_kept)
{
    struct tester t;
    REQUIRE(begin(&t));
    relay_close(&t.relay);
    t.conf.site_connections = 1;
    CHECK_OK(relay_open(&t.relay, &t.conf));
    prepare(&t, "two.test", "ok@two.test");
    t.a.caps = "8BITMIME";
    t.a.say[RCPT] = "550 5.1.1 nobody\r\n250 2.0.0 reset, was it not?";
    for (int i = 0; i < 4; i++) {
        struct elsewhere x = {.x = {.t = &t}, .loop = i % rt_loops()};
        deliver_elsewhere(&x);
        CHECK_INT(x.x.rcpt.result, ATTEMPT_PERMANENT);
    }
    CHECK_INT(t.a.sessions, 4);
    end(&t);
}

/* The server was started again, or has had enough of this session: the letter does not wait for that. */
TEST(relay_session_that_ends_with_421_when_it_is_used_again_costs_nothing)
{
    struct tester t;
    REQUIRE(begin(&t));
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    t.a.say[MAIL] = "421 4.3.2 I am going down";
    t.a.say_once = true;
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.sessions, 2);
    end(&t);
}

TEST(relay_connection_with_tls_goes_from_loop_to_loop)
{
    struct tester t;
    REQUIRE(begin(&t));
    server_offer_tls(&t.a, "a.two.test", 30, NULL);
    t.a.caps = "PIPELINING\nSTARTTLS";
    from_loop_to_loop(&t);
    CHECK_INT(t.a.tls_sessions, 1);
    end(&t);
}

/* Letters for two MX sets of one site are not in each other's way for long. */
TEST(relay_connection_of_another_mx_set_makes_room)
{
    struct tester t;
    REQUIRE(begin(&t));
    relay_close(&t.relay);
    t.conf.site_connections = 1;
    CHECK_OK(relay_open(&t.relay, &t.conf));
    prepare(&t, "apple.test", "ok@two.test");
    int64_t before = rt_now();
    for (int i = 0; i < 12; i++) {
        struct elsewhere x = {.x = {.t = &t, .domain = i / 2 & 1 ? "apple.test" : "other-apple.test"},
                              .loop = i % rt_loops()};
        deliver_elsewhere(&x);
        CHECK_INT(x.x.rcpt.result, ATTEMPT_DELIVERED);
    }
    CHECK(rt_now() - before < 6 * RT_S); /* nobody waits for the second at which idle ones are looked over */
    CHECK_INT(t.a.times[DOT], 12);
    end(&t);
}

TEST(relay_letters_and_recipients_are_limited)
{
    struct tester t;
    REQUIRE(begin(&t));
    for (int i = 0; i < 6; i++)
        send(&t, "apple.test", "ok@apple.test"); /* five a connection, says the shaping */
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.sessions, 2);
    prepare(&t, "two.test", "ok@two.test");
    for (t.at.nrcpt = 0; t.at.nrcpt < 120; t.at.nrcpt++) t.rcpt[t.at.nrcpt].address = SL("ok@two.test");
    server_forget(&t.a);
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[119].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.times[MAIL], 2); /* a hundred a transaction */
    end(&t);
}

/* A stranger's server beside a provider's: neither are his letters the provider's, nor goes that by chance.
 */
TEST(relay_site_is_a_providers_only_when_all_its_hosts_are)
{
    struct tester t;
    REQUIRE(begin(&t));
    for (int i = 0; i < 6; i++) send(&t, "half-apple.test", "ok@half-apple.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.sessions + t.b.sessions, 1);
    end(&t);
}

TEST(relay_dead_site_is_left_alone_for_a_while)
{
    struct tester t;
    REQUIRE(begin(&t));
    for (int i = 0; i < 4; i++) send(&t, "dead.test", "u@dead.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
    HAS(t.rcpt[0].reply, "a moment ago");
    end(&t);
}

TEST(relay_one_dead_server_of_two_takes_no_site_down)
{
    struct tester t;
    struct one_more x[6];
    struct group g;
    REQUIRE(begin(&t));
    prepare(&t, "half.test", "ok@half.test");
    group_init(&g);
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        x[i].t = &t;
        x[i].domain = "half.test";
        CHECK_OK(group_go(&g, "deliver", deliver_one, &x[i]));
    }
    CHECK_OK(group_wait(&g));
    for (size_t i = 0; i < COUNT_OF(x); i++) CHECK_INT(x[i].rcpt.result, ATTEMPT_DELIVERED);
    send(&t, "half.test", "ok@half.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    send(&t, "dead.test", "u@dead.test"); /* the same address: it is known to be dead */
    HAS(t.rcpt[0].reply, "a moment ago");
    end(&t);
}

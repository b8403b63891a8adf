/* relay_ill_test.c - servers and zones that are worse than those of relay_test.c: answers that nobody asked
 * for, words behind STARTTLS, other capabilities under TLS, hundreds of MX hosts, names that lead nowhere. */
#include "base/text.h"
#include "crypto/cert.h"
#include "relay_test.h"

/* Who answers twice to what ends a letter would have the next one taken for delivered by what was said of
 * this. */
TEST(relay_answers_that_nobody_asked_for_are_nobodys)
{
    static const char *const caps[] = {"", "PIPELINING", "PIPELINING\nCHUNKING"};
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        struct tester t;
        REQUIRE(begin(&t));
        t.a.caps = caps[i];
        t.a.say[DOT] = "250 2.0.0 taken\r\n250 2.0.0 taken";
        send(&t, "two.test", "ok@two.test");
        CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
        send(&t, "two.test", "no@two.test");
        CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
        HAS(t.rcpt[0].reply, "no such user");
        CHECK_INT(t.a.sessions, 2);
        t.a.say[DOT] = "552 5.2.2 full\r\n250 2.0.0 taken";
        send(&t, "two.test", "ok@two.test");
        CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
        send(&t, "two.test", "later@two.test");
        CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
        HAS(t.rcpt[0].reply, "busy");
        end(&t);
    }
}

/* A refusal that comes with the word to go on is one within the letter; any other answer is to what nobody
 * asked. */
TEST(relay_a_refusal_with_the_word_to_go_on_counts)
{
    static const char *const caps[] = {"", "PIPELINING"};
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        struct tester t;
        REQUIRE(begin(&t));
        t.a.caps = caps[i];
        t.a.say[DATA] = "354 go on\r\n550 5.7.1 not from you";
        send(&t, "two.test", "ok@two.test");
        CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
        HAS(t.rcpt[0].reply, "not from you");
        t.a.say[DATA] = "354 go on\r\n250 2.0.0 taken";
        send(&t, "two.test", "ok@two.test");
        CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
        HAS(t.rcpt[0].reply, "more than it is asked");
        CHECK_INT(t.a.times[DOT], 0);
        end(&t);
    }
}

/* "Out of order" to what was said in one go speaks of no letter: it is said again, step by step, and what the
 * server says then counts. Each was refused nothing before that, or its own words count. */
TEST(relay_who_loses_count_is_asked_again_step_by_step)
{
    static const enum step at[] = {MAIL, RCPT, DATA};
    for (size_t i = 0; i < COUNT_OF(at); i++) {
        struct tester t;
        REQUIRE(begin(&t));
        t.a.caps = "PIPELINING";
        t.a.loses = at[i];
        send(&t, "two.test", "ok@two.test no@two.test later@two.test");
        CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
        CHECK_INT(t.rcpt[1].result, ATTEMPT_PERMANENT);
        HAS(t.rcpt[1].reply, "no such user");
        CHECK_INT(t.rcpt[2].result, ATTEMPT_TEMPORARY);
        HAS(t.rcpt[2].reply, "busy");
        CHECK_INT(t.a.sessions, 2);
        CHECK_INT(t.a.times[DOT], 1);
        send(&t, "two.test", "ok@two.test"); /* it is remembered */
        CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
        CHECK_INT(t.a.sessions, 2);
        CHECK(!t.a.piped);
        end(&t);
    }
}

/* That it lost count is no "later" of its own: what it says step by step is the last word. */
TEST(relay_who_lost_count_may_refuse_for_good)
{
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "PIPELINING";
    t.a.loses = RCPT;
    t.a.say[RCPT] = "554 5.6.1 no such letters here";
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    HAS(t.rcpt[0].reply, "no such letters");
    CHECK_INT(t.a.sessions, 2);
    end(&t);
}

/* Who says so to a lone command too is believed. */
TEST(relay_out_of_order_step_by_step_is_the_last_word)
{
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "PIPELINING";
    t.a.say[MAIL] = "503 5.5.1 polite people say HELO first";
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    HAS(t.rcpt[0].reply, "polite people");
    CHECK_INT(t.a.times[MAIL], 2);
    CHECK_INT(t.a.sessions, 2);
    end(&t);
}

/* What it refused before says why: the words of that count, not "out of order" behind it. */
TEST(relay_out_of_order_behind_a_refusal_is_no_news)
{
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "PIPELINING";
    t.a.say[MAIL] = "451 4.3.0 not now";
    t.a.say[RCPT] = t.a.say[DATA] = "503 5.5.1 MAIL first";
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
    HAS(t.rcpt[0].reply, "not now");
    t.a.say[MAIL] = t.a.say[RCPT] = NULL;
    t.a.say[DATA] = "503 5.5.1 RCPT first";
    send(&t, "two.test", "no@two.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    HAS(t.rcpt[0].reply, "no such user");
    CHECK_INT(t.a.sessions, 1);
    end(&t);
}

/* RFC 3207 section 6: somebody on the way puts words behind the answer to STARTTLS; none counts. */
TEST(relay_words_behind_starttls_are_not_heard)
{
    struct tester t;
    REQUIRE(begin(&t));
    server_offer_tls(&t.a, "a.two.test", 30, NULL);
    t.a.caps = "PIPELINING\nSTARTTLS";
    t.a.say[TLS] = "220 go ahead\r\n250-mx.test\r\n250 AUTH PLAIN";
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.a.tls_sessions, 0);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].tls, "not encrypted: TLS failed");
    end(&t);
}

/* RFC 3207 section 4.2: what was offered in clear is forgotten. */
TEST(relay_what_is_offered_under_tls_counts)
{
    struct tester t;
    REQUIRE(begin(&t));
    server_offer_tls(&t.a, "a.two.test", 30, NULL);
    t.a.caps = "STARTTLS\nSIZE 20\nCHUNKING\nDSN";
    t.a.tls_caps = "PIPELINING";
    send(&t, "two.test", "ok@two.test");
    CHECK_INT(t.a.tls_sessions, 1);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED); /* 20 bytes were all that it would take in clear */
    CHECK(sl_find(sl_cstr(t.a.log), SL("BDAT")) == SL_NONE);
    CHECK(sl_find(sl_cstr(t.a.log), SL("SIZE=")) == SL_NONE &&
          sl_find(sl_cstr(t.a.log), SL("NOTIFY")) == SL_NONE);
    end(&t);
}

static void use_zone(struct tester *t, struct buf *text)
{
    relay_close(&t->relay);
    dns_close(&t->dns);
    CHECK_OK(dns_open_zone_text(&t->dns, buf_slice(text)));
    t->conf.dns = t->dns;
    CHECK_OK(relay_open(&t->relay, &t->conf));
}

/* Of an MX set of 200 hosts the most preferred are tried, and not one after another for hours. */
TEST(relay_two_hundred_mx_hosts)
{
    struct tester t;
    struct buf zone = BUF_INIT;
    REQUIRE(begin(&t));
    for (int i = 0; i < 200; i++)
        buf_printf(&zone,
                   "dead.test. MX %d h%d.test.\nlive.test. MX %d l%d.test.\nh%d.test. A 127.0.0.9\nl%d.test. "
                   "A 127.0.0.%d\n",
                   i + 1, i, i + 1, i, i, i, i == 5 ? 2 : 9);
    use_zone(&t, &zone);
    int64_t begun = rt_now();
    send(&t, "dead.test", "ok@dead.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
    HAS(t.rcpt[0].reply, "Connection refused");
    send(&t, "live.test", "ok@live.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[0].host, "l5.test [127.0.0.2]");
    CHECK(rt_now() - begun < 60 * RT_S);
    buf_free(&zone);
    end(&t);
}

/* An MX that is an alias is wrong (RFC 2181 section 10.3) and followed all the same; one that leads nowhere,
 * to itself or to us ends in words. */
TEST(relay_mx_hosts_that_are_aliases)
{
    static const struct {
        const char *domain;
        enum attempt result;
        const char *words;
    } x[] = {
        {"alias.test", ATTEMPT_DELIVERED, "taken"},
        {"gone.test", ATTEMPT_PERMANENT, "no mail server of gone.test has an address"},
        {"circle.test", ATTEMPT_TEMPORARY, "DNS gave no answer"},
        {"home.test", ATTEMPT_PERMANENT, "comes back to this server"},
        {"chain.test", ATTEMPT_DELIVERED, "taken"},
    };
    struct tester t;
    struct buf zone = BUF_INIT;
    REQUIRE(begin(&t));
    buf_str(&zone, "alias.test. MX 10 www.test.\nwww.test. CNAME a.two.test.\na.two.test. A 127.0.0.2\n"
                   "gone.test. MX 10 old.test.\nold.test. CNAME nowhere.test.\n"
                   "circle.test. MX 10 c1.test.\nc1.test. CNAME c2.test.\nc2.test. CNAME c1.test.\n"
                   "home.test. MX 10 me.test.\nme.test. CNAME self.test.\nself.test. A 127.0.0.1\n"
                   "chain.test. CNAME far.test.\nfar.test. MX 10 www.test.\n");
    use_zone(&t, &zone);
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        send(&t, x[i].domain, "ok@two.test");
        if (t.rcpt[0].result != x[i].result || sl_find(t.rcpt[0].reply, sl_cstr(x[i].words)) == SL_NONE)
            test_fail(__FILE__, __LINE__, "%s: %d, %.*s", x[i].domain, t.rcpt[0].result,
                      SLF(t.rcpt[0].reply));
    }
    buf_free(&zone);
    end(&t);
}

/* Two hundred hosts that are preferred alike: whichever of them are tried, they are one site, and another set
 * with the same first names is another; who is one of them does not send to the others. */
TEST(relay_an_mx_set_is_one_site_however_many_hosts_it_has)
{
    struct tester t;
    struct buf zone = BUF_INIT;
    struct mx_list l;
    struct verdict why;
    struct slice first = {0};
    REQUIRE(begin(&t));
    buf_str(&zone, "own.test. MX 10 mail.one.test.\nmail.one.test. A 127.0.0.2\nall.test. MX 10 h200.test.\n"
                   "h200.test. A 127.0.0.2\n");
    for (int i = 100; i < 300; i++) {
        if (i != 200) buf_printf(&zone, "h%d.test. A 127.0.0.2\nall.test. MX 10 h%d.test.\n", i, i);
        buf_printf(&zone, "own.test. MX 10 h%d.test.\nless.test. MX %d h%d.test.\n", i, i == 222 ? 20 : 10,
                   i);
    }
    use_zone(&t, &zone);
    for (int i = 0; i < 5; i++) {
        CHECK_OK(mx_find(&t.conf, &t.arena, SL(""), SL("all.test"), &l, &why));
        CHECK_INT(l.n, MX_HOSTS_MAX);
        if (!first.n) first = l.site;
        CHECK(l.site.n && sl_eq(l.site, first));
    }
    CHECK_OK(mx_find(&t.conf, &t.arena, SL(""), SL("less.test"), &l, &why));
    CHECK(!sl_eq(l.site, first) && sl_starts(l.site, SL(" h100.test h101.test ")));
    send(&t, "all.test", "ok@all.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    for (int i = 0; i < 5; i++) {
        send(&t, "own.test", "ok@own.test");
        CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
        HAS(t.rcpt[0].reply, "comes back to this server");
    }
    buf_free(&zone);
    end(&t);
}

/* Who listens on every address is met at loopback and at 0.0.0.0, however these are written. */
TEST(relay_hosts_that_lead_to_this_machine)
{
    static const char *const domains[] = {"loop.test", "far.loop.test", "zero.test", "mapped.test",
                                          "six.test",  "[127.0.0.9]",   "[IPv6:::1]"};
    struct tester t;
    struct buf zone = BUF_INIT;
    REQUIRE(begin(&t));
    buf_str(&zone, "loop.test. A 127.0.0.1\nfar.loop.test. A 127.8.8.8\nzero.test. A 0.0.0.0\n"
                   "mapped.test. AAAA ::ffff:127.0.0.1\nsix.test. AAAA ::1\n");
    const struct endpoint any[] = {{.ip = {.family = 4}, .port = t.conf.port},
                                   {.ip = {.family = 6}, .port = t.conf.port}};
    t.conf.own = any;
    t.conf.nown = 2;
    t.conf.source = (struct ip){0};
    use_zone(&t, &zone);
    for (size_t i = 0; i < COUNT_OF(domains); i++) {
        send(&t, domains[i], "ok@two.test");
        CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
        CHECK_SL(sl_cstr(t.rcpt[0].enhanced), "5.4.6");
    }
    CHECK_INT(t.a.sessions, 0);
    buf_free(&zone);
    end(&t);
}

/* A host of a family of which no address is ours to leave from is nobody's wrong address: the letter waits
 * and says so. With an address of each family each host is reached from its own. */
TEST(relay_leaves_from_an_address_of_the_hosts_family)
{
    struct tester t;
    struct buf zone = BUF_INIT;
    char at[32];
    REQUIRE(begin(&t));
    server_stop(&t.b);
    snprintf(at, sizeof at, "[::1]:%u", t.conf.port);
    REQUIRE(server_start(&t.b, at));
    buf_str(&zone, "six.test. MX 10 mx.six.test.\nmx.six.test. AAAA ::1\nfour.test. A 127.0.0.2\n"
                   "none.test. MX 10 mx.none.test.\nmx.none.test. TXT \"no address\"\n");
    use_zone(&t, &zone);
    send(&t, "six.test", "ok@six.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
    CHECK_SL(
        t.rcpt[0].reply,
        "no mail server of six.test has an IPv4 address, and the letter leaves from IPv4 addresses alone");
    send(&t, "[IPv6:::1]", "ok@six.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
    HAS(t.rcpt[0].reply, "[IPv6:::1] is no IPv4 address");
    send(&t, "none.test", "ok@none.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    HAS(t.rcpt[0].reply, "no mail server of none.test has an address");
    t.conf.other = t.conf.source; /* as with listen = {"::1", "127.0.0.1"} */
    CHECK(ip_parse(SL("::1"), &t.conf.source));
    reopen(&t);
    send(&t, "six.test", "ok@six.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    send(&t, "four.test", "ok@four.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    t.conf.other = (struct ip){.family = 4}; /* from any of them */
    reopen(&t);
    send(&t, "four.test", "ok@four.test");
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    buf_free(&zone);
    end(&t);
}

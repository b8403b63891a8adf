/* lists_test.c - what lists in the DNS, coming again, and waiting for the greeting decide on port 25. */
#include "base/test.h"
#include "reputation/dnslist.h"
#include "reputation/greylist.h"
#include "rt/test_rt.h"
#include "talk_test.h"

static const char zone[] = "$ORIGIN test.\n$TTL 300\n@ SOA ns.test. root.test. 1 2 3 4 5\n"
                           "1.0.0.127.bad A 127.0.0.2\n1.0.0.127.bad TXT \"sends junk\"\n"
                           "evil.example.names A 127.0.0.2\n"
                           "one TXT \"v=spf1 ip4:127.0.0.1 -all\"\none MX 10 mail.one\n"
                           "none MX 10 mail.one\nmail.one A 127.0.0.1\n";
static struct dnslists lists;

static void use_zone(struct world *w)
{
    dns_close(&w->dns);
    CHECK_OK(dns_open_zone_text(&w->dns, sl_cstr(zone)));
    w->mailauth.dns = w->dns;
    w->intake.dnslists = &lists;
}

static void list(const char *line)
{
    CHECK_OK(dnslist_parse(sl_cstr(line), &lists.v[lists.n++]));
    lists.refuse = 5;
    lists.doubt = 1;
}

static struct slice rcpt(struct client *cl, const char *to)
{
    talk(cl, "EHLO mail.one.test");
    CHECK(sl_starts(talk(cl, "MAIL FROM:<carol@one.test>"), SL("250")));
    return talk(cl, to);
}

static struct slice send(struct client *cl, const char *text)
{
    CHECK(sl_starts(talk(cl, "DATA"), SL("354")));
    client_send(cl, sl_cstr(text));
    client_send(cl, SL(".\r\n"));
    return client_reply(cl);
}

TEST(lists_refuse_above_a_score)
{
    struct world w;
    struct client cl;
    lists = (struct dnslists){0};
    list("bad.test address 5");
    world_begin(&w, use_zone);
    client_open(&cl, &w, SMTPD_MX);
    struct slice r = rcpt(&cl, "RCPT TO:<alice@home.test>");
    CHECK(sl_starts(
        r,
        SL("550 5.7.1 Lists that this server asks name who sends this: bad.test 5 (127.0.0.1: sends junk)")));
    CHECK(sl_starts(talk(&cl, "RCPT TO:<abuse@home.test>"),
                    SL("250 "))); /* who is listed in error can say so */
    CHECK(sl_starts(send(&cl, "From: carol@one.test\r\n\r\nwhy?\r\n"), SL("250 ")));
    client_close(&cl);
    world_end(&w);
}

TEST(lists_below_it_stand_in_a_field)
{
    struct world w;
    struct client cl;
    lists = (struct dnslists){0};
    list("bad.test address 3");
    world_begin(&w, use_zone);
    client_open(&cl, &w, SMTPD_MX);
    CHECK(sl_starts(rcpt(&cl, "RCPT TO:<alice@home.test>"), SL("250 ")));
    CHECK(sl_starts(send(&cl, "From: carol@one.test\r\nX-Listed: score -9\r\n\r\nhello\r\n"), SL("250 ")));
    CHECK(has(handed.bytes, "\r\nX-Listed: score 3: bad.test 3 (127.0.0.1: sends junk)\r\n"));
    CHECK(!has(handed.bytes, "score -9"));
    client_close(&cl);
    world_end(&w);
}

TEST(lists_are_asked_about_urls)
{
    struct world w;
    struct client cl;
    lists = (struct dnslists){0};
    list("names.test url 5");
    world_begin(&w, use_zone);
    client_open(&cl, &w, SMTPD_MX);
    CHECK(sl_starts(rcpt(&cl, "RCPT TO:<alice@home.test>"), SL("250 ")));
    struct slice r =
        send(&cl, "From: carol@one.test\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                  "c2VlIGh0dHBzOi8vd3d3LkV2aWwuZXhhbXBsZS94IG5vdw==\r\n"); /* https://www.Evil.example/x */
    CHECK(sl_starts(r, SL("550 5.7.1 Lists that this server asks")));
    CHECK(sl_starts(rcpt(&cl, "RCPT TO:<alice@home.test>"), SL("250 ")));
    CHECK(sl_starts(send(&cl, "From: carol@one.test\r\n\r\nhttps://www.fine.example/\r\n"), SL("250 ")));
    client_close(&cl);
    world_end(&w);
}

static struct greylist *grey;
static void use_greylist(struct world *w)
{
    use_zone(w);
    w->intake.greylist = grey;
}

/* Whom SPF vouches for is no stranger; whom nothing does comes again. */
TEST(greylisting_is_for_the_doubtful)
{
    struct world w;
    struct client cl;
    lists = (struct dnslists){0};
    grey = greylist_new();
    world_begin(&w, use_greylist);
    client_open(&cl, &w, SMTPD_MX);
    CHECK(sl_starts(rcpt(&cl, "RCPT TO:<alice@home.test>"), SL("250 ")));
    CHECK(sl_starts(send(&cl, "From: carol@one.test\r\n\r\nhello\r\n"), SL("250 ")));
    talk(&cl, "MAIL FROM:<carol@none.test>");
    CHECK(sl_starts(talk(&cl, "RCPT TO:<alice@home.test>"), SL("250 ")));
    CHECK(sl_starts(
        send(&cl, "From: carol@none.test\r\n\r\nhello\r\n"),
        SL("451 4.7.1 Nothing vouches for this sender, and it comes for the first time: try again in 30")));
    client_close(&cl);
    world_end(&w);
    greylist_free(&grey);
}

static void use_delay(struct world *w) { w->conf.greeting_delay_s = 1; }

TEST(who_speaks_before_the_greeting_is_refused)
{
    struct world w;
    struct client cl = {0};
    world_begin(&w, use_delay);
    ASSERT(conn_dial(&cl.c, listener_at(w.door[SMTPD_MX].l), NULL) == 0);
    client_send(&cl, SL("EHLO hasty.test\r\n"));
    CHECK_SL(client_reply(&cl), "554 Wait for the greeting before you speak (RFC 5321 section 4.3.1)");
    CHECK_SL(client_reply(&cl), "");
    client_close(&cl);
    client_open(&cl, &w, SMTPD_MX); /* who waits is greeted */
    client_close(&cl);
    world_end(&w);
}

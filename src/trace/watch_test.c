/* watch_test.c - what watchers see, and what they may cost. */
#include "watch.h"

#include <stdio.h>

#include "rt/test_rt.h"

static struct slice json_of(struct watch *w, struct arena *a)
{
    struct watch_line l;
    return watch_next(w, a, &l) ? l.json : SL("");
}

static bool sees(struct watch *w, const char *what)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice json = json_of(w, &a);
    bool yes = *what ? sl_find(json, sl_cstr(what)) != SL_NONE : !json.n;
    ar_free(&a);
    return yes;
}

static void tell(const char *event, const struct letter_id *id, const char *to, const char *why)
{
    LOG_EVENT(LOG_INFO, "letter", {"event", sl_cstr(event)}, {"id", sl_cstr(id->s)}, {"to", sl_cstr(to)},
              {"why", sl_cstr(why)});
}

TEST(watchers_see_what_fits_and_the_rest_of_its_letters)
{
    struct watch *all, *bob, *two, *host, *bounced, *named, *warned;
    struct letter_id x, y;
    letter_id_new(&x);
    letter_id_new(&y);
    CHECK_OK(watch_open(&all, &(struct watch_filter){.least = LOG_INFO}));
    CHECK_OK(watch_open(&bob, &(struct watch_filter){.least = LOG_INFO, .address = SL("bob@one.test")}));
    CHECK_OK(watch_open(&two, &(struct watch_filter){.least = LOG_INFO, .domain = SL("two.test")}));
    CHECK_OK(watch_open(&host, &(struct watch_filter){.least = LOG_INFO, .host = SL("192.0.2.1")}));
    CHECK_OK(watch_open(&bounced, &(struct watch_filter){.least = LOG_INFO, .events = SL("held,bounced")}));
    CHECK_OK(watch_open(&named, &(struct watch_filter){.least = LOG_INFO, .letters = true, .named = true}));
    CHECK_OK(watch_open(&warned, &(struct watch_filter){.least = LOG_WARN}));
    watch_letter(named, &y);
    watch_about(&x, SL("bob@one.test")); /* it goes to him, though the first line does not say so */
    tell("received", &x, "", "from [192.0.2.1], sender <eve@three.test>");
    tell("received", &y, "", "from [192.0.2.10], sender <ann@two.test>");
    tell("bounced", &y, "rob@one.test", "no such mailbox");
    log_warn("x", "something else");
    CHECK(sees(all, x.s) && sees(all, y.s) && sees(all, "rob@one.test") && sees(all, "something else"));
    CHECK(sees(bob, x.s) && sees(bob, ""));
    CHECK(sees(two, "ann@two.test") && sees(two, "rob@one.test") && sees(two, ""));
    CHECK(sees(host, "eve@three.test") && sees(host, ""));
    CHECK(sees(bounced, "rob@one.test") && sees(bounced, ""));
    CHECK(sees(named, "ann@two.test") && sees(named, "rob@one.test") && sees(named, ""));
    CHECK(sees(warned, "something else") && sees(warned, ""));
    struct watch **w[] = {&all, &bob, &two, &host, &bounced, &named, &warned};
    for (size_t i = 0; i < COUNT_OF(w); i++) watch_close(w[i]);
    CHECK(!log_wants(LOG_INFO)); /* tests have no log, so nobody asks for it any more */
    CHECK(watch_event_ok(SL("bounced")) && watch_event_ok(SL("session")) && !watch_event_ok(SL("bounce")));
}

static void say(const char *who, const char *event, const char *ip, const char *domain)
{
    LOG_EVENT(LOG_TALK, who, {"event", sl_cstr(event)}, {"ip", sl_cstr(ip)}, {"domain", sl_cstr(domain)});
}

TEST(the_next_session_with_a_peer_is_seen_alone)
{
    struct watch *ip, *domain;
    struct letter_id x;
    char smtpd[80], same[80];
    letter_id_new(&x);
    snprintf(smtpd, sizeof smtpd, "smtpd 192.0.2.1:25 %s", x.s);
    snprintf(same, sizeof same, "smtpd 198.51.100.1:7 %s", x.s); /* XCLIENT says who it is */
    CHECK_OK(watch_open(&ip, &(struct watch_filter){.least = LOG_TALK, .begins = SL("192.0.2.1")}));
    CHECK_OK(watch_open(&domain, &(struct watch_filter){.least = LOG_TALK, .begins = SL("two.test")}));
    say("smtpd 192.0.2.1:24 x", "server", "", ""); /* it was there before */
    say("smtpd 192.0.2.10:24 x", "begins", "192.0.2.10", "");
    say(smtpd, "begins", "192.0.2.1", "");
    say("imap 192.0.2.1:26", "begins", "192.0.2.1", "");
    say("relay mx.two.test [192.0.2.1]:25 session 1", "begins", "192.0.2.1", "not-two.test");
    say("relay mx.two.test [192.0.2.1]:25 session 11", "begins", "192.0.2.1", "TWO.test");
    say("relay mx.two.test [192.0.2.1]:25 session 1", "client", "", "two.test");
    say("relay mx.two.test [192.0.2.1]:25 session 11", "ends", "", "");
    say(same, "server", "", "");
    LOG_EVENT(LOG_INFO, "login", {"event", SL("accepted")}, {"session", sl_cstr(same)});
    CHECK(sees(ip, "192.0.2.1:25") && sees(ip, "198.51.100.1") && sees(ip, "accepted") && sees(ip, ""));
    CHECK(sees(domain, "session 11") && sees(domain, "ends") && sees(domain, ""));
    watch_close(&ip);
    watch_close(&domain);
}

TEST(watchers_are_bounded)
{
    struct watch *w[WATCH_MAX], *more;
    struct watch_line l;
    struct arena a;
    struct letter_id id;
    uint64_t seen = 0, lost = 0;
    const uint64_t told = 5000;
    ar_init(&a, 0);
    for (size_t i = 0; i < WATCH_MAX; i++)
        CHECK_OK(watch_open(&w[i], &(struct watch_filter){.least = LOG_INFO}));
    CHECK_ERR(watch_open(&more, &(struct watch_filter){.least = LOG_INFO}), ERR_LIMIT);
    letter_id_new(&id);
    for (uint64_t i = 0; i < told; i++) tell("received", &id, "", "again");
    while (watch_next(w[0], &a, &l)) {
        lost += l.lost;
        seen += l.json.n > 0;
        if (seen == 1) tell("received", &id, "", "there is room again"); /* it says how many are not there */
        ar_reset(&a);
    }
    CHECK(seen > 1000 && lost > 0 && seen + lost == told + 1);
    CHECK(!watch_next(w[0], &a, &l));
    for (size_t i = 0; i < WATCH_MAX; i++) watch_close(&w[i]);
    ar_free(&a);
}

/* Following ever more letters, one forgets the first ones. */
TEST(followed_letters_are_bounded)
{
    struct watch *w;
    struct letter_id first, id;
    CHECK_OK(watch_open(&w, &(struct watch_filter){.least = LOG_INFO, .address = SL("bob@one.test")}));
    letter_id_new(&first);
    watch_about(&first, SL("bob@one.test"));
    tell("queued", &first, "", "x");
    CHECK(sees(w, "queued"));
    for (int i = 0; i < WATCH_LETTERS; i++) {
        letter_id_new(&id);
        watch_about(&id, SL("bob@one.test"));
    }
    tell("relayed", &first, "", "x");
    CHECK(sees(w, ""));
    tell("relayed", &id, "", "x");
    CHECK(sees(w, "relayed"));
    watch_close(&w);
}

/* list_test.c - who may write to a distribution list, and who may leave it: answer by answer. */
#include "base/test.h"
#include "directory/maillist.h"
#include "rt/test_rt.h"
#include "store/store.h"
#include "talk_test.h"

static struct allowance *allowance;

static void with_list(struct world *w)
{
    static const struct sender_limits few = {{SENDER_UNLIMITED, SENDER_UNLIMITED, SENDER_UNLIMITED,
                                              SENDER_UNLIMITED, SENDER_UNLIMITED, SENDER_UNLIMITED}};
    struct maillist l = {.address = SL("dev@home.test"), .owner = SL("alice@home.test"), .hourly = 2};
    struct slice who[] = {SL("carol@one.test"), SL("bob@home.test"), SL("dave@suspect.test"),
                          SL("erin@nothing.test")};
    size_t n;
    allowance_open(&allowance, w->store->kv, &few);
    w->intake.allowance = allowance;
    CHECK_OK(maillist_add(w->store->directory, &l));
    CHECK_OK(maillist_members_add(w->store->directory, SL("dev@home.test"), who, COUNT_OF(who), &n));
}

static void begin(struct world *w, struct client *cl)
{
    world_begin(w, with_list);
    client_open(cl, w, SMTPD_MX);
    talk(cl, "EHLO mail.one.test");
}

static void end(struct world *w, struct client *cl)
{
    client_close(cl);
    world_end(w);
    allowance_close(&allowance);
}

/* The answer to the letter, or to the recipient when that is refused. */
static struct slice post(struct client *cl, const char *sender, const char *to, const char *head)
{
    struct arena *a = &cl->a;
    talk(cl, "RSET");
    CHECK(sl_starts(talk(cl, ar_cstr(a, ar_printf(a, "MAIL FROM:<%s>", sender))), SL("250 ")));
    struct slice answer = talk(cl, ar_cstr(a, ar_printf(a, "RCPT TO:<%s>", to)));
    if (!sl_starts(answer, SL("250 "))) return answer;
    CHECK(sl_starts(talk(cl, "DATA"), SL("354 ")));
    client_send(cl, ar_printf(a, "%sSubject: s\r\n\r\nHello\r\n.\r\n", head));
    return client_reply(cl);
}

TEST(list_takes_letters_of_members_who_are_who_they_say)
{
    struct world w;
    struct client cl;
    begin(&w, &cl);
    CHECK(sl_starts(post(&cl, "carol@one.test", "Dev@home.test", "From: Carol <Carol@one.test>\r\n"),
                    SL("250 2.0.0 ")));
    CHECK_SL(sl_cstr(handed.rcpts), "here:dev@home.test");
    struct slice no = post(&cl, "mallory@one.test", "dev@home.test", "From: mallory@one.test\r\n");
    CHECK(sl_starts(no, SL("550 5.7.2 mallory@one.test may not write to the list dev@home.test; ")));
    CHECK(has(no, "dev-owner@home.test"));
    /* a member whom nothing vouches for: neither SPF nor a signature is there for that domain */
    no = post(&cl, "erin@nothing.test", "dev@home.test", "From: erin@nothing.test\r\n");
    CHECK(sl_starts(no, SL("550 5.7.2 The list dev@home.test wants to know who writes")));
    /* SPF vouches for the return path, and not for From */
    no = post(&cl, "carol@one.test", "dev@home.test", "From: erin@nothing.test\r\n");
    CHECK(sl_starts(no, SL("550 5.7.2 ")));
    no = post(&cl, "dave@suspect.test", "dev@home.test", "From: dave@suspect.test\r\n");
    CHECK(sl_starts(no, SL("550 5.7.2 ")));
    no = post(&cl, "carol@one.test", "dev@home.test", "From: carol@one.test, mallory@one.test\r\n");
    CHECK(sl_starts(no, SL("550 5.7.2 ")));
    CHECK_INT(handed.count, 1);
    end(&w, &cl);
}

TEST(list_distributes_nothing_automatic_and_nothing_twice)
{
    struct world w;
    struct client cl;
    begin(&w, &cl);
    CHECK(sl_starts(post(&cl, "", "dev@home.test", "From: carol@one.test\r\n"),
                    SL("550 5.7.2 dev@home.test leads to a list")));
    static const char *const heads[] = {"Auto-Submitted: auto-replied\r\n",
                                        "Auto-Submitted: auto-generated; x\r\n", "Precedence: auto_reply\r\n",
                                        "Precedence: bulk\r\n"};
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        struct slice no = post(&cl, "carol@one.test", "dev@home.test",
                               ar_cstr(&cl.a, ar_printf(&cl.a, "From: carol@one.test\r\n%s", heads[i])));
        CHECK(sl_starts(no, SL("550 5.7.2 The list dev@home.test takes no automatic letters")));
    }
    CHECK(sl_starts(post(&cl, "carol@one.test", "dev@home.test",
                         "From: carol@one.test\r\nList-Id: Developers\r\n <Dev.home.test>\r\n"),
                    SL("554 5.4.6 ")));
    CHECK(sl_starts(post(&cl, "carol@one.test", "dev@home.test",
                         "From: carol@one.test\r\nDelivered-To: dev@home.test\r\n"),
                    SL("554 5.4.6 ")));
    CHECK_INT(handed.count, 0);
    CHECK(sl_starts(post(&cl, "carol@one.test", "dev@home.test",
                         "From: carol@one.test\r\nAuto-Submitted: no\r\nList-Id: <dev.away.test>\r\n"),
                    SL("250 ")));
    end(&w, &cl);
}

TEST(list_makes_so_many_letters_an_hour)
{
    struct world w;
    struct client cl;
    begin(&w, &cl);
    handed.fail_with = ERR_FULL; /* what came to nothing does not count */
    CHECK(sl_starts(post(&cl, "carol@one.test", "dev@home.test", "From: carol@one.test\r\n"), SL("452 ")));
    handed.fail_with = 0;
    for (int i = 0; i < 2; i++)
        CHECK(
            sl_starts(post(&cl, "carol@one.test", "dev@home.test", "From: carol@one.test\r\n"), SL("250 ")));
    CHECK(sl_starts(post(&cl, "carol@one.test", "dev@home.test", "From: carol@one.test\r\n"),
                    SL("450 4.7.1 The list dev@home.test distributes 2 letters an hour")));
    CHECK(sl_starts(post(&cl, "carol@one.test", "alice@home.test", "From: carol@one.test\r\n"), SL("250 ")));
    end(&w, &cl);
}

TEST(list_that_is_open_still_lets_nobody_speak_for_us)
{
    struct world w;
    struct client cl;
    begin(&w, &cl);
    struct maillist open = {.address = SL("dev@home.test"), .post = MAILLIST_BY_ANYONE, .hourly = 100};
    CHECK_OK(maillist_set(w.store->directory, &open, MAILLIST_SET_POST | MAILLIST_SET_HOURLY));
    CHECK(sl_starts(post(&cl, "x@nothing.test", "dev@home.test", "From: x@nothing.test\r\n"), SL("250 ")));
    CHECK(sl_starts(post(&cl, "dave@suspect.test", "dev@home.test", "From: dave@suspect.test\r\n"),
                    SL("550 5.7.1 The list dev@home.test does not distribute what looks like junk")));
    w.mailauth.policy.dmarc_monitor = true;
    /* what we sign for the list would vouch for these, too */
    CHECK(sl_starts(post(&cl, "x@nothing.test", "dev@home.test", "From: boss@sub.home.test\r\n"),
                    SL("550 5.7.2 ")));
    CHECK(sl_starts(post(&cl, "x@nothing.test", "dev@home.test", "From: boss@home.test\r\n"),
                    SL("550 5.7.2 ")));
    open.post = MAILLIST_BY_SENDERS;
    open.sender = &SL("mallory@one.test"), open.nsenders = 1;
    CHECK_OK(maillist_set(w.store->directory, &open, MAILLIST_SET_POST | MAILLIST_SET_SENDERS));
    CHECK(sl_starts(post(&cl, "carol@one.test", "dev@home.test", "From: carol@one.test\r\n"),
                    SL("550 5.7.2 ")));
    CHECK(
        sl_starts(post(&cl, "mallory@one.test", "dev@home.test", "From: Mallory@one.test\r\n"), SL("250 ")));
    end(&w, &cl);
}

TEST(list_is_left_by_its_members_only)
{
    struct world w;
    struct client cl;
    begin(&w, &cl);
    CHECK(sl_starts(post(&cl, "carol@one.test", "dev-leave@home.test", "From: carol@one.test\r\n"),
                    SL("250 ")));
    CHECK_SL(sl_cstr(handed.rcpts), "here:dev@home.test");
    CHECK(sl_starts(post(&cl, "mallory@one.test", "dev-leave@home.test", "From: mallory@one.test\r\n"),
                    SL("550 5.7.2 mallory@one.test is no member")));
    CHECK(sl_starts(post(&cl, "erin@nothing.test", "dev-leave@home.test", "From: erin@nothing.test\r\n"),
                    SL("550 5.7.2 ")));
    CHECK(sl_starts(post(&cl, "", "dev-bounces@home.test", "From: x@nothing.test\r\n"), SL("250 ")));
    CHECK_SL(sl_cstr(handed.rcpts), "here:alice@home.test");
    CHECK(sl_starts(post(&cl, "", "dev-leave@home.test", "From: carol@one.test\r\n"), SL("550 5.7.2 ")));
    end(&w, &cl);
}

TEST(list_takes_what_a_user_writes_and_not_what_he_sends_again)
{
    struct world w;
    struct client cl;
    world_begin(&w, with_list);
    client_open(&cl, &w, SMTPD_SUBMISSIONS);
    talk(&cl, "EHLO x");
    CHECK(sl_starts(talk_plain(&cl, "bob@home.test", "builder"), SL("235 ")));
    CHECK(sl_starts(post(&cl, "bob@home.test", "dev@home.test", "From: bob+x@home.test\r\n"), SL("250 ")));
    CHECK(
        sl_starts(post(&cl, "bob@home.test", "dev@home.test",
                       "Resent-From: bob@home.test\r\nResent-To: dev@home.test\r\nFrom: carol@one.test\r\n"),
                  SL("550 5.7.2 ")));
    end(&w, &cl);
}

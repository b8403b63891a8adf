/* filters_test.c - letters on their way past a filter (milter) of the tests, good and bad. */
#include <stdio.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "milter/filter.h"
#include "rt/test_rt.h"
#include "talk_test.h"

/* ---- the filter: for each command of the server the packets that it answers with ---- */

struct script {
    char command; /* 0: the end of the table */
    struct slice answer;
};
static struct played { /* what the filter is told to do, and what it heard */
    struct filters set;
    struct serving door;
    const struct script *script;
    uint32_t actions, protocol;
    bool silent; /* it never says anything */
    struct buf heard, body;
    unsigned talks;
} played;

#define P1(text) SL("\0\0\0\x01" text)

static void put_options(struct conn *c)
{
    uint8_t p[17] = {0, 0, 0, 13, 'O', 0, 0, 0, 6};
    for (int i = 0; i < 4; i++) {
        p[9 + i] = (uint8_t)(played.actions >> (24 - 8 * i));
        p[13 + i] = (uint8_t)(played.protocol >> (24 - 8 * i));
    }
    conn_write(c, sl(p, sizeof p));
}

/* "C mail", one command a line, the texts of a packet with a blank between. */
static void hear(char command, struct slice rest)
{
    if (command == 'B') {
        buf_put(&played.body, rest);
        return;
    }
    if (command == 'D' || command == 'O') return;
    buf_char(&played.heard, command);
    for (size_t i = 0; i < rest.n; i++) buf_char(&played.heard, rest.p[i] ? rest.p[i] : '|');
    buf_char(&played.heard, '\n');
}

static bool is_mute(char command)
{
    return command == 'D' || command == 'A' || command == 'Q' ||
           (command == 'B' && played.protocol & MILTER_MUTE_BODY);
}

static void answer(struct conn *c, char command)
{
    struct slice with = P1("c");
    for (const struct script *s = played.script; s && s->command; s++)
        if (s->command == command) with = s->answer;
    if (command == 'O') put_options(c);
    else if (!is_mute(command)) conn_write(c, with);
    if (!with.n) conn_abort(c); /* it dies */
}

static void filter_session(struct serving *s, struct conn *c)
{
    (void)s;
    char head[5], *packet = xmalloc(1 << 20);
    played.talks++;
    while (!conn_read(c, head, 5)) {
        uint32_t n =
            ((uint32_t)(uint8_t)head[1] << 16) + ((uint32_t)(uint8_t)head[2] << 8) + (uint8_t)head[3] - 1;
        if (conn_read(c, packet, n)) break;
        hear(head[4], sl(packet, n));
        if (!played.silent) answer(c, head[4]);
        if (conn_flush(c)) break;
    }
    conn_close(&c);
    free(packet);
}

static void filter_open(void)
{
    const struct script *script = played.script;
    uint32_t actions = played.actions, protocol = played.protocol;
    bool silent = played.silent;
    enum filter_failure failure = played.set.v[0].failure;
    enum filter_letters letters = played.set.v[0].letters;
    played = (struct played){.script = script, .actions = actions, .protocol = protocol, .silent = silent};
    played.door.session = filter_session;
    CHECK_OK(serving_start(&played.door, "127.0.0.1:0"));
    played.set.hostname = SL("mx.home.test");
    played.set.n = 1;
    played.set.v[0] = (struct filter){.name = "probe",
                                      .at = *listener_at(played.door.l),
                                      .timeout_s = 20,
                                      .failure = failure,
                                      .letters = letters};
}

static void filter_close(void)
{
    serving_stop(&played.door);
    buf_free(&played.heard);
    buf_free(&played.body);
}

static void with_filter(struct world *w) { w->intake.filters = &played.set; }

/* Begins a world whose letters pass a filter with this script. */
static void begin(struct world *w, const struct script *script, uint32_t actions, uint32_t protocol)
{
    played.script = script;
    played.actions = actions;
    played.protocol = protocol;
    filter_open();
    world_begin(w, with_filter);
}

static void end(struct world *w)
{
    world_end(w);
    filter_close();
    played = (struct played){0};
}

static const char letter[] =
    "From: Carol <carol@one.test>\r\nTo: alice@home.test,\r\n bob@home.test\r\nSubject: one\r\n"
    "X-Old: 1\r\nX-Old: 2\r\n\r\nHello\r\n.\r\n";

static struct slice deliver(struct client *cl)
{
    talk(cl, "EHLO mail.one.test");
    struct slice r = talk(cl, "MAIL FROM:<carol@one.test>");
    if (!sl_starts(r, SL("250"))) return r;
    r = talk(cl, "RCPT TO:<alice@home.test>");
    if (!sl_starts(r, SL("250"))) return r;
    r = talk(cl, "RCPT TO:<bob@home.test>");
    if (!sl_starts(r, SL("250"))) return r;
    CHECK(sl_starts(talk(cl, "DATA"), SL("354")));
    client_send(cl, sl_cstr(letter));
    return client_reply(cl);
}

/* One letter through such a filter: what the client hears at its end. */
static struct slice one_letter(struct arena *a, const struct script *script, uint32_t actions,
                               uint32_t protocol)
{
    struct world w;
    struct client cl;
    begin(&w, script, actions, protocol);
    client_open(&cl, &w, SMTPD_MX);
    struct slice r = ar_dup(a, deliver(&cl));
    talk(&cl, "QUIT");
    client_close(&cl);
    struct slice kept = ar_dup(a, handed.bytes);
    unsigned count = handed.count;
    char rcpts[sizeof handed.rcpts], sender[sizeof handed.sender];
    memcpy(rcpts, handed.rcpts, sizeof rcpts);
    memcpy(sender, handed.sender, sizeof sender);
    bool held = handed.held;
    end(&w);
    handed.bytes = kept; /* the caller's, until the arena goes */
    handed.count = count;
    handed.held = held;
    memcpy(handed.rcpts, rcpts, sizeof rcpts);
    memcpy(handed.sender, sender, sizeof sender);
    return r;
}

static void forget(struct arena *a)
{
    handed.bytes = sl(NULL, 0);
    ar_free(a);
}

/* ---- what it hears ---- */

TEST(filter_hears_every_step)
{
    struct world w;
    struct client cl;
    begin(&w, NULL, 0, 0);
    client_open(&cl, &w, SMTPD_MX);
    CHECK(sl_starts(deliver(&cl), SL("250 2.0.0 ")));
    CHECK(sl_starts(talk(&cl, "XYZZY now"), SL("500 ")));
    talk(&cl, "QUIT");
    client_close(&cl);
    struct slice heard = buf_slice(&played.heard);
    CHECK(sl_starts(heard, SL("C[127.0.0.1]|4")));
    CHECK(has(heard, "|\nHmail.one.test|\nM<carol@one.test>|\nR<alice@home.test>|\nR<bob@home.test>|\nT\n"
                     "LFrom|Carol <carol@one.test>|\nLTo|alice@home.test,\n bob@home.test|\nLSubject|one|\n"
                     "LX-Old|1|\nLX-Old|2|\nN\nE\nUXYZZY now|\nQ\n"));
    CHECK_SL(buf_slice(&played.body), "Hello\r\n");
    CHECK_INT(handed.count, 1);
    end(&w);
}

TEST(filter_hears_only_what_it_wants)
{
    struct arena a = {0};
    struct world w;
    struct client cl;
    begin(&w, NULL, 0,
          MILTER_NO_CONNECT | MILTER_NO_HELO | MILTER_NO_HEADERS | MILTER_NO_BODY | MILTER_NO_DATA |
              MILTER_NO_UNKNOWN | MILTER_NO_EOH);
    client_open(&cl, &w, SMTPD_MX);
    CHECK(sl_starts(deliver(&cl), SL("250 2.0.0 ")));
    talk(&cl, "QUIT");
    client_close(&cl);
    CHECK_SL(buf_slice(&played.heard), "M<carol@one.test>|\nR<alice@home.test>|\nR<bob@home.test>|\nE\nQ\n");
    CHECK_INT(played.body.n, 0);
    end(&w);
    ar_free(&a);
}

/* ---- what it says ---- */

TEST(filter_refuses_at_each_step)
{
    static const struct {
        char step;
        struct slice with;
        const char *reply;
    } x[] = {
        {'H', P1("r"), "503 5.5.1 Say EHLO first"},
        {'M', P1("t"), "451 4.7.1 This cannot be taken now; try again later"},
        {'R', SL("\0\0\0\x0fy550 5.7.1 Not\0"), "550 5.7.1 Not"},
        {'T', P1("r"), "550 5.7.1 This is refused here"},
        {'L', P1("t"), "451 4.7.1 This cannot be taken now; try again later"},
        {'N', P1("r"), "550 5.7.1 This is refused here"},
        {'B', P1("r"), "550 5.7.1 This is refused here"},
        {'E', SL("\0\0\0\x1fy550-5.1.1 two\r\n550 5.1.1 lines\0"), "550-5.1.1 two\n550 5.1.1 lines"},
    };
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        struct arena a = {0};
        struct script script[] = {{x[i].step, x[i].with}, {0}};
        CHECK_SL(one_letter(&a, script, 0, 0), x[i].reply);
        CHECK_INT(handed.count, 0);
        forget(&a);
    }
}

TEST(filter_refuses_a_client_in_the_greeting)
{
    static const struct script no[] = {{'C', P1("r")}, {0}}, later[] = {{'C', P1("t")}, {0}};
    for (int i = 0; i < 2; i++) {
        struct world w;
        struct client cl = {0};
        begin(&w, i ? later : no, 0, 0);
        ASSERT(conn_dial(&cl.c, listener_at(w.door[SMTPD_MX].l), NULL) == 0);
        CHECK(sl_starts(client_reply(&cl), i ? SL("421 4.7.1 ") : SL("554 5.7.1 ")));
        CHECK_SL(client_reply(&cl), "");
        client_close(&cl);
        end(&w);
    }
}

TEST(filter_that_accepts_hears_no_more_of_it)
{
    struct arena a = {0};
    static const struct script mail[] = {{'M', P1("a")}, {'E', P1("r")}, {0}};
    CHECK(sl_starts(one_letter(&a, mail, 0, 0), SL("250 2.0.0 ")));
    CHECK_INT(handed.count, 1);
    forget(&a);
    static const struct script hello[] = {{'H', P1("a")}, {'M', P1("r")}, {0}};
    CHECK(sl_starts(one_letter(&a, hello, 0, 0), SL("250 2.0.0 ")));
    forget(&a);
}

TEST(filter_discards)
{
    struct arena a = {0};
    static const struct script x[] = {{'E', P1("d")}, {0}};
    CHECK(sl_starts(one_letter(&a, x, 0, 0), SL("250 2.0.0 ")));
    CHECK_INT(handed.count, 0);
    forget(&a);
}

/* ---- what it changes ---- */

TEST(filter_changes_header_fields)
{
    struct arena a = {0};
    static const struct script x[] = {{'E', SL_INIT("\0\0\0\x09hX-New\0a\0"
                                                    "\0\0\0\x0fi\0\0\0\0X-Top\0b\nc\0"
                                                    "\0\0\0\x11m\0\0\0\x01Subject\0two\0"
                                                    "\0\0\0\x0cm\0\0\0\x02X-Old\0\0"
                                                    "\0\0\0\x01p"
                                                    "\0\0\0\x01"
                                                    "a")},
                                      {0}};
    CHECK(sl_starts(one_letter(&a, x, MILTER_ADD_HEADER | MILTER_CHANGE_HEADER, 0), SL("250 2.0.0 ")));
    CHECK(has(handed.bytes, "\r\nX-Top: b\r\n\tc\r\nFrom: Carol <carol@one.test>\r\nTo: alice@home.test,\r\n "
                            "bob@home.test\r\nSubject: two\r\nX-Old: 1\r\nX-New: a\r\n\r\nHello\r\n"));
    forget(&a);
}

TEST(filter_replaces_the_body)
{
    struct arena a = {0};
    static const struct script x[] = {{'E', SL_INIT("\0\0\0\x04"
                                                    "bnew"
                                                    "\0\0\0\x06"
                                                    "ber\nx\n"
                                                    "\0\0\0\x01"
                                                    "c")},
                                      {0}};
    CHECK(sl_starts(one_letter(&a, x, MILTER_CHANGE_BODY, 0), SL("250 2.0.0 ")));
    CHECK(sl_ends(handed.bytes, SL("\r\n\r\nnewer\r\nx\r\n")));
    forget(&a);
}

TEST(filter_changes_the_envelope)
{
    struct arena a = {0};
    static const struct script x[] = {{'E', SL_INIT("\0\0\0\x0c"
                                                    "e<x@y.test>\0"
                                                    "\0\0\0\x12-<bob@home.test>\0\0"
                                                    "\0\0\0\x14+<far@away.example>\0"
                                                    "\0\0\0\x09+<nobody\0"
                                                    "\0\0\0\x01"
                                                    "c")},
                                      {0}};
    uint32_t may = MILTER_CHANGE_FROM | MILTER_ADD_RCPT | MILTER_DELETE_RCPT;
    CHECK(sl_starts(one_letter(&a, x, may, 0), SL("250 2.0.0 ")));
    CHECK_SL(sl_cstr(handed.sender), "x@y.test");
    CHECK_SL(sl_cstr(handed.rcpts), "here:alice@home.test far@away.example");
    CHECK(sl_starts(handed.bytes, SL("Return-Path: <x@y.test>\r\n")));
    forget(&a);
}

TEST(filter_has_a_letter_held)
{
    struct arena a = {0};
    static const struct script x[] = {{'E', SL_INIT("\0\0\0\x05qbad\0\0\0\0\x01"
                                                    "c")},
                                      {0}};
    CHECK(sl_starts(one_letter(&a, x, MILTER_QUARANTINE, 0), SL("250 2.0.0 ")));
    CHECK(handed.held);
    forget(&a);
}

/* ---- filters that fail ---- */

static const struct slice mad[] = {
    SL_INIT(""),                    /* it dies */
    SL_INIT("\0\0\0\0"),            /* no packet */
    SL_INIT("\x7f\0\0\0x"),         /* too large */
    SL_INIT("\0\0\0\x01?"),         /* of no kind */
    SL_INIT("\0\0\0\x01s"),         /* skips what cannot be skipped */
    SL_INIT("\0\0\0\x09hX-New\0a\0" /* did not say that it would */
            "\0\0\0\x01"
            "c"),
    SL_INIT("\0\0\0\x08y250 ok\0"), /* accepts as a refusal */
    SL_INIT("\0\0\0\x04qbad"),      /* without its end */
};

TEST(filter_that_is_mad_means_try_again)
{
    for (size_t i = 0; i < COUNT_OF(mad); i++) {
        struct arena a = {0};
        struct script script[] = {{'E', mad[i]}, {0}};
        CHECK_SL(one_letter(&a, script, MILTER_CHANGE_BODY, 0),
                 "451 4.7.1 A filter of this server is out of order; try again later");
        CHECK_INT(handed.count, 0);
        forget(&a);
    }
}

TEST(filter_that_is_mad_is_passed_by)
{
    for (size_t i = 0; i < COUNT_OF(mad); i++) {
        struct arena a = {0};
        struct script script[] = {{'E', mad[i]}, {0}};
        played.set.v[0].failure = FILTER_PASS;
        CHECK(sl_starts(one_letter(&a, script, MILTER_CHANGE_BODY, 0), SL("250 2.0.0 ")));
        CHECK_INT(handed.count, 1);
        CHECK(has(handed.bytes, "X-Old: 2\r\n\r\nHello\r\n"));
        forget(&a);
    }
}

TEST(filter_that_is_mad_has_it_held_or_refused)
{
    struct arena a = {0};
    struct script script[] = {{'R', mad[1]}, {0}};
    played.set.v[0].failure = FILTER_HOLD;
    CHECK(sl_starts(one_letter(&a, script, 0, 0), SL("250 2.0.0 ")));
    CHECK(handed.held);
    forget(&a);
    played.set.v[0].failure = FILTER_REFUSE;
    CHECK(sl_starts(one_letter(&a, script, 0, 0), SL("554 5.7.1 A filter of this server is out of order")));
    forget(&a);
}

/* A client that does not mind a refusal gets no letter past a filter that has failed in the middle of it. */
TEST(filter_that_failed_at_an_earlier_step_lets_nothing_pass)
{
    static const struct script dies[][2] = {{{'R', SL_INIT("")}, {0}}, {{'U', SL_INIT("")}, {0}}};
    for (size_t i = 0; i < COUNT_OF(dies); i++) {
        struct world w;
        struct client cl;
        begin(&w, dies[i], 0, 0);
        client_open(&cl, &w, SMTPD_MX);
        talk(&cl, "EHLO mail.one.test");
        talk(&cl, "MAIL FROM:<carol@one.test>");
        CHECK(sl_starts(talk(&cl, "RCPT TO:<alice@home.test>"), i ? SL("250 ") : SL("451 4.7.1 ")));
        CHECK(sl_starts(talk(&cl, "FOO"), SL("500 ")));
        CHECK(sl_starts(talk(&cl, "RCPT TO:<bob@home.test>"),
                        SL("451 4.7.1 A filter of this server is out of order; try again later")));
        if (i) {
            CHECK(sl_starts(talk(&cl, "DATA"), SL("354")));
            client_send(&cl, sl_cstr(letter));
            CHECK(sl_starts(client_reply(&cl),
                            SL("451 4.7.1 A filter of this server is out of order; try again later")));
        } else {
            CHECK(sl_starts(talk(&cl, "DATA"), SL("554 5.5.1 ")));
        }
        CHECK_INT(handed.count, 0);
        client_close(&cl);
        end(&w);
    }
}

/* What a filter wanted before it failed is not done. */
TEST(filter_that_dies_among_its_changes_has_changed_nothing)
{
    struct arena a = {0};
    static const struct script x[] = {{'E', SL_INIT("\0\0\0\x09hX-New\0a\0"
                                                    "\0\0\0\x04"
                                                    "bnew"
                                                    "\0\0\0\0")},
                                      {0}};
    played.set.v[0].failure = FILTER_PASS;
    CHECK(sl_starts(one_letter(&a, x, MILTER_ADD_HEADER | MILTER_CHANGE_BODY, 0), SL("250 2.0.0 ")));
    CHECK(has(handed.bytes, "X-Old: 2\r\n\r\nHello\r\n"));
    forget(&a);
}

/* A session goes on with a filter that comes back. */
TEST(filter_is_asked_again_about_the_next_letter)
{
    struct world w;
    struct client cl;
    static const struct script dies[] = {{'E', SL_INIT("")}, {0}};
    begin(&w, dies, 0, 0);
    client_open(&cl, &w, SMTPD_MX);
    CHECK(sl_starts(deliver(&cl), SL("451 4.7.1 ")));
    played.script = NULL;
    CHECK(sl_starts(deliver(&cl), SL("250 2.0.0 ")));
    CHECK_INT(played.talks, 2);
    client_close(&cl);
    end(&w);
}

/* ---- our own people ---- */

TEST(filter_sees_letters_of_users_and_they_are_signed_after_it)
{
    struct world w;
    struct client cl;
    static const struct script x[] = {{'E', SL_INIT("\0\0\0\x11m\0\0\0\x01Subject\0two\0"
                                                    "\0\0\0\x06"
                                                    "bnew\r\n"
                                                    "\0\0\0\x01"
                                                    "c")},
                                      {0}};
    begin(&w, x, MILTER_CHANGE_HEADER | MILTER_CHANGE_BODY, 0);
    client_open(&cl, &w, SMTPD_SUBMISSION);
    CHECK_INT(played.talks, 0);
    talk(&cl, "EHLO me");
    client_starttls(&cl, &w);
    talk(&cl, "EHLO me");
    CHECK(sl_starts(talk_plain(&cl, "alice@home.test", "wonderland"), SL("235")));
    talk(&cl, "MAIL FROM:<alice@home.test>");
    talk(&cl, "RCPT TO:<x@away.example>");
    talk(&cl, "DATA");
    client_send(&cl, SL("From: alice@home.test\r\nSubject: one\r\n\r\nold\r\n.\r\n"));
    CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 ")));
    CHECK(has(handed.bytes, "\r\nSubject: two\r\n"));
    CHECK(has(handed.bytes, "\r\n\r\nnew\r\n"));
    CHECK(has(buf_slice(&played.heard), "Hme|\nM<alice@home.test>|"));
    CHECK(has(handed.bytes, "n10bpI0v1cOqo5utB46akp8dKSUR+P68MI3vN8OECrI=")); /* bh= of the new body */
    client_close(&cl);
    end(&w);
}

TEST(filter_for_strangers_only_hears_of_no_user)
{
    struct world w;
    struct client cl;
    static const struct script x[] = {{'M', P1("r")}, {0}};
    played.set.v[0].letters = FILTER_WORLD;
    begin(&w, x, 0, 0);
    client_open(&cl, &w, SMTPD_SUBMISSION);
    talk(&cl, "EHLO me");
    client_starttls(&cl, &w);
    talk(&cl, "EHLO me");
    CHECK(sl_starts(talk_plain(&cl, "alice@home.test", "wonderland"), SL("235")));
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<alice@home.test>"), SL("250")));
    CHECK_INT(played.talks, 0);
    client_close(&cl);
    end(&w);
}

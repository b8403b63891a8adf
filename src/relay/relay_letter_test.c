/* relay_letter_test.c - what a server hears of a letter, and its bytes: extensions, conversion, large
 * letters. */
#include "base/text.h"
#include "relay_test.h"

#define LINE ".a line that begins with a dot, and is of some length\r\n"

/* RFC 2852 section 4.1.4, RFC 6710 section 4.2. */
TEST(relay_tells_the_time_and_the_priority)
{
    static const struct {
        const char *caps;
        int64_t by;
        char mode;
        unsigned notify;
        enum attempt result;
        const char *enhanced, *said;
    } x[] = {
        {"DELIVERBY\nMT-PRIORITY", 100, 'R', 0, ATTEMPT_DELIVERED, "2.0.0", " MT-PRIORITY=3|"},
        {"DELIVERBY 90", 100, 'R', 0, ATTEMPT_DELIVERED, "2.0.0", ";R|"},
        {"DELIVERBY 200", 100, 'R', 0, ATTEMPT_PERMANENT, "5.4.7", ""},
        {"", 100, 'R', 0, ATTEMPT_PERMANENT, "5.3.3", ""},
        {"DELIVERBY 200\nDSN", -100, 'N', 0, ATTEMPT_DELIVERED, "2.0.0", "RCPT TO:<ok@pair.test>|"},
        {"DSN", 100, 'N', 0, ATTEMPT_DELIVERED, "2.0.0", "RCPT TO:<ok@pair.test> NOTIFY=FAILURE,DELAY|"},
        {"DSN", 100, 'N', NOTIFY_SUCCESS, ATTEMPT_DELIVERED, "2.0.0", " NOTIFY=SUCCESS,DELAY|"},
        {"DSN", 100, 'N', NOTIFY_NEVER, ATTEMPT_DELIVERED, "2.0.0", " NOTIFY=NEVER|"},
    };
    struct tester t;
    REQUIRE(begin(&t));
    t.b.caps = "DELIVERBY"; /* not asked: section 7 */
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        server_forget(&t.a);
        t.a.caps = x[i].caps;
        reopen(&t);
        prepare(&t, "pair.test", "ok@pair.test");
        t.rcpt[0].notify = x[i].notify;
        t.letter.wants = (struct letter_wants){
            .by = rt_wall_seconds() + x[i].by, .by_mode = x[i].mode, .has_priority = true, .priority = 3};
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, x[i].result);
        CHECK_SL(sl_cstr(t.rcpt[0].enhanced), x[i].enhanced);
        CHECK(sl_find(sl_cstr(t.a.log), sl_cstr(x[i].said)) != SL_NONE);
        bool watched = sl_starts(sl_cstr(x[i].caps), SL("DELIVERBY")) && x[i].result == ATTEMPT_DELIVERED;
        CHECK(t.rcpt[0].by_taken == watched);
        const char *form = x[i].by < 0 ? " BY=-10" : " BY="; /* seconds that are left */
        CHECK((sl_find(sl_cstr(t.a.log), sl_cstr(form)) != SL_NONE) == watched);
    }
    CHECK_INT(t.b.sessions, 0);
    end(&t);
}

/* RFC 3030: each byte as it is, in one chunk, behind the answers to RCPT. */
/* Behind a chunk nobody says the word to go on: an answer that came before it is to what nobody asked. */
TEST(relay_an_answer_before_the_chunk_is_nobodys)
{
    static const char *const caps[] = {"CHUNKING\nBINARYMIME\nPIPELINING", "CHUNKING\nBINARYMIME"};
    struct slice bytes = SL("X: y\r\n\r\n\0\n");
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        struct tester t;
        REQUIRE(begin(&t));
        t.a.caps = caps[i];
        t.a.say[RCPT] = "250 2.1.5 fine\r\n550 5.7.1 one too many";
        prepare(&t, "two.test", "ok@two.test");
        t.source = (struct letter_source){
            .size = bytes.n, .head = 8, .binary = true, .eight_bit = true, .read = cut_from, .ctx = &bytes};
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
        HAS(t.rcpt[0].reply, "more than it is asked");
        end(&t);
    }
}

TEST(relay_binary_letters)
{
    static const char *const caps[] = {"CHUNKING\nBINARYMIME\nPIPELINING", "CHUNKING\nBINARYMIME"};
    struct slice bytes = SL("X: y\r\n\r\n\0\n.\r\n\r\xff.");
    struct tester t;
    REQUIRE(begin(&t));
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        server_forget(&t.a);
        t.a.caps = caps[i];
        reopen(&t);
        prepare(&t, "two.test", "no@two.test ok@two.test");
        t.source = (struct letter_source){
            .size = bytes.n, .head = 8, .binary = true, .eight_bit = true, .read = cut_from, .ctx = &bytes};
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].code, 550);
        CHECK_INT(t.rcpt[1].result, ATTEMPT_DELIVERED);
        CHECK(sl_eq(buf_slice(&t.a.letter), bytes));
        HAS(sl_cstr(t.a.log), "MAIL FROM:<alice@one.test> BODY=BINARYMIME|");
        CHECK_INT(t.a.times[DATA], 0);
        t.at.nrcpt = 1; /* nobody is taken: nothing is sent, the session is good for another */
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.a.times[RSET], 1);
    }
    t.a.caps = "CHUNKING\nPIPELINING"; /* it takes lines of ASCII only */
    reopen(&t);
    t.at.nrcpt = 2;
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[1].result, ATTEMPT_DELIVERED);
    HAS(t.rcpt[1].tls, ", converted for it");
    CHECK_SL(buf_slice(&t.a.letter),
             "X: y\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
             "Content-Transfer-Encoding: base64\r\n\r\nAAouDQoN/y4=\r\n");
    end(&t);
}

/* What is refused in the end was not taken, whatever was said too early: no DATA stands between with BDAT. */
TEST(relay_binary_letter_to_a_server_that_is_an_answer_ahead)
{
    static const char *const caps[] = {"CHUNKING\nBINARYMIME\nPIPELINING", "CHUNKING\nBINARYMIME"};
    struct slice bytes = SL("X: y\r\n\r\n\0\n.\r\n\r\xff.");
    struct tester t;
    REQUIRE(begin(&t));
    for (size_t i = 0; i < COUNT_OF(caps); i++) {
        server_forget(&t.a);
        t.a.caps = caps[i];
        t.a.say[RCPT] = "250 ok\r\n250 taken";
        t.a.say[DOT] = "554 5.7.1 no";
        reopen(&t);
        prepare(&t, "two.test", "ok@two.test");
        t.source = (struct letter_source){
            .size = bytes.n, .head = 8, .binary = true, .eight_bit = true, .read = cut_from, .ctx = &bytes};
        relay_deliver(t.relay, &t.at);
        CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY);
        HAS(t.rcpt[0].reply, "more than it is asked");
    }
    end(&t);
}

static int64_t broken_read(void *left, uint64_t at, void *p, size_t n)
{
    (void)at;
    if (--*(int *)left < 0) return err_set(ERR_IO, "the disk fails");
    memset(p, 'x', n);
    memcpy(p, "A: b\r\n\r\n\xe4", n < 9 ? n : 9);
    return (int64_t)n;
}

/* RFC 6152 section 3: converted, and SIZE tells what comes; a large letter as well, to the first server and
 * then to the next. What cannot be read is for the moment. */
TEST(relay_converts_for_servers_that_take_less)
{
    struct tester t;
    struct buf letter = BUF_INIT, decoded = BUF_INIT;
    struct mime_decoder d;
    REQUIRE(begin(&t));
    buf_str(&letter, "Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nMIME-Version: 1.0\r\n"
                     "Content-Transfer-Encoding: 8bit\r\n\r\n");
    size_t head = letter.n;
    for (int i = 0; i < 20000; i++) buf_printf(&letter, ".%d caf\xc3\xa9 and then some more words\r\n", i);
    struct slice bytes = buf_slice(&letter);
    t.a.caps = t.b.caps = "PIPELINING\nSIZE";
    t.a.say[DOT] = EARLY;
    prepare(&t, "pair.test", "ok@pair.test");
    t.source = (struct letter_source){
        .size = bytes.n, .head = (uint32_t)head, .eight_bit = true, .read = cut_from, .ctx = &bytes};
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    struct slice got = buf_slice(&t.b.letter);
    char size[40];
    snprintf(size, sizeof size, " SIZE=%zu|", got.n);
    CHECK(sl_find(sl_cstr(t.b.log), sl_cstr(size)) != SL_NONE && is_ascii(got));
    CHECK(sl_starts(got, SL("Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\nMIME-Version: "
                            "1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n")));
    mime_decode_begin(&d, MIME_QP);
    mime_decode(&d, sl_from(got, sl_find(got, SL("\r\n\r\n")) + 4), &decoded);
    mime_decode_end(&d, &decoded);
    CHECK(sl_eq(buf_slice(&decoded), sl_from(bytes, head)));
    for (int reads = 0; reads < 9; reads++) { /* at each step of it */
        int left = reads;
        prepare(&t, "two.test", "ok@two.test");
        t.source = (struct letter_source){
            .size = 40000, .head = 8, .eight_bit = true, .read = broken_read, .ctx = &left};
        relay_deliver(t.relay, &t.at);
        CHECK(t.rcpt[0].result == ATTEMPT_TEMPORARY || (reads == 8 && t.rcpt[0].result == ATTEMPT_PERMANENT));
    }
    buf_free(&letter);
    buf_free(&decoded);
    end(&t);
}

/* draft-hall-prdr-00: what is said for a recipient behind the letter is its answer, when the last one is
 * good. */
TEST(relay_hears_an_answer_for_each_recipient)
{
    static const struct {
        const char *said;
        enum attempt result[2];
        int code[2];
    } x[] = {
        {"353 they follow\r\n250 2.1.5 a\r\n550 5.7.1 b\r\n250 2.0.0 all",
         {ATTEMPT_DELIVERED, ATTEMPT_PERMANENT},
         {250, 550}},
        {"353 they follow\r\n450 4.2.0 a\r\n250 2.1.5 b\r\n250 2.0.0 all",
         {ATTEMPT_TEMPORARY, ATTEMPT_DELIVERED},
         {450, 250}},
        {"353 they follow\r\n250 2.1.5 a\r\n550 5.7.1 b\r\n451 4.3.0 none",
         {ATTEMPT_TEMPORARY, ATTEMPT_TEMPORARY},
         {451, 451}},
        {"250 2.0.0 all", {ATTEMPT_DELIVERED, ATTEMPT_DELIVERED}, {250, 250}},
    };
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "PRDR\nPIPELINING";
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        t.a.say[DOT] = x[i].said;
        send(&t, "two.test", "one@two.test no@two.test two@two.test");
        HAS(sl_cstr(t.a.log), "MAIL FROM:<alice@one.test> PRDR|");
        CHECK(t.rcpt[0].result == x[i].result[0] && t.rcpt[0].code == x[i].code[0]);
        CHECK_INT(t.rcpt[1].result, ATTEMPT_PERMANENT);
        CHECK(t.rcpt[2].result == x[i].result[1] && t.rcpt[2].code == x[i].code[1]);
    }
    t.a.say[DOT] = "353 they follow\r\n250 2.1.5 a"; /* and no more: nobody knows */
    prepare(&t, "two.test", "one@two.test two@two.test");
    t.at.until = DEADLINE_IN(RT_S);
    relay_deliver(t.relay, &t.at);
    CHECK(t.rcpt[0].result == ATTEMPT_UNCERTAIN && t.rcpt[1].result == ATTEMPT_UNCERTAIN);
    end(&t);
}

/* RFC 6533 section 3: no xtext; plain where the transaction says SMTPUTF8, else in ASCII. */
TEST(relay_tells_an_international_orcpt_in_the_form_for_the_server)
{
    static const struct {
        const char *orcpt, *plain, *ascii;
    } x[] = {
        {"utf-8;b\xC3\xB6z@two.test", "utf-8;b\xC3\xB6z@two.test", "utf-8;b\\x{F6}z@two.test"},
        {"UTF-8;b\\x{F6}z@two.test", "UTF-8;b\xC3\xB6z@two.test", "UTF-8;b\\x{F6}z@two.test"},
        {"utf-8;a\\x{2B}b=c\\@two.test", "utf-8;a\\x{2B}b\\x{3D}c\\x{5C}@two.test",
         "utf-8;a\\x{2B}b\\x{3D}c\\x{5C}@two.test"},
        {"utf-8;\\x{D800}\xFF\\x{", "utf-8;\\x{5C}x{D800}\\x{5C}x{", "utf-8;\\x{5C}x{D800}\\x{5C}x{"},
        {"rfc822;b\\x{F6}z+@two.test", "rfc822;b\\x{F6}z+2B@two.test", "rfc822;b\\x{F6}z+2B@two.test"},
    };
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "DSN\nSMTPUTF8";
    for (size_t i = 0; i < 2 * COUNT_OF(x); i++) {
        prepare(&t, "two.test", "ok@two.test");
        t.source.smtputf8 = i % 2;
        t.rcpt[0].orcpt = sl_cstr(x[i / 2].orcpt);
        relay_deliver(t.relay, &t.at);
        const char *want =
            ar_cstr(&t.arena, ar_printf(&t.arena, " ORCPT=%s|", i % 2 ? x[i / 2].plain : x[i / 2].ascii));
        CHECK(strstr(t.a.log, want));
        CHECK(t.rcpt[0].result == ATTEMPT_DELIVERED);
    }
    end(&t);
}

TEST(relay_passes_dsn_and_8bit_on)
{
    struct tester t;
    REQUIRE(begin(&t));
    t.a.caps = "DSN\n8BITMIME\nSMTPUTF8";
    prepare(&t, "two.test", "ok@two.test never@two.test");
    t.letter.ret = SL("HDRS");
    t.letter.envid = SL("a+b=c");
    t.source.eight_bit = t.source.smtputf8 = true;
    t.rcpt[0].notify = NOTIFY_SUCCESS | NOTIFY_DELAY;
    t.rcpt[0].orcpt = SL("rfc822;Ok+1@two.test");
    t.rcpt[1].notify = NOTIFY_NEVER;
    relay_deliver(t.relay, &t.at);
    CHECK(t.rcpt[0].result == ATTEMPT_DELIVERED && t.rcpt[0].dsn_taken);
    HAS(sl_cstr(t.a.log), "MAIL FROM:<alice@one.test> BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+3Dc|");
    HAS(sl_cstr(t.a.log), "RCPT TO:<ok@two.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ok+2B1@two.test|");
    HAS(sl_cstr(t.a.log), "RCPT TO:<never@two.test> NOTIFY=NEVER|");
    prepare(&t, "two.test", "ok@two.test");
    t.letter.sender = SL("");
    relay_deliver(t.relay, &t.at);
    HAS(sl_cstr(t.a.log), "MAIL FROM:<>|");
    prepare(&t, "two.test",
            "ok@two.test \xC3\xA4@two.test"); /* needed for a recipient alone: of an alias, say */
    relay_deliver(t.relay, &t.at);
    HAS(sl_cstr(t.a.log),
        "MAIL FROM:<alice@one.test> SMTPUTF8|RCPT TO:<ok@two.test>|RCPT TO:<\xC3\xA4@two.test>|");
    end(&t);
}

/* How large it is, the test says, and never has it whole. */
static void prepare_large(struct tester *t, int lines)
{
    prepare(t, "two.test", "ok@two.test");
    t->source.size = (uint64_t)lines * (sizeof LINE - 1);
    t->source.ctx = LINE;
}

static int64_t torn(void *ctx, uint64_t at, void *p, size_t n)
{
    return at ? 0 : again_and_again(ctx, at, p, n);
}

TEST(relay_large_letter_streams)
{
    struct tester t;
    REQUIRE(begin(&t));
    prepare_large(&t, 20000);
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_DELIVERED);
    CHECK_INT(t.a.letter.n, 20000 * 55);
    CHECK(sl_starts(buf_slice(&t.a.letter), SL(".a line")));
    t.a.say[DOT] = RESET;
    prepare_large(&t, 60000);
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_TEMPORARY); /* the final dot was never said */
    t.a.say[DOT] = EARLY;
    prepare_large(&t, 60000);
    relay_deliver(t.relay, &t.at);
    CHECK_INT(t.rcpt[0].result, ATTEMPT_PERMANENT);
    CHECK_SL(t.rcpt[0].reply, "552-5.3.4 this is\n552 5.3.4 too much");
    end(&t);
}

TEST(relay_letter_that_ends_too_early_is_not_handed_over)
{
    struct tester t;
    REQUIRE(begin(&t));
    prepare_large(&t, 20000);
    t.source.read = torn;
    relay_deliver(t.relay, &t.at);
    CHECK(t.rcpt[0].result != ATTEMPT_DELIVERED && t.rcpt[0].result != ATTEMPT_UNCERTAIN);
    CHECK_INT(t.a.times[DOT], 0);
    end(&t);
}

/* reply_test.c - the classes of real replies. */
#include "reply.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/test.h"
#include "base/text.h"

enum { FILE_MAX = 256 * 1024 };

static struct slice read_file(struct arena *a, const char *path)
{
    char *p = ar_alloc(a, FILE_MAX);
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(p, 1, FILE_MAX, f) : 0;
    if (f) fclose(f);
    return sl(p, n);
}

struct score {
    size_t lines, right, wrongly; /* wrongly: addresses that would be suppressed though they live */
};

/* No line but of an invalid or inactive address may be a reason to suppress it. */
static bool suppressed_wrongly(const struct reply_line *l, const struct reply_verdict *v)
{
    return v->suppress != REPLY_KEEP && !reply_line_expects(l, REPLY_INVALID) &&
           !reply_line_expects(l, REPLY_INACTIVE);
}

static struct score judge(const struct replies *r, struct slice corpus, bool say)
{
    struct score s = {0};
    struct slice rest = corpus, line;
    struct arena a = {0};
    while (sl_next(&rest, '\n', &line)) {
        struct reply_line l;
        struct reply_verdict v;
        int bad;
        ar_reset(&a);
        bool is = reply_line_read(&a, line, &l, &bad);
        CHECK_OK(bad);
        if (!is) continue;
        reply_class(r, &a, &l.in, &v);
        bool right = reply_line_expects(&l, v.class);
        s.lines++;
        s.right += right;
        s.wrongly += suppressed_wrongly(&l, &v);
        if (say && (!right || suppressed_wrongly(&l, &v)))
            fprintf(stderr, "  %s (%s%s), not %.*s: %d %.*s\n", reply_class_word(v.class), v.rule,
                    v.suppress == REPLY_KEEP ? "" : ", suppressed", SLF(l.class), l.in.code, SLF(l.in.text));
    }
    ar_free(&a);
    return s;
}

/* percent of the lines at least are right, and no living address is suppressed */
static void at_least(struct slice corpus, size_t lines, unsigned percent)
{
    struct replies *r;
    CHECK_OK(replies_open(&r));
    REQUIRE(r);
    struct score s = judge(r, corpus, false);
    CHECK(s.lines >= lines);
    CHECK_INT(s.wrongly, 0);
    CHECK(s.right * 100 >= s.lines * percent);
    if (s.wrongly || s.right * 100 < s.lines * percent) judge(r, corpus, true);
    printf("replies: %zu of %zu right, %zu suppressed wrongly\n", s.right, s.lines, s.wrongly);
    replies_close(&r);
}

TEST(reply_corpus) { at_least(replies_corpus(), 202 + 150, 95); }

/* Not a blind test: the same author wrote it, before the rules, and one of its misses led to a rule. A
 * fresh set gave 79 of 100 before the hints were widened (docs/delivery.md). */
TEST(reply_holdout)
{
    struct arena a = {0};
    at_least(read_file(&a, "tests/replies/holdout.tsv"), 150, 90);
    ar_free(&a);
}

/* Written by somebody who had not seen the rules: 94 of 100 were right then. */
TEST(reply_fresh)
{
    struct arena a = {0};
    at_least(read_file(&a, "tests/replies/fresh.tsv"), 170, 95);
    ar_free(&a);
}

/* Other providers and languages, written as blind as that: see docs/delivery.md for what was right then. */
TEST(reply_further)
{
    struct arena a = {0};
    at_least(read_file(&a, "tests/replies/further.tsv"), 130, 95);
    ar_free(&a);
}

/* Codes that belie their text, and what stands beside "mailbox unavailable": docs/delivery.md has the first
 * figures. */
TEST(reply_later)
{
    struct arena a = {0};
    at_least(read_file(&a, "tests/replies/later.tsv"), 470, 95);
    ar_free(&a);
}

TEST(reply_rules_are_in_order)
{
    struct buf out = BUF_INIT;
    struct replies *r;
    CHECK_OK(replies_open(&r));
    REQUIRE(r);
    CHECK_INT(replies_check(r, replies_corpus(), &out), 0);
    if (out.n) fprintf(stderr, "%.*s", SLF(buf_slice(&out)));
    buf_free(&out);
    replies_close(&r);
}

/* ---- what must not decide ---- */

static struct reply_verdict judge_one(int code, const char *enhanced, const char *text, const char *host)
{
    struct arena a = {0};
    struct replies *r;
    struct reply_verdict v = {0};
    CHECK_OK(replies_open(&r));
    if (!r) return v;
    struct reply_in in = {
        .code = code, .enhanced = sl_cstr(enhanced), .text = sl_cstr(text), .host = sl_cstr(host)};
    reply_class(r, &a, &in, &v);
    v.rule = NULL; /* lives with the rules */
    replies_close(&r);
    ar_free(&a);
    return v;
}

static enum reply_class class_of(int code, const char *text) { return judge_one(code, "", text, "").class; }

TEST(reply_names_and_numbers_do_not_decide)
{
    CHECK_INT(class_of(550, "<spam.blocked@spf-dkim.test>: User unknown in table"), REPLY_INVALID);
    CHECK_INT(class_of(550, "User \"spam\" unknown"), REPLY_INVALID);
    CHECK_INT(class_of(550, "user-unknown.example.test says: mailbox full"), REPLY_FULL);
    CHECK_INT(class_of(550, "Rejected, see https://example.test/?p=NoSuchUser&mailbox=full"), REPLY_POLICY);
    CHECK_INT(class_of(450, "552 5.2.2 550"), REPLY_FULL); /* the enhanced code is read, the rest is number */
    CHECK_INT(class_of(550, "2001:db8:dead:beef::1 mailbox full"), REPLY_FULL);
}

TEST(reply_is_read_whole)
{
    CHECK_INT(
        class_of(
            550,
            "550-Verification failed for <a@sender.test>\n550-No such user here\n550 Sender verify failed"),
        REPLY_POLICY);
    CHECK_INT(class_of(550, "550-5.1.1 The email account that you tried to\n550-5.1.1 reach does not\n550 "
                            "5.1.1 exist. gsmtp"),
              REPLY_INVALID);
}

/* The words that no rule knows may speak of us. */
TEST(reply_code_alone_suppresses_when_repeated)
{
    CHECK_INT(judge_one(550, "5.1.1", "Votre message est de trop", "").suppress, REPLY_SUPPRESS_REPEATED);
    CHECK_INT(judge_one(550, "5.2.1", "Set to receive from partners", "").suppress, REPLY_SUPPRESS_REPEATED);
}

TEST(reply_refused_sender_is_no_reason_to_suppress)
{
    struct reply_verdict v =
        judge_one(550, "5.1.0", "<a@sender.test>: Sender address rejected: User unknown", "");
    CHECK_INT(v.about, REPLY_OF_SENDER);
    CHECK_INT(v.suppress, REPLY_KEEP);
    v = judge_one(550, "5.1.1", "No such user", "");
    CHECK_INT(v.about, REPLY_OF_RECIPIENT);
    CHECK_INT(v.suppress, REPLY_SUPPRESS);
    v = judge_one(550, "5.1.1", "No such user here, says our policy", "");
    CHECK_INT(v.suppress, REPLY_SUPPRESS_REPEATED);
    v = judge_one(450, "4.1.1", "No such user", "");
    CHECK_INT(v.suppress, REPLY_KEEP);
    CHECK(v.again);
}

TEST(reply_provider_is_known_by_its_host)
{
    CHECK_INT(judge_one(550, "5.1.0", "Address rejected.", "mx1.hc123.iphmx.com [192.0.2.1]:25").class,
              REPLY_INVALID);
    CHECK_INT(judge_one(554, "", "Blocked - see", "mx0a-1.pphosted.com").class, REPLY_REPUTATION);
    CHECK_INT(judge_one(554, "", "sender rejected", "cxr.mx.a.cloudfilter.net").class, REPLY_POLICY);
    CHECK_INT(judge_one(554, "", "sender rejected", "mx.cox.net").class, REPLY_REPUTATION);
    CHECK_INT(judge_one(554, "", "sender rejected", "mx.notcox.net").class, REPLY_POLICY);
}

TEST(reply_that_speaks_of_us_pauses_the_path)
{
    struct reply_verdict v = judge_one(550, "5.7.1", "Your IP is on our blacklist", "");
    CHECK(v.pause);
    CHECK(!v.again);
    v = judge_one(550, "", "Connection frequency limited", "");
    CHECK(v.pause);
    CHECK(v.again); /* a 5yz that speaks of a moment */
    CHECK(v.first > 0 && v.most >= v.first);
    v = judge_one(552, "5.2.2", "Mailbox full", "");
    CHECK(!v.pause);
}

/* ---- rules that are wrong ---- */

static void wrong(const char *rules, const char *sentence)
{
    struct replies *r;
    CHECK_ERR(replies_read(&r, sl_cstr(rules)), ERR_SYNTAX);
    CHECK(r == NULL);
    if (sl_find(sl_cstr(err_text(ERR_SYNTAX)), sl_cstr(sentence)) == SL_NONE)
        test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", err_text(ERR_SYNTAX), sentence);
}

TEST(reply_rules_are_refused_with_their_line)
{
    wrong("words\nfull x: (a|b", "line 2 of the rules: a bracket is not closed");
    wrong("words\n\nfull x: a (b]", "line 3");
    wrong("words\nfulll x: a", "no class \"fulll\"");
    wrong("words\nfull x sometimes: a", "no condition \"sometimes\"");
    wrong("words\nfull x: $unheard", "nothing is named $unheard");
    wrong("words\nfull x: a + + b", "there is no word");
    wrong("codes\nfull x: 5.2.2", "these are no codes");
    wrong("full x: a", "no section");
    wrong("words\nfull x", "this is no rule");
    wrong("let a = b\nlet a = c", "defined twice");
}

static size_t faults(const char *rules, const char *corpus, const char *sentence)
{
    struct replies *r;
    struct buf out = BUF_INIT;
    CHECK_OK(replies_read(&r, sl_cstr(rules)));
    if (!r) return 0;
    size_t n = replies_check(r, sl_cstr(corpus), &out);
    if (sl_find(buf_slice(&out), sl_cstr(sentence)) == SL_NONE)
        test_fail(__FILE__, __LINE__, "\"%.*s\" does not say \"%s\"", SLF(buf_slice(&out)), sentence);
    buf_free(&out);
    replies_close(&r);
    return n;
}

#define LINE(text) "full\tx\t550\t-\t" text "\n"

TEST(reply_lint_names_what_is_wrong)
{
    CHECK_INT(faults("words\nfull a: box full", LINE("box full"), ""), 0);
    faults("words\nfull a: box full\nfull b: other", LINE("box full"),
           "words/b: no line of the corpus proves it");
    faults("words\nfull a: box\nfull b: box full", LINE("box full"),
           "words/b: cannot fire: words/a comes before it");
    faults("words\nfull a: box full\npolicy b: box full", LINE("box full"), "contradicts words/a");
    faults("words\nfull a: box full - box", LINE("box full"), "excludes what it asks for");
    faults("codes\nfull a: 2.2\npolicy b: 2.2", LINE("box"), "the code 2.2 decides in a rule before it");
    faults("provider p\nfull a: box", LINE("box"), "has no source");
    faults("words\nfull a: box", "full\tx\t55O\t-\tbox", "line 1 of the corpus");
}

TEST(reply_pattern_has_gaps_and_sentences)
{
#define RULES "words\nfull a: user .. gone\ninactive b: ^ shut [the] door $\npolicy c: stop* + here - there"
    static const struct {
        const char *text;
        enum reply_class class;
    } cases[] = {{"the user is long gone", REPLY_FULL},        {"the user. is gone", REPLY_UNKNOWN},
                 {"user a b c d e f gone", REPLY_FULL},        {"user a b c d e f g gone", REPLY_UNKNOWN},
                 {"Shut the door!", REPLY_INACTIVE},           {"Shut door", REPLY_INACTIVE},
                 {"Shut the door now", REPLY_UNKNOWN},         {"here it stopped", REPLY_POLICY},
                 {"here it stopped, not there", REPLY_UNKNOWN}};
    struct arena a = {0};
    struct replies *r;
    CHECK_OK(replies_read(&r, SL(RULES)));
    REQUIRE(r);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reply_verdict v;
        struct reply_in in = {.code = 550, .text = sl_cstr(cases[i].text)};
        reply_class(r, &a, &in, &v);
        if (v.class != cases[i].class)
            test_fail(__FILE__, __LINE__, "%s: %s", cases[i].text, reply_class_word(v.class));
    }
    ar_free(&a);
    replies_close(&r);
}

/* dsn_test.c - delivery status notifications, taken apart again. */
#include "dsn.h"

#include "base/test.h"
#include "base/text.h"
#include "dsn_i.h"
#include "encoded.h"
#include "mime.h"

static struct arena ar;

static const char original[] =
    "From: a@one.test\r\nTo: b@two.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
    "Message-ID: <1@one.test>\r\nReferences: <0@one.test>\r\n\r\nsecret body\r\n";

static struct dsn_recipient failed = {.address = SL_INIT("b@two.test"),
                                      .original = SL_INIT("rfc822;B@two.test"),
                                      .action = DSN_FAILED,
                                      .status = SL_INIT("5.1.1"),
                                      .remote_mta = SL_INIT("mx.two.test"),
                                      .diagnostic = SL_INIT("550-5.1.1 No such user\n550 5.1.1 here"),
                                      .last_attempt = 1795383266};

static struct dsn base(const struct dsn_recipient *r, size_t n)
{
    return (struct dsn){.hostname = SL("mx.one.test"),
                        .from = SL("mailer-daemon@mx.one.test"),
                        .to = SL("a@one.test"),
                        .queue_id = SL("0123456789abcdef"),
                        .arrival = 1795383200,
                        .now = 1795383266,
                        .random = 5,
                        .recipient = r,
                        .n = n,
                        .original = sl_cstr(original)};
}

static struct slice build(struct buf *b, const struct dsn *d)
{
    buf_clear(b);
    CHECK_OK(mail_dsn_build(&ar, b, d));
    return buf_slice(b);
}

static bool has(struct slice s, const char *what) { return sl_find(s, sl_cstr(what)) != SL_NONE; }

/* What lies between the n-th and the next boundary line. */
static struct slice part(struct slice s, int n)
{
    struct slice mark = SL("\r\n--=_tram_");
    for (int i = 0; i <= n; i++) {
        size_t at = sl_find(s, mark);
        if (at == SL_NONE) return SL("");
        s = sl_from(s, at + mark.n);
    }
    size_t line = sl_find(s, SL("\r\n")), end = sl_find(s, mark);
    return end == SL_NONE ? SL("") : sl_sub(s, line + 2, end);
}

/* What a mail program shows of the first part, its lines joined by blanks. */
static struct slice shown(struct slice message, const struct mime_part **out)
{
    const struct mime_part *root = mime_parse(&ar, message)->root;
    struct buf b = BUF_INIT;
    *out = root->child;
    CHECK(sl_eqi(root->subtype, SL("report")) && root->nchild == 3 && root->child);
    if (!root->child) return SL("");
    struct mime_decoder d;
    mime_decode_begin(&d, root->child->encoding);
    mime_decode(&d, sl_sub(message, root->child->body_at, root->child->body_at + root->child->body_size), &b);
    mime_decode_end(&d, &b);
    struct slice text = ar_dup(&ar, buf_slice(&b)), joined = SL(""), line;
    buf_free(&b);
    CHECK(utf8_valid(text));
    while (sl_next(&text, '\n', &line))
        joined = ar_printf(&ar, "%.*s%.*s ", SLF(joined), SLF(sl_rtrim(line)));
    return joined;
}

TEST(dsn_of_a_failure)
{
    struct buf b = BUF_INIT;
    struct dsn d = base(&failed, 1);
    struct slice s = build(&b, &d);
    struct mail_head h;
    REQUIRE(mail_head_parse(&ar, s, &h) == 0 && h.complete && !h.bad_fields);
    CHECK_SL(mail_head_get(&ar, &h, SL("To"), NULL), "<a@one.test>");
    CHECK_SL(mail_head_get(&ar, &h, SL("Subject"), NULL),
             "=?utf-8?q?Not_delivered_to_b=40two=2Etest=3A_Gr=C3=BC=C3=9Fe?=");
    CHECK_SL(mail_head_get(&ar, &h, SL("Auto-Submitted"), NULL), "auto-replied");
    CHECK_SL(mail_head_get(&ar, &h, SL("In-Reply-To"), NULL), "<1@one.test>");
    CHECK_SL(mail_head_get(&ar, &h, SL("References"), NULL), "<0@one.test> <1@one.test>");
    CHECK(sl_starts(mail_head_get(&ar, &h, SL("Content-Type"), NULL),
                    SL("multipart/report; report-type=delivery-status;")));

    struct slice words = part(s, 0);
    CHECK(has(words, "To b@two.test: the letter could not be delivered."));
    CHECK(has(words, "The server mx.two.test said:\r\n    550-5.1.1 No such user\r\n    550 5.1.1 here\r\n"));
    CHECK(sl_starts(words, SL("Content-Type: text/plain; charset=utf-8\r\nContent-Language: en\r\n\r\n")));
    const struct mime_part *text;
    CHECK(has(shown(s, &text), "What you can do: Look for a typing error in the part before the @."));

    CHECK_SL(part(s, 1), "Content-Type: message/delivery-status\r\n\r\n"
                         "Reporting-MTA: dns; mx.one.test\r\n"
                         "Arrival-Date: Sun, 22 Nov 2026 21:33:20 +0000\r\n"
                         "X-Tram-Letter-ID: 0123456789abcdef\r\n"
                         "\r\n"
                         "Original-Recipient: rfc822; B@two.test\r\n"
                         "Final-Recipient: rfc822; b@two.test\r\n"
                         "Action: failed\r\n"
                         "Status: 5.1.1\r\n"
                         "Remote-MTA: dns; mx.two.test\r\n"
                         "Diagnostic-Code: smtp; 550-5.1.1 No such user 550 5.1.1 here\r\n"
                         "Last-Attempt-Date: Sun, 22 Nov 2026 21:34:26 +0000\r\n");
    struct slice back = part(s, 2);
    CHECK(sl_starts(back, SL("Content-Type: text/rfc822-headers\r\n\r\nFrom: a@one.test\r\n")));
    CHECK(!has(s, "secret body"));
    CHECK(is_ascii(s));
    CHECK(sl_ends(s, SL("--\r\n")));
    buf_free(&b);
    ar_free(&ar);
}

TEST(dsn_of_a_delay)
{
    struct buf b = BUF_INIT;
    struct dsn_recipient r[2] = {{.address = SL_INIT("b@two.test"),
                                  .action = DSN_DELAYED,
                                  .status = SL_INIT("bad"),
                                  .reason = SL_INIT("mx.two.test cannot be reached"),
                                  .retry_until = 1795400000},
                                 {.address = SL_INIT("c@two.test"), .action = DSN_DELAYED}};
    struct dsn d = base(r, 2);
    struct slice s = build(&b, &d), status = part(s, 1);
    CHECK(has(s, "Subject: =?utf-8?q?Not_yet_delivered_to_2_recipients"));
    CHECK(has(
        status,
        "Action: delayed\r\nStatus: 4.0.0\r\nDiagnostic-Code: x-tram; mx.two.test cannot be reached\r\n"
        "Will-Retry-Until: Mon, 23 Nov 2026 02:13:20 +0000\r\n\r\nFinal-Recipient: rfc822; c@two.test\r\n"));
    const struct mime_part *text;
    CHECK(
        has(shown(s, &text), "You need not do anything: this server tries until Mon, 23 Nov 2026 02:13:20"));
    buf_free(&b);
    ar_free(&ar);
}

TEST(dsn_takes_hostile_words)
{
    struct buf b = BUF_INIT;
    struct dsn_recipient r = failed;
    r.diagnostic = SL("550 \x1b[31mred\xff\r\n--=_tram_0\r\nX: y\x01");
    r.remote_mta = SL("mx\r\nEvil: 1");
    r.address = SL("j\xc3\xb6rg@two.test");
    struct dsn d = base(&r, 1);
    d.original = SL("Subject: \xff\xfe\r\nbroken line\r\nMessage-ID: <not an id>\r\nReferences: x\r\n");
    struct slice s = build(&b, &d);
    CHECK(!has(s, "\nEvil: 1") && !has(s, "\nX: y") && !has(s, "\x1b"));
    CHECK(has(part(s, 1), "Final-Recipient: utf-8; j\\x{F6}rg@two.test\r\n"));
    CHECK(!has(s, "In-Reply-To"));
    CHECK(is_ascii(s));
    struct slice rest = s, line;
    while (sl_next(&rest, '\n', &line)) CHECK(line.n <= 999 && (!line.n || line.p[line.n - 1] == '\r'));
    buf_free(&b);
    ar_free(&ar);
}

/* RFC 6533 sections 3, 4: UTF-8 as it is, in the types for it; in the old form it is written in ASCII. */
TEST(dsn_in_the_forms_for_utf8)
{
    struct buf b = BUF_INIT;
    struct dsn_recipient r = failed;
    r.address = SL("j\xc3\xb6rg@two.test");
    r.original = SL("utf-8;j\\x{F6}rg@two.test");
    r.diagnostic = SL("550 5.1.1 j\xc3\xb6rg is not here");
    struct dsn d = base(&r, 1);
    d.to = SL("\xc3\xa4@one.test");
    d.original = SL("Subject: Gr\xc3\xbc\xc3\x9f"
                    "e\r\nMessage-ID: <1@one.test>\r\n\r\n\xc3\xa4\r\n");
    for (int full = 0; full < 2; full++) {
        buf_clear(&b);
        d.global = true, d.full = full;
        struct slice s = build(&b, &d), status = part(s, 1);
        CHECK(has(s, "report-type=global-delivery-status") &&
              has(s, "\r\nContent-Transfer-Encoding: 8bit\r\n"));
        CHECK(has(status, "Content-Type: message/global-delivery-status\r\n"));
        CHECK(has(status, "Original-Recipient: utf-8; j\xc3\xb6rg@two.test\r\n"));
        CHECK(has(status, "Final-Recipient: utf-8; j\xc3\xb6rg@two.test\r\n"));
        CHECK(has(status, "Diagnostic-Code: smtp; 550 5.1.1 j\xc3\xb6rg is not here\r\n"));
        CHECK(has(part(s, 2),
                  full ? "Content-Type: message/global\r\n" : "Content-Type: message/global-headers\r\n"));
        CHECK(has(part(s, 2), "\r\n\r\nSubject: Gr\xc3\xbc\xc3\x9f"
                              "e\r\n"));
    }
    r.diagnostic = SL("550 \xff"); /* no UTF-8 */
    r.original = SL("utf-8;\\x{D800}\\x{41}\\x{110000}\\x{");
    buf_clear(&b);
    struct slice s = build(&b, &d);
    CHECK(has(s, "Diagnostic-Code: smtp; 550 ?\r\n") && has(s, "utf-8; \\x{D800}\\x{41}\\x{110000}\\x{\r\n"));
    d.global = d.full = false;
    d.to = SL("a@one.test");
    buf_clear(&b);
    s = build(&b, &d);
    CHECK(is_ascii(s) && has(s, "Final-Recipient: utf-8; j\\x{F6}rg@two.test\r\n"));
    buf_free(&b);
    ar_free(&ar);
}

TEST(dsn_returns_the_whole_when_asked)
{
    struct buf b = BUF_INIT;
    struct dsn d = base(&failed, 1);
    d.full = true;
    d.envelope_id = SL("env-1");
    struct slice s = build(&b, &d);
    CHECK(has(part(s, 2), "Content-Type: message/rfc822\r\n\r\nFrom: a@one.test\r\n"));
    CHECK(has(part(s, 2), "\r\n\r\nsecret body\r\n"));
    CHECK(has(part(s, 1), "Original-Envelope-Id: env-1\r\nReporting-MTA"));
    buf_free(&b);
    ar_free(&ar);
}

/* ---- languages ---- */

static const struct dsn_language *language_of(const char *fields)
{
    struct mail_head h;
    CHECK_OK(mail_head_parse(&ar, ar_printf(&ar, "%s\r\n", fields), &h));
    return dsn_language(&ar, &h, SL(""));
}

static const struct dsn_language *const all_languages[] = {&dsn_en, &dsn_vi, &dsn_de, &dsn_fr, &dsn_es};

TEST(dsn_language_that_is_known_counts_before_what_the_letter_says)
{
    struct mail_head h;
    CHECK_OK(mail_head_parse(&ar, SL("Accept-Language: en\r\n\r\n"), &h));
    CHECK(dsn_language(&ar, &h, SL("vi")) == &dsn_vi);
    CHECK(dsn_language(&ar, &h, SL("vi-Latn-VN")) == &dsn_vi);
    CHECK(dsn_language(&ar, &h, SL("ja")) == &dsn_en); /* none of ours: as if nothing was known */
    for (size_t i = 0; i < COUNT_OF(all_languages); i++) {
        const char *tag = all_languages[i]->tag;
        CHECK(mail_dsn_language(sl_cstr(tag)) == tag);
        CHECK(sl_find(SL(DSN_LANGUAGES), ar_printf(&ar, "%s (", tag)) != SL_NONE);
    }
    CHECK(!mail_dsn_language(SL("")) && !mail_dsn_language(SL("vie")) && !mail_dsn_language(SL("v")));
    CHECK(!mail_dsn_language(SL("vi\r\nX")) && !mail_dsn_language(SL("vi,en")) &&
          mail_dsn_language(SL("VI_vn")));
    ar_free(&ar);
}

TEST(dsn_speaks_the_language_of_the_sender)
{
    static const struct {
        const char *fields, *tag;
    } t[] = {
        {"", "en"},
        {"Content-Language: vi\r\n", "vi"},
        {"Content-Language: VI-vn\r\n", "vi"},
        {"content-language: ja,\r\n vi, en\r\n", "vi"},
        {"Content-Language: vie\r\n", "en"},
        {"Content-Language: v\r\n", "en"},
        {"Content-Language: ja\r\n", "en"},
        {"Content-Language: fr-CA\r\n", "fr"},
        {"Content-Language: de-AT, en\r\n", "de"},
        {"Accept-Language: es-419, en-US\r\nContent-Language: en-US\r\n", "es"},
        {"Content-Language:\r\n", "en"},
        {"Content-Language: ,;=,\xff,;q=\r\n", "en"},
        {"Accept-Language: vi\r\nContent-Language: en\r\n", "vi"},
        {"Content-Language: vi\r\nAccept-Language: en\r\n", "en"},
        {"Content-Language: vi\r\nAccept-Language: ja\r\n", "vi"},
        {"Accept-Language: en;q=0.5, vi ; q=0.75\r\n", "vi"},
        {"Accept-Language: vi;q=0.129, en;q=0.13\r\n", "en"},
        {"Accept-Language: vi;q=0, ja\r\n", "en"},
        {"Accept-Language: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,vi\r\n", "vi"},
        {"Accept-Language: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,vi\r\n", "en"}, /* 20 are looked at */
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        const char *tag = language_of(t[i].fields)->tag;
        if (strcmp(tag, t[i].tag) != 0)
            test_fail(__FILE__, __LINE__, "%s is answered in %s", t[i].fields, tag);
    }
    ar_free(&ar);
}

/* Letters and their marks as one character each (NFC): no mark of its own. */
static bool is_composed(struct slice s)
{
    uint32_t cp;
    while (s.n) {
        if (!utf8_next(&s, &cp)) return false;
        if (cp >= 0x300 && cp <= 0x36f) return false;
    }
    return true;
}

/* "{}" once, as one sentence or the start of one. */
static bool is_filled_once(const char *s)
{
    size_t at = sl_find(sl_cstr(s), SL("{}"));
    return at != SL_NONE && sl_find(sl_cstr(s + at + 2), SL("{}")) == SL_NONE && is_composed(sl_cstr(s));
}

static void has_all_words(const struct dsn_language *l)
{
    const char *const filled[] = {l->recipients,  l->intro, l->arrived, l->gave_up,
                                  l->tries_until, l->can,   l->said,    l->number};
    for (size_t i = 0; i < COUNT_OF(filled); i++) CHECK(filled[i] && is_filled_once(filled[i]));
    CHECK(l->tries && l->reason && l->whole && l->head);
    for (int i = 0; i <= DSN_EXPANDED; i++) {
        CHECK(l->subject[i] && is_filled_once(l->subject[i]));
        CHECK(l->opening[i] && is_filled_once(l->opening[i]));
    }
    for (int c = 0; c < DSN_NCAUSES; c++) {
        struct slice what = sl_cstr(l->cause[c].what), can = sl_cstr(l->cause[c].can);
        if (what.n < 20 || can.n < 20)
            test_fail(__FILE__, __LINE__, "cause %d has no words in %s", c, l->tag);
        CHECK(is_composed(what) && is_composed(can));
        CHECK(sl_ends(what, SL(".")) && sl_ends(can, SL(".")));
        if (l == &dsn_en) CHECK(is_ascii(what) && is_ascii(can));
        if (l == &dsn_vi) CHECK(!is_ascii(what) && !is_ascii(can));
        if (l != &dsn_en) CHECK(!sl_eq(what, sl_cstr(dsn_en.cause[c].what)));
        for (int other = 0; other < c; other++) CHECK(!sl_eq(what, sl_cstr(l->cause[other].what)));
    }
}

TEST(dsn_has_words_for_each_cause_in_each_language)
{
    for (size_t i = 0; i < COUNT_OF(all_languages); i++) has_all_words(all_languages[i]);
}

TEST(dsn_in_vietnamese)
{
    struct buf b = BUF_INIT;
    struct dsn_recipient r = failed;
    const struct mime_part *part;
    struct mail_head h;
    r.cause = DSN_CAUSE_FULL;
    r.expired = 1795383266;
    struct dsn d = base(&r, 1);
    d.original = ar_printf(&ar, "Content-Language: vi\r\n%s", original);
    struct slice s = build(&b, &d), text = shown(s, &part);
    REQUIRE(part && mail_head_parse(&ar, s, &h) == 0);
    CHECK(is_ascii(s));
    CHECK_SL(mail_words_decode(&ar, mail_head_get(&ar, &h, SL("Subject"), NULL)),
             "Không gửi được thư tới b@two.test: Grüße");
    CHECK_SL(mime_param_get(&ar, part->param, part->nparam, SL("charset")), "utf-8");
    REQUIRE(part->encoding == MIME_QP && part->nlanguage == 2);
    CHECK_SL(part->language[0], "vi");
    CHECK_SL(part->language[1], "en");
    CHECK(has(text, "Thư đến máy chủ này lúc 21:33 ngày 22/11/2026 (giờ UTC)."));
    CHECK(has(text,
              "Tới b@two.test: không gửi được thư. Hộp thư của người nhận đã đầy. Chỉ người nhận mới "
              "thay đổi được điều đó. Máy chủ này đã thử cho đến 21:34 ngày 22/11/2026 (giờ UTC) rồi dừng "
              "lại. Việc bạn có thể làm: Hãy báo người nhận"));
    CHECK(has(text, "Máy chủ mx.two.test trả lời:     550-5.1.1 No such user     550 5.1.1 here "));
    buf_free(&b);
    ar_free(&ar);
}

/* Every kind of report: the language first, English whole below it, and what programs read is the same in
 * each. */
TEST(dsn_says_it_in_english_below)
{
    struct buf b = BUF_INIT;
    const struct mime_part *first;
    for (int action = DSN_FAILED; action <= DSN_EXPANDED; action++) {
        struct dsn_recipient r = failed;
        r.action = (enum dsn_action)action;
        r.address = SL("nguyễn@two.test");
        r.status = SL("");
        r.retry_until = action == DSN_DELAYED ? 1795400000 : 0;
        struct dsn d = base(&r, 1);
        struct slice english = ar_dup(&ar, build(&b, &d)), in_english = shown(english, &first);
        struct slice programs = ar_dup(&ar, part(english, 1));
        CHECK(first && first->nlanguage == 1);
        for (size_t i = 1; i < COUNT_OF(all_languages); i++) {
            const struct dsn_language *l = all_languages[i];
            struct mail_head h;
            d.language = sl_cstr(l->tag);
            struct slice s = build(&b, &d), text = shown(s, &first);
            REQUIRE(first && mail_head_parse(&ar, s, &h) == 0);
            size_t below = sl_find(text, SL("-- English --  "));
            CHECK(below != SL_NONE && sl_eq(sl_from(text, below + strlen("-- English --  ")), in_english));
            CHECK(sl_starts(text, sl_sub(dsn_fill(&ar, l->intro, d.hostname), 0, 30)));
            CHECK(sl_eq(part(s, 1), programs));
            struct slice subject = mail_words_decode(&ar, mail_head_get(&ar, &h, SL("Subject"), NULL));
            CHECK(sl_starts(subject, dsn_fill(&ar, l->subject[action], r.address)));
            CHECK(is_ascii(s));
            struct slice rest = s, line;
            while (sl_next(&rest, '\n', &line)) CHECK(line.n <= 79);
        }
    }
    buf_free(&b);
    ar_free(&ar);
}

/* The class of the reply says more than its code: 5.7.1 may be anything. */
TEST(dsn_words_go_by_the_cause_then_by_the_status)
{
    struct buf b = BUF_INIT;
    struct dsn_recipient r = failed;
    const struct mime_part *part;
    struct dsn d = base(&r, 1);
    r.status = SL("5.7.1");
    CHECK(has(shown(build(&b, &d), &part), "A rule of the recipient's server refuses the letter"));
    r.cause = DSN_CAUSE_REPUTATION;
    CHECK(has(shown(build(&b, &d), &part), "a matter of our side, not of the recipient's address. What you"));
    r.action = DSN_DELAYED;
    struct slice text = shown(build(&b, &d), &part);
    CHECK(has(text, "a matter of our side, not of the recipient's address. You need not do anything"));
    CHECK(!has(text, "What you can do"));
    r = (struct dsn_recipient){.address = SL("b@two.test"), .status = SL("5.1.10"), .reason = SL("null MX")};
    CHECK(has(shown(build(&b, &d), &part), "The domain of the address says that it receives no mail."));
    r.status = SL("");
    CHECK(has(shown(build(&b, &d), &part), "The letter was not taken"));
    buf_free(&b);
    ar_free(&ar);
}

TEST(dsn_needs_somebody)
{
    struct buf b = BUF_INIT;
    struct dsn d = base(&failed, 0);
    CHECK_ERR(mail_dsn_build(&ar, &b, &d), ERR_USAGE);
    d = base(&failed, 1);
    d.to = SL("");
    CHECK_ERR(mail_dsn_build(&ar, &b, &d), ERR_USAGE);
    buf_free(&b);
    ar_free(&ar);
}

TEST(dsn_returned_head_is_limited)
{
    struct buf b = BUF_INIT, o = BUF_INIT;
    for (int i = 0; i < 1900; i++) buf_printf(&o, "X-%d: %0100d\r\n", i, i);
    struct dsn d = base(&failed, 1);
    d.original = buf_slice(&o);
    CHECK(build(&b, &d).n < DSN_RETURN_HEAD_MAX + 4096);
    buf_free(&b);
    buf_free(&o);
    ar_free(&ar);
}

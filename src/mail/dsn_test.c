/* dsn_test.c - delivery status notifications, taken apart again. */
#include "dsn.h"

#include "base/test.h"
#include "base/text.h"
#include "head.h"

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
    CHECK(has(words, "typing error in the part before the @"));

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
    CHECK(has(part(s, 0), "You need not do anything."));
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

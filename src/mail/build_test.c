/* build_test.c - trace fields, ids, folding, and repairs of a header section. */
#include "build.h"

#include "base/test.h"
#include "base/text.h"
#include "submit.h"

static struct arena ar;

static struct ip ip(const char *s)
{
    struct ip i = {0};
    CHECK(ip_parse(sl_cstr(s), &i));
    return i;
}

TEST(build_received)
{
    struct buf b = BUF_INIT;
    struct mail_received r = {.helo = SL("mail.one.test"),
                              .peer = ip("192.0.2.1"),
                              .name = SL("mail.one.test"),
                              .by = SL("mx.two.test"),
                              .with = mail_with(true, true, false, false),
                              .tls_version = SL("TLSv1.3"),
                              .tls_cipher = SL("TLS_AES_256_GCM_SHA384"),
                              .id = SL("0abc"),
                              .for_one = SL("bob@two.test"),
                              .when = 1795383266};
    mail_received(&b, &r);
    CHECK_SL(buf_slice(&b), "Received: from mail.one.test (mail.one.test [192.0.2.1]) by mx.two.test with\r\n"
                            " ESMTPS (TLSv1.3 TLS_AES_256_GCM_SHA384) id 0abc for <bob@two.test>; Sun, 22\r\n"
                            " Nov 2026 21:34:26 +0000\r\n");
    buf_clear(&b);
    r = (struct mail_received){.helo = SL("x\r\nEvil: yes)"),
                               .peer = ip("2001:db8::1"),
                               .by = SL("mx.two.test"),
                               .with = mail_with(false, false, false, false)};
    mail_received(&b, &r);
    CHECK_SL(buf_slice(&b),
             "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1]) (HELO x??Evil: yes?) by\r\n"
             " mx.two.test with SMTP; Thu, 1 Jan 1970 00:00:00 +0000\r\n");
    buf_clear(&b);
    r = (struct mail_received){.by = SL("mx.two.test"), .id = SL("7")};
    mail_received(&b, &r);
    CHECK_SL(buf_slice(&b), "Received: by mx.two.test id 7; Thu, 1 Jan 1970 00:00:00 +0000\r\n");
    buf_free(&b);
}

TEST(build_with_words)
{
    CHECK_SL(mail_with(true, true, true, false), "ESMTPSA");
    CHECK_SL(mail_with(true, false, true, false), "ESMTPA");
    CHECK_SL(mail_with(true, true, true, true), "UTF8SMTPSA");
    CHECK_SL(mail_with(true, false, false, false), "ESMTP");
}

TEST(build_folding)
{
    struct buf b = BUF_INIT;
    mail_field(&b, SL("Subject"), SL("short"));
    CHECK_SL(buf_slice(&b), "Subject: short\r\n");
    buf_clear(&b);
    struct buf body = BUF_INIT;
    for (int i = 0; i < 60; i++) buf_printf(&body, "word%d%s", i, i % 5 ? " " : "   ");
    mail_field(&b, SL("X-Long"), buf_slice(&body));
    struct slice rest = buf_slice(&b), line;
    size_t n = 0;
    while (sl_next(&rest, '\n', &line)) {
        CHECK(line.n <= 79);
        n++;
    }
    CHECK(n > 5);
    struct slice value = sl_from(buf_slice(&b), strlen("X-Long: "));
    CHECK(sl_eq(mail_unfold(&ar, value), sl_trim(buf_slice(&body))));
    buf_clear(&b);
    buf_clear(&body);
    for (int i = 0; i < 3000; i++) buf_str(&body, "\xc3\xb6");
    mail_field(&b, SL("X"), buf_slice(&body));
    rest = buf_slice(&b);
    while (sl_next(&rest, '\n', &line)) CHECK(line.n <= 999);
    CHECK(utf8_valid(buf_slice(&b)));
    buf_clear(&b);
    mail_field(&b, SL("X"), SL("a\r\nEvil: 1\x01"));
    CHECK_SL(buf_slice(&b), "X: a  Evil: 1?\r\n");
    buf_free(&b);
    buf_free(&body);
    ar_free(&ar);
}

TEST(build_ids_and_paths)
{
    struct buf b = BUF_INIT;
    CHECK_SL(mail_message_id(&ar, 1795383266, 0xabc, SL("one.test")),
             "<20261122213426.0000000000000abc@one.test>");
    mail_return_path(&b, SL("a@b.test"));
    mail_return_path(&b, SL(""));
    mail_return_path(&b, SL("a>\r\nX: y@b.test"));
    CHECK_SL(buf_slice(&b), "Return-Path: <a@b.test>\r\nReturn-Path: <>\r\nReturn-Path: <aX: y@b.test>\r\n");
    buf_free(&b);
    CHECK_SL(mail_clean(&ar, SL("a(b)\r\n\"\xff"), 7), "a?b????");
    ar_free(&ar);
}

static struct mail_head head(const char *s)
{
    struct mail_head h;
    CHECK_OK(mail_head_parse(&ar, sl_cstr(s), &h));
    return h;
}

static int submit(const char *s)
{
    struct mail_head h = head(s);
    struct mail_addrs from;
    return mail_submit_check(&ar, &h, &from);
}

TEST(submit_checks)
{
    CHECK_OK(submit("From: a@b.test\r\nTo: c@d.test\r\n\r\n"));
    CHECK_ERR(submit("To: c@d.test\r\n\r\n"), ERR_SYNTAX);
    CHECK_ERR(submit("From: a@b.test\r\nfrom: c@d.test\r\n\r\n"), ERR_SYNTAX);
    CHECK_ERR(submit("From: nobody\r\n\r\n"), ERR_SYNTAX);
    CHECK_ERR(submit("From: a@b.test, nobody\r\n\r\n"), ERR_SYNTAX);
    CHECK_ERR(submit("From: a@b.test\r\nrubbish\r\n\r\n"), ERR_SYNTAX);
    CHECK_ERR(submit("From: a@b.test\r\nSubject: 1\r\nSubject: 2\r\n\r\n"), ERR_SYNTAX);
    CHECK_ERR(submit("From: a@b.test, c@d.test\r\n\r\n"), ERR_SYNTAX);
    CHECK_OK(submit("From: a@b.test, c@d.test\r\nSender: a@b.test\r\n\r\n"));
}

TEST(from_check_wants_one_author_domain)
{
    struct mail_addrs from;
    struct mail_head h = head("From: a@b.test, c@B.test\r\n\r\n");
    CHECK_OK(mail_from_check(&ar, &h, &from));
    CHECK_INT(from.n, 2);
    h = head("From: a@b.test, c@d.test\r\n\r\n");
    CHECK_ERR(mail_from_check(&ar, &h, &from), ERR_SYNTAX);
    h = head("From: a@b.test\r\nFrom : c@d.test\r\n\r\n");
    CHECK_ERR(mail_from_check(&ar, &h, &from), ERR_SYNTAX);
    ar_free(&ar);
}

static bool claims_mx(const void *id, struct arena *a, const struct mail_field *f)
{
    (void)a;
    return sl_eq(f->name, SL("Authentication-Results")) &&
           sl_startsi(sl_trim(f->body), *(const struct slice *)id);
}

TEST(edit_of_a_submission)
{
    struct buf b = BUF_INIT;
    struct mail_head h = head("Bcc: x@y.test\r\nFrom: a@b.test\r\nAuthentication-Results: mx; spf=pass\r\n"
                              "Authentication-Results: other; spf=pass\r\nX: 1\r\n  2\r\n\r\n");
    struct slice id = SL("mx;");
    struct mail_edit e = {.forged = claims_mx,
                          .forged_arg = &id,
                          .domain = SL("one.test"),
                          .now = 1795383266,
                          .random = 1,
                          .submission = true};
    CHECK_INT(mail_head_edit(&ar, &h, &e, &b), 4);
    CHECK_SL(buf_slice(&b), "From: a@b.test\r\nAuthentication-Results: other; spf=pass\r\nX: 1\r\n  2\r\n"
                            "Date: Sun, 22 Nov 2026 21:34:26 +0000\r\n"
                            "Message-ID: <20261122213426.0000000000000001@one.test>\r\n");
    buf_clear(&b);
    e.submission = false;
    e.delivery = true;
    h = head("Return-Path: <z@z>\r\nBcc: x@y.test\r\nAuthentication-Results: mx; spf=pass\r\nX: 1");
    CHECK_INT(mail_head_edit(&ar, &h, &e, &b), 2);
    CHECK_SL(buf_slice(&b), "Bcc: x@y.test\r\nX: 1\r\n");
    buf_free(&b);
    ar_free(&ar);
}

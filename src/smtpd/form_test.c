/* form_test.c - mail from the world: what a letter may look like, and what becomes of one that does not. */
#include "base/test.h"
#include "rt/test_rt.h"
#include "store/mailbox.h"
#include "talk_test.h"

TEST(mx_eight_bit_is_a_fact_not_a_declaration)
{
    struct world w;
    struct client cl;
    static const struct {
        const char *mail, *body;
        bool eight;
    } x[] = {
        {"MAIL FROM:<carol@one.test> BODY=8BITMIME", "ascii\r\n", false},
        {"MAIL FROM:<carol@one.test>", "\xc3\xa4\r\n", true},
        {"MAIL FROM:<carol@one.test> BODY=7BIT", "\xc3\xa4\r\n", true},
    };
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "EHLO mail.one.test");
    for (size_t i = 0; i < COUNT_OF(x); i++) {
        talk(&cl, x[i].mail);
        talk(&cl, "RCPT TO:<alice@home.test>");
        struct slice text = ar_printf(&cl.a, "From: carol@one.test\r\n\r\n%s.\r\n", x[i].body);
        CHECK(sl_starts(client_letter(&cl, text), SL("250 ")));
        CHECK(handed.eight_bit == x[i].eight);
    }
    client_close(&cl);
    world_end(&w);
}

TEST(mx_removes_forged_results)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    client_envelope(&cl, "carol@one.test");
    CHECK(sl_starts(
        client_letter(&cl,
                      SL("Authentication-Results: MX.home.test; dkim=pass header.d=forged\r\n"
                         "Return-Path: <forged@x.test>\r\nAuthentication-Results: other.test; spf=pass\r\n"
                         "authentication-results : (c) \"mx.home\\.test\" 1; dkim=pass header.d=forged\r\n"
                         "Authentication-Results:\r\n\tmx.home.test; dkim=pass header.d=forged ((\r\n"
                         "Authentication-Results: other.test 9; dkim=pass header.d=forged\r\n"
                         "From: carol@one.test\r\n\r\nx\r\n.\r\n")),
        SL("250 ")));
    CHECK(!has(handed.bytes, "forged"));
    CHECK(has(handed.bytes, "Authentication-Results: other.test; spf=pass\r\n"));
    client_close(&cl);
    world_end(&w);
}

TEST(mx_refuses_smuggled_line_ends)
{
    static const char *const bad[] = {
        "From: carol@one.test\r\n\r\na\n.\n\r\n.\r\n", "From: carol@one.test\r\n\r\na\r\n.\n\r\n.\r\n",
        "From: carol@one.test\r\n\r\na\rb\r\n.\r\n", "From: carol@one.test\nX: y\r\n\r\n.\r\n",
        "From: carol@one.test\r\n\r\na\n.\r\nMAIL FROM:<x@one.test>\r\n.\r\n"};
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        client_envelope(&cl, "carol@one.test");
        CHECK(sl_starts(client_letter(&cl, sl_cstr(bad[i])), SL("554 5.5.2 A line of the letter ends in ")));
    }
    CHECK_INT(handed.count, 0);
    CHECK_SL(talk(&cl, "NOOP"), "250 2.0.0 Done, nothing"); /* one answer for one letter, in step */
    conn_puts(cl.c, "NOOP\n");
    CHECK_SL(client_reply(&cl), "500 5.5.2 Lines must end in CR LF");
    client_close(&cl);
    world_end(&w);
}

TEST(mx_long_lines)
{
    struct world w;
    struct client cl;
    struct buf b = BUF_INIT;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    for (int i = 0; i < 5000; i++) buf_char(&b, 'x');
    CHECK_SL(talk(&cl, ar_cstr(&cl.a, buf_slice(&b))), "500 5.5.6 The line is longer than 4096 bytes");
    CHECK_SL(talk(&cl, "NOOP"), "250 2.0.0 Done, nothing");
    buf_clear(&b);
    buf_str(&b, "From: carol@one.test\r\n\r\n");
    for (int i = 0; i < 17000; i++) buf_char(&b, 'x');
    buf_str(&b, "\r\n.\r\n");
    client_envelope(&cl, "carol@one.test");
    CHECK(sl_starts(client_letter(&cl, buf_slice(&b)), SL("554 5.6.0 A line of the letter is longer")));
    buf_clear(&b);
    while (b.n < 300000) buf_str(&b, "X-Header: 0123456789 0123456789 0123456789 0123456789 0123456789\r\n");
    buf_str(&b, "\r\n.\r\n");
    client_envelope(&cl, "carol@one.test");
    CHECK(sl_starts(client_letter(&cl, buf_slice(&b)), SL("552 5.3.4 The header section is longer")));
    client_close(&cl);
    buf_free(&b);
    world_end(&w);
}

TEST(mx_large_letters_stream)
{
    struct world w;
    struct client cl;
    struct buf b = BUF_INIT;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    buf_str(&b, "From: carol@one.test\r\n\r\n");
    for (int i = 0; b.n < 3000000; i++) buf_printf(&b, "%s%08d caf\xc3\xa9\r\n", i % 3 ? "" : ".", i);
    struct slice clean = ar_dup(&w.a, buf_slice(&b));
    client_envelope(&cl, "carol@one.test");
    CHECK(sl_starts(talk(&cl, "DATA"), SL("354 ")));
    struct slice rest = clean, line; /* stuffed by hand */
    while (sl_next(&rest, '\n', &line)) {
        if (!rest.p) break;
        if (line.p[0] == '.') client_send(&cl, SL("."));
        client_send(&cl, sl(line.p, line.n + 1));
    }
    client_send(&cl, SL(".\r\n"));
    CHECK(sl_starts(client_reply(&cl), SL("250 ")));
    CHECK(handed.eight_bit);
    CHECK(sl_ends(handed.bytes, sl_from(clean, strlen("From: carol@one.test\r\n\r\n"))));
    client_close(&cl);
    buf_free(&b);
    world_end(&w);
}

TEST(mx_chunking)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    client_envelope(&cl, "carol@one.test");
    client_send(&cl, SL("BDAT 24\r\nFrom: carol@one.test\r\n\r\nBDAT 7 LAST\r\n.\r\n.x\r\n"));
    CHECK_SL(client_reply(&cl), "250 2.0.0 24 bytes are here");
    CHECK(sl_starts(client_reply(&cl), SL("250 2.0.0 Accepted as ")));
    CHECK(sl_ends(handed.bytes, SL("\r\n\r\n.\r\n.x\r\n")));
    client_send(&cl, SL("BDAT 5 LAST\r\nQUIT\r"));
    CHECK(sl_starts(client_reply(&cl), SL("503 5.5.1 ")));
    client_envelope(&cl, "carol@one.test");
    client_send(&cl, SL("BDAT 24\r\nFrom: carol@one.test\r\n\r\n"));
    CHECK(sl_starts(client_reply(&cl), SL("250 ")));
    static const char *const between[] = {"DATA", "MAIL FROM:<x@one.test>", "RCPT TO:<alice@home.test>",
                                          "STARTTLS"};
    for (size_t i = 0; i < COUNT_OF(between); i++) CHECK(sl_starts(talk(&cl, between[i]), SL("503 5.5.1 ")));
    CHECK(sl_starts(talk(&cl, "NOOP"), SL("250 ")));
    client_send(&cl, SL("BDAT 3 LAST\r\nx\ny"));
    CHECK(sl_starts(client_reply(&cl), SL("554 5.5.2 ")));
    client_close(&cl);
    world_end(&w);
}

TEST(mx_loops_are_cut_at_the_first_return)
{
    struct world w;
    struct client cl;
    struct buf b = BUF_INIT;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "EHLO mail.one.test.");
    CHECK(sl_starts(client_try(&cl, "team@home.test", "From: carol@one.test\r\n\r\n"), SL("250 ")));
    CHECK(has(handed.bytes, "\r\nDelivered-To: team@home.test\r\n"));
    CHECK(has(handed.bytes, "Received: from mail.one.test ("));
    CHECK(sl_starts(
        client_try(&cl, "team@home.test", "Delivered-To: Team@home.test\r\nFrom: carol@one.test\r\n\r\n"),
        SL("554 5.4.6 ")));
    CHECK(sl_starts(
        client_try(&cl, "alice@home.test", "Delivered-To: alice@home.test\r\nFrom: carol@one.test\r\n\r\n"),
        SL("250 "))); /* it ends here */
    CHECK(!has(handed.bytes, "Delivered-To: team"));
    /* With others beside it the alias is not told to them; its letter is known all the same. */
    talk(&cl, "MAIL FROM:<carol@one.test>");
    talk(&cl, "RCPT TO:<alice@home.test>");
    CHECK(sl_starts(talk(&cl, "RCPT TO:<team@home.test>"), SL("250 ")));
    CHECK(sl_starts(client_letter(&cl, SL("From: carol@one.test\r\n\r\n.\r\n")), SL("250 ")));
    CHECK(!has(handed.bytes, "team"));
    size_t at = sl_find(handed.bytes, SL("Delivered-To: "));
    REQUIRE(at != SL_NONE);
    struct arena a = {0};
    struct slice mark = sl_from(handed.bytes, at), back;
    mark = sl_sub(mark, 0, sl_chr(mark, '\r'));
    CHECK(sl_ends(mark, SL("@mx.home.test")));
    back = ar_printf(&a, "%.*s\r\nFrom: carol@one.test\r\n\r\n", SLF(mark));
    CHECK(sl_starts(client_try(&cl, "team@home.test", ar_cstr(&a, back)), SL("554 5.4.6 ")));
    CHECK(sl_starts(client_try(&cl, "alice@home.test", ar_cstr(&a, back)), SL("250 ")));
    talk(&cl, "MAIL FROM:<carol@one.test>");
    talk(&cl, "RCPT TO:<alice@home.test>");
    talk(&cl, "RCPT TO:<team@home.test>");
    CHECK(sl_starts(client_letter(&cl, ar_cat(&a, back, SL(".\r\n"))), SL("554 5.4.6 ")));
    ar_free(&a);
    for (int n = 100; n <= 101; n++) {
        buf_clear(&b);
        for (int i = 0; i < n; i++) buf_str(&b, "Received: x\r\n");
        buf_str(&b, "From: carol@one.test\r\n\r\n");
        buf_char(&b, 0);
        CHECK(sl_starts(client_try(&cl, "alice@home.test", b.p), n > 100 ? SL("554 5.4.6 ") : SL("250 ")));
    }
    buf_free(&b);
    client_close(&cl);
    world_end(&w);
}

TEST(mx_forms_that_readers_see_differently_are_refused)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "EHLO mail.one.test");
    CHECK(sl_starts(client_try(&cl, "alice@home.test", " x\r\nFrom: carol@one.test\r\n\r\n"),
                    SL("554 5.6.0 ")));
    client_envelope(&cl, "carol@one.test");
    CHECK(sl_starts(client_letter(&cl, SL("From: carol@one.test\r\nFrom\0: x@y.test\r\n\r\n.\r\n")),
                    SL("554 5.6.0 ")));
    client_envelope(&cl, "carol@one.test");
    client_send(&cl, SL("BDAT 26 LAST\r\nFrom: carol@one.test\r\n\r\nno")); /* a last line without an end */
    CHECK(sl_starts(client_reply(&cl), SL("250 ")));
    CHECK(sl_ends(handed.bytes, SL("\r\n\r\nno\r\n")));
    client_close(&cl);
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "HELO mail.one.test");
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test> SMTPUTF8"), SL("555 5.5.4 ")));
    client_close(&cl);
    world_end(&w);
}

TEST(mx_international_letters)
{
    struct world w;
    struct client cl;
    world_begin(&w, NULL);
    CHECK_OK(domain_add(w.store->directory, SL("xn--bcher-kva.test"))); /* buecher, with an umlaut */
    CHECK_OK(account_add(w.store->directory, SL("j\xc3\xb6rg@xn--bcher-kva.test"), SL("secret")));
    client_open(&cl, &w, SMTPD_MX);
    talk(&cl, "EHLO mail.one.test");
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<j\xc3\xbc@one.test>"), SL("553 5.6.7 ")));
    CHECK(sl_starts(talk(&cl, "MAIL FROM:<carol@one.test> SMTPUTF8"), SL("250 ")));
    CHECK(sl_starts(talk(&cl, "RCPT TO:<j\xc3\xb6rg@b\xc3\xbc"
                              "cher.test>"),
                    SL("250 ")));
    CHECK(sl_starts(talk(&cl, "RCPT TO:<nobody@b\xc3\xbc"
                              "cher.test>"),
                    SL("550 5.1.1 ")));
    CHECK(sl_starts(client_letter(&cl, SL("From: carol@one.test\r\nSubject: Gr\xc3\xbc\xc3\x9f"
                                          "e\r\n\r\nx\r\n.\r\n")),
                    SL("250 ")));
    CHECK(handed.smtputf8);
    CHECK(has(handed.bytes, "UTF8SMTP id"));
    CHECK_SL(sl_cstr(handed.rcpts), "here:j\xc3\xb6rg@xn--bcher-kva.test");
    /* said, but not needed: any server may take it on */
    talk(&cl, "MAIL FROM:<carol@one.test> SMTPUTF8");
    talk(&cl, "RCPT TO:<alice@home.test>");
    CHECK(sl_starts(client_letter(&cl, SL("From: carol@one.test\r\n\r\nx\r\n.\r\n")), SL("250 ")));
    CHECK(!handed.smtputf8);
    /* needed by one recipient only, of which the way to the others knows nothing */
    talk(&cl, "MAIL FROM:<carol@one.test> SMTPUTF8");
    talk(&cl, "RCPT TO:<alice@home.test>");
    CHECK(sl_starts(talk(&cl, "RCPT TO:<j\xc3\xb6rg@xn--bcher-kva.test>"), SL("250 ")));
    CHECK(sl_starts(client_letter(&cl, SL("From: carol@one.test\r\n\r\nx\r\n.\r\n")), SL("250 ")));
    CHECK(!handed.smtputf8 && handed.nrcpt == 2);
    client_close(&cl);
    world_end(&w);
}

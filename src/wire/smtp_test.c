/* smtp_test.c - SMTP commands, parameters and replies. */
#include "smtp.h"

#include "base/test.h"

static struct arena ar;

static int parse(const char *line, struct smtp_command *c)
{
    return smtp_command_parse(&ar, sl_cstr(line), c);
}

TEST(smtp_simple_commands)
{
    struct smtp_command c;
    CHECK_OK(parse("EHLO mail.one.test", &c));
    CHECK_INT(c.verb, SMTP_EHLO);
    CHECK_SL(c.arg, "mail.one.test");
    CHECK_OK(parse("helo [192.0.2.1] ", &c));
    CHECK_INT(c.verb, SMTP_HELO);
    CHECK_SL(c.arg, "[192.0.2.1]");
    CHECK_OK(parse("quit", &c));
    CHECK_INT(c.verb, SMTP_QUIT);
    CHECK_OK(parse("NOOP what ever", &c));
    CHECK_SL(c.arg, "what ever");
    CHECK_OK(parse("GET / HTTP/1.1", &c));
    CHECK_INT(c.verb, SMTP_UNKNOWN);
    CHECK_SL(c.word, "GET");
    CHECK_OK(parse("", &c));
    CHECK_INT(c.verb, SMTP_UNKNOWN);
    CHECK_ERR(parse("EHLO", &c), ERR_SYNTAX);
    CHECK_INT(c.verb, SMTP_EHLO);
    CHECK_ERR(parse("EHLO two words", &c), ERR_SYNTAX);
    CHECK_ERR(parse("QUIT now", &c), ERR_SYNTAX);
    CHECK_ERR(parse("DATA x", &c), ERR_SYNTAX);
    CHECK_ERR(parse("STARTTLS x", &c), ERR_SYNTAX);
    CHECK_ERR(parse("VRFY", &c), ERR_SYNTAX);
    CHECK_ERR(parse("NOOP \x01", &c), ERR_SYNTAX);
    CHECK_ERR(parse("NOOP \r", &c), ERR_SYNTAX);
    ar_free(&ar);
}

TEST(smtp_mail_and_rcpt)
{
    struct smtp_command c;
    CHECK_OK(parse("MAIL FROM:<alice@one.test> SIZE=100 BODY=8BITMIME", &c));
    CHECK_SL(c.path.local, "alice");
    CHECK_SL(c.path.domain, "one.test");
    CHECK_SL(c.path.address, "alice@one.test");
    CHECK_INT(c.nparams, 2);
    CHECK_SL(c.param[1].key, "BODY");
    CHECK_SL(c.param[1].value, "8BITMIME");
    CHECK_OK(parse("mail from:<>", &c));
    CHECK(c.path.null);
    CHECK_OK(parse("MAIL FROM: <a@b.test>", &c));                         /* common, harmless */
    CHECK_OK(parse("RCPT TO:<@hosta.int,@jkl.org:userc@d.bar.org>", &c)); /* RFC 5321 section 4.1.1.3 */
    CHECK_SL(c.path.address, "userc@d.bar.org");
    CHECK_OK(parse("RCPT TO:<\"Joe \\\"X\\\" @>\"@two.test>", &c));
    CHECK_SL(c.path.local, "Joe \"X\" @>");
    CHECK_SL(c.path.address, "\"Joe \\\"X\\\" @>\"@two.test");
    CHECK_OK(parse("RCPT TO:<\"joe\"@two.test>", &c)); /* quoted without need */
    CHECK_SL(c.path.address, "joe@two.test");
    CHECK_OK(parse("RCPT TO:<Postmaster>", &c));
    CHECK(c.path.domain.n == 0);
    CHECK_SL(c.path.address, "Postmaster");
    CHECK_OK(parse("RCPT TO:<a@[IPv6:2001:db8::1]>", &c));
    CHECK(c.path.literal);
    CHECK_OK(parse("RCPT TO:<j\xc3\xb6rg@b\xc3\xbc"
                   "cher.test>",
                   &c));
    CHECK(c.path.utf8);
    ar_free(&ar);
}

/* RFC 5321 section 4.1.2 asks for the brackets; printers, cameras and scripts leave them out. */
TEST(smtp_paths_without_brackets)
{
    struct smtp_command c;
    CHECK_OK(smtp_command_parse(&ar, SL("MAIL FROM:a@b.test"), &c));
    CHECK_SL(c.path.address, "a@b.test");
    CHECK_OK(smtp_command_parse(&ar, SL("RCPT TO: \"a b\"@c.test  NOTIFY=NEVER"), &c));
    CHECK_SL(c.path.address, "\"a b\"@c.test");
    CHECK_OK(smtp_command_parse(&ar, SL("RCPT TO:Postmaster"), &c));
    CHECK_SL(c.path.local, "Postmaster");
    ar_free(&ar);
}

TEST(smtp_bad_paths)
{
    static const char *const bad[] = {"MAIL",
                                      "MAIL FROM",
                                      "MAIL FROM:",
                                      "MAIL FROM:alice",
                                      "MAIL FROM:<a@b.test",
                                      "MAIL FROM:a@b.test>",
                                      "MAIL FROM:<alice>",
                                      "MAIL FROM:<@b.test>",
                                      "MAIL FROM:<a@>",
                                      "MAIL FROM:<a..b@c.test>",
                                      "MAIL FROM:<.a@c.test>",
                                      "MAIL FROM:<a b@c.test>",
                                      "MAIL FROM:<a@b c.test>",
                                      "MAIL FROM:<a@-b.test>",
                                      "MAIL FROM:<a@b-.test>",
                                      "MAIL FROM:<a@b_c.test>",
                                      "MAIL FROM:<a@b..test>",
                                      "MAIL FROM:<a@b.test.>",
                                      "MAIL FROM:<a@[1.2.3]>",
                                      "MAIL FROM:<a@[x:y]>",
                                      "MAIL FROM:<\"a@b.test>",
                                      "MAIL FROM:<\"a\"b@c.test>",
                                      "MAIL FROM:<a@b.test>SIZE=1",
                                      "MAIL FROM:<a@b.test> SIZE=",
                                      "MAIL FROM:<a@b.test> =1",
                                      "MAIL FROM:<a@b.test> A=b=c",
                                      "MAIL FROM:<a@b@c.test>",
                                      "MAIL FROM:<@x:a@b.test",
                                      "MAIL FROM:<@x,a@b.test>",
                                      "MAIL FROM:<x:a@b.test>",
                                      "MAIL FROM:<\xff@b.test>",
                                      "MAIL FROM:<postmaster>",
                                      "RCPT TO:<>",
                                      "RCPT FROM:<a@b.test>",
                                      "RCPT TO:<bob>",
                                      "MAIL TO:<a@b.test>",
                                      "MAIL FROM :<a@b.test>"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct smtp_command c;
        if (parse(bad[i], &c) != ERR_SYNTAX) test_fail(__FILE__, __LINE__, "\"%s\" is taken", bad[i]);
    }
    ar_free(&ar);
}

TEST(smtp_path_limits)
{
    struct smtp_command c;
    struct buf b = BUF_INIT;
    buf_str(&b, "MAIL FROM:<");
    for (int i = 0; i < 64; i++) buf_char(&b, 'x');
    buf_str(&b, "@");
    for (int i = 0; i < 50; i++) buf_str(&b, "abcd.");
    buf_str(&b, "test>"); /* 254 bytes of domain */
    CHECK_OK(smtp_command_parse(&ar, buf_slice(&b), &c));
    b.n--;
    buf_str(&b, "xx>");
    CHECK_ERR(smtp_command_parse(&ar, buf_slice(&b), &c), ERR_TOO_LONG);
    buf_clear(&b);
    buf_str(&b, "RCPT TO:<");
    for (int i = 0; i < 65; i++) buf_char(&b, 'x');
    buf_str(&b, "@a.test>");
    CHECK_ERR(smtp_command_parse(&ar, buf_slice(&b), &c), ERR_TOO_LONG);
    buf_clear(&b);
    buf_str(&b, "RCPT TO:<a@b.test>");
    for (int i = 0; i < SMTP_PARAMS_MAX; i++) buf_printf(&b, " K%d", i);
    CHECK_OK(smtp_command_parse(&ar, buf_slice(&b), &c));
    buf_str(&b, " MORE");
    CHECK_ERR(smtp_command_parse(&ar, buf_slice(&b), &c), ERR_LIMIT);
    buf_free(&b);
    ar_free(&ar);
}

TEST(smtp_auth_and_bdat)
{
    struct smtp_command c;
    CHECK_OK(parse("AUTH PLAIN AGEAYg==", &c));
    CHECK_SL(c.mechanism, "PLAIN");
    CHECK_SL(c.initial, "AGEAYg==");
    CHECK_OK(parse("AUTH scram-sha-256", &c));
    CHECK(!c.has_initial);
    CHECK_OK(parse("AUTH PLAIN =", &c));
    CHECK(c.has_initial);
    CHECK_ERR(parse("AUTH", &c), ERR_SYNTAX);
    CHECK_ERR(parse("AUTH PLAIN a b", &c), ERR_SYNTAX);
    CHECK_ERR(parse("AUTH P!AIN", &c), ERR_SYNTAX);
    CHECK_OK(parse("BDAT 86 LAST", &c));
    CHECK(c.size == 86 && c.last);
    CHECK_OK(parse("BDAT 0", &c));
    CHECK(!c.last);
    CHECK_ERR(parse("BDAT", &c), ERR_SYNTAX);
    CHECK_ERR(parse("BDAT -1", &c), ERR_SYNTAX);
    CHECK_ERR(parse("BDAT 1 FIRST", &c), ERR_SYNTAX);
    CHECK_ERR(parse("BDAT 99999999999999999999", &c), ERR_SYNTAX);
    ar_free(&ar);
}

static int mail_opts(const char *params, struct smtp_mail_opts *o)
{
    struct smtp_command c;
    CHECK_OK(smtp_command_parse(&ar, ar_printf(&ar, "MAIL FROM:<a@b.test> %s", params), &c));
    return smtp_mail_opts(&ar, &c, o);
}

static int rcpt_opts(const char *params, struct smtp_rcpt_opts *o)
{
    struct smtp_command c;
    CHECK_OK(smtp_command_parse(&ar, ar_printf(&ar, "RCPT TO:<a@b.test> %s", params), &c));
    return smtp_rcpt_opts(&ar, &c, o);
}

TEST(smtp_parameters)
{
    struct smtp_mail_opts m;
    CHECK_OK(
        mail_opts("SIZE=500000 body=8bitmime SMTPUTF8 REQUIRETLS RET=HDRS ENVID=QQ314159+2B AUTH=<> PRDR "
                  "SOLICIT=net.example:ADV,x_y-z",
                  &m));
    CHECK_INT(m.size, 500000);
    CHECK_INT(m.body, SMTP_BODY_8BITMIME);
    CHECK(m.smtputf8 && m.requiretls && m.has_auth && m.prdr);
    CHECK_SL(m.solicit, "net.example:ADV,x_y-z");
    CHECK_INT(m.ret, SMTP_RET_HDRS);
    CHECK_SL(m.envid, "QQ314159+");
    CHECK_SL(m.auth, "<>");
    CHECK_OK(mail_opts("AUTH=e+3Dmc2@example.com", &m)); /* RFC 4954 section 5 */
    CHECK_SL(m.auth, "e=mc2@example.com");
    static const char *const bad[] = {"SIZE",       "SIZE=x",        "SIZE=99999999999999999999",
                                      "BODY=9BIT",  "BODY",          "SMTPUTF8=1",
                                      "RET=ALL",    "ENVID=+0D+0A",  "ENVID=+4",
                                      "ENVID=+zz",  "SIZE=1 SIZE=1", "AUTH",
                                      "ENVID",      "REQUIRETLS=1",  "PRDR=1",
                                      "SOLICIT",    "SOLICIT=,a",    "SOLICIT=a,,b",
                                      "SOLICIT=-a", "SOLICIT=a/b"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (mail_opts(bad[i], &m) != ERR_SYNTAX) test_fail(__FILE__, __LINE__, "\"%s\" is taken", bad[i]);
    CHECK_ERR(mail_opts("XYZZY=1", &m), ERR_UNSUPPORTED);
    struct smtp_rcpt_opts r;
    CHECK_OK(rcpt_opts("NOTIFY=SUCCESS,failure,DELAY ORCPT=rfc822;Bob+2B1@b.test", &r));
    CHECK_INT(r.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY);
    CHECK_SL(r.orcpt, "rfc822;Bob+1@b.test");
    CHECK_OK(rcpt_opts("NOTIFY=NEVER", &r));
    CHECK_ERR(rcpt_opts("NOTIFY=NEVER,DELAY", &r), ERR_SYNTAX);
    CHECK_ERR(rcpt_opts("NOTIFY=SOON", &r), ERR_SYNTAX);
    CHECK_ERR(rcpt_opts("ORCPT=bob", &r), ERR_SYNTAX);
    CHECK_ERR(rcpt_opts("ORCPT=rfc822;", &r), ERR_SYNTAX);
    CHECK_ERR(rcpt_opts("SIZE=1", &r), ERR_UNSUPPORTED);
    struct buf b = BUF_INIT;
    smtp_xtext_encode(&b, SL("a+b=c d\xc3"));
    CHECK_SL(buf_slice(&b), "a+2Bb+3Dc+20d+C3");
    buf_free(&b);
    ar_free(&ar);
}

TEST(smtp_names_of_hosts)
{
    CHECK(smtp_domain_ok(SL("mail.one.test")) && smtp_domain_ok(SL("localhost")) &&
          smtp_domain_ok(SL("1.2")));
    CHECK(!smtp_domain_ok(SL("")) && !smtp_domain_ok(SL("a_b.test")) && !smtp_domain_ok(SL("a..b")));
    CHECK(smtp_helo_ok(SL("WIN_PC.local")) && smtp_helo_ok(SL("[127.0.0.1]")) &&
          smtp_helo_ok(SL("[IPv6:::1]")));
    CHECK(!smtp_helo_ok(SL("[300.0.0.1]")) && !smtp_helo_ok(SL("a b")) && !smtp_helo_ok(SL("(x)")));
}

/* ---- replies ---- */

TEST(smtp_replies_made)
{
    struct buf b = BUF_INIT;
    smtp_reply_put(&b, 250, "2.1.0", SL("Go on"));
    smtp_reply_put(&b, 550, "5.7.1", SL("One\nTwo\r\x01\nThree"));
    smtp_reply_put(&b, 220, NULL, SL(""));
    CHECK_SL(buf_slice(&b),
             "250 2.1.0 Go on\r\n550-5.7.1 One\r\n550-5.7.1 Two??\r\n550 5.7.1 Three\r\n220 \r\n");
    buf_clear(&b);
    struct buf t = BUF_INIT;
    for (int i = 0; i < 2000; i++) buf_char(&t, 'x');
    smtp_reply_put(&b, 550, "5.7.1", buf_slice(&t));
    CHECK(b.n <= 512);
    buf_free(&b);
    buf_free(&t);
}

static int read_reply(struct smtp_reply *r, const char *text)
{
    struct slice rest = sl_cstr(text), line;
    smtp_reply_begin(r, &ar);
    int got = 0;
    while (!got && sl_next(&rest, '\n', &line)) got = smtp_reply_line(r, line);
    return got;
}

TEST(smtp_replies_read)
{
    struct smtp_reply r;
    CHECK_INT(read_reply(&r, "250 ok"), 1);
    CHECK_INT(r.code, 250);
    CHECK_INT(read_reply(&r, "550-5.1.1 No such\n550 5.1.1 user here"), 1);
    CHECK_INT(r.code, 550);
    CHECK(r.enhanced[0] == 5 && r.enhanced[1] == 1 && r.enhanced[2] == 1);
    CHECK_SL(r.text, "550-5.1.1 No such\n550 5.1.1 user here");
    CHECK_INT(read_reply(&r, "421"), 1);
    CHECK_INT(read_reply(&r, "250-one"), 0);
    CHECK_INT(read_reply(&r, "250 4.1.1 odd class"), 1);
    CHECK_INT(r.enhanced[0], 0);
    CHECK_ERR(read_reply(&r, "250-one\n550 two"), ERR_SYNTAX);
    static const char *const bad[] = {"", "25", "abc", "999 x", "25a x", "250x", "100 x", " 250 x"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (read_reply(&r, bad[i]) != ERR_SYNTAX) test_fail(__FILE__, __LINE__, "\"%s\" is taken", bad[i]);
    ar_free(&ar);
}

TEST(smtp_reply_limits)
{
    struct smtp_reply r;
    smtp_reply_begin(&r, &ar);
    for (int i = 0; i < SMTP_REPLY_LINES_MAX; i++) CHECK_INT(smtp_reply_line(&r, SL("250-x")), 0);
    CHECK_INT(smtp_reply_line(&r, SL("250-x")), 0);
    CHECK_INT(smtp_reply_line(&r, SL("251 x")), 1);
    CHECK(r.cut && r.code == 251 && r.lines == SMTP_REPLY_LINES_MAX);
    smtp_reply_begin(&r, &ar);
    struct buf b = BUF_INIT;
    buf_str(&b, "250-");
    for (int i = 0; i < 3000; i++) buf_char(&b, 'y');
    for (int i = 0; i < 10; i++) CHECK_INT(smtp_reply_line(&r, buf_slice(&b)), 0);
    CHECK_INT(smtp_reply_line(&r, SL("250 end")), 1);
    CHECK(r.cut && r.text.n <= SMTP_REPLY_BYTES_MAX);
    buf_free(&b);
    ar_free(&ar);
}

TEST(smtp_enhanced_codes)
{
    uint16_t v[3];
    size_t n;
    CHECK(smtp_enhanced_parse(SL("5.7.26 text"), v, &n) && v[2] == 26 && n == 6);
    CHECK(smtp_enhanced_parse(SL("2.0.0"), v, &n));
    CHECK(!smtp_enhanced_parse(SL("3.0.0"), v, &n));
    CHECK(!smtp_enhanced_parse(SL("5.1"), v, &n));
    CHECK(!smtp_enhanced_parse(SL("5.1.1x"), v, &n));
    CHECK(!smtp_enhanced_parse(SL("5.1.1234"), v, &n));
    CHECK(!smtp_enhanced_parse(SL("51.1.1"), v, &n));
    CHECK(!smtp_enhanced_parse(SL(""), v, &n));
}

TEST(smtp_ehlo_keywords)
{
    struct smtp_reply r;
    struct smtp_ehlo e;
    CHECK_INT(
        read_reply(&r,
                   "250-mx.two.test greets you\n250-PIPELINING\n250-size 1000\n250-AUTH PLAIN SCRAM-SHA-256\n"
                   "250-AUTH=LOGIN\n250-LIMITS RCPTMAX=20 X MAILMAX=5\n250-XUNKNOWN a\n250-\n250 starttls"),
        1);
    smtp_ehlo_parse(&r, &e);
    CHECK_SL(e.name, "mx.two.test");
    CHECK_INT(e.ext,
              SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_AUTH | SMTP_EXT_LIMITS | SMTP_EXT_STARTTLS);
    CHECK_INT(e.auth, SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN | SMTP_AUTH_SCRAM_SHA_256);
    CHECK_INT(e.size, 1000);
    CHECK(e.rcpt_max == 20 && e.mail_max == 5);
    CHECK_INT(read_reply(&r, "250 only"), 1);
    smtp_ehlo_parse(&r, &e);
    CHECK_INT(e.ext, 0);
    ar_free(&ar);
}

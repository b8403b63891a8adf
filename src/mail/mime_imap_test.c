/* mime_imap_test.c - ENVELOPE, BODYSTRUCTURE and sections. */
#include "mime_imap.h"

#include "base/test.h"

static struct arena ar;
static struct buf b;

static struct slice envelope(struct slice m)
{
    buf_clear(&b);
    mime_imap_envelope(&b, mime_parse(&ar, m)->root->envelope);
    return buf_slice(&b);
}

static struct slice structure(struct slice m, bool extended)
{
    buf_clear(&b);
    mime_imap_structure(&b, mime_parse(&ar, m)->root, extended);
    return buf_slice(&b);
}

static void done(void)
{
    buf_free(&b);
    ar_free(&ar);
}

/* RFC 9051 section 8. */
TEST(imap_envelope_of_rfc9051)
{
    CHECK_SL(envelope(SL("Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
                         "From: Terry Gray <gray@cac.washington.edu>\r\n"
                         "Subject: IMAP4rev2 WG mtg summary and minutes\r\n"
                         "To: imap@cac.washington.edu\r\n"
                         "cc: minutes@CNRI.Reston.VA.US, \r\n   John Klensin <KLENSIN@MIT.EDU>\r\n"
                         "Message-Id: <B27397-0100000@cac.washington.edu>\r\n\r\n")),
             "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" "
             "\"IMAP4rev2 WG mtg summary and minutes\" "
             "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
             "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
             "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
             "((NIL NIL \"imap\" \"cac.washington.edu\")) "
             "((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
             "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL "
             "\"<B27397-0100000@cac.washington.edu>\")");
    done();
}

TEST(imap_envelope_odd)
{
    CHECK_SL(envelope(SL("\r\n")), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    CHECK_SL(
        envelope(SL("Subject: a \"b\" \\\r\nSender:\r\nFrom: x@y.test\r\nTo: undisclosed-recipients:;\r\n"
                    "Cc: friends: a@b.test, c@d.test;, e@f.test\r\nBcc: (((\r\n\r\n")),
        "(NIL \"a \\\"b\\\" \\\\\" ((NIL NIL \"x\" \"y.test\")) ((NIL NIL \"x\" \"y.test\")) "
        "((NIL NIL \"x\" \"y.test\")) ((NIL NIL \"undisclosed-recipients\" NIL)(NIL NIL NIL NIL)) "
        "((NIL NIL \"friends\" NIL)(NIL NIL \"a\" \"b.test\")(NIL NIL \"c\" \"d.test\")(NIL NIL NIL NIL)"
        "(NIL NIL \"e\" \"f.test\")) ((NIL NIL \"(((\" \"\")) NIL NIL)");
    CHECK_SL(envelope(SL("Subject: caf\xc3\xa9\0!\r\n\r\n")),
             "(NIL {7}\r\ncaf\xc3\xa9?! NIL NIL NIL NIL NIL NIL NIL NIL)");
    CHECK_SL(envelope(SL("Subject:\r\n\r\n")), "(NIL \"\" NIL NIL NIL NIL NIL NIL NIL NIL)");
    done();
}

static struct slice from_of(const char *from)
{
    struct slice s = envelope(ar_printf(&ar, "From: %s\r\n\r\n", from)), head = SL("(NIL NIL "), all = s;
    size_t end = sl_find(s, SL(")) ((")); /* Sender and Reply-To are the same */
    s = sl_sub(s, head.n, end == SL_NONE ? s.n : end + 2);
    CHECK(sl_starts(all, head) &&
          sl_ends(all, ar_printf(&ar, " %.*s %.*s NIL NIL NIL NIL NIL)", SLF(s), SLF(s))));
    return s;
}

/* RFC 3501 section 7.4.2: From is NIL only when it is absent or empty. */
TEST(what_is_no_address_is_told_as_far_as_it_goes)
{
    CHECK_SL(from_of("root"), "((NIL NIL \"root\" \"\"))");
    CHECK_SL(from_of("root (Cron Daemon)"), "((\"Cron Daemon\" NIL \"root\" \"\"))");
    CHECK_SL(from_of("<MAILER-DAEMON>"), "((NIL NIL \"MAILER-DAEMON\" \"\"))");
    CHECK_SL(from_of("Mail System <MAILER-DAEMON>"), "((\"Mail System\" NIL \"MAILER-DAEMON\" \"\"))");
    CHECK_SL(from_of("a@x.test>"), "((NIL NIL \"a\" \"x.test\"))");
    CHECK_SL(from_of("Joe <joe@x"), "((\"Joe\" NIL \"joe\" \"x\"))");
    CHECK_SL(from_of("Joe <joe@x, b@y.test"), "((\"Joe\" NIL \"joe\" \"x\")(NIL NIL \"b\" \"y.test\"))");
    CHECK_SL(from_of("a@b.test, root"), "((NIL NIL \"a\" \"b.test\")(NIL NIL \"root\" \"\"))");
    CHECK_SL(from_of("\"a\x01\"@b"), "((NIL NIL {2}\r\na\x01 \"b\"))");
    CHECK_SL(from_of("a@b@c"), "((NIL NIL \"a@b\" \"c\"))");
    CHECK_SL(from_of("<>"), "((NIL NIL \"\" \"\"))");
    CHECK_SL(from_of("x:;, a@b.test, y: ;, z: c@d.test"),
             "((NIL NIL \"x\" NIL)(NIL NIL NIL NIL)(NIL NIL \"a\" \"b.test\")(NIL NIL \"y\" NIL)"
             "(NIL NIL NIL NIL)(NIL NIL \"z\" NIL)(NIL NIL \"c\" \"d.test\")(NIL NIL NIL NIL))");
    CHECK_SL(from_of("\"a\r\n b\" <a\r\n @b.test> (c\r\n d)"), "((\"a b\" NIL \"a\" \"b.test\"))");
    done();
}

static const struct slice mixed =
    SL_INIT("Content-Type: multipart/mixed; boundary=b\r\nSubject: outer\r\n\r\n"
            "--b\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nhello\r\n"
            "--b\r\nContent-Type: message/rfc822\r\n\r\n"
            "Subject: inner\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
            "--c\r\n\r\nplain\r\n--c\r\nContent-Type: text/html\r\n\r\n<p>\r\n--c--\r\n\r\n"
            "--b\r\nContent-Type: image/png; name=\"a.png\"\r\nContent-Transfer-Encoding: base64\r\n"
            "Content-Disposition: attachment; filename=a.png\r\nContent-ID: <i@x>\r\n"
            "Content-Language: en, fr\r\n\r\niVBO\r\n--b--\r\n");

TEST(imap_bodystructure)
{
    CHECK_SL(structure(SL("\r\nhello\r\n"), false),
             "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 7 1)");
    CHECK_SL(structure(mixed, false),
             "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 0)"
             "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 125 "
             "(NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) "
             "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 0)"
             "(\"text\" \"html\" NIL NIL NIL \"7bit\" 3 0) \"alternative\") 11)"
             "(\"image\" \"png\" (\"name\" \"a.png\") \"<i@x>\" NIL \"base64\" 4) \"mixed\")");
    CHECK_SL(structure(SL("Content-Type: image/png; name=\"a.png\"\r\nContent-Disposition: inline\r\n"
                          "Content-Language: en, fr\r\nContent-MD5: x\r\n\r\n"),
                       true),
             "(\"image\" \"png\" (\"name\" \"a.png\") NIL NIL \"7bit\" 0 \"x\" (\"inline\" NIL) (\"en\" "
             "\"fr\") NIL)");
    CHECK_SL(
        structure(SL("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"), true),
        "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL)"
        " \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)");
    done();
}

TEST(imap_bodystructure_of_hostile_mail_is_well_formed)
{
    CHECK_SL(structure(SL("Content-Type: multipart/mixed\r\n\r\n"), true),
             "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL) "
             "\"mixed\" NIL NIL NIL NIL)");
    CHECK_SL(structure(SL("Content-Type: multipart/mixed\r\n\r\nall of it\r\n"), false),
             "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 11 1) \"mixed\")");
    CHECK_SL(structure(SL("Content-Type: a/b; name*0*=utf-8''a%20; name*1=\"b "
                          "c\"\r\nContent-Transfer-Encoding: x-y z\r\n"
                          "Content-Disposition: inline; filename*=utf-8''%c3%a9\r\n\r\n"),
                       true),
             "(\"a\" \"b\" (\"name*0*\" \"utf-8''a%20\" \"name*1\" \"b c\") NIL NIL \"x-y z\" 0 NIL "
             "(\"inline\" (\"filename*\" \"utf-8''%c3%a9\")) NIL NIL)");
    CHECK_SL(structure(SL("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nAA\r\n"),
                       false),
             "(\"message\" \"rfc822\" NIL NIL NIL \"base64\" 4 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) "
             "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0) 1)");
    CHECK_SL(structure(SL("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                          "U3ViamVjdDogeAoKYWJj\r\n"),
                       false),
             "(\"message\" \"rfc822\" NIL NIL NIL \"base64\" 22 (NIL \"x\" NIL NIL NIL NIL NIL NIL NIL NIL) "
             "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0) 1)");
    CHECK_SL(structure(SL("Content-Type: te\"xt/pl\\ain; x=\"\xff\"\r\n\r\n"), false),
             "(\"te\\\"xt\" \"pl\\\\ain\" (\"x\" {1}\r\n\xff) NIL NIL \"7bit\" 0)");
    done();
}

static struct slice section(struct slice m, const char *path, enum mime_what what)
{
    uint32_t v[20];
    size_t n = 0;
    for (const char *p = path; *p; p++)
        if (*p != '.') v[n++] = (uint32_t)(*p - '0');
    struct mime_range r;
    if (!mime_imap_section(mime_parse(&ar, m), v, n, what, &r)) return SL("none");
    CHECK(r.at + r.size <= m.n);
    return sl(m.p + r.at, r.size);
}

TEST(imap_sections)
{
    CHECK(sl_eq(section(mixed, "", MIME_WHOLE), mixed));
    CHECK_SL(section(mixed, "1", MIME_WHOLE), "hello");
    CHECK_SL(section(mixed, "1", MIME_MIME), "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
    CHECK_SL(section(mixed, "1", MIME_HEADER), "none");
    CHECK_SL(section(mixed, "1.1", MIME_WHOLE), "none");
    CHECK_SL(section(mixed, "2", MIME_HEADER),
             "Subject: inner\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n");
    CHECK_SL(section(mixed, "2", MIME_MIME), "Content-Type: message/rfc822\r\n\r\n");
    CHECK_SL(section(mixed, "2.1", MIME_WHOLE), "plain");
    CHECK_SL(section(mixed, "2.2", MIME_WHOLE), "<p>");
    CHECK_SL(section(mixed, "2.2", MIME_MIME), "Content-Type: text/html\r\n\r\n");
    CHECK_SL(section(mixed, "2.3", MIME_WHOLE), "none");
    CHECK_SL(section(mixed, "3", MIME_WHOLE), "iVBO");
    CHECK_SL(section(mixed, "4", MIME_WHOLE), "none");
    CHECK_SL(section(mixed, "0", MIME_WHOLE), "none");
    CHECK_SL(section(mixed, "", MIME_MIME), "none");
    struct slice plain = SL("A: b\r\n\r\ntext");
    CHECK_SL(section(plain, "1", MIME_WHOLE), "text");
    CHECK_SL(section(plain, "", MIME_TEXT), "text");
    CHECK_SL(section(plain, "", MIME_HEADER), "A: b\r\n\r\n");
    CHECK_SL(section(plain, "1", MIME_MIME), "A: b\r\n\r\n");
    CHECK_SL(section(plain, "1.1", MIME_WHOLE), "none");
    struct slice hollow = SL("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
                             "Content-Type: multipart/alternative\r\n\r\ninner\r\n--b--\r\n");
    CHECK_SL(section(hollow, "1.1", MIME_WHOLE), "inner");
    CHECK_SL(section(hollow, "1.1", MIME_MIME), "");
    CHECK_SL(section(SL("Content-Type: multipart/mixed\r\n\r\nall"), "1", MIME_WHOLE), "all");
    struct slice forward = SL("Content-Type: message/rfc822\r\n\r\nS: x\r\n\r\nin");
    CHECK_SL(section(forward, "1", MIME_WHOLE), "S: x\r\n\r\nin");
    CHECK_SL(section(forward, "1.1", MIME_WHOLE), "in");
    CHECK_SL(section(forward, "1", MIME_TEXT), "in");
    struct mime_tree *t =
        mime_parse(&ar, SL("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n"
                           "\r\nQTogYgoKaW4=\r\n"));
    struct mime_range r;
    REQUIRE(mime_imap_section(t, (uint32_t[]){1, 1}, 2, MIME_WHOLE, &r));
    CHECK(r.at == 6 && r.size == 2 && r.within == t->root);
    REQUIRE(mime_imap_section(t, (uint32_t[]){1}, 1, MIME_HEADER, &r));
    CHECK(r.at == 0 && r.size == 6 && r.within == t->root);
    REQUIRE(mime_imap_section(t, (uint32_t[]){1}, 1, MIME_WHOLE, &r));
    CHECK(r.size == 14 && !r.within);
    done();
}

TEST(imap_header_fields)
{
    struct slice head = SL("From: a\r\nSubject: one\r\n two\r\nX-Y: 1\r\nsubject: again\r\n\r\n");
    const struct slice names[] = {SL_INIT("SUBJECT"), SL_INIT("To")};
    mime_imap_fields(&b, &ar, head, names, 2, false);
    CHECK_SL(buf_slice(&b), "Subject: one\r\n two\r\nsubject: again\r\n\r\n");
    buf_clear(&b);
    mime_imap_fields(&b, &ar, head, names, 2, true);
    CHECK_SL(buf_slice(&b), "From: a\r\nX-Y: 1\r\n\r\n");
    buf_clear(&b);
    mime_imap_fields(&b, &ar, SL("A: b\r\n"), names, 2, true);
    CHECK_SL(buf_slice(&b), "A: b\r\n");
    done();
}

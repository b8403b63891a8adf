/* milter_test.c - packets as Sendmail's library writes and reads them. */
#include "base/test.h"
#include "milter.h"

#define PACKET(text) SL(text)

static int parse(struct arena *a, struct slice packet, struct milter_reply *r)
{
    size_t size;
    int e = milter_packet(packet, &size);
    if (e) return e;
    CHECK_INT(size, packet.n);
    return milter_reply_parse(a, packet, r);
}

TEST(milter_packets_are_written_as_mfdef_says)
{
    struct buf b = BUF_INIT;
    milter_put_options(&b);
    CHECK(sl_eq(buf_slice(&b), SL("\0\0\0\x0dO\0\0\0\x06\0\0\x01\xff\0\x1f\xf7\xff")));
    buf_clear(&b);
    milter_put_connect(&b, SL("mail.one.test"), 4, 0x1234, SL("192.0.2.1"));
    CHECK(sl_eq(buf_slice(&b), SL("\0\0\0\x1c"
                                  "Cmail.one.test\0"
                                  "4\x12\x34"
                                  "192.0.2.1\0")));
    buf_clear(&b);
    struct slice two[] = {SL("{auth_type}"), SL("PLAIN")};
    milter_put_macros(&b, MILTER_MAIL, two, 2);
    CHECK(sl_eq(buf_slice(&b), SL("\0\0\0\x14"
                                  "DM{auth_type}\0PLAIN\0")));
    buf_clear(&b);
    milter_put_header(&b, SL("To"), SL(" a,\r\n b"), false);
    CHECK(sl_eq(buf_slice(&b), SL("\0\0\0\x0a"
                                  "LTo\0a,\n b\0")));
    buf_clear(&b);
    milter_put_header(&b, SL("To"), SL(" a"), true);
    CHECK(sl_eq(buf_slice(&b), SL("\0\0\0\x07"
                                  "LTo\0 a\0")));
    buf_free(&b);
}

TEST(milter_packets_come_in_pieces)
{
    struct slice whole = PACKET("\0\0\0\x01"
                                "c");
    size_t size;
    for (size_t n = 0; n < whole.n; n++) {
        CHECK_OK(milter_packet(sl_sub(whole, 0, n), &size));
        CHECK_INT(size, 0);
    }
    CHECK_OK(milter_packet(whole, &size));
    CHECK_INT(size, 5);
    CHECK_ERR(milter_packet(SL("\0\0\0\0"), &size), ERR_SYNTAX);
    CHECK_ERR(milter_packet(SL("\0\x20\0\0"), &size), ERR_TOO_LONG);
}

TEST(milter_options_are_agreed_on)
{
    struct arena a = {0};
    struct milter_reply r;
    CHECK_OK(parse(&a,
                   PACKET("\0\0\0\x19"
                          "O\0\0\0\x06\0\0\0\x3f\0\0\0\x02\0\0\0\x03{a} {b}\0"
                          ""),
                   &r));
    CHECK_INT(r.options.actions, 0x3f);
    CHECK_INT(r.options.protocol, MILTER_NO_HELO);
    CHECK_SL(r.options.macros[MILTER_AT_RCPT], "{a} {b}");
    CHECK(!r.options.macros[MILTER_AT_MAIL].p);
    CHECK_ERR(parse(&a, PACKET("\0\0\0\x0dO\0\0\0\x07\0\0\0\0\0\0\0\0"), &r), ERR_UNSUPPORTED);
    CHECK_ERR(parse(&a, PACKET("\0\0\0\x0dO\0\0\0\x06\0\0\x02\0\0\0\0\0"), &r), ERR_UNSUPPORTED);
    CHECK_ERR(parse(&a, PACKET("\0\0\0\x0dO\0\0\0\x06\0\0\0\0\0\0\x08\0"), &r), ERR_UNSUPPORTED);
    CHECK_ERR(parse(&a, PACKET("\0\0\0\x05O\0\0\0\x06"), &r), ERR_SYNTAX);
    ar_free(&a);
}

static struct slice code(struct arena *a, const char *text, struct milter_reply *r)
{
    struct buf b = BUF_INIT;
    size_t n = strlen(text);
    buf_bytes(&b, (char[]){0, 0, (char)((n + 2) >> 8), (char)(n + 2), 'y'}, 5);
    buf_bytes(&b, text, n + 1);
    struct slice packet = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return parse(a, packet, r) ? SL("none") : r->text;
}

TEST(milter_replies_have_lines)
{
    struct arena a = {0};
    struct milter_reply r;
    CHECK_SL(code(&a, "550 5.7.1 Gtube pattern", &r), "Gtube pattern");
    CHECK_INT(r.code, 550);
    CHECK_SL(sl_cstr(r.enhanced), "5.7.1");
    CHECK_SL(code(&a, "451-4.2.1 one\r\n451-4.2.1 two\r\n451 4.2.1 three", &r), "one\ntwo\nthree");
    CHECK_SL(sl_cstr(r.enhanced), "4.2.1");
    CHECK_SL(code(&a, "550 4.7.1 of another class", &r), "of another class");
    CHECK_SL(sl_cstr(r.enhanced), "5.7.1");
    CHECK_SL(code(&a, "554 no\tpercent 100%% \x01\xff", &r), "no?percent 100%% ??");
    CHECK_SL(code(&a, "250 yes", &r), "none");
    CHECK_SL(code(&a, "5", &r), "none");
    CHECK_SL(code(&a, "550", &r), "");
    ar_free(&a);
}

TEST(milter_changes_are_read)
{
    struct arena a = {0};
    struct milter_reply r;
    CHECK_OK(parse(&a,
                   PACKET("\0\0\0\x0c"
                          "m\0\0\0\x02To\0x y\0"),
                   &r));
    CHECK_INT(r.index, 2);
    CHECK_SL(r.name, "To");
    CHECK_SL(r.value, "x y");
    CHECK_OK(parse(&a,
                   PACKET("\0\0\0\x06"
                          "+<a@b>"
                          "") /* no end */,
                   &r) == ERR_SYNTAX
                 ? 0
                 : ERR_STATE);
    CHECK_OK(parse(&a,
                   PACKET("\0\0\0\x07"
                          "+<a@b>\0"),
                   &r));
    CHECK_SL(r.text, "a@b");
    CHECK_ERR(parse(&a,
                    PACKET("\0\0\0\x08"
                           "hX:\0a\nb\0"),
                    &r),
              ERR_SYNTAX);
    CHECK_ERR(parse(&a,
                    PACKET("\0\0\0\x01"
                           "?"),
                    &r),
              ERR_SYNTAX);
    CHECK_INT(milter_action_of(MILTER_SAYS_INSERT_HEADER), MILTER_ADD_HEADER);
    ar_free(&a);
}

TEST(milter_header_values_cannot_break_out)
{
    struct arena a = {0};
    CHECK_SL(milter_header_value(&a, SL("one\n\ttwo\nBcc: x\r\rz\n\n"), false),
             " one\r\n\ttwo\r\n\tBcc: x\r\n\tz");
    CHECK_SL(milter_header_value(&a, SL(" x"), true), " x");
    CHECK_SL(milter_header_value(&a, SL("a\0b"), false), " a b");
    ar_free(&a);
}

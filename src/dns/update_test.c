/* update_test.c - answers of a primary server: signed, forged, cut off; keys. */
#include <stdlib.h>

#include "base/test.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "update_i.h"

#define KEY_TEXT                                                                                             \
    "key \"tram\" {\n\talgorithm hmac-sha256;\n\tsecret "                                                    \
    "\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\";\n};\n"
static const int64_t now = 1796000000;

/* An answer with one MX whose name is compressed, and the signature over it and what was asked (RFC 8945
 * section 5.3.1). */
static void make_answer(struct buf *out, const struct dns_key *key, const uint8_t asked[32], int64_t when)
{
    static const char head[] = "\x12\x34\x84\0\0\1\0\1\0\0\0\0", question[] = "\3one\4test\0\0\x0f\0\1",
                      mx[] = "\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\x09\0\x0a\4MAIL\xc0\x0c",
                      variables[] = "\4tram\0\0\xff\0\0\0\0\x0bhmac-sha256";
    struct buf b = BUF_INIT;
    uint8_t mac[32],
        time[8] = {0, 0, (uint8_t)(when >> 24), (uint8_t)(when >> 16), (uint8_t)(when >> 8), (uint8_t)when,
                   1, 44};
    buf_bytes(out, head, sizeof head - 1);
    buf_bytes(out, question, sizeof question - 1);
    buf_bytes(out, mx, sizeof mx - 1);
    buf_bytes(&b, "\0\x20", 2);
    buf_bytes(&b, asked, 32);
    buf_put(&b, buf_slice(out));
    buf_bytes(&b, variables, sizeof variables);
    buf_bytes(&b, time, 8);
    buf_bytes(&b, "\0\0\0\0", 4);
    hmac_sha256(key->secret, buf_slice(&b), mac);
    buf_free(&b);
    out->p[11] = 1;
    buf_bytes(out, "\4tram\0\0\xfa\0\xff\0\0\0\0\0\x3d\x0bhmac-sha256", 29);
    buf_bytes(out, time, 8);
    buf_bytes(out, "\0\x20", 2);
    buf_bytes(out, mac, 32);
    buf_bytes(out, "\x12\x34\0\0\0\0", 6);
}

TEST(update_answers_are_believed_when_signed)
{
    struct arena a;
    struct dns_key key;
    struct buf b = BUF_INIT;
    struct message m;
    struct message_rr rr;
    struct slice data, line;
    uint8_t asked[32] = {1, 2, 3}, other[32] = {1, 2, 4};
    ar_init(&a, 0);
    CHECK_OK(dns_key_parse(&a, SL(KEY_TEXT), &key));
    make_answer(&b, &key, asked, now);
    CHECK_OK(tsig_check(buf_slice(&b), SL("\x12\x34"), &key, asked, now + 200));
    CHECK_ERR(tsig_check(buf_slice(&b), SL("\x12\x35"), &key, asked, now), ERR_SYNTAX);
    CHECK_ERR(tsig_check(buf_slice(&b), SL("\x12\x34"), &key, other, now), ERR_DENIED);
    CHECK_ERR(tsig_check(buf_slice(&b), SL("\x12\x34"), &key, asked, now + 400),
              ERR_DENIED); /* said again later */
    CHECK_OK(message_open(&m, buf_slice(&b)));
    CHECK_OK(message_next(&m, &rr));
    CHECK_OK(message_data(&m, &rr, &a, &data));
    CHECK_OK(dns_line_data(&a, SL("one.test. IN MX 10 mail.one.test."), DNS_MX, &line));
    CHECK(sl_eq(data, line));
    buf_free(&b);
    ar_free(&a);
}

/* Whatever is cut off or changed: no answer is believed, and nothing outside of it is read. */
TEST(update_answers_that_are_damaged)
{
    struct arena a;
    struct dns_key key;
    struct buf b = BUF_INIT;
    uint8_t asked[32] = {1, 2, 3};
    ar_init(&a, 0);
    CHECK_OK(dns_key_parse(&a, SL(KEY_TEXT), &key));
    make_answer(&b, &key, asked, now);
    for (size_t n = 0; n < b.n; n++) {
        char *copy = xmalloc(n + 1); /* exactly so long: for the sanitizers */
        memcpy(copy, b.p, n);
        CHECK(tsig_check(sl(copy, n), SL("\x12\x34"), &key, asked, now) < 0);
        free(copy);
    }
    for (size_t i = 0; i < b.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.p[i] = (char)(b.p[i] ^ 1 << bit);
            bool is_case = bit == 5 && i > b.n - 80 && i < b.n - 48 &&
                           is_alpha(b.p[i]); /* of the key's and algorithm's names */
            if (!is_case) CHECK(tsig_check(buf_slice(&b), SL("\x12\x34"), &key, asked, now) < 0);
            b.p[i] = (char)(b.p[i] ^ 1 << bit);
        }
    buf_free(&b);
    ar_free(&a);
}

/* What a server of one.test, b.one.test and other.test says when it is asked for the SOA of a name. */
#define ASKED(labels) "\0\1\x84\0\0\1\0\1\0\1\0\0" labels "\0\0\6\0\1"
#define SOA_OF(owner)                                                                                        \
    owner "\0\6\0\1\0\0\0\x3c\0\x16\0\0"                                                                     \
          "\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1"

/* The zone of an alias is not that of its target, also where that lies above it. */
TEST(update_the_zone_of_an_alias)
{
    static const char elsewhere[] = ASKED(
        "\1m\1b\3one\4test") "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\x0e\1x\5other\4test\0" SOA_OF("\5other\4test\0");
    static const char above[] =
        ASKED("\1m\1b\3one\4test") "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1x\xc0\x10" SOA_OF("\3one\4test\0");
    static const char plain[] =
        "\0\1\x84\3\0\1\0\0\0\1\0\0\1M\1b\3ONE\4test\0\0\6\0\1" SOA_OF("\3one\4test\0");
    struct arena a;
    struct slice zone;
    bool alias;
    ar_init(&a, 0);
    CHECK_OK(message_zone(sl(elsewhere, sizeof elsewhere - 1), SL("m.b.one.test"), &a, &zone, &alias));
    CHECK(alias);
    CHECK_OK(message_zone(sl(above, sizeof above - 1), SL("m.b.one.test"), &a, &zone, &alias));
    CHECK(alias);
    CHECK_OK(message_zone(sl(plain, sizeof plain - 1), SL("m.b.One.test"), &a, &zone, &alias));
    CHECK(!alias);
    CHECK_SL(zone, "one.test");
    CHECK_ERR(message_zone(sl(plain, sizeof plain - 1), SL("m.none.test"), &a, &zone, &alias), ERR_NOT_FOUND);
    for (size_t n = 0; n < sizeof above - 1; n++)
        CHECK(message_zone(sl(above, n), SL("m.b.one.test"), &a, &zone, &alias) < 0);
    ar_free(&a);
}

TEST(update_keys)
{
    struct arena a;
    struct dns_key key;
    ar_init(&a, 0);
    CHECK_OK(dns_key_parse(&a, SL(KEY_TEXT), &key));
    CHECK_SL(key.name, "tram");
    CHECK_SL(key.secret, "0123456789abcdef0123456789abcdef");
    CHECK_ERR(dns_key_parse(&a, SL(""), &key), ERR_SYNTAX);
    CHECK_ERR(dns_key_parse(&a, SL("key x { algorithm hmac-sha256; secret \"c2hvcnQ=\"; };"), &key),
              ERR_SYNTAX);
    CHECK_ERR(
        dns_key_parse(&a, SL("key x { algorithm hmac-md5; secret \"MDEyMzQ1Njc4OWFiY2RlZg==\"; };"), &key),
        ERR_UNSUPPORTED);
    ar_free(&a);
}

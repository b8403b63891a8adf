/* scram_test.c - passwords, stored keys and the exchange, by the example of RFC 7677. */
#include "base/test.h"
#include "base/text.h"
#include "crypto.h"

static struct scram_keys pencil(void)
{
    struct arena a = {0};
    struct scram_keys k = {0};
    struct slice salt = {0};
    CHECK_OK(b64_decode_ar(&a, SL("W22ZaJ0SNY7soEsUEjb6gQ=="), true, &salt));
    CHECK_OK(scram_derive(SCRAM_SHA256, SL("pencil"), (const uint8_t *)salt.p, 4096, &k));
    ar_free(&a);
    return k;
}

#define C_NONCE "rOprNGfwEbeRWgbNEkqO"
#define S_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

/* Is it the password that the keys were derived from? */
static bool is_password(const struct scram_keys *k, struct slice password)
{
    struct scram_keys got;
    int e = scram_derive(k->kind, password, k->salt, k->iterations, &got);
    return !e && !memcmp(got.stored_key, k->stored_key, scram_size(k->kind));
}

TEST(scram_exchange_of_rfc7677)
{
    struct arena a = {0};
    struct scram_keys k = pencil();
    struct scram_server s = {0};
    struct slice out;
    REQUIRE(scram_first(&s, &a, SL("n,,n=user,r=" C_NONCE), false) == 0);
    CHECK_SL(s.user, "user");
    CHECK_SL(scram_challenge(&s, &k, SL(S_NONCE)), "r=" C_NONCE S_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    REQUIRE(scram_final(&s, SL("c=biws,r=" C_NONCE S_NONCE ",p=" PROOF), &out) == 0);
    CHECK_SL(out, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");

    CHECK_ERR(scram_final(&s,
                          SL("c=biws,r=" C_NONCE S_NONCE ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
                          &out),
              ERR_DENIED);
    CHECK_ERR(scram_final(&s, SL("c=biws,r=" C_NONCE "X" S_NONCE ",p=" PROOF), &out), ERR_DENIED);
    CHECK_ERR(scram_final(&s, SL("c=eSws,r=" C_NONCE S_NONCE ",p=" PROOF), &out), ERR_DENIED); /* "y,," */
    static const char *const bad[] = {
        "",
        ",",
        "c=biws",
        "c=biws,r=x",
        "c=biws,p=" PROOF,
        "r=" C_NONCE S_NONCE ",c=biws,p=" PROOF,
        "c=biws,r=" C_NONCE S_NONCE ",p=AAAA",
        "c=biws,r=" C_NONCE S_NONCE ",p=" PROOF ",x=1",
        "p=" PROOF,
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_ERR(scram_final(&s, sl_cstr(bad[i]), &out), ERR_SYNTAX);
    ar_free(&a);
}

/* RFC 5802 section 5. */
TEST(scram_exchange_of_rfc5802)
{
    struct arena a = {0};
    struct scram_keys k;
    struct scram_server s = {0};
    struct slice out, salt = {0};
    CHECK_OK(b64_decode_ar(&a, SL("QSXCR+Q6sek8bf92AAAAAA=="), true, &salt));
    CHECK_OK(scram_derive(SCRAM_SHA1, SL("pencil"), (const uint8_t *)salt.p, 4096, &k));
    CHECK(is_password(&k, SL("pencil")));
    CHECK(!is_password(&k, SL("pencils")));
    REQUIRE(scram_first(&s, &a, SL("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"), false) == 0);
    scram_challenge(&s, &k, SL("3rfcNHYJY1ZVvWVs7j"));
    struct slice sent = SL("c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=");
    CHECK_ERR(scram_final(&s, ar_cat(&a, sent, SL("v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")), &out), ERR_DENIED);
    CHECK_ERR(scram_final(&s, ar_cat(&a, sent, SL(PROOF)), &out), ERR_SYNTAX); /* of the other length */
    ar_free(&a);
}

TEST(scram_first_messages)
{
    static const struct {
        const char *msg;
        int want;
        const char *user;
    } t[] = {
        {"n,,n=user,r=abc", 0, "user"},
        {"y,,n=user,r=abc", 0, "user"},
        {"n,a=user,n=user,r=abc", 0, "user"},
        {"n,,n=a=2Cb=3Dc,r=abc", 0, "a,b=c"},
        {"n,,n=user,r=abc,x=ext,y=more", 0, "user"},
        {"n,,n=u\xCC\x88ser,r=abc", 0, "\xC3\xBCser"}, /* NFC */
        {"n,a=boss,n=user,r=abc", ERR_DENIED, 0},
        {"p=tls-exporter,,n=user,r=abc", ERR_DENIED, 0}, /* nothing to bind to */
        {"n,,m=ext,n=user,r=abc", ERR_SYNTAX, 0},
        {"n,,n=us=er,r=abc", ERR_SYNTAX, 0},
        {"n,,n=us=2cer,r=abc", ERR_SYNTAX, 0},
        {"n,,n=,r=abc", ERR_SYNTAX, 0},
        {"n,,n=user,r=", ERR_SYNTAX, 0},
        {"n,,n=user,r=a\x7f", ERR_SYNTAX, 0},
        {"n,,n=user", ERR_SYNTAX, 0},
        {"n,,r=abc,n=user", ERR_SYNTAX, 0},
        {"n,x,n=user,r=abc", ERR_SYNTAX, 0},
        {"q,,n=user,r=abc", ERR_SYNTAX, 0},
        {"n,", ERR_SYNTAX, 0},
        {"n", ERR_SYNTAX, 0},
        {"", ERR_SYNTAX, 0},
        {"n,,n=\xff,r=abc", ERR_SYNTAX, 0},
        {"p=,,n=user,r=abc", ERR_SYNTAX, 0},
        {"p=a-name-that-is-too-long-to-be-kept,,n=user,r=abc", ERR_SYNTAX, 0},
    };
    struct arena a = {0};
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct scram_server s = {0};
        CHECK_ERR(scram_first(&s, &a, sl_cstr(t[i].msg), false), t[i].want);
        if (!t[i].want) CHECK_SL(s.user, t[i].user);
    }
    struct scram_server s = {0};
    struct slice huge = sl(memset(ar_alloc(&a, 9000), 'a', 9000), 9000);
    CHECK_ERR(scram_first(&s, &a, ar_cat(&a, SL("n,,n=u,r="), huge), false), ERR_SYNTAX);
    ar_free(&a);
}

/* What a client with the stored keys' ClientKey would send: RFC 5802 section 3. */
static struct slice client_final(struct arena *a, struct slice password, const struct scram_keys *k,
                                 struct slice first_bare, struct slice server_first, struct slice c,
                                 struct slice nonce)
{
    uint8_t salted[32], block[32], key[32], stored[32], sig[32];
    struct slice p = password;
    hmac_sha256(p, ar_cat(a, sl(k->salt, 16), sl("\0\0\0\1", 4)), block);
    memcpy(salted, block, 32);
    for (uint32_t i = 1; i < k->iterations; i++) {
        hmac_sha256(p, sl(block, 32), block);
        for (int j = 0; j < 32; j++) salted[j] ^= block[j];
    }
    hmac_sha256(sl(salted, 32), SL("Client Key"), key);
    hash_once(HASH_SHA256, sl(key, 32), stored);
    struct slice without = ar_printf(a, "c=%.*s,r=%.*s", SLF(b64_encode_ar(a, c)), SLF(nonce));
    hmac_sha256(sl(stored, 32),
                ar_printf(a, "%.*s,%.*s,%.*s", SLF(first_bare), SLF(server_first), SLF(without)), sig);
    for (int j = 0; j < 32; j++) sig[j] ^= key[j];
    return ar_printf(a, "%.*s,p=%.*s", SLF(without), SLF(b64_encode_ar(a, sl(sig, 32))));
}

TEST(scram_channel_binding)
{
    struct arena a = {0};
    struct scram_keys k;
    struct slice out;
    const uint8_t salt[16] = "0123456789abcde";
    CHECK_OK(scram_derive(SCRAM_SHA256, SL("secret"), salt, 100, &k));
    struct scram_server s = {.cb_size = 32, .cb_data = "exported by TLS"};
    CHECK_ERR(scram_first(&s, &a, SL("y,,n=user,r=abc"), false), ERR_DENIED);
    CHECK_ERR(scram_first(&s, &a, SL("n,,n=user,r=abc"), true), ERR_DENIED);
    CHECK_ERR(scram_first(&s, &a, SL("p=tls-unique,,n=user,r=abc"), true), ERR_DENIED);
    CHECK_ERR(scram_first(&s, &a, SL("p=tls-exporter,,n=user,r=abc"), false), ERR_DENIED);

    REQUIRE(scram_first(&s, &a, SL("p=tls-exporter,,n=user,r=abc"), true) == 0);
    struct slice first = scram_challenge(&s, &k, SL("def"));
    struct slice bare = SL("n=user,r=abc"), gs2 = SL("p=tls-exporter,,");
    struct slice right = ar_cat(&a, gs2, sl(s.cb_data, s.cb_size));
    CHECK_OK(scram_final(&s, client_final(&a, SL("secret"), &k, bare, first, right, SL("abcdef")), &out));
    CHECK_ERR(scram_final(&s, client_final(&a, SL("secret"), &k, bare, first, gs2, SL("abcdef")), &out),
              ERR_DENIED);
    CHECK_ERR(scram_final(&s, client_final(&a, SL("secrex"), &k, bare, first, right, SL("abcdef")), &out),
              ERR_DENIED);
    ar_free(&a);
}

TEST(scram_keys_and_passwords)
{
    struct scram_keys k = pencil(), again;
    struct buf t = BUF_INIT;
    CHECK(is_password(&k, SL("pencil")));
    CHECK(!is_password(&k, SL("pencils")));
    CHECK(!is_password(&k, SL("")));
    scram_keys_text(&k, &t);
    CHECK(sl_starts(buf_slice(&t), SL("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")));
    CHECK_OK(scram_keys_parse(buf_slice(&t), &again));
    CHECK(again.iterations == 4096 && !memcmp(&again, &k, sizeof k));
    for (size_t n = 0; n < t.n; n++)
        CHECK_ERR(scram_keys_parse(sl_sub(buf_slice(&t), 0, n), &again), ERR_SYNTAX);
    CHECK_ERR(scram_keys_parse(SL("SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==$a:b"), &again), ERR_SYNTAX);
    CHECK_ERR(scram_derive(SCRAM_SHA256, SL("x"), k.salt, 0, &again), ERR_USAGE);
    CHECK_ERR(scram_derive(SCRAM_SHA256, SL("x"), k.salt, 2000000, &again), ERR_USAGE);
    buf_free(&t);
}

TEST(scram_decoy_is_stable_and_fits_nothing)
{
    struct scram_keys a, b, c;
    const uint8_t secret[32] = "node secret";
    scram_decoy(SL("ghost@tram.test"), secret, &a);
    scram_decoy(SL("ghost@tram.test"), secret, &b);
    scram_decoy(SL("other@tram.test"), secret, &c);
    CHECK(!memcmp(&a, &b, sizeof a) && memcmp(a.salt, c.salt, 16));
    CHECK_INT(a.iterations, SCRAM_ROUNDS);
    CHECK(!is_password(&a, SL("x")));
}

/* RFC 8265 section 4.3, tables 3 and 4, and the classes of RFC 8264. */
TEST(opaque_string_examples)
{
    static const struct {
        const char *in, *out;
    } t[] = {
        {"correct horse battery staple", "correct horse battery staple"},
        {"Correct Horse Battery Staple", "Correct Horse Battery Staple"},
        {"\xCF\x80\xC3\x9F\xC3\xA5", "\xCF\x80\xC3\x9F\xC3\xA5"},
        {"Jack of \xE2\x99\xA6s", "Jack of \xE2\x99\xA6s"},
        {"foo\xE1\x9A\x80"
         "bar",
         "foo bar"},
        {"a\xC2\xA0z", "a z"},
        {"e\xCC\x81", "\xC3\xA9"},
        {"\xE0\xA4\x95\xE0\xA5\x8D\xE2\x80\x8D",
         "\xE0\xA4\x95\xE0\xA5\x8D\xE2\x80\x8D"}, /* ZWJ after virama */
        {"", 0},
        {"my cat is a \tby", 0},
        {"nul\x01", 0},
        {"a\xE2\x80\x8D", 0}, /* ZWJ alone */
        {"a\xC2\xAD", 0},     /* SOFT HYPHEN */
        {"\xEE\x80\x80", 0},  /* private use */
        {"\xEF\xBF\xBF", 0},  /* noncharacter */
        {"\xE1\x84\x80", 0},  /* Hangul Jamo */
        {"\xC3", 0},
        {"\xED\xA0\x80", 0},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct buf b = BUF_INIT;
        CHECK_ERR(opaque_string(sl_cstr(t[i].in), &b), t[i].out ? 0 : ERR_SYNTAX);
        if (t[i].out) CHECK_SL(buf_slice(&b), t[i].out);
        buf_free(&b);
    }
    struct buf b = BUF_INIT;
    char big[1025];
    memset(big, 'a', sizeof big);
    CHECK_ERR(opaque_string(sl(big, sizeof big), &b), ERR_TOO_LONG);
    CHECK_OK(opaque_string(sl(big, 1024), &b));
    buf_free(&b);
}

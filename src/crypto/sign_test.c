/* sign_test.c - keys and signatures against the examples of RFC 6376 and RFC 8463. */
#include "base/test.h"
#include "base/text.h"
#include "crypto.h"

/* RFC 8463 section A.1, A.2 */
static const char rsa_pem[] = "-----BEGIN RSA PRIVATE KEY-----\n"
                              "MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi\n"
                              "Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM\n"
                              "KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB\n"
                              "AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm\n"
                              "6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe\n"
                              "zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy\n"
                              "6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc\n"
                              "uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy\n"
                              "WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd\n"
                              "WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a\n"
                              "licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst\n"
                              "o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe\n"
                              "uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL\n"
                              "-----END RSA PRIVATE KEY-----\n";
static const char rsa_p[] = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR"
                            "iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC"
                            "DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3"
                            "Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
static const char ed_secret[] = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
static const char ed_p[] = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

/* The relaxed header fields of RFC 8463 section A.3, in the order of h=. */
#define SIGNED_FIELDS                                                                                        \
    "from:Joe SixPack <joe@football.example.com>\r\n"                                                        \
    "to:Suzie Q <suzie@shopping.example.net>\r\n"                                                            \
    "subject:Is dinner ready?\r\n"                                                                           \
    "date:Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"                                                         \
    "message-id:<20030712040037.46341.5F8J@football.example.com>\r\n"
#define BH "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b="
static const char ed_input[] = SIGNED_FIELDS
    "dkim-signature:v=1; a=ed25519-sha256; c=relaxed/relaxed; d=football.example.com; "
    "i=@football.example.com; q=dns/txt; s=brisbane; t=1528637909; h=from : to : subject : date : "
    "message-id : from : subject : date; " BH;
static const char ed_b[] = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus"
                           "Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==";
static const char rsa_input[] =
    SIGNED_FIELDS "dkim-signature:v=1; a=rsa-sha256; c=relaxed/relaxed; d=football.example.com; "
                  "i=@football.example.com; q=dns/txt; s=test; t=1528637909; h=from : to : subject : date : "
                  "message-id : from : subject : date; " BH;
static const char rsa_b[] = "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3"
                            "DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
                            "dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=";

static struct slice unb64(struct arena *a, const char *text)
{
    struct slice out = {0};
    CHECK_OK(b64_decode_ar(a, sl_cstr(text), true, &out));
    return out;
}

/* PKCS#8 around a raw Ed25519 seed (RFC 8410 section 7). */
static struct slice ed_pem(struct arena *a)
{
    struct slice der = ar_cat(a, sl("\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20", 16),
                              unb64(a, ed_secret));
    return ar_printf(a, "-----BEGIN PRIVATE KEY-----\n%.*s\n-----END PRIVATE KEY-----\n",
                     SLF(b64_encode_ar(a, der)));
}

TEST(sign_body_hash_of_rfc8463)
{
    struct arena a = {0};
    uint8_t h[HASH_MAX];
    hash_once(HASH_SHA256, SL("Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n"), h);
    CHECK_SL(b64_encode_ar(&a, sl(h, 32)), "2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=");
    ar_free(&a);
}

static void example(enum key_kind kind, const char *p, const char *input, const char *b, struct slice pem)
{
    struct arena a = {0};
    struct buf out = BUF_INIT;
    struct verify_key *v = NULL;
    struct sign_key *s = NULL;
    uint8_t digest[HASH_MAX];
    CHECK_OK(verify_key_from(kind, unb64(&a, p), &v));
    CHECK_OK(sign_key_from_pem(pem, &s));
    if (!v || !s) return;
    CHECK_INT(sign_key_kind(s), kind);
    sign_key_public(s, &out);
    CHECK_SL(b64_encode_ar(&a, buf_slice(&out)), p);

    hash_once(HASH_SHA256, sl_cstr(input), digest);
    struct slice sig = unb64(&a, b);
    CHECK_OK(verify_digest(v, HASH_SHA256, digest, sig));
    buf_clear(&out);
    CHECK_OK(sign_digest(s, digest, &out)); /* both schemes are deterministic */
    CHECK_SL(b64_encode_ar(&a, buf_slice(&out)), b);

    digest[7] ^= 1;
    CHECK_ERR(verify_digest(v, HASH_SHA256, digest, sig), ERR_DENIED);
    CHECK_ERR(verify_digest(v, HASH_SHA256, digest, sl_sub(sig, 0, sig.n - 1)), ERR_SYNTAX);
    CHECK_ERR(verify_digest(v, HASH_SHA256, digest, SL("")), ERR_SYNTAX);
    digest[7] ^= 1;
    ((char *)sig.p)[3] ^= 64;
    CHECK_ERR(verify_digest(v, HASH_SHA256, digest, sig), ERR_DENIED);
    verify_key_free(&v);
    sign_key_free(&s);
    CHECK(!v && !s);
    buf_free(&out);
    ar_free(&a);
}

TEST(sign_examples_of_rfc8463)
{
    struct arena a = {0};
    example(KEY_RSA, rsa_p, rsa_input, rsa_b, sl_cstr(rsa_pem));
    example(KEY_ED25519, ed_p, ed_input, ed_b, ed_pem(&a));
    ar_free(&a);
}

static void round_trip(enum key_kind kind, int bits)
{
    struct sign_key *k = NULL, *again = NULL;
    struct verify_key *v = NULL;
    struct buf pem = BUF_INIT, pub = BUF_INIT, sig = BUF_INIT;
    uint8_t digest[HASH_MAX];
    hash_once(HASH_SHA256, SL("x"), digest);
    REQUIRE(sign_key_new(kind, bits, &k) == 0);
    sign_key_pem(k, &pem);
    REQUIRE(sign_key_from_pem(buf_slice(&pem), &again) == 0);
    CHECK_INT(sign_key_bits(again), sign_key_bits(k));
    sign_key_public(k, &pub);
    REQUIRE(verify_key_from(kind, buf_slice(&pub), &v) == 0);
    CHECK_INT(verify_key_bits(v), sign_key_bits(k));
    CHECK_OK(sign_digest(again, digest, &sig));
    CHECK_OK(verify_digest(v, HASH_SHA256, digest, buf_slice(&sig)));
    sign_key_free(&k), sign_key_free(&again), verify_key_free(&v);
    buf_free(&pem), buf_free(&pub), buf_free(&sig);
}

TEST(sign_new_keys)
{
    struct sign_key *k = NULL;
    round_trip(KEY_RSA, 1024);
    round_trip(KEY_ED25519, 0);
    CHECK_ERR(sign_key_new(KEY_RSA, 100, &k), ERR_USAGE);
    CHECK_ERR(sign_key_new(KEY_RSA, 1 << 20, &k), ERR_USAGE);
}

TEST(sign_public_key_forms)
{
    struct arena a = {0};
    struct verify_key *v = NULL;
    uint8_t digest[HASH_MAX];
    struct slice spki = unb64(&a, rsa_p);
    /* The RSAPublicKey lies in the BIT STRING at the end of the SubjectPublicKeyInfo. */
    CHECK_OK(verify_key_from(KEY_RSA, sl_from(spki, 22), &v));
    REQUIRE(v);
    CHECK_INT(verify_key_bits(v), 1024);
    hash_once(HASH_SHA256, sl_cstr(rsa_input), digest);
    CHECK_OK(verify_digest(v, HASH_SHA256, digest, unb64(&a, rsa_b)));
    CHECK_ERR(verify_digest(v, HASH_SHA1, digest, unb64(&a, rsa_b)), ERR_DENIED);
    verify_key_free(&v);

    for (size_t n = 0; n < spki.n; n++)
        CHECK_ERR(verify_key_from(KEY_RSA, sl_sub(spki, 0, n), &v), ERR_SYNTAX);
    CHECK_ERR(verify_key_from(KEY_RSA, ar_cat(&a, spki, SL("x")), &v), ERR_SYNTAX);
    CHECK_ERR(verify_key_from(KEY_ED25519, spki, &v), ERR_SYNTAX);
    CHECK_ERR(verify_key_from(KEY_RSA, unb64(&a, ed_p), &v), ERR_SYNTAX);
    struct slice huge = sl(ar_zalloc(&a, 100000), 100000);
    CHECK_ERR(verify_key_from(KEY_RSA, huge, &v), ERR_SYNTAX);
    ar_free(&a);
}

/* Changes one thing of the SubjectPublicKeyInfo of RFC 8463 and expects that it is refused. */
static void refused(struct slice spki, size_t at, const char *from, const char *to, size_t n)
{
    struct arena a = {0};
    struct verify_key *v = NULL;
    struct slice changed = ar_dup(&a, spki);
    CHECK(memcmp(changed.p + at, from, n) == 0);
    memcpy((char *)changed.p + at, to, n);
    CHECK_ERR(verify_key_from(KEY_RSA, changed, &v), ERR_SYNTAX);
    CHECK(!v);
    ar_free(&a);
}

TEST(sign_public_key_is_read_strictly)
{
    struct arena a = {0};
    struct slice spki = unb64(&a, rsa_p);
    REQUIRE(spki.n == 162);
    refused(spki, 0, "\x30", "\x31", 1);          /* no SEQUENCE */
    refused(spki, 1, "\x81\x9f", "\x80\x9f", 2);  /* indefinite length */
    refused(spki, 1, "\x81\x9f", "\x81\xa0", 2);  /* longer than the bytes */
    refused(spki, 1, "\x81\x9f", "\x81\x9e", 2);  /* shorter */
    refused(spki, 1, "\x81\x9f", "\x89\x9f", 2);  /* a length of nine octets */
    refused(spki, 15, "\x01", "\x0a", 1);         /* id-RSASSA-PSS */
    refused(spki, 16, "\x05\x00", "\x04\x00", 2); /* parameters that are not NULL */
    refused(spki, 21, "\x00", "\x01", 1);         /* unused bits */
    refused(spki, 28, "\x00\xe4", "\x00\x64", 2); /* modulus with an octet too many */
    refused(spki, 28, "\x00\xe4", "\x80\xe4", 2); /* modulus negative */
    refused(spki, 156, "\xdd", "\xdc", 1);        /* modulus even */
    refused(spki, 157, "\x02\x03\x01\x00\x01", "\x02\x03\x00\x00\x01", 5); /* exponent with octets too many */
    refused(spki, 157, "\x02\x03\x01\x00\x01", "\x02\x03\x81\x00\x01", 5); /* exponent negative */
    refused(spki, 157, "\x02\x03\x01\x00\x01", "\x02\x03\x01\x00\x02", 5); /* exponent even */
    refused(spki, 157, "\x02\x03\x01\x00\x01", "\x02\x01\x03\x00\x01", 5); /* something behind it */
    ar_free(&a);
}

/* RSAPublicKey with a modulus of n octets, all of them 0xff, and an exponent. */
static struct slice made_key(struct arena *a, unsigned n, struct slice exponent)
{
    char len[] = {(char)0x82, (char)((n + 1) >> 8), (char)(n + 1)};
    char *ones = ar_alloc(a, n);
    memset(ones, 0xff, n);
    struct slice modulus = ar_cat(a, ar_cat(a, sl("\x02", 1), sl(len, 3)), ar_cat(a, sl("", 1), sl(ones, n)));
    char elen = (char)exponent.n;
    struct slice in = ar_cat(a, modulus, ar_cat(a, sl("\x02", 1), ar_cat(a, sl(&elen, 1), exponent)));
    char all[] = {0x30, (char)0x82, (char)(in.n >> 8), (char)in.n};
    return ar_cat(a, sl(all, 4), in);
}

TEST(sign_public_key_numbers)
{
    struct arena a = {0};
    struct verify_key *v = NULL;
    CHECK_OK(verify_key_from(KEY_RSA, made_key(&a, 512, SL("\x01\x00\x01")), &v));
    CHECK_INT(verify_key_bits(v), 4096);
    verify_key_free(&v);
    CHECK_OK(verify_key_from(KEY_RSA, made_key(&a, 1024, SL("\x03")), &v));
    CHECK_INT(verify_key_bits(v), 8192);
    verify_key_free(&v);
    CHECK_ERR(verify_key_from(KEY_RSA, made_key(&a, 1025, SL("\x03")), &v), ERR_SYNTAX);
    CHECK_ERR(verify_key_from(KEY_RSA, made_key(&a, 1500, SL("\x03")), &v), ERR_SYNTAX);
    CHECK_ERR(verify_key_from(KEY_RSA, made_key(&a, 256, SL("\x01")), &v), ERR_SYNTAX);
    CHECK_ERR(verify_key_from(KEY_RSA, made_key(&a, 256, SL("\x00")), &v), ERR_SYNTAX);
    CHECK_ERR(verify_key_from(KEY_RSA, made_key(&a, 256, SL("")), &v), ERR_SYNTAX);
    CHECK_OK(verify_key_from(KEY_RSA, made_key(&a, 256, SL("\x01\x00\x00\x00\x00\x00\x00\x01")), &v));
    verify_key_free(&v);
    struct slice nine = SL("\x01\x00\x00\x00\x00\x00\x00\x00\x01");
    CHECK_ERR(verify_key_from(KEY_RSA, made_key(&a, 256, nine), &v), ERR_SYNTAX);
    CHECK_ERR(verify_key_from(KEY_RSA, made_key(&a, 300, SL("\x01\x00\x02")), &v), ERR_SYNTAX);
    ar_free(&a);
}

TEST(sign_bad_pem)
{
    struct arena a = {0};
    struct sign_key *k = NULL;
    struct slice pem = sl_cstr(rsa_pem);
    CHECK_ERR(sign_key_from_pem(SL(""), &k), ERR_SYNTAX);
    CHECK_ERR(sign_key_from_pem(SL("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), &k),
              ERR_SYNTAX);
    for (size_t n = 0; n < pem.n - 10; n += 41)
        CHECK_ERR(sign_key_from_pem(sl_sub(pem, 0, n), &k), ERR_SYNTAX);
    /* an encrypted key: refused without asking anybody */
    CHECK_ERR(sign_key_from_pem(SL("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
                                   "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                                   "AAAAAAAAAAAAAAAAAAAAAA==\n-----END RSA PRIVATE KEY-----\n"),
                                &k),
              ERR_SYNTAX);
    CHECK(!k);
    ar_free(&a);
}

TEST(hash_known_answers)
{
    struct arena a = {0};
    struct buf hex = BUF_INIT;
    uint8_t h[HASH_MAX];
    static const struct {
        enum hash_kind k;
        const char *hex;
    } abc[] = {{HASH_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
               {HASH_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
               {HASH_MD5, "900150983cd24fb0d6963f7d28e17f72"}};
    for (size_t i = 0; i < COUNT_OF(abc); i++) {
        struct hash x, y;
        hash_init(&x, abc[i].k);
        hash_add(&x, SL("a"));
        hash_copy(&y, &x);
        hash_add(&x, SL("bc"));
        hash_add(&y, SL("zz"));
        hash_end(&x, h);
        buf_clear(&hex);
        hex_encode(&hex, sl(h, hash_size(abc[i].k)));
        CHECK_SL(buf_slice(&hex), abc[i].hex);
        hash_drop(&y);
        hash_drop(&y);
    }
    hmac_sha256(SL("Jefe"), SL("what do ya want for nothing?"), h); /* RFC 4231 section 4.3 */
    buf_clear(&hex);
    hex_encode(&hex, sl(h, 32));
    CHECK_SL(buf_slice(&hex), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    hmac_sha256(SL(""), SL(""), h);
    buf_clear(&hex);
    hex_encode(&hex, sl(h, 32));
    CHECK_SL(buf_slice(&hex), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    CHECK(same_secret(SL("abc"), SL("abc")) && !same_secret(SL("abc"), SL("abd")) &&
          !same_secret(SL("a"), SL("")));
    buf_free(&hex);
    ar_free(&a);
}

/* es256_test.c - keys, signatures, requests. */
#include "es256.h"

#include "crypto_i.h"

#include <openssl/ecdsa.h>
#include <openssl/x509v3.h>

#include "base/test.h"

TEST(es256_keys_survive_pem)
{
    struct es256 *k, *again;
    struct buf pem = BUF_INIT;
    uint8_t x[2][32], y[2][32];
    REQUIRE(es256_new(&k) == 0);
    es256_pem(k, &pem);
    REQUIRE(es256_from_pem(buf_slice(&pem), &again) == 0);
    es256_public(k, x[0], y[0]);
    es256_public(again, x[1], y[1]);
    CHECK(memcmp(x[0], x[1], 32) == 0 && memcmp(y[0], y[1], 32) == 0);
    es256_free(&k);
    es256_free(&again);
    CHECK_ERR(es256_from_pem(SL("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), &k),
              ERR_SYNTAX);
    CHECK_ERR(es256_from_pem(SL(""), &k), ERR_SYNTAX);
    buf_free(&pem);
}

/* OpenSSL verifies what es256_sign() made, from the bytes of the request's public key. */
static bool verifies(EVP_PKEY *key, const uint8_t sig[64], struct slice bytes)
{
    uint8_t *der = NULL;
    ECDSA_SIG *s = ECDSA_SIG_new();
    ECDSA_SIG_set0(s, BN_bin2bn(sig, 32, NULL), BN_bin2bn(sig + 32, 32, NULL));
    int n = i2d_ECDSA_SIG(s, &der);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
              EVP_DigestVerify(c, der, (size_t)n, (const uint8_t *)bytes.p, bytes.n) == 1;
    EVP_MD_CTX_free(c);
    ECDSA_SIG_free(s);
    OPENSSL_free(der);
    return ok;
}

TEST(es256_requests_and_signatures)
{
    struct es256 *k;
    struct buf der = BUF_INIT;
    uint8_t sig[64];
    const struct slice names[] = {SL_INIT("mail.one.test"), SL_INIT("mta-sts.one.test")},
                       bad[] = {SL_INIT("a,DNS:evil.test")};
    REQUIRE(es256_new(&k) == 0);
    CHECK_OK(es256_request(k, names, 2, &der));
    const uint8_t *at = (const uint8_t *)der.p;
    X509_REQ *r = d2i_X509_REQ(NULL, &at, (long)der.n);
    REQUIRE(r);
    EVP_PKEY *key = X509_REQ_get0_pubkey(r);
    CHECK(X509_REQ_verify(r, key) == 1);
    for (int i = 0; i < 50; i++) {
        CHECK_OK(es256_sign(k, SL("some bytes"), sig));
        CHECK(verifies(key, sig, SL("some bytes")) && !verifies(key, sig, SL("some byteS")));
    }
    STACK_OF(X509_EXTENSION) *all = X509_REQ_get_extensions(r);
    GENERAL_NAMES *got = X509V3_get_d2i(all, NID_subject_alt_name, NULL, NULL);
    CHECK(got && sk_GENERAL_NAME_num(got) == 2);
    GENERAL_NAMES_free(got);
    sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
    CHECK_ERR(es256_request(k, bad, 1, &der), ERR_USAGE);
    CHECK_ERR(es256_request(k, names, 0, &der), ERR_USAGE);
    X509_REQ_free(r);
    es256_free(&k);
    buf_free(&der);
}

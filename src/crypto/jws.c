/* jws.c - signatures of JSON Web Signature by keys of others (RFC 7515, 7518, 8037). */
#include "jws.h"

#include "crypto_i.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>

enum { RSA_LEAST = 2048, RSA_MOST = 8192, POINT_MAX = 66 };

struct way {
    const char *alg, *type, *curve, *digest;
    size_t number; /* ES: bytes of R and of S */
    bool pss;
};
static const struct way ways[] = {
    {"RS256", "RSA", "", "SHA256", 0, false},      {"RS384", "RSA", "", "SHA384", 0, false},
    {"RS512", "RSA", "", "SHA512", 0, false},      {"PS256", "RSA", "", "SHA256", 0, true},
    {"PS384", "RSA", "", "SHA384", 0, true},       {"PS512", "RSA", "", "SHA512", 0, true},
    {"ES256", "EC", "P-256", "SHA256", 32, false}, {"ES384", "EC", "P-384", "SHA384", 48, false},
    {"ES512", "EC", "P-521", "SHA512", 66, false}, {"EdDSA", "OKP", "Ed25519", NULL, 0, false},
};

static const struct way *find_way(struct slice alg)
{
    for (size_t i = 0; i < COUNT_OF(ways); i++)
        if (sl_eq(alg, sl_cstr(ways[i].alg))) return &ways[i];
    return NULL;
}

/* ---- keys ---- */

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *rsa_key(const struct jws_key *k)
{
    if (k->n.n > RSA_MOST / 8 || k->e.n > 8 || !k->e.n) return NULL;
    BIGNUM *n = BN_bin2bn((const uint8_t *)k->n.p, (int)k->n.n, NULL);
    BIGNUM *e = BN_bin2bn((const uint8_t *)k->e.p, (int)k->e.n, NULL);
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    EVP_PKEY *key = NULL;
    if (n && e && b && BN_num_bits(n) >= RSA_LEAST && BN_is_odd(e) && !BN_is_one(e) &&
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
        key = params ? from_params("RSA", params) : NULL;
        OSSL_PARAM_free(params);
    }
    OSSL_PARAM_BLD_free(b);
    BN_free(n);
    BN_free(e);
    return key;
}

/* OpenSSL sees to it that the point lies on the curve. */
static EVP_PKEY *ec_key(const struct jws_key *k, const struct way *w)
{
    uint8_t point[1 + 2 * POINT_MAX] = {4};
    if (k->x.n != w->number || k->y.n != w->number) return NULL;
    memcpy(point + 1, k->x.p, w->number);
    memcpy(point + 1 + w->number, k->y.p, w->number);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)w->curve, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * w->number),
        OSSL_PARAM_construct_end()};
    return from_params("EC", params);
}

static EVP_PKEY *make_key(const struct jws_key *k, const struct way *w)
{
    if (w->number) return ec_key(k, w);
    if (w->digest) return rsa_key(k);
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)k->x.p, k->x.n);
}

/* ---- signatures ---- */

/* R and S, each of full length (RFC 7518 section 3.4), as OpenSSL wants them; 0: no such thing. */
static int der_of(const struct way *w, struct slice sig, uint8_t **out)
{
    if (sig.n != 2 * w->number) return 0;
    ECDSA_SIG *s = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const uint8_t *)sig.p, (int)w->number, NULL);
    BIGNUM *v = BN_bin2bn((const uint8_t *)sig.p + w->number, (int)w->number, NULL);
    ASSERT(s && r && v && ECDSA_SIG_set0(s, r, v) == 1);
    int n = i2d_ECDSA_SIG(s, out);
    ECDSA_SIG_free(s);
    return n;
}

static bool is_good(EVP_PKEY *key, const struct way *w, struct slice bytes, const uint8_t *sig, size_t n)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how;
    bool good = ctx && EVP_DigestVerifyInit_ex(ctx, &how, w->digest, NULL, NULL, key, NULL) == 1;
    if (good && w->pss)
        good = EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) == 1;
    if (good) good = EVP_DigestVerify(ctx, sig, n, (const uint8_t *)bytes.p, bytes.n) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

int jws_verify(const struct jws_key *k, struct slice alg, struct slice bytes, struct slice sig)
{
    const struct way *w = find_way(alg);
    if (!w || !sl_eq(k->type, sl_cstr(w->type)) || (*w->curve && !sl_eq(k->curve, sl_cstr(w->curve))))
        return err_set(ERR_UNSUPPORTED, "the algorithm %.*s is not known, or not of the key",
                       SLF(sl_sub(alg, 0, 32)));
    EVP_PKEY *key = make_key(k, w);
    uint8_t *der = NULL;
    int n = w->number ? der_of(w, sig, &der) : 0;
    bool good = key && (w->number ? n > 0 && is_good(key, w, bytes, der, (size_t)n)
                                  : is_good(key, w, bytes, (const uint8_t *)sig.p, sig.n));
    bool usable = key != NULL;
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    ERR_clear_error();
    if (!usable) return err_set(ERR_SYNTAX, "the key is none, or too weak");
    return good ? 0 : err_set(ERR_DENIED, "the signature is not that of the key");
}

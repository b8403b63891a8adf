/* es256.c - keys on the curve P-256, through OpenSSL. */
#include "es256.h"

#include "crypto_i.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/x509v3.h>

#include "base/text.h"

enum { DER_SIGNATURE_MAX = 80, PEM_MAX = 4096, NAMES_MAX = 100, DNS_NAME_MAX = 255 };

struct es256 {
    EVP_PKEY *pkey;
};

static int failed(int e, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    err_set(e, "%s: %s", what, reason ? reason : "refused by OpenSSL");
    ERR_clear_error();
    return e;
}

static struct es256 *wrap(EVP_PKEY *pkey)
{
    struct es256 *k = xcalloc(1, sizeof *k);
    k->pkey = pkey;
    return k;
}

int es256_new(struct es256 **out)
{
    ERR_clear_error();
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    if (!pkey) return failed(ERR_IO, "cannot make a key");
    *out = wrap(pkey);
    return 0;
}

/* An encrypted key would make OpenSSL ask on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

static bool is_p256(EVP_PKEY *pkey)
{
    char name[32] = "";
    size_t n = 0;
    return EVP_PKEY_is_a(pkey, "EC") && EVP_PKEY_get_group_name(pkey, name, sizeof name, &n) == 1 &&
           (strcmp(name, "prime256v1") == 0 || strcmp(name, "P-256") == 0);
}

int es256_from_pem(struct slice pem, struct es256 **out)
{
    if (!pem.n || pem.n > PEM_MAX) return err_set(ERR_SYNTAX, "a private key has 1 to %d bytes", PEM_MAX);
    ERR_clear_error();
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    ASSERT(bio);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (!pkey) return failed(ERR_SYNTAX, "this is no private key in PEM form");
    if (!is_p256(pkey)) {
        EVP_PKEY_free(pkey);
        return err_set(ERR_SYNTAX, "this key is not of the curve P-256");
    }
    *out = wrap(pkey);
    return 0;
}

void es256_pem(const struct es256 *k, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
    char *p;
    ASSERT(bio && PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL) == 1);
    long n = BIO_get_mem_data(bio, &p);
    buf_bytes(out, p, (size_t)n);
    BIO_free(bio);
}

void es256_free(struct es256 **k)
{
    if (!*k) return;
    EVP_PKEY_free((*k)->pkey);
    free(*k);
    *k = NULL;
}

static void number(const struct es256 *k, const char *name, uint8_t out[ES256_NUMBER])
{
    BIGNUM *n = NULL;
    ASSERT(EVP_PKEY_get_bn_param(k->pkey, name, &n) == 1 &&
           BN_bn2binpad(n, out, ES256_NUMBER) == ES256_NUMBER);
    BN_free(n);
}

void es256_public(const struct es256 *k, uint8_t x[ES256_NUMBER], uint8_t y[ES256_NUMBER])
{
    number(k, OSSL_PKEY_PARAM_EC_PUB_X, x);
    number(k, OSSL_PKEY_PARAM_EC_PUB_Y, y);
}

/* From the sequence of two integers that OpenSSL makes. */
static bool take_apart(const uint8_t *der, size_t n, uint8_t sig[ES256_SIGNATURE])
{
    const uint8_t *at = der;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &at, (long)n);
    bool ok = s && BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, ES256_NUMBER) == ES256_NUMBER &&
              BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + ES256_NUMBER, ES256_NUMBER) == ES256_NUMBER;
    ECDSA_SIG_free(s);
    return ok;
}

int es256_sign(const struct es256 *k, struct slice bytes, uint8_t sig[ES256_SIGNATURE])
{
    uint8_t der[DER_SIGNATURE_MAX];
    size_t n = sizeof der;
    ERR_clear_error();
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c && EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, k->pkey) == 1 &&
              EVP_DigestSign(c, der, &n, (const uint8_t *)bytes.p, bytes.n) == 1 && take_apart(der, n, sig);
    EVP_MD_CTX_free(c);
    return ok ? 0 : failed(ERR_IO, "cannot sign");
}

void es256_spki_sha256(const struct es256 *k, uint8_t out[32])
{
    uint8_t *der = NULL;
    int n = i2d_PUBKEY(k->pkey, &der);
    ASSERT(n > 0);
    hash_once(HASH_SHA256, sl((const char *)der, (size_t)n), out);
    OPENSSL_free(der);
}

/* ---- requests ---- */

/* subjectAltName: "DNS:a.test,DNS:b.test". */
static bool add_names(X509_REQ *r, const struct slice *names, size_t n)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < n; i++) buf_printf(&text, "%sDNS:%.*s", i ? "," : "", SLF(names[i]));
    buf_char(&text, 0);
    X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text.p);
    STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
    bool ok = x && all && sk_X509_EXTENSION_push(all, x) && X509_REQ_add_extensions(r, all);
    if (all) sk_X509_EXTENSION_free(all);
    X509_EXTENSION_free(x);
    buf_free(&text);
    return ok;
}

static bool is_plain_name(struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!is_alnum(name.p[i]) && name.p[i] != '.' && name.p[i] != '-') return false;
    return name.n && name.n <= DNS_NAME_MAX;
}

int es256_request(const struct es256 *k, const struct slice *names, size_t n, struct buf *out)
{
    if (n == 0 || n > NAMES_MAX) return err_set(ERR_USAGE, "a certificate needs 1 to %d names", NAMES_MAX);
    for (size_t i = 0; i < n; i++)
        if (!is_plain_name(names[i]))
            return err_set(ERR_USAGE, "%.*s is no name for a certificate", SLF(names[i]));
    ERR_clear_error();
    X509_REQ *r = X509_REQ_new();
    uint8_t *der = NULL;
    bool ok = r && X509_REQ_set_version(r, X509_REQ_VERSION_1) && X509_REQ_set_pubkey(r, k->pkey) &&
              add_names(r, names, n) && X509_REQ_sign(r, k->pkey, EVP_sha256());
    int size = ok ? i2d_X509_REQ(r, &der) : -1;
    if (size > 0) buf_bytes(out, der, (size_t)size);
    OPENSSL_free(der);
    X509_REQ_free(r);
    return size > 0 ? 0 : failed(ERR_IO, "cannot make a request for a certificate");
}

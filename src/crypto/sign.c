/* sign.c - RSA and Ed25519 keys: made, read, written, used for DKIM and ARC signatures. */
#include <openssl/core_names.h>

#include "crypto_i.h"
#include "der.h"

/* A key of 16 Ki bits costs a verifier 100 times one of 2 Ki: nobody needs it, and
 * the owner of the DNS record chooses it. */
enum { RSA_BITS_MIN = 512, RSA_BITS_MAX = 8192, PEM_MAX = 64 * 1024, PUBLIC_MAX = 2048, ED25519_SIG = 64 };
/* With a long exponent a verification costs 30 times as much; OpenSSL's own limit for large keys. */
enum { RSA_EXPONENT_MAX = 8 };

struct sign_key {
    EVP_PKEY *pkey;
    enum key_kind kind;
};
struct verify_key {
    EVP_PKEY *pkey;
    enum key_kind kind;
};

/* err_set() with the reason of the oldest entry of OpenSSL's error queue, which
 * is emptied. The queue is per thread and shared by all fibers of a loop: take
 * it right after the call that failed. */
static int openssl_err(int e, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    err_set(e, "%s: %s", what, reason ? reason : "refused by OpenSSL");
    ERR_clear_error();
    return e;
}

static int sign_key_wrap(EVP_PKEY *pkey, struct sign_key **out)
{
    enum key_kind kind;
    if (EVP_PKEY_is_a(pkey, "RSA")) kind = KEY_RSA;
    else if (EVP_PKEY_is_a(pkey, "ED25519")) kind = KEY_ED25519;
    else {
        EVP_PKEY_free(pkey);
        return err_set(ERR_UNSUPPORTED, "the key is neither RSA nor Ed25519");
    }
    int bits = EVP_PKEY_get_bits(pkey);
    if (kind == KEY_RSA && (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)) {
        EVP_PKEY_free(pkey);
        return err_set(ERR_UNSUPPORTED, "an RSA key of %d bits is not usable", bits);
    }
    struct sign_key *k = xcalloc(1, sizeof *k);
    *k = (struct sign_key){.pkey = pkey, .kind = kind};
    *out = k;
    return 0;
}

int sign_key_new(enum key_kind kind, int bits, struct sign_key **out)
{
    ERR_clear_error();
    EVP_PKEY *pkey;
    if (kind == KEY_RSA) {
        if (bits < 1024 || bits > RSA_BITS_MAX)
            return err_set(ERR_USAGE, "an RSA key has 1024 to %d bits, not %d", RSA_BITS_MAX, bits);
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
    } else {
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
    return pkey ? sign_key_wrap(pkey, out) : openssl_err(ERR_IO, "cannot make a key");
}

/* An encrypted key would make OpenSSL ask on the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    (void)buf, (void)size, (void)writing, (void)arg;
    return -1;
}

int sign_key_from_pem(struct slice pem, struct sign_key **out)
{
    if (!pem.n || pem.n > PEM_MAX) return err_set(ERR_SYNTAX, "a private key has 1 to %d bytes", PEM_MAX);
    ERR_clear_error();
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    ASSERT(bio);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return pkey ? sign_key_wrap(pkey, out) : openssl_err(ERR_SYNTAX, "this is no private key in PEM form");
}

void sign_key_pem(struct sign_key *k, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
    ASSERT(bio && PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL) == 1);
    char *p;
    long n = BIO_get_mem_data(bio, &p);
    buf_bytes(out, p, (size_t)n);
    BIO_free(bio);
}

void sign_key_public(struct sign_key *k, struct buf *out)
{
    if (k->kind == KEY_ED25519) {
        uint8_t raw[32];
        size_t n = sizeof raw;
        ASSERT(EVP_PKEY_get_raw_public_key(k->pkey, raw, &n) == 1 && n == 32);
        buf_bytes(out, raw, n);
        return;
    }
    uint8_t *der = NULL;
    int n = i2d_PUBKEY(k->pkey, &der);
    ASSERT(n > 0);
    buf_bytes(out, der, (size_t)n);
    OPENSSL_free(der);
}

enum key_kind sign_key_kind(const struct sign_key *k) { return k->kind; }
int sign_key_bits(const struct sign_key *k) { return EVP_PKEY_get_bits(k->pkey); }

/* A context for RSASSA-PKCS1-v1_5 with digest h, initialised by `init`; NULL when
 * OpenSSL refuses. */
static EVP_PKEY_CTX *rsa_ctx(EVP_PKEY *pkey, enum hash_kind h, int (*init)(EVP_PKEY_CTX *))
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    ASSERT(c);
    if (init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1 &&
        EVP_PKEY_CTX_set_signature_md(c, hash_md(h)) == 1)
        return c;
    EVP_PKEY_CTX_free(c);
    return NULL;
}

static int rsa_sign(EVP_PKEY *pkey, const uint8_t sha256[32], uint8_t *sig, size_t *n)
{
    EVP_PKEY_CTX *c = rsa_ctx(pkey, HASH_SHA256, EVP_PKEY_sign_init);
    int ok = c && EVP_PKEY_sign(c, sig, n, sha256, 32) == 1;
    EVP_PKEY_CTX_free(c);
    return ok ? 0 : openssl_err(ERR_IO, "cannot sign");
}

static int ed25519_sign(EVP_PKEY *pkey, const uint8_t sha256[32], uint8_t *sig, size_t *n)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    ASSERT(c);
    int ok = EVP_DigestSignInit(c, NULL, NULL, NULL, pkey) == 1 && EVP_DigestSign(c, sig, n, sha256, 32) == 1;
    EVP_MD_CTX_free(c);
    return ok ? 0 : openssl_err(ERR_IO, "cannot sign");
}

int sign_digest(struct sign_key *k, const uint8_t sha256[32], struct buf *sig)
{
    uint8_t out[RSA_BITS_MAX / 8];
    size_t n = sizeof out;
    ERR_clear_error();
    int e = k->kind == KEY_RSA ? rsa_sign(k->pkey, sha256, out, &n) : ed25519_sign(k->pkey, sha256, out, &n);
    if (e) return e;
    buf_bytes(sig, out, n);
    return 0;
}

void sign_key_free(struct sign_key **k)
{
    if (!*k) return;
    EVP_PKEY_free((*k)->pkey);
    free(*k);
    *k = NULL;
}

/* Into the form of OSSL_PARAM: least octet first on this machine. */
static OSSL_PARAM number(const char *name, struct slice big_endian, uint8_t *room)
{
    for (size_t i = 0; i < big_endian.n; i++) room[i] = (uint8_t)big_endian.p[big_endian.n - 1 - i];
    return OSSL_PARAM_construct_BN(name, room, big_endian.n);
}

static int rsa_bits(struct slice modulus)
{
    return (int)modulus.n * 8 - (__builtin_clz((uint8_t)modulus.p[0]) - 24);
}

/* RFC 6376 section 3.6.1 says RSAPublicKey while its example and everybody publish a
 * SubjectPublicKeyInfo (erratum 3017): both are understood. */
static int rsa_public(struct slice der, EVP_PKEY **out)
{
    uint8_t n[RSA_BITS_MAX / 8], e[RSA_EXPONENT_MAX];
    struct der_rsa k;
    if (!der_rsa_read(der, &k)) return err_set(ERR_SYNTAX, "this is no public key");
    int bits = k.modulus.n <= sizeof n ? rsa_bits(k.modulus) : (int)k.modulus.n * 8;
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
        return err_set(ERR_SYNTAX, "an RSA key of %d bits is not usable", bits);
    if (k.exponent.n > sizeof e || !(k.modulus.p[k.modulus.n - 1] & k.exponent.p[k.exponent.n - 1] & 1) ||
        (k.exponent.n == 1 && k.exponent.p[0] == 1))
        return err_set(ERR_SYNTAX, "the numbers of this public key are not those of an RSA key");
    OSSL_PARAM params[] = {number(OSSL_PKEY_PARAM_RSA_N, k.modulus, n),
                           number(OSSL_PKEY_PARAM_RSA_E, k.exponent, e), OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    ASSERT(c);
    *out = NULL;
    bool ok = EVP_PKEY_fromdata_init(c) == 1 && EVP_PKEY_fromdata(c, out, EVP_PKEY_PUBLIC_KEY, params) == 1;
    EVP_PKEY_CTX_free(c);
    return ok ? 0 : openssl_err(ERR_SYNTAX, "this is no public key");
}

static int ed25519_public(struct slice p, EVP_PKEY **out)
{
    if (p.n != 32) /* RFC 8463 section 4.2 */
        return err_set(ERR_SYNTAX, "an Ed25519 key has 32 bytes, not %zu", p.n);
    *out = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const uint8_t *)p.p, p.n);
    return *out ? 0 : openssl_err(ERR_SYNTAX, "this is no public key");
}

int verify_key_from(enum key_kind kind, struct slice p, struct verify_key **out)
{
    if (!p.n || p.n > PUBLIC_MAX) return err_set(ERR_SYNTAX, "a public key has 1 to %d bytes", PUBLIC_MAX);
    ERR_clear_error();
    EVP_PKEY *pkey;
    int e = kind == KEY_RSA ? rsa_public(p, &pkey) : ed25519_public(p, &pkey);
    if (e) return e;
    struct verify_key *k = xcalloc(1, sizeof *k);
    *k = (struct verify_key){.pkey = pkey, .kind = kind};
    *out = k;
    return 0;
}

int verify_key_bits(const struct verify_key *k) { return EVP_PKEY_get_bits(k->pkey); }

static bool rsa_good(EVP_PKEY *pkey, enum hash_kind h, const uint8_t *digest, struct slice sig)
{
    EVP_PKEY_CTX *c = rsa_ctx(pkey, h, EVP_PKEY_verify_init);
    bool good = c && EVP_PKEY_verify(c, (const uint8_t *)sig.p, sig.n, digest, hash_size(h)) == 1;
    EVP_PKEY_CTX_free(c);
    return good;
}

static bool ed25519_good(EVP_PKEY *pkey, enum hash_kind h, const uint8_t *digest, struct slice sig)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    ASSERT(c);
    bool good = EVP_DigestVerifyInit(c, NULL, NULL, NULL, pkey) == 1 &&
                EVP_DigestVerify(c, (const uint8_t *)sig.p, sig.n, digest, hash_size(h)) == 1;
    EVP_MD_CTX_free(c);
    return good;
}

int verify_digest(struct verify_key *k, enum hash_kind h, const uint8_t *digest, struct slice sig)
{
    size_t want = k->kind == KEY_RSA ? (size_t)EVP_PKEY_get_size(k->pkey) : ED25519_SIG;
    if (sig.n != want) return err_set(ERR_SYNTAX, "the signature has %zu bytes, not %zu", sig.n, want);
    ERR_clear_error();
    bool good =
        k->kind == KEY_RSA ? rsa_good(k->pkey, h, digest, sig) : ed25519_good(k->pkey, h, digest, sig);
    ERR_clear_error(); /* a wrong signature leaves entries that would mislead the next caller */
    return good ? 0 : err_set(ERR_DENIED, "the signature does not match");
}

void verify_key_free(struct verify_key **k)
{
    if (!*k) return;
    EVP_PKEY_free((*k)->pkey);
    free(*k);
    *k = NULL;
}

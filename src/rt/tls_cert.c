/* tls_cert.c - certificates: read from PEM, matched with names, made for new homes. */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "tls_i.h"

enum { CHAIN_MAX = 16, NAMES_MAX = 1000, SERIAL_BYTES = 16 };

/* ---- reading ---- */

static BIO *bio_of(struct slice s)
{
    return BIO_new_mem_buf(s.n ? s.p : "", s.n > INT32_MAX ? INT32_MAX : (int)s.n);
}

/* A program that serves cannot be asked for a passphrase. */
static int no_passphrase(char *buf, int size, int rw, void *arg)
{
    (void)buf, (void)size, (void)rw, (void)arg;
    return -1;
}

static int read_chain(struct tls_cert *c, struct slice pem)
{
    BIO *b = bio_of(pem);
    X509 *x = PEM_read_bio_X509(b, NULL, no_passphrase, NULL);
    c->leaf = x;
    c->chain = sk_X509_new_null();
    while (x && sk_X509_num(c->chain) < CHAIN_MAX && (x = PEM_read_bio_X509(b, NULL, no_passphrase, NULL)))
        sk_X509_push(c->chain, x);
    unsigned long last = ERR_peek_last_error();
    bool at_end = ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    BIO_free(b);
    if (!c->leaf) return err_set(ERR_SYNTAX, "there is no certificate in the PEM data: %s", tls_reason());
    if (!at_end) return err_set(ERR_SYNTAX, "the certificate chain cannot be read: %s", tls_reason());
    ERR_clear_error();
    return 0;
}

static int read_key(struct tls_cert *c, struct slice pem)
{
    BIO *b = bio_of(pem);
    c->key = PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL);
    BIO_free(b);
    if (!c->key) return err_set(ERR_SYNTAX, "the private key cannot be read: %s", tls_reason());
    if (X509_check_private_key(c->leaf, c->key) != 1)
        return err_set(ERR_SYNTAX, "the private key does not belong to the certificate: %s", tls_reason());
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return sl_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void add_name(struct tls_cert *c, const char *p, size_t n)
{
    if (!n || n > TLS_NAME_MAX || memchr(p, 0, n)) return;
    char *copy = xstrndup(p, n);
    for (size_t i = 0; i < n; i++) copy[i] = sl_lower(copy[i]);
    c->names = xrealloc(c->names, (c->nnames + 1) * sizeof *c->names);
    c->names[c->nnames++] = sl(copy, n);
}

static void sort_names(struct tls_cert *c)
{
    size_t kept = 0;
    if (!c->nnames) return;
    qsort(c->names, c->nnames, sizeof *c->names, by_bytes);
    for (size_t i = 0; i < c->nnames; i++) {
        if (kept && sl_eq(c->names[kept - 1], c->names[i])) free((char *)c->names[i].p);
        else c->names[kept++] = c->names[i];
    }
    c->nnames = kept;
}

/* The DNS names of subjectAltName; the common name only where there are none (RFC 6125 section 6.4.4). */
static void read_names(struct tls_cert *c)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && i < NAMES_MAX; i++) {
        GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
        if (g->type != GEN_DNS) continue;
        ASN1_STRING *s = g->d.dNSName;
        add_name(c, (const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
    }
    GENERAL_NAMES_free(all);
    if (!c->nnames) {
        char cn[TLS_NAME_MAX + 1];
        int n = X509_NAME_get_text_by_NID(X509_get_subject_name(c->leaf), NID_commonName, cn, sizeof cn);
        if (n > 0) add_name(c, cn, (size_t)n);
    }
    sort_names(c);
}

int tls_cert_read(struct tls_cert **out, struct slice chain_pem, struct slice key_pem)
{
    struct tls_cert *c = xcalloc(1, sizeof *c);
    ERR_clear_error();
    int e = read_chain(c, chain_pem);
    if (!e) e = read_key(c, key_pem);
    if (e) {
        tls_cert_free(c);
        return e;
    }
    read_names(c);
    *out = c;
    return 0;
}

void tls_cert_free(struct tls_cert *c)
{
    if (!c) return;
    X509_free(c->leaf);
    sk_X509_pop_free(c->chain, X509_free);
    EVP_PKEY_free(c->key);
    for (size_t i = 0; i < c->nnames; i++) free((char *)c->names[i].p);
    free(c->names);
    free(c);
}

void tls_certs_free(struct tls_cert *c)
{
    while (c) {
        struct tls_cert *next = c->next;
        tls_cert_free(c);
        c = next;
    }
}

bool tls_cert_same_names(const struct tls_cert *a, const struct tls_cert *b)
{
    if (a->nnames != b->nnames) return false;
    for (size_t i = 0; i < a->nnames; i++)
        if (!sl_eq(a->names[i], b->names[i])) return false;
    return true;
}

/* "*.example" covers one label more (RFC 6125 section 6.4.3). */
static bool wildcard_fits(struct slice pattern, struct slice name)
{
    size_t dot = sl_chr(name, '.');
    if (!sl_starts(pattern, SL("*.")) || dot == SL_NONE || dot == 0) return false;
    return sl_eqi(sl_from(pattern, 1), sl_from(name, dot));
}

int tls_cert_fits(const struct tls_cert *c, struct slice name)
{
    int best = 0;
    for (size_t i = 0; i < c->nnames; i++) {
        if (sl_eqi(c->names[i], name)) return 2;
        if (wildcard_fits(c->names[i], name)) best = 1;
    }
    return best;
}

/* ---- making ---- */

enum { PROOF_DAYS = 2 };

static bool add_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = e && X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    return ok;
}

static bool add_names(X509 *x, const struct slice *names, size_t n)
{
    GENERAL_NAMES *all = GENERAL_NAMES_new();
    for (size_t i = 0; i < n; i++) {
        GENERAL_NAME *g = GENERAL_NAME_new();
        ASN1_IA5STRING *s = ASN1_IA5STRING_new();
        ASN1_STRING_set(s, names[i].p, (int)names[i].n);
        GENERAL_NAME_set0_value(g, GEN_DNS, s);
        sk_GENERAL_NAME_push(all, g);
    }
    bool ok = X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1;
    GENERAL_NAMES_free(all);
    return ok;
}

static bool set_subject(X509 *x, struct slice name)
{
    X509_NAME *n = X509_get_subject_name(x);
    /* A common name has at most 64 characters (RFC 5280 appendix A.1). */
    int len = name.n > 64 ? 64 : (int)name.n;
    const unsigned char *p = (const unsigned char *)name.p;
    return X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8, p, len, -1, 0) &&
           X509_set_issuer_name(x, n);
}

static bool set_serial(X509 *x)
{
    uint8_t bytes[SERIAL_BYTES];
    rt_random(bytes, sizeof bytes);
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive and of full length */
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return ok;
}

static bool fill_in(X509 *x, EVP_PKEY *key, const struct slice *names, size_t n, int days)
{
    time_t now = (time_t)rt_wall_seconds();
    return X509_set_version(x, X509_VERSION_3) && set_serial(x) && set_subject(x, names[0]) &&
           ASN1_TIME_set(X509_getm_notBefore(x), now - 3600) &&
           ASN1_TIME_set(X509_getm_notAfter(x), now + (time_t)days * 86400) && X509_set_pubkey(x, key) &&
           add_names(x, names, n) && add_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x, NID_ext_key_usage, "serverAuth,clientAuth") && X509_sign(x, key, EVP_sha256());
}

/* id-pe-acmeIdentifier, critical: the digest as an OCTET STRING (DER) within the extension's own. */
static bool add_digest(X509 *x, const uint8_t digest[32])
{
    unsigned char der[34] = {V_ASN1_OCTET_STRING, 32};
    memcpy(der + 2, digest, 32);
    ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
    ASN1_OBJECT *id = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
    X509_EXTENSION *e = s && id && ASN1_OCTET_STRING_set(s, der, sizeof der)
                            ? X509_EXTENSION_create_by_OBJ(NULL, id, 1, s)
                            : NULL;
    bool ok = e && X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    ASN1_OBJECT_free(id);
    ASN1_OCTET_STRING_free(s);
    return ok;
}

int tls_cert_proof(struct tls_cert **out, struct slice name, const uint8_t digest[32])
{
    if (!name.n || name.n > TLS_NAME_MAX)
        return err_set(ERR_USAGE, "a name to be proved is empty or too long");
    struct tls_cert *c = xcalloc(1, sizeof *c);
    ERR_clear_error();
    c->key = EVP_EC_gen("P-256");
    c->leaf = X509_new();
    c->chain = sk_X509_new_null();
    bool ok = c->key && c->leaf && c->chain && add_digest(c->leaf, digest) &&
              fill_in(c->leaf, c->key, &name, 1, PROOF_DAYS);
    if (!ok) {
        tls_cert_free(c);
        return tls_fail("cannot make a certificate");
    }
    read_names(c);
    *out = c;
    return 0;
}

static void take_bytes(BIO *b, struct buf *out)
{
    char *p;
    long n = BIO_get_mem_data(b, &p);
    buf_bytes(out, p, (size_t)n);
}

int tls_self_signed(const struct slice *names, size_t n, int days, struct buf *chain_pem, struct buf *key_pem)
{
    if (n == 0 || n > NAMES_MAX) return err_set(ERR_USAGE, "a certificate needs 1 to %d names", NAMES_MAX);
    for (size_t i = 0; i < n; i++)
        if (!names[i].n || names[i].n > TLS_NAME_MAX)
            return err_set(ERR_USAGE, "a name for a certificate is empty or too long");
    ERR_clear_error();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    BIO *cert_out = BIO_new(BIO_s_mem()), *key_out = BIO_new(BIO_s_mem());
    bool ok = key && x && cert_out && key_out && fill_in(x, key, names, n, days) &&
              PEM_write_bio_X509(cert_out, x) &&
              PEM_write_bio_PKCS8PrivateKey(key_out, key, NULL, NULL, 0, NULL, NULL);
    if (ok) {
        take_bytes(cert_out, chain_pem);
        take_bytes(key_out, key_pem);
    }
    BIO_free(cert_out);
    BIO_free(key_out);
    X509_free(x);
    EVP_PKEY_free(key);
    return ok ? 0 : tls_fail("cannot make a certificate");
}

/* cert.c - what is to be read from a certificate. */
#include "crypto_i.h"

#include "base/civil.h"
#include "base/text.h"
#include "cert.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

static X509 *first_of(struct slice pem)
{
    BIO *in = pem.n <= INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    X509 *cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    BIO_free(in);
    return cert;
}

static int no_certificate(void) { return err_set(ERR_SYNTAX, "this holds no certificate in PEM form"); }

int cert_spki_sha256(struct slice chain_pem, uint8_t out[32])
{
    X509 *cert = first_of(chain_pem);
    unsigned char *der = NULL;
    int n = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der) : -1;
    if (n > 0) hash_once(HASH_SHA256, sl(der, (size_t)n), out);
    OPENSSL_free(der);
    X509_free(cert);
    return n > 0 ? 0 : no_certificate();
}

static bool unix_of(const ASN1_TIME *t, int64_t *out)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(t, &tm) != 1) return false;
    struct civil c = {.year = tm.tm_year + 1900,
                      .month = tm.tm_mon + 1,
                      .day = tm.tm_mday,
                      .hour = tm.tm_hour,
                      .minute = tm.tm_min,
                      .second = tm.tm_sec};
    return civil_to_unix(&c, out);
}

int cert_expires(struct slice chain_pem, int64_t *when)
{
    X509 *cert = first_of(chain_pem);
    bool ok = cert && unix_of(X509_get0_notAfter(cert), when);
    X509_free(cert);
    return ok ? 0 : no_certificate();
}

int cert_validity(struct slice chain_pem, int64_t *from, int64_t *until)
{
    X509 *cert = first_of(chain_pem);
    bool ok = cert && unix_of(X509_get0_notBefore(cert), from) && unix_of(X509_get0_notAfter(cert), until);
    X509_free(cert);
    return ok ? 0 : no_certificate();
}

int cert_renewal_id(struct arena *a, struct slice chain_pem, struct slice *out)
{
    X509 *cert = first_of(chain_pem);
    *out = SL("");
    if (!cert) return no_certificate();
    const ASN1_OCTET_STRING *by = X509_get0_authority_key_id(cert);
    uint8_t *der = NULL;
    int n =
        i2d_ASN1_INTEGER(X509_get0_serialNumber(cert), &der); /* its contents stand behind tag and length */
    if (by && n > 2)
        *out =
            ar_printf(a, "%.*s.%.*s",
                      SLF(b64url_encode_ar(a, sl(ASN1_STRING_get0_data(by), (size_t)ASN1_STRING_length(by)))),
                      SLF(b64url_encode_ar(a, sl(der + 2, (size_t)n - 2))));
    OPENSSL_free(der);
    X509_free(cert);
    return 0;
}

bool cert_is_for(struct slice chain_pem, struct slice name)
{
    X509 *cert = first_of(chain_pem);
    bool is = cert && X509_check_host(cert, name.p, name.n, 0, NULL) == 1;
    X509_free(cert);
    return is;
}

static struct slice names_of(struct arena *a, X509 *cert)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    struct slice s = {0};
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && s.n < 500; i++) {
        GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
        if (g->type != GEN_DNS) continue;
        const ASN1_STRING *name = g->d.dNSName;
        struct slice text = sl((const char *)ASN1_STRING_get0_data(name), (size_t)ASN1_STRING_length(name));
        s = ar_printf(a, "%.*s%s%.*s", SLF(s), s.n ? ", " : "", SLF(printable(a, text, 253)));
    }
    GENERAL_NAMES_free(all);
    return s.n ? s : SL("no name");
}

int cert_describe(struct arena *a, struct slice chain_pem, struct slice *out)
{
    int64_t end;
    char subject[256], when[CIVIL_TEXT_MAX];
    int e = cert_expires(chain_pem, &end);
    if (e) return e;
    X509 *cert = first_of(chain_pem);
    if (!cert) return no_certificate();
    X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
    *out = ar_printf(a, "%.*s for %.*s, until %s", SLF(printable(a, sl_cstr(subject), 255)),
                     SLF(names_of(a, cert)), civil_format(end, when));
    X509_free(cert);
    return 0;
}

/* ---- judging ---- */

enum { CHAIN_MAX = 16, DAY = 86400 };

struct judging {
    struct arena *a;
    const struct cert_pair *q;
    X509 *leaf;
    STACK_OF(X509) * rest;
    struct cert_finding *v;
    size_t n, cap;
};

static void found(struct judging *j, enum cert_grade grade, struct slice sentence)
{
    if (j->n == j->cap) j->v = ar_grow(j->a, j->v, &j->cap, sizeof *j->v);
    j->v[j->n++] = (struct cert_finding){grade, sentence};
}

/* Who serves cannot be asked. */
static int no_passphrase(char *buf, int size, int rw, void *arg)
{
    (void)buf, (void)size, (void)rw, (void)arg;
    return -1;
}

static BIO *bio_of(struct slice s)
{
    return BIO_new_mem_buf(s.n ? s.p : "", s.n > INT32_MAX ? INT32_MAX : (int)s.n);
}

static bool read_chain(struct judging *j)
{
    BIO *in = bio_of(j->q->chain_pem);
    X509 *x;
    j->rest = sk_X509_new_null();
    j->leaf = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);
    while (j->leaf && sk_X509_num(j->rest) < CHAIN_MAX &&
           (x = PEM_read_bio_X509(in, NULL, no_passphrase, NULL)))
        sk_X509_push(j->rest, x);
    BIO_free(in);
    if (!j->leaf) found(j, CERT_USELESS, SL("the file of tls_certificate holds no certificate in PEM form"));
    return j->leaf != NULL;
}

static void check_pair(struct judging *j)
{
    BIO *in = bio_of(j->q->key_pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL);
    BIO_free(in);
    if (!key && sl_find(j->q->key_pem, SL("ENCRYPTED")) != SL_NONE)
        found(j, CERT_USELESS,
              SL("the private key is encrypted, and nobody is there to be asked for its passphrase: "
                 "write it in clear with `openssl pkey`"));
    else if (!key) found(j, CERT_USELESS, SL("the file of tls_key holds no private key in PEM form"));
    else if (X509_check_private_key(j->leaf, key) != 1)
        found(j, CERT_USELESS, SL("the private key does not belong to the certificate"));
    EVP_PKEY_free(key);
}

static struct slice name_of(struct arena *a, X509_NAME *n)
{
    char text[256];
    X509_NAME_oneline(n, text, sizeof text);
    return printable(a, sl_cstr(text), 255);
}

/* whose: "the certificate" or one of its chain. */
static void check_time(struct judging *j, X509 *x, struct slice whose)
{
    int64_t begin, end, now = j->q->now;
    char day[CIVIL_TEXT_MAX];
    if (!unix_of(X509_get0_notBefore(x), &begin) || !unix_of(X509_get0_notAfter(x), &end)) return;
    if (begin > now)
        found(j, CERT_WRONG,
              ar_printf(j->a, "%.*s is not valid before %s", SLF(whose), civil_format(begin, day)));
    if (end <= now)
        found(j, CERT_WRONG,
              ar_printf(j->a, "%.*s ended on %s: put a new one there and send SIGHUP", SLF(whose),
                        civil_format(end, day)));
    else if (end - now < CERT_WARN_DAYS * DAY)
        found(j, CERT_WARN,
              ar_printf(j->a, "%.*s ends on %s, in %d days: put a new one there and send SIGHUP", SLF(whose),
                        civil_format(end, day), (int)((end - now) / DAY)));
}

/* RFC 7633: who heeds it refuses the certificate without a stapled answer, and none is stapled here
 * (docs/tls.md says why). */
static void check_staple(struct judging *j)
{
    if (X509_get_ext_by_NID(j->leaf, NID_tlsfeature, -1) < 0) return;
    found(
        j, CERT_WARN,
        SL("the certificate asks for stapled answers about its revocation (must-staple), which are not given "
           "here: some clients refuse it; have one made without"));
}

/* RFC 9525 section 2: the common name of its subject counts nothing. */
static void check_host(struct judging *j)
{
    if (X509_check_host(j->leaf, j->q->host.p, j->q->host.n, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1)
        return;
    found(j, CERT_WRONG,
          ar_printf(j->a, "the certificate is for %.*s and not for %.*s, where peers look for it",
                    SLF(names_of(j->a, j->leaf)), SLF(j->q->host)));
}

/* RFC 5280 section 4.2.1.12. */
static void check_use(struct judging *j)
{
    if (X509_check_purpose(j->leaf, X509_PURPOSE_SSL_SERVER, 0) == 1) return;
    found(j, CERT_WRONG,
          SL("the certificate is not made for servers (its key usage says so): mail programs refuse it"));
}

enum { LEAST_BITS = 112 }; /* of security (NIST SP 800-57): OpenSSL serves nothing weaker */

static void check_strength(struct judging *j, X509 *x, struct slice whose)
{
    int bits = LEAST_BITS;
    EVP_PKEY *key = X509_get0_pubkey(x);
    if (key && EVP_PKEY_security_bits(key) < LEAST_BITS)
        found(
            j, CERT_USELESS,
            ar_printf(j->a, "the key of %.*s is too weak to be served: RSA keys need 2048 bits", SLF(whose)));
    if (X509_self_signed(x, 0) == 1) return;
    if (X509_get_signature_info(x, NULL, NULL, &bits, NULL) == 1 && bits < LEAST_BITS)
        found(j, CERT_USELESS,
              ar_printf(j->a, "%.*s is signed with a hash that is too weak to be served", SLF(whose)));
}

static void tell_chain(struct judging *j, int error, X509 *at)
{
    if (error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
        error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN || error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT ||
        error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE)
        found(j, CERT_WARN,
              ar_printf(
                  j->a,
                  "the chain is not whole, or this machine does not trust where it leads: the issuer %.*s "
                  "is not known; put the certificates between into the file, behind the first",
                  SLF(name_of(j->a, X509_get_issuer_name(at ? at : j->leaf)))));
    else
        found(j, CERT_WRONG,
              ar_printf(j->a, "the chain of the certificate is not right: %s",
                        X509_verify_cert_error_string(error)));
}

static void check_chain(struct judging *j)
{
    for (int i = 0; i < sk_X509_num(j->rest); i++) {
        X509 *x = sk_X509_value(j->rest, i);
        struct slice whose =
            ar_printf(j->a, "%.*s of its chain", SLF(name_of(j->a, X509_get_subject_name(x))));
        check_time(j, x, whose);
        check_strength(j, x, whose);
    }
    if (X509_self_signed(j->leaf, 1) == 1) {
        found(j, CERT_FINE,
              SL("it is signed by itself: other servers take it, mail programs ask whether to trust it"));
        return;
    }
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (store && ctx && X509_STORE_set_default_paths(store) == 1 &&
        X509_STORE_CTX_init(ctx, store, j->leaf, j->rest) == 1) {
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_NO_CHECK_TIME);
        if (X509_verify_cert(ctx) != 1)
            tell_chain(j, X509_STORE_CTX_get_error(ctx), X509_STORE_CTX_get_current_cert(ctx));
    }
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
}

void cert_judge(struct arena *a, const struct cert_pair *c, struct cert_finding **out, size_t *n)
{
    struct judging j = {.a = a, .q = c};
    struct slice what;
    ERR_clear_error();
    if (read_chain(&j)) {
        if (cert_describe(a, c->chain_pem, &what) == 0) found(&j, CERT_FINE, what);
        check_pair(&j);
        check_time(&j, j.leaf, SL("the certificate"));
        check_strength(&j, j.leaf, SL("the certificate"));
        check_host(&j);
        check_use(&j);
        check_staple(&j);
        check_chain(&j);
    }
    X509_free(j.leaf);
    sk_X509_pop_free(j.rest, X509_free);
    ERR_clear_error();
    *out = j.v;
    *n = j.n;
}

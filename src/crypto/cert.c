/* cert.c - what is to be read from a certificate. */
#include "crypto_i.h"

#include "base/civil.h"
#include "base/text.h"
#include "cert.h"

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

int cert_expires(struct slice chain_pem, int64_t *when)
{
    X509 *cert = first_of(chain_pem);
    struct tm tm;
    bool ok = cert && ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1;
    X509_free(cert);
    if (!ok) return no_certificate();
    struct civil c = {.year = tm.tm_year + 1900,
                      .month = tm.tm_mon + 1,
                      .day = tm.tm_mday,
                      .hour = tm.tm_hour,
                      .minute = tm.tm_min,
                      .second = tm.tm_sec};
    return civil_to_unix(&c, when) ? 0 : no_certificate();
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

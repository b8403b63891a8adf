/* cert.c - what is to be read from a certificate. */
#include "crypto_i.h"

#include "base/civil.h"
#include "cert.h"

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
    struct civil c = {.year = tm.tm_year + 1900, .month = tm.tm_mon + 1, .day = tm.tm_mday,
                      .hour = tm.tm_hour, .minute = tm.tm_min, .second = tm.tm_sec};
    return civil_to_unix(&c, when) ? 0 : no_certificate();
}

/* cms.c - a signed message with its content inside (CMS, RFC 5652), as phones want their settings. */
#include "crypto_i.h"

#define ERR_STATE openssl_ERR_STATE
#include <openssl/cms.h>
#undef ERR_STATE

#include "cert.h"

struct parts {
    BIO *chain, *key, *data;
    X509 *own;
    STACK_OF(X509) * others;
    EVP_PKEY *pkey;
    CMS_ContentInfo *cms;
};

static void drop(struct parts *p)
{
    CMS_ContentInfo_free(p->cms);
    EVP_PKEY_free(p->pkey);
    X509_free(p->own);
    sk_X509_pop_free(p->others, X509_free);
    BIO_free(p->chain);
    BIO_free(p->key);
    BIO_free(p->data);
    ERR_clear_error();
}

static bool read_parts(struct parts *p, struct slice chain_pem, struct slice key_pem)
{
    X509 *x;
    p->chain = BIO_new_mem_buf(chain_pem.p, (int)chain_pem.n);
    p->key = BIO_new_mem_buf(key_pem.p, (int)key_pem.n);
    p->others = sk_X509_new_null();
    if (!p->chain || !p->key || !p->others) return false;
    p->own = PEM_read_bio_X509(p->chain, NULL, NULL, NULL);
    while (p->own && (x = PEM_read_bio_X509(p->chain, NULL, NULL, NULL)))
        if (!sk_X509_push(p->others, x)) X509_free(x);
    p->pkey = PEM_read_bio_PrivateKey(p->key, NULL, NULL, NULL);
    return p->own && p->pkey;
}

static bool put_der(struct parts *p, struct buf *out)
{
    unsigned char *der = NULL;
    int n = i2d_CMS_ContentInfo(p->cms, &der);
    if (n > 0) buf_bytes(out, der, (size_t)n);
    OPENSSL_free(der);
    return n > 0;
}

int cms_sign(struct slice chain_pem, struct slice key_pem, struct slice data, struct buf *out)
{
    struct parts p = {0};
    bool good = read_parts(&p, chain_pem, key_pem);
    if (good) {
        p.data = BIO_new_mem_buf(data.p, (int)data.n);
        p.cms = p.data ? CMS_sign(p.own, p.pkey, p.others, p.data, CMS_BINARY | CMS_NOSMIMECAP) : NULL;
        good = p.cms && put_der(&p, out);
    }
    drop(&p);
    return good ? 0 : err_set(ERR_TLS, "the certificate cannot sign: it or its key cannot be used for that");
}

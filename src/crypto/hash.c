/* hash.c - message digests, HMAC, comparison and wiping of secrets. */
#include "crypto_i.h"

const EVP_MD *hash_md(enum hash_kind k)
{
    switch (k) {
    case HASH_SHA1: return EVP_sha1();
    case HASH_SHA256: return EVP_sha256();
    case HASH_MD5: return EVP_md5();
    }
    assert_failed("a known hash_kind", __FILE__, __LINE__);
}

size_t hash_size(enum hash_kind k)
{
    return k == HASH_SHA256 ? 32 : k == HASH_SHA1 ? 20 : 16;
}

/* The digests are part of OpenSSL's default provider; when they fail, memory or
 * the library is broken and no answer could be trusted. */
void hash_init(struct hash *h, enum hash_kind k)
{
    h->kind = k;
    h->ctx = EVP_MD_CTX_new();
    ASSERT(h->ctx && EVP_DigestInit_ex(h->ctx, hash_md(k), NULL) == 1);
}

void hash_add(struct hash *h, struct slice bytes)
{
    ASSERT(EVP_DigestUpdate(h->ctx, bytes.p, bytes.n) == 1);
}

void hash_end(struct hash *h, uint8_t out[HASH_MAX])
{
    unsigned n = 0;
    uint8_t full[EVP_MAX_MD_SIZE];
    ASSERT(EVP_DigestFinal_ex(h->ctx, full, &n) == 1 && n == hash_size(h->kind));
    memcpy(out, full, n);
    hash_drop(h);
}

void hash_drop(struct hash *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

void hash_copy(struct hash *to, const struct hash *from)
{
    to->kind = from->kind;
    to->ctx = EVP_MD_CTX_new();
    ASSERT(to->ctx && EVP_MD_CTX_copy_ex(to->ctx, from->ctx) == 1);
}

void hash_once(enum hash_kind k, struct slice bytes, uint8_t out[HASH_MAX])
{
    struct hash h;
    hash_init(&h, k);
    hash_add(&h, bytes);
    hash_end(&h, out);
}

void hmac_sha256(struct slice key, struct slice bytes, uint8_t out[32])
{
    unsigned n = 0;
    ASSERT(key.n <= INT32_MAX);
    /* an empty key must still be a pointer: NULL means "the key of the last call" */
    ASSERT(HMAC(EVP_sha256(), key.n ? key.p : "", (int)key.n, (const uint8_t *)bytes.p, bytes.n, out, &n) &&
           n == 32);
}

bool same_secret(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

void wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

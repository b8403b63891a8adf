/* hash.c - message digests, HMAC, comparison and wiping of secrets. */
#include "base/text.h"
#include "base/wiped.h"
#include "crypto_i.h"

/* OpenSSL looks a digest up by name whenever one that was not fetched is begun, under a lock:
 * six times the cost of a short hash. Each is fetched once and stays. */
const EVP_MD *hash_md(enum hash_kind k)
{
    static const char *const names[] = {[HASH_SHA1] = "SHA1", [HASH_SHA256] = "SHA256", [HASH_MD5] = "MD5"};
    static EVP_MD *fetched[COUNT_OF(names)];
    ASSERT((unsigned)k < COUNT_OF(names));
    EVP_MD *md = __atomic_load_n(&fetched[k], __ATOMIC_ACQUIRE), *other = NULL;
    if (md) return md;
    md = EVP_MD_fetch(NULL, names[k], NULL);
    ASSERT(md);
    if (__atomic_compare_exchange_n(&fetched[k], &other, md, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return md;
    EVP_MD_free(md); /* another thread was first */
    return other;
}

size_t hash_size(enum hash_kind k) { return k == HASH_SHA256 ? 32 : k == HASH_SHA1 ? 20 : 16; }

/* The digests are part of OpenSSL's default provider; when they fail, memory or
 * the library is broken and no answer could be trusted. */
void hash_init(struct hash *h, enum hash_kind k)
{
    h->kind = k;
    h->ctx = EVP_MD_CTX_new();
    ASSERT(h->ctx && EVP_DigestInit_ex(h->ctx, hash_md(k), NULL) == 1);
}

void hash_add(struct hash *h, struct slice bytes) { ASSERT(EVP_DigestUpdate(h->ctx, bytes.p, bytes.n) == 1); }

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

enum { HMAC_BLOCK = 64 };

static void hmac_round(const uint8_t key[HMAC_BLOCK], uint8_t pad, struct slice bytes, uint8_t out[HASH_MAX])
{
    struct hash h;
    uint8_t block[HMAC_BLOCK];
    for (int i = 0; i < HMAC_BLOCK; i++) block[i] = key[i] ^ pad;
    hash_init(&h, HASH_SHA256);
    hash_add(&h, sl((const char *)block, sizeof block));
    hash_add(&h, bytes);
    hash_end(&h, out);
    wipe(block, sizeof block);
}

/* RFC 2104 section 2, over the digest that is fetched: OpenSSL's HMAC() looks its parts up by name each time.
 */
void hmac_sha256(struct slice key, struct slice bytes, uint8_t out[32])
{
    uint8_t block[HMAC_BLOCK] = {0}, digest[HASH_MAX];
    if (key.n > HMAC_BLOCK) hash_once(HASH_SHA256, key, block);
    else if (key.n) memcpy(block, key.p, key.n);
    hmac_round(block, 0x36, bytes, digest);
    hmac_round(block, 0x5c, sl((const char *)digest, 32), digest);
    memcpy(out, digest, 32);
    wipe(block, sizeof block);
    wipe(digest, sizeof digest);
}

bool same_secret(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || CRYPTO_memcmp(a.p, b.p, a.n) == 0);
}

void wipe(void *p, size_t n) { OPENSSL_cleanse(p, n); }

/* ---- OpenSSL's memory ---- */

static void *take(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return xmalloc(n);
}

static void *take_more(void *p, size_t n, const char *file, int line)
{
    (void)file, (void)line;
    if (n) return wiped_grow(p, n);
    wiped_free(p);
    return NULL;
}

static void give_back(void *p, const char *file, int line)
{
    (void)file, (void)line;
    wiped_free(p);
}

void crypto_begin(void) { ASSERT(CRYPTO_set_mem_functions(take, take_more, give_back) == 1); }

struct slice hash_name(struct arena *a, struct slice name)
{
    enum { PLAIN_MAX = 120 };
    bool plain = name.n && name.n <= PLAIN_MAX;
    name = ar_lower(a, name);
    for (size_t i = 0; i < name.n && plain; i++)
        plain = is_alnum(name.p[i]) || name.p[i] == '.' || name.p[i] == '-' || name.p[i] == '_';
    if (plain) return name;
    uint8_t digest[HASH_MAX];
    struct buf hex = BUF_INIT;
    hash_once(HASH_SHA256, name, digest);
    hex_encode(&hex, sl(digest, 16));
    struct slice key = ar_cat(a, SL("~"), buf_slice(&hex));
    buf_free(&hex);
    return key;
}

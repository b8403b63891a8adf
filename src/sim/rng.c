/* rng.c - the simulator's generator, and OpenSSL drawing from it. */
#define OPENSSL_API_COMPAT 10100 /* RAND_set_rand_method: deprecated by 3.0, which has no simpler way */
#include "rng_i.h"

#include <openssl/rand.h>
#include <string.h>

static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t rotl(uint64_t x, int b) { return x << b | x >> (64 - b); }

void rng_init(struct sim_rng *r, uint64_t seed, uint64_t stream)
{
    uint64_t x = seed + stream * 0xd1342543de82ef95u;
    for (int i = 0; i < 4; i++) r->s[i] = splitmix(&x);
}

uint64_t rng_next(struct sim_rng *r)
{
    uint64_t *s = r->s, out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

/* Multiplying into 128 bits: even, without a division (Lemire). */
uint64_t rng_below(struct sim_rng *r, uint64_t n)
{
    if (n <= 1) return 0;
    unsigned __int128 m = (unsigned __int128)rng_next(r) * n;
    if ((uint64_t)m < n) {
        uint64_t floor = -n % n;
        while ((uint64_t)m < floor) m = (unsigned __int128)rng_next(r) * n;
    }
    return (uint64_t)(m >> 64);
}

int64_t rng_between(struct sim_rng *r, int64_t least, int64_t most)
{
    if (most <= least) return least;
    return least + (int64_t)rng_below(r, (uint64_t)(most - least) + 1);
}

void rng_fill(struct sim_rng *r, void *p, size_t n)
{
    unsigned char *to = p;
    while (n) {
        uint64_t x = rng_next(r);
        size_t k = n < sizeof x ? n : sizeof x;
        memcpy(to, &x, k);
        to += k;
        n -= k;
    }
}

bool rng_chance(struct sim_rng *r, uint32_t ppm) { return ppm && rng_below(r, 1000000) < ppm; }

/* ---- OpenSSL ---- */

static struct sim_rng *openssl_rng;

static int from_seed(unsigned char *p, int n)
{
    rng_fill(openssl_rng, p, (size_t)n);
    return 1;
}
static int take_entropy(const void *p, int n, double entropy)
{
    (void)p, (void)n, (void)entropy; /* nothing from outside may enter */
    return 1;
}
static int take_seed(const void *p, int n) { return take_entropy(p, n, 0); }
static int always(void) { return 1; }

static const RAND_METHOD seeded = {
    .seed = take_seed,
    .bytes = from_seed,
    .add = take_entropy,
    .pseudorand = from_seed,
    .status = always,
};

void sim_openssl_random(struct sim_rng *r)
{
    openssl_rng = r;
    RAND_set_rand_method(r ? &seeded : NULL);
}

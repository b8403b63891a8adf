/* slice.c - comparing, cutting and searching bytes. */
#define _GNU_SOURCE
#include "slice.h"

bool sl_eq(struct slice a, struct slice b) { return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0); }

static bool same_fold(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sl_lower(a[i]) != sl_lower(b[i])) return false;
    return true;
}

bool sl_eqi(struct slice a, struct slice b) { return a.n == b.n && same_fold(a.p, b.p, a.n); }

static int by_length(size_t a, size_t b) { return a < b ? -1 : a > b; }

int sl_cmp(struct slice a, struct slice b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int r = n ? memcmp(a.p, b.p, n) : 0;
    return r ? r : by_length(a.n, b.n);
}

bool sl_starts(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && sl_eq(sl_sub(s, 0, prefix.n), prefix);
}

bool sl_startsi(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && same_fold(s.p, prefix.p, prefix.n);
}

bool sl_ends(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && sl_eq(sl_from(s, s.n - suffix.n), suffix);
}

bool sl_endsi(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && sl_eqi(sl_from(s, s.n - suffix.n), suffix);
}

size_t sl_chr(struct slice s, char c)
{
    const char *q = s.n ? memchr(s.p, c, s.n) : NULL;
    return q ? (size_t)(q - s.p) : SL_NONE;
}

size_t sl_rchr(struct slice s, char c)
{
    const char *q = s.n ? memrchr(s.p, c, s.n) : NULL;
    return q ? (size_t)(q - s.p) : SL_NONE;
}

size_t sl_find(struct slice s, struct slice needle)
{
    if (needle.n == 0) return 0;
    const char *q = s.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
    return q ? (size_t)(q - s.p) : SL_NONE;
}

size_t sl_findi(struct slice s, struct slice needle)
{
    if (needle.n == 0) return 0;
    if (needle.n > s.n) return SL_NONE;
    for (size_t i = 0; i + needle.n <= s.n; i++)
        if (same_fold(s.p + i, needle.p, needle.n)) return i;
    return SL_NONE;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

struct slice sl_rtrim(struct slice s)
{
    while (s.n && is_blank(s.p[s.n - 1])) s.n--;
    return s;
}

struct slice sl_trim(struct slice s)
{
    while (s.n && is_blank(*s.p)) s.p++, s.n--;
    return sl_rtrim(s);
}

bool sl_next(struct slice *rest, char c, struct slice *head)
{
    if (!rest->p) return false;
    size_t at = sl_chr(*rest, c);
    if (at == SL_NONE) {
        *head = *rest;
        *rest = (struct slice){NULL, 0};
    } else {
        *head = sl_sub(*rest, 0, at);
        *rest = sl_from(*rest, at + 1);
    }
    return true;
}

/* SipHash-1-3 (Aumasson, Bernstein 2012, reduced rounds): short inputs, keyed. */
static uint64_t key0, key1;

void hash_seed(uint64_t k0, uint64_t k1)
{
    key0 = k0;
    key1 = k1;
}

static inline uint64_t rotl(uint64_t x, int b) { return x << b | x >> (64 - b); }

struct sip {
    uint64_t a, b, c, d;
};

static inline void sip_round(struct sip *s)
{
    s->a += s->b, s->b = rotl(s->b, 13) ^ s->a, s->a = rotl(s->a, 32);
    s->c += s->d, s->d = rotl(s->d, 16) ^ s->c;
    s->a += s->d, s->d = rotl(s->d, 21) ^ s->a;
    s->c += s->b, s->b = rotl(s->b, 17) ^ s->c, s->c = rotl(s->c, 32);
}

static uint64_t siphash(struct slice in, bool fold)
{
    struct sip s = {key0 ^ 0x736f6d6570736575u, key1 ^ 0x646f72616e646f6du, key0 ^ 0x6c7967656e657261u,
                    key1 ^ 0x7465646279746573u};
    uint64_t word = 0;
    for (size_t i = 0; i < in.n; i++) {
        unsigned char c = (unsigned char)(fold ? sl_lower(in.p[i]) : in.p[i]);
        word |= (uint64_t)c << 8 * (i & 7);
        if ((i & 7) == 7) {
            s.d ^= word;
            sip_round(&s);
            s.a ^= word;
            word = 0;
        }
    }
    word |= (uint64_t)in.n << 56;
    s.d ^= word;
    sip_round(&s);
    s.a ^= word;
    s.c ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

uint64_t sl_hash(struct slice s) { return siphash(s, false); }
uint64_t sl_hashi(struct slice s) { return siphash(s, true); }

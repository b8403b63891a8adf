/* slice.h - a borrowed run of bytes, by value.
 *
 * A slice owns nothing and is never freed. It is valid as long as the memory it
 * was cut from: a command's arena, a session's arena, a connection's buffer
 * until the next read. Bytes may be any value, NUL included; nothing here looks
 * for a terminator. Case folding is ASCII only, as protocol keywords want. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

struct slice {
    const char *p;
    size_t n;
};

/* A string literal as a slice; also usable in static initialisers. */
#define SL(lit) ((struct slice){"" lit, sizeof(lit) - 1})
#define SL_INIT(lit)                                                                                         \
    {                                                                                                        \
        "" lit, sizeof(lit) - 1                                                                              \
    }
/* For printf: printf("%.*s", SLF(s)). */
#define SLF(s) (int)(s).n, (s).p

static inline struct slice sl(const void *p, size_t n) { return (struct slice){p, n}; }
static inline struct slice sl_cstr(const char *s) { return (struct slice){s, s ? strlen(s) : 0}; }
static inline bool sl_empty(struct slice s) { return s.n == 0; }

/* Bytes [from, to), both clipped to the slice. */
static inline struct slice sl_sub(struct slice s, size_t from, size_t to)
{
    if (to > s.n) to = s.n;
    if (from > to) from = to;
    if (!s.p) return s; /* arithmetic on a null pointer is undefined */
    return (struct slice){s.p + from, to - from};
}
/* All from byte `from` on. */
static inline struct slice sl_from(struct slice s, size_t from) { return sl_sub(s, from, s.n); }

static inline char sl_lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static inline char sl_upper(char c) { return c >= 'a' && c <= 'z' ? (char)(c - 32) : c; }

bool sl_eq(struct slice a, struct slice b);
bool sl_eqi(struct slice a, struct slice b); /* ignoring ASCII case */
int sl_cmp(struct slice a, struct slice b);  /* <0, 0, >0 by bytes, then length */
bool sl_starts(struct slice s, struct slice prefix);
bool sl_startsi(struct slice s, struct slice prefix);
bool sl_ends(struct slice s, struct slice suffix);
bool sl_endsi(struct slice s, struct slice suffix);

/* Position of the first (last) occurrence, or SL_NONE. */
#define SL_NONE ((size_t)-1)
size_t sl_chr(struct slice s, char c);
size_t sl_rchr(struct slice s, char c);
size_t sl_find(struct slice s, struct slice needle);
size_t sl_findi(struct slice s, struct slice needle);

/* Without leading and trailing SP, HTAB, CR, LF. */
struct slice sl_trim(struct slice s);
struct slice sl_rtrim(struct slice s);

/* Cuts *rest at the first c: the part before it goes to *head, *rest keeps what
 * follows it (empty when c does not occur). False when *rest was already used
 * up (p == NULL after the last piece), so that this visits every piece:
 *     while (sl_next(&rest, ',', &piece)) ... */
bool sl_next(struct slice *rest, char c, struct slice *head);

/* A 64-bit hash keyed against collisions chosen by a peer (SipHash-1-3). The key
 * is set once at start by hash_seed(); tests may leave it zero. */
void hash_seed(uint64_t k0, uint64_t k1);
uint64_t sl_hash(struct slice s);
uint64_t sl_hashi(struct slice s); /* the same for slices equal under sl_eqi */

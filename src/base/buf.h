/* buf.h - a growing run of bytes with an owner and a sticky error.
 *
 * Writers do not check each call: once the cap is passed nothing more is added,
 * `over` stays set, and the caller asks once at the end. */
#pragma once
#include "slice.h"

struct buf {
    char *p;
    size_t n, size;
    size_t cap;                              /* most bytes it may hold; 0 = no limit */
    bool over;                               /* something did not fit */
    void (*spill)(struct buf *b, void *arg); /* takes what is there: buf_spill() */
    void *spill_arg;
};

#define BUF_INIT                                                                                             \
    {                                                                                                        \
        0                                                                                                    \
    }
static inline void buf_init(struct buf *b, size_t cap) { *b = (struct buf){.cap = cap}; }
void buf_free(struct buf *b); /* also back to the empty state; what was in it is wiped, when it grows, too */
static inline void buf_clear(struct buf *b) { b->n = 0, b->over = false; } /* keeps the memory */
static inline struct slice buf_slice(const struct buf *b) { return sl(b->p, b->n); }

void buf_put(struct buf *b, struct slice s);
void buf_bytes(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_u64(struct buf *b, uint64_t v); /* decimal */
/* Space for n more bytes to be filled in by the caller, who then adds to b->n;
 * NULL (and over set) when the cap forbids it. */
char *buf_space(struct buf *b, size_t n);
/* Writers of much text call it now and then, where no part of what is there will be changed any more:
 * above BUF_SPILL bytes the owner's spill(), if there is one, takes them. It may suspend. */
enum { BUF_SPILL = 16 * 1024 };
static inline void buf_spill(struct buf *b)
{
    if (b->spill && b->n >= BUF_SPILL) b->spill(b, b->spill_arg);
}
/* Removes the first n bytes. */
void buf_drop(struct buf *b, size_t n);

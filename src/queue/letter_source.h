/* letter_source.h - the bytes of a letter as an attempt hands them over: as they are stored, converted, or
 * made on the way. Who sends knows nothing else of them. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

struct body_store;
struct letter;

/* What a source says of itself stays as it is until its end. Used by one fiber at a time. It and what it
 * holds lie in the arena it was made in (an attempt's) and end with that; what it shares with others it gives
 * back when it is ended. */
struct letter_source {
    uint64_t size;            /* exactly as many bytes come: MAIL's SIZE= (RFC 1870) */
    uint32_t head;            /* of them the header section with its empty line */
    bool eight_bit, smtputf8; /* it goes to none but a server with 8BITMIME; with SMTPUTF8 */
    bool binary;              /* with BINARYMIME and CHUNKING */
    /* Bytes [at, at+n), clipped to the size, into p; how many came: at least one while at < size. `at` is 0
     * (a server is tried, then the next: each reads it from the start) or where the read before ended, so
     * that a converter may work as it goes. SUSPENDS. ERR_CORRUPT, ERR_IO … of what it is made of. */
    int64_t (*read)(void *ctx, uint64_t at, void *p, size_t n);
    void *ctx;
    void (*end)(void *ctx); /* called once when nobody reads it any more; or NULL */
};
/* A negative code as read() has it, and ERR_CORRUPT when fewer bytes come than were said. SUSPENDS. */
MUST_CHECK int64_t letter_source_read(const struct letter_source *src, uint64_t at, void *p, size_t n);
/* A letter as it is stored, without what is for local eyes only (skip). All is borrowed for as long as the
 * source is used, and the body pinned. Reads nothing yet. */
struct letter_source letter_source_stored(struct arena *a, struct body_store *b, const struct letter *l);

/* read.c - reading ranges of bodies, never without their checksums. */
#include <stdlib.h>

#include "base/text.h"
#include "body_i.h"

enum { PIECE = 16 * PACK_CHUNK };

static int damaged(const struct place *p)
{
    return err_set(ERR_CORRUPT, "the body at %llx in pack %016llx is damaged", (unsigned long long)p->at,
                   (unsigned long long)p->pack);
}

static int read_exactly(struct file *f, const struct place *pl, void *p, size_t n, uint64_t at)
{
    int64_t got = file_read(f, p, n, at);
    if (got < 0) return (int)got;
    return (size_t)got == n ? 0 : damaged(pl);
}

/* The whole body of a shared pack into p. */
static int shared_whole(struct file *f, const struct place *pl, void *p)
{
    int e = read_exactly(f, pl, p, (size_t)pl->size, pl->at + RECORD_HEADER);
    if (e) return e;
    return crc32c(0, p, (size_t)pl->size) == pl->sum ? 0 : damaged(pl);
}

static int shared_range(struct file *f, const struct place *pl, uint64_t at, char *p, size_t n)
{
    if (n == pl->size) return shared_whole(f, pl, p);
    char *whole = xmalloc((size_t)pl->size);
    int e = shared_whole(f, pl, whole);
    if (e == 0) memcpy(p, whole + at, n);
    free(whole);
    return e;
}

/* Chunks [first, last] into room, checked; *from: the file offset of the first byte. */
static int chunks_read(struct file *f, const struct place *pl, uint64_t first, uint64_t last, uint8_t *room,
                       uint64_t *start)
{
    struct large l = place_large(pl);
    uint8_t sums[4 * (PIECE / PACK_CHUNK + 2)];
    uint64_t from, to, end;
    large_chunk(&l, first, start, &to);
    large_chunk(&l, last, &from, &end);
    int e = read_exactly(f, pl, room, (size_t)(end - *start), *start);
    if (e == 0) e = read_exactly(f, pl, sums, (size_t)(4 * (last - first + 1)), large_table(&l) + 4 * first);
    for (uint64_t i = first; e == 0 && i <= last; i++) {
        const uint8_t *s = sums + 4 * (i - first);
        uint32_t want = (uint32_t)s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 | (uint32_t)s[3] << 24;
        large_chunk(&l, i, &from, &to);
        if (crc32c(0, room + (from - *start), (size_t)(to - from)) != want) e = damaged(pl);
    }
    return e;
}

static int large_range(struct file *f, const struct place *pl, uint64_t at, char *p, size_t n)
{
    struct large l = place_large(pl);
    uint8_t *room = xmalloc(PIECE + 2 * PACK_CHUNK);
    int e = 0;
    while (e == 0 && n) {
        size_t piece = n < PIECE ? n : PIECE;
        uint64_t start;
        e = chunks_read(f, pl, large_chunk_of(&l, at), large_chunk_of(&l, at + piece - 1), room, &start);
        if (e) break;
        memcpy(p, room + (large_start(&l) + at - start), piece);
        p += piece, at += piece, n -= piece;
    }
    free(room);
    return e;
}

int64_t packs_read(struct body_store *base, const struct body_ref *ref, uint64_t at, void *p, size_t n)
{
    struct packs *b = packs_of(base);
    struct place pl;
    struct pack *pack;
    int e = place_get(ref, &pl);
    if (e) return e;
    if (at > pl.size) at = pl.size;
    if (n > pl.size - at) n = (size_t)(pl.size - at);
    if (n == 0) return 0;
    e = pack_hold(b, pl.pack, &pack);
    if (e) return e;
    e = pl.kind == PACK_LARGE ? large_range(pack->file, &pl, at, p, n)
                              : shared_range(pack->file, &pl, at, p, n);
    pack_release(b, pack);
    return e ? e : (int64_t)n;
}

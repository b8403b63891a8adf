/* pack.h - the bytes of a pack file (docs/format.md). Pure: no I/O.
 *
 * All numbers are little-endian. A pack starts with a page of PACK_PAGE bytes
 * that holds its header twice. A shared pack goes on with records, each at a
 * multiple of 8: header, bytes, origin, zeros. A seal ends a pack that is complete.
 * Header checksums are keyed with the pack's salt (chance), so that no body, whoever
 * wrote it, can hold bytes that pass for a record.
 *
 * A large pack holds one body: the page; room for a prefix, which lies at the end
 * of that room; the content; a table with a checksum for each chunk; the origin. The chunks
 * are counted from the start of the content, to both sides. */
#pragma once
#include "body.h"

enum {
    PACK_VERSION = 2,
    PACK_PAGE = 4096,
    PACK_COPY = 2048, /* where the second copy of the header lies */
    PACK_HEADER = 72,
    RECORD_HEADER = 56,
    PACK_CHUNK = 64 * 1024,
    PACK_CONTENT = PACK_PAGE + BODY_PREFIX_MAX, /* where a large body's content starts */
};

enum pack_kind { PACK_SHARED, PACK_LARGE };

struct pack_head {
    uint64_t number, salt;
    int64_t created; /* unix seconds */
    enum pack_kind kind;
    enum body_class cls;
    uint64_t content;            /* large: bytes after the prefix */
    uint32_t prefix, table_sum;  /* large: bytes of the prefix; checksum of the chunk table */
    uint32_t origin, origin_sum; /* large: bytes of the origin and their checksum */
    uint64_t stamp;              /* large: when the body was first written */
    uint8_t codec;               /* large: 0, the body lies here as it is */
};
void pack_head_put(const struct pack_head *h, uint8_t page[PACK_PAGE]);
/* n: bytes of the page that could be read. ERR_VERSION; ERR_CORRUPT: both copies are damaged. */
MUST_CHECK int pack_head_get(struct pack_head *h, const uint8_t *page, size_t n);

enum record_kind { RECORD_BODY, RECORD_SEAL };
struct record {
    enum record_kind kind;
    uint64_t offset;             /* of its header in the pack */
    uint64_t size;               /* of the body; of a seal: unix seconds of the last append */
    uint32_t sum;                /* of the body's bytes */
    uint32_t origin, origin_sum; /* bytes of the origin behind the body and their checksum; a seal: bytes of
                                    all origins in the pack */
    uint64_t stamp;              /* when the body was first written */
    uint8_t codec;               /* 0: the body lies here as it is */
};
void record_put(const struct pack_head *h, const struct record *r, uint8_t out[RECORD_HEADER]);
/* What must lie at `offset`. False: no valid header there. */
bool record_get(const struct pack_head *h, uint64_t offset, const uint8_t in[RECORD_HEADER],
                struct record *r);
static inline uint64_t record_padded(uint64_t n) { return (n + 7) & ~(uint64_t)7; }
/* From one record's offset to the next one's. */
static inline uint64_t record_span(uint64_t size, uint32_t origin)
{
    return record_padded(RECORD_HEADER + size + origin);
}
/* First place in p (n bytes from `offset` on, offset a multiple of 8) at or after *at where a valid
 * header lies; false when there is none. */
bool record_search(const struct pack_head *h, uint64_t offset, const uint8_t *p, size_t n, size_t *at,
                   struct record *r);

/* ---- large bodies ---- */

struct large {
    uint64_t content;
    uint32_t prefix;
};
static inline uint64_t large_start(const struct large *l) { return PACK_CONTENT - l->prefix; }
static inline uint64_t large_table(const struct large *l) { return record_padded(PACK_CONTENT + l->content); }
/* How many chunks lie before the content, and in all. */
static inline uint64_t large_prefix_chunks(const struct large *l)
{
    return ((uint64_t)l->prefix + PACK_CHUNK - 1) / PACK_CHUNK;
}
static inline uint64_t large_chunks(const struct large *l)
{
    return large_prefix_chunks(l) + (l->content + PACK_CHUNK - 1) / PACK_CHUNK;
}
static inline uint64_t large_origin(const struct large *l) { return large_table(l) + 4 * large_chunks(l); }
/* File range [*from, *to) of chunk i. */
void large_chunk(const struct large *l, uint64_t i, uint64_t *from, uint64_t *to);
/* The chunk in which byte `at` of the body lies. */
uint64_t large_chunk_of(const struct large *l, uint64_t at);

/* ---- references ---- */

/* "<class><kind>.<pack>.<place>.<size>.<sum>", lower-case hex without leading zeros.
 * class: q, m or i. kind: s (place = offset of the record, sum = its checksum) or
 * l (place = bytes of the prefix, sum = checksum of the chunk table). */
struct place {
    enum body_class cls;
    enum pack_kind kind;
    uint64_t pack, at, size;
    uint32_t sum;
};
void place_put(const struct place *p, struct body_ref *out);
MUST_CHECK int place_get(const struct body_ref *ref, struct place *out); /* ERR_SYNTAX */
struct large place_large(const struct place *p);

/* "queue-0000000000000001.pack"; "....part" before it holds anything that was acknowledged. */
enum { PACK_NAME_MAX = BODY_FILE_MAX };
void pack_name(enum body_class cls, uint64_t number, bool part, char out[PACK_NAME_MAX]);
bool pack_name_parse(struct slice name, enum body_class *cls, uint64_t *number, bool *part);

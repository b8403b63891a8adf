/* record.h - the form of every value in the index: a version and tagged fields.
 *
 * byte 0: the record type's version; then fields: tag (1 byte), length (LEB128,
 * at most 3 bytes), bytes. Numbers are LEB128 inside their field. Unknown tags are
 * passed over, so that the program before can read what the next one adds; a
 * change that it could not read gets a new version. Tags may repeat (lists). */
#pragma once
#include "base/buf.h"
#include "base/err.h"

void rec_begin(struct buf *b, uint8_t version); /* clears b */
/* What would go past KV_VALUE_MAX empties the record and sets over: nobody can store half of one. It
 * is stored with kv_tx_put_record() or kv_note_record(), which refuse it in words. */
void rec_put(struct buf *b, uint8_t tag, struct slice bytes);
void rec_put_u64(struct buf *b, uint8_t tag, uint64_t v);
/* Only when it is not the default a reader assumes: */
static inline void rec_opt_u64(struct buf *b, uint8_t tag, uint64_t v)
{
    if (v) rec_put_u64(b, tag, v);
}
static inline void rec_opt(struct buf *b, uint8_t tag, struct slice s)
{
    if (s.n) rec_put(b, tag, s);
}

/*  struct rec r; int e = rec_open(&r, value, 1); if (e) return e;
 *  while (rec_next(&r)) switch (r.tag) { case 'n': name = r.field; ... case 's': size = rec_u64(&r); }
 *  return rec_error(&r); */
struct rec {
    struct slice rest, field;
    uint8_t version, tag;
    bool bad;
};
/* ERR_VERSION when the record's version is above `newest`, ERR_CORRUPT when empty. */
MUST_CHECK int rec_open(struct rec *r, struct slice value, uint8_t newest);
bool rec_next(struct rec *r);
uint64_t rec_u64(struct rec *r);               /* the present field as a number; sets bad when it is none */
MUST_CHECK int rec_error(const struct rec *r); /* 0 or ERR_CORRUPT */

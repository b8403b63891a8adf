/* body.h - message bodies: immutable bytes in append-only pack files.
 *
 * A body is written once and named by an opaque reference. Small ones (up to
 * BODY_SMALL bytes) are gathered in memory and appended to the current pack of
 * their class, a group sharing one fdatasync. A larger one streams to a pack
 * file of its own while it arrives, so memory does not grow with it.
 *
 * Each record has a magic, a version, its id, its length and checksums; a torn
 * tail is sealed when the pack is looked at, a damaged record never hides others. Packs hold no
 * counts of references: what is alive is known by the index, and the caller
 * (store/sweep) tells which packs to drop or to move out of.
 *
 * Files: <dir>/<class>-<number:016x>.pack. The bytes are specified in docs/format.md. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "rt/rt.h"

struct body_store;
struct body_writer;

enum { BODY_SMALL = 256 * 1024, BODY_PREFIX_MAX = 512 * 1024, BODY_ORIGIN_MAX = 5 << 20, BODY_REF_MAX = 64 };

/* Letters that live for seconds, mail that lives for years, and images of the index, which live until the
 * next one, go to different packs. */
enum body_class { BODY_QUEUE, BODY_MAIL, BODY_IMAGE, BODY_CLASSES };

/* An opaque name: printable ASCII, to be stored as it is. */
struct body_ref {
    char s[BODY_REF_MAX];
};
static inline struct slice body_ref_slice(const struct body_ref *r) { return sl_cstr(r->s); }
MUST_CHECK int body_ref_parse(struct slice s, struct body_ref *out);
uint64_t body_ref_size(const struct body_ref *r); /* bytes of the body */
/* Size and checksum in words: the same wherever the body lies. Valid as long as r. */
struct slice body_ref_content(const struct body_ref *r);
uint64_t body_ref_pack(const struct body_ref *r); /* number of the pack it lies in */
enum { BODY_FILE_MAX = 40 };
void body_ref_file(const struct body_ref *r, char out[BODY_FILE_MAX]); /* name of its file in the folder */

/* Opens or creates the folder. Looks at the names only: how long it takes depends on their number,
 * not on what lies in the packs, and a pack that cannot be read stops no start. BLOCKS.
 * pack_bytes: a pack is closed when it grows past this (0 = 64 MiB). */
MUST_CHECK int body_open(struct body_store **out, const char *dir, uint64_t pack_bytes);
void body_close(struct body_store **b); /* SUSPENDS */

/* ---- writing ---- */

MUST_CHECK int body_begin(struct body_store *b, enum body_class cls, struct body_writer **out);
/* Adds bytes. SUSPENDS once the body is large. ERR_FULL, ERR_IO, sticky. */
MUST_CHECK int body_write(struct body_writer *w, struct slice bytes);
uint64_t body_written(const struct body_writer *w);
/* While the body is still small: all bytes written so far, in one piece; else empty. */
struct slice body_small(const struct body_writer *w);
/* Bytes [at, at+n) of what was written so far, clipped to it, copied into p; the number. SUSPENDS. ERR_IO. */
MUST_CHECK int64_t body_read_back(struct body_writer *w, uint64_t at, void *p, size_t n);
/* Puts `prefix` (at most BODY_PREFIX_MAX bytes) in front of what was written and
 * makes the whole durable; *ref names it. `origin` (at most BODY_ORIGIN_MAX bytes; opaque here,
 * store/origin.h) says whence it is, so that the index can be made again from the bodies: it lies beside the
 * body and is no part of it. SUSPENDS for a shared fdatasync. The
 * writer is gone afterwards, whatever the result. The body is pinned, that is
 * not swept, until body_unpin(); call that after the index refers to it. */
MUST_CHECK int body_finish(struct body_writer **w, struct slice prefix, struct slice origin,
                           struct body_ref *ref);
void body_abandon(struct body_writer **w); /* nothing stays */
void body_unpin(struct body_store *b, const struct body_ref *ref);
/* Pins a body once more, for somebody who goes on with a reference while the index may change: look
 * afterwards whether the index still has this one. ERR_NOT_FOUND: its pack is gone. */
MUST_CHECK int body_pin(struct body_store *b, const struct body_ref *ref);
/* begin + write + finish for bytes in memory. SUSPENDS. */
MUST_CHECK int body_put(struct body_store *b, enum body_class cls, struct slice bytes, struct slice origin,
                        struct body_ref *ref);

/* ---- reading ---- */

/* Bytes [at, at+n) clipped to the body, copied into p; the number read. Whole
 * small records are checked against their checksum; a range of a large one against
 * that of its chunks. SUSPENDS. ERR_CORRUPT, ERR_NOT_FOUND (swept or moved: look the
 * reference up again), ERR_IO. */
MUST_CHECK int64_t body_read(struct body_store *b, const struct body_ref *ref, uint64_t at, void *p,
                             size_t n);
/* The whole, or its first `max` bytes, into the arena. SUSPENDS. */
MUST_CHECK int body_get(struct body_store *b, const struct body_ref *ref, size_t max, struct arena *a,
                        struct slice *out);

/* ---- care ---- */

struct body_pack {
    uint64_t number, bytes;
    uint64_t origins; /* of the bytes: those of origins */
    enum body_class cls;
    bool open;     /* still appended to, or holding pinned bodies: leave it alone */
    int64_t age_s; /* since its last append, or since the store was opened when that is later */
};
/* Every pack. Reads the headers that were not read yet; a pack whose header cannot be read for now
 * is given as open. SUSPENDS. */
MUST_CHECK int body_packs(struct body_store *b, struct arena *a, struct body_pack **out, size_t *n);
MUST_CHECK int body_drop_pack(struct body_store *b, uint64_t number); /* ERR_BUSY while open. SUSPENDS */
/* Copies a body out of its pack into the current one of the class, with its origin and stamp; pinned like a
 * new one. SUSPENDS. */
MUST_CHECK int body_move(struct body_store *b, const struct body_ref *from, enum body_class cls,
                         struct body_ref *to);
/* When a body was first written: microseconds since 1970, but never less than the stamp before, so that a
 * clock that goes back makes none older than those before it. */
uint64_t body_stamp(struct body_store *b); /* of a body that would be written now */
/* No body with a lower stamp waits for the index to refer to it: each was unpinned (or is pinned for more
 * than a day, which is a reference that nobody knows the end of). */
uint64_t body_settled(struct body_store *b);
struct body_seen {
    struct body_ref ref;
    int status; /* 0, or ERR_CORRUPT for its bytes */
    uint64_t stamp;
    struct slice origin; /* valid during the call; empty: none, or damaged */
    bool origin_damaged;
};
/* Every record of a pack (or of all when number is 0), damaged ones too. each() runs on another thread while
 * this waits. SUSPENDS. */
MUST_CHECK int body_verify(struct body_store *b, uint64_t number,
                           void (*each)(void *arg, const struct body_seen *seen), void *arg);
/* Hard links (copies on another file system) of every pack into the new folder; what is written from
 * now on goes to other packs. go_on(arg) is asked before each (NULL: always): an error of it ends the
 * copying. No pack may be dropped meanwhile: one that is not there any more is ERR_NOT_FOUND. SUSPENDS. */
MUST_CHECK int body_backup(struct body_store *b, const char *to, int (*go_on)(void *arg), void *arg);

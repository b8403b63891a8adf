/* rescue_i.h - what images are made of; shared by who writes, reads and keeps them. */
#pragma once
#include "care_i.h"
#include "origin.h"
#include "rescue.h"

enum { IMAGE_DIGEST = 16 };

/* The row of an object in `_images`. Slices point into the value. */
struct image_row {
    struct body_ref head;
    uint64_t stamp;       /* bodies with a lower one are told of in the image, or were not there any more */
    int64_t when;         /* unix seconds */
    struct slice digest;  /* of the head */
    struct slice account; /* row `a` of an account, before its rows were read; of a send rows h, c and s */
};
MUST_CHECK int image_row_get(struct slice value, struct image_row *out); /* ERR_CORRUPT */

/* One body of an image: which it is, from its origin. */
struct image_origin {
    struct slice object;
    bool part;
    uint64_t stamp;
    int64_t when;
};
MUST_CHECK int image_origin_get(struct rec *r,
                                struct image_origin *out); /* r: from origin_open(). ERR_CORRUPT */

/* The parts of a head and its own rows: part() gets a digest and a reference, rows() what rows_take() reads.
 * Either may be NULL. SUSPENDS. ERR_CORRUPT, ERR_NOT_FOUND: not all of it is there. */
struct image_reader {
    int (*part)(void *arg, struct slice digest, const struct body_ref *ref);
    int (*rows)(void *arg, struct slice rows);
    void *arg;
};
MUST_CHECK int image_head(struct store *s, const struct body_ref *head, const struct image_reader *r);
/* Every row of the image in order (a later one replaces an earlier one); each NULL: only looks whether all is
 * there. Its non-zero value ends the reading. SUSPENDS. */
MUST_CHECK int image_rows(struct store *s, const struct body_ref *head,
                          int (*each)(void *arg, struct slice key, struct slice value), void *arg);
/* Can the row be read by those who use it? Does not suspend. */
bool image_row_good(struct arena *a, struct slice object, struct slice key, struct slice value);

/* What becomes of an object when the index is lost. */
enum object_fate {
    KIND_IMAGED,   /* an image made with some knowledge of it, or bodies tell */
    KIND_AS_IT_IS, /* an image of all its rows */
    KIND_LOST,
    KIND_MADE_AGAIN, /* follows from what there is */
};
struct object_kind {
    const char *name; /* what its name begins with; with a _ in front: its name */
    enum object_fate fate;
    const char *lost; /* what is gone of it, in words; of an image: since it was made */
};
const struct object_kind *object_kind(struct slice object); /* NULL: nobody knows it */
/* What is not 0 of each() ends the walk, and is what it gives. */
MUST_CHECK int object_kinds_each(int (*each)(void *arg, const struct object_kind *k), void *arg);

/* Every row of `_images`: value as image_row_get() takes it. SUSPENDS. */
MUST_CHECK int images_each(struct store *s, int (*each)(void *arg, struct slice object, struct slice value),
                           void *arg);
/* The packs in which an image lies, with the bytes it has there. ERR_CORRUPT. Does not suspend. */
MUST_CHECK int image_packs(struct slice value, void (*each)(void *arg, uint64_t pack, uint64_t bytes),
                           void *arg);
/* For store_verify(): is each image whole? SUSPENDS. */
MUST_CHECK int images_verify(struct store *s, verify_bad *bad, void *arg);
/* The image of a list of names, of no object: of domains (`d:`), of sends that are not over (`s:`). */
static inline bool image_is_list(struct slice object)
{
    return sl_eq(object, SL("d:")) || sl_eq(object, SL("s:"));
}
/* Every row of an object, while it changes. SUSPENDS. */
MUST_CHECK int object_rows(struct store *s, struct slice object,
                           int (*each)(void *arg, struct slice key, struct slice value), void *arg);

/* ---- an index made again ---- */

struct rescue {
    struct store *s;
    const struct rescue_conf *conf;
    struct rescue_report *report;
    struct arena *a;     /* the caller's: of the report */
    struct arena own;    /* what lives as long as the rescue */
    struct map heads;    /* object -> struct head_seen, youngest first */
    struct map accounts; /* id -> struct rescue_account */
    struct map packs;    /* 8 bytes of a pack's number */
    struct map recent;   /* "acc reference" of messages that an image gave and that are not old */
    struct map missing;  /* content of a body (size and checksum) -> struct missing: their packs are gone */
    uint64_t newest;     /* the end of what is known, as a stamp */
    uint64_t oldest;     /* least stamp of an account's image */
};
struct head_seen {
    struct head_seen *next;
    struct body_ref head;
    uint64_t stamp; /* of the image */
    int64_t when;
    uint64_t body; /* stamp of the head itself: which is the younger */
};
/* A message of an image whose pack is not there any more: its body was moved, or it was expunged. */
struct missing {
    struct missing *next;
    struct rescue_account *acc;
    uint32_t box;
    struct message m;
};

/* The youngest image of an object that is whole. ERR_NOT_FOUND. SUSPENDS. */
MUST_CHECK int rescue_image(struct rescue *r, struct slice object, struct head_seen **out);
/* rescue_account.c: rows of the account from its image, or a new one. SUSPENDS. */
MUST_CHECK int rescue_account(struct rescue *r, struct rescue_account *acc);
/* Its body lies at ref now. SUSPENDS. */
MUST_CHECK int rescue_missing(struct rescue *r, struct missing *m, const struct body_ref *ref);
bool rescue_remembers(struct rescue *r, const char *acc, const struct body_ref *ref);
void rescue_remember(struct rescue *r, const char *acc, const struct body_ref *ref);
/* loss.c: as after a loss that was accepted, with these words. SUSPENDS. */
MUST_CHECK int loss_note(struct store *s, struct slice what);

/* rescue.h - images of directory and accounts among the bodies, and an index made again from them and from
 * the bodies that are younger (docs/format.md, section 8).
 *
 * An image is the rows of one object of the index, as bodies of the class BODY_IMAGE: a head and parts. A
 * part whose rows did not change serves the next image too, so a busy giant is not written whole each time.
 * Object
 * `_images` names the current image of each object: these the sweep keeps, older ones it drops. */
#pragma once
#include "kv/record.h"
#include "mailbox.h"

/* ---- writing ---- */

enum images_of {
    IMAGES_OF_DIRECTORY, /* domains: names, accounts with their login keys, aliases, DKIM keys */
    IMAGES_OF_ALL /* accounts with all their mailboxes too; who is shut out; sends that are not over; numbers
                     of sends; DMARC reports that came in */
};
struct images_report {
    uint64_t objects, written; /* looked at; of which an image was written, for they had changed */
    uint64_t bodies, bytes;    /* that were written */
    uint64_t failed;           /* objects that cannot be read to their end: the image before stays */
};
/* Makes an image of each object that changed since its last one, and forgets those of objects that are gone.
 * A crash at any step leaves the image before. gently: takes a third of the time, for whoever has some; a
 * directory that this process did not change is passed over, and sends get five minutes. ERR_BUSY: another
 * one is at it. SUSPENDS. */
MUST_CHECK int images_write(struct store *s, enum images_of which, bool gently, struct images_report *out);

/* When this process last found or made the image of every object but sends, all readable: unix seconds of the
 * beginning of that round; 0: not yet. What changed since then may be missing from an index that is made
 * again. */
int64_t images_complete(const struct store *s);

/* ---- an index made again ---- */

struct rescue_account {
    const char *id;
    struct slice address;
    int64_t image;  /* when its image was begun, unix seconds; 0: it had none that can be read */
    uint64_t stamp; /* of the image */
    uint64_t quota, quota_messages;
    uint64_t messages; /* that its image gave */
    uint64_t gone;     /* that its image names, but their bodies are not there any more: expunged since */
    uint64_t appended; /* from younger bodies: appended messages */
    uint64_t letters;  /* from younger bodies: letters delivered */
};
/* The body of a letter that some recipients may lack. rescue_has() says of an account whether it has what it
 * ever had of it (1), may lack it (0: a delivery under the letter's old name is right), or is not here
 * (ERR_NOT_FOUND); received: unix seconds, of the letter. SUSPENDS. rescue_delivered() counts. */
struct rescue;
struct rescue_letter {
    struct rec *origin; /* from origin_open() */
    const struct body_ref *ref;
    uint64_t stamp;
    bool waited; /* it is so young that recipients elsewhere may not have it */
    struct rescue *rescue;
};
MUST_CHECK int rescue_has(const struct rescue_letter *l, const char *acc, int64_t received);
void rescue_delivered(const struct rescue_letter *l, const char *acc);

struct rescue_conf {
    int64_t queued_s; /* so long a letter may wait in the queue */
    int (*letter)(void *ctx, const struct rescue_letter *l);
    /* The rows of a send (`s:ID`) are there again as they were at that time, unix seconds. */
    int (*send)(void *ctx, struct slice object, int64_t when);
    void *ctx;
};
struct rescue_report {
    int64_t
        directory; /* when the oldest image of a domain in use was begun, unix seconds; 0: there is none */
    uint64_t domains, bodies;
    uint64_t damaged, packs_lost; /* bodies, whole packs that cannot be read */
    uint64_t nameless;            /* whose origin cannot be read: from them nothing came back */
    uint64_t strangers;           /* of accounts that are not here: removed, or made after the last image */
    uint64_t rows_lost;           /* damaged rows in images */
    int64_t numbers;              /* when the oldest image of numbers was begun; 0: there is none */
    struct rescue_account *account;
    size_t n;
};
/* Fills the store, whose index is new and empty, from the images and the younger bodies in its packs. What
 * was there is not swept until store_loss_close(). Numbers that clients have seen are not given again:
 * UIDNEXT, MODSEQ and the numbers of mailboxes jump by RESCUE_JUMP. The report lies in the arena.
 * ERR_NOT_FOUND: there is no image of a directory. SUSPENDS. */
enum { RESCUE_JUMP = 1 << 20 };
MUST_CHECK int rescue_index(struct store *s, const struct rescue_conf *conf, struct arena *a,
                            struct rescue_report *out);

/* What is in no image and follows from nothing, kind by kind. Does not suspend. */
struct rescue_loss {
    const char *objects; /* what their names begin with, as in docs/format.md */
    const char *what;    /* in words */
    int64_t since;       /* unix seconds; 0: all of it */
};
void rescue_losses(const struct rescue_report *report, void (*lost)(void *arg, const struct rescue_loss *l),
                   void *arg);

/* ---- single rows ---- */

/* Rows of directory and accounts that cannot be read are taken from the images; say() gets a sentence of
 * each, also of those that no image can mend. Images that are damaged give way to new ones with the next
 * images_write(). SUSPENDS. */
MUST_CHECK int rescue_mend(struct store *s, void (*say)(void *arg, const char *sentence), void *arg);

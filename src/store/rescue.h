/* rescue.h - images of directory and accounts among the bodies, and an index made again from them and from
 * the bodies that are younger (docs/format.md, section 8).
 *
 * An image is the rows of one object of the index, as bodies of the class BODY_IMAGE: a head and parts. A
 * part whose rows did not change serves the next image too, so a busy giant is not written whole each time.
 * Object
 * `_images` names the current image of each object: these the sweep keeps, older ones it drops. */
#pragma once
#include "mailbox.h"

/* ---- writing ---- */

enum images_of {
    IMAGES_OF_DIRECTORY, /* domains: names, accounts with their login keys, aliases, DKIM keys */
    IMAGES_OF_ALL        /* accounts with all their mailboxes too */
};
struct images_report {
    uint64_t objects, written; /* looked at; of which an image was written, for they had changed */
    uint64_t bodies, bytes;    /* that were written */
    uint64_t failed;           /* objects that cannot be read to their end: the image before stays */
};
/* Makes an image of each object that changed since its last one, and forgets those of objects that are gone.
 * A crash at any step leaves the image before. gently: takes a third of the time, for whoever has some; a
 * directory that this process did not change is passed over. ERR_BUSY: another one is at it. SUSPENDS. */
MUST_CHECK int images_write(struct store *s, enum images_of which, bool gently, struct images_report *out);

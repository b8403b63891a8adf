/* mbox.h - messages in mbox files (RFC 4155 and what programs do): mboxrd, which is written here, mboxo and
 * mboxcl, which are read as well. Pure.
 *
 * A message begins with a line "From SENDER DATE" behind an empty line or at the start of the file. Lines of
 * its text that look so have a '>' in front (mboxrd: also those that begin with more of them). Header fields
 * say what the mailbox knows of it: Status, X-Status, X-Keywords; those of other programs are read and taken
 * out. What is written here has in front of them
 *     X-Tram-Message: BYTES LINES ZONE
 * the size of the message, "crlf" when its lines end in CR LF or "as-is" when they are to be left alone, and
 * the zone of the date, minutes east; behind these fields stands the message to the byte, and nothing more is
 * taken out. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "date.h"
#include "marks.h"

enum { MBOX_FROM_MAX = 1000, MBOX_HEAD_MAX = 256 * 1024 };

/* Is this line (its end may be missing) one that begins a message? dated: its date can be read; only such a
 * one is believed within a file. */
bool mbox_from_line(struct slice line, struct mail_date *date, bool *dated);

struct mbox_head {
    struct mail_marks marks;
    struct slice text; /* the header section without what is the file's own, with the empty line; line ends as
                          they are. In the arena, or of the input */
    struct mail_date date; /* of the fields Received and Date, for a message whose first line has none */
    bool dated;
    bool has_length;
    uint64_t length; /* of the body in the file (mboxcl) */
    bool ours, as_is;
    uint64_t size; /* ours: bytes of the message */
    int zone;
    bool pseudo; /* no message, but what c-client and Dovecot keep in front of the others */
};
/* head: the header section in the file, without the From line, with the empty line if there is one. */
void mbox_head_parse(struct arena *a, struct slice head, struct mbox_head *out);
/* What is put in front of a message. sender: no blanks in it, or empty. */
void mbox_head_put(struct buf *b, struct slice sender, int64_t date, const struct mbox_head *h);

/* Text of a mail file on its way to what is stored, or back; begin with the switches set and the rest 0. */
struct mbox_text {
    bool quote, unquote; /* one '>' more or less in front of each "From " that has only '>' before it */
    bool to_crlf, to_lf; /* a LF alone becomes CR LF; CR LF becomes LF */
    bool cr, middle;     /* CR seen and held back; the line has begun and is none to be changed */
    char begun[5];       /* of "From " */
    size_t marks, n;     /* '>' that are held back in front of it, and its bytes */
};
void mbox_text_next(struct mbox_text *t, struct slice in, struct buf *out);
void mbox_text_end(struct mbox_text *t, struct buf *out); /* what is held back */

/* Looks for the end of a message: where a line that begins the next one stands behind an empty one. Fed with
 * the file's bytes in order, from behind the header section; begin with `empty` set. */
struct mbox_end {
    uint64_t at;      /* bytes seen */
    uint64_t line_at; /* where the line at hand begins */
    uint64_t found;   /* where the next From line stands, */
    uint64_t text;    /* and where the text ends: in front of the empty line, if there is one */
    bool any;         /* found */
    bool empty;       /* the line before was empty, */
    uint64_t before;  /* and began here */
    char line[MBOX_FROM_MAX + 1];
    size_t n;
};
/* True when it was found. */
bool mbox_end_next(struct mbox_end *e, struct slice in);
void mbox_end_last(struct mbox_end *e); /* the file ends here, and so does the text */

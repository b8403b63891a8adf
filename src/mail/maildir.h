/* maildir.h - names of files in a Maildir (cr.yp.to/proto/maildir.html), with what Dovecot, Courier and
 * mbsync put into them. Pure.
 *
 * A name is BASE[,X=VALUE]...[:2,LETTERS]. Of the fields of the base S is the size of the file, W the size
 * with CR LF as line ends (Dovecot, Courier). When both are the same the bytes are the message as it is: then
 * no line end is made another. Z, which is ours, is the zone of the date in minutes east; V and U, ours, the
 * mailbox's UIDVALIDITY and the message's UID. The date is that of the file. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "marks.h"

struct maildir_name {
    uint64_t time;          /* the number in front; 0: none */
    bool as_is;             /* S and W are there and the same */
    int zone;               /* minutes east */
    uint32_t validity, uid; /* 0: not ours */
    unsigned marks;         /* MARK_... */
    bool passed;            /* P: forwarded */
    uint32_t letters;       /* a to z: keywords by their numbers in dovecot-keywords */
};
/* False: this is no message's (it begins with a dot, or is empty). */
bool maildir_name_parse(struct slice name, struct maildir_name *out);
/* A name for cur. size: of the file; lines: with CR LF as line ends; time, zone, validity, uid, marks, passed
 * and letters are those of n. */
void maildir_name_put(struct buf *b, const struct maildir_name *n, uint64_t size, uint64_t lines);

/* A line of dovecot-keywords: "0 $Junk". False: it is none. */
bool maildir_keyword(struct slice line, unsigned *number, struct slice *name);
enum { MAILDIR_LETTERS = 26 };

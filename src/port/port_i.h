/* port_i.h - inside port: what all ways in and out have in common. */
#pragma once
#include "base/buf.h"
#include "mail/marks.h"
#include "port.h"
#include "reader/reader.h"
#include "rt/file.h"

enum { PORT_DEPTH_MAX = MAILBOX_DEPTH_MAX, PORT_SMALL_FILE = 64 * 1024 };

struct porting {
    struct store *store;
    const char *acc;
    struct port_files *files;
    const struct port_hear *hear;
    struct port_report *report;
    struct port_progress progress;
    int64_t told; /* when progress was told last */
};
/* Tells a sentence. An error: the work is to end. */
MUST_CHECK int port_problem(struct porting *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same about a message, a file or a folder that is left out because of error e; e itself when it is none
 * that the next one may be spared. */
MUST_CHECK int port_failed(struct porting *p, int e, struct slice what);
MUST_CHECK int port_progressed(struct porting *p);

/* ---- names of folders ---- */

/* A part of a name between two separators, as Maildirs and folders of mbox files have it: modified UTF-7 (RFC
 * 3501 section 5.1.3), where a dot may be &AC4-; what is no such thing is taken as it is. ERR_SYNTAX: no
 * UTF-8. */
MUST_CHECK int port_name_decode(struct arena *a, struct slice part, struct slice *out);
void port_name_encode(struct buf *b, struct slice part); /* for Maildir: no dot, no slash, ASCII */
void port_name_file(struct buf *b, struct slice part);   /* for a folder of files: UTF-8 */

bool port_is_folder(struct porting *p, const char *path);
/* A small file; none when it is not there. */
MUST_CHECK int port_read_small(struct porting *p, const char *path, struct buf *out);

/* ---- in ---- */

/* A message on its way in. */
struct incoming {
    int (*begin)(struct incoming *in);                 /* (again) from its first byte */
    int (*next)(struct incoming *in, struct buf *out); /* 1: bytes were added; 0: that was all; an error */
    struct mail_marks marks;
    int64_t date;
    int zone;
    struct slice what; /* its name, for sentences */
};
enum { LANDING_AT_ONCE = 64, LANDING_BYTES = 4 << 20 };
struct landed; /* what the mailbox had */
struct landing {
    struct porting *p;
    struct mailbox box;
    struct landed *had;
    size_t nhad;
    struct message_new m[LANDING_AT_ONCE];
    struct body_writer *w[LANDING_AT_ONCE]; /* NULL: finished, m[].body is pinned */
    size_t n;
    uint64_t bytes;
    bool no_keywords; /* there is no room for more of them, and that was said */
    struct arena a, box_a;
};
/* Into the mailbox of this name, made when it is missing. SUSPENDS. */
MUST_CHECK int landing_begin(struct landing **out, struct porting *p, struct slice name);
/* SUSPENDS. An error of the store; what is wrong with the message is told. */
MUST_CHECK int landing_take(struct landing *l, struct incoming *in);
/* What still waits goes in, unless e, which is given back, is an error already. SUSPENDS. */
MUST_CHECK int landing_end(struct landing **l, int e);

MUST_CHECK int import_maildir(struct porting *p, const char *path);
MUST_CHECK int import_mbox(struct porting *p, const char *path);

/* ---- out ---- */

struct port_sink {
    /* A mailbox begins; all of it was given. */
    int (*begin)(struct port_sink *s, const struct mailbox *box);
    int (*end)(struct port_sink *s);
    bool (*has)(struct port_sink *s, const struct message *m); /* is it there already? */
    int (*put)(struct port_sink *s, const struct message *m, struct reader *rd);
    struct porting *p;
};
/* A file that is written piece by piece. */
struct port_file {
    struct port_files *files;
    char *path;
    uint64_t at;
    bool made;
    struct buf b;
};
void port_file_begin(struct port_file *o, struct port_files *files, const char *path);
MUST_CHECK int port_file_spill(struct port_file *o); /* when there is much. SUSPENDS */
/* Back to when it was so long. SUSPENDS. */
MUST_CHECK int port_file_back(struct port_file *o, uint64_t size);
/* Writes what is left and gives it its date (unless that is negative) and its name. SUSPENDS. */
MUST_CHECK int port_file_end(struct port_file *o, int64_t date, const char *name);
void port_file_drop(struct port_file *o); /* SUSPENDS */

MUST_CHECK int export_maildir(struct porting *p, const char *path, struct port_sink **out);
void export_maildir_free(struct port_sink *s);
MUST_CHECK int export_mbox(struct porting *p, const char *path, struct port_sink **out);
void export_mbox_free(struct port_sink *s);

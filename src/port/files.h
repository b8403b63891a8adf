/* files.h - the files that mail comes from and goes to, as seen by whoever may reach them: the program
 * itself, or a command that does it for a server which may touch no file but those of its home.
 *
 * Paths are bytes. Links are not followed, and what is no plain file or folder is not opened. All SUSPEND. */
#pragma once
#include "base/buf.h"
#include "rt/file.h"

enum { PORT_PIECE = 256 * 1024, PORT_NAMES_MAX = 10000, PORT_PICK_MAX = 8192 };

struct port_names {
    char **v;
    size_t n;
    bool more; /* there are others behind the last one */
};
void port_names_free(struct port_names *n);

struct port_files {
    /* All names of a folder, sorted. ERR_LIMIT: more than PORT_NAMES_MAX. */
    int (*names)(struct port_files *f, const char *dir, struct port_names *out);
    /* Names "cur/..." and "new/..." of the messages of a Maildir, in the order in which they came: at most
     * PORT_PICK_MAX of those behind `after` (NULL: from the first one). */
    int (*pick)(struct port_files *f, const char *dir, const char *after, struct port_names *out);
    int (*count)(struct port_files *f, const char *dir, uint64_t *n); /* how many these are */
    int (*info)(struct port_files *f, const char *path, struct path_info *out);
    /* At most n bytes from `at` on, fewer only at the end of the file. */
    int (*read)(struct port_files *f, const char *path, uint64_t at, size_t n, struct buf *out);
    int (*folder)(struct port_files *f, const char *path); /* made, unless it is there */
    /* From 0 on, piece by piece, into a new file; then it gets a date (unless that is negative) and its name,
     * or is thrown away. Only one file at a time. */
    int (*write)(struct port_files *f, const char *path, uint64_t at, struct slice bytes);
    int (*cut)(struct port_files *f, const char *path, uint64_t size);
    int (*done)(struct port_files *f, const char *path, int64_t date, const char *name);
    int (*drop)(struct port_files *f, const char *path);
    int (*put)(struct port_files *f, const char *path, struct slice text); /* a small file, old or new */
    int (*sync)(struct port_files *f, const char *path); /* all that was written there is on the disk */
};

/* Of this machine. */
struct port_local {
    struct port_files f;
    char *path; /* of the open file */
    struct file *file;
};
void port_local_begin(struct port_local *l);
void port_local_end(struct port_local *l);

/* file.h - files and folders. All BLOCK unless marked SUSPENDS: call them on a
 * worker, in offload(), or before the loops start. In the simulator the disk is
 * the node's own and loses what was not synced when the node dies.
 * Errors: ERR_FULL, ERR_NOT_FOUND, ERR_EXISTS, ERR_DENIED, ERR_IO; the sentence
 * names the path. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "rt.h"

struct file;

enum {
    FILE_READ = 0,
    FILE_WRITE = 1,  /* read and write */
    FILE_CREATE = 2, /* make it when missing (mode 0600) */
    FILE_EXCL = 4,   /* it must not exist */
    FILE_TRUNC = 8,
    FILE_STRANGE =
        16, /* somebody else may have made it: ERR_DENIED unless it is a plain file, no link to one */
};
MUST_CHECK int file_open(struct file **out, const char *path, int flags); /* BLOCKS */
void file_close(struct file **f);
MUST_CHECK int file_size(struct file *f, uint64_t *out);
/* Bytes read (fewer only at the end of the file, 0 there), or an error. BLOCKS. */
MUST_CHECK int64_t file_pread(struct file *f, void *p, size_t n, uint64_t at);
/* The same for a fiber: from the page cache at once, else through offload(). SUSPENDS. */
MUST_CHECK int64_t file_read(struct file *f, void *p, size_t n, uint64_t at);
struct file_part {
    const void *p;
    size_t n;
};
MUST_CHECK int file_pwritev(struct file *f, const struct file_part *parts, size_t n,
                            uint64_t at); /* BLOCKS; all or an error */
MUST_CHECK int file_pwrite(struct file *f, const void *p, size_t n, uint64_t at);
MUST_CHECK int file_sync(struct file *f); /* fdatasync. BLOCKS */
MUST_CHECK int file_truncate(struct file *f, uint64_t size);

MUST_CHECK int path_rename(const char *from, const char *to);
MUST_CHECK int path_unlink(const char *path);
MUST_CHECK int path_link(const char *from, const char *to); /* hard link */
MUST_CHECK int path_mkdir(const char *path);                /* mode 0700; ERR_EXISTS */
MUST_CHECK int path_sync_dir(const char *path);             /* makes names durable */
/* Makes the folder unless it is there, and its name in the folder above durable. BLOCKS. */
MUST_CHECK int path_make(const char *path);
/* Copies a file's bytes into a new one and syncs them. ERR_EXISTS. BLOCKS. */
MUST_CHECK int path_copy(const char *from, const char *to);
bool path_exists(const char *path);
enum path_kind { PATH_FILE, PATH_FOLDER, PATH_OTHER /* a link, too */ };
struct path_info {
    enum path_kind kind;
    uint64_t size;
    int64_t changed; /* when it was last written, or what path_set_time() said; seconds since 1970 */
};
MUST_CHECK int path_info(const char *path, struct path_info *out); /* BLOCKS */
MUST_CHECK int path_set_time(const char *path, int64_t changed);
/* All that was written to the file system of this path is on the disk. BLOCKS. */
MUST_CHECK int path_sync_all(const char *path);
/* Calls fn for each name but "." and ".."; stops when fn returns non-zero and returns that. */
MUST_CHECK int path_list(const char *dir, int (*fn)(void *arg, const char *name), void *arg);
/* Whole small files. write: to a temporary name, synced, renamed: old or new, never half. */
MUST_CHECK int path_read(const char *path, size_t max, struct buf *out);
MUST_CHECK int path_write(const char *path, struct slice data, int mode);
/* The folder is this process's until it is unlocked, or the process dies. *lock: for path_unlock(). ERR_BUSY:
 * another's. */
MUST_CHECK int path_lock(const char *folder, int *lock);
/* Nobody else has a lock (of POSIX) on the file, or it is not there; ERR_BUSY. BLOCKS. */
MUST_CHECK int path_unlocked(const char *path);
void path_unlock(int *lock); /* -1: not locked */
/* Free bytes on the file system that holds path. */
MUST_CHECK int path_free_space(const char *path, uint64_t *bytes);
/* Changes when the file is replaced or written: (mtime, size, inode) hashed; 0 = missing. */
uint64_t path_stamp(const char *path);

/* disk_i.h - the simulated disk: what is on it, and what of it is only hoped for.
 *
 * The model, pessimistic on purpose: it promises what POSIX promises and no more.
 * - A file is an inode; names in folders lead to it. Contents and names live apart.
 * - Each write and truncate is a change of the inode. It is certain once a
 *   file sync that began after it has ended well. A file sync makes contents and size
 *   certain, never a name: not even that of a file just created.
 * - Each create, link, unlink, rename and mkdir is a change of one or two folders. It
 *   is certain once the sync of one of these folders has ended well; with it go earlier
 *   changes that the same names depend on. A rename is there as a whole or not at all.
 * - When the sync of a file fails, what was not certain yet is hit in one of two ways, by the seed:
 *   as by a crash, at once, so that some of it is gone though it could be read before; or some of it
 *   can still be read, but no later sync brings it to the disk and a crash takes it (Linux
 *   marks pages clean that it could not write). A failed sync of a folder changes nothing.
 * - A crash treats what is not certain in one of four ways, by the seed: all of it
 *   survived; none; a prefix in order, its last write torn at any byte; or each change on
 *   its own, a write also torn or in pieces of 512 bytes. So a file may come back
 *   with a hole of zeros, longer than its last good byte, or without a name.
 * - Space is counted in pages of 4,096 bytes; names cost none.
 * No fibers here: plain data, told what to do by sim_file.c. */
#pragma once
#include "base/err.h"
#include "base/list.h"
#include "rng_i.h"

enum { DISK_PAGE = 4096, DISK_SECTOR = 512 };

struct inode;

struct names { /* sorted by name */
    struct name {
        char *name;
        struct inode *ino;
    } * v;
    size_t n, size;
};

struct disk {
    struct sim_rng *rng;
    struct inode *root;
    struct link inodes;   /* all that exist */
    struct link name_ops; /* not certain yet, oldest first */
    uint64_t serial;      /* of inodes and changes */
    uint64_t used, limit; /* pages */
};

struct inode {
    struct link link;
    struct disk *disk;
    uint64_t serial, stamp;
    unsigned refs;         /* names, handles, changes that know it */
    unsigned links, opens; /* live names; handles */
    bool is_dir;
    bool ghost; /* no name and no handle: its pages are not counted any more */
    uint64_t size;
    int64_t changed;     /* seconds since 1970 */
    char **page;         /* NULL: a hole */
    size_t npage, pages; /* slots; pages that exist */
    struct link changes; /* not certain yet, oldest first */
    struct names live, sure;
};

void disk_init(struct disk *d, struct sim_rng *rng);
void disk_free(struct disk *d);

/* ---- contents (sim_inode.c) ---- */

struct inode *inode_new(struct disk *d, bool is_dir);
struct inode *inode_hold(struct inode *i);
void inode_drop(struct inode *i);
size_t inode_read(const struct inode *i, void *p, size_t n, uint64_t at);
/* ERR_FULL: nothing done. */
MUST_CHECK int inode_write(struct inode *i, const void *p, size_t n, uint64_t at);
void inode_truncate(struct inode *i, uint64_t size);
/* After links or opens changed: counts its pages, or no longer. */
void inode_weigh(struct inode *i);
/* Changes up to this serial become certain. */
void inode_settle(struct inode *i, uint64_t upto);
/* Some changes up to this serial can never become certain: they can be read until a crash. */
void inode_lose(struct inode *i, uint64_t upto);
/* How much of what is not certain lives on. */
enum crash { CRASH_ALL, CRASH_NONE, CRASH_PREFIX, CRASH_PIECES };
void inode_crash(struct inode *i, enum crash how);

/* ---- names (sim_disk.c) ---- */

/* The inode at path, not held, or NULL. Paths start at the root with or without "/"; "." is passed
 * over, ".." leads nowhere. */
struct inode *disk_find(struct disk *d, const char *path);
/* Gives a new name to an inode (replacing another); takes it away when ino is NULL.
 * ERR_NOT_FOUND: the folder does not exist. */
MUST_CHECK int disk_name(struct disk *d, const char *path, struct inode *ino);
MUST_CHECK int disk_rename(struct disk *d, const char *from, const char *to);
/* A new file or folder with this name; held by the name only. *out not held. */
MUST_CHECK int disk_make(struct disk *d, const char *path, bool is_dir, struct inode **out);
/* Name changes of the folder up to this serial become certain. */
void disk_settle(struct disk *d, struct inode *dir, uint64_t upto);
/* Whatever was changed up to this serial becomes certain. */
void disk_settle_all(struct disk *d, uint64_t upto);
void disk_crash(struct disk *d);

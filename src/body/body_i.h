/* body_i.h - shared by the files of this folder only. */
#pragma once
#include "base/buf.h"
#include "base/map.h"
#include "engine.h"
#include "pack.h"
#include "rt/file.h"

enum {
    BODY_GROUP_MAX = 192, /* records in one write */
    BODY_FILES_MAX = 192, /* packs whose files are kept open */
    PACK_BYTES_DEFAULT = 64 << 20,
};

/* A pack file. Everything is under the store's lock, but the head of a pack that is known, which
 * does not change; bytes and open change only on the store's worker (shared packs) or by the one
 * writer (large ones). Of a pack found at the start number and class are known from its name, which
 * is all that reading takes; its header is read when somebody asks for the rest. */
struct pack {
    struct link link;   /* in store->packs, oldest first */
    struct link unread; /* in store->unread: its header was not read yet */
    struct link idle;   /* in store->idle: its file is open and nobody uses it */
    struct pack_head head;
    uint64_t bytes;   /* up to here it is written */
    uint64_t origins; /* of them: the origins */
    int64_t last;     /* unix seconds of the last append */
    int64_t touched;  /* rt_now() of the last append, or when it was found */
    unsigned pins;    /* bodies that the index may not know yet */
    unsigned users;   /* readers at work; the file stays open meanwhile */
    bool known;       /* the header, bytes and last were read */
    bool open;        /* still written to */
    bool damaged;     /* its header is damaged: what lies in it is found by references only */
    bool gone;        /* dropped: freed when the last user leaves */
    struct file *file;
};

/* A body that is being made durable, or is and was not unpinned yet: the index may not refer to it. */
struct newborn {
    struct link link;
    uint64_t stamp; /* at most that of its record */
};

struct packs {
    struct body_store base;
    char *dir;
    uint64_t pack_bytes;
    struct worker *worker;
    struct pack *current[BODY_CLASSES]; /* the worker's: for each class the pack appended to, or NULL */

    struct lock lock;
    struct map by_number; /* 8 bytes of number -> struct pack */
    struct link packs, unread;
    struct link idle;   /* least recently used first */
    struct link born;   /* struct newborn, oldest first */
    struct map born_as; /* reference -> struct newborn */
    uint64_t newest;    /* number given last */
    uint64_t stamped;   /* stamp given last */
    size_t files;       /* open ones */
};

static inline struct packs *packs_of(struct body_store *b) { return CONTAINER_OF(b, struct packs, base); }

/* The functions of the engine (store.c has the table): read.c, care.c, packs.c, writer.c. */
int64_t packs_read(struct body_store *b, const struct body_ref *ref, uint64_t at, void *p, size_t n);
int packs_list(struct body_store *b, struct arena *a, struct body_pack **out, size_t *n);
int packs_drop(struct body_store *b, uint64_t number);
int packs_move(struct body_store *b, const struct body_ref *from, enum body_class cls, struct body_ref *to);
int packs_verify(struct body_store *b, uint64_t number, void (*each)(void *arg, const struct body_seen *seen),
                 void *arg);
int packs_backup(struct body_store *b, const char *to, int (*go_on)(void *arg), void *arg);
uint64_t packs_stamp(struct body_store *b);
uint64_t packs_settled(struct body_store *b);
int packs_pin(struct body_store *b, const struct body_ref *ref);
void packs_unpin(struct body_store *b, const struct body_ref *ref);
int writer_begin(struct body_store *b, enum body_class cls, struct body_writer **out);
int writer_write(struct body_writer *w, struct slice bytes);
struct slice writer_small(const struct body_writer *w);
int64_t writer_read_back(struct body_writer *w, uint64_t at, void *p, size_t n);
int writer_finish(struct body_writer *w, struct slice prefix, struct slice origin, struct body_ref *ref);
void writer_abandon(struct body_writer *w);

/* store.c */
enum { BODY_PATH_MAX = 4096 };
void body_path(const struct packs *b, enum body_class cls, uint64_t number, bool part,
               char out[BODY_PATH_MAX]);
/* A file that holds nothing yet becomes a pack under its final name, durably. BLOCKS. */
MUST_CHECK int pack_publish(struct packs *b, const struct pack_head *h);
struct pack *pack_find(struct packs *b, uint64_t number); /* under the lock; NULL: there is none */
void pack_add(struct packs *b, struct pack *p);           /* takes the lock */
void pack_remove(struct packs *b, struct pack *p);        /* under the lock */
void pack_closes(struct packs *b, struct pack *p);        /* nothing is appended any more. Takes the lock */
uint64_t pack_number_new(struct packs *b);                /* takes the lock */
uint64_t stamp_new(struct packs *b);                      /* under the lock; never less than the one before */
/* The clock went back since the pack began: its number says less than the stamps that are given. */
bool stamps_need_pack(struct packs *b, const struct pack *p); /* takes the lock */
/* When the store is opened: stamps go on from those given before, whatever the clock did. By the numbers of
 * packs, and when each class was last written to: keep() sees to that when the store is closed. BLOCK. */
void stamps_go_on(struct packs *b);
void stamps_keep(struct packs *b);
/* A body begins to be: then it has a name, or (ref NULL) it came to nothing. */
struct newborn *newborn_begin(struct packs *b);                                     /* takes the lock */
void newborn_named(struct packs *b, struct newborn *n, const struct body_ref *ref); /* takes the lock */
/* The pack with its file open, not to go away until pack_release(). ERR_NOT_FOUND, ERR_IO. SUSPENDS. */
MUST_CHECK int pack_hold(struct packs *b, uint64_t number, struct pack **out);
void pack_release(struct packs *b, struct pack *p);
void pack_free(struct packs *b, struct pack *p); /* one that is in no table. BLOCKS */
void files_trim(struct packs *b);                /* closes an idle file when too many are open. BLOCKS */
/* Reads the header and, of a shared pack, the seal, unless they are known; seals what a crash left open. The
 * pack is held. A damaged header is no error (p->damaged). ERR_IO, ERR_VERSION. BLOCKS. */
MUST_CHECK int pack_learn(struct packs *b, struct pack *p);
/* The same for every pack of which it was not done yet; what cannot be read stays unknown. BLOCKS. */
void packs_learn(struct packs *b);
/* Runs fn on a thread of the pool, on a plain thread at once; carries the sentence of an error over. */
MUST_CHECK int body_on_thread(enum rt_pool pool, int (*fn)(void *), void *arg);

/* writer.c: the body that is written is not new. */
void writer_stamp(struct body_writer *w, uint64_t stamp);

/* append.c: the worker's jobs */
struct append {
    struct job job;
    enum append_kind { APPEND_BODY, APPEND_ROTATE } kind; /* rotate: seals the current packs */
    enum body_class cls;
    struct slice prefix, bytes, origin;
    uint32_t sum;
    uint64_t stamp;    /* 0: now */
    struct pack *pack; /* the answer: where it lies */
    struct record record;
    uint8_t header[RECORD_HEADER];
    int status;
    char why[ERR_TEXT_MAX];
};
void writer_append_handle(void *ctx, struct job *jobs);
MUST_CHECK int writer_append_do(struct packs *b, struct append *a); /* SUSPENDS */
/* The seal that ends a shared pack; cuts the file after it. BLOCKS. */
MUST_CHECK int pack_seal(struct pack *p, int64_t last);

/* scan.c */
/* Every record whose header is valid, in order, until a seal or the end; *end: just after the last.
 * status: 0 or ERR_CORRUPT for the bytes. origin: no bytes at NULL when they are damaged. BLOCKS. */
typedef void scan_fn(void *arg, const struct record *r, struct slice origin, int status);
MUST_CHECK int pack_scan(struct file *f, const struct pack_head *h, uint64_t size, scan_fn *each, void *arg,
                         uint64_t *end);
/* Checks every chunk of a large pack. BLOCKS. */
MUST_CHECK int large_check(struct file *f, const struct pack_head *h);

/* engine.h - between body.h and what keeps the bodies. Pack files in a folder (store.c) are one engine; one
 * in memory (body_mem.c) is for tests. All engines give references of one form (pack.h, struct place), in
 * which a pack is what is dropped at once.
 *
 * Each function does what the one of its name in body.h says; what can be said with others is not here. */
#pragma once
#include "body.h"

struct body_engine {
    const char *name;
    int (*begin)(struct body_store *b, enum body_class cls, struct body_writer **out);
    int (*write)(struct body_writer *w, struct slice bytes);
    struct slice (*small)(const struct body_writer *w);
    int64_t (*read_back)(struct body_writer *w, uint64_t at, void *p, size_t n);
    /* Frees the writer, whatever the result. */
    int (*finish)(struct body_writer *w, struct slice prefix, struct slice origin, struct body_ref *ref);
    void (*abandon)(struct body_writer *w);
    int (*pin)(struct body_store *b, const struct body_ref *ref);
    void (*unpin)(struct body_store *b, const struct body_ref *ref);
    int64_t (*read)(struct body_store *b, const struct body_ref *ref, uint64_t at, void *p, size_t n);
    int (*packs)(struct body_store *b, struct arena *a, struct body_pack **out, size_t *n);
    int (*drop_pack)(struct body_store *b, uint64_t number);
    int (*move)(struct body_store *b, const struct body_ref *from, enum body_class cls, struct body_ref *to);
    uint64_t (*stamp)(struct body_store *b);
    uint64_t (*settled)(struct body_store *b);
    int (*verify)(struct body_store *b, uint64_t number,
                  void (*each)(void *arg, const struct body_seen *seen), void *arg);
    int (*backup)(struct body_store *b, const char *to, int (*go_on)(void *arg), void *arg);
    void (*close)(struct body_store *b); /* frees the engine's struct too */
};

/* The first member of an engine's own struct, and of that of its writers. */
struct body_store {
    const struct body_engine *engine;
};
struct body_writer {
    struct body_store *store;
    uint64_t written; /* the engine's to count */
};

/* In memory, for tests. */
MUST_CHECK int body_mem_open(struct body_store **out, uint64_t pack_bytes);

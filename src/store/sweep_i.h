/* sweep_i.h - what the files of the sweep share. */
#pragma once
#include "care_i.h"

struct live {
    uint64_t bytes; /* may be counted twice, is never missed */
    bool move;      /* its bodies are to be moved out */
};

struct sweep {
    struct store *s;
    const struct care_queue *queue;
    struct sweep_report *report;
    struct care care;
    struct arena a;
    struct map packs; /* 8 bytes of number -> struct live */
    struct map moved; /* old reference -> new one, so that copies stay one body */
    uint64_t bytes_per_second;
    int64_t started;
    uint64_t bytes_moved;
    struct map damaged; /* object -> what of it does not tell what it refers to (sweep_damage.c) */
    uint64_t newest;    /* number of the newest pack after marking, when something is damaged */
    uint64_t keep_to;   /* packs up to this number stay: a damaged row may refer to them */
    const char *acc;
};

struct live *sweep_live(struct sweep *w, uint64_t pack, bool make);

/* sweep_mark.c */
MUST_CHECK int sweep_mark(struct sweep *w); /* SUSPENDS */
/* May a row of the account refer to a pack that is to be moved out of? */
bool sweep_account_moves(struct sweep *w, const char *acc);
void sweep_forget_account(struct sweep *w, const char *acc);

/* sweep_damage.c */
/* A row that cannot be read; key empty: the object cannot be read to its end. */
void sweep_damaged(struct sweep *w, struct slice object, struct slice key);
MUST_CHECK int sweep_settle_damage(struct sweep *w); /* after marking: sets keep_to. SUSPENDS */
void sweep_forget_damage(struct sweep *w);

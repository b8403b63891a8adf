/* allowance_i.h - inside: what is counted of a sender, and its rows. */
#pragma once
#include "allowance.h"
#include "base/list.h"
#include "base/map.h"
#include "tally.h"

enum {
    COUNTED = SENDER_RCPTS_LETTER, /* the limits that are counts: all before this one */
    NAME_MAX_BYTES = 160
};

struct counts {
    struct tally t[COUNTED];
    int64_t told; /* day (since 1970) on which somebody was last told of a limit */
};
struct sender {
    struct link link; /* the one asked about longest ago comes first */
    struct counts c;
    char name[]; /* the account's id, for a key "ID/KEY" */
};
struct allowance {
    struct kv *kv;
    struct sender_limits defaults;
    struct lock lock;
    struct map senders;
    struct link oldest;
    int64_t cared; /* day of the last care */
};

static inline int64_t slot_seconds(int k)
{
    return k == SENDER_LETTERS_HOUR || k == SENDER_RCPTS_HOUR ? ALLOWANCE_HOUR_SLOT : ALLOWANCE_DAY_SLOT;
}
static inline int64_t today(void) { return rt_wall_seconds() / 86400; }

/* The sentence of a limit (limits.c). ERR_LIMIT. */
int allowance_say(const struct allowance_end *end, int64_t limit);

/* ---- rows (rows.c): object n:ID ---- */

struct slice sender_object(struct slice id, char room[KV_KEY_MAX]);
/* Does the slot of that key still count? When it ends. */
bool held_counts(struct slice key, int64_t now, int64_t *end);

/* Zeroes when there is no row; one that cannot be read counts as none, with a line in the log. SUSPENDS. */
MUST_CHECK int counts_load(struct allowance *a, struct slice id, struct slice key, struct counts *out);
/* With the next commit. */
void counts_note(struct allowance *a, struct slice id, struct slice key, const struct counts *c);

/* ---- held.c ---- */

struct held_slot { /* what is released in it */
    uint64_t letters, bytes;
};
/* Of *out, what is held now. SUSPENDS. */
MUST_CHECK int held_used(struct allowance *a, const char *id, struct allowance_used *out);

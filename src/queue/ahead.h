/* ahead.h - looking ahead: what is due on the disk comes into memory, shard after shard, in bounded portions.
 */
#pragma once
#include "line.h"

struct ahead {
    struct queue *q;
    struct ready *ready;
    int loop;
    struct heap shards;    /* by when they are to be read */
    struct waitq *news;    /* woken when something has come into memory */
    unsigned nagain;       /* shards whose rows did not all fit */
    int next;              /* the shard with which one whose rows did not all fit is gone on with */
    int64_t little_before; /* rt_now(): when there is room, but little, none of these is read before */
    unsigned vain;         /* of those, so many in a row brought nothing */
};
void ahead_init(struct ahead *h, struct queue *q, struct ready *r, struct waitq *news, int loop);
void ahead_free(struct ahead *h);
/* The row is due later than now (unix seconds). */
void ahead_later(struct ahead *h, struct shard *s, const struct q_due *d, int64_t now);
/* A row that was offered finds no room: it is read from the disk later. */
void ahead_leave(struct ahead *h, struct shard *s, const struct q_due *d);
/* All that is due is read again, from the first row of each shard on. */
void ahead_restart(struct ahead *h);
/* Something of the shard could not be written: it is read again from the first row, in a while. */
void ahead_error(struct ahead *h, struct shard *s);
/* Reads a portion of what is to be read now; true: there was some, and may be more. SUSPENDS. */
bool ahead_read(struct ahead *h);
int64_t ahead_next(const struct ahead *h); /* rt_now(): when there is something to be read */

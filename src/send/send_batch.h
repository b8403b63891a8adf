/* send_batch.h - what was said to a batch, a name that sends of an account may bear (SendGrid's batch_id): it
 * binds those that were taken and those that are taken later. Rows b/BATCH of y:ACCOUNT. All SUSPEND. */
#pragma once
#include "send.h"

enum {
    SEND_BATCHES_MAX = 1000, /* of an account, that are paused or canceled */
    SEND_BATCH_KEEP_S = 30 * 86400,
};
/* A new name, which only this node can make, for this account; in a. */
struct slice send_batch_name(struct sends *s, struct slice account, struct arena *a);
bool send_batch_made(struct sends *s, struct slice account, struct slice batch); /* was it made so? */
#define SEND_BATCH_WHY "over the API of SendGrid, to its batch"
/* To all of its sends; those that have ended, or are so already, stay as they are. SEND_RESUME: nothing is
 * said to it any more, and those that are paused go on. The first failure is given; the others are told
 * nevertheless. ERR_LIMIT, ERR_SYNTAX: it is no name of a batch; ERR_STATE: it is canceled, which no pause
 * undoes. */
MUST_CHECK int send_batch_act(struct sends *s, struct slice account, struct slice batch,
                              enum send_action what, struct slice why);
/* The row alone, which sends that are taken see. As send_batch_act(). */
MUST_CHECK int send_batch_put(struct sends *s, struct slice account, struct slice batch,
                              enum send_action what);
/* What was said to it later than `since` (unix seconds): SEND_PAUSE, SEND_CANCEL, or SEND_RESUME for nothing.
 * A send that is to be run asks so, too (send_run.c): it may not have heard it. */
MUST_CHECK int send_batch_said(struct sends *s, struct slice account, struct slice batch, int64_t since,
                               enum send_action *out);
/* Those to which something is said, by name; each()'s non-zero value ends the walk. */
typedef int send_batch_fn(void *arg, struct slice batch, enum send_action said);
MUST_CHECK int send_batch_each(struct sends *s, struct slice account, send_batch_fn *each, void *arg);

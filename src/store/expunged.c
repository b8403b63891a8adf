/* expunged.c - messages that were expunged lately, in memory: a session that was not told of it yet
 * goes on to see them (RFC 2180 section 4). No session outlives the program, so nothing is stored. */
#include <stdio.h>
#include <stdlib.h>

#include "mailbox_i.h"

enum { PLACES = 16384 };

/* A message's place follows from its mailbox and uid: neighbours never push each other out. */
struct expunged {
    struct lock lock;
    struct place {
        char acc[20];
        uint32_t box;
        struct message m;
    } * v;
};

struct expunged *expunged_new(void)
{
    struct expunged *e = xcalloc(1, sizeof *e);
    e->v = xcalloc(PLACES, sizeof *e->v);
    return e;
}

void expunged_free(struct expunged *e)
{
    if (e) free(e->v);
    free(e);
}

static struct place *place_of(struct expunged *e, const char *acc, uint32_t box, uint32_t uid)
{
    uint32_t sum = crc32c(box, acc, strlen(acc));
    return &e->v[(sum + uid) % PLACES];
}

void expunged_add(struct expunged *e, const char *acc, uint32_t box, const struct message *m)
{
    struct place *p = place_of(e, acc, box, m->uid);
    lock_take(&e->lock);
    snprintf(p->acc, sizeof p->acc, "%s", acc);
    p->box = box;
    p->m = *m;
    p->m.remarks = SL("");
    lock_release(&e->lock);
}

int message_expunged(struct store *s, struct mailbox_ref box, uint32_t uid, struct message *out)
{
    struct expunged *e = s->expunged;
    const struct place *p = place_of(e, box.account, box.box, uid);
    lock_take(&e->lock);
    bool found = p->box == box.box && p->m.uid == uid && strcmp(p->acc, box.account) == 0;
    if (found) *out = p->m;
    lock_release(&e->lock);
    return found ? 0 : err_set(ERR_NOT_FOUND, "the message with UID %u is gone", uid);
}

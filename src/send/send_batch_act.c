/* send_batch_act.c - what is said to a batch, said to its sends. */
#include "send_batch.h"
#include "send_i.h"

struct gathering {
    struct slice batch;
    struct arena *a;
    struct letter_id *send;
    size_t n, room;
};

static int gather(void *arg, const struct send_info *info)
{
    struct gathering *g = arg;
    if (!sl_eq(info->batch, g->batch)) return 0;
    if (g->n == g->room) g->send = ar_grow(g->a, g->send, &g->room, sizeof *g->send);
    g->send[g->n++] = info->id;
    return 0;
}

/* The row first: a send that is taken meanwhile sees it, or is seen here, or sees it afterwards. */
int send_batch_act(struct sends *s, struct slice account, struct slice batch, enum send_action what,
                   struct slice why)
{
    struct arena a = {0};
    struct gathering g = {.batch = batch, .a = &a};
    int e = send_batch_put(s, account, batch, what);
    if (!e) e = send_each(s, account, gather, &g);
    for (size_t i = 0; i < g.n && !e; i++) {
        e = send_act(s, &g.send[i], what, why);
        if (e == ERR_STATE || e == ERR_NOT_FOUND) e = 0;
    }
    ar_free(&a);
    return e;
}

int send_batch_keep(struct sends *s, struct slice account, struct slice batch, const struct letter_id *id,
                    struct slice why)
{
    enum send_action said = SEND_RESUME;
    int e = batch.n ? send_batch_said(s, account, batch, &said) : 0;
    if (!e && said != SEND_RESUME) e = send_act(s, id, said, why);
    return e == ERR_STATE || e == ERR_NOT_FOUND ? 0 : e;
}

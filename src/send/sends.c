/* sends.c - the sending service opened and closed. */
#include <stdlib.h>

#include "base/log.h"
#include "inbound_i.h"
#include "numbers.h"
#include "send_content.h"
#include "send_pages.h"
#include "shape/reply.h"

int sends_open(struct sends **out, const struct sends_conf *conf)
{
    ASSERT(conf->store);
    struct sends *s = xcalloc(1, sizeof *s);
    s->store = conf->store;
    s->signing = conf->signing;
    s->contents = contents_new();
    s->pages = send_pages_new();
    s->fetch = conf->fetch;
    s->take = conf->take;
    s->take_ctx = conf->take_ctx;
    s->allowance = conf->allowance;
    s->sources = conf->sources;
    s->webhook_private = conf->webhook_private;
    s->file = conf->file;
    s->file_ctx = conf->file_ctx;
    s->inbound_keep = conf->inbound_keep_s ? conf->inbound_keep_s : INBOUND_KEEP_S;
    map_init(&s->inbounds, false);
    s->inbound_room = inbound_room_new();
    map_init(&s->telling, false);
    map_init(&s->fresh, false);
    s->node = xcalloc(1, sizeof *s->node);
    list_init(&s->over);
    map_init(&s->runs, false);
    map_init(&s->accounts, false);
    s->hostname = sl(xstrndup(conf->hostname.p, conf->hostname.n), conf->hostname.n);
    s->site = sl(xstrndup(conf->site.p, conf->site.n), conf->site.n);
    memcpy(s->secret, conf->secret, sizeof s->secret);
    map_init(&s->taking, false);
    int e = replies_open(&s->replies);
    if (!e) e = event_open(s);
    if (!e) e = inbound_open(s);
    if (e) sends_close(&s);
    *out = s;
    return e;
}

void sends_close(struct sends **sp)
{
    struct sends *s = *sp;
    if (!s) return;
    replies_close(&s->replies);
    map_free(&s->taking);
    map_free(&s->telling);
    inbound_close(s);
    inbound_room_free(&s->inbound_room);
    map_free(&s->fresh);
    free(s->node);
    map_free(&s->runs);
    map_free(&s->accounts);
    contents_free(&s->contents);
    send_pages_free(&s->pages);
    free((char *)s->hostname.p);
    free((char *)s->site.p);
    wipe(s->secret, sizeof s->secret);
    free(s);
    *sp = NULL;
}

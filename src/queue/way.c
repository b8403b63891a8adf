/* way.c - by which sources a group that is due leaves. */
#include "queue_i.h"

const struct source_way *queue_way(const struct source_plan *p, const struct q_due *d, bool *gone)
{
    static const char *const streams[STREAMS] = {"system", "transactional", "bulk"};
    struct source_query q = {.by = {[SOURCE_CAMPAIGN] = d->campaign,
                                    [SOURCE_ACCOUNT] = d->account,
                                    [SOURCE_DOMAIN] = d->domain,
                                    [SOURCE_STREAM] = sl_cstr(streams[d->stream])},
                             .bound = d->bound};
    *gone = false;
    return d->local || d->tell ? &p->way[0] : source_choose(p, &q, gone);
}

struct slice queue_way_text(struct arena *a, const struct source_plan *p, const struct q_due *d)
{
    bool gone;
    const struct source_way *w = queue_way(p, d, &gone);
    bool one = w->n == 1 && sl_chr(w->name, '/') != SL_NONE;
    struct slice text = one ? SL("") : ar_printf(a, "pool %.*s:", SLF(w->name));
    for (size_t i = 0; i < w->n; i++) {
        char ip[IP_TEXT_MAX];
        text = ar_printf(a, "%.*s%s%s%.*s [%s]", SLF(text), i && i == w->own ? "; then" : "",
                         text.n ? " " : "", SLF(w->v[i]->name), ip_format(&w->v[i]->ip, ip));
    }
    if (!w->n) text = p->nway > 1 ? SL("the node's own address") : SL("");
    if (one) text = ar_printf(a, "%.*s, to which it is bound", SLF(text));
    return gone ? ar_printf(a, "%.*s (the source %.*s, to which it was bound, is gone)", SLF(text),
                            SLF(d->bound))
                : text;
}

/* recent.c - \Recent: a message is told as new to one session only (RFC 3501 section 2.3.2). What is known is
 * kept in memory and noted in the store. */
#include <stdio.h>

#include "base/map.h"
#include "imapd_i.h"

enum { RECENT_MAX = 100000, RECENT_KEY = 40 };

static struct slice recent_key(const char *account, uint32_t box, char room[RECENT_KEY])
{
    return sl(room, (size_t)snprintf(room, RECENT_KEY, "%s %u", account, box));
}

/* The first uid that no session was told of. SUSPENDS. */
static int first_recent(struct imapd_session *s, const char *account, uint32_t box, uint32_t *out)
{
    struct imapd *d = s->server;
    char room[RECENT_KEY];
    lock_take(&d->lock);
    *out = (uint32_t)(uintptr_t)map_get(&d->recent, recent_key(account, box, room));
    lock_release(&d->lock);
    return *out ? 0 : mailbox_recent(s->server->conf.store, account, box, out);
}

/* Takes what is recent below `to` away from other sessions; the first such uid. */
static uint32_t take_recent(struct imapd_session *s, uint32_t first, uint32_t to)
{
    struct imapd *d = s->server;
    char room[RECENT_KEY];
    struct slice key = recent_key(s->view->acc, s->view->box, room);
    lock_take(&d->lock);
    uint32_t now = (uint32_t)(uintptr_t)map_get(&d->recent, key); /* another session may have been quicker */
    if (now > first) first = now;
    if (d->recent.count >= RECENT_MAX) {
        map_free(&d->recent);
        map_init(&d->recent, false);
    }
    if (to > first) map_put(&d->recent, key, (void *)(uintptr_t)to);
    lock_release(&d->lock);
    if (to > first) mailbox_recent_note(d->conf.store, s->view->acc, s->view->box, to);
    return first;
}

void imapd_claim_recent(struct imapd_session *s, uint32_t to)
{
    struct imapd_recent *r = &s->recent;
    uint32_t first, known = r->n ? r->range[r->n - 1].hi + 1 : 0;
    if (s->rev2 || first_recent(s, s->view->acc, s->view->box, &first) != 0)
        return; /* only \Recent is missing then */
    if (!s->read_only) first = take_recent(s, first, to);
    if (first < known) first = known;
    if (first >= to) return;
    if (r->n && known == first) r->range[r->n - 1].hi = to - 1;
    else if (r->n < COUNT_OF(r->range)) r->range[r->n++] = (struct imap_range){first, to - 1};
}

int imapd_recent_count(struct imapd_session *s, const char *account, const struct mailbox *m, uint32_t *out)
{
    enum { PAGE = 1000 };
    struct arena a;
    struct message *v;
    uint32_t from;
    size_t n = PAGE;
    *out = 0;
    int e = first_recent(s, account, m->id, &from);
    if (!e && from <= 1) {
        *out = m->exists;
        return 0;
    }
    ar_init(&a, 0);
    while (!e && n == PAGE && from < m->uidnext) {
        e = message_list(s->server->conf.store, (struct mailbox_ref){.account = account, .box = m->id}, from,
                         PAGE, &a, &v, &n);
        if (!e && n) from = v[n - 1].uid + 1;
        if (!e) *out += (uint32_t)n;
        if (!e) e = conn_error(s->c);
        ar_reset(&a);
        fiber_breathe();
    }
    ar_free(&a);
    return e;
}

bool imapd_recent_has(const struct imapd_session *s, uint32_t uid)
{
    for (size_t i = 0; i < s->recent.n; i++)
        if (uid >= s->recent.range[i].lo && uid <= s->recent.range[i].hi) return true;
    return false;
}

size_t imapd_recent_shown(const struct imapd_session *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->recent.n; i++)
        n += view_rank(s->view, s->recent.range[i].hi + 1) - view_rank(s->view, s->recent.range[i].lo);
    return n;
}

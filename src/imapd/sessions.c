/* sessions.c - how many sessions an account has. */
#include "imapd_i.h"

static bool change_count(struct imapd_session *s, int by)
{
    struct imapd *d = s->server;
    struct slice key = sl_cstr(s->account);
    lock_take(&d->lock);
    intptr_t n = (intptr_t)map_get(&d->sessions, key) + by;
    bool fits = by < 0 || n <= (intptr_t)d->conf.sessions_max;
    if (fits && n > 0) map_put(&d->sessions, key, (void *)n);
    else if (fits) map_del(&d->sessions, key);
    lock_release(&d->lock);
    return fits;
}

bool imapd_count_session(struct imapd_session *s)
{
    s->counted = change_count(s, 1);
    return s->counted;
}

void imapd_uncount_session(struct imapd_session *s)
{
    if (s->counted) change_count(s, -1);
    s->counted = false;
}

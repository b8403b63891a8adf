/* tlsrpt_share.c - who may have a report posted now, so that one slow receiver delays nobody else: a host has
 * one at a time, one in each pass when it is slow, and none for an hour when it did not answer. What has to
 * wait for a host waits in a list of its own. */
#include "tlsrpt_i.h"

#include <stdlib.h>

#include "base/arena.h"

#define SLOW (5 * RT_S)
#define SILENCE (3600 * RT_S)
enum { POSTS_MAX = 3 /* of the four threads of POOL_FETCH */, HOSTS_MAX = 10000 };

struct tlsrpt_host {
    struct link link; /* in turn, in over, or in neither */
    struct link late; /* struct tlsrpt_late */
    bool busy;
    uint64_t slow_in; /* the pass in which it was slow */
    int64_t again;    /* rt_now() before which it is not asked */
};

static struct tlsrpt_host *host_of(struct tlsrpt_share *s, struct slice name)
{
    struct tlsrpt_host *h = map_get(&s->hosts, name);
    if (!h) {
        h = xcalloc(1, sizeof *h);
        list_init(&h->link);
        list_init(&h->late);
        (void)map_put(&s->hosts, name, h);
    }
    return h;
}

static void forget(struct tlsrpt_share *s)
{
    struct map_iter it = {0};
    while (map_next(&s->hosts, &it)) free(it.value);
    map_free(&s->hosts);
    map_init(&s->hosts, true);
}

void tlsrpt_share_begin(struct tlsrpt_share *s)
{
    struct link *h;
    if (!s->begun) {
        waitq_init(&s->room);
        list_init(&s->turn);
        list_init(&s->over);
    }
    if (!s->begun || (!s->late && s->hosts.count > HOSTS_MAX)) forget(s);
    while ((h = list_shift(&s->over)) != NULL) list_push(&s->turn, h);
    s->begun = true;
    s->pass++;
}

void tlsrpt_share_free(struct tlsrpt_share *s)
{
    if (s->begun) (void)tlsrpt_share_forget_late(s);
    forget(s);
}

int tlsrpt_share_look(struct tlsrpt_share *s, struct slice host)
{
    const struct tlsrpt_host *h = map_get(&s->hosts, host);
    if (h && h->again > rt_now())
        return err_set(ERR_UNREACHABLE, "%.*s did not answer within the last hour", SLF(host));
    if (h && (h->busy || h->slow_in == s->pass))
        return err_set(ERR_BUSY, "%.*s is slow, and others come first", SLF(host));
    return 0;
}

int tlsrpt_share_take(struct tlsrpt_share *s, struct slice host)
{
    struct tlsrpt_host *h = host_of(s, host); /* stays until the next pass */
    int e = tlsrpt_share_look(s, host);
    while (!e && s->under_way >= POSTS_MAX) {
        e = waitq_wait(&s->room);
        if (!e) e = tlsrpt_share_look(s, host);
    }
    if (e) return e;
    h->busy = true;
    s->under_way++;
    return 0;
}

void tlsrpt_share_give(struct tlsrpt_share *s, struct slice host, int64_t since, bool answered)
{
    struct tlsrpt_host *h = host_of(s, host);
    h->busy = false;
    if (rt_now() - since > SLOW) h->slow_in = s->pass;
    if (!answered) h->again = rt_now() + SILENCE;
    s->under_way--;
    waitq_wake_all(&s->room); /* some may find their own host busy now */
}

/* ---- those who wait ---- */

static struct tlsrpt_late *first_late(struct tlsrpt_host *h)
{
    struct link *l = list_shift(&h->late);
    return l ? CONTAINER_OF(l, struct tlsrpt_late, link) : NULL;
}

static void give_turn(struct tlsrpt_share *s, struct tlsrpt_host *h)
{
    list_remove(&h->link);
    if (!list_empty(&h->late)) list_push(&s->turn, &h->link);
}

void tlsrpt_share_put_off(struct tlsrpt_share *s, struct slice host, const struct tlsrpt_late *d)
{
    struct tlsrpt_host *h = host_of(s, host);
    struct tlsrpt_late *own = xmalloc(sizeof *own);
    *own = *d;
    own->host = h;
    list_push(&h->late, &own->link);
    s->late++;
    if (h->link.next == &h->link) give_turn(s, h);
}

struct tlsrpt_late *tlsrpt_share_next(struct tlsrpt_share *s)
{
    struct link *l;
    while ((l = list_shift(&s->turn)) != NULL) {
        struct tlsrpt_host *h = CONTAINER_OF(l, struct tlsrpt_host, link);
        if (!h->busy && h->slow_in != s->pass) {
            s->late--;
            return first_late(h);
        }
        list_push(&s->over, l);
    }
    return NULL;
}

void tlsrpt_share_done(struct tlsrpt_share *s, struct tlsrpt_late **d)
{
    give_turn(s, (*d)->host);
    free(*d);
    *d = NULL;
}

size_t tlsrpt_share_forget_late(struct tlsrpt_share *s)
{
    struct map_iter it = {0};
    struct tlsrpt_late *d;
    size_t n = s->late;
    while (map_next(&s->hosts, &it)) {
        struct tlsrpt_host *h = it.value;
        while ((d = first_late(h)) != NULL) free(d);
        list_remove(&h->link);
    }
    s->late = 0;
    return n;
}

/* kept.c - orders and threads of messages, kept in memory for whoever asks again: what they follow from never
 * changes, only which messages there are. They belong to the node and are shared by all sessions; those that
 * were asked for last stay, within one budget. */
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "imapd_i.h"

static size_t bytes_of(const struct imapd_kept *k)
{
    return sizeof *k + k->n * sizeof *k->uid + k->nvalues * sizeof *k->value;
}

static void free_kept(struct imapd_kept *k)
{
    free(k->uid);
    free(k->value);
    free(k);
}

struct imapd_kept *imapd_kept_new(struct imapd_session *s, struct imapd_kept_key key, size_t n)
{
    struct imapd_kept *k = xcalloc(1, sizeof *k);
    k->key = key;
    snprintf(k->account, sizeof k->account, "%s", s->view->acc);
    k->box = s->view->box;
    k->uidvalidity = s->view->uidvalidity;
    k->n = n;
    k->uid = xcalloc(n, sizeof *k->uid);
    k->refs = 1;
    list_init(&k->link);
    return k;
}

static bool is_of(const struct imapd_kept *k, const struct imapd_session *s, struct imapd_kept_key key)
{
    return k->key.what == key.what && k->key.how == key.how && k->box == s->view->box &&
           k->uidvalidity == s->view->uidvalidity && strcmp(k->account, s->view->acc) == 0;
}

static struct imapd_kept *find(struct imapd *d, const struct imapd_session *s, struct imapd_kept_key key)
{
    LIST_EACH(struct imapd_kept, k, &d->kept, link)
    if (is_of(k, s, key)) return k;
    return NULL;
}

struct imapd_kept *imapd_kept_get(struct imapd_session *s, struct imapd_kept_key key)
{
    struct imapd *d = s->server;
    lock_take(&d->lock);
    struct imapd_kept *k = find(d, s, key);
    if (k) {
        k->refs++;
        list_remove(&k->link);
        list_unshift(&d->kept, &k->link);
    }
    lock_release(&d->lock);
    return k;
}

/* With the lock held. */
static void unref(struct imapd_kept *k)
{
    if (--k->refs == 0) free_kept(k);
}

static void forget(struct imapd *d, struct imapd_kept *k)
{
    d->kept_bytes -= bytes_of(k);
    list_remove(&k->link);
    unref(k);
}

void imapd_kept_put(struct imapd_session *s, struct imapd_kept **kp)
{
    struct imapd_kept *k = *kp;
    *kp = NULL;
    if (!k) return;
    lock_take(&s->server->lock);
    unref(k);
    lock_release(&s->server->lock);
}

void imapd_kept_keep(struct imapd_session *s, struct imapd_kept *k)
{
    struct imapd *d = s->server;
    size_t max = memory_over() ? 0 : IMAPD_KEPT_BYTES;
    lock_take(&d->lock);
    struct imapd_kept *old = find(d, s, k->key);
    if (old) forget(d, old);
    k->refs++;
    d->kept_bytes += bytes_of(k);
    list_unshift(&d->kept, &k->link);
    while (d->kept_bytes > max) forget(d, CONTAINER_OF(d->kept.prev, struct imapd_kept, link));
    lock_release(&d->lock);
}

void imapd_kept_end(struct imapd *d)
{
    while (!list_empty(&d->kept)) forget(d, CONTAINER_OF(d->kept.next, struct imapd_kept, link));
}

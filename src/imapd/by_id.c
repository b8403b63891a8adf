/* by_id.c - SEARCH for an EMAILID or a THREADID (RFC 8474 section 6): the store knows where such messages are
 * (store/places.h), so no message is looked into; but each of which nobody knows yet to which thread it
 * belongs, once. */
#include <stdlib.h>

#include "base/log.h"
#include "imapd_i.h"
#include "reader/reader.h"
#include "store/places.h"

struct imapd_by_id {
    size_t n;
    uint32_t uid[];
};

bool imapd_by_id_has(const struct imapd_by_id *x, uint32_t uid)
{
    size_t from = 0, to = x->n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (x->uid[mid] < uid) from = mid + 1;
        else to = mid;
    }
    return from < x->n && x->uid[from] == uid;
}

/* ---- threads that nobody asked for yet ---- */

static int gather(struct imapd_session *s, uint32_t uid, struct arena *a, struct imapd_threads *t,
                  size_t *bytes)
{
    struct reader *rd;
    struct message_threading *x = &t->v[t->n];
    int e = imapd_reader(s, uid, NULL, &rd);
    *x = (struct message_threading){.uid = uid};
    if (e == 0) x->thread = rd->m.thread;
    if (e == 0 && !x->thread) e = reader_relations(rd, a, &x->relations);
    if (e == 0) *bytes += rd->m.head_size;
    t->n += e == 0 && !x->thread;
    return e;
}

/* One that cannot be read is in no thread. */
int imapd_threads_next(struct imapd_session *s, const uint32_t *uid, size_t n, size_t *done,
                       struct imapd_threads *t)
{
    enum { HEADS = 256 << 10 };
    struct arena a;
    size_t unread = 0, bytes = 0;
    int e = 0;
    ar_init(&a, 0);
    t->n = 0;
    while (e == 0 && *done < n && t->n < MESSAGE_THREADS_MAX && bytes < HEADS) {
        e = fiber_canceled() ? ERR_CANCELED : gather(s, uid[*done], &a, t, &bytes);
        if (e == ERR_NOT_FOUND || imapd_unreadable(s, e, uid[*done], &unread)) e = 0;
        ++*done;
        fiber_breathe();
    }
    if (e == 0 && t->n) e = message_threads(s->server->conf.store, imapd_box(s), t->v, t->n);
    if (e) t->n = 0;
    reader_close(&s->reader); /* its record does not say the thread */
    ar_free(&a);
    return e;
}

uint64_t imapd_threads_has(const struct imapd_threads *t, uint32_t uid)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->v[i].uid == uid) return t->v[i].thread;
    return 0;
}

/* ---- looked up ---- */

static int go_on(void *arg, size_t done)
{
    struct imapd_ids *x = arg;
    size_t all = x->s->view->n;
    if (!x->since && done) imapd_progress(x->s, done < all ? done : all, all);
    return fiber_canceled() ? ERR_CANCELED : conn_error(x->s->c);
}

/* Is it among those that are searched? */
static bool counts(const struct imapd_ids *x, uint32_t uid)
{
    size_t i = x->since ? view_find(x->s->view, uid) : SL_NONE;
    return !x->since || (i != SL_NONE && view_at(x->s->view, i).modseq > x->since);
}

static int find_threads(struct imapd_ids *x, struct places_in in)
{
    struct places unknown;
    struct arena a;
    size_t n = 0;
    ar_init(&a, IMAPD_MEMORY);
    int e = places_of_thread(x->s->server->conf.store, in, 0, &a, &unknown);
    struct imapd_threads *t = xmalloc(sizeof *t);
    uint32_t *uid = xcalloc(unknown.n + 1, sizeof *uid);
    for (size_t i = 0; e == 0 && i < unknown.n; i++) {
        fiber_breathe();
        if (counts(x, unknown.v[i].uid)) uid[n++] = unknown.v[i].uid;
    }
    for (size_t done = 0; e == 0 && done < n;) {
        e = imapd_threads_next(x->s, uid, n, &done, t);
        if (e == 0) e = go_on(x, done);
    }
    free(uid);
    free(t);
    ar_free(&a);
    x->threads = e == 0;
    return e;
}

static int find(struct imapd_ids *x, const struct imap_search *k, struct arena *a, struct places *out)
{
    struct store *store = x->s->server->conf.store;
    const struct places_asker asker = {go_on, x};
    struct places_in in = {x->s->view->acc, x->s->view->box, &asker};
    if (k->key == IMAP_KEY_EMAILID) return places_of_email_id(store, in, k->text, a, out);
    *out = (struct places){0};
    if (!k->number) return 0;
    int e = x->threads ? 0 : find_threads(x, in);
    return e ? e : places_of_thread(store, in, k->number, a, out);
}

static int look_up(struct imapd_ids *x, const struct imap_search *k, struct imapd_by_id **out)
{
    struct imapd_by_id *by = NULL;
    struct places found;
    struct arena a;
    ar_init(&a, IMAPD_MEMORY);
    int e = find(x, k, &a, &found);
    if (e == 0) {
        by = ar_alloc(&x->s->a, sizeof *by + found.n * sizeof by->uid[0]);
        by->n = found.n;
        for (size_t i = 0; i < found.n; i++) by->uid[i] = found.v[i].uid;
        if (ar_over(&x->s->a)) e = err_set(ERR_LIMIT, "these are too many messages to be looked for by ids");
    }
    ar_free(&a);
    *out = by;
    return e;
}

/* ---- once for each id of a command ---- */

void imapd_ids_begin(struct imapd_ids *x, struct imapd_session *s, uint64_t since)
{
    *x = (struct imapd_ids){.s = s, .since = since};
    map_init(&x->known, false);
}

int imapd_ids_find(struct imapd_ids *x, const struct imap_search *k, struct imapd_by_id **out)
{
    bool thread = k->key == IMAP_KEY_THREADID;
    struct slice id = thread ? sl((const char *)&k->number, sizeof k->number) : k->text;
    struct slice key = ar_cat(&x->s->a, thread ? SL("T") : SL("M"), id);
    *out = map_get(&x->known, key);
    if (*out || x->lost) return 0;
    int e = look_up(x, k, out);
    if (e == 0) map_put(&x->known, key, *out);
    else if (e == ERR_LIMIT || e == ERR_CANCELED || conn_error(x->s->c)) return e;
    else
        log_warn(x->s->who, "mailbox %u: each message is looked at for its id: %s", x->s->view->box,
                 err_text(e));
    x->lost = e != 0;
    return 0;
}

void imapd_ids_end(struct imapd_ids *x) { map_free(&x->known); }

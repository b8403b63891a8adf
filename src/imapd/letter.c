/* letter.c - which messages a set names, their records and their bytes. */
#include <stdlib.h>

#include "imapd_i.h"
#include "mail/head.h"

enum { PAGE = 256, TREE_KEPT = 64 * 1024 };

/* ---- sets ---- */

static void pick(struct imapd_picked *p, const struct view *v, bool gone, size_t i)
{
    p->missing |= v->msg[i].gone;
    if (v->msg[i].gone && !gone) return;
    p->at[p->n] = i;
    p->uid[p->n++] = v->msg[i].uid;
}

/* First index whose uid is at least `uid`. */
static size_t lower_bound(const struct view *v, size_t n, uint32_t uid)
{
    size_t from = 0, to = n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (v->msg[mid].uid < uid) from = mid + 1;
        else to = mid;
    }
    return from;
}

static void pick_saved(struct imapd_session *s, bool gone, struct imapd_picked *out)
{
    for (size_t i = 0; i < s->nsaved; i++) {
        size_t at = lower_bound(s->view, s->told, s->saved[i]);
        if (at < s->told && s->view->msg[at].uid == s->saved[i]) pick(out, s->view, gone, at);
    }
}

bool imapd_pick(struct imapd_session *s, struct imap_set set, bool gone, struct imapd_picked *out)
{
    const struct view *v = s->view;
    size_t n = s->told; /* beyond it the client knows of nothing */
    *out = (struct imapd_picked){.at = ar_array(&s->a, size_t, n), .uid = ar_array(&s->a, uint32_t, n)};
    if (set.saved) {
        pick_saved(s, gone, out);
        return true;
    }
    if (!n) return true;
    imap_set_fix(&set, s->uid ? v->msg[n - 1].uid : (uint32_t)n);
    for (size_t k = 0; k < set.n; k++) {
        struct imap_range r = set.v[k];
        if (!s->uid && r.lo > n) {
            imapd_bad(s, "there are only %zu messages", n);
            return false;
        }
        size_t i = s->uid ? lower_bound(v, n, r.lo) : r.lo - 1;
        for (; i < n && (s->uid ? v->msg[i].uid : i + 1) <= r.hi; i++) pick(out, v, gone, i);
    }
    return true;
}

/* ---- records ---- */

void imapd_records_begin(struct imapd_records *r, uint32_t last)
{
    *r = (struct imapd_records){.last = last};
    ar_init(&r->a, 0);
}

void imapd_records_end(struct imapd_records *r) { ar_free(&r->a); }

int imapd_record(struct imapd_session *s, struct imapd_records *r, uint32_t uid, const struct message **out)
{
    while (r->at < r->n && r->v[r->at].uid < uid) r->at++;
    if (r->at == r->n) {
        size_t limit = r->last - uid < PAGE ? r->last - uid + 1 : PAGE;
        ar_reset(&r->a);
        r->at = r->n = 0;
        int e =
            message_list(s->server->conf.store, s->account, s->view->box, uid, limit, &r->a, &r->v, &r->n);
        if (e) return e;
    }
    *out = &r->gone;
    if (r->at == r->n || r->v[r->at].uid != uid)
        return message_expunged(s->server->conf.store, s->account, s->view->box, uid, &r->gone);
    *out = &r->v[r->at];
    return 0;
}

/* ---- bytes ---- */

void imapd_letter_forget(struct imapd_session *s)
{
    if (!s->letter) return;
    ar_free(&s->letter->tree_a);
    ar_free(&s->letter->all_a);
    free(s->letter);
    s->letter = NULL;
}

void imapd_letter_trim(struct imapd_session *s)
{
    if (!s->letter) return;
    if (s->letter->tree_a.used > TREE_KEPT || !s->letter->tree) {
        imapd_letter_forget(s);
        return;
    }
    ar_free(&s->letter->all_a);
    s->letter->all = (struct slice){0};
}

/* The message, or what it was before it was expunged. */
static int record_of(struct imapd_session *s, uint32_t uid, struct message *out)
{
    struct store *store = s->server->conf.store;
    int r = message_get(store, s->account, s->view->box, uid, out);
    return r == ERR_NOT_FOUND ? message_expunged(store, s->account, s->view->box, uid, out) : r;
}

int imapd_letter(struct imapd_session *s, uint32_t uid, const struct message *known,
                 struct imapd_letter **out)
{
    struct message m;
    if (s->letter && s->letter->m.uid == uid) {
        *out = s->letter;
        return 0;
    }
    if (!known) {
        int r = record_of(s, uid, &m);
        if (r) return r;
        known = &m;
    }
    imapd_letter_forget(s);
    s->letter = xcalloc(1, sizeof *s->letter);
    s->letter->store = s->server->conf.store;
    s->letter->m = *known;
    ar_init(&s->letter->tree_a, 0);
    ar_init(&s->letter->all_a, 0);
    *out = s->letter;
    return 0;
}

/* Reads from the store; a body that was moved meanwhile is looked up again. */
static int64_t read_store(struct imapd_session *s, struct imapd_letter *l, uint64_t at, void *p, size_t n)
{
    int64_t got = body_read(l->store->body, &l->m.body, at, p, n);
    if (got != ERR_NOT_FOUND) return got;
    int r = record_of(s, l->m.uid, &l->m);
    return r ? r : body_read(l->store->body, &l->m.body, at, p, n);
}

static int load_small(struct imapd_session *s, struct imapd_letter *l)
{
    if (l->all.p || !l->m.size || l->m.size > BODY_SMALL) return 0;
    char *p = ar_alloc(&l->all_a, l->m.size);
    int64_t got = read_store(s, l, 0, p, l->m.size);
    if (got < 0) return (int)got;
    l->all = sl(p, (size_t)got);
    return 0;
}

int64_t imapd_letter_read(struct imapd_session *s, struct imapd_letter *l, uint64_t at, void *p, size_t n)
{
    int r = load_small(s, l);
    if (r) return r;
    if (!l->all.p) return read_store(s, l, at, p, n);
    if (at >= l->all.n) return 0;
    if (n > l->all.n - at) n = l->all.n - (size_t)at;
    memcpy(p, l->all.p + at, n);
    return (int64_t)n;
}

int imapd_letter_range(struct imapd_session *s, struct imapd_letter *l, uint64_t at, uint64_t n,
                       struct arena *a, struct slice *out)
{
    if (n > IMAPD_HEAD_MAX) n = IMAPD_HEAD_MAX;
    char *p = ar_alloc(a, n + 1);
    size_t have = 0;
    while (have < n) {
        int64_t got = imapd_letter_read(s, l, at + have, p + have, (size_t)n - have);
        if (got < 0) return (int)got;
        if (!got) break;
        have += (size_t)got;
    }
    *out = sl(p, have);
    return 0;
}

int imapd_letter_tree(struct imapd_session *s, struct imapd_letter *l)
{
    if (l->tree) return 0;
    char *chunk = xmalloc(IMAPD_CHUNK);
    struct mime_parser *p = mime_begin(&l->tree_a);
    int64_t got;
    for (uint64_t at = 0; (got = imapd_letter_read(s, l, at, chunk, IMAPD_CHUNK)) > 0; at += (uint64_t)got) {
        mime_feed(p, sl(chunk, (size_t)got));
        fiber_breathe();
    }
    free(chunk);
    if (got < 0) {
        mime_abandon(p);
        ar_free(&l->tree_a);
        return (int)got;
    }
    l->tree = mime_finish(p);
    return 0;
}

int imapd_letter_head_size(struct imapd_session *s, struct imapd_letter *l, uint64_t *out)
{
    struct arena a;
    struct slice head;
    int r = 0;
    if (!l->head_size && (!l->m.head_size || l->m.head_size > IMAPD_HEAD_MAX)) {
        r = imapd_letter_tree(s, l);
        if (!r) *out = l->tree->root->head_size;
        return r;
    }
    ar_init(&a, 0);
    if (!l->head_size) r = imapd_letter_range(s, l, 0, l->m.head_size, &a, &head);
    if (!r && !l->head_size) l->head_size = mail_head_end(head) + 1;
    ar_free(&a);
    if (!r) *out = l->head_size - 1;
    return r;
}

int imapd_letter_head(struct imapd_session *s, struct imapd_letter *l, struct arena *a, struct slice *out)
{
    uint64_t n;
    int r = imapd_letter_head_size(s, l, &n);
    return r ? r : imapd_letter_range(s, l, 0, n, a, out);
}

/* sweep.c - giving back the space of bodies that nothing refers to any more.
 *
 * Mark: the queue's references, then every account's; for each pack the bytes that
 * are alive. A sealed pack in which nothing is gets dropped; from one of which less
 * than a third is alive, none of it in the queue, the rest is moved out to a pack for
 * mail, and it goes with the next sweep.
 *
 * What protects a living body: a pack is left alone while it is young, written
 * to, or pinned (a letter that is just coming in); the queue is read before the
 * accounts (a delivery adds to the account before the queue forgets); an account that
 * changed while it was read is read again (a message may have moved from a mailbox not
 * read yet to one read already). */
#include <stdlib.h>

#include "care_i.h"

enum { READS_MAX = 20, ALIVE_PART = 3 };

struct live {
    uint64_t bytes;
    bool queued; /* some of it belongs to letters in the queue: those are not moved */
    bool move;   /* its bodies are to be moved out */
};

struct sweep {
    struct store *s;
    struct sweep_report *report;
    struct arena a;
    struct map packs; /* 8 bytes of number -> struct live */
    struct map moved; /* old reference -> new one, so that copies stay one body */
    uint64_t bytes_per_second;
    int64_t started;
    uint64_t bytes_moved;
    const char *acc;
};

static struct live *live_of(struct sweep *w, uint64_t pack, bool make)
{
    struct slice key = sl(&pack, sizeof pack);
    struct live *l = map_get(&w->packs, key);
    if (l || !make) return l;
    l = ar_new(&w->a, struct live);
    map_put(&w->packs, key, l);
    return l;
}

/* ---- mark ---- */

static struct live *mark_body(struct sweep *w, const struct body_ref *r)
{
    struct live *l = live_of(w, body_ref_pack(r), true);
    l->bytes += body_ref_size(r) + 48;
    return l;
}

static int mark_queued(void *arg, struct slice ref)
{
    struct body_ref r;
    int rc = body_ref_parse(ref, &r);
    if (rc) return rc; /* better no sweep than one that does not know what is alive */
    mark_body(arg, &r)->queued = true;
    return 0;
}

static int mark_message(void *arg, uint32_t box, uint32_t uid, const struct message *m)
{
    struct sweep *w = arg;
    if (!m)
        return err_set(ERR_CORRUPT,
                       "the record of message %u in mailbox %u of account %s is damaged; nothing is swept",
                       uid, box, w->acc);
    w->report->bodies_alive++;
    mark_body(w, &m->body);
    return 0;
}

static int modseq_of(struct store *s, const char *acc, uint64_t *out)
{
    char room[KEY_ROOM];
    struct arena a;
    struct slice value;
    struct account_row row = {0};
    ar_init(&a, 0);
    int rc = kv_get(s->kv, account_object(acc, room), SL("a"), &a, &value);
    if (rc == 0) rc = account_row_get(value, &row);
    *out = row.modseq;
    ar_free(&a);
    return rc == ERR_NOT_FOUND ? 0 : rc; /* being erased: its rows are read all the same */
}

static int mark_account(void *arg, const char *acc)
{
    struct sweep *w = arg;
    uint64_t before, after = 0, counted = w->report->bodies_alive;
    w->acc = acc;
    int rc = mailbox_finish_deletes(w->s, acc);
    if (rc == 0) rc = care_renew(w->s, SL("sweep"));
    if (rc == 0) rc = modseq_of(w->s, acc, &after);
    for (int i = 0; rc == 0; i++) {
        before = after;
        w->report->bodies_alive = counted;
        rc = messages_each(w->s, acc, mark_message, w);
        if (rc == 0) rc = modseq_of(w->s, acc, &after);
        if (before == after) break;
        if (i == READS_MAX) rc = err_set(ERR_BUSY, "account %s changes too fast to be swept now", acc);
    }
    return rc;
}

static int mark(struct sweep *w, sweep_refs *queue_refs, void *ctx)
{
    int rc = queue_refs ? queue_refs(ctx, w->s, mark_queued, w) : 0;
    return rc ? rc : accounts_each(w->s, mark_account, w);
}

/* ---- move ---- */

/* As much as the rate allows. */
static int wait_for_rate(struct sweep *w, uint64_t more)
{
    w->bytes_moved += more;
    if (!w->bytes_per_second) return 0;
    int64_t due = w->started + (int64_t)((double)w->bytes_moved / (double)w->bytes_per_second * 1e9);
    return due > rt_now() ? fiber_sleep(due - rt_now()) : 0;
}

struct relink {
    uint32_t box, uid;
    struct body_ref from, to;
    bool done;
};

/* The message may have been expunged or moved meanwhile. */
static int relink(struct kv_tx *tx, void *arg)
{
    struct relink *r = arg;
    struct message m;
    int rc = tx_message(tx, r->box, r->uid, &m);
    r->done = false;
    if (rc) return rc == ERR_NOT_FOUND ? 0 : rc;
    if (strcmp(m.body.s, r->from.s)) return 0;
    m.body = r->to;
    message_row_put(tx, r->box, &m);
    r->done = true;
    return 0;
}

/* The new body stays pinned until the sweep ends: more references to it may come. */
static int new_place(struct sweep *w, const struct body_ref *from, struct body_ref *to)
{
    struct body_ref *known = map_get(&w->moved, body_ref_slice(from));
    if (!known) {
        int rc = wait_for_rate(w, body_ref_size(from));
        known = ar_new(&w->a, struct body_ref);
        if (rc == 0) rc = body_move(w->s->body, from, BODY_MAIL, known);
        if (rc) return rc;
        map_put(&w->moved, body_ref_slice(from), known);
    }
    *to = *known;
    return 0;
}

static int move_message(void *arg, uint32_t box, uint32_t uid, const struct message *m)
{
    struct sweep *w = arg;
    struct live *l = m ? live_of(w, body_ref_pack(&m->body), false) : NULL;
    char room[KEY_ROOM];
    if (!l || !l->move) return 0;
    struct relink r = {.box = box, .uid = uid, .from = m->body};
    int rc = new_place(w, &r.from, &r.to);
    if (rc == ERR_CORRUPT || rc == ERR_NOT_FOUND)
        return 0; /* a damaged body stays where it is, and its pack with it */
    return rc ? rc : kv_transact(w->s->kv, account_object(w->acc, room), relink, &r);
}

static int move_account(void *arg, const char *acc)
{
    struct sweep *w = arg;
    w->acc = acc;
    int rc = care_renew(w->s, SL("sweep"));
    return rc ? rc : messages_each(w->s, acc, move_message, w);
}

static void unpin_moved(struct sweep *w)
{
    struct map_iter it = {0};
    while (map_next(&w->moved, &it)) body_unpin(w->s->body, it.value);
}

/* ---- drop ---- */

/* Drops the dead packs; marks those to be moved out of, and says whether there are any. */
static int drop_dead(struct sweep *w, const struct body_pack *pack, size_t n, int64_t min_age_s, bool *moves)
{
    uint64_t kept = loss_upto(w->s);
    for (size_t i = 0; i < n; i++) {
        const struct body_pack *p = &pack[i];
        struct live *l = live_of(w, p->number, false);
        if (p->open || p->age_s < min_age_s || p->number <= kept) continue;
        if (l) {
            l->move = !l->queued && l->bytes < p->bytes / ALIVE_PART;
            w->report->compacted += l->move;
            *moves = *moves || l->move;
            continue;
        }
        int rc = body_drop_pack(w->s->body, p->number);
        if (rc == ERR_BUSY || rc == ERR_NOT_FOUND) continue;
        if (rc) return rc;
        w->report->dropped++;
        w->report->bytes_freed += p->bytes;
    }
    return 0;
}

static int sweep(struct sweep *w, sweep_refs *queue_refs, void *ctx, int64_t min_age_s)
{
    struct body_pack *pack;
    size_t n;
    bool moves = false;
    int rc = body_packs(w->s->body, &w->a, &pack, &n); /* before marking: what comes later is not looked at */
    w->report->packs = rc ? 0 : n;
    if (rc == 0) rc = mark(w, queue_refs, ctx);
    if (rc == 0) rc = drop_dead(w, pack, n, min_age_s, &moves);
    if (rc == 0 && moves) rc = accounts_each(w->s, move_account, w);
    unpin_moved(w);
    return rc;
}

int store_sweep(struct store *s, sweep_refs *queue_refs, void *ctx, int64_t min_age_s,
                uint64_t bytes_per_second, struct sweep_report *out)
{
    struct sweep w = {.s = s, .report = out, .bytes_per_second = bytes_per_second, .started = rt_now()};
    uint64_t fence;
    *out = (struct sweep_report){0};
    int rc = care_begin(s, SL("sweep"), &fence);
    if (rc) return rc;
    ar_init(&w.a, 0);
    map_init(&w.packs, false);
    map_init(&w.moved, false);
    rc = sweep(&w, queue_refs, ctx, min_age_s);
    map_free(&w.packs);
    map_free(&w.moved);
    ar_free(&w.a);
    care_end(s, SL("sweep"));
    return rc;
}

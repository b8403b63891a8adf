/* sweep.c - giving back the space of bodies that nothing refers to any more.
 *
 * Mark: the queue's references, then every account's; for each pack the bytes that
 * are alive. A sealed pack in which nothing is gets dropped; from one of which less
 * than a third is alive the rest is moved out, and it goes with a later sweep.
 *
 * What protects a living body: a pack is left alone while it is young, written
 * to, or pinned (a letter that is just coming in, or an attempt that holds an older
 * reference); the queue is read before the accounts (a delivery adds to the account
 * before the queue forgets); what was added to an account while it was read is read too
 * (account_walk.c); one sweep or backup runs at a time. A row that cannot be read keeps what it may
 * refer to (sweep_damage.c).
 *
 * A body gets a second reference from a letter to accounts, and within an account (COPY). Nothing refers to a
 * body of another account: a copy from one to the other is a body of its own (imapd/copy.c), so that no sweep
 * can read the new owner before, and the old one after it let go.
 */
#include "sweep_i.h"

enum { ALIVE_PART = 3, MOVE_PACKS = 64 };
static const uint64_t move_bytes = 256 << 20; /* in one round: the next one goes on */

/* ---- move ---- */

/* As much as the rate allows. */
static int wait_for_rate(struct sweep *w, uint64_t more)
{
    w->bytes_moved += more;
    int e = care_check(&w->care);
    if (e || !w->bytes_per_second) return e;
    int64_t due = w->started + (int64_t)((double)w->bytes_moved / (double)w->bytes_per_second * 1e9);
    return due > rt_now() ? fiber_sleep(due - rt_now()) : 0;
}

/* The new body stays pinned until the sweep ends: more references to it may come. A body that
 * cannot be read stays where it is, and its pack with it: *stays. */
static int new_place(struct sweep *w, const struct body_ref *from, enum body_class cls, struct body_ref *to,
                     bool *stays)
{
    struct body_ref *known = map_get(&w->moved, body_ref_slice(from));
    *stays = false;
    if (!known) {
        int e = wait_for_rate(w, body_ref_size(from));
        known = ar_new(&w->a, struct body_ref);
        if (e == 0) e = body_move(w->s->body, from, cls, known);
        *stays = e == ERR_CORRUPT || e == ERR_NOT_FOUND;
        if (e) return *stays ? 0 : e;
        map_put(&w->moved, body_ref_slice(from), known);
    }
    *to = *known;
    return 0;
}

static bool to_be_moved(struct sweep *w, const struct body_ref *ref)
{
    struct live *l = sweep_live(w, body_ref_pack(ref), false);
    return l && l->move;
}

struct relink {
    uint32_t box;
    const struct message *m; /* as it was read */
    struct body_ref to;
};

/* The message may have been expunged or moved meanwhile. */
static int relink(struct kv_tx *tx, void *arg)
{
    struct relink *r = arg;
    struct message m;
    struct slice value;
    char room[KEY_ROOM];
    int e = kv_tx_get(tx, message_row_key(r->box, r->m, room), &value);
    if (e == 0) e = message_row_get(value, r->m->uid, &m);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    if (strcmp(m.body.s, r->m->body.s)) return 0;
    m.body = r->to;
    m.batch = r->m->batch;
    m.place = r->m->place;
    message_row_put(tx, r->box, &m);
    return 0;
}

static int move_message(void *arg, uint32_t box, uint32_t uid, const struct message *m)
{
    struct sweep *w = arg;
    char room[KEY_ROOM];
    bool stays;
    (void)uid;
    if (!m || !to_be_moved(w, &m->body)) return 0;
    struct relink r = {.box = box, .m = m};
    int e = new_place(w, &m->body, BODY_MAIL, &r.to, &stays);
    if (e || stays) return e;
    sweep_forget_account(w, w->acc); /* what is remembered of it is not so any more */
    e = kv_transact(w->s->kv, account_object(w->acc, room), relink, &r);
    return err_is_damage(e) ? 0 : e;
}

static int move_account(void *arg, const char *acc)
{
    struct sweep *w = arg;
    w->acc = acc;
    if (!sweep_account_moves(w, acc)) return 0;
    int e = messages_each(w->s, acc, move_message, w);
    return err_is_damage(e) ? 0 : e;
}

static int move_letter(void *arg, struct slice letter, struct slice ref)
{
    struct sweep *w = arg;
    struct body_ref from, to;
    bool stays;
    if (body_ref_parse(ref, &from) || !to_be_moved(w, &from)) return 0;
    int e = new_place(w, &from, BODY_QUEUE, &to, &stays);
    if (e || stays) return e;
    e = w->queue->relink(w->queue->ctx, w->s, letter, &from, &to);
    return err_is_damage(e) || e == ERR_NOT_FOUND ? 0 : e;
}

/* Accounts first: a body that a letter shares with a mailbox goes where mail that stays lies. */
static int move_all(struct sweep *w)
{
    int e = accounts_each(w->s, move_account, w);
    if (e == 0 && w->queue) e = w->queue->refs(w->queue->ctx, w->s, move_letter, w);
    return err_is_damage(e) ? 0 : e;
}

static void unpin_moved(struct sweep *w)
{
    struct map_iter it = {0};
    while (map_next(&w->moved, &it)) body_unpin(w->s->body, it.value);
}

/* ---- drop ---- */

static int drop(struct sweep *w, const struct body_pack *p)
{
    int e = care_check(&w->care);
    if (e == 0) e = body_drop_pack(w->s->body, p->number);
    if (e) return e == ERR_BUSY || e == ERR_NOT_FOUND ? 0 : e;
    w->report->dropped++;
    w->report->bytes_freed += p->bytes;
    return 0;
}

/* Drops the dead packs; marks those to be moved out of, and says whether there are any. One pack
 * that cannot be removed keeps no other; the first error is returned. */
static int drop_dead(struct sweep *w, const struct body_pack *pack, size_t n, int64_t min_age_s, bool *moves)
{
    uint64_t bytes = 0, kept = loss_upto(w->s);
    if (kept < w->keep_to) kept = w->keep_to;
    int first = 0;
    for (size_t i = 0; i < n; i++) {
        const struct body_pack *p = &pack[i];
        struct live *l = sweep_live(w, p->number, false);
        if (p->open || p->age_s < min_age_s) continue;
        if (p->number <= kept) {
            w->report->kept++;
        } else if (!l) {
            int e = drop(w, p);
            if (e == ERR_CANCELED || e == ERR_DENIED) return e;
            if (!first) first = e;
        } else if (p->cls == BODY_IMAGE) {
            continue; /* images are not moved but written anew (rescue_image.c) */
        } else if (l->bytes < (p->bytes - p->origins) / ALIVE_PART && w->report->compacted < MOVE_PACKS &&
                   bytes < move_bytes) {
            l->move = *moves = true;
            bytes += l->bytes;
            w->report->compacted++;
        }
    }
    return first;
}

static int sweep(struct sweep *w, int64_t min_age_s)
{
    struct body_pack *pack;
    size_t n = 0;
    bool moves = false;
    int e = body_packs(w->s->body, &w->a, &pack, &n); /* before marking: what comes later is not looked at */
    w->report->packs = n;
    if (e == 0) e = sweep_mark(w);
    if (e == 0) e = sweep_settle_damage(w);
    if (e == 0) e = drop_dead(w, pack, n, min_age_s, &moves);
    if (e != ERR_CANCELED && e != ERR_DENIED && moves) {
        int moved = move_all(w);
        if (e == 0) e = moved;
    }
    unpin_moved(w);
    return e;
}

int store_sweep(struct store *s, const struct care_queue *queue, int64_t min_age_s, uint64_t bytes_per_second,
                struct sweep_report *out)
{
    struct sweep w = {
        .s = s, .queue = queue, .report = out, .bytes_per_second = bytes_per_second, .started = rt_now()};
    *out = (struct sweep_report){0};
    int e = care_begin(&w.care, s, "sweep");
    if (e) return e;
    ar_init(&w.a, 0);
    map_init(&w.packs, false);
    map_init(&w.moved, false);
    map_init(&w.damaged, false);
    e = sweep(&w, min_age_s);
    map_free(&w.packs);
    map_free(&w.moved);
    sweep_forget_damage(&w);
    ar_free(&w.a);
    care_end(&w.care);
    return e;
}

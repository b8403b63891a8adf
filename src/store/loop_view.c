/* loop_view.c - a mailbox as all sessions of a loop see it: one roll, kept current from the journal.
 *
 * Each change makes a new roll that shares the pages which did not change; a session holds the one that it
 * shows. So a thousand sessions on one large mailbox read it once and keep it once. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "mailbox_i.h"

enum {
    SAVE_AT_CLOSE = 200, /* an image this many changes old is brought up to date when the last view closes */
    SAVE_AT_SYNC = 5000, /* and one this many old at once */
    KEEP_LEAST = 4096,   /* a mailbox of so many messages is kept for whoever opens it again, */
    KEEP_MOST = 1500000, /* so many messages in all on each loop, 24 bytes each; the latest ones */
};

struct loop_views {
    struct lock lock;
    struct map map;         /* loop, account, mailbox -> struct loop_view */
    struct loop_view *kept; /* nobody uses them; the one that was used last comes first */
};

/* ---- which there are ---- */

struct loop_views *loop_views_new(void)
{
    struct loop_views *v = xcalloc(1, sizeof *v);
    map_init(&v->map, false);
    return v;
}

static void free_all(struct loop_view *v)
{
    for (struct loop_view *next; v; v = next) {
        next = v->next;
        roll_unref(&v->roll);
        free(v);
    }
}

void loop_views_free(struct loop_views *v)
{
    if (!v) return;
    free_all(v->kept);
    map_free(&v->map);
    free(v);
}

enum { VIEW_KEY = 64 };

static struct slice view_key(const char *acc, uint32_t box, char room[VIEW_KEY])
{
    return sl(room, (size_t)snprintf(room, VIEW_KEY, "%d %s %u", rt_loop_id(), acc, box));
}

struct loop_view *loop_view_get(struct store *s, const char *acc, uint32_t box)
{
    char room[VIEW_KEY];
    struct loop_view *fresh = xcalloc(1, sizeof *fresh), *v;
    snprintf(fresh->acc, sizeof fresh->acc, "%s", acc);
    fresh->s = s;
    fresh->box = box;
    fresh->loop = rt_loop_id();
    fmutex_init(&fresh->reading);
    fmutex_init(&fresh->saving);
    struct slice key = view_key(fresh->acc, box, room);
    lock_take(&s->views->lock);
    v = map_get(&s->views->map, key);
    if (!v) map_put(&s->views->map, key, v = fresh);
    for (struct loop_view **at = &s->views->kept; *at && !v->users; at = &(*at)->next)
        if (*at == v) {
            *at = v->next;
            break;
        }
    lock_release(&s->views->lock);
    if (v != fresh) free(fresh);
    v->users++;
    return v;
}

/* Only speed depends on the image, so its failure is nobody's error. */
static void keep_image(struct loop_view *v)
{
    if (v->deleted || !v->roll || v->saving.held || fmutex_lock(&v->saving)) return;
    struct roll *r = roll_ref(v->roll);
    size_t behind = v->behind;
    int e = image_save(v->s, v->acc, v->box, r, v->image);
    v->image = e ? 0 : r->modseq;
    if (e == 0 || e == ERR_BUSY) v->behind -= behind; /* else once more, later */
    roll_unref(&r);
    fmutex_unlock(&v->saving);
}

/* Many changes old, or soon older than the journal reaches back. */
static bool image_is_old(const struct loop_view *v)
{
    return v->behind >= SAVE_AT_CLOSE ||
           (v->behind && v->image && v->roll && v->roll->modseq - v->image > JOURNAL_MAX / 4);
}

/* Of this loop's those go that are too much; the list of them. */
static struct loop_view *keep_or_drop(struct loop_view *v)
{
    struct loop_views *all = v->s->views;
    struct loop_view *gone = NULL;
    char room[VIEW_KEY];
    size_t n = 0;
    lock_take(&all->lock);
    v->next = all->kept;
    all->kept = v;
    for (struct loop_view **at = &all->kept; (v = *at);) {
        size_t here = v->roll && !v->deleted ? v->roll->n : 0;
        n += v->loop == rt_loop_id() ? here : 0;
        if (v->loop != rt_loop_id() || (here >= KEEP_LEAST && n <= KEEP_MOST)) {
            at = &v->next;
            continue;
        }
        *at = v->next;
        (void)map_del(&all->map, view_key(v->acc, v->box, room));
        v->next = gone;
        gone = v;
    }
    lock_release(&all->lock);
    return gone;
}

void loop_view_put(struct loop_view **vp)
{
    struct loop_view *v = *vp;
    *vp = NULL;
    if (v->users == 1 && image_is_old(v)) keep_image(v);
    if (--v->users) return; /* somebody came meanwhile */
    free_all(keep_or_drop(v));
}

/* ---- reading what is new ---- */

static int box_now(struct loop_view *v, struct arena *a, struct box_row *out)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct slice value;
    int e = kv_get(v->s->kv, account_object(v->acc, room), box_key('b', v->box, key), a, &value);
    return e ? e : box_row_get(value, v->box, out);
}

/* Messages in [r->uidnext, until) to the end of the roll. */
static int read_new(struct loop_view *v, struct roll *r, uint32_t until)
{
    struct arena a;
    struct message *m;
    size_t n = 1;
    int e = 0;
    ar_init(&a, 0);
    for (uint32_t from = r->uidnext; e == 0 && n && from < until;) {
        e = message_list(v->s, (struct mailbox_ref){.account = v->acc, .box = v->box}, from, KV_PAGE_MAX, &a,
                         &m, &n);
        for (size_t i = 0; e == 0 && i < n && m[i].uid < until; i++, v->behind++)
            roll_add(r, &(struct roll_msg){.uid = m[i].uid, .flags = m[i].flags, .modseq = m[i].modseq});
        if (e == 0 && n) from = m[n - 1].uid + 1;
        ar_reset(&a);
        fiber_breathe();
    }
    ar_free(&a);
    if (e == 0) r->uidnext = until;
    return e;
}

static void change(struct roll *r, uint32_t uid, uint64_t flags, uint64_t modseq)
{
    const struct roll_msg *old = roll_find(r, uid);
    if (!old || old->modseq >= modseq) return;
    struct roll_msg *m = roll_edit(r, uid);
    m->flags = flags;
    m->modseq = modseq;
    roll_note_flags(r, m);
}

/* Somebody who reads the journal for one mailbox. */
struct follower {
    struct loop_view *v;
    void (*each)(struct follower *f, struct journal_reader *j, uint64_t modseq);
    struct roll *roll;
    struct arena *a; /* of the uids */
    uint32_t *uid;
    size_t n, size;
};

static void apply(struct follower *f, struct journal_reader *j, uint64_t modseq)
{
    uint64_t flags;
    uint32_t uid;
    for (; journal_next_flags(j, &uid, &flags); f->v->behind++) change(f->roll, uid, flags, modseq);
    for (; journal_next_gone(j, &uid); f->v->behind++) roll_remove(f->roll, uid);
}

static void gather_gone(struct follower *f, struct journal_reader *j, uint64_t modseq)
{
    (void)modseq;
    for (uint32_t uid; journal_next_gone(j, &uid); f->uid[f->n++] = uid)
        if (f->n == f->size) f->uid = ar_grow(f->a, f->uid, &f->size, sizeof *f->uid);
}

static int follow_row(struct follower *f, const struct kv_row *row)
{
    struct journal_reader j;
    uint64_t modseq;
    int e = row_number(row->key, &modseq);
    if (e == 0) e = journal_open(row->value, &j);
    while (e == 0 && journal_next_box(&j))
        if (j.box == f->v->box) f->each(f, &j, modseq);
    return e;
}

/* Journal rows of modseqs in (at, until]. */
static int read_journal(struct follower *f, uint64_t at, uint64_t until)
{
    char room[KEY_ROOM];
    struct arena a;
    struct journal_keys keys;
    struct kv_page page = {.more = at < until};
    int e = 0;
    ar_init(&a, 0);
    while (e == 0 && page.more) {
        journal_range(at, until, &keys);
        e = kv_scan(f->v->s->kv, account_object(f->v->acc, room), keys.from, keys.to, KV_PAGE_MAX, &a, &page);
        for (size_t i = 0; e == 0 && i < page.n; i++) {
            e = follow_row(f, &page.row[i]);
            fiber_breathe();
        }
        if (e == 0 && page.n) e = row_number(page.row[page.n - 1].key, &at);
        ar_reset(&a);
    }
    ar_free(&a);
    return e;
}

/* Did it fail by a damaged row? It tells of one change of which nobody knows more, then; what stands in the
 * mailbox does, so no view stops at it. */
static bool journal_damaged(struct loop_view *v, int e)
{
    if (e != ERR_CORRUPT && e != ERR_VERSION) return false;
    if (!v->journal_damaged)
        log_error("store",
                  "account %s, mailbox %u: the journal is damaged, the messages are compared instead: %s",
                  v->acc, v->box, err_text(e));
    return v->journal_damaged = true;
}

/* The journal does not reach back far enough: compares with the messages themselves. What was not there
 * below the uidnext of before stays out: a sequence number is never given twice. */
static int compare_all(struct loop_view *v, struct roll *r, const struct box_row *b)
{
    struct roll *now = roll_new();
    size_t behind = v->behind + b->m.exists;
    int e = read_new(v, now, b->m.uidnext);
    v->behind = behind;
    roll_settle(now);
    for (size_t i = 0; e == 0 && i < r->n; i++) {
        struct roll_msg m = *roll_at(r, i);
        const struct roll_msg *there = roll_find(now, m.uid);
        if (!there) roll_remove(r, m.uid);
        else change(r, m.uid, there->flags, there->modseq);
        fiber_breathe();
    }
    for (size_t i = roll_rank(now, r->uidnext); e == 0 && i < now->n; i++) roll_add(r, roll_at(now, i));
    if (e == 0) r->uidnext = b->m.uidnext;
    roll_unref(&now);
    return e;
}

static int journal_floor(struct loop_view *v, uint64_t *floor)
{
    char room[KEY_ROOM];
    struct arena a;
    struct slice value;
    struct account_row row = {0};
    ar_init(&a, 0);
    int e = kv_get(v->s->kv, account_object(v->acc, room), SL("a"), &a, &value);
    if (e == 0) e = account_row_get(value, &row);
    *floor = row.journal_floor;
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e; /* the account went: the next call tells */
}

/* Brings the roll to the row's modseq by the journal; *held false: it does not reach back far enough, or much
 * else happened in the account and the mailbox is small. It may have been pruned while it was read. */
static int follow(struct loop_view *v, struct roll *r, const struct box_row *b, bool *held)
{
    uint64_t floor;
    struct follower f = {.v = v, .each = apply, .roll = r};
    int e = journal_floor(v, &floor);
    *held = e == 0 && r->modseq >= floor && (b->m.modseq - r->modseq) / 4 <= r->n + 1000;
    if (!*held) return e;
    e = read_journal(&f, r->modseq, b->m.modseq);
    bool damaged = journal_damaged(v, e);
    if (e == 0 || damaged) e = journal_floor(v, &floor);
    *held = e == 0 && !damaged && r->modseq >= floor;
    return e;
}

int loop_view_gone(struct loop_view *v, uint64_t after, uint64_t upto, struct arena *a, uint32_t **uid,
                   size_t *n, bool *held)
{
    uint64_t floor;
    struct follower f = {.v = v, .each = gather_gone, .a = a, .uid = ar_array(a, uint32_t, 16), .size = 16};
    int e = read_journal(&f, after, upto);
    bool damaged = journal_damaged(v, e);
    if (e == 0 || damaged) e = journal_floor(v, &floor); /* afterwards: it may be pruned while it is read */
    *held = e == 0 && !damaged && after >= floor;
    *uid = f.uid;
    *n = f.n;
    return e;
}

/* The row was read first: what is newer than it comes with the next call. */
static int catch_up(struct loop_view *v, const struct box_row *b)
{
    struct roll *r = roll_copy(v->roll);
    bool held;
    int e = follow(v, r, b, &held);
    if (e == 0) roll_settle(r);
    if (e == 0) e = held ? read_new(v, r, b->m.uidnext) : compare_all(v, r, b);
    if (e == 0) {
        roll_settle(r);
        r->modseq = b->m.modseq;
        r->names = b->m.names;
        roll_unref(&v->roll);
        v->roll = roll_ref(r);
    }
    roll_unref(&r);
    return e;
}

/* From the image, or else from the messages. */
static int first_roll(struct loop_view *v, const struct box_row *b)
{
    struct roll *r;
    uint64_t floor;
    int e = journal_floor(v, &floor);
    if (e == 0) e = image_load(v->s, v->acc, b, floor, &r);
    if (e) return e;
    v->image = r ? r->modseq : 0;
    if (!r) {
        r = roll_new();
        r->uidvalidity = b->m.uidvalidity;
        e = read_new(v, r, b->m.uidnext);
        roll_settle(r);
        r->modseq = b->m.modseq;
    }
    r->names = b->m.names;
    if (e == 0) v->roll = roll_ref(r);
    roll_unref(&r);
    return e;
}

static int sync_now(struct loop_view *v)
{
    struct arena a;
    struct box_row b;
    if (v->deleted) return 0;
    ar_init(&a, 0);
    int e = box_now(v, &a, &b);
    if (e == ERR_NOT_FOUND) {
        v->deleted = true;
        e = v->roll ? 0 : err_set(e, "there is no such mailbox");
    } else {
        if (e == 0 && !v->roll) e = first_roll(v, &b);
        if (e == 0 && b.m.modseq != v->roll->modseq) e = catch_up(v, &b);
    }
    ar_free(&a);
    return e;
}

int loop_view_sync(struct loop_view *v)
{
    int e = fmutex_lock(&v->reading);
    if (e) return e;
    e = sync_now(v);
    if (e == 0 && !v->roll) e = err_set(ERR_NOT_FOUND, "there is no such mailbox");
    fmutex_unlock(&v->reading);
    if (e == 0 && v->behind >= SAVE_AT_SYNC) keep_image(v);
    return e;
}

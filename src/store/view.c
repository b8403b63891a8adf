/* view.c - a selected mailbox: a compact array of its messages, kept current from the journal. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "mailbox_i.h"

enum {
    SAVE_AT_CLOSE = 200, /* an image this many changes old is written anew when the view closes */
    SAVE_AT_OPEN = 5000, /* and one this many old at once */
};

/* The struct view that users see, and how far its image is behind. */
struct whole_view {
    struct view v;
    size_t behind;
};

static struct whole_view *whole(struct view *v) { return CONTAINER_OF(v, struct whole_view, v); }

/* ---- the array ---- */

static size_t lower_bound(const struct view *v, uint32_t uid)
{
    size_t lo = 0, hi = v->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (v->msg[mid].uid < uid) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

size_t view_find(const struct view *v, uint32_t uid)
{
    size_t i = lower_bound(v, uid);
    return i < v->n && v->msg[i].uid == uid ? i : SL_NONE;
}

static void mark_changed(struct view *v, uint32_t uid, uint64_t flags, uint64_t modseq)
{
    size_t i = view_find(v, uid);
    if (i == SL_NONE || v->msg[i].modseq >= modseq) return;
    v->msg[i].flags = flags;
    v->msg[i].modseq = modseq;
    if (!v->msg[i].changed) v->nchanged++;
    v->msg[i].changed = true;
}

static void mark_gone(struct view *v, size_t i)
{
    if (i == SL_NONE || v->msg[i].gone) return;
    v->msg[i].gone = true;
    v->ngone++;
}

void view_drop_gone(struct view *v, void (*each)(void *arg, uint32_t seq), void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (!v->msg[i].gone) {
            v->msg[kept++] = v->msg[i];
            continue;
        }
        if (v->msg[i].changed) v->nchanged--;
        if (each) each(arg, (uint32_t)kept + 1); /* those before it that went already count no more */
    }
    v->n = kept;
    v->ngone = 0;
}

/* ---- reading what is new ---- */

static int box_now(struct view *v, struct arena *a, struct box_row *out)
{
    char room[KEY_ROOM], key[KEY_ROOM];
    struct slice value;
    int rc = kv_get(v->store->kv, account_object(v->acc, room), box_key('b', v->box, key), a, &value);
    return rc ? rc : box_row_get(value, v->box, out);
}

/* Messages in [v->uidnext, until) to the end of the array. */
static int read_new(struct view *v, uint32_t until, size_t *added)
{
    struct arena a;
    struct message *m;
    size_t n = 1;
    int rc = 0;
    ar_init(&a, 0);
    for (uint32_t from = v->uidnext; rc == 0 && n && from < until;) {
        rc = message_list(v->store, (struct mailbox_ref){v->acc, v->box}, from, KV_PAGE_MAX, &a, &m, &n);
        for (size_t i = 0; rc == 0 && i < n && m[i].uid < until; i++) {
            *view_add(v) = (struct view_msg){.uid = m[i].uid, .flags = m[i].flags, .modseq = m[i].modseq};
            ++*added;
        }
        if (rc == 0 && n) from = m[n - 1].uid + 1;
        ar_reset(&a);
        fiber_breathe();
    }
    ar_free(&a);
    if (rc == 0) v->uidnext = until;
    return rc;
}

static int apply_row(struct view *v, const struct kv_row *row)
{
    struct journal_reader r;
    uint64_t modseq, flags;
    uint32_t uid;
    int rc = row_number(row->key, &modseq);
    if (rc == 0) rc = journal_open(row->value, &r);
    if (rc) return rc;
    for (; journal_next_flags(&r, &uid, &flags); whole(v)->behind++) mark_changed(v, uid, flags, modseq);
    for (; journal_next_gone(&r, &uid); whole(v)->behind++) mark_gone(v, view_find(v, uid));
    return 0;
}

/* Journal rows of modseqs in (v->modseq, until]. */
static int read_journal(struct view *v, uint64_t until)
{
    char room[KEY_ROOM], first[KEY_ROOM], end[KEY_ROOM];
    struct arena a;
    struct kv_page page = {.more = v->modseq < until};
    int rc = 0;
    ar_init(&a, 0);
    struct slice from = row_key('j', v->box, v->modseq + 1, 16, first),
                 to = row_key('j', v->box, until + 1, 16, end);
    while (rc == 0 && page.more) {
        rc = kv_scan(v->store->kv, account_object(v->acc, room), from, to, KV_PAGE_MAX, &a, &page);
        for (size_t i = 0; rc == 0 && i < page.n; i++) rc = apply_row(v, &page.row[i]);
        if (rc == 0 && page.n) from = kv_after(&a, page.row[page.n - 1].key);
        fiber_breathe();
    }
    ar_free(&a);
    return rc;
}

/* The journal does not reach back far enough: compares with the messages themselves. */
static int compare_all(struct view *v, const struct box_row *b, size_t *added)
{
    struct whole_view now = {.v = *v};
    now.v.msg = NULL;
    now.v.n = now.v.size = 0;
    now.v.uidnext = 1;
    size_t all = 0;
    int rc = read_new(&now.v, b->m.uidnext, &all);
    for (size_t i = 0; rc == 0 && i < v->n; i++) {
        size_t k = view_find(&now.v, v->msg[i].uid);
        if (k == SL_NONE) mark_gone(v, i);
        else mark_changed(v, v->msg[i].uid, now.v.msg[k].flags, now.v.msg[k].modseq);
    }
    for (size_t k = lower_bound(&now.v, v->uidnext); rc == 0 && k < now.v.n; k++) {
        *view_add(v) = now.v.msg[k];
        ++*added;
    }
    if (rc == 0) v->uidnext = b->m.uidnext;
    free(now.v.msg);
    return rc;
}

/* Did the journal still hold everything after v->modseq when it was read? It may have been pruned
 * between the row and it. */
static int journal_held(struct view *v, bool *held)
{
    struct arena a;
    struct box_row now;
    ar_init(&a, 0);
    int rc = box_now(v, &a, &now);
    *held = rc == 0 && v->modseq >= now.journal_floor;
    ar_free(&a);
    return rc == ERR_NOT_FOUND ? 0 : rc; /* the mailbox went: the next call tells */
}

/* The row was read first: what is newer than it comes with the next call. */
static int catch_up(struct view *v, const struct box_row *b, size_t *added)
{
    int rc = 0;
    bool held = v->modseq >= b->journal_floor;
    v->names = b->m.names;
    if (b->m.modseq == v->modseq) return 0;
    if (held) rc = read_journal(v, b->m.modseq);
    if (rc == 0 && held) rc = journal_held(v, &held);
    if (rc == 0) rc = held ? read_new(v, b->m.uidnext, added) : compare_all(v, b, added);
    whole(v)->behind += *added;
    if (rc == 0) v->modseq = b->m.modseq;
    return rc;
}

int view_sync(struct view *v, size_t *added)
{
    struct arena a;
    struct box_row b;
    *added = 0;
    if (v->deleted) return 0;
    ar_init(&a, 0);
    int rc = box_now(v, &a, &b);
    if (rc == ERR_NOT_FOUND) {
        v->deleted = true;
        rc = 0;
    } else if (rc == 0) {
        rc = catch_up(v, &b, added);
    }
    ar_free(&a);
    return rc;
}

/* ---- opening and closing ---- */

static void clear_changed(struct view *v)
{
    for (size_t i = 0; i < v->n; i++) v->msg[i].changed = false;
    v->nchanged = 0;
}

static int fill(struct view *v)
{
    struct arena a;
    struct box_row b;
    bool found = false;
    size_t added = 0;
    ar_init(&a, 0);
    int rc = box_now(v, &a, &b);
    if (rc == ERR_NOT_FOUND) err_set(rc, "there is no such mailbox");
    if (rc == 0) {
        v->uidvalidity = b.m.uidvalidity;
        v->uidnext = 1;
        rc = image_load(v, &b, &found);
    }
    if (rc == 0 && found) rc = catch_up(v, &b, &added);
    if (rc == 0 && !found) {
        rc = read_new(v, b.m.uidnext, &added);
        whole(v)->behind = added;
        v->modseq = b.m.modseq;
        v->names = b.m.names;
    }
    ar_free(&a);
    view_drop_gone(v, NULL, NULL);
    clear_changed(v);
    return rc;
}

int view_open(struct view **out, struct store *s, const char *acc, uint32_t box)
{
    struct whole_view *w = xcalloc(1, sizeof *w);
    w->v.store = s;
    w->v.box = box;
    snprintf(w->v.acc, sizeof w->v.acc, "%s", acc);
    int rc = fill(&w->v);
    if (rc) {
        free(w->v.msg);
        free(w);
        return rc;
    }
    /* Only speed depends on the image, so its failure is nobody's error. */
    if (w->behind >= SAVE_AT_OPEN && image_save(&w->v) == 0) w->behind = 0;
    *out = &w->v;
    return 0;
}

void view_close(struct view **vp)
{
    struct view *v = *vp;
    if (!v) return;
    *vp = NULL;
    if (whole(v)->behind >= SAVE_AT_CLOSE && !v->deleted) (void)!image_save(v);
    free(v->msg);
    free(whole(v));
}

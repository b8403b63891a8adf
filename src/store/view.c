/* view.c - a selected mailbox as one session sees it: a roll that it shares, and what is its own: messages
 * that are gone but not told, flags that changed and were not told. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "mailbox_i.h"
#include "seen.h"

struct gone_msg {
    struct roll_msg m;
    size_t at; /* its index in the view */
};
struct change_mark {
    uint32_t uid;
    bool told;
};

/* The struct view that users see, and what stands behind it. */
struct whole_view {
    struct view v;
    struct loop_view *loop;
    struct roll *roll;
    char guest[20];             /* whose \Seen is shown; empty: the owner's */
    struct seen_set seen;       /* the guest's */
    bool unread;                /* it could not be read: not all of it is as of the roll */
    struct gone_msg *gone;      /* v.ngone, ascending */
    struct change_mark *change; /* ascending; v.nchanged of them are not told */
    size_t nmarks;
};

static struct whole_view *whole(struct view *v) { return CONTAINER_OF(v, struct whole_view, v); }
static const struct whole_view *whole_c(const struct view *v)
{
    return CONTAINER_OF(v, const struct whole_view, v);
}

/* ---- messages ---- */

/* As the session's user sees them. */
static uint64_t flags_of(const struct whole_view *w, const struct roll_msg *m)
{
    if (!w->guest[0]) return m->flags;
    return (m->flags & ~(uint64_t)FLAG_SEEN) | (seen_has(&w->seen, m->uid) ? FLAG_SEEN : 0);
}

/* How many of the gone ones have a lower index. */
static size_t gone_before(const struct whole_view *w, size_t i)
{
    size_t from = 0, to = w->v.ngone;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (w->gone[mid].at < i) from = mid + 1;
        else to = mid;
    }
    return from;
}

static bool is_gone(const struct whole_view *w, size_t i, size_t *k)
{
    *k = gone_before(w, i);
    return *k < w->v.ngone && w->gone[*k].at == i;
}

struct view_msg view_at(const struct view *v, size_t i)
{
    ASSERT(i < v->n);
    const struct whole_view *w = whole_c(v);
    size_t k;
    bool gone = is_gone(w, i, &k);
    const struct roll_msg *m = gone ? &w->gone[k].m : roll_at(w->roll, i - k);
    return (struct view_msg){
        .uid = m->uid, .gone = gone, .flags = gone ? m->flags : flags_of(w, m), .modseq = m->modseq};
}

size_t view_rank(const struct view *v, uint32_t uid)
{
    const struct whole_view *w = whole_c(v);
    size_t from = 0, to = v->ngone;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (w->gone[mid].m.uid < uid) from = mid + 1;
        else to = mid;
    }
    return from + roll_rank(w->roll, uid);
}

size_t view_find(const struct view *v, uint32_t uid)
{
    size_t i = view_rank(v, uid);
    return i < v->n && view_at(v, i).uid == uid ? i : SL_NONE;
}

size_t view_first_without(const struct view *v, uint64_t flags)
{
    const struct roll *r = whole_c(v)->roll;
    size_t first = v->n;
    for (size_t p = 0; p < r->npages && first == v->n; p++)
        for (uint32_t i = 0; i < r->page[p].page->n && first == v->n; i++)
            if (flags & ~flags_of(whole_c(v), &r->page[p].page->m[i]))
                first = view_rank(v, r->page[p].page->m[i].uid);
    for (size_t k = 0; k < v->ngone && whole_c(v)->gone[k].at < first; k++)
        if (flags & ~whole_c(v)->gone[k].m.flags) first = whole_c(v)->gone[k].at;
    return first;
}

size_t view_unseen(const struct view *v)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++) {
        n += !(view_at(v, i).flags & FLAG_SEEN);
        fiber_breathe();
    }
    return n;
}

uint64_t view_flags(const struct view *v)
{
    const struct whole_view *w = whole_c(v);
    uint64_t all = 0;
    for (size_t i = 0; i < w->roll->npages; i++) all |= w->roll->page[i].page->flags;
    for (size_t k = 0; k < v->ngone; k++) all |= w->gone[k].m.flags;
    return all;
}

/* ---- what the client was not told of ---- */

static size_t mark_rank(const struct whole_view *w, uint32_t uid)
{
    size_t from = 0, to = w->nmarks;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (w->change[mid].uid < uid) from = mid + 1;
        else to = mid;
    }
    return from;
}

static struct change_mark *find_mark(const struct whole_view *w, uint32_t uid)
{
    size_t k = mark_rank(w, uid);
    return k < w->nmarks && w->change[k].uid == uid ? &w->change[k] : NULL;
}

bool view_changed(const struct view *v, size_t i)
{
    if (!v->nchanged) return false;
    const struct change_mark *c = find_mark(whole_c(v), view_at(v, i).uid);
    return c && !c->told;
}

void view_told_all(struct view *v)
{
    struct whole_view *w = whole(v);
    free(w->change);
    w->change = NULL;
    w->nmarks = v->nchanged = 0;
}

static void told(struct whole_view *w, uint32_t uid)
{
    struct change_mark *c = w->v.nchanged ? find_mark(w, uid) : NULL;
    if (!c || c->told) return;
    c->told = true;
    if (--w->v.nchanged == 0) view_told_all(&w->v);
}

void view_told(struct view *v, size_t i)
{
    if (v->nchanged) told(whole(v), view_at(v, i).uid);
}

static void mark(struct whole_view *w, uint32_t uid)
{
    size_t k = mark_rank(w, uid);
    bool there = k < w->nmarks && w->change[k].uid == uid;
    if (there && !w->change[k].told) return;
    if (!there) {
        w->change = xrealloc(w->change, (w->nmarks + 1) * sizeof *w->change);
        memmove(&w->change[k + 1], &w->change[k], (w->nmarks - k) * sizeof *w->change);
        w->nmarks++;
    }
    w->change[k] = (struct change_mark){.uid = uid};
    w->v.nchanged++;
}

void view_not_told(struct view *v, size_t i) { mark(whole(v), view_at(v, i).uid); }

size_t view_next_changed(const struct view *v, size_t from)
{
    const struct whole_view *w = whole_c(v);
    if (!v->nchanged || from >= v->n) return SL_NONE;
    for (size_t k = mark_rank(w, view_at(v, from).uid); k < w->nmarks; k++)
        if (!w->change[k].told) return view_find(v, w->change[k].uid);
    return SL_NONE;
}

void view_gone_flags(struct view *v, size_t i, uint64_t flags)
{
    ASSERT(i < v->n);
    struct whole_view *w = whole(v);
    size_t k;
    if (!is_gone(w, i, &k) || w->gone[k].m.flags == flags) return;
    w->gone[k].m.flags = flags;
    mark(w, w->gone[k].m.uid);
}

void view_drop_gone(struct view *v, void (*each)(void *arg, uint32_t seq, uint32_t uid), void *arg)
{
    struct whole_view *w = whole(v);
    for (size_t k = 0; k < v->ngone; k++) {
        told(w, w->gone[k].m.uid);
        /* those before it that went count no more */
        if (each) each(arg, (uint32_t)(w->gone[k].at - k) + 1, w->gone[k].m.uid);
    }
    free(w->gone);
    w->gone = NULL;
    v->ngone = 0;
    v->n = w->roll->n;
}

/* ---- what differs from the newest state ---- */

struct diff {
    struct whole_view *w;
    struct gone_msg *gone; /* newly gone */
    size_t ngone, gone_room;
    struct change_mark *change; /* newly changed */
    size_t nchange, change_room;
    size_t added;
};

static void diff_changed(struct diff *d, uint32_t uid)
{
    if (d->nchange == d->change_room) {
        d->change_room = d->change_room ? 2 * d->change_room : 16;
        d->change = xrealloc(d->change, d->change_room * sizeof *d->change);
    }
    d->change[d->nchange++] = (struct change_mark){.uid = uid};
}

/* It is shown with the flags that it had last, when that is still known. */
static void diff_gone(struct diff *d, const struct roll_msg *m)
{
    const struct view *v = &d->w->v;
    struct message last;
    if (d->ngone == d->gone_room) {
        d->gone_room = d->gone_room ? 2 * d->gone_room : 16;
        d->gone = xrealloc(d->gone, d->gone_room * sizeof *d->gone);
    }
    struct roll_msg *gone = &d->gone[d->ngone++].m;
    *gone = *m;
    gone->flags = flags_of(d->w, m);
    if (message_expunged(v->store, (struct mailbox_ref){.account = v->acc, .box = v->box}, m->uid, &last))
        return;
    if (last.modseq <= m->modseq) return;
    gone->modseq = last.modseq;
    gone->flags = flags_of(d->w, &(struct roll_msg){.uid = last.uid, .flags = last.flags});
    diff_changed(d, m->uid);
}

/* Two states of a page; one of them may be NULL. */
static void diff_page(struct diff *d, const struct roll_page *old, const struct roll_page *new)
{
    uint32_t i = 0, k = 0, nold = old ? old->n : 0, nnew = new ? new->n : 0;
    while (i < nold && old != new) {
        if (k < nnew && new->m[k].uid < old->m[i].uid) {
            k++;
            continue;
        }
        bool there = k < nnew && new->m[k].uid == old->m[i].uid;
        if (!there) diff_gone(d, &old->m[i]);
        else if (new->m[k].modseq != old->m[i].modseq) diff_changed(d, old->m[i].uid);
        k += there;
        i++;
    }
}

static void diff_rolls(struct diff *d, const struct roll *old, const struct roll *new)
{
    size_t k = 0;
    for (size_t i = 0; i < old->npages; i++) {
        const struct roll_page *p = old->page[i].page, *q = NULL;
        while (k < new->npages &&new->page[k].page->number < p->number) k++;
        if (k < new->npages &&new->page[k].page->number == p->number) q = new->page[k].page;
        diff_page(d, p, q);
    }
    d->added = new->n - (old->n - d->ngone);
}

static void merge_gone(struct whole_view *w, const struct diff *d)
{
    size_t n = w->v.ngone + d->ngone, i = 0, k = 0;
    if (!d->ngone) return;
    struct gone_msg *all = xmalloc(n * sizeof *all);
    for (size_t at = 0; at < n; at++) {
        bool old = k == d->ngone || (i < w->v.ngone && w->gone[i].m.uid < d->gone[k].m.uid);
        all[at] = old ? w->gone[i++] : d->gone[k++];
    }
    free(w->gone);
    w->gone = all;
    w->v.ngone = n;
}

static void merge_changed(struct whole_view *w, const struct diff *d)
{
    size_t n = 0, i = 0, k = 0;
    if (!d->nchange) return;
    struct change_mark *all = xmalloc((w->nmarks + d->nchange) * sizeof *all);
    while (i < w->nmarks || k < d->nchange) {
        struct change_mark m;
        if (k == d->nchange || (i < w->nmarks && w->change[i].uid < d->change[k].uid)) {
            m = w->change[i++];
        } else {
            if (i < w->nmarks && w->change[i].uid == d->change[k].uid) i++;
            m = d->change[k++];
        }
        if (!m.told) all[n++] = m;
    }
    free(w->change);
    w->change = all;
    w->nmarks = w->v.nchanged = n;
}

/* Where the gone ones stand among the others. */
static void place_gone(struct whole_view *w)
{
    for (size_t k = 0; k < w->v.ngone; k++) w->gone[k].at = k + roll_rank(w->roll, w->gone[k].m.uid);
}

/* Shows the newest state of the loop. */
static void show(struct whole_view *w, size_t *added)
{
    struct roll *new = w->loop->roll;
    struct diff d = {.w = w};
    if (w->roll && w->roll != new) {
        diff_rolls(&d, w->roll, new);
        merge_gone(w, &d);
        merge_changed(w, &d);
    }
    if (w->roll != new) {
        roll_unref(&w->roll);
        w->roll = roll_ref(new);
        place_gone(w);
    }
    free(d.gone);
    free(d.change);
    *added = d.added;
    w->v.n = new->n + w->v.ngone;
    w->v.uidvalidity = new->uidvalidity;
    w->v.uidnext = new->uidnext;
    w->v.modseq = new->modseq;
    w->v.names = new->names;
    w->v.deleted = w->loop->deleted;
}

/* Whatever the guest has seen since came with a new modseq of the message, and so with a new page of the
 * roll: the parts of other pages are as they were. */
_Static_assert((int)SEEN_PART == (int)ROLL_PAGE, "a part of what was seen is that of a page");

static int read_seen(struct whole_view *w)
{
    const struct view *v = &w->v;
    struct roll *old = w->roll, *new = w->loop->roll;
    if (!old || w->unread) return seen_read(v->store, v->acc, v->box, w->guest, &w->seen);
    int e = 0;
    size_t k = 0;
    roll_ref(new); /* another session may put a newer one in its place */
    for (size_t i = 0; i < new->npages && !e; i++) {
        const struct roll_page *p = new->page[i].page;
        while (k < old->npages && old->page[k].page->number < p->number) k++;
        if (k < old->npages && old->page[k].page == p) continue;
        e = seen_read_part(v->store, v->acc, v->box, w->guest, p->number, &w->seen);
    }
    roll_unref(&new);
    return e;
}

int view_sync(struct view *v, size_t *added)
{
    struct whole_view *w = whole(v);
    *added = 0;
    if (v->deleted) return 0;
    int e = loop_view_sync(w->loop);
    bool stale = e == 0 && w->guest[0] && (!w->roll || w->roll->modseq != w->loop->roll->modseq);
    while (e == 0 && stale) {
        uint64_t at = w->loop->roll->modseq;
        e = read_seen(w);
        w->unread = e != 0;
        stale = at != w->loop->roll->modseq; /* another session's sync came while this read */
    }
    if (e == 0) show(w, added);
    return e;
}

/* ---- what went while nobody looked ---- */

struct ranges {
    struct arena *a;
    struct uid_range *v;
    size_t n, size;
};

static void add_range(struct ranges *r, uint32_t lo, uint32_t hi)
{
    if (r->n && lo <= r->v[r->n - 1].hi + 1) {
        if (hi > r->v[r->n - 1].hi) r->v[r->n - 1].hi = hi;
        return;
    }
    if (r->n == r->size) r->v = ar_grow(r->a, r->v, &r->size, sizeof *r->v);
    r->v[r->n++] = (struct uid_range){lo, hi};
}

/* Between the messages that are there. */
static void add_missing(struct ranges *r, const struct view *v)
{
    uint32_t last = 0;
    for (size_t i = 0; i < v->n; i++) {
        uint32_t uid = view_at(v, i).uid;
        if (uid > last + 1) add_range(r, last + 1, uid - 1);
        last = uid;
        fiber_breathe();
    }
    if (v->uidnext > last + 1) add_range(r, last + 1, v->uidnext - 1);
}

static int by_number(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return (a > b) - (a < b);
}

int view_vanished(const struct view *v, uint64_t since, struct arena *a, struct uid_ranges *out)
{
    struct ranges r = {.a = a};
    uint32_t *uid;
    size_t n;
    bool held;
    int e = loop_view_gone(whole_c(v)->loop, since, v->modseq, a, &uid, &n, &held);
    if (e == 0 && !held) add_missing(&r, v);
    if (e == 0 && held) {
        qsort(uid, n, sizeof *uid, by_number);
        for (size_t i = 0; i < n; i++)
            if (view_find(v, uid[i]) == SL_NONE) add_range(&r, uid[i], uid[i]);
    }
    *out = (struct uid_ranges){r.v, r.n};
    return e;
}

/* ---- opening and closing ---- */

int view_open(struct view **out, struct store *s, const char *acc, uint32_t box)
{
    return view_open_as(out, s, acc, box, acc);
}

int view_open_as(struct view **out, struct store *s, const char *acc, uint32_t box, const char *user)
{
    ASSERT(s && strlen(acc) < sizeof((struct view *)0)->acc);
    struct whole_view *w = xcalloc(1, sizeof *w);
    size_t added;
    w->v.store = s;
    w->v.box = box;
    snprintf(w->v.acc, sizeof w->v.acc, "%s", acc);
    if (strcmp(user, acc) != 0) snprintf(w->guest, sizeof w->guest, "%s", user);
    w->loop = loop_view_get(s, acc, box);
    int e = view_sync(&w->v, &added);
    if (e == 0 && w->v.deleted) e = err_set(ERR_NOT_FOUND, "there is no such mailbox");
    *out = &w->v;
    if (e) view_close(out);
    return e;
}

void view_close(struct view **vp)
{
    struct view *v = *vp;
    if (!v) return;
    *vp = NULL;
    struct whole_view *w = whole(v);
    roll_unref(&w->roll);
    free(w->gone);
    free(w->change);
    seen_free(&w->seen);
    loop_view_put(&w->loop);
    free(w);
}

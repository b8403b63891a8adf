/* roll.c - the messages of a mailbox in pages that are shared as long as they do not differ. */
#include "roll.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"

enum { ROOM_FIRST = 4 };
#define GONE UINT64_MAX /* as modseq: to be left out when the roll is settled */

static uint32_t number_of(uint32_t uid) { return uid / ROLL_PAGE; }

/* ---- pages ---- */

static struct roll_page *page_new(uint32_t number, uint32_t room)
{
    struct roll_page *p = xmalloc(sizeof *p + room * sizeof p->m[0]);
    *p = (struct roll_page){.refs = 1, .number = number, .room = room};
    return p;
}

static void page_unref(struct roll_page *p)
{
    if (--p->refs == 0) free(p);
}

/* The page at index i, to be written to, with room for `more`. */
static struct roll_page *own_page(struct roll *r, size_t i, uint32_t more)
{
    struct roll_page *p = r->page[i].page;
    if (p->refs == 1 && p->n + more <= p->room) {
        p->dirty = true;
        return p;
    }
    uint32_t room = p->n + more + (more ? p->n / 2 : 0);
    if (room > ROLL_PAGE) room = ROLL_PAGE;
    struct roll_page *new = page_new(p->number, room);
    memcpy(new->m, p->m, p->n * sizeof p->m[0]);
    new->n = p->n;
    new->flags = p->flags;
    new->holes = p->holes;
    new->dirty = true;
    page_unref(p);
    r->page[i].page = new;
    return new;
}

/* Index in the page of the first message whose uid is not lower. */
static uint32_t page_rank(const struct roll_page *p, uint32_t uid)
{
    uint32_t from = 0, to = p->n;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (p->m[mid].uid < uid) from = mid + 1;
        else to = mid;
    }
    return from;
}

/* ---- rolls ---- */

struct roll *roll_new(void)
{
    struct roll *r = xcalloc(1, sizeof *r);
    r->refs = 1;
    r->uidnext = 1;
    return r;
}

struct roll *roll_ref(struct roll *r)
{
    r->refs++;
    return r;
}

void roll_unref(struct roll **rp)
{
    struct roll *r = *rp;
    *rp = NULL;
    if (!r || --r->refs) return;
    for (size_t i = 0; i < r->npages; i++) page_unref(r->page[i].page);
    free(r->page);
    free(r);
}

/* Index of the page with that number, or of the first one after it. */
static size_t roll_page_index(const struct roll *r, uint32_t number)
{
    size_t from = 0, to = r->npages;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (r->page[mid].page->number < number) from = mid + 1;
        else to = mid;
    }
    return from;
}

/* Index of the page that has the uid, or SL_NONE. */
static size_t page_of(const struct roll *r, uint32_t uid)
{
    size_t i = roll_page_index(r, number_of(uid));
    return i < r->npages && r->page[i].page->number == number_of(uid) ? i : SL_NONE;
}

size_t roll_rank(const struct roll *r, uint32_t uid)
{
    size_t i = roll_page_index(r, number_of(uid));
    if (i == r->npages) return r->n;
    return r->page[i].start + page_rank(r->page[i].page, uid);
}

const struct roll_msg *roll_at(const struct roll *r, size_t at)
{
    ASSERT(at < r->n);
    size_t from = 0, to = r->npages; /* the last page that starts at or before it */
    while (to - from > 1) {
        size_t mid = from + (to - from) / 2;
        if (r->page[mid].start <= at) from = mid;
        else to = mid;
    }
    return &r->page[from].page->m[at - r->page[from].start];
}

const struct roll_msg *roll_find(const struct roll *r, uint32_t uid)
{
    size_t i = page_of(r, uid);
    if (i == SL_NONE) return NULL;
    const struct roll_page *p = r->page[i].page;
    uint32_t k = page_rank(p, uid);
    return k < p->n && p->m[k].uid == uid ? &p->m[k] : NULL;
}

/* ---- changing a copy ---- */

struct roll *roll_copy(const struct roll *old)
{
    struct roll *r = xmalloc(sizeof *r);
    *r = *old;
    r->refs = 1;
    r->room = old->npages + 1;
    r->page = xmalloc(r->room * sizeof r->page[0]);
    if (r->npages) memcpy(r->page, old->page, r->npages * sizeof r->page[0]);
    for (size_t i = 0; i < r->npages; i++) r->page[i].page->refs++;
    return r;
}

static void put_page(struct roll *r, struct roll_page *p)
{
    if (r->npages == r->room) {
        r->room = r->room ? 2 * r->room : ROOM_FIRST;
        r->page = xrealloc(r->page, r->room * sizeof r->page[0]);
    }
    r->page[r->npages++] = (struct roll_place){r->n, p};
}

struct roll_page *roll_add_page(struct roll *r, uint32_t number, uint32_t n)
{
    struct roll_page *p = page_new(number, n);
    put_page(r, p);
    return p;
}

void roll_add(struct roll *r, const struct roll_msg *m)
{
    ASSERT(r->refs == 1);
    uint32_t number = number_of(m->uid);
    if (!r->npages || r->page[r->npages - 1].page->number != number)
        put_page(r, page_new(number, ROOM_FIRST));
    struct roll_page *p = own_page(r, r->npages - 1, 1);
    p->m[p->n++] = *m;
    p->flags |= m->flags;
    r->n++;
}

struct roll_msg *roll_edit(struct roll *r, uint32_t uid)
{
    if (!roll_find(r, uid)) return NULL;
    struct roll_page *p = own_page(r, page_of(r, uid), 0);
    return &p->m[page_rank(p, uid)];
}

void roll_note_flags(struct roll *r, const struct roll_msg *m)
{
    r->page[page_of(r, m->uid)].page->flags |= m->flags;
}

void roll_remove(struct roll *r, uint32_t uid)
{
    struct roll_msg *m = roll_edit(r, uid);
    if (!m) return;
    m->modseq = GONE;
    r->page[page_of(r, uid)].page->holes = true;
}

static void close_holes(struct roll_page *p)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < p->n; i++)
        if (p->m[i].modseq != GONE) p->m[kept++] = p->m[i];
    p->n = kept;
    p->holes = false;
}

/* An empty page stays until its image is gone as well. */
void roll_settle(struct roll *r)
{
    size_t kept = 0;
    r->n = 0;
    for (size_t i = 0; i < r->npages; i++) {
        struct roll_page *p = r->page[i].page;
        if (p->holes) close_holes(p);
        if (!p->n && !p->dirty) {
            page_unref(p);
            continue;
        }
        r->page[kept++] = (struct roll_place){r->n, p};
        r->n += p->n;
    }
    r->npages = kept;
}

/* inode.c - contents of simulated files: pages, changes that are not certain
 * yet with what they replaced, and what a crash makes of them. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "disk_i.h"

/* A write keeps its bytes; every change keeps what was in its range before. */
struct change {
    struct link link;
    uint64_t serial, at, n;
    enum { CHANGE_WRITE, CHANGE_TRUNCATE } kind;
    char *data;
    char *old; /* old_n bytes from `at` on */
    uint64_t old_n, old_size;
    bool lost; /* can be read, but no sync will ever bring it to the disk */
    bool sure; /* certain, and kept to be done again over what was lost before it */
};

struct inode *inode_new(struct disk *d, bool is_dir)
{
    struct inode *i = xcalloc(1, sizeof *i);
    i->disk = d;
    i->serial = ++d->serial;
    i->refs = 1;
    i->is_dir = is_dir;
    i->ghost = true;
    list_init(&i->changes);
    list_push(&d->inodes, &i->link);
    return i;
}

struct inode *inode_hold(struct inode *i)
{
    i->refs++;
    return i;
}

static void change_free(struct change *c)
{
    list_remove(&c->link);
    free(c->data);
    free(c->old);
    free(c);
}

static void names_free(struct names *v)
{
    for (size_t k = 0; k < v->n; k++) {
        free(v->v[k].name);
        inode_drop(v->v[k].ino);
    }
    free(v->v);
    *v = (struct names){0};
}

static void page_free(struct inode *i, size_t k)
{
    if (!i->page[k]) return;
    free(i->page[k]);
    i->page[k] = NULL;
    i->pages--;
    if (!i->ghost) i->disk->used--;
}

void inode_drop(struct inode *i)
{
    if (!i || --i->refs) return;
    LIST_EACH(struct change, c, &i->changes, link) change_free(c);
    names_free(&i->live);
    names_free(&i->sure);
    for (size_t k = 0; k < i->npage; k++) page_free(i, k);
    free(i->page);
    list_remove(&i->link);
    free(i);
}

void inode_weigh(struct inode *i)
{
    bool ghost = !i->links && !i->opens;
    if (ghost == i->ghost) return;
    i->ghost = ghost;
    i->disk->used += ghost ? -(uint64_t)i->pages : i->pages;
}

/* ---- pages ---- */

static size_t pages_for(uint64_t size) { return (size_t)((size + DISK_PAGE - 1) / DISK_PAGE); }

static char *page_at(struct inode *i, size_t k)
{
    if (k >= i->npage) {
        size_t n = i->npage ? i->npage : 4;
        while (n <= k) n *= 2;
        i->page = xrealloc(i->page, n * sizeof *i->page);
        memset(i->page + i->npage, 0, (n - i->npage) * sizeof *i->page);
        i->npage = n;
    }
    if (!i->page[k]) {
        i->page[k] = xcalloc(1, DISK_PAGE);
        i->pages++;
        if (!i->ghost) i->disk->used++;
    }
    return i->page[k];
}

static void put(struct inode *i, const char *p, uint64_t n, uint64_t at)
{
    for (uint64_t done = 0; done < n;) {
        uint64_t off = (at + done) % DISK_PAGE, k = DISK_PAGE - off;
        if (k > n - done) k = n - done;
        memcpy(page_at(i, (size_t)((at + done) / DISK_PAGE)) + off, p + done, k);
        done += k;
    }
    if (at + n > i->size) i->size = at + n;
}

/* Zeros a range; whole pages are given back. */
static void clear(struct inode *i, uint64_t at, uint64_t n)
{
    for (uint64_t done = 0; done < n;) {
        uint64_t off = (at + done) % DISK_PAGE, k = DISK_PAGE - off;
        size_t page = (size_t)((at + done) / DISK_PAGE);
        if (k > n - done) k = n - done;
        if (page >= i->npage) return;
        if (k == DISK_PAGE) page_free(i, page);
        else if (i->page[page]) memset(i->page[page] + off, 0, k);
        done += k;
    }
}

static void resize(struct inode *i, uint64_t size)
{
    if (size < i->size) clear(i, size, (uint64_t)pages_for(i->size) * DISK_PAGE - size);
    i->size = size;
}

size_t inode_read(const struct inode *i, void *p, size_t n, uint64_t at)
{
    if (at >= i->size) return 0;
    if (n > i->size - at) n = (size_t)(i->size - at);
    for (size_t done = 0; done < n;) {
        size_t page = (size_t)((at + done) / DISK_PAGE), off = (size_t)((at + done) % DISK_PAGE);
        size_t k = DISK_PAGE - off < n - done ? DISK_PAGE - off : n - done;
        if (page < i->npage && i->page[page]) memcpy((char *)p + done, i->page[page] + off, k);
        else memset((char *)p + done, 0, k);
        done += k;
    }
    return n;
}

/* ---- changes ---- */

/* Bytes of [at, at + n) up to the last page that is there: all behind it is zero. */
static uint64_t without_holes(const struct inode *i, uint64_t at, uint64_t n)
{
    size_t end = pages_for(at + n);
    if (end > i->npage) end = i->npage;
    while (end > at / DISK_PAGE && !i->page[end - 1]) end--;
    uint64_t last = (uint64_t)end * DISK_PAGE;
    return last <= at ? 0 : last - at < n ? last - at : n;
}

static struct change *remember(struct inode *i, int kind, uint64_t at, uint64_t n)
{
    struct change *c = xcalloc(1, sizeof *c);
    c->serial = i->stamp = ++i->disk->serial;
    c->kind = kind;
    c->at = at;
    c->n = n;
    c->old_size = i->size;
    if (at < i->size) {
        c->old_n = n < i->size - at ? n : i->size - at;
        /* what is cut off leaves zeros behind, which need not be kept: a pack that was made large beforehand
         * is mostly these */
        if (kind != CHANGE_WRITE) c->old_n = without_holes(i, at, c->old_n);
        c->old = xmalloc((size_t)c->old_n);
        inode_read(i, c->old, (size_t)c->old_n, at);
    }
    list_push(&i->changes, &c->link);
    return c;
}

static size_t new_pages(const struct inode *i, uint64_t at, uint64_t n)
{
    size_t more = 0;
    for (size_t k = (size_t)(at / DISK_PAGE); n && k <= (at + n - 1) / DISK_PAGE; k++)
        if (k >= i->npage || !i->page[k]) more++;
    return more;
}

int inode_write(struct inode *i, const void *p, size_t n, uint64_t at)
{
    struct disk *d = i->disk;
    if (d->limit && d->used + new_pages(i, at, n) > d->limit) return ERR_FULL;
    if (!n) return 0;
    struct change *c = remember(i, CHANGE_WRITE, at, n);
    c->data = xmalloc(n);
    memcpy(c->data, p, n);
    put(i, c->data, n, at);
    return 0;
}

void inode_truncate(struct inode *i, uint64_t size)
{
    if (size == i->size) return;
    remember(i, CHANGE_TRUNCATE, size, size < i->size ? i->size - size : 0);
    resize(i, size);
}

void inode_settle(struct inode *i, uint64_t upto)
{
    bool after_lost = false;
    LIST_EACH(struct change, c, &i->changes, link)
    {
        after_lost = after_lost || c->lost;
        if (c->lost || c->serial > upto) continue;
        if (after_lost) c->sure = true;
        else change_free(c);
    }
}

void inode_lose(struct inode *i, uint64_t upto)
{
    LIST_EACH(struct change, c, &i->changes, link)
    if (c->serial <= upto && !c->sure && rng_below(i->disk->rng, 4)) c->lost = true;
}

/* ---- crash ---- */

static void undo(struct inode *i, const struct change *c)
{
    if (c->old_size > i->size) i->size = c->old_size;
    if (c->old_n) put(i, c->old, c->old_n, c->at);
    resize(i, c->old_size);
}

static void redo(struct inode *i, const struct change *c)
{
    if (c->kind == CHANGE_WRITE) put(i, c->data, c->n, c->at);
    else resize(i, c->at);
}

/* A write that was under way: its first bytes, or some of its sectors. */
static void redo_torn(struct inode *i, const struct change *c, bool sectors)
{
    struct sim_rng *rng = i->disk->rng;
    if (c->kind != CHANGE_WRITE) return;
    if (!sectors) {
        put(i, c->data, rng_below(rng, c->n), c->at);
        return;
    }
    for (uint64_t done = 0; done < c->n;) {
        uint64_t k = DISK_SECTOR - (c->at + done) % DISK_SECTOR;
        if (k > c->n - done) k = c->n - done;
        if (rng_below(rng, 2)) put(i, c->data + done, k, c->at + done);
        done += k;
    }
}

static void redo_piece(struct inode *i, const struct change *c)
{
    uint64_t luck = rng_below(i->disk->rng, 8);
    if (luck < 4) redo(i, c);
    else if (luck < 6) redo_torn(i, c, luck == 5);
}

/* The k-th change, when `keep` of them survive. */
static void redo_by(struct inode *i, const struct change *c, enum crash how, size_t k, size_t keep)
{
    if (how == CRASH_ALL || (how == CRASH_PREFIX && k < keep)) redo(i, c);
    else if (how == CRASH_PREFIX && k == keep) redo_torn(i, c, false);
    else if (how == CRASH_PIECES) redo_piece(i, c);
}

void inode_crash(struct inode *i, enum crash how)
{
    size_t n = 0, keep;
    for (struct link *l = i->changes.prev; l != &i->changes; l = l->prev, n++)
        undo(i, CONTAINER_OF(l, struct change, link));
    keep = how == CRASH_PREFIX ? (size_t)rng_below(i->disk->rng, n + 1) : 0;
    size_t k = 0;
    LIST_EACH(struct change, c, &i->changes, link)
    {
        if (c->sure) redo(i, c);
        else if (!c->lost) redo_by(i, c, how, k, keep);
        change_free(c);
        k++;
    }
    i->stamp = ++i->disk->serial;
}

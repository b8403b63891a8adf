/* send_pages.c - pages of sends in memory (send_pages.h): changed only where a person
 * is erased (send_person.c), which forgets the copies; so a copy is right for as long as anybody asks for it.
 */
#include "send_pages.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/memory.h"
#include "send_i.h"

enum { KEEP_BYTES = 8 << 20, PAGE_MOST = 256 << 10 /* a larger one is read each time */ };

struct page {
    char key[48];
    struct slice bytes;
    struct arena a;
    struct link link;
};
struct send_pages {
    struct lock lock;
    struct map map;   /* "ID PAGE" -> struct page */
    struct link used; /* longest unused first */
    size_t bytes;
};

struct send_pages *send_pages_new(void)
{
    struct send_pages *x = xcalloc(1, sizeof *x);
    map_init(&x->map, false);
    list_init(&x->used);
    return x;
}

/* Under the lock. */
static void drop(struct send_pages *x, size_t keep)
{
    for (struct link *l; x->bytes > keep && (l = list_shift(&x->used));) {
        struct page *p = CONTAINER_OF(l, struct page, link);
        x->bytes -= p->bytes.n;
        map_del(&x->map, sl_cstr(p->key));
        ar_free(&p->a);
        free(p);
    }
}

void send_pages_free(struct send_pages **xp)
{
    struct send_pages *x = *xp;
    if (!x) return;
    drop(x, 0);
    map_free(&x->map);
    free(x);
    *xp = NULL;
}

void send_pages_forget(struct send_pages *x)
{
    lock_take(&x->lock);
    drop(x, 0);
    lock_release(&x->lock);
}

/* Its record in the page; false: there is none. */
static bool record(struct slice bytes, uint64_t page, uint64_t number, struct slice *out)
{
    for (struct rec r = {.rest = bytes}; rec_next(&r); page++)
        if (page == number) {
            *out = r.field;
            return true;
        }
    return false;
}

static void key_of(const struct letter_id *send, uint64_t page, char key[48])
{
    snprintf(key, 48, "%s %llu", send->s, (unsigned long long)page);
}

/* A copy is kept; above the budget of the node none is. */
static void keep(struct send_pages *x, const char *key, struct slice bytes)
{
    struct page *p = xcalloc(1, sizeof *p);
    snprintf(p->key, sizeof p->key, "%s", key);
    p->bytes = ar_dup(&p->a, bytes);
    lock_take(&x->lock);
    if (!map_get(&x->map, sl_cstr(key))) {
        map_put(&x->map, sl_cstr(key), p);
        list_push(&x->used, &p->link);
        x->bytes += bytes.n;
        p = NULL;
    }
    drop(x, memory_over() ? 0 : KEEP_BYTES);
    lock_release(&x->lock);
    if (p) ar_free(&p->a);
    free(p);
}

/* 1: it was kept; *out: its record or, with a p that is NULL, nothing. */
static bool kept(struct send_pages *x, const char *key, uint64_t page, uint64_t number, struct arena *a,
                 struct slice *out)
{
    struct slice found = {0};
    *out = found;
    lock_take(&x->lock);
    struct page *p = map_get(&x->map, sl_cstr(key));
    if (p) {
        list_remove(&p->link);
        list_push(&x->used, &p->link);
        if (record(p->bytes, page, number, &found)) *out = ar_dup(a, found);
    }
    lock_release(&x->lock);
    return p != NULL;
}

int send_letter_read(struct sends *s, const struct letter_id *send, uint64_t page, uint64_t number,
                     struct arena *a, struct send_letter *out)
{
    struct arena mine = {0};
    struct slice bytes, found;
    char key[48];
    int e = 0;
    key_of(send, page, key);
    if (!kept(s->pages, key, page, number, a, &found)) {
        e = send_page_read(s, send, page, &mine, &bytes);
        if (!e && record(bytes, page, number, &found)) found = ar_dup(a, found);
        if (!e && bytes.n <= PAGE_MOST) keep(s->pages, key, bytes);
        ar_free(&mine);
    }
    if (e) return e;
    return found.p ? send_letter_get(found, a, out) : ERR_NOT_FOUND;
}

/* send_content.c - heads and contents of sends in memory: read once, shared by all who make letters of them.
 */
#include "send_content.h"

#include <stdlib.h>

#include "base/list.h"

enum { KEEP = 64, KEEP_BYTES = 64 << 20 }; /* of those that nobody uses */

struct contents {
    struct lock lock;
    struct map map;      /* id -> struct content */
    struct link idle;    /* those that nobody uses, longest unused first */
    size_t nidle, bytes; /* of these */
};

struct contents *contents_new(void)
{
    struct contents *c = xcalloc(1, sizeof *c);
    map_init(&c->map, false);
    list_init(&c->idle);
    return c;
}

static void content_free(struct content *c)
{
    ar_free(&c->a);
    free(c);
}

/* Under the lock. */
static void drop_idle(struct contents *x, size_t keep, size_t bytes)
{
    while (x->nidle > keep || (x->bytes > bytes && x->nidle)) {
        struct content *c = CONTAINER_OF(list_shift(&x->idle), struct content, link);
        x->nidle--;
        x->bytes -= c->a.used;
        map_del(&x->map, sl_cstr(c->id.s));
        content_free(c);
    }
}

void contents_free(struct contents **xp)
{
    struct contents *x = *xp;
    if (!x) return;
    drop_idle(x, 0, 0);
    map_free(&x->map);
    free(x);
    *xp = NULL;
}

static struct content *use(struct contents *x, const struct letter_id *id)
{
    struct content *c = map_get(&x->map, sl_cstr(id->s));
    if (c && !c->users++) {
        list_remove(&c->link);
        x->nidle--;
        x->bytes -= c->a.used;
    }
    return c;
}

static int load(struct sends *s, const struct letter_id *id, struct content **out)
{
    struct content *c = xcalloc(1, sizeof *c);
    c->id = *id;
    c->users = 1;
    list_init(&c->link);
    int e = send_head_read(s, id, &c->a, &c->head);
    if (!e) e = send_common_read(s, id, &c->a, &c->send);
    if (!e) {
        c->send.options = c->head.options;
        texts_compile(&c->a, &c->send, &c->texts);
    }
    if (e) content_free(c);
    *out = e ? NULL : c;
    return e;
}

int content_get(struct sends *s, const struct letter_id *id, struct content **out)
{
    struct contents *x = s->contents;
    struct content *mine;
    lock_take(&x->lock);
    *out = use(x, id);
    lock_release(&x->lock);
    if (*out) return 0;
    int e = load(s, id, &mine);
    if (e) return e;
    lock_take(&x->lock);
    *out = use(x, id); /* somebody was quicker */
    if (!*out) map_put(&x->map, sl_cstr(id->s), *out = mine), mine = NULL;
    lock_release(&x->lock);
    if (mine) content_free(mine);
    return 0;
}

void content_put(struct sends *s, struct content *c)
{
    struct contents *x = s->contents;
    lock_take(&x->lock);
    if (!--c->users) {
        list_push(&x->idle, &c->link);
        x->nidle++;
        x->bytes += c->a.used;
        drop_idle(x, KEEP, KEEP_BYTES);
    }
    lock_release(&x->lock);
}

/* watch.c - hints between loops: "this object has changed, look again". */
#include <stdlib.h>

#include "base/log.h"
#include "kv_i.h"

struct kv_watch {
    struct link link;
    struct kv *kv;
    struct watch_list *list;
    void (*fn)(void *);
    void *arg;
    int loop;
    bool posted; /* a call is on its way; more news joins it */
    bool dead;   /* given up while a call was on its way, which frees it */
};

struct watch_list {
    struct link watches;
    char object[]; /* NUL-terminated */
};

void kv_watches_init(struct kv *kv)
{
    kv->watch_lock = (struct lock)LOCK_INIT;
    map_init(&kv->watches, false);
}

void kv_watches_free(struct kv *kv)
{
    ASSERT(kv->watches.count == 0);
    map_free(&kv->watches);
}

static struct watch_list *list_of(struct kv *kv, struct slice object)
{
    struct watch_list *l = map_get(&kv->watches, object);
    if (l) return l;
    l = xmalloc(sizeof *l + object.n + 1);
    list_init(&l->watches);
    memcpy(l->object, object.p, object.n);
    l->object[object.n] = 0;
    map_put(&kv->watches, object, l);
    return l;
}

struct kv_watch *kv_watch(struct kv *kv, struct slice object, void (*fn)(void *), void *arg)
{
    struct kv_watch *w = xcalloc(1, sizeof *w);
    *w = (struct kv_watch){.kv = kv, .fn = fn, .arg = arg, .loop = rt_loop_id()};
    ASSERT(w->loop >= 0);
    lock_take(&kv->watch_lock);
    w->list = list_of(kv, object);
    list_push(&w->list->watches, &w->link);
    lock_release(&kv->watch_lock);
    return w;
}

void kv_unwatch(struct kv_watch **watch)
{
    struct kv_watch *w = *watch;
    if (!w) return;
    *watch = NULL;
    struct kv *kv = w->kv;
    lock_take(&kv->watch_lock);
    list_remove(&w->link);
    if (list_empty(&w->list->watches)) {
        map_del(&kv->watches, sl_cstr(w->list->object));
        free(w->list);
    }
    bool on_its_way = w->posted;
    w->dead = true;
    lock_release(&kv->watch_lock);
    if (!on_its_way) free(w);
}

/* On the watcher's loop, where kv_unwatch runs too: dead cannot change under it. */
static void deliver(void *arg)
{
    struct kv_watch *w = arg;
    if (w->dead) {
        free(w);
        return;
    }
    lock_take(&w->kv->watch_lock);
    w->posted = false;
    lock_release(&w->kv->watch_lock);
    w->fn(w->arg);
}

void kv_notify(struct kv *kv, struct slice object)
{
    lock_take(&kv->watch_lock);
    struct watch_list *l = map_get(&kv->watches, object);
    if (l) {
        LIST_EACH(struct kv_watch, w, &l->watches, link)
        {
            if (w->posted) continue;
            w->posted = true;
            rt_post(w->loop, deliver, w);
        }
    }
    lock_release(&kv->watch_lock);
}

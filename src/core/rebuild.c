/* rebuild.c - a home whose index is lost gets a new one, made from what lies among the bodies. */
#include "rebuild.h"
#include "config.h"
#include "core.h"
#include "upgrade.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "kv/kv.h"
#include "kv/rocks_files.h"
#include "queue/queue.h"
#include "rt/file.h"
#include "send/send.h"

static const char index_dir[] = "store/index", new_dir[] = "store/index.new";

struct rebuilding {
    struct core core;
    struct arena *a;
    struct core_rebuilt *out;
    size_t cap, sends;
};

static int remove_file(void *dir, const char *name)
{
    struct arena a;
    ar_init(&a, 0);
    int e = path_unlink(ar_printf(&a, "%s/%s", (const char *)dir, name).p);
    ar_free(&a);
    return e;
}

static int one_is_enough(void *arg, const char *name)
{
    (void)arg, (void)name;
    return 1;
}

/* Is the index lost? *aside: what is left of it has to give way. An index that opens is not, nor is one whose
 * log is damaged: what to do with that has to be said in words. */
static int is_lost(bool *lost, bool *aside)
{
    struct rocks_damage d;
    struct kv *kv;
    *lost = *aside = false;
    if (!path_exists("store/bodies")) return 0;
    int e = home_rollback_ended();
    if (e) return e;
    if (path_list(index_dir, one_is_enough, NULL) != 1) {
        *lost = true;
        return 0;
    }
    e = home_before_open();
    if (e == 0) e = rocks_files_look(index_dir, 0, &d);
    if (e == 0) {
        e = kv_rocks_open(&kv, index_dir);
        if (e == 0) kv_close(&kv);
    }
    *lost = *aside = e == ERR_CORRUPT;
    return e == 1 || e == ERR_CORRUPT ? 0 : e;
}

static int take_letter(void *ctx, const struct rescue_letter *from)
{
    struct rebuilding *x = ctx;
    struct queue_back back;
    struct arena a;
    ar_init(&a, 0);
    int e = queue_take_back(x->core.queue, from, &a, &back);
    if (!e && (back.nheld || back.delivered)) {
        struct core_rebuilt *out = x->out;
        if (out->n == x->cap) out->letter = ar_grow(x->a, out->letter, &x->cap, sizeof *out->letter);
        out->letter[out->n++] = (struct core_letter){.id = back.id,
                                                     .sender = ar_dup(x->a, back.sender),
                                                     .held = ar_dup(x->a, back.held),
                                                     .delivered = back.delivered,
                                                     .nheld = back.nheld};
    }
    ar_free(&a);
    return e;
}

static int take_send(void *ctx, struct slice object, int64_t when)
{
    struct rebuilding *x = ctx;
    struct core_rebuilt *out = x->out;
    if (out->nsends == x->sends) out->send = ar_grow(x->a, out->send, &x->sends, sizeof *out->send);
    int e = send_take_back(x->core.store, object, when, x->a, &out->send[out->nsends]);
    if (!e) out->nsends++;
    return e;
}

static int open_new(struct rebuilding *x, const struct config *conf)
{
    struct kv *kv;
    struct body_store *body;
    int e = path_list(new_dir, remove_file, (void *)new_dir); /* of an attempt that was cut off */
    if (e == ERR_NOT_FOUND) e = 0;
    if (!e) e = kv_rocks_open(&kv, new_dir);
    if (e) return e;
    e = body_open(&body, "store/bodies", 0);
    if (!e) return core_open_on(&x->core, conf, NULL, kv, body);
    kv_close(&kv);
    return e;
}

static int fill_new(struct rebuilding *x, const struct config *conf)
{
    enum { LIFETIME_S = 5 * 86400 };
    struct rescue_conf rc = {.queued_s = conf->queue_lifetime_s ? conf->queue_lifetime_s : LIFETIME_S,
                             .letter = take_letter,
                             .send = take_send,
                             .ctx = x};
    struct images_report images;
    int e = rescue_index(x->core.store, &rc, x->a, &x->out->rescue);
    return e ? e : images_write(x->core.store, IMAGES_OF_ALL, false, &images);
}

/* The new index takes its place at a stroke; the lost one, if something is left of it, stays beside it. */
static int put_in_place(struct rebuilding *x, bool aside)
{
    int e = 0;
    if (aside) {
        x->out->aside = ar_printf(x->a, "store/index.lost-%lld", (long long)rt_wall_seconds());
        e = path_rename(index_dir, x->out->aside.p);
    }
    if (!e) e = path_rename(new_dir, index_dir);
    return e ? e : path_sync_dir("store");
}

int core_rebuild(const struct config *conf, struct arena *a, struct core_rebuilt *out)
{
    struct rebuilding *x = xcalloc(1, sizeof *x);
    bool aside;
    *x = (struct rebuilding){.a = a, .out = out};
    *out = (struct core_rebuilt){0};
    int e = is_lost(&out->done, &aside);
    if (!e && out->done) {
        e = open_new(x, conf);
        if (!e) {
            char why[ERR_TEXT_MAX];
            e = fill_new(x, conf);
            snprintf(why, sizeof why, "%s", err_text(e));
            core_close(&x->core);
            if (e) err_set(e, "%s", why);
        }
        if (!e) e = put_in_place(x, aside);
        if (e) err_prefix(e, "no new index was made");
    }
    free(x);
    return e;
}

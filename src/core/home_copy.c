/* home_copy.c - a copy of the whole home, made while the server runs, and a home made from a copy.
 *
 * A copy has the shape of a home: tram.conf, tls/, store/index, store/bodies. While it is made its
 * name ends in ".unfinished"; it gets its own name when all of it is durable. */
#include <stdio.h>

#include "home.h"
#include "kv/kv.h"
#include "rt/file.h"
#include "store/care.h"

struct folder {
    struct arena *a;
    const char *from, *to;
};

static const char *below(struct arena *a, const char *dir, const char *name)
{
    return ar_printf(a, "%s/%s", dir, name).p;
}

static int copy_entry(void *arg, const char *name)
{
    struct folder *f = arg;
    return path_copy(below(f->a, f->from, name), below(f->a, f->to, name));
}

/* The files of a folder that has no folders in it, durably. */
static int copy_folder(struct arena *a, const char *from, const char *to)
{
    struct folder f = {a, from, to};
    int e = path_mkdir(to);
    if (!e) e = path_list(from, copy_entry, &f);
    return e ? e : path_sync_dir(to);
}

/* ---- backup ---- */

struct copying {
    const struct config *conf;
    struct arena a;
    const char *to, *unfinished;
};

/* A certificate or key that lies elsewhere comes into tls/ under its last name. */
static int copy_outside(struct copying *c, struct slice path)
{
    if (sl_starts(path, SL("tls/"))) return 0;
    const char *from = ar_cstr(&c->a, path), *slash = strrchr(from, '/');
    const char *to = below(&c->a, below(&c->a, c->unfinished, "tls"), slash ? slash + 1 : from);
    return path_exists(to) ? 0 : path_copy(from, to);
}

static int copy_begin(void *arg)
{
    struct copying *c = arg;
    if (path_exists(c->to)) return err_set(ERR_EXISTS, "%s exists already", c->to);
    int e = path_mkdir(c->unfinished);
    if (e == ERR_EXISTS) return err_set(e, "%s is left from a copy that failed: remove it", c->unfinished);
    return e;
}

static int copy_rest(void *arg)
{
    struct copying *c = arg;
    const char *tls = below(&c->a, c->unfinished, "tls");
    int e = path_exists("tls") ? copy_folder(&c->a, "tls", tls) : path_make(tls);
    if (!e) e = copy_outside(c, c->conf->tls_certificate);
    if (!e) e = copy_outside(c, c->conf->tls_key);
    if (!e && c->conf->tls_authorities.n) e = copy_outside(c, c->conf->tls_authorities);
    if (!e) e = path_sync_dir(tls);
    if (!e) e = path_copy("tram.conf", below(&c->a, c->unfinished, "tram.conf"));
    return e ? e : path_sync_dir(c->unfinished);
}

static int copy_end(void *arg)
{
    struct copying *c = arg;
    int e = path_exists(c->to) ? err_set(ERR_EXISTS, "%s exists already", c->to)
                               : path_rename(c->unfinished, c->to);
    return e ? e : path_make(c->to); /* the new name, durably */
}

int home_backup(struct core *core, const char *to)
{
    struct copying c = {.conf = core->conf, .to = to};
    ar_init(&c.a, 0);
    c.unfinished = ar_printf(&c.a, "%s.unfinished", to).p;
    int e = offload_on(POOL_CARE, copy_begin, &c);
    if (!e) {
        struct care_queue queue = queue_care(core->queue);
        e = store_backup(core->store, &queue, kv_rocks_open, below(&c.a, c.unfinished, "store"));
        if (!e) e = offload_on(POOL_CARE, copy_rest, &c);
        if (!e) e = offload_on(POOL_CARE, copy_end, &c);
        if (e) err_prefix(e, "%s is not whole and of no use", c.unfinished);
    }
    ar_free(&c.a);
    return e;
}

/* ---- restore ---- */

static int check_copy(struct arena *a, const char *from)
{
    if (path_exists("tram.conf") || path_exists("store"))
        return err_set(ERR_EXISTS, "there is a node here already: a copy is restored into a new home");
    if (sl_ends(sl_cstr(from), SL(".unfinished")))
        return err_set(ERR_USAGE, "%s is a copy that was not finished", from);
    const char *const parts[] = {"tram.conf", "tls", "store/index", "store/bodies"};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!path_exists(below(a, from, parts[i])))
            return err_set(ERR_USAGE, "%s is no copy of a node: it has no %s", from, parts[i]);
    return 0;
}

int home_restore(const char *from)
{
    struct arena a;
    ar_init(&a, 0);
    int e = check_copy(&a, from);
    if (!e) e = path_make("store");
    if (!e) e = copy_folder(&a, below(&a, from, "store/bodies"), "store/bodies");
    if (!e) e = copy_folder(&a, below(&a, from, "store/index"), "store/index");
    if (!e) e = path_sync_dir("store");
    if (!e && !path_exists("tls")) e = copy_folder(&a, below(&a, from, "tls"), "tls");
    if (!e) e = path_copy(below(&a, from, "tram.conf"), "tram.conf"); /* last: now it is a home */
    if (!e) e = path_sync_dir(".");
    ar_free(&a);
    return e;
}

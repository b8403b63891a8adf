/* home_copy.c - a copy of the whole home, made while the server runs, and a home made from a copy.
 *
 * A copy has the shape of a home: tram.conf, tls/, keys.secret, store/index, store/bodies. While it is made
 * its name ends in ".unfinished"; it gets its own name when all of it is durable.
 *
 * It is made in two steps, because the server can write nowhere but in its home: it makes a stage there,
 * of links, and the command takes that to where it is wanted. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "home.h"
#include "kv/kv.h"
#include "queue/queue.h"
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

/* ---- the stage ---- */

static const char stage[] = "store/backup", stage_index[] = "store/backup/index",
                  stage_bodies[] = "store/backup/bodies";

static int remove_entry(void *arg, const char *name)
{
    struct folder *f = arg;
    return path_unlink(below(f->a, f->from, name));
}

static int remove_folder(struct arena *a, const char *path)
{
    struct folder f = {a, path, NULL};
    if (!path_exists(path)) return 0;
    int e = path_list(path, remove_entry, &f);
    return e ? e : rmdir(path) == 0 ? 0 : err_errno(errno, "cannot remove the folder %s", path);
}

static int remove_stage(void)
{
    struct arena a;
    ar_init(&a, 0);
    int e = remove_folder(&a, stage_index);
    if (!e) e = remove_folder(&a, stage_bodies);
    if (!e) e = remove_folder(&a, stage);
    ar_free(&a);
    return e;
}

/* The folder store/ is what is locked: whoever dies lets go of it. */
int home_backup_lock(int *lock)
{
    int e = path_lock("store", lock);
    return e == ERR_BUSY ? err_set(e, "a copy of this node is being made already: try again later") : e;
}

void home_backup_unlock(int *lock) { path_unlock(lock); }

/* Stands while a node is restored: what is here then is of no use, and the next restore takes its place, but
 * for what it names, a line each: that stood here before the first. */
static const char restoring[] = "restore.unfinished", restoring_form[] = "restore 2";

/* A restore that died when all was done: who removes tram.conf later would not be told that a node is here.
 */
static int end_restore(void)
{
    int lock = -1;
    if (!path_exists("tram.conf") || !path_exists(restoring)) return 0;
    int e = path_lock(".", &lock);
    if (e) return e == ERR_BUSY ? 0 : e; /* it is about to do that itself */
    e = path_exists(restoring) ? path_unlink(restoring) : 0;
    path_unlock(&lock);
    return e;
}

int home_unstage(void)
{
    int lock = -1;
    int e = end_restore();
    if (e || !path_exists(stage)) return e;
    e = home_backup_lock(&lock);
    if (e) return e == ERR_BUSY ? 0 : e; /* it is being taken away */
    e = remove_stage();
    home_backup_unlock(&lock);
    return e;
}

static int unstage(void *arg)
{
    (void)arg;
    return remove_stage();
}

int home_stage(struct core *core)
{
    struct care_queue queue = queue_care(core->queue);
    char why[ERR_TEXT_MAX] = "";
    int e = offload_on(POOL_CARE, unstage, NULL);
    if (e) return e;
    e = store_backup(core->store, &queue, kv_rocks_open, stage);
    if (!e) return 0;
    snprintf(why, sizeof why, "%s", err_text(e));
    (void)!offload_on(POOL_CARE, unstage, NULL); /* its links would keep what is deleted on the disk */
    return err_set(e, "%s", why);
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

static int copy_begin(struct copying *c)
{
    int e = home_backup_check(c->to);
    return e ? e : path_mkdir(c->unfinished);
}

/* On the same file system the stage becomes the copy. */
static int copy_stage(struct copying *c)
{
    const char *to = below(&c->a, c->unfinished, "store");
    if (path_rename(stage, to) == 0) return 0;
    int e = path_mkdir(to);
    if (!e) e = copy_folder(&c->a, stage_bodies, below(&c->a, to, "bodies"));
    if (!e) e = copy_folder(&c->a, stage_index, below(&c->a, to, "index"));
    return e ? e : path_sync_dir(to);
}

static int copy_rest(struct copying *c)
{
    const char *tls = below(&c->a, c->unfinished, "tls");
    int e = path_exists("tls") ? copy_folder(&c->a, "tls", tls) : path_make(tls);
    if (!e) e = copy_outside(c, c->conf->tls_certificate);
    if (!e) e = copy_outside(c, c->conf->tls_key);
    if (!e && c->conf->tls_authorities.n) e = copy_outside(c, c->conf->tls_authorities);
    if (!e && c->conf->dns_anchors.n) e = copy_outside(c, c->conf->dns_anchors);
    if (!e && c->conf->dns_update_key.n) e = copy_outside(c, c->conf->dns_update_key);
    if (!e && c->conf->client_authorities.n) e = copy_outside(c, c->conf->client_authorities);
    if (!e) e = path_sync_dir(tls);
    if (!e) e = path_copy("tram.conf", below(&c->a, c->unfinished, "tram.conf"));
    if (!e && path_exists("keys.secret"))
        e = path_copy("keys.secret", below(&c->a, c->unfinished, "keys.secret"));
    if (!e && path_exists("store/written-by"))
        e = path_copy("store/written-by", below(&c->a, c->unfinished, "store/written-by"));
    if (!e) e = path_sync_dir(below(&c->a, c->unfinished, "store"));
    return e ? e : path_sync_dir(c->unfinished);
}

static int copy_end(struct copying *c)
{
    int e = path_exists(c->to) ? err_set(ERR_EXISTS, "%s exists already", c->to)
                               : path_rename(c->unfinished, c->to);
    return e ? e : path_make(c->to); /* the new name, durably */
}

/* Does the folder in which `to` would lie, wherever links lead, belong to what is copied? */
static bool is_inside(struct arena *a, const char *to, const char *part)
{
    char there[PATH_MAX], own[PATH_MAX];
    struct slice name = sl_cstr(to);
    while (name.n > 1 && name.p[name.n - 1] == '/') name.n--;
    size_t slash = sl_rchr(name, '/');
    struct slice parent = slash == SL_NONE ? SL(".") : sl_sub(name, 0, slash ? slash : 1);
    if (!realpath(ar_cstr(a, parent), there) || !realpath(part, own)) return false;
    struct slice rest = sl_cstr(there), prefix = sl_cstr(own);
    return sl_starts(rest, prefix) && (rest.n == prefix.n || rest.p[prefix.n] == '/');
}

int home_backup_check(const char *to)
{
    struct arena a;
    ar_init(&a, 0);
    const char *unfinished = ar_printf(&a, "%s.unfinished", to).p;
    int e = 0;
    if (is_inside(&a, to, "store") || is_inside(&a, to, "tls"))
        e = err_set(ERR_USAGE, "%s would lie within what is copied", to);
    if (!e) e = path_exists(to) ? err_set(ERR_EXISTS, "%s exists already", to) : 0;
    if (!e && path_exists(unfinished))
        e = err_set(ERR_EXISTS, "%s is left from a copy that failed: remove it", unfinished);
    ar_free(&a);
    return e;
}

int home_backup(const struct config *conf, const char *to)
{
    struct copying c = {.conf = conf, .to = to};
    ar_init(&c.a, 0);
    c.unfinished = ar_printf(&c.a, "%s.unfinished", to).p;
    int e = copy_begin(&c);
    if (!e) {
        e = copy_stage(&c);
        if (!e) e = copy_rest(&c);
        if (!e) e = copy_end(&c);
        if (e) err_prefix(e, "%s is not whole and of no use", c.unfinished);
    }
    int left = remove_stage();
    ar_free(&c.a);
    return e ? e : left;
}

/* ---- restore ---- */

static int check_copy(struct arena *a, const char *from)
{
    if (path_exists("tram.conf") || (path_exists("store") && !path_exists(restoring)))
        return err_set(ERR_EXISTS, "there is a node here already: a copy is restored into a new home");
    if (sl_ends(sl_cstr(from), SL(".unfinished")))
        return err_set(ERR_USAGE, "%s is a copy that was not finished", from);
    const char *const parts[] = {"tram.conf", "tls", "store/index", "store/bodies"};
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        if (!path_exists(below(a, from, parts[i])))
            return err_set(ERR_USAGE, "%s is no copy of a node: it has no %s", from, parts[i]);
    return 0;
}

static int remove_file(const char *name) { return path_exists(name) ? path_unlink(name) : 0; }

/* Under its own name when it is whole; one that the copy lacks is not here either. */
static int restore_file(struct arena *a, const char *from, const char *name)
{
    const char *fresh = ar_printf(a, "%s.unfinished", name).p, *source = below(a, from, name);
    if (!path_exists(source)) return remove_file(name);
    int e = remove_file(fresh);
    if (!e) e = path_copy(source, fresh);
    return e ? e : path_rename(fresh, name);
}

static int restore_folder(struct arena *a, const char *from, const char *name)
{
    const char *fresh = ar_printf(a, "%s.unfinished", name).p;
    int e = remove_folder(a, fresh);
    if (!e) e = remove_folder(a, name);
    if (!e) e = copy_folder(a, below(a, from, name), fresh);
    return e ? e : path_rename(fresh, name);
}

struct kept { /* stood here before the first restore, and stays */
    bool tls, keys;
};

/* A mark without its first line is of an older program, or of a machine that died just then: it tells of
 * nothing that stood here, and there may be something. */
static int read_mark(struct slice mark, struct kept *k)
{
    struct slice line;
    if (sl_starts(mark, SL("restore ")) && !sl_starts(mark, sl_cstr(restoring_form)))
        return err_set(ERR_VERSION, "a newer program began to restore a copy here: let it end that");
    while (mark.n && sl_next(&mark, '\n', &line)) {
        k->tls |= sl_eq(line, SL("tls"));
        k->keys |= sl_eq(line, SL("keys.secret"));
    }
    k->tls &= path_exists("tls");
    k->keys &= path_exists("keys.secret");
    return 0;
}

static int restore_begin(struct kept *k)
{
    struct buf b = BUF_INIT;
    bool again = path_exists(restoring);
    if (!again) buf_printf(&b, "%s\n", restoring_form);
    if (!again && path_exists("tls")) buf_str(&b, "tls\n");
    if (!again && path_exists("keys.secret")) buf_str(&b, "keys.secret\n");
    int e = again ? path_read(restoring, 100, &b) : path_write(restoring, buf_slice(&b), 0600);
    if (!e) e = read_mark(buf_slice(&b), k);
    buf_free(&b);
    if (!e) e = path_make("store");
    return e ? e : remove_file("store/written-by"); /* of another index than the next one */
}

/* Of an attempt before this one, or of somebody who put it there meanwhile: nobody can say, so it is kept. */
static int set_aside(struct arena *a, const char *name, struct buf *aside)
{
    const char *to = ar_printf(a, "%s.before", name).p;
    if (!path_exists(name)) return 0;
    for (int i = 2; path_exists(to); i++) to = ar_printf(a, "%s.before.%d", name, i).p;
    int e = path_rename(name, to);
    if (!e) buf_printf(aside, "%s%s", aside->n ? ", " : "", to);
    return e;
}

static int restore_all(struct arena *a, const char *from, struct buf *aside)
{
    struct kept kept = {0};
    int e = check_copy(a, from);
    if (!e) e = restore_begin(&kept);
    if (!e) e = restore_folder(a, from, "store/bodies");
    if (!e) e = restore_folder(a, from, "store/index");
    if (!e) e = restore_file(a, from, "store/written-by");
    if (!e) e = path_sync_dir("store");
    if (!e && !kept.tls) e = set_aside(a, "tls", aside);
    if (!e && !kept.tls) e = restore_folder(a, from, "tls");
    if (!e && !kept.keys) e = set_aside(a, "keys.secret", aside);
    if (!e && !kept.keys) e = restore_file(a, from, "keys.secret");
    if (!e) e = home_let_through();
    if (!e) e = restore_file(a, from, "tram.conf"); /* last: now it is a home */
    if (!e) e = path_sync_dir(".");
    if (!e) e = path_unlink(restoring);
    return e ? e : path_sync_dir(".");
}

int home_restore(const char *from, struct buf *aside)
{
    struct arena a;
    int lock = -1;
    int e = path_lock(".", &lock);
    if (e) return e == ERR_BUSY ? err_set(e, "a copy is being restored here already") : e;
    ar_init(&a, 0);
    e = restore_all(&a, from, aside);
    ar_free(&a);
    path_unlock(&lock);
    return e;
}

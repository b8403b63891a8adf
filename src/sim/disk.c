/* disk.c - names on the simulated disk, and the crash of the whole. */
#include "disk_i.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"

/* A change of one name, or of two at once (rename). */
struct name_op {
    struct link link;
    uint64_t serial;
    unsigned n;
    bool marked;
    struct {
        struct inode *dir, *to; /* to == NULL: the name goes */
        char *name;
    } set[2];
};

void disk_init(struct disk *d, struct sim_rng *rng)
{
    *d = (struct disk){.rng = rng};
    list_init(&d->inodes);
    list_init(&d->name_ops);
    d->root = inode_new(d, true);
    d->root->links = 1;
}

static void op_free(struct name_op *op)
{
    list_remove(&op->link);
    for (unsigned k = 0; k < op->n; k++) {
        inode_drop(op->set[k].dir);
        inode_drop(op->set[k].to);
        free(op->set[k].name);
    }
    free(op);
}

void disk_free(struct disk *d)
{
    LIST_EACH(struct name_op, op, &d->name_ops, link) op_free(op);
    inode_drop(d->root);
    d->root = NULL;
}

/* ---- sorted names ---- */

/* Place of the name, or where it would go. */
static size_t names_at(const struct names *v, struct slice name, bool *found)
{
    size_t lo = 0, hi = v->n;
    *found = false;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = sl_cmp(sl_cstr(v->v[mid].name), name);
        if (c == 0) {
            *found = true;
            return mid;
        }
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

static struct inode *names_get(const struct names *v, struct slice name)
{
    bool found;
    size_t k = names_at(v, name, &found);
    return found ? v->v[k].ino : NULL;
}

static void names_remove(struct names *v, size_t k)
{
    free(v->v[k].name);
    inode_drop(v->v[k].ino);
    memmove(v->v + k, v->v + k + 1, (v->n - k - 1) * sizeof *v->v);
    v->n--;
}

static void names_set(struct names *v, struct slice name, struct inode *ino)
{
    bool found;
    size_t k = names_at(v, name, &found);
    if (ino) inode_hold(ino);
    if (found && !ino) names_remove(v, k);
    else if (found) {
        inode_drop(v->v[k].ino);
        v->v[k].ino = ino;
    } else if (ino) {
        if (v->n == v->size) {
            v->size = v->size ? v->size * 2 : 8;
            v->v = xrealloc(v->v, v->size * sizeof *v->v);
        }
        memmove(v->v + k + 1, v->v + k, (v->n - k) * sizeof *v->v);
        v->v[k] = (struct name){xstrndup(name.p, name.n), ino};
        v->n++;
    }
}

/* ---- paths ---- */

/* The folder that holds the last name of the path, and that name. */
static struct inode *parent_of(struct disk *d, const char *path, struct slice *leaf)
{
    struct inode *dir = d->root;
    struct slice rest = sl_cstr(path), piece;
    *leaf = SL(".");
    while (sl_next(&rest, '/', &piece)) {
        if (sl_empty(piece) || sl_eq(piece, SL("."))) continue;
        if (!sl_eq(*leaf, SL("."))) dir = names_get(&dir->live, *leaf);
        if (!dir || !dir->is_dir) return NULL;
        *leaf = piece;
    }
    return dir;
}

struct inode *disk_find(struct disk *d, const char *path)
{
    struct slice leaf;
    struct inode *dir = parent_of(d, path, &leaf);
    if (!dir || sl_eq(leaf, SL("."))) return dir;
    return names_get(&dir->live, leaf);
}

/* ---- changes of names ---- */

static struct name_op *op_new(struct disk *d)
{
    struct name_op *op = xcalloc(1, sizeof *op);
    op->serial = ++d->serial;
    list_push(&d->name_ops, &op->link);
    return op;
}

static void live_set(struct name_op *op, struct inode *dir, struct slice name, struct inode *to)
{
    struct inode *before = names_get(&dir->live, name);
    op->set[op->n].dir = inode_hold(dir);
    op->set[op->n].to = to ? inode_hold(to) : NULL;
    op->set[op->n++].name = xstrndup(name.p, name.n);
    if (to) {
        to->links++;
        inode_weigh(to);
    }
    if (before) {
        inode_hold(before);
        before->links--;
        inode_weigh(before);
    }
    names_set(&dir->live, name, to);
    inode_drop(before);
}

int disk_name(struct disk *d, const char *path, struct inode *ino)
{
    struct slice leaf;
    struct inode *dir = parent_of(d, path, &leaf);
    if (!dir || sl_eq(leaf, SL("."))) return ERR_NOT_FOUND;
    if (sl_eq(leaf, SL(".."))) return ERR_NOT_FOUND;
    live_set(op_new(d), dir, leaf, ino);
    return 0;
}

int disk_rename(struct disk *d, const char *from, const char *to)
{
    struct slice a, b;
    struct inode *da = parent_of(d, from, &a), *db = parent_of(d, to, &b);
    struct inode *ino = da ? names_get(&da->live, a) : NULL;
    if (!ino || !db) return ERR_NOT_FOUND;
    if (names_get(&db->live, b) == ino) return 0; /* POSIX: two names of one file stay */
    struct name_op *op = op_new(d);
    live_set(op, db, b, ino);
    live_set(op, da, a, NULL);
    return 0;
}

int disk_make(struct disk *d, const char *path, bool is_dir, struct inode **out)
{
    struct inode *i = inode_new(d, is_dir);
    int e = disk_name(d, path, i);
    *out = e ? NULL : i;
    inode_drop(i);
    return e;
}

static void op_settle(struct name_op *op)
{
    for (unsigned k = 0; k < op->n; k++)
        names_set(&op->set[k].dir->sure, sl_cstr(op->set[k].name), op->set[k].to);
    op_free(op);
}

static bool touches(const struct name_op *op, const struct inode *dir)
{
    return op->set[0].dir == dir || (op->n == 2 && op->set[1].dir == dir);
}

/* A marked change that spans two folders pulls in what came before it in the other one, or
 * else that would come to pass after it. */
static bool depends(const struct name_op *op, const struct link *later, const struct link *end)
{
    for (const struct link *l = later; l != end; l = l->next) {
        const struct name_op *x = CONTAINER_OF(l, struct name_op, link);
        if (!x->marked || x->n < 2) continue;
        if (touches(x, op->set[0].dir) || (op->n == 2 && touches(x, op->set[1].dir))) return true;
    }
    return false;
}

void disk_settle(struct disk *d, struct inode *dir, uint64_t upto)
{
    for (struct link *l = d->name_ops.prev; l != &d->name_ops; l = l->prev) {
        struct name_op *op = CONTAINER_OF(l, struct name_op, link);
        op->marked = op->serial <= upto && (touches(op, dir) || depends(op, l->next, &d->name_ops));
    }
    LIST_EACH(struct name_op, op, &d->name_ops, link)
    if (op->marked) op_settle(op);
}

void disk_settle_all(struct disk *d, uint64_t upto)
{
    LIST_EACH(struct inode, i, &d->inodes, link) inode_settle(i, upto);
    LIST_EACH(struct name_op, op, &d->name_ops, link)
    if (op->serial <= upto) op_settle(op);
}

/* ---- crash ---- */

static void crash_names(struct disk *d, enum crash how)
{
    size_t n = 0, k = 0;
    for (struct link *l = d->name_ops.next; l != &d->name_ops; l = l->next) n++;
    size_t keep = how == CRASH_PREFIX ? (size_t)rng_below(d->rng, n + 1) : 0;
    LIST_EACH(struct name_op, op, &d->name_ops, link)
    {
        if (how == CRASH_ALL || k < keep || (how == CRASH_PIECES && rng_below(d->rng, 2))) op_settle(op);
        else op_free(op);
        k++;
    }
}

/* What is certain is all there is. */
static void remount(struct inode *dir)
{
    while (dir->live.n) names_remove(&dir->live, dir->live.n - 1);
    for (size_t k = 0; k < dir->sure.n; k++) {
        struct inode *i = dir->sure.v[k].ino;
        names_set(&dir->live, sl_cstr(dir->sure.v[k].name), i);
        if (!i->links++ && i->is_dir) remount(i);
    }
}

void disk_crash(struct disk *d)
{
    static const enum crash ways[] = {CRASH_ALL,    CRASH_NONE,   CRASH_PREFIX, CRASH_PREFIX,
                                      CRASH_PREFIX, CRASH_PIECES, CRASH_PIECES, CRASH_PIECES};
    enum crash how = ways[rng_below(d->rng, COUNT_OF(ways))];
    LIST_EACH(struct inode, i, &d->inodes, link)
    {
        inode_crash(i, how);
        i->links = i->opens = 0;
    }
    crash_names(d, how);
    d->root->links = 1;
    remount(d->root);
    LIST_EACH(struct inode, i, &d->inodes, link) inode_weigh(i);
}

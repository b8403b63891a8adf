/* files.c - files and folders of this machine, reached on a thread: they may lie on a disk that is slow. */
#include "files.h"

#include <stdlib.h>

#include "base/arena.h"
#include "mail/maildir.h"

static struct port_local *local_of(struct port_files *f) { return CONTAINER_OF(f, struct port_local, f); }

void port_names_free(struct port_names *n)
{
    for (size_t i = 0; i < n->n; i++) free(n->v[i]);
    free(n->v);
    *n = (struct port_names){0};
}

/* ---- names ---- */

struct listing {
    const char *dir;
    struct port_names *out;
    size_t size;
};

static int take_name(void *arg, const char *name)
{
    struct listing *l = arg;
    if (l->out->n == PORT_NAMES_MAX)
        return err_set(ERR_LIMIT, "%s holds more than %d names", l->dir, PORT_NAMES_MAX);
    if (l->out->n == l->size) {
        l->size = l->size ? 2 * l->size : 64;
        l->out->v = xrealloc(l->out->v, l->size * sizeof *l->out->v);
    }
    l->out->v[l->out->n++] = xstrndup(name, strlen(name));
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(void *arg)
{
    struct listing *l = arg;
    int e = path_list(l->dir, take_name, l);
    if (l->out->n) qsort(l->out->v, l->out->n, sizeof *l->out->v, compare_names);
    return e;
}

static int names(struct port_files *f, const char *dir, struct port_names *out)
{
    (void)f;
    *out = (struct port_names){0};
    int e = offload_on(POOL_CARE, list, &(struct listing){.dir = dir, .out = out});
    if (e) port_names_free(out);
    return e;
}

/* ---- names of messages ---- */

/* The least names behind the last one that was taken: so many at a time that memory does not grow with the
 * folder, which may change meanwhile. */
struct picked {
    uint64_t validity; /* of what was exported here, which comes first, by uid */
    uint64_t time;     /* or its uid */
    char *name;        /* "cur/..." */
};
struct pick {
    const char *dir, *sub;
    struct picked *v;
    size_t n;
    const struct picked *after; /* or NULL */
    bool more;                  /* some were left for the next time */
};

static bool picked_of(struct picked *x, char *name)
{
    struct maildir_name n;
    if (!maildir_name_parse(sl_cstr(name + 4), &n)) return false;
    *x = (struct picked){n.uid ? n.validity : UINT64_MAX, n.uid ? n.uid : n.time, name};
    return true;
}

static int compare_picked(const void *a, const void *b)
{
    const struct picked *x = a, *y = b;
    if (x->validity != y->validity) return x->validity < y->validity ? -1 : 1;
    if (x->time != y->time) return x->time < y->time ? -1 : 1;
    return strcmp(x->name + 4, y->name + 4);
}

static void drop_late(struct pick *p)
{
    if (p->n) qsort(p->v, p->n, sizeof *p->v, compare_picked);
    while (p->n > PORT_PICK_MAX) {
        free(p->v[--p->n].name);
        p->more = true;
    }
}

static int pick_name(void *arg, const char *name)
{
    struct pick *p = arg;
    struct picked x;
    size_t size = strlen(name) + 5;
    char *full = xmalloc(size);
    memcpy(full, p->sub, 4);
    memcpy(full + 4, name, size - 4);
    if (!picked_of(&x, full) || (p->after && compare_picked(&x, p->after) <= 0)) {
        free(full);
        return 0;
    }
    p->v[p->n++] = x;
    if (p->n == 2 * PORT_PICK_MAX) drop_late(p);
    return 0;
}

static int pick_sub(struct pick *p, const char *sub)
{
    struct buf path = BUF_INIT;
    struct path_info info;
    buf_printf(&path, "%s/%.3s%c", p->dir, sub, 0);
    p->sub = sub;
    int e = path_info(path.p, &info);
    if (e == ERR_NOT_FOUND || (!e && info.kind != PATH_FOLDER)) e = 0;
    else if (!e) e = path_list(path.p, pick_name, p);
    buf_free(&path);
    return e;
}

static int pick_both(void *arg)
{
    struct pick *p = arg;
    int e = pick_sub(p, "cur/");
    if (!e) e = pick_sub(p, "new/");
    drop_late(p);
    return e;
}

static int pick(struct port_files *f, const char *dir, const char *after, struct port_names *out)
{
    struct picked last;
    struct pick p = {.dir = dir, .v = xcalloc(2 * PORT_PICK_MAX, sizeof *p.v)};
    (void)f;
    if (after && strlen(after) > 4 && picked_of(&last, (char *)after)) p.after = &last;
    int e = offload_on(POOL_CARE, pick_both, &p);
    *out = (struct port_names){.v = xcalloc(p.n ? p.n : 1, sizeof *out->v), .n = p.n, .more = p.more};
    for (size_t i = 0; i < p.n; i++) out->v[i] = p.v[i].name;
    free(p.v);
    if (e) port_names_free(out);
    return e;
}

static int count_name(void *arg, const char *name)
{
    *(uint64_t *)arg += name[0] != '.';
    return 0;
}

struct counting {
    const char *dir;
    uint64_t n;
};

static int count_both(void *arg)
{
    static const char *const subs[] = {"cur", "new"};
    struct counting *c = arg;
    for (size_t i = 0; i < COUNT_OF(subs); i++) {
        struct buf path = BUF_INIT;
        buf_printf(&path, "%s/%s%c", c->dir, subs[i], 0);
        (void)!path_list(path.p, count_name, &c->n); /* only for the progress */
        buf_free(&path);
    }
    return 0;
}

static int count(struct port_files *f, const char *dir, uint64_t *n)
{
    struct counting c = {.dir = dir};
    (void)f;
    int e = offload_on(POOL_CARE, count_both, &c);
    *n = c.n;
    return e;
}

/* ---- one path ---- */

struct work {
    struct port_local *l;
    const char *path, *name;
    struct path_info *info;
    uint64_t at;
    size_t n;
    int64_t date;
    struct slice bytes;
    struct buf *out;
};

static int look(void *arg)
{
    struct work *w = arg;
    return path_info(w->path, w->info);
}

static int info(struct port_files *f, const char *path, struct path_info *out)
{
    (void)f;
    return offload(look, &(struct work){.path = path, .info = out});
}

static void forget(struct port_local *l)
{
    file_close(&l->file);
    free(l->path);
    l->path = NULL;
}

/* The file that is open, if it is this one, else another. BLOCKS. */
static int open_file(struct port_local *l, const char *path, int flags)
{
    if (l->file && strcmp(l->path, path) == 0 && !(flags & FILE_TRUNC)) return 0;
    forget(l);
    int e = file_open(&l->file, path, flags | FILE_STRANGE);
    if (!e) l->path = xstrndup(path, strlen(path));
    return e;
}

static int open_read(void *arg)
{
    struct work *w = arg;
    return open_file(w->l, w->path, FILE_READ);
}

static int read_some(struct port_files *f, const char *path, uint64_t at, size_t n, struct buf *out)
{
    struct port_local *l = local_of(f);
    bool open = l->file && strcmp(l->path, path) == 0 && at;
    int e = open ? 0 : offload(open_read, &(struct work){.l = l, .path = path});
    if (e) return e;
    char *to = buf_space(out, n);
    int64_t got = to ? file_read(l->file, to, n, at) : 0;
    if (got > 0) out->n += (size_t)got;
    if (got < (int64_t)n) forget(l); /* no more of it */
    return got < 0 ? (int)got : 0;
}

static int make_folder(void *arg)
{
    struct work *w = arg;
    int e = path_mkdir(w->path);
    return e == ERR_EXISTS ? 0 : e;
}

static int folder(struct port_files *f, const char *path)
{
    (void)f;
    return offload(make_folder, &(struct work){.path = path});
}

static int write_piece(void *arg)
{
    struct work *w = arg;
    int e = open_file(w->l, w->path, FILE_WRITE | FILE_CREATE | (w->at ? 0 : FILE_TRUNC));
    return e || !w->bytes.n ? e : file_pwrite(w->l->file, w->bytes.p, w->bytes.n, w->at);
}

static int write_some(struct port_files *f, const char *path, uint64_t at, struct slice bytes)
{
    return offload(write_piece, &(struct work){.l = local_of(f), .path = path, .at = at, .bytes = bytes});
}

static int cut_file(void *arg)
{
    struct work *w = arg;
    int e = open_file(w->l, w->path, FILE_WRITE);
    return e ? e : file_truncate(w->l->file, w->at);
}

static int cut(struct port_files *f, const char *path, uint64_t size)
{
    return offload(cut_file, &(struct work){.l = local_of(f), .path = path, .at = size});
}

static int end_file(void *arg)
{
    struct work *w = arg;
    forget(w->l);
    int e = w->date >= 0 ? path_set_time(w->path, w->date) : 0;
    return e ? e : path_rename(w->path, w->name);
}

static int done(struct port_files *f, const char *path, int64_t date, const char *name)
{
    return offload(end_file, &(struct work){.l = local_of(f), .path = path, .date = date, .name = name});
}

static int drop_file(void *arg)
{
    struct work *w = arg;
    forget(w->l);
    return path_unlink(w->path);
}

static int drop(struct port_files *f, const char *path)
{
    return offload(drop_file, &(struct work){.l = local_of(f), .path = path});
}

static int put_small(void *arg)
{
    struct work *w = arg;
    return path_write(w->path, w->bytes, 0600);
}

static int put(struct port_files *f, const char *path, struct slice text)
{
    (void)f;
    return offload(put_small, &(struct work){.path = path, .bytes = text});
}

static int sync_all(void *arg)
{
    struct work *w = arg;
    return path_sync_all(w->path);
}

static int sync(struct port_files *f, const char *path)
{
    (void)f;
    return offload_on(POOL_CARE, sync_all, &(struct work){.path = path});
}

void port_local_begin(struct port_local *l)
{
    *l = (struct port_local){
        .f = {names, pick, count, info, read_some, folder, write_some, cut, done, drop, put, sync}};
}

void port_local_end(struct port_local *l) { forget(l); }

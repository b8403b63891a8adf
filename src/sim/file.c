/* file.c - files and folders (file.h) on the node's simulated disk: where steps are
 * counted, faults strike, and a thread lets others run. */
#include "rt/file.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "sim_i.h"

/* What a disk takes for things, ns. */
#define WRITE_LEAST (5 * RT_US)
#define WRITE_MOST (50 * RT_US)
#define SYNC_LEAST (200 * RT_US)
#define SYNC_MOST (5 * RT_MS)

struct file {
    struct inode *ino;
    struct sim_prog *prog;
    bool may_write;
    char path[];
};

static struct disk *disk_now(void) { return &sim_prog_now()->node->disk; }

/* ---- steps and faults ---- */

static int bad(int e, const char *what, const char *path)
{
    static const char *const why[] = {[-ERR_IO] = "the disk failed",
                                      [-ERR_FULL] = "no space left",
                                      [-ERR_NOT_FOUND] = "there is no such file",
                                      [-ERR_EXISTS] = "it exists",
                                      [-ERR_DENIED] = "this is not permitted",
                                      [-ERR_BUSY] = "too many open files"};
    return err_set(e, "%s %s: %s", what, path, why[-e]);
}

/* Before anything that the disk is to keep: others may run, the power may go. */
static int step(enum sim_event what, uint64_t a, uint64_t b)
{
    struct sim_node *n = sim_prog_now()->node;
    sim_thread_pause(WRITE_LEAST, WRITE_MOST);
    int e = sim_alive();
    if (e) return e;
    sim_note(what, a, b);
    if (++n->steps == n->kill_at) sim_kill(n);
    return sim_alive();
}

static bool fault(uint32_t ppm)
{
    if (!rng_chance(&the_sim->disk, ppm)) return false;
    sim_note(EV_FAULT, ppm, 2);
    return true;
}

/* ---- files ---- */

static int open_old(struct inode *i, const char *path, int flags)
{
    if (i->is_dir) return bad(ERR_IO, "opening", path);
    if ((flags & FILE_CREATE) && (flags & FILE_EXCL)) return bad(ERR_EXISTS, "making", path);
    if (!(flags & FILE_TRUNC) || !i->size) return 0;
    int e = step(EV_TRUNCATE, i->serial, 0);
    if (!e) inode_truncate(i, 0);
    return e;
}

static int open_new(const char *path, int flags, struct inode **out)
{
    if (!(flags & FILE_CREATE)) return bad(ERR_NOT_FOUND, "opening", path);
    int e = step(EV_NAME, 0, sl_hash(sl_cstr(path)));
    if (e) return e;
    if ((*out = disk_find(disk_now(), path))) return open_old(*out, path, flags); /* somebody was quicker */
    if (fault(the_sim->faults.disk_full)) return bad(ERR_FULL, "making", path);
    return disk_make(disk_now(), path, false, out) ? bad(ERR_NOT_FOUND, "making", path) : 0;
}

int file_open(struct file **out, const char *path, int flags)
{
    int e = sim_alive();
    if (e) return e;
    if (fault(the_sim->faults.no_descriptor)) return bad(ERR_BUSY, "opening", path);
    struct inode *i = disk_find(disk_now(), path);
    e = i ? open_old(i, path, flags) : open_new(path, flags, &i);
    if (e) return e;
    size_t n = strlen(path) + 1;
    struct file *f = *out = xmalloc(sizeof *f + n);
    *f = (struct file){.ino = inode_hold(i), .prog = sim_prog_now(), .may_write = flags & FILE_WRITE};
    memcpy(f->path, path, n);
    i->opens++;
    inode_weigh(i);
    return 0;
}

void file_close(struct file **fp)
{
    struct file *f = *fp;
    if (!f) return;
    *fp = NULL;
    if (!f->prog->dead) { /* after a crash the handles are forgotten already */
        f->ino->opens--;
        inode_weigh(f->ino);
    }
    inode_drop(f->ino);
    free(f);
}

int file_size(struct file *f, uint64_t *out)
{
    int e = sim_alive();
    if (!e) *out = f->ino->size;
    return e;
}

int64_t file_pread(struct file *f, void *p, size_t n, uint64_t at)
{
    sim_thread_pause(WRITE_LEAST, WRITE_MOST);
    int e = sim_alive();
    if (e) return e;
    if (fault(the_sim->faults.read_fails)) return bad(ERR_IO, "reading", f->path);
    return (int64_t)inode_read(f->ino, p, n, at);
}

struct reading {
    struct file *f;
    void *p;
    size_t n;
    uint64_t at;
    int64_t result;
};

static int read_cold(void *arg)
{
    struct reading *r = arg;
    r->result = file_pread(r->f, r->p, r->n, r->at);
    return 0;
}

int64_t file_read(struct file *f, void *p, size_t n, uint64_t at)
{
    struct reading r = {f, p, n, at, 0};
    if (fiber_current() && rng_below(&the_sim->disk, 4) == 0) {
        int e = offload(read_cold, &r);
        return e ? e : r.result;
    }
    return file_pread(f, p, n, at);
}

/* One write of a file that is open for it. A failing one may have done a part. */
static int write_at(struct file *f, const char *p, size_t n, uint64_t at)
{
    struct sim_faults *x = &the_sim->faults;
    int e = step(EV_WRITE, f->ino->serial ^ at << 20, sl_hash(sl(p, n)));
    if (e) return e;
    if (fault(x->write_fails)) e = ERR_IO;
    else if (fault(x->disk_full)) e = ERR_FULL;
    else e = inode_write(f->ino, p, n, at);
    f->ino->changed = rt_wall_seconds();
    if (!e) return 0;
    size_t part = (size_t)rng_below(&the_sim->disk, n + (e == ERR_IO)); /* a full disk had no room for all */
    (void)!inode_write(f->ino, p, part, at);
    return bad(e, "writing", f->path);
}

int file_pwritev(struct file *f, const struct file_part *parts, size_t n, uint64_t at)
{
    if (!f->may_write) return bad(ERR_DENIED, "writing", f->path);
    size_t all = 0;
    for (size_t i = 0; i < n; i++) all += parts[i].n;
    if (!all) return sim_alive();
    char *p = xmalloc(all), *to = p;
    for (size_t i = 0; i < n; i++) {
        if (parts[i].n) memcpy(to, parts[i].p, parts[i].n);
        to += parts[i].n;
    }
    int e = write_at(f, p, all, at);
    free(p);
    return e;
}

int file_pwrite(struct file *f, const void *p, size_t n, uint64_t at)
{
    return file_pwritev(f, &(struct file_part){p, n}, 1, at);
}

/* What was written before the sync began is certain when it has ended. */
int file_sync(struct file *f)
{
    int e = step(EV_SYNC, f->ino->serial, 0);
    if (e) return e;
    uint64_t upto = f->ino->disk->serial;
    sim_thread_pause(SYNC_LEAST, SYNC_MOST);
    if ((e = sim_alive())) return e;
    if (fault(the_sim->faults.write_fails)) e = ERR_IO;
    else if (fault(the_sim->faults.sync_full)) e = ERR_FULL;
    if (!e) {
        inode_settle(f->ino, upto);
        return 0;
    }
    if (rng_below(&the_sim->disk, 2)) inode_crash(f->ino, CRASH_PIECES);
    else inode_lose(f->ino, upto);
    return bad(e, "syncing", f->path);
}

int file_truncate(struct file *f, uint64_t size)
{
    if (!f->may_write) return bad(ERR_DENIED, "truncating", f->path);
    int e = step(EV_TRUNCATE, f->ino->serial, size);
    if (e) return e;
    if (fault(the_sim->faults.write_fails)) return bad(ERR_IO, "truncating", f->path);
    inode_truncate(f->ino, size);
    return 0;
}

/* ---- names ---- */

/* A step that changes names, and the faults that may strike it. */
static int name_step(const char *what, const char *path)
{
    int e = step(EV_NAME, sl_hash(sl_cstr(what)), sl_hash(sl_cstr(path)));
    if (e) return e;
    return fault(the_sim->faults.write_fails) ? bad(ERR_IO, what, path) : 0;
}

int path_rename(const char *from, const char *to)
{
    int e = name_step("renaming", from);
    if (e) return e;
    struct inode *old = disk_find(disk_now(), to);
    if (old && old->is_dir) return bad(ERR_EXISTS, "renaming to", to);
    return disk_rename(disk_now(), from, to) ? bad(ERR_NOT_FOUND, "renaming", from) : 0;
}

int path_unlink(const char *path)
{
    int e = name_step("removing", path);
    if (e) return e;
    struct inode *i = disk_find(disk_now(), path);
    if (!i) return bad(ERR_NOT_FOUND, "removing", path);
    if (i->is_dir) return bad(ERR_IO, "removing", path);
    return disk_name(disk_now(), path, NULL);
}

int path_link(const char *from, const char *to)
{
    int e = name_step("linking", from);
    if (e) return e;
    struct inode *i = disk_find(disk_now(), from);
    if (!i) return bad(ERR_NOT_FOUND, "linking", from);
    if (i->is_dir) return bad(ERR_DENIED, "linking", from);
    if (disk_find(disk_now(), to)) return bad(ERR_EXISTS, "linking to", to);
    return disk_name(disk_now(), to, i) ? bad(ERR_NOT_FOUND, "linking to", to) : 0;
}

int path_mkdir(const char *path)
{
    struct inode *made;
    int e = name_step("making the folder", path);
    if (e) return e;
    if (disk_find(disk_now(), path)) return bad(ERR_EXISTS, "making the folder", path);
    return disk_make(disk_now(), path, true, &made) ? bad(ERR_NOT_FOUND, "making the folder", path) : 0;
}

int path_sync_dir(const char *path)
{
    int e = step(EV_SYNC, 0, sl_hash(sl_cstr(path)));
    if (e) return e;
    struct inode *dir = disk_find(disk_now(), path);
    if (!dir || !dir->is_dir) return bad(ERR_NOT_FOUND, "syncing", path);
    uint64_t upto = disk_now()->serial;
    inode_hold(dir);
    sim_thread_pause(SYNC_LEAST, SYNC_MOST);
    e = sim_alive();
    if (!e && fault(the_sim->faults.write_fails)) e = bad(ERR_IO, "syncing", path);
    if (!e) disk_settle(disk_now(), dir, upto);
    inode_drop(dir);
    return e;
}

int path_lock(const char *folder, int *lock)
{
    *lock = -1;
    return err_set(ERR_UNSUPPORTED, "%s: nothing is locked in the simulator", folder);
}

int path_unlocked(const char *path)
{
    (void)path;
    return 0;
}

void path_unlock(int *lock) { *lock = -1; }

bool path_exists(const char *path) { return !sim_alive() && disk_find(disk_now(), path); }

int path_info(const char *path, struct path_info *out)
{
    struct inode *i = sim_alive() ? NULL : disk_find(disk_now(), path);
    if (!i) return bad(ERR_NOT_FOUND, "looking at", path);
    *out = (struct path_info){
        .kind = i->is_dir ? PATH_FOLDER : PATH_FILE, .size = i->size, .changed = i->changed};
    return 0;
}

/* No change that a crash undoes: nothing that must last depends on it. */
int path_set_time(const char *path, int64_t changed)
{
    struct inode *i = sim_alive() ? NULL : disk_find(disk_now(), path);
    if (!i) return bad(ERR_NOT_FOUND, "dating", path);
    i->changed = changed;
    return 0;
}

int path_sync_all(const char *path)
{
    struct disk *d = disk_now();
    int e = step(EV_SYNC, 1, sl_hash(sl_cstr(path)));
    if (e) return e;
    uint64_t upto = d->serial;
    sim_thread_pause(SYNC_LEAST, SYNC_MOST);
    if ((e = sim_alive())) return e;
    if (fault(the_sim->faults.write_fails)) return bad(ERR_IO, "syncing", path);
    disk_settle_all(d, upto);
    return 0;
}

/* The names as they are now, in an order that the seed gives. */
int path_list(const char *dir, int (*fn)(void *arg, const char *name), void *arg)
{
    int e = sim_alive();
    if (e) return e;
    struct inode *i = disk_find(disk_now(), dir);
    if (!i || !i->is_dir) return bad(ERR_NOT_FOUND, "listing", dir);
    size_t n = i->live.n;
    char **name = xcalloc(n, sizeof *name);
    for (size_t k = 0; k < n; k++) {
        size_t at = (size_t)rng_below(&the_sim->disk, k + 1);
        name[k] = name[at];
        name[at] = xstrndup(i->live.v[k].name, strlen(i->live.v[k].name));
    }
    for (size_t k = 0; k < n && !e; k++) e = fn(arg, name[k]);
    for (size_t k = 0; k < n; k++) free(name[k]);
    free(name);
    return e;
}

int path_free_space(const char *path, uint64_t *bytes)
{
    struct disk *d = disk_now();
    int e = sim_alive();
    if (e) return e;
    if (!disk_find(d, path)) return bad(ERR_NOT_FOUND, "looking at", path);
    uint64_t limit = d->limit ? d->limit : (uint64_t)1 << 28; /* pages: 1 TiB */
    *bytes = (limit > d->used ? limit - d->used : 0) * DISK_PAGE;
    return 0;
}

uint64_t path_stamp(const char *path)
{
    struct inode *i = sim_alive() ? NULL : disk_find(disk_now(), path);
    if (!i) return 0;
    uint64_t what[] = {i->serial, i->stamp, i->size};
    return sl_hash(sl(what, sizeof what)) | 1;
}

/* packs.c - the table of packs: finding, holding, sealing what a crash left open. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "body_i.h"

/* ---- carrying errors over threads ---- */

struct away {
    int (*fn)(void *);
    void *arg;
    char why[ERR_TEXT_MAX];
};

static int away(void *arg)
{
    struct away *w = arg;
    int e = w->fn(w->arg);
    if (e < 0) snprintf(w->why, sizeof w->why, "%s", err_text(e));
    return e;
}

int body_on_thread(enum rt_pool pool, int (*fn)(void *), void *arg)
{
    if (!fiber_current()) return fn(arg);
    struct away w = {.fn = fn, .arg = arg};
    int e = offload_on(pool, away, &w);
    return e < 0 && w.why[0] ? err_set(e, "%s", w.why) : e;
}

/* ---- the table ---- */

void body_path(const struct packs *b, enum body_class cls, uint64_t number, bool part,
               char out[BODY_PATH_MAX])
{
    char name[PACK_NAME_MAX];
    pack_name(cls, number, part, name);
    snprintf(out, BODY_PATH_MAX, "%s/%s", b->dir, name);
}

static struct slice number_key(const uint64_t *number) { return sl(number, sizeof *number); }

struct pack *pack_find(struct packs *b, uint64_t number)
{
    return map_get(&b->by_number, number_key(&number));
}

void pack_add(struct packs *b, struct pack *p)
{
    lock_take(&b->lock);
    ASSERT(!pack_find(b, p->head.number));
    map_put(&b->by_number, number_key(&p->head.number), p);
    list_push(&b->packs, &p->link);
    list_init(&p->unread);
    list_init(&p->idle);
    if (!p->known) list_push(&b->unread, &p->unread);
    if (p->file) b->files++;
    if (p->file && !p->open) list_push(&b->idle, &p->idle);
    p->touched = rt_now();
    if (p->head.number > b->newest) b->newest = p->head.number;
    lock_release(&b->lock);
}

void pack_remove(struct packs *b, struct pack *p)
{
    map_del(&b->by_number, number_key(&p->head.number));
    list_remove(&p->link);
    list_remove(&p->unread);
    list_remove(&p->idle);
    p->gone = true;
}

void pack_closes(struct packs *b, struct pack *p)
{
    lock_take(&b->lock);
    p->open = false;
    if (!p->users && p->file) list_push(&b->idle, &p->idle);
    lock_release(&b->lock);
}

/* Numbers are never used again, not even those of packs that are gone: they are microseconds. None is below
 * the stamps before it, so a pack is what durably says that a clock went back. */
uint64_t pack_number_new(struct packs *b)
{
    uint64_t now = (uint64_t)rt_wall();
    lock_take(&b->lock);
    if (now < b->stamped) now = b->stamped;
    b->newest = now > b->newest ? now : b->newest + 1;
    uint64_t number = b->newest;
    lock_release(&b->lock);
    return number;
}

/* Each is higher than the one before, also while the clock is behind them: then they count by one. */
uint64_t stamp_new(struct packs *b)
{
    uint64_t now = (uint64_t)rt_wall();
    if (now < b->newest) now = b->newest;
    return b->stamped = now > b->stamped ? now : b->stamped + 1;
}

#define A_SECOND UINT64_C(1000000)

/* The clock is behind the stamps by more than a moment. */
static bool went_back(const struct packs *b) { return (uint64_t)rt_wall() + A_SECOND < b->stamped; }

/* Then times of change say nothing of the stamps in a pack: its number does, up to a second further on. */
bool stamps_need_pack(struct packs *b, const struct pack *p)
{
    lock_take(&b->lock);
    bool need = p->head.number + A_SECOND <= b->stamped + BODY_GROUP_MAX && went_back(b);
    lock_release(&b->lock);
    return need;
}

static struct pack *newest_of(struct packs *b, enum body_class cls)
{
    struct pack *newest = NULL;
    LIST_EACH(struct pack, p, &b->packs, link)
    if (p->head.cls == cls && (!newest || newest->head.number < p->head.number)) newest = p;
    return newest;
}

void stamps_go_on(struct packs *b)
{
    static const int64_t latest = 253402300799; /* the end of the year 9999: no file is younger */
    for (int cls = 0; cls < BODY_CLASSES; cls++) {
        char path[BODY_PATH_MAX];
        struct path_info info;
        struct pack *p = newest_of(b, (enum body_class)cls);
        if (!p) continue;
        body_path(b, p->head.cls, p->head.number, false, path);
        if (p->head.number + A_SECOND > b->stamped) b->stamped = p->head.number + A_SECOND;
        if (path_info(path, &info) || info.changed < 0 || info.changed > latest) continue;
        uint64_t last = ((uint64_t)info.changed + 2) * A_SECOND; /* of less than a second ahead, too */
        if (last > b->stamped) b->stamped = last;
    }
}

void stamps_keep(struct packs *b)
{
    char path[BODY_PATH_MAX];
    for (int cls = 0; cls < BODY_CLASSES && went_back(b); cls++) {
        struct pack *p = newest_of(b, (enum body_class)cls);
        if (!p) continue;
        body_path(b, p->head.cls, p->head.number, false, path);
        (void)!path_set_time(path, (int64_t)(b->stamped / A_SECOND) - 1); /* by the numbers alone, then */
    }
}

uint64_t packs_stamp(struct body_store *base)
{
    struct packs *b = packs_of(base);
    lock_take(&b->lock);
    uint64_t stamp = stamp_new(b);
    lock_release(&b->lock);
    return stamp;
}

/* ---- bodies that the index may not know yet ---- */

static const uint64_t newborn_longest = 86400ull * 1000000;

struct newborn *newborn_begin(struct packs *b)
{
    struct newborn *n = xcalloc(1, sizeof *n);
    lock_take(&b->lock);
    n->stamp = stamp_new(b);
    list_push(&b->born, &n->link);
    lock_release(&b->lock);
    return n;
}

static void newborn_end(struct newborn *n)
{
    if (n) list_remove(&n->link);
    free(n);
}

void newborn_named(struct packs *b, struct newborn *n, const struct body_ref *ref)
{
    lock_take(&b->lock);
    if (ref) n = map_put(&b->born_as, body_ref_slice(ref), n);
    newborn_end(n);
    lock_release(&b->lock);
}

uint64_t packs_settled(struct body_store *base)
{
    struct packs *b = packs_of(base);
    lock_take(&b->lock);
    uint64_t now = stamp_new(b), oldest = now;
    if (!list_empty(&b->born)) oldest = CONTAINER_OF(b->born.next, struct newborn, link)->stamp;
    lock_release(&b->lock);
    return now - oldest < newborn_longest ? oldest : now - newborn_longest;
}

void pack_free(struct packs *b, struct pack *p)
{
    lock_take(&b->lock);
    if (p->file) b->files--;
    lock_release(&b->lock);
    file_close(&p->file);
    free(p);
}

int packs_pin(struct body_store *base, const struct body_ref *ref)
{
    struct packs *b = packs_of(base);
    uint64_t number = body_ref_pack(ref);
    lock_take(&b->lock);
    struct pack *p = pack_find(b, number);
    if (p) p->pins++;
    lock_release(&b->lock);
    return p ? 0 : err_set(ERR_NOT_FOUND, "the pack %016llx is not there", (unsigned long long)number);
}

void packs_unpin(struct body_store *base, const struct body_ref *ref)
{
    struct packs *b = packs_of(base);
    lock_take(&b->lock);
    struct pack *p = pack_find(b, body_ref_pack(ref));
    if (p && p->pins) p->pins--;
    newborn_end(map_del(&b->born_as, body_ref_slice(ref)));
    lock_release(&b->lock);
}

/* ---- holding a pack while it is read ---- */

struct hold {
    struct packs *b;
    struct pack *p;
};

/* Under the lock: takes the file that nobody has used for longest, when too many are open. */
static struct file *files_spare(struct packs *b)
{
    if (b->files <= BODY_FILES_MAX) return NULL;
    struct link *l = list_shift(&b->idle);
    if (!l) return NULL;
    struct pack *p = CONTAINER_OF(l, struct pack, idle);
    struct file *f = p->file;
    p->file = NULL;
    b->files--;
    return f;
}

void files_trim(struct packs *b)
{
    lock_take(&b->lock);
    struct file *spare = files_spare(b);
    lock_release(&b->lock);
    file_close(&spare);
}

static int hold_open(void *arg)
{
    struct hold *h = arg;
    struct file *f = NULL;
    char path[BODY_PATH_MAX];
    body_path(h->b, h->p->head.cls, h->p->head.number, false, path);
    int e = file_open(&f, path, FILE_READ);
    if (e) return e;
    lock_take(&h->b->lock);
    if (!h->p->file) {
        h->p->file = f;
        f = NULL;
        h->b->files++;
    }
    lock_release(&h->b->lock);
    file_close(&f);
    files_trim(h->b);
    return 0;
}

int pack_hold(struct packs *b, uint64_t number, struct pack **out)
{
    lock_take(&b->lock);
    struct pack *p = pack_find(b, number);
    bool there = p && p->file;
    if (p) {
        p->users++;
        list_remove(&p->idle);
    }
    lock_release(&b->lock);
    if (!p) return err_set(ERR_NOT_FOUND, "the pack %016llx is not there", (unsigned long long)number);
    struct hold h = {b, p};
    int e = there ? 0 : body_on_thread(POOL_DISK, hold_open, &h);
    if (e) pack_release(b, p);
    else *out = p;
    return e;
}

static int free_on_thread(void *arg)
{
    struct hold *h = arg;
    pack_free(h->b, h->p);
    return 0;
}

static int close_spare(void *arg)
{
    struct file *f = arg;
    file_close(&f);
    return 0;
}

void pack_release(struct packs *b, struct pack *p)
{
    struct file *spare = NULL;
    lock_take(&b->lock);
    bool idle = --p->users == 0, last = idle && p->gone;
    if (idle && !last && !p->open && p->file) {
        list_push(&b->idle, &p->idle);
        spare = files_spare(b);
    }
    lock_release(&b->lock);
    struct hold h = {b, p};
    if (last) (void)!body_on_thread(POOL_DISK, free_on_thread, &h);
    if (spare) (void)!body_on_thread(POOL_DISK, close_spare, spare);
}

/* ---- opening ---- */

int pack_publish(struct packs *b, const struct pack_head *h)
{
    char part[BODY_PATH_MAX], path[BODY_PATH_MAX];
    body_path(b, h->cls, h->number, true, part);
    body_path(b, h->cls, h->number, false, path);
    int e = path_rename(part, path);
    return e ? e : path_sync_dir(b->dir);
}

int pack_seal(struct pack *p, int64_t last)
{
    uint8_t header[RECORD_HEADER];
    struct record seal = {.kind = RECORD_SEAL, .offset = p->bytes, .size = (uint64_t)last};
    seal.origin = (uint32_t)p->origins;
    record_put(&p->head, &seal, header);
    int e = file_pwrite(p->file, header, sizeof header, p->bytes);
    return e ? e : file_truncate(p->file, p->bytes + sizeof header);
}

/* True when the file ends with a seal: everything up to it was written. */
static bool sealed(struct pack *p, uint64_t size)
{
    uint8_t tail[RECORD_HEADER];
    struct record seal;
    if (size < PACK_PAGE + RECORD_HEADER || size % 8) return false;
    uint64_t at = size - RECORD_HEADER;
    if (file_pread(p->file, tail, sizeof tail, at) != sizeof tail) return false;
    if (!record_get(&p->head, at, tail, &seal) || seal.kind != RECORD_SEAL) return false;
    p->bytes = at;
    p->origins = seal.origin;
    p->last = (int64_t)seal.size;
    return true;
}

/* The end of the last byte that is not zero, at least `end`. */
static int written_end(struct file *f, uint64_t size, uint64_t *end)
{
    enum { PIECE = 64 << 10 };
    char *piece = xmalloc(PIECE);
    int64_t n = 0;
    while (size > *end) {
        uint64_t at = size - *end > PIECE ? size - PIECE : *end;
        n = file_pread(f, piece, (size_t)(size - at), at);
        if (n < 0) break;
        while (n > 0 && !piece[n - 1]) n--;
        size = at;
        if (n > 0) *end = at + (uint64_t)n;
    }
    free(piece);
    return n < 0 ? (int)n : 0;
}

/* The program ended while this pack was written. What stands behind the last record that can be found is the
 * torn end of a write, or a body whose header is damaged and that references still find: it stays. */
static void add_origin(void *arg, const struct record *r, struct slice origin, int status)
{
    struct pack *p = arg;
    (void)origin, (void)status;
    p->origins += r->origin;
}

static int seal_end(struct pack *p, uint64_t size)
{
    int e = pack_scan(p->file, &p->head, size, add_origin, p, &p->bytes);
    if (e == 0) e = written_end(p->file, size, &p->bytes);
    if (e) return e;
    p->bytes = record_padded(p->bytes);
    p->last = rt_wall_seconds();
    return pack_seal(p, p->last);
}

static int pack_read_head(struct pack *p, enum body_class cls, uint64_t number, uint64_t size)
{
    uint8_t page[PACK_PAGE];
    int64_t got = file_pread(p->file, page, sizeof page, 0);
    if (got < 0) return (int)got;
    int e = pack_head_get(&p->head, page, (size_t)got);
    struct large l = {.content = p->head.content, .prefix = p->head.prefix};
    if (e == 0 && (p->head.number != number || p->head.cls != cls))
        e = err_set(ERR_CORRUPT, "the header is another pack's");
    if (e == 0 && p->head.kind == PACK_LARGE &&
        (l.content > size || large_origin(&l) + p->head.origin > size))
        e = err_set(ERR_CORRUPT, "the pack of a large body is cut short");
    return e;
}

/* Into a pack of the caller's own, which nobody else sees. */
static int read_pack(struct packs *b, struct pack *p)
{
    enum body_class cls = p->head.cls;
    uint64_t number = p->head.number, size = 0;
    char path[BODY_PATH_MAX];
    body_path(b, cls, number, false, path);
    int e = file_open(&p->file, path, FILE_WRITE);
    if (e == 0) e = file_size(p->file, &size);
    if (e == 0) e = pack_read_head(p, cls, number, size);
    p->bytes = size;
    p->last = p->head.created;
    p->origins = p->head.origin;
    if (e == 0 && p->head.kind == PACK_SHARED && !sealed(p, size)) e = seal_end(p, size);
    if (e == ERR_CORRUPT) {
        log_error("body", "%s: %s; only what the index refers to can be found in it", path, err_text(e));
        p->damaged = true;
        p->head = (struct pack_head){.number = number, .cls = cls};
        p->origins = 0;
        e = 0;
    }
    file_close(&p->file);
    return e < 0 ? err_prefix(e, "%s", path) : 0;
}

int pack_learn(struct packs *b, struct pack *p)
{
    lock_take(&b->lock);
    struct pack got = {.head = p->head, .known = p->known};
    lock_release(&b->lock);
    if (got.known) return 0;
    int e = read_pack(b, &got);
    if (e) return e;
    lock_take(&b->lock);
    if (!p->known) { /* else another thread was quicker, and found the same */
        p->head = got.head;
        p->bytes = got.bytes;
        p->origins = got.origins;
        p->last = got.last;
        p->damaged = got.damaged;
        p->known = true;
        list_remove(&p->unread);
    }
    lock_release(&b->lock);
    return 0;
}

void packs_learn(struct packs *b)
{
    struct link failed;
    list_init(&failed);
    for (;;) {
        lock_take(&b->lock);
        struct link *l = list_shift(&b->unread);
        struct pack *p = l ? CONTAINER_OF(l, struct pack, unread) : NULL;
        if (p) p->users++;
        if (p) list_remove(&p->idle);
        if (!p)
            for (struct link *again; (again = list_shift(&failed));) list_push(&b->unread, again);
        lock_release(&b->lock);
        if (!p) return;
        int e = pack_learn(b, p);
        if (e) log_warn("body", "%s", err_text(e));
        lock_take(&b->lock);
        if (e && !p->gone) list_push(&failed, &p->unread);
        lock_release(&b->lock);
        pack_release(b, p);
    }
}

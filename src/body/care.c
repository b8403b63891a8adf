/* care.c - looking after packs: listing, dropping, moving bodies, verifying, copying. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "body_i.h"

static int learn_on_thread(void *b)
{
    packs_learn(b);
    return 0;
}

/* The age is by the clock that never jumps, since the last append or the start of the program: a
 * clock that was wrong once makes no pack old, nor young for years. */
int packs_list(struct body_store *base, struct arena *a, struct body_pack **out, size_t *n)
{
    struct packs *b = packs_of(base);
    size_t cap = 64;
    int64_t now = rt_now();
    int e = body_on_thread(POOL_CARE, learn_on_thread, b);
    if (e) return e;
    *out = ar_array(a, struct body_pack, cap);
    *n = 0;
    lock_take(&b->lock);
    LIST_EACH(struct pack, p, &b->packs, link)
    {
        if (*n == cap) *out = ar_grow(a, *out, &cap, sizeof **out);
        (*out)[(*n)++] = (struct body_pack){.number = p->head.number,
                                            .bytes = p->bytes,
                                            .origins = p->origins,
                                            .cls = p->head.cls,
                                            .open = p->open || p->pins || !p->known,
                                            .age_s = now > p->touched ? (now - p->touched) / RT_S : 0};
    }
    lock_release(&b->lock);
    return 0;
}

struct drop {
    struct packs *b;
    struct pack *p;
    bool unused;
};

static int drop_on_thread(void *arg)
{
    struct drop *d = arg;
    char path[BODY_PATH_MAX];
    body_path(d->b, d->p->head.cls, d->p->head.number, false, path);
    int e = path_unlink(path);
    return e ? e : path_sync_dir(d->b->dir);
}

int packs_drop(struct body_store *base, uint64_t number)
{
    struct packs *b = packs_of(base);
    struct drop d = {.b = b};
    lock_take(&b->lock);
    d.p = pack_find(b, number);
    bool busy = d.p && (d.p->open || d.p->pins);
    if (d.p && !busy) {
        d.p->users++; /* so that it stays until it is unlinked */
        pack_remove(b, d.p);
    }
    lock_release(&b->lock);
    if (!d.p) return err_set(ERR_NOT_FOUND, "the pack %016llx is not there", (unsigned long long)number);
    if (busy) return err_set(ERR_BUSY, "the pack %016llx is in use", (unsigned long long)number);
    int e = body_on_thread(POOL_CARE, drop_on_thread, &d);
    pack_release(b, d.p);
    return e;
}

struct origin_read {
    struct packs *b;
    struct pack *p;
    const struct place *pl;
    struct arena *a;
    struct slice origin;
    uint64_t stamp;
};

/* What is damaged of it is lost; the body goes on. */
static int origin_take(struct origin_read *o, uint64_t at, uint32_t n, uint32_t sum)
{
    char *bytes = ar_alloc(o->a, n + 1);
    int64_t got = file_pread(o->p->file, bytes, n, at);
    if (got < 0) return (int)got;
    if ((uint64_t)got == n && crc32c(0, bytes, n) == sum) o->origin = sl(bytes, n);
    return 0;
}

static int origin_on_thread(void *arg)
{
    struct origin_read *o = arg;
    uint8_t header[RECORD_HEADER];
    struct record r;
    int e = pack_learn(o->b, o->p);
    if (e || o->p->damaged) return e;
    const struct pack_head *h = &o->p->head;
    o->stamp = h->stamp;
    struct large l = place_large(o->pl);
    if (o->pl->kind == PACK_LARGE) return origin_take(o, large_origin(&l), h->origin, h->origin_sum);
    int64_t got = file_pread(o->p->file, header, sizeof header, o->pl->at);
    if (got < 0) return (int)got;
    if (got != sizeof header || !record_get(h, o->pl->at, header, &r)) return 0;
    o->stamp = r.stamp;
    return origin_take(o, o->pl->at + RECORD_HEADER + r.size, r.origin, r.origin_sum);
}

/* Origin and stamp of a body: empty and 0 when its header is damaged. */
static int origin_read(struct packs *b, const struct place *pl, struct arena *a, struct slice *origin,
                       uint64_t *stamp)
{
    struct origin_read o = {.b = b, .pl = pl, .a = a, .origin = SL("")};
    int e = pack_hold(b, pl->pack, &o.p);
    if (e) return e;
    e = body_on_thread(POOL_CARE, origin_on_thread, &o);
    pack_release(b, o.p);
    *origin = o.origin;
    *stamp = o.stamp;
    return e;
}

/* Through memory when it is small, piece by piece when it is large. */
int packs_move(struct body_store *b, const struct body_ref *from, enum body_class cls, struct body_ref *to)
{
    struct place pl;
    struct body_writer *w;
    struct arena a;
    struct slice origin = SL("");
    uint64_t stamp = 0;
    ar_init(&a, 0);
    int e = place_get(from, &pl);
    if (e == 0) e = origin_read(packs_of(b), &pl, &a, &origin, &stamp);
    if (e == 0) e = body_begin(b, cls, &w);
    if (e) {
        ar_free(&a);
        return e;
    }
    writer_stamp(w, stamp);
    char *piece = xmalloc(BODY_SMALL);
    int64_t got = 0;
    for (uint64_t at = 0; e == 0 && at < pl.size; at += (uint64_t)got) {
        got = body_read(b, from, at, piece, BODY_SMALL);
        e = got < 0 ? (int)got : body_write(w, sl(piece, (size_t)got));
    }
    free(piece);
    if (e == 0) e = body_finish(&w, sl(NULL, 0), origin, to);
    else body_abandon(&w);
    ar_free(&a);
    return e;
}

/* ---- verifying ---- */

struct verify {
    struct packs *store;
    struct pack *pack;
    uint64_t bytes;
    void (*each)(void *arg, const struct body_seen *seen);
    void *arg;
};

static void verify_record(void *arg, const struct record *r, struct slice origin, int status)
{
    struct verify *v = arg;
    struct body_seen seen = {
        .status = status, .stamp = r->stamp, .origin = origin, .origin_damaged = !origin.p && r->origin};
    struct place pl = {v->pack->head.cls, PACK_SHARED, v->pack->head.number, r->offset, r->size, r->sum};
    place_put(&pl, &seen.ref);
    v->each(v->arg, &seen);
}

static int verify_large(struct verify *v)
{
    const struct pack_head *h = &v->pack->head;
    struct body_seen seen = {.stamp = h->stamp};
    struct place pl = {h->cls, PACK_LARGE, h->number, h->prefix, h->prefix + h->content, h->table_sum};
    struct large l = place_large(&pl);
    seen.status = large_check(v->pack->file, h);
    if (seen.status && seen.status != ERR_CORRUPT) return seen.status;
    char *origin = xmalloc(h->origin + 1);
    int64_t got = file_pread(v->pack->file, origin, h->origin, large_origin(&l));
    if (got == (int64_t)h->origin && crc32c(0, origin, h->origin) == h->origin_sum)
        seen.origin = sl(origin, h->origin);
    seen.origin_damaged = seen.origin.n != h->origin;
    place_put(&pl, &seen.ref);
    if (got >= 0) v->each(v->arg, &seen);
    free(origin);
    return got < 0 ? (int)got : 0;
}

static int verify_on_thread(void *arg)
{
    struct verify *v = arg;
    uint64_t end;
    int e = pack_learn(v->store, v->pack);
    if (e) return e;
    if (v->pack->damaged)
        return err_set(ERR_CORRUPT, "the header of the pack %016llx is damaged",
                       (unsigned long long)v->pack->head.number);
    if (v->pack->head.kind == PACK_LARGE) return verify_large(v);
    lock_take(&v->store->lock);
    v->bytes = v->pack->bytes;
    lock_release(&v->store->lock);
    return pack_scan(v->pack->file, &v->pack->head, v->bytes, verify_record, v, &end);
}

static int verify_pack(struct packs *b, uint64_t number, struct verify *v)
{
    int e = pack_hold(b, number, &v->pack);
    if (e) return e;
    e = body_on_thread(POOL_CARE, verify_on_thread, v);
    pack_release(b, v->pack);
    return e;
}

int packs_verify(struct body_store *base, uint64_t number,
                 void (*each)(void *arg, const struct body_seen *seen), void *arg)
{
    struct packs *b = packs_of(base);
    struct verify v = {.store = b, .each = each, .arg = arg};
    if (number) return verify_pack(b, number, &v);
    struct arena a;
    struct body_pack *pack;
    size_t n;
    ar_init(&a, 0);
    int e = packs_list(base, &a, &pack, &n), worst = 0;
    for (size_t i = 0; e == 0 && i < n; i++) {
        e = verify_pack(b, pack[i].number, &v);
        if (e == ERR_CORRUPT) worst = e, e = 0; /* a pack whose header is damaged: go on with the others */
        if (e == ERR_NOT_FOUND) e = 0;          /* dropped meanwhile */
    }
    ar_free(&a);
    return e ? e : worst;
}

/* ---- copying ---- */

struct backup {
    struct packs *b;
    const char *to;
    struct body_pack *pack;
    size_t n, cap, at;
};

/* Packs that are still written to hold nothing that the index copied before refers to. */
static void backup_list(struct backup *k, struct arena *a)
{
    k->cap = 64;
    k->pack = ar_array(a, struct body_pack, k->cap);
    lock_take(&k->b->lock);
    LIST_EACH(struct pack, p, &k->b->packs, link)
    {
        if (p->open) continue;
        if (k->n == k->cap) k->pack = ar_grow(a, k->pack, &k->cap, sizeof *k->pack);
        k->pack[k->n++] = (struct body_pack){.number = p->head.number, .cls = p->head.cls};
    }
    lock_release(&k->b->lock);
}

static int backup_pack(const struct backup *k, const struct body_pack *p)
{
    char name[PACK_NAME_MAX], from[BODY_PATH_MAX], to[BODY_PATH_MAX];
    pack_name(p->cls, p->number, false, name);
    body_path(k->b, p->cls, p->number, false, from);
    if ((size_t)snprintf(to, sizeof to, "%s/%s", k->to, name) >= sizeof to)
        return err_set(ERR_TOO_LONG, "the path is too long");
    int e = path_link(from, to);
    if (e == 0 || e == ERR_EXISTS || e == ERR_FULL) return e;
    return path_copy(from, to); /* to another file system */
}

static int backup_begin(void *arg)
{
    struct backup *k = arg;
    return path_mkdir(k->to);
}

static int backup_next(void *arg)
{
    struct backup *k = arg;
    return backup_pack(k, &k->pack[k->at]);
}

static int backup_end(void *arg)
{
    struct backup *k = arg;
    return path_sync_dir(k->to);
}

int packs_backup(struct body_store *base, const char *to, int (*go_on)(void *arg), void *arg)
{
    struct packs *b = packs_of(base);
    struct arena a;
    struct backup k = {.b = b, .to = to};
    struct append seal = {.kind = APPEND_ROTATE};
    ar_init(&a, 0);
    int e = writer_append_do(b, &seal); /* what is written from now on goes to packs that are not copied */
    if (e == 0) {
        backup_list(&k, &a);
        e = body_on_thread(POOL_CARE, backup_begin, &k);
    }
    for (; e == 0 && k.at < k.n; k.at++) {
        e = go_on ? go_on(arg) : 0;
        if (e == 0) e = body_on_thread(POOL_CARE, backup_next, &k);
    }
    if (e == 0) e = body_on_thread(POOL_CARE, backup_end, &k);
    ar_free(&a);
    return e;
}

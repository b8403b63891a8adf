/* body_mem.c - bodies in memory, for tests: an engine that shares no code with pack files, but the form of
 * references. A pack is a list of bodies; it is closed when it holds enough. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/text.h"
#include "engine.h"
#include "pack.h"

struct mem_body {
    struct link link;
    struct body_ref ref;
    uint64_t stamp, born; /* born: 0 once it was unpinned */
    size_t n, origin;
    char bytes[]; /* the body, its origin */
};
struct mem_pack {
    struct link link, bodies;
    uint64_t number, bytes, origins;
    enum body_class cls;
    unsigned pins;
    bool open;
    int64_t touched;
};
struct mem {
    struct body_store base;
    struct lock lock;
    struct link packs; /* oldest first */
    struct mem_pack *current[BODY_CLASSES];
    uint64_t pack_bytes, newest, stamped;
};
struct mem_writer {
    struct body_writer base;
    enum body_class cls;
    struct buf text;
    uint64_t stamp; /* of a body that moves; 0: it is new */
};

static struct mem *mem_of(struct body_store *b) { return CONTAINER_OF(b, struct mem, base); }
static struct mem_writer *writer_of(struct body_writer *w)
{
    return CONTAINER_OF(w, struct mem_writer, base);
}

static uint64_t stamp_now(struct mem *m)
{
    uint64_t now = (uint64_t)rt_wall();
    if (now < m->newest) now = m->newest;
    return m->stamped = now > m->stamped ? now : m->stamped + 1;
}

static struct mem_pack *find_pack(struct mem *m, uint64_t number)
{
    LIST_EACH(struct mem_pack, p, &m->packs, link)
    if (p->number == number) return p;
    return NULL;
}

static struct mem_body *find_body(struct mem *m, const struct body_ref *ref)
{
    struct mem_pack *p = find_pack(m, body_ref_pack(ref));
    if (!p) return NULL;
    LIST_EACH(struct mem_body, x, &p->bodies, link)
    if (strcmp(x->ref.s, ref->s) == 0) return x;
    return NULL;
}

static int not_there(uint64_t pack)
{
    return err_set(ERR_NOT_FOUND, "the pack %016llx is not there", (unsigned long long)pack);
}

/* ---- writing ---- */

static int mem_begin(struct body_store *b, enum body_class cls, struct body_writer **out)
{
    struct mem_writer *w = xcalloc(1, sizeof *w);
    w->base.store = b;
    w->cls = cls;
    *out = &w->base;
    return 0;
}

static int mem_write(struct body_writer *base, struct slice bytes)
{
    buf_put(&writer_of(base)->text, bytes);
    base->written += bytes.n;
    return 0;
}

static struct slice mem_small(const struct body_writer *base)
{
    const struct mem_writer *w = CONTAINER_OF(base, const struct mem_writer, base);
    return w->text.n > BODY_SMALL ? (struct slice){0} : buf_slice(&w->text);
}

static int64_t mem_read_back(struct body_writer *base, uint64_t at, void *p, size_t n)
{
    struct slice some = sl_sub(buf_slice(&writer_of(base)->text), (size_t)at, (size_t)at + n);
    if (some.n) memcpy(p, some.p, some.n);
    return (int64_t)some.n;
}

static void mem_abandon(struct body_writer *base)
{
    buf_free(&writer_of(base)->text);
    free(writer_of(base));
}

static struct mem_pack *pack_for(struct mem *m, enum body_class cls)
{
    struct mem_pack *p = m->current[cls];
    if (p && p->bytes < m->pack_bytes) return p;
    if (p) p->open = false;
    p = xcalloc(1, sizeof *p);
    p->number = stamp_now(m) > m->newest ? stamp_now(m) : m->newest + 1;
    m->newest = p->number;
    p->cls = cls;
    p->bytes = PACK_PAGE; /* places of bodies are as in a file */
    p->open = true;
    list_init(&p->bodies);
    list_push(&m->packs, &p->link);
    return m->current[cls] = p;
}

static void keep(struct mem *m, struct mem_writer *w, struct slice prefix, struct slice origin,
                 struct body_ref *ref)
{
    struct mem_body *x = xcalloc(1, sizeof *x + prefix.n + w->text.n + origin.n);
    struct mem_pack *p = pack_for(m, w->cls);
    x->n = prefix.n + w->text.n;
    x->origin = origin.n;
    if (prefix.n) memcpy(x->bytes, prefix.p, prefix.n);
    if (w->text.n) memcpy(x->bytes + prefix.n, w->text.p, w->text.n);
    if (origin.n) memcpy(x->bytes + x->n, origin.p, origin.n);
    x->stamp = w->stamp ? w->stamp : stamp_now(m);
    x->born = w->stamp ? 0 : x->stamp; /* one that moves is known */
    struct place place = {w->cls, PACK_SHARED, p->number, p->bytes, x->n, crc32c(0, x->bytes, x->n)};
    place_put(&place, &x->ref);
    p->bytes += record_span(x->n, (uint32_t)x->origin);
    p->origins += x->origin;
    p->pins++;
    p->touched = rt_now();
    list_push(&p->bodies, &x->link);
    *ref = x->ref;
}

static int mem_finish(struct body_writer *base, struct slice prefix, struct slice origin,
                      struct body_ref *ref)
{
    struct mem_writer *w = writer_of(base);
    struct mem *m = mem_of(base->store);
    int e = prefix.n > BODY_PREFIX_MAX ? ERR_TOO_LONG : origin.n > BODY_ORIGIN_MAX ? ERR_LIMIT : 0;
    lock_take(&m->lock);
    if (e == 0) keep(m, w, prefix, origin, ref);
    lock_release(&m->lock);
    mem_abandon(base);
    return e ? err_set(e, "what is put beside a body is too long") : 0;
}

static int mem_pin(struct body_store *b, const struct body_ref *ref)
{
    struct mem *m = mem_of(b);
    lock_take(&m->lock);
    struct mem_pack *p = find_pack(m, body_ref_pack(ref));
    if (p) p->pins++;
    lock_release(&m->lock);
    return p ? 0 : not_there(body_ref_pack(ref));
}

static void mem_unpin(struct body_store *b, const struct body_ref *ref)
{
    struct mem *m = mem_of(b);
    lock_take(&m->lock);
    struct mem_pack *p = find_pack(m, body_ref_pack(ref));
    struct mem_body *x = find_body(m, ref);
    if (p && p->pins) p->pins--;
    if (x) x->born = 0;
    lock_release(&m->lock);
}

/* ---- reading ---- */

static int64_t mem_read(struct body_store *b, const struct body_ref *ref, uint64_t at, void *p, size_t n)
{
    struct mem *m = mem_of(b);
    lock_take(&m->lock);
    const struct mem_body *x = find_body(m, ref);
    struct slice some = x ? sl_sub(sl(x->bytes, x->n), (size_t)(at < x->n ? at : x->n),
                                   (size_t)(at < x->n && n < x->n - at ? at + n : x->n))
                          : (struct slice){0};
    if (some.n) memcpy(p, some.p, some.n);
    lock_release(&m->lock);
    return x ? (int64_t)some.n : not_there(body_ref_pack(ref));
}

/* ---- care ---- */

static int mem_packs(struct body_store *b, struct arena *a, struct body_pack **out, size_t *n)
{
    struct mem *m = mem_of(b);
    size_t cap = 16;
    int64_t now = rt_now();
    *out = ar_array(a, struct body_pack, cap);
    *n = 0;
    lock_take(&m->lock);
    LIST_EACH(struct mem_pack, p, &m->packs, link)
    {
        if (*n == cap) *out = ar_grow(a, *out, &cap, sizeof **out);
        (*out)[(*n)++] = (struct body_pack){.number = p->number,
                                            .bytes = p->bytes,
                                            .origins = p->origins,
                                            .cls = p->cls,
                                            .open = p->open || p->pins,
                                            .age_s = (now - p->touched) / RT_S};
    }
    lock_release(&m->lock);
    return 0;
}

static void free_pack(struct mem_pack *p)
{
    for (struct link *l; (l = list_shift(&p->bodies));) free(CONTAINER_OF(l, struct mem_body, link));
    free(p);
}

static int mem_drop_pack(struct body_store *b, uint64_t number)
{
    struct mem *m = mem_of(b);
    lock_take(&m->lock);
    struct mem_pack *p = find_pack(m, number);
    bool busy = p && (p->open || p->pins);
    if (p && !busy) list_remove(&p->link);
    lock_release(&m->lock);
    if (!p) return not_there(number);
    if (busy) return err_set(ERR_BUSY, "the pack %016llx is in use", (unsigned long long)number);
    free_pack(p);
    return 0;
}

static int mem_move(struct body_store *b, const struct body_ref *from, enum body_class cls,
                    struct body_ref *to)
{
    struct mem *m = mem_of(b);
    struct mem_writer w = {.cls = cls};
    struct buf origin = BUF_INIT;
    lock_take(&m->lock);
    const struct mem_body *x = find_body(m, from);
    if (x) {
        w.stamp = x->stamp;
        buf_bytes(&w.text, x->bytes, x->n);
        buf_bytes(&origin, x->bytes + x->n, x->origin);
        keep(m, &w, SL(""), buf_slice(&origin), to);
    }
    lock_release(&m->lock);
    buf_free(&w.text);
    buf_free(&origin);
    return x ? 0 : not_there(body_ref_pack(from));
}

static uint64_t mem_stamp(struct body_store *b)
{
    struct mem *m = mem_of(b);
    lock_take(&m->lock);
    uint64_t stamp = stamp_now(m);
    lock_release(&m->lock);
    return stamp;
}

static uint64_t mem_settled(struct body_store *b)
{
    struct mem *m = mem_of(b);
    lock_take(&m->lock);
    uint64_t oldest = stamp_now(m);
    LIST_EACH(struct mem_pack, p, &m->packs, link)
    LIST_EACH(struct mem_body, x, &p->bodies, link)
    if (x->born && x->born < oldest) oldest = x->born;
    lock_release(&m->lock);
    return oldest;
}

static int mem_verify(struct body_store *b, uint64_t number,
                      void (*each)(void *arg, const struct body_seen *seen), void *arg)
{
    struct mem *m = mem_of(b);
    bool found = !number;
    lock_take(&m->lock);
    LIST_EACH(struct mem_pack, p, &m->packs, link)
    {
        if (number && p->number != number) continue;
        found = true;
        LIST_EACH(struct mem_body, x, &p->bodies, link)
        each(arg,
             &(struct body_seen){.ref = x->ref, .stamp = x->stamp, .origin = sl(x->bytes + x->n, x->origin)});
    }
    lock_release(&m->lock);
    return found ? 0 : not_there(number);
}

static int mem_backup(struct body_store *b, const char *to, int (*go_on)(void *arg), void *arg)
{
    (void)b, (void)go_on, (void)arg;
    return err_set(ERR_UNSUPPORTED, "bodies in memory are not copied to %s", to);
}

static void mem_close(struct body_store *b)
{
    struct mem *m = mem_of(b);
    for (struct link *l; (l = list_shift(&m->packs));) free_pack(CONTAINER_OF(l, struct mem_pack, link));
    free(m);
}

static const struct body_engine engine = {
    .name = "memory",
    .begin = mem_begin,
    .write = mem_write,
    .small = mem_small,
    .read_back = mem_read_back,
    .finish = mem_finish,
    .abandon = mem_abandon,
    .pin = mem_pin,
    .unpin = mem_unpin,
    .read = mem_read,
    .packs = mem_packs,
    .drop_pack = mem_drop_pack,
    .move = mem_move,
    .stamp = mem_stamp,
    .settled = mem_settled,
    .verify = mem_verify,
    .backup = mem_backup,
    .close = mem_close,
};

int body_mem_open(struct body_store **out, uint64_t pack_bytes)
{
    struct mem *m = xcalloc(1, sizeof *m);
    m->base.engine = &engine;
    m->lock = (struct lock)LOCK_INIT;
    m->pack_bytes = pack_bytes;
    list_init(&m->packs);
    *out = &m->base;
    return 0;
}

/* writer.c - a body while it arrives: small in memory, large in a pack file of its own. */
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "body_i.h"

enum { FLUSH = 4 * PACK_CHUNK };

/* The file of a large body. Until it is whole it has the name of a part and is in no table. */
struct large_out {
    struct pack_head head;
    struct file *file;
    uint64_t flushed;
    struct buf table; /* sums of the content's chunks, 4 bytes each */
};

struct pack_writer {
    struct body_writer base;
    struct packs *store;
    enum body_class cls;
    struct buf buf; /* small: all; large: what is not flushed yet */
    int error;
    struct large_out *large;
    struct slice prefix, origin; /* during writer_finish */
    uint64_t stamp;              /* of a body that moves; 0: it is new */
    struct pack *pack;
};

static struct pack_writer *writer_of(struct body_writer *w)
{
    return CONTAINER_OF(w, struct pack_writer, base);
}

int writer_begin(struct body_store *b, enum body_class cls, struct body_writer **out)
{
    struct pack_writer *w = xcalloc(1, sizeof *w);
    w->base.store = b;
    w->store = packs_of(b);
    w->cls = cls;
    *out = &w->base;
    return 0;
}

struct slice writer_small(const struct body_writer *base)
{
    const struct pack_writer *w = CONTAINER_OF(base, const struct pack_writer, base);
    return w->large ? sl(NULL, 0) : buf_slice(&w->buf);
}

static void put_sum(struct buf *table, const void *p, size_t n)
{
    uint32_t sum = crc32c(0, p, n);
    uint8_t bytes[4] = {(uint8_t)sum, (uint8_t)(sum >> 8), (uint8_t)(sum >> 16), (uint8_t)(sum >> 24)};
    buf_bytes(table, bytes, sizeof bytes);
}

/* Writes the buffer's first n bytes, whole chunks unless they are the last. On a thread. */
static int flush(struct pack_writer *w, size_t n)
{
    struct large_out *l = w->large;
    for (size_t at = 0; at < n; at += PACK_CHUNK)
        put_sum(&l->table, w->buf.p + at, n - at < PACK_CHUNK ? n - at : PACK_CHUNK);
    int e = n ? file_pwrite(l->file, w->buf.p, n, PACK_CONTENT + l->flushed) : 0;
    l->flushed += n;
    buf_drop(&w->buf, n);
    return e;
}

static int large_begin(struct pack_writer *w)
{
    struct large_out *l = xcalloc(1, sizeof *l);
    char path[BODY_PATH_MAX];
    l->head = (struct pack_head){
        .number = pack_number_new(w->store), .created = rt_wall_seconds(), .kind = PACK_LARGE, .cls = w->cls};
    rt_random(&l->head.salt, sizeof l->head.salt);
    body_path(w->store, w->cls, l->head.number, true, path);
    w->large = l;
    return file_open(&l->file, path, FILE_WRITE | FILE_CREATE | FILE_EXCL);
}

static int spill(void *arg)
{
    struct pack_writer *w = arg;
    int e = w->large ? 0 : large_begin(w);
    return e ? e : flush(w, w->buf.n / PACK_CHUNK * PACK_CHUNK);
}

int writer_write(struct body_writer *base, struct slice bytes)
{
    struct pack_writer *w = writer_of(base);
    while (!w->error && bytes.n) {
        size_t room = FLUSH - w->buf.n % FLUSH, n = bytes.n < room ? bytes.n : room;
        buf_put(&w->buf, sl_sub(bytes, 0, n));
        w->base.written += n;
        bytes = sl_from(bytes, n);
        bool full = w->large ? w->buf.n >= FLUSH : w->base.written > BODY_SMALL;
        if (full) w->error = body_on_thread(POOL_DISK, spill, w);
    }
    return w->error;
}

/* What is flushed lies in the file, the rest in the buffer. */
int64_t writer_read_back(struct body_writer *base, uint64_t at, void *p, size_t n)
{
    struct pack_writer *w = writer_of(base);
    uint64_t flushed = w->large ? w->large->flushed : 0;
    if (w->error) return w->error;
    if (at >= w->base.written) return 0;
    if (n > w->base.written - at) n = (size_t)(w->base.written - at);
    if (at >= flushed) {
        memcpy(p, w->buf.p + (at - flushed), n);
        return (int64_t)n;
    }
    if (n > flushed - at) n = (size_t)(flushed - at);
    return file_read(w->large->file, p, n, PACK_CONTENT + at);
}

/* ---- the end of a large body ---- */

/* Chunks of the prefix lie on the content's grid, counted backwards. */
static void prefix_sums(struct slice prefix, struct buf *table)
{
    size_t first = prefix.n % PACK_CHUNK;
    if (first) put_sum(table, prefix.p, first);
    for (size_t at = first; at < prefix.n; at += PACK_CHUNK) put_sum(table, prefix.p + at, PACK_CHUNK);
}

static int write_ends(struct pack_writer *w, struct buf *table)
{
    struct large_out *l = w->large;
    struct large shape = {.content = l->head.content, .prefix = l->head.prefix};
    uint8_t page[PACK_PAGE];
    pack_head_put(&l->head, page);
    int e = file_pwrite(l->file, page, sizeof page, 0);
    if (e == 0 && w->prefix.n) e = file_pwrite(l->file, w->prefix.p, w->prefix.n, large_start(&shape));
    if (e == 0) e = file_pwrite(l->file, table->p, table->n, large_table(&shape));
    if (e == 0 && w->origin.n) e = file_pwrite(l->file, w->origin.p, w->origin.n, large_origin(&shape));
    return e ? e : file_sync(l->file);
}

static void large_to_table(struct pack_writer *w)
{
    struct large_out *l = w->large;
    struct pack *p = xcalloc(1, sizeof *p);
    *p = (struct pack){.head = l->head, .last = l->head.created, .file = l->file, .pins = 1, .known = true};
    p->origins = l->head.origin;
    p->bytes = PACK_CONTENT + l->head.content;
    l->file = NULL;
    w->pack = p;
    pack_add(w->store, p);
    files_trim(w->store);
}

static int large_end(void *arg)
{
    struct pack_writer *w = arg;
    struct large_out *l = w->large;
    struct buf table = BUF_INIT;
    int e = flush(w, w->buf.n);
    prefix_sums(w->prefix, &table);
    buf_put(&table, buf_slice(&l->table));
    l->head.content = w->base.written;
    l->head.prefix = (uint32_t)w->prefix.n;
    l->head.table_sum = crc32c(0, table.p, table.n);
    l->head.origin = (uint32_t)w->origin.n;
    l->head.origin_sum = crc32c(0, w->origin.p, w->origin.n);
    l->head.stamp = w->stamp ? w->stamp : packs_stamp(&w->store->base);
    if (e == 0) e = write_ends(w, &table);
    if (e == 0) e = pack_publish(w->store, &l->head);
    if (e == 0) large_to_table(w);
    buf_free(&table);
    return e;
}

/* ---- ends ---- */

static int large_abandon(void *arg)
{
    struct pack_writer *w = arg;
    char path[BODY_PATH_MAX];
    body_path(w->store, w->cls, w->large->head.number, true, path);
    file_close(&w->large->file);
    return path_unlink(path);
}

static void writer_free(struct pack_writer *w)
{
    /* A file that cannot be removed now is removed at the next open. */
    if (w->large && w->large->file) (void)!body_on_thread(POOL_DISK, large_abandon, w);
    if (w->large) buf_free(&w->large->table);
    free(w->large);
    buf_free(&w->buf);
    free(w);
}

void writer_abandon(struct body_writer *w) { writer_free(writer_of(w)); }

static int small_end(struct pack_writer *w, struct body_ref *ref)
{
    struct append a = {.cls = w->cls, .prefix = w->prefix, .bytes = buf_slice(&w->buf)};
    a.origin = w->origin;
    a.stamp = w->stamp;
    a.sum = crc32c(crc32c(0, a.prefix.p, a.prefix.n), a.bytes.p, a.bytes.n);
    int e = writer_append_do(w->store, &a);
    if (e) return e;
    struct place place = {w->cls, PACK_SHARED, a.pack->head.number, a.record.offset, a.record.size, a.sum};
    place_put(&place, ref);
    return 0;
}

static int finish(struct pack_writer *w, struct body_ref *ref)
{
    if (w->error) return w->error;
    if (w->prefix.n > BODY_PREFIX_MAX)
        return err_set(ERR_TOO_LONG, "the header fields put in front of a letter are too long");
    if (w->origin.n > BODY_ORIGIN_MAX)
        return err_set(ERR_LIMIT, "what the record of a body says of its origin is too long");
    if (!w->large) return small_end(w, ref);
    int e = body_on_thread(POOL_DISK, large_end, w);
    if (e) return e;
    const struct pack_head *h = &w->pack->head;
    struct place place = {w->cls, PACK_LARGE, h->number, h->prefix, h->prefix + h->content, h->table_sum};
    place_put(&place, ref);
    return 0;
}

int writer_finish(struct body_writer *base, struct slice prefix, struct slice origin, struct body_ref *ref)
{
    struct pack_writer *w = writer_of(base);
    struct packs *b = w->store;
    struct newborn *born = w->stamp ? NULL : newborn_begin(b); /* one that moves is known */
    w->prefix = prefix;
    w->origin = origin;
    int e = finish(w, ref);
    if (born) newborn_named(b, born, e ? NULL : ref);
    char why[ERR_TEXT_MAX] = "";
    if (e) memcpy(why, err_text(e), strnlen(err_text(e), sizeof why - 1));
    writer_free(w);
    return e ? err_set(e, "%s", why) : 0;
}

void writer_stamp(struct body_writer *w, uint64_t stamp) { writer_of(w)->stamp = stamp; }

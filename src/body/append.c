/* append.c - the worker that appends small bodies: a group of them in one write, then one fdatasync.
 *
 * The file is made as long as a full pack at once (a hole), so that a sync need
 * not write a new size each time; the seal cuts it to what is used. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "body_i.h"

static int write_head(struct pack *p)
{
    uint8_t page[PACK_PAGE];
    pack_head_put(&p->head, page);
    int e = file_pwrite(p->file, page, sizeof page, 0);
    return e ? e : file_sync(p->file);
}

/* The header is durable before the name is, so a pack under its final name has a header. */
static int pack_create(struct packs *b, enum body_class cls, struct pack **out)
{
    struct pack *p = xcalloc(1, sizeof *p);
    char path[BODY_PATH_MAX];
    p->head = (struct pack_head){.number = pack_number_new(b), .created = rt_wall_seconds(), .cls = cls};
    rt_random(&p->head.salt, sizeof p->head.salt);
    p->bytes = PACK_PAGE;
    p->last = p->head.created;
    p->open = p->known = true;
    body_path(b, cls, p->head.number, true, path);
    int e = file_open(&p->file, path, FILE_WRITE | FILE_CREATE | FILE_EXCL);
    if (e == 0) e = write_head(p);
    if (e == 0) e = pack_publish(b, &p->head);
    if (e == 0) e = file_truncate(p->file, b->pack_bytes + PACK_PAGE);
    if (e == 0) {
        pack_add(b, p);
        *out = p;
        return 0;
    }
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", err_text(e));
    /* Whichever name it has: what cannot be removed now is found, and swept, after the next start. */
    if (p->file && path_unlink(path)) {
        body_path(b, cls, p->head.number, false, path);
        (void)!path_unlink(path);
    }
    file_close(&p->file);
    free(p);
    return err_set(e, "%s", why);
}

/* Ends the current pack of the class. One that could not be written any more gets its seal when it is opened
 * next. */
static int rotate(struct packs *b, enum body_class cls, bool seal)
{
    struct pack *p = b->current[cls];
    if (!p) return 0;
    int e = seal ? pack_seal(p, p->last) : 0;
    pack_closes(b, p);
    b->current[cls] = NULL;
    return e;
}

static int ready_pack(struct packs *b, enum body_class cls)
{
    struct pack *p = b->current[cls];
    if (p && p->bytes < b->pack_bytes && !stamps_need_pack(b, p)) return 0;
    if (rotate(b, cls, true)) log_warn("body", "a pack could not be sealed: %s", err_text(ERR_IO));
    return pack_create(b, cls, &b->current[cls]);
}

static size_t part_add(struct file_part *part, size_t n, const void *p, size_t len)
{
    if (len) part[n++] = (struct file_part){p, len};
    return n;
}

/* One write and one sync for all; then each knows where it lies. */
static int group_write(struct packs *b, struct pack *p, struct append **in, size_t n)
{
    static const uint8_t zeros[8];
    struct file_part part[5 * BODY_GROUP_MAX];
    size_t parts = 0;
    uint64_t at = p->bytes, origins = 0;
    lock_take(&b->lock);
    uint64_t stamp = stamp_new(b);
    lock_release(&b->lock);
    for (size_t i = 0; i < n; i++) {
        struct append *a = in[i];
        uint64_t size = a->prefix.n + a->bytes.n;
        uint32_t origin = (uint32_t)a->origin.n;
        a->record = (struct record){.offset = at,
                                    .size = size,
                                    .sum = a->sum,
                                    .origin = origin,
                                    .origin_sum = crc32c(0, a->origin.p, origin),
                                    .stamp = a->stamp ? a->stamp : stamp};
        record_put(&p->head, &a->record, a->header);
        parts = part_add(part, parts, a->header, RECORD_HEADER);
        parts = part_add(part, parts, a->prefix.p, a->prefix.n);
        parts = part_add(part, parts, a->bytes.p, a->bytes.n);
        parts = part_add(part, parts, a->origin.p, origin);
        parts =
            part_add(part, parts, zeros, (size_t)(record_span(size, origin) - RECORD_HEADER - size - origin));
        at += record_span(size, origin);
        origins += origin;
    }
    int e = file_pwritev(p->file, part, parts, p->bytes);
    if (e == 0) e = file_sync(p->file);
    if (e) return e;
    lock_take(&b->lock);
    p->bytes = at;
    p->origins += origins;
    p->last = rt_wall_seconds();
    p->touched = rt_now();
    p->pins += (unsigned)n;
    lock_release(&b->lock);
    return 0;
}

static void answer(struct append *a, struct pack *p, int status)
{
    a->pack = p;
    a->status = status;
    if (status) snprintf(a->why, sizeof a->why, "%s", err_text(status));
}

static void append_group(struct packs *b, enum body_class cls, struct append **in, size_t n)
{
    int e = ready_pack(b, cls);
    struct pack *p = b->current[cls];
    if (e == 0) e = group_write(b, p, in, n);
    for (size_t i = 0; i < n; i++) answer(in[i], p, e);
    if (e == 0 || !b->current[cls]) return;
    /* Nothing is known about the rest of this file: it gives its space back and is not written any more. */
    (void)!file_truncate(p->file, p->bytes);
    (void)!rotate(b, cls, false);
}

void writer_append_handle(void *ctx, struct job *jobs)
{
    struct packs *b = ctx;
    for (int cls = 0; cls < BODY_CLASSES; cls++) {
        struct append *in[BODY_GROUP_MAX];
        size_t n = 0;
        for (struct job *j = jobs; j; j = j->next) {
            struct append *a = CONTAINER_OF(j, struct append, job);
            if (a->kind == APPEND_BODY && (int)a->cls == cls) in[n++] = a;
        }
        if (n) append_group(b, (enum body_class)cls, in, n);
    }
    for (struct job *j = jobs; j; j = j->next) {
        struct append *a = CONTAINER_OF(j, struct append, job);
        if (a->kind != APPEND_ROTATE) continue;
        int first = 0;
        for (int cls = 0; cls < BODY_CLASSES; cls++) {
            int e = rotate(b, (enum body_class)cls, true);
            if (!first) first = e;
        }
        answer(a, NULL, first);
    }
}

int writer_append_do(struct packs *b, struct append *a)
{
    a->status = ERR_CANCELED;
    worker_do(b->worker, &a->job);
    return a->status && a->why[0] ? err_set(a->status, "%s", a->why) : a->status;
}

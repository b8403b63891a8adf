/* reader.c - a stored message's bytes, its header section and its parts. */
#include "reader.h"

#include <stdlib.h>

#include "base/log.h"
#include "mail/head.h"
#include "reader_i.h"
#include "rt/rt.h"

enum { TREE_KEPT = 64 * 1024 };

struct reader *reader_of(struct store *store, struct mailbox_ref box, const struct message *m)
{
    struct reader *rd = xcalloc(1, sizeof *rd);
    rd->store = store;
    rd->box = box;
    rd->m = *m;
    ar_init(&rd->tree_a, 0);
    ar_init(&rd->all_a, 0);
    ar_init(&rd->patch_a, 0);
    return rd;
}

int reader_open(struct reader **out, struct store *store, struct mailbox_ref box, uint32_t uid,
                const struct message *known)
{
    ASSERT(store && *box.account);
    struct message m;
    *out = NULL;
    int e = known ? 0 : reader_record_of(store, box, uid, &m);
    if (e) return e;
    *out = reader_of(store, box, known ? known : &m);
    return 0;
}

void reader_close(struct reader **rd)
{
    if (!*rd) return;
    reader_close(&(*rd)->surrogate);
    ar_free(&(*rd)->tree_a);
    ar_free(&(*rd)->all_a);
    ar_free(&(*rd)->patch_a);
    free((*rd)->window);
    free(*rd);
    *rd = NULL;
}

void reader_trim(struct reader **rd)
{
    struct reader *x = *rd;
    if (!x) return;
    reader_trim(&x->surrogate);
    if (x->tree_a.used + x->patch_a.used > TREE_KEPT || (!x->tree && !x->as_is)) {
        reader_close(rd);
        return;
    }
    ar_free(&x->all_a);
    x->all = (struct slice){0};
    free(x->window);
    x->window = NULL;
    x->window_n = 0;
}

static int load_small(struct reader *rd)
{
    if (rd->all.p || !rd->m.size || rd->m.size > BODY_SMALL) return 0;
    char *p = ar_alloc(&rd->all_a, rd->m.size);
    int64_t got = reader_bytes(rd, 0, p, rd->m.size);
    if (got < 0) return (int)got;
    rd->all = sl(p, (size_t)got);
    return 0;
}

int64_t reader_read(struct reader *rd, uint64_t at, void *p, size_t n)
{
    int e = load_small(rd);
    if (e) return e;
    if (!rd->all.p) return reader_bytes(rd, at, p, n);
    if (at >= rd->all.n) return 0;
    if (n > rd->all.n - at) n = rd->all.n - (size_t)at;
    memcpy(p, rd->all.p + at, n);
    return (int64_t)n;
}

int reader_range(struct reader *rd, uint64_t at, uint64_t n, struct arena *a, struct slice *out)
{
    if (n > READER_HEAD_MAX) n = READER_HEAD_MAX;
    char *p = ar_alloc(a, n + 1);
    size_t have = 0;
    while (have < n) {
        int64_t got = reader_read(rd, at + have, p + have, (size_t)n - have);
        if (got < 0) return (int)got;
        if (!got) break;
        have += (size_t)got;
    }
    *out = sl(p, have);
    return 0;
}

int reader_tree(struct reader *rd)
{
    if (rd->tree) return 0;
    char *chunk = xmalloc(READER_CHUNK);
    struct mime_parser *p = mime_begin(&rd->tree_a);
    int64_t got;
    for (uint64_t at = 0; (got = reader_read(rd, at, chunk, READER_CHUNK)) > 0; at += (uint64_t)got) {
        mime_feed(p, sl(chunk, (size_t)got));
        fiber_breathe();
    }
    free(chunk);
    if (got < 0) {
        mime_abandon(p);
        ar_free(&rd->tree_a);
        return (int)got;
    }
    rd->tree = mime_finish(p);
    return 0;
}

int reader_head_size(struct reader *rd, uint64_t *out)
{
    struct arena a;
    struct slice head;
    int e = 0;
    if (!rd->head_size && (!rd->m.head_size || rd->m.head_size > READER_HEAD_MAX)) {
        e = reader_tree(rd);
        if (!e) *out = rd->tree->root->head_size;
        return e;
    }
    ar_init(&a, 0);
    if (!rd->head_size) e = reader_range(rd, 0, rd->m.head_size, &a, &head);
    if (!e && !rd->head_size) rd->head_size = mail_head_end(head) + 1;
    ar_free(&a);
    if (!e) *out = rd->head_size - 1;
    return e;
}

int reader_head(struct reader *rd, struct arena *a, struct slice *out)
{
    uint64_t n;
    int e = reader_head_size(rd, &n);
    return e ? e : reader_range(rd, 0, n, a, out);
}

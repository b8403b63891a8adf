/* surrogate.c - a message in UTF-8 as one that says the same in ASCII (RFC 6858): its bytes, with patches
 * where the fields are. Its parts are found and its header sections read once; bodies are never copied. */
#include "mail/surrogate.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "reader.h"
#include "reader_i.h"
#include "rt/rt.h"

/* The part that follows in the message. */
static const struct mime_part *next_part(const struct mime_part *p)
{
    if (p->child) return p->child;
    while (p && !p->next) p = p->parent;
    return p ? p->next : NULL;
}

/* each() hears of bytes [at, end), until it says no. */
static int walk(struct reader *rd, uint64_t at, uint64_t end, bool (*each)(void *arg, struct slice piece),
                void *arg)
{
    char *chunk = xmalloc(READER_CHUNK);
    int64_t got = 0;
    while (at < end) {
        got = reader_read(rd, at, chunk, end - at < READER_CHUNK ? (size_t)(end - at) : READER_CHUNK);
        if (got <= 0 || !each(arg, sl(chunk, (size_t)got))) break;
        at += (uint64_t)got;
        fiber_breathe();
    }
    free(chunk);
    return got < 0 ? (int)got : 0;
}

static bool look(void *arg, struct slice piece)
{
    bool *ascii = arg;
    return *ascii = is_ascii(piece);
}

static bool patch(void *arg, struct slice piece)
{
    mail_surrogate_next(arg, piece);
    return true;
}

/* Does an empty line end the header section? */
static int ends_empty(struct reader *rd, const struct mime_part *p, bool *out)
{
    char last[3] = "";
    size_t n = p->head_size < sizeof last ? (size_t)p->head_size : sizeof last;
    int64_t got = n ? reader_read(rd, p->head_at + p->head_size - n, last, n) : 0;
    struct slice s = sl(last, got > 0 ? (size_t)got : 0);
    *out = sl_ends(s, SL("\n\r\n")) || sl_ends(s, SL("\n\n")) || (p->head_size < 3 && sl_ends(s, SL("\n")));
    return got < 0 ? (int)got : 0;
}

static int patch_heads(struct reader *rd, struct mail_surrogate *x)
{
    const struct mime_part *root = rd->tree->root;
    int e = 0;
    for (const struct mime_part *p = root; p && !e; p = next_part(p)) {
        bool empty = true;
        mail_surrogate_head(x, p->head_at);
        e = walk(rd, p->head_at, p->head_at + p->head_size, patch, x);
        mail_surrogate_head_end(x);
        /* What cannot be a field is text; who takes all up to an empty line for fields is given one. */
        if (!e && x->all && p == root && p->body_size) e = ends_empty(rd, p, &empty);
        if (!e && !empty) mail_surrogate_insert(x, p->body_at, SL("\r\n"));
    }
    return e;
}

static struct reader *patched(const struct reader *rd, const struct mail_surrogate *x)
{
    const struct mime_part *root = rd->tree->root;
    struct reader *to = reader_of(rd->store, rd->box, &rd->m);
    uint64_t at = 0, from = 0;
    to->patch = ar_array(&to->patch_a, struct reader_patch, x->n);
    to->npatch = x->n;
    to->stored = rd->m.size;
    to->m.head_size = (uint32_t)root->head_size;
    for (size_t i = 0; i < x->n; i++) {
        const struct mail_patch *p = &x->patch[i];
        at += p->from - from;
        from = p->to;
        to->patch[i] = (struct reader_patch){at, from, ar_dup(&to->patch_a, p->text)};
        at += p->text.n;
        if (p->to <= root->head_at + root->head_size)
            to->m.head_size = (uint32_t)(at + root->head_size - p->to);
    }
    to->m.size = at + rd->m.size - from;
    return to;
}

static bool fits(struct slice head)
{
    return head.n < READER_HEAD_MAX && sl_ends(head, SL("\n\r\n")) && is_ascii(head);
}

/* Most have no such byte at all; of the others, most have them in the only body there is. */
static int seems_plain(struct reader *rd, struct arena *a, bool *out)
{
    struct slice head;
    *out = true;
    int e = walk(rd, 0, rd->m.size, look, out);
    if (e || *out || rd->tree) return e;
    e = reader_head(rd, a, &head);
    *out = !e && fits(head) && mime_parse(a, head)->root->kind == MIME_LEAF;
    return e;
}

static int make_surrogate(struct reader *rd, struct arena *a, bool all)
{
    struct mail_surrogate x;
    int e = reader_tree(rd);
    if (e) return e;
    mail_surrogate_begin(&x, a, all);
    e = patch_heads(rd, &x);
    mail_surrogate_end(&x);
    if (!e && x.n) rd->surrogate = patched(rd, &x);
    rd->as_is = !e && !x.n;
    return e;
}

int reader_surrogate(struct reader *rd, bool all, struct reader **out)
{
    struct arena a;
    bool plain = false;
    int e = 0;
    ASSERT(!rd->npatch);
    ar_init(&a, 0);
    if (!rd->as_is && !rd->surrogate) e = seems_plain(rd, &a, &plain);
    if (plain && !e) rd->as_is = true;
    if (!e && !rd->as_is && !rd->surrogate) e = make_surrogate(rd, &a, all);
    ar_free(&a);
    *out = rd->surrogate;
    return e;
}

int reader_head_surrogate(struct reader *rd, bool all, struct reader **out)
{
    struct arena a;
    struct slice head;
    ASSERT(!rd->npatch);
    *out = rd->surrogate;
    if (rd->as_is || rd->surrogate) return 0;
    ar_init(&a, 0);
    int e = reader_head(rd, &a, &head);
    bool ascii = !e && fits(head);
    ar_free(&a);
    return e || ascii ? e : reader_surrogate(rd, all, out);
}

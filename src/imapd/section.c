/* section.c - the bytes that BODY[...] names, for FETCH and for URLs (RFC 9051 section 6.4.5.1). */
#include <string.h>

#include "imapd_i.h"
#include "mail/mime_imap.h"
#include "reader/reader.h"

void imapd_hide_nuls(char *p, size_t n)
{
    for (char *at; (at = memchr(p, 0, n)); n -= (size_t)(at + 1 - p), p = at + 1) *at = '?';
}

static enum mime_what what_of(enum imap_text t)
{
    static const enum mime_what whats[] = {MIME_WHOLE,  MIME_HEADER, MIME_HEADER,
                                           MIME_HEADER, MIME_TEXT,   MIME_MIME};
    return whats[t];
}

/* The parts of a message are only looked for when they matter. */
int imapd_section_find(struct reader *rd, const struct imap_fetch_item *it, struct mime_range *out)
{
    uint64_t head = 0;
    if (it->npath) {
        int e = reader_tree(rd);
        if (e) return e;
        bool found = mime_imap_section(rd->tree, it->path, it->npath, what_of(it->text), out);
        return found ? 0 : err_set(ERR_NOT_FOUND, "there is no such section");
    }
    uint64_t size = rd->m.size;
    int e = it->text == IMAP_WHOLE ? 0 : reader_head_size(rd, &head);
    if (head > size) head = size;
    *out = it->text == IMAP_WHOLE  ? (struct mime_range){.size = size}
           : it->text == IMAP_TEXT ? (struct mime_range){.at = head, .size = size - head}
                                   : (struct mime_range){.size = head};
    return e;
}

struct mime_range imapd_section_cut(struct mime_range r, const struct imap_fetch_item *it)
{
    if (!it->partial) return r;
    uint64_t from = it->from < r.size ? it->from : r.size;
    uint64_t n = r.size - from < it->count ? r.size - from : it->count;
    return (struct mime_range){r.at + from, n, r.within};
}

static int gather(void *arg, struct slice piece)
{
    struct buf *b = arg;
    buf_put(b, piece);
    return b->over;
}

/* A header section to look into, in the arena. */
static int section_head(struct reader *rd, struct mime_range where, struct arena *a, struct slice *out)
{
    struct buf b;
    if (!where.within) return reader_range(rd, where.at, where.size, a, out);
    buf_init(&b, READER_HEAD_MAX);
    int e = reader_span(rd, (struct reader_span){where.within, where.at, where.size}, gather, &b);
    *out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return e < 0 ? e : 0;
}

int imapd_section_fields(struct reader *rd, const struct imap_fetch_item *it, struct arena *a,
                         struct slice *out)
{
    struct mime_range where;
    struct slice head;
    struct buf b = BUF_INIT;
    int e = imapd_section_find(rd, it, &where);
    if (!e) e = section_head(rd, where, a, &head);
    if (e) return e;
    mime_imap_fields(&b, a, head, it->field, it->nfields, it->text == IMAP_HEADER_FIELDS_NOT);
    struct mime_range part = imapd_section_cut((struct mime_range){.size = b.n}, it);
    *out = ar_dup(a, sl_sub(buf_slice(&b), part.at, part.at + part.size));
    buf_free(&b);
    return 0;
}

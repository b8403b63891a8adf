/* file.c - an answer that stays the same until what it tells changes: conditional requests (RFC 9110 section
 * 13), one range of bytes (section 14), gzip (section 8.4.1.3). */
#include <zlib.h>

#include "base/text.h"
#include "httpd_i.h"

enum { GZIP = 15 + 16 };

static struct slice asked(struct http_call *c, const char *name)
{
    return sl_trim(http_request_value(c->request, sl_cstr(name)));
}

/* ---- names of states ---- */

/* Is the tag among those of the list? strong: a weak one is no match (section 8.8.3.2). */
static bool is_among(struct slice list, struct slice tag, bool strong)
{
    if (sl_eq(list, SL("*"))) return true;
    while (list.n) {
        bool weak = sl_starts(list, SL("W/"));
        if (weak) list = sl_from(list, 2);
        size_t end = list.n && list.p[0] == '"' ? sl_chr(sl_from(list, 1), '"') : SL_NONE;
        if (end != SL_NONE) {
            if (sl_eq(sl_sub(list, 0, end + 2), tag) && !(weak && strong)) return true;
            list = sl_from(list, end + 2);
        } else {
            list = sl_from(list, 1);
        }
    }
    return false;
}

/* ---- a range ---- */

enum range { RANGE_NONE, RANGE_PART, RANGE_BEYOND };

/* What is none, or several, is not heard: the whole is the answer (section 14.2). */
static enum range range_of(struct http_call *c, struct slice tag, size_t n, uint64_t *from, uint64_t *to)
{
    struct slice s = asked(c, "Range"), only = asked(c, "If-Range"), first;
    if (c->request->method != HTTP_GET || !sl_startsi(s, SL("bytes=")) || sl_chr(s, ',') != SL_NONE)
        return RANGE_NONE;
    if (only.n && !(sl_starts(only, SL("\"")) && sl_eq(only, tag))) return RANGE_NONE;
    s = sl_from(s, 6);
    if (!sl_next(&s, '-', &first) || !s.p) return RANGE_NONE;
    if (!first.n) { /* the last so many */
        if (!num_u64(s, UINT64_MAX, from)) return RANGE_NONE;
        if (!*from || !n) return RANGE_BEYOND;
        *from = *from < n ? n - *from : 0;
        *to = n - 1;
        return RANGE_PART;
    }
    *to = UINT64_MAX;
    if (!num_u64(first, UINT64_MAX, from) || (s.n && !num_u64(s, UINT64_MAX, to)) || *to < *from)
        return RANGE_NONE;
    if (*from >= n) return RANGE_BEYOND;
    if (*to >= n) *to = n - 1;
    return RANGE_PART;
}

/* ---- gzip ---- */

static bool takes_gzip(struct http_call *c)
{
    struct slice list = asked(c, "Accept-Encoding"), one, name;
    while (sl_next(&list, ',', &one)) {
        one = sl_trim(one);
        if (!sl_next(&one, ';', &name) || !sl_eqi(sl_trim(name), SL("gzip"))) continue;
        struct slice q = sl_trim(one);
        if (!sl_startsi(q, SL("q="))) return true;
        for (size_t i = 2; i < q.n; i++)
            if (q.p[i] >= '1' && q.p[i] <= '9') return true;
        return false; /* q=0 (section 12.4.2) */
    }
    return false;
}

void http_gzip(struct buf *out, struct slice in)
{
    z_stream z = {0};
    buf_clear(out);
    if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK) return;
    z.next_out = (Bytef *)buf_space(out, in.n);
    z.next_in = (Bytef *)in.p;
    z.avail_in = (uInt)in.n;
    z.avail_out = (uInt)in.n;
    if (deflate(&z, Z_FINISH) == Z_STREAM_END) out->n = z.total_out;
    deflateEnd(&z);
}

/* ---- the answer ---- */

static bool is_changed(struct http_call *c, struct slice tag)
{
    struct slice list = asked(c, "If-None-Match");
    return !list.n || !is_among(list, tag, false);
}

void http_file(struct http_call *c, const char *type, struct slice body, struct slice zipped)
{
    unsigned long long hash = hash_stable(body, false);
    struct slice tag = ar_printf(c->a, "\"%016llx-%zx\"", hash, body.n), match = asked(c, "If-Match");
    struct slice tag_zipped = ar_printf(c->a, "\"%016llx-%zx-gzip\"", hash, body.n);
    uint64_t from = 0, to = 0;
    enum range part = range_of(c, tag, body.n, &from, &to);
    http_field(c, "Cache-Control", SL("no-cache")); /* kept, and asked about each time */
    http_field(c, "Vary", SL("Accept-Encoding"));
    http_field(c, "Accept-Ranges", SL("bytes"));
    if (match.n && !is_among(match, tag, true) && !(zipped.n && is_among(match, tag_zipped, true))) {
        http_fail(c, 412, "it is another one by now (If-Match)");
        return;
    }
    if (part == RANGE_NONE && zipped.n && takes_gzip(c)) {
        tag = tag_zipped;
        http_field(c, "Content-Encoding", SL("gzip"));
        body = zipped;
    }
    http_field(c, "ETag", tag);
    if (!is_changed(c, tag)) {
        http_answer(c, 304, NULL, SL(""));
    } else if (part == RANGE_BEYOND) {
        http_field(c, "Content-Range", ar_printf(c->a, "bytes */%zu", body.n));
        http_answer(c, 416, NULL, SL(""));
    } else if (part == RANGE_PART) {
        http_field(
            c, "Content-Range",
            ar_printf(c->a, "bytes %llu-%llu/%zu", (unsigned long long)from, (unsigned long long)to, body.n));
        http_answer(c, 206, type, sl_sub(body, (size_t)from, (size_t)to + 1));
    } else {
        http_answer(c, 200, type, body);
    }
}

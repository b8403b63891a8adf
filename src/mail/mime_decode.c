/* mime_decode.c - quoted-printable and base64 as streams (RFC 2045 sections 6.7, 6.8). */
#include "base/text.h"
#include "mime.h"

void mime_decode_begin(struct mime_decoder *d, enum mime_encoding e)
{
    *d = (struct mime_decoder){.encoding = e};
}

static int digit64(unsigned char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The bytes of a last, incomplete group; their number. */
static size_t end64(struct mime_decoder *d, char *to)
{
    size_t n = 0;
    if (d->have >= 2) to[n++] = (char)(d->word >> (d->have * 6 - 8));
    if (d->have == 3) to[n++] = (char)(d->word >> 2);
    d->have = 0;
    d->word = 0;
    return n;
}

/* Padding ends a run of base64; what follows it begins a new one (joined texts). */
static void decode64_piece(struct mime_decoder *d, struct slice in, struct buf *out)
{
    char *to = buf_space(out, in.n / 4 * 3 + 6);
    size_t n = 0;
    if (!to) return;
    for (size_t i = 0; i < in.n; i++) {
        int v = digit64((unsigned char)in.p[i]);
        if (v < 0) {
            if (in.p[i] == '=') n += end64(d, to + n);
            continue;
        }
        d->word = d->word << 6 | (uint32_t)v;
        if (++d->have < 4) continue;
        to[n++] = (char)(d->word >> 16), to[n++] = (char)(d->word >> 8), to[n++] = (char)d->word;
        d->have = 0;
        d->word = 0;
    }
    out->n += n;
}

/* In pieces, so that a cap of `out` counts what comes out, not what goes in. */
static void decode64(struct mime_decoder *d, struct slice in, struct buf *out)
{
    enum { PIECE = 16384 };
    for (; in.n && !out->over; in = sl_from(in, PIECE)) decode64_piece(d, sl_sub(in, 0, PIECE), out);
}

static void release(struct mime_decoder *d, struct buf *out)
{
    buf_bytes(out, d->hold, d->have);
    d->have = 0;
}

/* hold begins with '='. True when c was used up. */
static bool after_equals(struct mime_decoder *d, char c, struct buf *out)
{
    uint64_t v;
    if (c == '\n' &&
        (d->have == 1 || d->hold[d->have - 1] == '\r' || d->hold[1] == ' ' || d->hold[1] == '\t')) {
        d->have = 0; /* soft line break */
        return true;
    }
    d->hold[d->have++] = c;
    if (d->have == 2 && (is_alnum(c) || c == '\r' || c == ' ' || c == '\t')) return true;
    if (d->have == 3 && is_alnum(d->hold[1]) && num_hex64(sl(d->hold + 1, 2), &v)) {
        buf_char(out, (char)v);
        d->have = 0;
        return true;
    }
    if (!is_alnum(d->hold[1]) && (c == ' ' || c == '\t' || c == '\r') && d->have < sizeof d->hold)
        return true;
    d->have--; /* no escape at all: what was held stands for itself */
    release(d, out);
    return false;
}

static void decode_qp(struct mime_decoder *d, struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (d->have && d->hold[0] == '=') {
            if (after_equals(d, c, out)) continue;
        }
        if (c == ' ' || c == '\t' || c == '\r') { /* blanks at the end of a line do not count */
            if (d->have == sizeof d->hold) release(d, out);
            d->hold[d->have++] = c;
            continue;
        }
        if (c == '\n') {
            bool cr = d->have && d->hold[d->have - 1] == '\r';
            d->have = 0;
            buf_put(out, cr ? SL("\r\n") : SL("\n"));
            continue;
        }
        release(d, out);
        if (c == '=') d->hold[d->have++] = c;
        else buf_char(out, c);
    }
}

void mime_decode(struct mime_decoder *d, struct slice in, struct buf *out)
{
    if (d->encoding == MIME_BASE64) decode64(d, in, out);
    else if (d->encoding == MIME_QP) decode_qp(d, in, out);
    else buf_put(out, in);
}

void mime_decode_end(struct mime_decoder *d, struct buf *out)
{
    char rest[3];
    if (d->encoding == MIME_BASE64) buf_bytes(out, rest, end64(d, rest));
    else if (d->encoding == MIME_QP && !(d->have == 1 && d->hold[0] == '=')) release(d, out);
    d->have = 0;
}

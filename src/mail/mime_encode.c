/* mime_encode.c - quoted-printable and base64 as streams, the way there (RFC 2045 sections 6.7, 6.8). */
#include "base/text.h"
#include "mime.h"

enum { LINE64 = 57, LINE_QP = 75 }; /* bytes of a line of 76 digits; characters before a soft break */

void mime_encode_begin(struct mime_encoder *e, enum mime_encoding to)
{
    *e = (struct mime_encoder){.encoding = to};
}

/* ---- base64 ---- */

static void line64(struct mime_encoder *e, struct buf *out)
{
    if (e->lines++) buf_str(out, "\r\n");
    b64_encode(out, sl(e->hold, e->have));
    e->have = 0;
}

static void encode64(struct mime_encoder *e, struct slice in, struct buf *out)
{
    while (in.n) {
        size_t n = LINE64 - e->have < in.n ? LINE64 - e->have : in.n;
        memcpy(e->hold + e->have, in.p, n);
        e->have += n;
        in = sl_from(in, n);
        if (e->have == LINE64) line64(e, out);
    }
}

/* ---- quoted-printable: text whose lines end in CR LF ---- */

static void room(struct mime_encoder *e, size_t n, struct buf *out)
{
    if (e->column + n > LINE_QP) {
        buf_str(out, "=\r\n");
        e->column = 0;
    }
    e->column += n;
}

static void put_qp(struct mime_encoder *e, char c, bool plain, struct buf *out)
{
    static const char digit[] = "0123456789ABCDEF";
    const char hex[] = {'=', digit[(unsigned char)c >> 4], digit[c & 15]};
    room(e, plain ? 1 : 3, out);
    if (plain) buf_char(out, c);
    else buf_bytes(out, hex, sizeof hex);
}

static bool is_plain(char c) { return c >= 32 && c < 127 && c != '='; }

/* The bytes in front that stand for themselves wherever they are. */
static size_t run_of(struct slice s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] != ' ' && is_plain(s.p[n])) n++;
    return n;
}

static void put_run(struct mime_encoder *e, struct slice run, struct buf *out)
{
    while (run.n) {
        size_t n = e->column < LINE_QP ? LINE_QP - e->column : LINE_QP;
        if (n > run.n) n = run.n;
        if (e->column == LINE_QP) room(e, n, out);
        else e->column += n;
        buf_bytes(out, run.p, n);
        run = sl_from(run, n);
    }
}

/* A blank waits for what follows it: at the end of a line it does not stand for itself. */
static void put_held(struct mime_encoder *e, bool at_end, struct buf *out)
{
    if (e->have) put_qp(e, e->hold[0], !at_end, out);
    e->have = 0;
}

/* What a CR was, is known by what follows it. */
static void after_cr(struct mime_encoder *e, bool lf, struct buf *out)
{
    put_held(e, lf, out);
    if (lf) buf_str(out, "\r\n");
    else put_qp(e, '\r', false, out);
    if (lf) e->column = 0;
    e->cr = false;
}

static void encode_qp(struct mime_encoder *e, struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        if (e->cr) {
            after_cr(e, c == '\n', out);
            if (c == '\n') continue;
        }
        if (c == '\r') {
            e->cr = true;
            continue;
        }
        put_held(e, false, out);
        size_t run = run_of(sl_from(in, i));
        if (run) put_run(e, sl_sub(in, i, i + run), out), i += run - 1;
        else if (c == ' ' || c == '\t') e->hold[e->have++] = c;
        else put_qp(e, c, false, out);
    }
}

void mime_encode(struct mime_encoder *e, struct slice in, struct buf *out)
{
    if (e->encoding == MIME_BASE64) encode64(e, in, out);
    else if (e->encoding == MIME_QP) encode_qp(e, in, out);
    else buf_put(out, in);
}

void mime_encode_end(struct mime_encoder *e, struct buf *out)
{
    if (e->encoding == MIME_BASE64 && e->have) line64(e, out);
    if (e->encoding != MIME_QP) return;
    if (e->cr) after_cr(e, false, out);
    else put_held(e, true, out);
}

/* conn_flate.c - a connection whose two directions are DEFLATE streams (RFC 4978), inside TLS when there is
 * TLS.
 *
 * What is written is compressed at once; where output is to leave, the compressor's is brought to an end that
 * the peer can read (Z_SYNC_FLUSH). Before the connection is parked it goes: a full flush makes the next
 * one's stream a continuation of its own. The decompressor cannot go, the peer may refer back to its window.
 * Never more is decompressed than was asked for. */
#include <stdlib.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/memory.h"
#include "conn_i.h"

enum {
    WINDOW_OUT = 13, /* 8 KiB: the compressor takes 64 KiB */
    MEMORY_LEVEL = 6,
    WINDOW_IN = 15, /* whatever the peer chose */
    PIECE = 4096,   /* compressed bytes at a time */
    OUT_MOST = CONN_OUT_MAX + (256 << 10),
    SILENT_MAX = 64 << 10, /* compressed bytes in a row that say nothing */
    IN_MEMORY = 40 << 10,  /* what zlib takes for each direction, nearly */
    OUT_MEMORY = 72 << 10,
};

struct flate {
    z_stream out, in;
    bool open;     /* `out` is */
    bool owes;     /* it took bytes that were not flushed */
    char *raw;     /* received, not yet decompressed: of in.next_in; or NULL */
    size_t silent; /* compressed bytes since some came of them */
};

void conn_compress(struct conn *c)
{
    ASSERT(!c->flate && span_used(&c->in) == 0 && "nothing sent in clear may count after COMPRESS");
    c->flate = xcalloc(1, sizeof *c->flate);
    memory_count(IN_MEMORY);
    ASSERT(inflateInit2(&c->flate->in, -WINDOW_IN) == Z_OK && "memory");
}

bool conn_is_compressed(const struct conn *c) { return c->flate != NULL; }

static void out_end(struct flate *f)
{
    if (!f->open) return;
    deflateEnd(&f->out);
    memory_count(-OUT_MEMORY);
    f->open = false;
}

void flate_free(struct conn *c)
{
    struct flate *f = c->flate;
    if (!f) return;
    out_end(f);
    inflateEnd(&f->in);
    memory_count(-IN_MEMORY);
    free(f->raw);
    free(f);
    c->flate = NULL;
}

/* ---- writing ---- */

static void out_begin(struct flate *f)
{
    if (f->open) return;
    f->out = (z_stream){0};
    int e = deflateInit2(&f->out, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -WINDOW_OUT, MEMORY_LEVEL,
                         Z_DEFAULT_STRATEGY);
    ASSERT(e == Z_OK && "memory");
    memory_count(OUT_MEMORY);
    f->open = true;
}

void flate_write(struct conn *c, struct slice s)
{
    struct flate *f = c->flate;
    char piece[PIECE];
    if (!s.n) return;
    out_begin(f);
    f->owes = true;
    f->out.next_in = (unsigned char *)s.p;
    f->out.avail_in = (unsigned)s.n;
    do {
        f->out.next_out = (unsigned char *)piece;
        f->out.avail_out = sizeof piece;
        (void)deflate(&f->out, Z_NO_FLUSH); /* cannot fail: there is room */
        conn_write_plain(c, sl(piece, sizeof piece - f->out.avail_out));
    } while (f->out.avail_in && !c->err);
}

static void flush(struct conn *c, int how)
{
    struct flate *f = c->flate;
    size_t room;
    f->out.next_in = NULL;
    f->out.avail_in = 0;
    do {
        room = conn_out_room(c, OUT_MOST);
        f->out.next_out = (unsigned char *)c->out.p + c->out.to;
        f->out.avail_out = (unsigned)room;
        (void)deflate(&f->out, how);
        c->out.to += room - f->out.avail_out;
    } while (room && !f->out.avail_out);
    f->owes = false;
}

void flate_flush(struct conn *c)
{
    if (c->flate && c->flate->owes) flush(c, Z_SYNC_FLUSH);
}

void flate_rest(struct conn *c)
{
    struct flate *f = c->flate;
    if (!f || !f->open) return;
    flush(c, Z_FULL_FLUSH);
    out_end(f);
}

/* ---- reading ---- */

/* Bytes made of what was received; 0: more has to be. */
static ssize_t inflate_some(struct conn *c, void *p, size_t n)
{
    struct flate *f = c->flate;
    f->in.next_out = p;
    f->in.avail_out = n > PIECE * 16 ? PIECE * 16 : (unsigned)n;
    size_t room = f->in.avail_out;
    int e = inflate(&f->in, Z_SYNC_FLUSH);
    if (e == Z_STREAM_END) e = inflateReset(&f->in); /* a peer that ends its stream begins another one */
    if (e != Z_OK && e != Z_BUF_ERROR) return err_set(ERR_SYNTAX, "what the peer compressed is damaged");
    if (!f->in.avail_in) {
        free(f->raw);
        f->raw = NULL;
    }
    return (ssize_t)(room - f->in.avail_out);
}

/* Empty blocks make no bytes, so neither the fiber's share of the loop nor a deadline would ever end them. */
static int is_silent(struct flate *f, size_t more)
{
    f->silent += more;
    return f->silent > SILENT_MAX ? err_set(ERR_SYNTAX, "the peer sends compressed bytes that say nothing")
                                  : 0;
}

ssize_t flate_receive(struct conn *c, void *p, size_t n)
{
    struct flate *f = c->flate;
    for (;;) {
        /* The window may hold back bytes that it made: it is asked even when nothing was received. */
        ssize_t k = inflate_some(c, p, n);
        if (k > 0) f->silent = 0;
        if (k) return k < 0 ? conn_fail(c, (int)k) : k;
        if (f->in.avail_in) continue; /* a stream ended without a word */
        if (!f->raw) f->raw = xmalloc(PIECE);
        k = conn_receive_plain(c, f->raw, PIECE);
        if (k <= 0) {
            free(f->raw);
            f->raw = NULL;
            return k;
        }
        int e = is_silent(f, (size_t)k);
        if (e) return conn_fail(c, e);
        f->in.next_in = (unsigned char *)f->raw;
        f->in.avail_in = (unsigned)k;
    }
}

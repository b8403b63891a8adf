/* dkim_body.c - canonical bodies and their hashes while they stream by (RFC 6376 section 3.4.3, 3.4.4).
 *
 * A line end is CRLF; a CR or LF alone is a byte like any other. Line ends are held back
 * until something follows them, so that empty lines at the end of the body vanish. */
#include "dkim_body.h"

#include "base/log.h"

const char *dkim_canon_name(enum dkim_canon c) { return c == DKIM_SIMPLE ? "simple" : "relaxed"; }

/* The hash of the first `length` bytes, taken when the stream has come so far. */
struct prefix {
    uint64_t length;
    uint8_t sha256[HASH_MAX];
    bool done;
};

enum { FEW = 2, OUT_BYTES = 4096 };

struct stream {
    enum dkim_canon canon;
    struct hash hash;
    uint64_t n;            /* canonical bytes so far */
    uint64_t line_ends;    /* CRLFs held back */
    bool cr;               /* a CR held back: is it half of a CRLF? */
    bool wsp;              /* relaxed: blanks held back */
    bool in_line;          /* bytes stand behind the last CRLF (simple: any byte; relaxed: any written) */
    struct prefix *prefix; /* in order of length */
    size_t nprefix, cap, next;
    size_t nout;
    char out[OUT_BYTES]; /* small pieces are gathered: a hash call costs more than a word; last, it is not
                            cleared */
};

struct want {
    enum dkim_canon canon;
    uint64_t length;
};

struct dkim_body {
    struct arena *a;
    struct stream *stream[2]; /* NULL: nobody asks for it */
    struct want *want;
    size_t cap;
    int nwant;
    bool started, ended;
};

struct dkim_body *dkim_body_new(struct arena *a)
{
    struct dkim_body *b = ar_new(a, struct dkim_body);
    b->a = a;
    b->want = ar_array(a, struct want, b->cap = FEW);
    return b;
}

static struct stream *stream_new(struct arena *a, enum dkim_canon c)
{
    struct stream *s = ar_alloc(a, sizeof *s);
    memset(s, 0, offsetof(struct stream, out));
    s->canon = c;
    s->prefix = ar_array(a, struct prefix, s->cap = FEW);
    hash_init(&s->hash, HASH_SHA256);
    return s;
}

static void insert_prefix(struct arena *a, struct stream *s, uint64_t length)
{
    if (s->nprefix == s->cap) s->prefix = ar_grow(a, s->prefix, &s->cap, sizeof *s->prefix);
    size_t at = s->nprefix++;
    for (; at > 0 && s->prefix[at - 1].length > length; at--) s->prefix[at] = s->prefix[at - 1];
    s->prefix[at] = (struct prefix){.length = length};
}

int dkim_body_want(struct dkim_body *b, enum dkim_canon c, uint64_t length)
{
    for (int i = 0; i < b->nwant; i++)
        if (b->want[i].canon == c && b->want[i].length == length) return i;
    ASSERT(!b->started);
    if (b->nwant == DKIM_HASHES_MAX)
        return err_set(ERR_LIMIT, "too many different body hashes are asked for");
    if (!b->stream[c]) b->stream[c] = stream_new(b->a, c);
    insert_prefix(b->a, b->stream[c], length);
    if ((size_t)b->nwant == b->cap) b->want = ar_grow(b->a, b->want, &b->cap, sizeof *b->want);
    b->want[b->nwant] = (struct want){c, length};
    return b->nwant++;
}

/* ---- hashing ---- */

static void take_prefix(struct stream *s)
{
    struct prefix *x = &s->prefix[s->next++];
    struct hash copy;
    hash_copy(&copy, &s->hash);
    hash_end(&copy, x->sha256);
    x->done = true;
}

static void hash_bytes(struct stream *s, struct slice bytes)
{
    while (s->next < s->nprefix && s->prefix[s->next].length - s->n <= bytes.n) {
        size_t part = (size_t)(s->prefix[s->next].length - s->n);
        if (part) hash_add(&s->hash, sl_sub(bytes, 0, part));
        s->n += part;
        bytes = sl_from(bytes, part);
        take_prefix(s);
    }
    /* Nobody wants more than the longest prefix: count the rest only. */
    if (bytes.n && s->next < s->nprefix) hash_add(&s->hash, bytes);
    s->n += bytes.n;
}

static void flush(struct stream *s)
{
    struct slice out = sl(s->out, s->nout);
    s->nout = 0;
    if (out.n) hash_bytes(s, out);
}

static void put(struct stream *s, struct slice bytes)
{
    bool small = bytes.n <= sizeof s->out / 2;
    if (!small || bytes.n > sizeof s->out - s->nout) flush(s);
    if (!small) {
        hash_bytes(s, bytes);
        return;
    }
    memcpy(s->out + s->nout, bytes.p, bytes.n);
    s->nout += bytes.n;
}

static void put_line_ends(struct stream *s)
{
    for (; s->line_ends; s->line_ends--) put(s, SL("\r\n"));
}

/* What was held back turns out to be inside of the body. */
static void put_held(struct stream *s)
{
    put_line_ends(s);
    if (s->wsp) put(s, SL(" "));
    if (s->cr) put(s, SL("\r"));
    s->wsp = s->cr = false;
    s->in_line = true;
}

static void line_end(struct stream *s)
{
    s->cr = s->wsp = s->in_line = false;
    s->line_ends++;
}

/* ---- canonicalisation ---- */

/* Simple: bytes between the line ends as they are. */
static void add_simple(struct stream *s, struct slice in)
{
    while (in.n) {
        if (s->cr && in.p[0] == '\n') {
            line_end(s);
            in = sl_from(in, 1);
            continue;
        }
        if (s->cr) put_held(s);
        size_t at = sl_chr(in, '\r');
        struct slice text = sl_sub(in, 0, at);
        if (text.n) {
            put_held(s);
            put(s, text);
        }
        s->cr = at != SL_NONE;
        in = at == SL_NONE ? SL("") : sl_from(in, at + 1);
    }
}

static bool is_plain(char c) { return c != ' ' && c != '\t' && c != '\r'; }

/* Relaxed: each run of blanks is one space, none at the end of a line. A piece writes at
 * most its own bytes besides what is held, so words go straight to s->out. */
static void add_relaxed_piece(struct stream *s, const char *p, const char *end)
{
    while (p < end) {
        if (s->cr && *p == '\n') {
            line_end(s);
            p++;
            continue;
        }
        if (is_plain(*p)) {
            if (s->line_ends || s->cr) put_held(s);
            if (sizeof s->out - s->nout <= (size_t)(end - p)) flush(s);
            char *to = s->out + s->nout;
            if (s->wsp) *to++ = ' ', s->wsp = false;
            while (p < end && is_plain(*p)) *to++ = *p++;
            s->nout = (size_t)(to - s->out);
            s->in_line = true;
        } else if (s->cr) put_held(s);
        for (; p < end && (*p == ' ' || *p == '\t'); p++) s->wsp = true;
        if (p < end && *p == '\r' && !s->cr) {
            s->cr = true;
            p++;
        }
    }
}

static void add_relaxed(struct stream *s, struct slice in)
{
    while (in.n) {
        struct slice piece = sl_sub(in, 0, sizeof s->out / 2);
        add_relaxed_piece(s, piece.p, piece.p + piece.n);
        in = sl_from(in, piece.n);
    }
}

void dkim_body_add(struct dkim_body *b, struct slice chunk)
{
    ASSERT(!b->ended);
    b->started = true;
    if (b->stream[DKIM_SIMPLE]) add_simple(b->stream[DKIM_SIMPLE], chunk);
    if (b->stream[DKIM_RELAXED]) add_relaxed(b->stream[DKIM_RELAXED], chunk);
}

/* A body that does not end in CRLF gets one; one of empty lines only is a CRLF when
 * simple and nothing when relaxed. */
static void end_stream(struct stream *s)
{
    if (s->cr) put_held(s);
    if (s->in_line || s->n + s->nout || s->canon == DKIM_SIMPLE) put(s, SL("\r\n"));
    flush(s);
    while (s->next < s->nprefix && s->prefix[s->next].length == s->n) take_prefix(s);
    uint8_t whole[HASH_MAX];
    hash_end(&s->hash, whole);
    for (; s->next < s->nprefix; s->next++)
        if (s->prefix[s->next].length == DKIM_WHOLE) {
            memcpy(s->prefix[s->next].sha256, whole, sizeof whole);
            s->prefix[s->next].done = true;
        }
}

void dkim_body_end(struct dkim_body *b)
{
    if (b->ended) return;
    b->started = b->ended = true;
    for (size_t i = 0; i < COUNT_OF(b->stream); i++)
        if (b->stream[i]) end_stream(b->stream[i]);
}

bool dkim_body_hash(const struct dkim_body *b, int want, uint8_t sha256[32], uint64_t *rest)
{
    ASSERT(b->ended && want >= 0 && want < b->nwant);
    const struct want *w = &b->want[want];
    const struct stream *s = b->stream[w->canon];
    for (size_t i = 0; i < s->nprefix; i++) {
        if (s->prefix[i].length != w->length) continue;
        memcpy(sha256, s->prefix[i].sha256, 32);
        *rest = w->length == DKIM_WHOLE || w->length > s->n ? 0 : s->n - w->length;
        return s->prefix[i].done;
    }
    return false;
}

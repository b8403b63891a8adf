/* mime.c - the push parser: lines, boundaries, and the stack of open parts. */
#include "mime.h"

#include "base/log.h"
#include "head.h"
#include "mime_i.h"

enum { LINE_KEEP = 2 + MIME_BOUNDARY_MAX + 8 };

/* A part that has not ended yet. */
struct open_part {
    struct mime_part *part;
    struct slice boundary; /* of a multipart whose last boundary has not come */
    uint64_t lines_before; /* line ends before its body */
};

struct mime_parser {
    struct arena *a;
    size_t used_before;
    struct arena scratch;
    struct mime_tree *tree;
    struct open_part open[MIME_DEPTH_MAX + 1];
    int top;              /* innermost open part */
    bool in_head, opaque; /* opaque: no boundary counts any more */
    struct buf head;      /* of the innermost part */
    size_t head_line;     /* where the line at hand begins in it */
    size_t fields;
    struct buf line;      /* start of the line at hand when it came in pieces */
    uint64_t line_at, at; /* offsets of the line and of the next byte */
    uint64_t lines;       /* line ends before line_at */
    unsigned eol_before;  /* bytes of the line end before line_at */
    bool pieces;          /* part of the line was seen in an earlier piece */
    bool line_decoded;    /* what came of the line at hand was given to the parser inside */
    char last;            /* the byte before `at` */

    /* The innermost part is an encoded message: its body, decoded, goes to a parser of its own. */
    struct mime_parser *inside;
    struct mime_decoder decoder;
    struct buf decoded;
    char line_end[2]; /* of the line before, not decoded yet */
    size_t line_end_size;
    bool is_inside; /* this is such a parser: it has none in turn */
};

static struct mime_part *add_part(struct mime_parser *p, struct mime_part *parent, uint64_t at)
{
    struct mime_part *c = ar_new(p->a, struct mime_part);
    c->head_at = at;
    c->parent = parent;
    p->tree->parts++;
    if (parent) {
        c->depth = parent->depth + 1;
        if (parent->last) parent->last->next = c;
        else parent->child = c;
        parent->last = c;
        parent->nchild++;
    }
    return c;
}

/* A new innermost part whose header begins at `at`. */
static void open_head(struct mime_parser *p, struct mime_part *parent, uint64_t at)
{
    struct mime_part *c = add_part(p, parent, at);
    p->open[++p->top] = (struct open_part){.part = c};
    p->in_head = true;
    p->fields = 0;
    p->head_line = 0;
    buf_clear(&p->head);
}

struct mime_parser *mime_begin(struct arena *a)
{
    struct mime_parser *p = ar_new(a, struct mime_parser);
    p->a = a;
    p->used_before = a->used;
    p->top = -1;
    ar_init(&p->scratch, 0);
    buf_init(&p->head, MAIL_HEAD_MAX);
    p->tree = ar_new(a, struct mime_tree);
    open_head(p, NULL, 0);
    p->tree->root = p->open[0].part;
    p->tree->root->envelope = ar_new(a, struct mime_envelope);
    return p;
}

static void limit_reached(struct mime_parser *p)
{
    p->tree->limited = true;
    p->opaque = true;
}

/* May another part be opened under `part`? */
static bool may_nest(struct mime_parser *p, const struct mime_part *part)
{
    if (p->tree->parts >= MIME_PARTS_MAX || p->a->used - p->used_before > MIME_TREE_MAX) {
        limit_reached(p);
        return false;
    }
    if (part->depth < MIME_DEPTH_MAX) return true;
    p->tree->limited = true;
    return false;
}

/* ---- an encoded message ---- */

static void begin_inside(struct mime_parser *p, struct mime_part *part)
{
    if (p->is_inside || !mime_is_message(part) || !may_nest(p, part)) return;
    if (part->encoding != MIME_BASE64 && part->encoding != MIME_QP) return;
    struct mime_parser *in = p->inside = mime_begin(p->a);
    in->is_inside = true;
    in->used_before = p->used_before;
    in->tree->parts += p->tree->parts;
    in->tree->root->depth = part->depth + 1;
    in->tree->root->parent = part;
    mime_decode_begin(&p->decoder, part->encoding);
}

static struct slice line_end_of(struct slice s)
{
    size_t n = s.n;
    if (n && s.p[n - 1] == '\n') n--;
    if (n && s.p[n - 1] == '\r') n--;
    return sl_from(s, n);
}

static void decode_inside(struct mime_parser *p, struct slice encoded)
{
    mime_decode(&p->decoder, encoded, &p->decoded);
    mime_feed(p->inside, buf_slice(&p->decoded));
    buf_clear(&p->decoded);
}

/* A line end is held back until more comes: the one before a boundary is no part of the body. */
static void feed_inside(struct mime_parser *p, struct slice encoded)
{
    struct slice end = line_end_of(encoded);
    bool ends_cr = p->line_end_size == 1 && p->line_end[0] == '\r' && sl_eq(encoded, SL("\n"));
    if (!ends_cr) {
        decode_inside(p, sl(p->line_end, p->line_end_size));
        p->line_end_size = 0;
    }
    decode_inside(p, sl_sub(encoded, 0, encoded.n - end.n));
    memcpy(p->line_end + p->line_end_size, end.p, end.n);
    p->line_end_size += end.n;
}

/* eol: bytes of a line end that belong to the boundary, 0 at the end of the message. */
static void end_inside(struct mime_parser *p, struct mime_part *part, unsigned eol)
{
    if (!eol) decode_inside(p, sl(p->line_end, p->line_end_size));
    mime_decode_end(&p->decoder, &p->decoded);
    mime_feed(p->inside, buf_slice(&p->decoded));
    struct mime_tree *t = mime_finish(p->inside);
    part->inside = t->root;
    p->tree->parts = t->parts;
    p->tree->limited |= t->limited;
    p->inside = NULL;
    p->line_end_size = 0;
    buf_free(&p->decoded);
}

/* The header of the innermost part ended; its body begins at body_at. */
static void head_done(struct mime_parser *p, uint64_t body_at, uint64_t lines)
{
    struct open_part *o = &p->open[p->top];
    struct mime_part *part = o->part;
    part->head_size = body_at - part->head_at;
    part->body_at = body_at;
    o->lines_before = lines;
    p->in_head = false;
    mime_describe(p->a, &p->scratch, buf_slice(&p->head), part);
    ar_reset(&p->scratch);
    if (p->opaque) return;
    if (part->kind == MIME_LEAF) begin_inside(p, part);
    else if (!may_nest(p, part)) part->kind = MIME_LEAF;
    else if (part->kind == MIME_MULTIPART)
        o->boundary = mime_param_get(p->a, part->param, part->nparam, SL("boundary"));
}

/* A multipart in which nobody finds parts has one all the same: its whole body as text. So what
 * is told of it can be fetched, and is searched. */
static void add_only_part(struct mime_parser *p, struct mime_part *of)
{
    struct mime_part *c = add_part(p, of, of->body_at);
    mime_describe(p->a, &p->scratch, SL(""), c);
    ar_reset(&p->scratch);
    c->kind = MIME_LEAF;
    c->body_at = of->body_at;
    c->body_size = of->body_size;
    c->lines = of->lines;
    of->kind = MIME_MULTIPART;
}

/* Ends the open parts above `keep` at the line that starts at p->line_at. */
static void close_above(struct mime_parser *p, int keep, unsigned eol)
{
    if (p->in_head && p->top > keep) head_done(p, p->line_at, p->lines);
    uint64_t end = p->line_at - eol;
    for (; p->top > keep; p->top--) {
        struct open_part *o = &p->open[p->top];
        struct mime_part *part = o->part;
        /* The line end before a boundary belongs to the boundary (RFC 2046 section 5.1.1),
         * unless it ends the header. */
        if (end < part->body_at) end = part->body_at;
        part->body_size = end - part->body_at;
        part->lines = p->lines - o->lines_before;
        if (end < p->line_at && part->lines) part->lines--;
        if (p->inside) end_inside(p, part, eol);
        if (part->nchild) continue;
        part->kind = MIME_LEAF;
        if (sl_eqi(part->type, SL("multipart"))) add_only_part(p, part);
    }
}

/* The open multipart whose boundary this line is: the longest boundary that the line
 * begins with (RFC 2046 section 5.1.1: what follows it does not matter). -1: none. */
static int boundary_of(const struct mime_parser *p, struct slice line, bool *last)
{
    int found = -1;
    if (p->opaque || line.n < 3 || line.p[0] != '-' || line.p[1] != '-') return -1;
    struct slice rest = sl_from(line, 2);
    for (int i = p->top; i >= 0; i--) {
        struct slice b = p->open[i].boundary;
        if (b.n && sl_starts(rest, b) && (found < 0 || b.n > p->open[found].boundary.n)) found = i;
    }
    if (found >= 0) *last = sl_starts(sl_from(rest, p->open[found].boundary.n), SL("--"));
    return found;
}

static void at_boundary(struct mime_parser *p, int of, bool last)
{
    if (p->in_head) p->head.n = p->head_line;
    close_above(p, of, p->eol_before);
    struct open_part *o = &p->open[of];
    if (last) o->boundary = SL("");
    else open_head(p, o->part, p->at);
}

/* A line of the header section of the innermost part, or the one after it. */
static void head_line(struct mime_parser *p, struct slice line, unsigned eol)
{
    bool empty = line.n == eol && eol;
    if (empty || !mail_line_in_head(line, p->open[p->top].part->head_at == p->line_at)) {
        uint64_t body_at = empty ? p->at : p->line_at;
        p->head.n = p->head_line;
        head_done(p, body_at, p->lines + empty);
        struct mime_part *part = p->open[p->top].part;
        if (part->kind != MIME_MESSAGE || p->opaque) return;
        open_head(p, part, body_at);
        p->open[p->top].part->envelope = ar_new(p->a, struct mime_envelope);
        if (!empty) head_line(p, line, eol);
        return;
    }
    if (line.n && line.p[0] != ' ' && line.p[0] != '\t') p->fields++;
    if (p->fields > MAIL_FIELDS_MAX) p->head.n = p->head_line;
    p->head_line = p->head.n;
}

/* A whole line (of which `line` may be only the start) ends at p->at. */
static void line_done(struct mime_parser *p, struct slice line, unsigned eol)
{
    bool last;
    int of = boundary_of(p, line, &last);
    if (of >= 0 && !last && !may_nest(p, p->open[of].part)) of = -1;
    if (of >= 0) at_boundary(p, of, last);
    else if (p->in_head) head_line(p, line, eol);
    else if (p->inside && !p->line_decoded) feed_inside(p, line);
    p->line_decoded = false;
    p->line_at = p->at;
    p->lines += eol > 0;
    p->eol_before = eol;
    p->pieces = false;
    p->line.n = 0;
}

/* Header lines are gathered whole lines at a time: one that does not fit is left out
 * with all that follows it. */
static void gather(struct mime_parser *p, struct slice piece)
{
    buf_put(&p->head, piece);
    if (p->head.over) p->head.n = p->head_line;
}

/* A piece of a line whose end has not come, or the last one of such a line. Its start is kept: enough to know
 * a boundary by. */
static void line_piece(struct mime_parser *p, struct slice piece)
{
    bool last;
    struct slice start = sl_sub(piece, 0, p->line.n < LINE_KEEP ? LINE_KEEP - p->line.n : 0);
    struct slice rest = sl_from(piece, start.n);
    buf_put(&p->line, start);
    p->pieces = true;
    if (!rest.n || !p->inside) return;
    if (!p->line_decoded && boundary_of(p, buf_slice(&p->line), &last) >= 0) return;
    if (!p->line_decoded) feed_inside(p, buf_slice(&p->line));
    p->line_decoded = true;
    feed_inside(p, rest);
}

void mime_feed(struct mime_parser *p, struct slice in)
{
    while (in.n) {
        const char *lf = memchr(in.p, '\n', in.n);
        struct slice piece = sl(in.p, lf ? (size_t)(lf - in.p) + 1 : in.n);
        char before_lf = piece.n > 1 ? piece.p[piece.n - 2] : p->last;
        if (p->in_head) gather(p, piece);
        p->at += piece.n;
        in = sl_from(in, piece.n);
        if (lf && !p->pieces) {
            unsigned eol = piece.n > 1 && before_lf == '\r' ? 2 : 1;
            line_done(p, piece, eol);
        } else {
            line_piece(p, piece);
            if (lf) line_done(p, buf_slice(&p->line), before_lf == '\r' && p->at - p->line_at > 1 ? 2 : 1);
        }
        p->last = piece.p[piece.n - 1];
    }
}

void mime_abandon(struct mime_parser *p)
{
    if (p->inside) mime_abandon(p->inside);
    buf_free(&p->decoded);
    buf_free(&p->head);
    buf_free(&p->line);
    ar_free(&p->scratch);
}

struct mime_tree *mime_finish(struct mime_parser *p)
{
    if (p->pieces) line_done(p, buf_slice(&p->line), 0);
    close_above(p, -1, 0);
    p->tree->size = p->at;
    mime_abandon(p);
    return p->tree;
}

struct mime_tree *mime_parse(struct arena *a, struct slice message)
{
    struct mime_parser *p = mime_begin(a);
    mime_feed(p, message);
    return mime_finish(p);
}

const struct mime_part *mime_within(const struct mime_part *p)
{
    for (; p->parent; p = p->parent)
        if (p->parent->inside == p) return p->parent;
    return NULL;
}

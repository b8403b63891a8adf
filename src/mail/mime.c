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
    char last;            /* the byte before `at` */
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
    if (part->kind == MIME_LEAF || p->opaque) return;
    if (!may_nest(p, part)) part->kind = MIME_LEAF;
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
            buf_put(&p->line, sl_sub(piece, 0, p->line.n < LINE_KEEP ? LINE_KEEP - p->line.n : 0));
            p->pieces = true;
            if (lf) line_done(p, buf_slice(&p->line), before_lf == '\r' && p->at - p->line_at > 1 ? 2 : 1);
        }
        p->last = piece.p[piece.n - 1];
    }
}

void mime_abandon(struct mime_parser *p)
{
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

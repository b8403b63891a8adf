/* template_handlebars.c - Handlebars: the source taken apart as handlebars 4 does it: text, tags
 * (handlebars_tag.c), and the programs that they make; then blanks around tags (handlebars_blank.c). */
#include "base/text.h"
#include "handlebars_i.h"

/* ---- text between tags ---- */

static int add_text(struct tparser *p, struct tprogram *to, size_t from, size_t end)
{
    if (end <= from) return 0;
    struct tnode *n = template_node(p, N_TEXT, from);
    if (!n) return template_too_many(p, from);
    n->text = n->original = sl_sub(p->s, from, end);
    template_add(p, to, n);
    return 0;
}

/* Up to the next tag; \{{ is no tag, \\{{ is a backslash and one. */
static int content(struct tparser *p, struct tprogram *to)
{
    size_t from = p->i, search = p->i;
    for (;;) {
        size_t n = sl_find(sl_from(p->s, search), SL("{{"));
        if (n == SL_NONE) {
            p->i = p->s.n;
            return add_text(p, to, from, p->s.n);
        }
        size_t at = search + n;
        bool one = at > from && p->s.p[at - 1] == '\\', two = one && at > from + 1 && p->s.p[at - 2] == '\\';
        int e = add_text(p, to, from, one ? at - 1 : at);
        p->i = at;
        if (e < 0 || !one || two) return e;
        from = at;
        search = at + 2;
    }
}

/* ---- programs and blocks ---- */

static int parse_program(struct tparser *p, struct tprogram *to, struct tag *end);

static int new_program(struct tparser *p, struct tprogram **out, struct tag *end)
{
    *out = ar_new(p->a, struct tprogram);
    return parse_program(p, *out, end);
}

static struct tnode *block_node(struct tparser *p, const struct tag *g)
{
    struct tnode *n = template_node(p, g->block, g->at);
    if (!n) return NULL;
    n->expr = g->expr;
    n->name = g->name;
    n->include_zero = g->include_zero;
    n->param[0] = g->param[0];
    n->param[1] = g->param[1];
    n->strip = g->strip;
    return n;
}

/* After the first tag of a block, up to and with the tag that closes it; `end` gets that. outer: the block
 * whose name closes it, itself or the one in whose chain it stands. */
static int block_rest(struct tparser *p, struct tnode *n, const struct tag *outer, struct tag *end)
{
    int e = new_program(p, &n->body, end);
    if (e < 0) return e;
    if (end->kind == TAG_ELSE) {
        struct tag other = *end;
        n->strip_else = other.strip;
        if (other.chain) {
            struct tnode *inner = block_node(p, &other);
            if (!inner) return template_too_many(p, other.at);
            if (++p->depth > TEMPLATE_DEPTH_MAX)
                return FAIL(p, other.at, "blocks stand more than %d deep", TEMPLATE_DEPTH_MAX);
            e = block_rest(p, inner, outer, end);
            p->depth--;
            n->inverse = ar_new(p->a, struct tprogram);
            n->inverse->chained = true;
            template_add(p, n->inverse, inner);
        } else {
            e = new_program(p, &n->inverse, end);
        }
        if (e < 0) return e;
    }
    if (end->kind != TAG_CLOSE)
        return FAIL(p, outer->at, "the block %.*s is not closed", SLF(printable(p->a, outer->name, 60)));
    if (!sl_eq(end->name, outer->name))
        return FAIL(p, end->at, "%.*s is closed where %.*s is open", SLF(printable(p->a, end->name, 60)),
                    SLF(printable(p->a, outer->name, 60)));
    n->strip_close = end->strip;
    return 0;
}

static int add_block(struct tparser *p, struct tprogram *to, const struct tag *g)
{
    struct tag end;
    struct tnode *n = block_node(p, g);
    if (!n) return template_too_many(p, g->at);
    if (++p->depth > TEMPLATE_DEPTH_MAX)
        return FAIL(p, g->at, "blocks stand more than %d deep", TEMPLATE_DEPTH_MAX);
    int e = block_rest(p, n, g, &end);
    if (e < 0) return e;
    p->depth--;
    if (g->kind == TAG_INVERSE) {
        struct tprogram *body = n->body;
        n->body = n->inverse;
        n->inverse = body;
    }
    template_add(p, to, n);
    return 0;
}

static int add_partial(struct tparser *p, struct tprogram *to, const struct tag *g)
{
    struct tag end;
    struct tpartial *t = ar_new(p->a, struct tpartial);
    struct tnode *n = template_node(p, N_DEFINE, g->at);
    if (!n) return template_too_many(p, g->at);
    if (++p->depth > TEMPLATE_DEPTH_MAX)
        return FAIL(p, g->at, "blocks stand more than %d deep", TEMPLATE_DEPTH_MAX);
    int e = new_program(p, &n->body, &end);
    if (e < 0) return e;
    p->depth--;
    if (end.kind != TAG_CLOSE || !sl_eq(end.name, SL("inline")))
        return FAIL(p, g->at, "the inline partial %.*s is not closed", SLF(printable(p->a, g->name, 60)));
    *t = (struct tpartial){g->name, n->body, p->t->partial};
    p->t->partial = t;
    n->strip = g->strip;
    n->strip_close = end.strip;
    template_add(p, to, n);
    return 0;
}

static int add_simple(struct tparser *p, struct tprogram *to, const struct tag *g)
{
    enum tnode_kind kind = g->kind == TAG_COMMENT ? N_COMMENT : g->kind == TAG_PARTIAL ? N_PARTIAL : N_PRINT;
    struct tnode *n = template_node(p, kind, g->at);
    if (!n) return template_too_many(p, g->at);
    n->expr = g->expr;
    n->name = g->name;
    n->raw = g->kind == TAG_RAW;
    n->strip = g->strip;
    template_add(p, to, n);
    return 0;
}

static int add_tag(struct tparser *p, struct tprogram *to, const struct tag *g)
{
    if (g->kind == TAG_DEFINE) return add_partial(p, to, g);
    return g->kind == TAG_OPEN || g->kind == TAG_INVERSE ? add_block(p, to, g) : add_simple(p, to, g);
}

/* Up to a tag that belongs to the block around it, which `end` gets, or the end of the source. */
static int parse_program(struct tparser *p, struct tprogram *to, struct tag *end)
{
    for (;;) {
        int e = content(p, to);
        if (e < 0) return e;
        *end = (struct tag){.kind = TAG_END, .at = p->i};
        if (p->i >= p->s.n) return 0;
        e = handlebars_tag(p, end);
        if (e < 0 || end->kind == TAG_ELSE || end->kind == TAG_CLOSE) return e;
        e = add_tag(p, to, end);
        if (e < 0) return e;
    }
}

int handlebars_parse(struct tparser *p)
{
    struct tag end;
    int e = parse_program(p, p->t->program, &end);
    if (e < 0) return e;
    if (end.kind == TAG_ELSE) return FAIL(p, end.at, "else stands outside of a block");
    if (end.kind == TAG_CLOSE)
        return FAIL(p, end.at, "%.*s is closed, but not open", SLF(printable(p->a, end.name, 60)));
    handlebars_blanks(p->t->program);
    return 0;
}

/* template_handlebars.c - Handlebars: the source taken apart as handlebars 4 does it, blanks around tags
 * included. */
#include "base/text.h"
#include "template_i.h"

enum tag_kind {
    TAG_PRINT,
    TAG_RAW,
    TAG_COMMENT,
    TAG_OPEN,
    TAG_INVERSE,
    TAG_ELSE,
    TAG_CLOSE,
    TAG_PARTIAL,
    TAG_DEFINE,
    TAG_END
};
struct tag {
    enum tag_kind kind;
    size_t at;
    struct tstrip strip;
    struct texpr *expr;    /* the helper's argument, or what is printed */
    struct slice name;     /* the helper's or path's as written */
    enum tnode_kind block; /* of TAG_OPEN, TAG_INVERSE, and an else that begins another block */
    bool chain, include_zero;
    struct slice param[2];
};

#define FAIL(p, at, ...) template_error((p)->t, at, ERR_SYNTAX, __VA_ARGS__)

/* ---- expressions ---- */

static bool is_id(char c) { return c && !template_blank(c) && !strchr("!\"#%&'()*+,./;<=>@[\\]^`{|}~", c); }

static bool ends_literal(char c) { return !c || template_blank(c) || strchr("=~})|]", c); }

static struct slice word(struct tparser *p)
{
    size_t from = p->i;
    while (is_id(template_peek(p, 0))) p->i++;
    return sl_sub(p->s, from, p->i);
}

static int add_segment(struct tparser *p, struct texpr *e, size_t *room, struct slice s)
{
    if (e->nseg == TEMPLATE_DEPTH_MAX)
        return FAIL(p, e->at, "the path has more than %d parts", TEMPLATE_DEPTH_MAX);
    if (e->nseg == *room) e->seg = ar_grow(p->a, e->seg, room, sizeof *e->seg);
    e->seg[e->nseg++] = s;
    return 0;
}

static int path_part(struct tparser *p, struct texpr *e, size_t *room)
{
    size_t at = p->i;
    if (template_peek(p, 0) == '[') {
        size_t end = sl_chr(sl_from(p->s, p->i), ']');
        if (end == SL_NONE) return FAIL(p, at, "the bracket [ is not closed");
        p->i += end + 1;
        return add_segment(p, e, room, sl_sub(p->s, at + 1, at + end));
    }
    size_t dots = template_peek(p, 0) != '.' ? 0 : template_peek(p, 1) == '.' ? 2 : 1;
    p->i += dots;
    struct slice s = dots ? sl_sub(p->s, at, p->i) : word(p);
    if (!s.n) return FAIL(p, at, "here a name is expected");
    if (!dots && !sl_eq(s, SL("this"))) return add_segment(p, e, room, s);
    if (e->nseg) return FAIL(p, at, "%.*s can stand at the beginning of a path only", SLF(s));
    if (dots == 2 && e->up++ >= TEMPLATE_DEPTH_MAX) return FAIL(p, at, "there are too many ../");
    e->here = true;
    return 0;
}

static int path(struct tparser *p, struct texpr **out)
{
    size_t room = 0;
    struct texpr *e = template_expr(p, X_PATH, p->i);
    if (!e) return template_too_many(p, p->i);
    *out = e;
    if (template_peek(p, 0) == '@') {
        e->data = true;
        p->i++;
    }
    for (;;) {
        int err = path_part(p, e, &room);
        if (err < 0) return err;
        char c = template_peek(p, 0);
        if (c != '.' && c != '/') return 0;
        p->i++;
    }
}

static int call_rest(struct tparser *p, struct slice name, size_t at, struct texpr **out, char end);

static int bracket(struct tparser *p, struct texpr **out)
{
    size_t at = p->i++;
    if (++p->depth > TEMPLATE_DEPTH_MAX)
        return FAIL(p, at, "brackets stand more than %d deep", TEMPLATE_DEPTH_MAX);
    template_skip(p);
    struct slice name = word(p);
    int e = call_rest(p, name, at, out, ')');
    if (e < 0) return e;
    p->depth--;
    p->i++;
    return 0;
}

static int literal(struct tparser *p, struct texpr **out, bool *is)
{
    static const struct {
        struct slice word;
        struct tval value;
    } words[] = {{SL_INIT("true"), {.type = T_BOOL, .b = true}},
                 {SL_INIT("false"), {.type = T_BOOL}},
                 {SL_INIT("null"), {.type = T_NULL}},
                 {SL_INIT("undefined"), {.type = T_NONE}}};
    *is = true;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!sl_starts(sl_from(p->s, p->i), words[i].word) ||
            !ends_literal(template_peek(p, words[i].word.n)))
            continue;
        struct texpr *e = template_expr(p, X_VALUE, p->i);
        if (!e) return template_too_many(p, p->i);
        e->value = words[i].value;
        p->i += words[i].word.n;
        *out = e;
        return 0;
    }
    size_t n = template_peek(p, 0) == '-';
    size_t digits = n;
    while (is_digit(template_peek(p, n)) ||
           (n > digits && template_peek(p, n) == '.' && is_digit(template_peek(p, n + 1))))
        n++;
    *is = n > digits && ends_literal(template_peek(p, n));
    return *is ? template_number(p, out) : 0;
}

static int param(struct tparser *p, struct texpr **out)
{
    bool is;
    char c = template_peek(p, 0);
    if (c == '(') return bracket(p, out);
    if (c == '"' || c == '\'') return template_string(p, out);
    int e = literal(p, out, &is);
    return e < 0 || is ? e : path(p, out);
}

/* ---- helpers ---- */

static const struct helper {
    struct slice name;
    enum texpr_fn fn;
    size_t least, most;
} helpers[] = {
    {SL_INIT("insert"), FN_INSERT, 1, 2},       {SL_INIT("formatDate"), FN_DATE, 2, 3},
    {SL_INIT("length"), FN_LENGTH, 1, 1},       {SL_INIT("lookup"), FN_LOOKUP, 2, 2},
    {SL_INIT("equals"), FN_EQUALS, 2, 2},       {SL_INIT("notEquals"), FN_NOT_EQUALS, 2, 2},
    {SL_INIT("greaterThan"), FN_GREATER, 2, 2}, {SL_INIT("lessThan"), FN_LESS, 2, 2},
    {SL_INIT("and"), FN_AND, 1, 100},           {SL_INIT("or"), FN_OR, 1, 100},
};

static const struct helper *find_helper(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(helpers); i++)
        if (sl_eq(helpers[i].name, name)) return &helpers[i];
    return NULL;
}

/* Does the tag or bracket end here? */
static bool at_end(struct tparser *p, char end)
{
    char c = template_peek(p, 0);
    if (end == ')') return c == ')';
    return c == '}' || (c == '~' && template_peek(p, 1) == '}') || !c || c == '|';
}

/* The arguments of the helper `name` up to the end. */
static int call_rest(struct tparser *p, struct slice name, size_t at, struct texpr **out, char end)
{
    const struct helper *h = find_helper(name);
    if (!h) return FAIL(p, at, "there is no helper '%.*s'", SLF(printable(p->a, name, 60)));
    struct texpr *e = template_expr(p, X_CALL, at), **last;
    if (!e) return template_too_many(p, at);
    e->fn = h->fn;
    last = &e->arg;
    for (template_skip(p); !at_end(p, end); template_skip(p)) {
        if (p->i >= p->s.n) return FAIL(p, at, "the call of %.*s does not end", SLF(name));
        int err = param(p, last);
        if (err < 0) return err;
        last = &(*last)->next;
        e->nargs++;
    }
    if (e->nargs < h->least || e->nargs > h->most)
        return FAIL(p, at, "the helper %.*s takes %zu%s argument%s", SLF(name), h->least,
                    h->most > h->least ? " or more" : "", h->most == 1 ? "" : "s");
    *out = e;
    return 0;
}

/* A helper with arguments, or a path. */
static int printed(struct tparser *p, struct tag *g)
{
    size_t at = p->i;
    char c = template_peek(p, 0);
    if (c == '(') return bracket(p, &g->expr);
    if (c == '"' || c == '\'') { /* a name in quotes */
        int e = template_string(p, &g->expr);
        if (e < 0) return e;
        g->expr->op = X_PATH;
        g->expr->here = true;
        g->expr->seg = ar_array(p->a, struct slice, 1);
        g->expr->seg[g->expr->nseg++] = g->expr->value.s;
        return 0;
    }
    int e = path(p, &g->expr);
    if (e < 0) return e;
    struct slice name = sl_sub(p->s, at, p->i);
    template_skip(p);
    if (at_end(p, '}')) return 0;
    return call_rest(p, name, at, &g->expr, '}');
}

/* ---- blocks' first tags ---- */

static int block_params(struct tparser *p, struct tag *g)
{
    template_skip(p);
    if (!sl_starts(sl_from(p->s, p->i), SL("as")) || !template_blank(template_peek(p, 2))) return 0;
    size_t at = p->i;
    p->i += 2;
    template_skip(p);
    if (template_peek(p, 0) != '|') return FAIL(p, at, "after as a | is expected");
    p->i++;
    for (size_t i = 0;; i++) {
        template_skip(p);
        if (template_peek(p, 0) == '|') break;
        struct slice name = word(p);
        if (!name.n || i == 2) return FAIL(p, at, "a block has one or two names between | and |");
        g->param[i] = name;
    }
    p->i++;
    return 0;
}

/* includeZero=true, the only one that there is. */
static int hash(struct tparser *p, struct tag *g)
{
    static const struct slice zero = SL_INIT("includeZero=");
    template_skip(p);
    if (g->block != N_IF && g->block != N_UNLESS) return 0;
    if (!sl_starts(sl_from(p->s, p->i), zero)) return 0;
    p->i += zero.n;
    g->include_zero = sl_eq(word(p), SL("true"));
    return 0;
}

static const struct {
    struct slice name;
    enum tnode_kind kind;
} blocks[] = {{SL_INIT("if"), N_IF},
              {SL_INIT("unless"), N_UNLESS},
              {SL_INIT("each"), N_EACH},
              {SL_INIT("with"), N_WITH}};

/* What follows {{# or {{else: a block helper with its argument, a helper that answers yes or no, or a name.
 */
static int opened(struct tparser *p, struct tag *g)
{
    size_t at = p->i;
    struct texpr *head;
    int e = path(p, &head);
    if (e < 0) return e;
    g->name = sl_sub(p->s, at, p->i);
    g->block = N_SECTION;
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        if (sl_eq(g->name, blocks[i].name)) g->block = blocks[i].kind;
    template_skip(p);
    if (g->block != N_SECTION) {
        if (at_end(p, '}')) return FAIL(p, at, "%.*s needs an argument", SLF(g->name));
        e = param(p, &g->expr);
        if (e == 0) e = hash(p, g);
    } else if (find_helper(g->name) && !at_end(p, '}')) {
        g->block = N_IF;
        e = call_rest(p, g->name, at, &g->expr, '}');
    } else {
        g->expr = head;
    }
    if (e == 0) e = block_params(p, g);
    template_skip(p);
    if (e == 0 && !at_end(p, '}')) {
        if (g->block == N_SECTION)
            return FAIL(p, at, "there is no helper '%.*s'", SLF(printable(p->a, g->name, 60)));
        return FAIL(p, p->i, "%.*s takes one argument", SLF(g->name));
    }
    return e;
}

/* ---- tags ---- */

static int tag_closes(struct tparser *p, struct tag *g, const char *brackets)
{
    template_skip(p);
    if (template_peek(p, 0) == '~') {
        g->strip.close = true;
        p->i++;
    }
    if (!sl_starts(sl_from(p->s, p->i), SL("}}")))
        return FAIL(p, g->at, "the tag is not closed with %s", brackets);
    p->i += 2;
    return 0;
}

static int comment(struct tparser *p, struct tag *g)
{
    bool dashes = sl_starts(sl_from(p->s, p->i), SL("!--"));
    struct slice rest = sl_from(p->s, p->i), end = dashes ? SL("--") : SL("}}");
    size_t at = 0;
    g->kind = TAG_COMMENT;
    for (;;) {
        size_t n = sl_find(sl_from(rest, at), end);
        if (n == SL_NONE) return FAIL(p, g->at, "the comment does not end");
        at += n;
        struct slice after = sl_from(rest, at + 2);
        if (!dashes) {
            g->strip.close = at && rest.p[at - 1] == '~';
            p->i += at + 2;
            return 0;
        }
        g->strip.close = sl_starts(after, SL("~}}"));
        if (at >= 3 && (g->strip.close || sl_starts(after, SL("}}")))) {
            p->i += at + 4 + g->strip.close;
            return 0;
        }
        at++;
    }
}

static int partial_name(struct tparser *p, struct tag *g)
{
    template_skip(p);
    char c = template_peek(p, 0);
    if (c == '"' || c == '\'') {
        struct texpr *e;
        int err = template_string(p, &e);
        if (err < 0) return err;
        g->name = e->value.s;
    } else {
        g->name = word(p);
    }
    return g->name.n ? 0 : FAIL(p, g->at, "a partial needs a name");
}

/* {{#* inline "name"}} */
static int define(struct tparser *p, struct tag *g)
{
    template_skip(p);
    if (!sl_eq(word(p), SL("inline"))) return FAIL(p, g->at, "there is no decorator but inline");
    g->kind = TAG_DEFINE;
    return partial_name(p, g);
}

static bool takes(struct tparser *p, char c)
{
    if (template_peek(p, 0) != c) return false;
    p->i++;
    return true;
}

/* {{else}}, {{^}}, {{else if x}}. */
static int else_tag(struct tparser *p, struct tag *g)
{
    g->kind = TAG_ELSE;
    template_skip(p);
    if (at_end(p, '}')) return 0;
    g->chain = true;
    return opened(p, g);
}

static bool is_else(struct tparser *p)
{
    struct slice s = sl_from(p->s, p->i);
    return sl_starts(s, SL("else")) && (s.n == 4 || template_blank(s.p[4]) || s.p[4] == '}' || s.p[4] == '~');
}

static int inside(struct tparser *p, struct tag *g)
{
    if (takes(p, '#')) {
        if (takes(p, '*')) return define(p, g);
        if (template_peek(p, 0) == '>') return FAIL(p, g->at, "partial blocks are not supported");
        g->kind = TAG_OPEN;
        template_skip(p);
        return opened(p, g);
    }
    if (takes(p, '/')) {
        g->kind = TAG_CLOSE;
        template_skip(p);
        size_t at = p->i;
        struct texpr *e;
        int err = path(p, &e);
        g->name = sl_sub(p->s, at, p->i);
        return err;
    }
    if (takes(p, '^')) {
        template_skip(p);
        g->kind = at_end(p, '}') ? TAG_ELSE : TAG_INVERSE;
        return g->kind == TAG_ELSE ? 0 : opened(p, g);
    }
    if (takes(p, '>')) {
        g->kind = TAG_PARTIAL;
        return partial_name(p, g);
    }
    if (takes(p, '*')) return FAIL(p, g->at, "decorators are not supported");
    if (takes(p, '&')) g->kind = TAG_RAW;
    template_skip(p);
    if (g->kind == TAG_PRINT && is_else(p)) {
        p->i += 4;
        return else_tag(p, g);
    }
    return printed(p, g);
}

/* At the two brackets that begin a tag. */
static int read_tag(struct tparser *p, struct tag *g)
{
    *g = (struct tag){.kind = TAG_PRINT, .at = p->i};
    if (template_peek(p, 2) == '{' && template_peek(p, 3) == '{')
        return FAIL(p, g->at, "raw blocks {{{{ are not supported");
    p->i += 2;
    g->strip.open = takes(p, '~');
    if (template_peek(p, 0) == '!') return comment(p, g);
    bool three = takes(p, '{');
    if (three) {
        g->kind = TAG_RAW;
        template_skip(p);
        int e = printed(p, g);
        if (e < 0) return e;
        template_skip(p);
        return takes(p, '}') ? tag_closes(p, g, "}}}") : FAIL(p, g->at, "the tag is not closed with }}}");
    }
    int e = inside(p, g);
    return e < 0 ? e : tag_closes(p, g, "}}");
}

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
        e = read_tag(p, end);
        if (e < 0 || end->kind == TAG_ELSE || end->kind == TAG_CLOSE) return e;
        e = add_tag(p, to, end);
        if (e < 0) return e;
    }
}

/* ---- blanks: as handlebars' whitespace-control.js ---- */

enum { FIRST = -1 };

static struct tnode *text_at(const struct tprogram *p, long i)
{
    return i >= 0 && (size_t)i < p->n && p->node[i]->kind == N_TEXT ? p->node[i] : NULL;
}

/* Is there nothing but blanks on the line before node i? */
static bool blank_before(const struct tprogram *p, long i, bool root)
{
    if (i <= 0) return root;
    const struct tnode *prev = text_at(p, i - 1);
    if (!prev) return false;
    struct slice s = prev->original;
    while (s.n && template_blank(s.p[s.n - 1])) {
        if (s.p[s.n - 1] == '\n') return true;
        s.n--;
    }
    return !s.n && i == 1 && root;
}

static bool blank_behind(const struct tprogram *p, long i, bool root)
{
    if (i + 1 >= (long)p->n) return root;
    const struct tnode *next = text_at(p, i + 1);
    if (!next) return false;
    struct slice s = next->original;
    for (; s.n && template_blank(s.p[0]); s = sl_from(s, 1))
        if (s.p[0] == '\n') return true;
    return !s.n && i + 2 >= (long)p->n && root;
}

/* Takes blanks from the front of the text behind node i: all of them, or the rest of the line. */
static void strip_behind(struct tprogram *p, long i, bool all)
{
    struct tnode *n = p ? text_at(p, i + 1) : NULL;
    if (!n || (!all && n->right_stripped)) return;
    size_t before = n->text.n, k = 0;
    while (k < n->text.n &&
           (all ? template_blank(n->text.p[k]) : n->text.p[k] == ' ' || n->text.p[k] == '\t'))
        k++;
    if (!all && k < n->text.n && n->text.p[k] == '\r' && k + 1 < n->text.n && n->text.p[k + 1] == '\n') k++;
    if (!all && k < n->text.n && n->text.p[k] == '\n') k++;
    n->text = sl_from(n->text, k);
    n->right_stripped = n->text.n != before;
}

static void strip_before(struct tprogram *p, long i, bool all)
{
    struct tnode *n = p ? text_at(p, i - 1) : NULL;
    if (!n || (!all && n->left_stripped)) return;
    size_t before = n->text.n;
    while (n->text.n) {
        char c = n->text.p[n->text.n - 1];
        if (all ? !template_blank(c) : c != ' ' && c != '\t') break;
        n->text.n--;
    }
    n->left_stripped = n->text.n != before;
}

struct alone { /* may the tag stand alone on its line? */
    bool open, close, whole;
    bool strip_open, strip_close;
};

static void blanks(struct tprogram *p, bool root);

static long count(const struct tprogram *p) { return p ? (long)p->n : 0; }

static void between(struct tnode *n, struct tprogram *body, struct tprogram *first, struct tprogram *last)
{
    if (n->strip_else.open) strip_before(body, count(body), true);
    if (n->strip_else.close) strip_behind(first, FIRST, true);
    if (n->strip_close.open) strip_before(last, count(last), true);
    if (blank_before(body, count(body), false) && blank_behind(first, FIRST, false)) {
        strip_before(body, count(body), false);
        strip_behind(first, FIRST, false);
    }
}

static struct alone block_blanks(struct tnode *n)
{
    if (n->body) blanks(n->body, false);
    if (n->inverse) blanks(n->inverse, false);
    struct tprogram *body = n->body ? n->body : n->inverse, *inverse = n->body ? n->inverse : NULL;
    struct tprogram *first = inverse, *last = inverse;
    if (inverse && inverse->chained) {
        first = inverse->node[0]->body;
        while (last && last->chained) last = last->node[last->n - 1]->body;
    }
    struct alone a = {.open = blank_behind(body, FIRST, false),
                      .close = blank_before(first ? first : body, count(first ? first : body), false),
                      .strip_open = n->strip.open,
                      .strip_close = n->strip_close.close};
    if (n->strip.close) strip_behind(body, FIRST, true);
    if (inverse) between(n, body, first, last);
    else if (n->strip_close.open) strip_before(body, count(body), true);
    return a;
}

static struct alone node_blanks(struct tnode *n)
{
    struct alone a = {.strip_open = n->strip.open, .strip_close = n->strip.close};
    if (n->kind == N_COMMENT || n->kind == N_PARTIAL) a.whole = true;
    else if (n->kind != N_TEXT && n->kind != N_PRINT) a = block_blanks(n);
    return a;
}

static void blanks(struct tprogram *p, bool root)
{
    for (long i = 0; i < (long)p->n; i++) {
        struct tnode *n = p->node[i];
        struct alone a = node_blanks(n);
        bool before = blank_before(p, i, root), behind = blank_behind(p, i, root);
        if (a.strip_close) strip_behind(p, i, true);
        if (a.strip_open) strip_before(p, i, true);
        if (a.whole && before && behind) {
            strip_behind(p, i, false);
            strip_before(p, i, false);
        }
        if (a.open && before) {
            strip_behind(n->body ? n->body : n->inverse, FIRST, false);
            strip_before(p, i, false);
        }
        if (a.close && behind) {
            struct tprogram *last = n->inverse ? n->inverse : n->body;
            strip_behind(p, i, false);
            strip_before(last, count(last), false);
        }
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
    blanks(p->t->program, true);
    return 0;
}

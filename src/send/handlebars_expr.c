/* handlebars_expr.c - paths, literals and calls of helpers in Handlebars tags. */
#include "base/text.h"
#include "handlebars_i.h"

static bool is_id(char c) { return c && !template_blank(c) && !strchr("!\"#%&'()*+,./;<=>@[\\]^`{|}~", c); }

static bool ends_literal(char c) { return !c || template_blank(c) || strchr("=~})|]", c); }

struct slice handlebars_word(struct tparser *p)
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
    struct slice s = dots ? sl_sub(p->s, at, p->i) : handlebars_word(p);
    if (!s.n) return FAIL(p, at, "here a name is expected");
    if (!dots && !sl_eq(s, SL("this"))) return add_segment(p, e, room, s);
    if (e->nseg) return FAIL(p, at, "%.*s can stand at the beginning of a path only", SLF(s));
    if (dots == 2 && e->up++ >= TEMPLATE_DEPTH_MAX) return FAIL(p, at, "there are too many ../");
    e->here = true;
    return 0;
}

int handlebars_path(struct tparser *p, struct texpr **out)
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

static int bracket(struct tparser *p, struct texpr **out)
{
    size_t at = p->i++;
    if (++p->depth > TEMPLATE_DEPTH_MAX)
        return FAIL(p, at, "brackets stand more than %d deep", TEMPLATE_DEPTH_MAX);
    template_skip(p);
    struct slice name = handlebars_word(p);
    int e = handlebars_call(p, name, at, out, ')');
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

int handlebars_param(struct tparser *p, struct texpr **out)
{
    bool is;
    char c = template_peek(p, 0);
    if (c == '(') return bracket(p, out);
    if (c == '"' || c == '\'') return template_string(p, out);
    int e = literal(p, out, &is);
    return e < 0 || is ? e : handlebars_path(p, out);
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

bool handlebars_is_helper(struct slice name) { return find_helper(name) != NULL; }

bool handlebars_at_end(struct tparser *p, char end)
{
    char c = template_peek(p, 0);
    if (end == ')') return c == ')';
    return c == '}' || (c == '~' && template_peek(p, 1) == '}') || !c || c == '|';
}

int handlebars_call(struct tparser *p, struct slice name, size_t at, struct texpr **out, char end)
{
    const struct helper *h = find_helper(name);
    if (!h) return FAIL(p, at, "there is no helper '%.*s'", SLF(printable(p->a, name, 60)));
    struct texpr *e = template_expr(p, X_CALL, at), **last;
    if (!e) return template_too_many(p, at);
    e->fn = h->fn;
    last = &e->arg;
    for (template_skip(p); !handlebars_at_end(p, end); template_skip(p)) {
        if (p->i >= p->s.n) return FAIL(p, at, "the call of %.*s does not end", SLF(name));
        int err = handlebars_param(p, last);
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

int handlebars_printed(struct tparser *p, struct texpr **out)
{
    size_t at = p->i;
    char c = template_peek(p, 0);
    if (c == '(') return bracket(p, out);
    if (c == '"' || c == '\'') { /* a name in quotes */
        int e = template_string(p, out);
        if (e < 0) return e;
        (*out)->op = X_PATH;
        (*out)->here = true;
        (*out)->seg = ar_array(p->a, struct slice, 1);
        (*out)->seg[(*out)->nseg++] = (*out)->value.s;
        return 0;
    }
    int e = handlebars_path(p, out);
    if (e < 0) return e;
    struct slice name = sl_sub(p->s, at, p->i);
    template_skip(p);
    if (handlebars_at_end(p, '}')) return 0;
    return handlebars_call(p, name, at, out, '}');
}

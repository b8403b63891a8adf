/* template_mailjet.c - Mailjet's templating language: {{var:name:"default"}}, {% if %}, {% for %}, {% set %}
 * (dev.mailjet.com/template-language/reference), and its older form [[var:name:"default"]]. Variables of both
 * namespaces, var and data, come from the one object that is given. Functions are refused by name. */
#include "base/text.h"
#include "template_i.h"

#define FAIL(p, at, ...) template_error((p)->t, at, ERR_SYNTAX, __VA_ARGS__)

static bool is_word(char c) { return is_alnum(c) || c == '_' || (c & 0x80); }

static struct slice word(struct tparser *p)
{
    size_t from = p->i;
    while (is_word(template_peek(p, 0))) p->i++;
    return sl_sub(p->s, from, p->i);
}

/* The word, and after it none of the same word's letters. */
static bool takes_word(struct tparser *p, struct slice w)
{
    template_skip(p);
    if (!sl_startsi(sl_from(p->s, p->i), w) || is_word(template_peek(p, w.n))) return false;
    p->i += w.n;
    return true;
}

static bool takes(struct tparser *p, struct slice sign)
{
    template_skip(p);
    if (!sl_starts(sl_from(p->s, p->i), sign)) return false;
    p->i += sign.n;
    return true;
}

/* ---- expressions ---- */

static int expression(struct tparser *p, struct texpr **out);

static int call(struct tparser *p, enum texpr_fn fn, size_t at, struct texpr *a, struct texpr *b,
                struct texpr **out)
{
    struct texpr *e = template_expr(p, X_CALL, at);
    if (!e) return template_too_many(p, at);
    e->fn = fn;
    e->arg = a;
    a->next = b;
    *out = e;
    return 0;
}

static int segment(struct tparser *p, struct texpr *e, size_t *room, struct slice s)
{
    if (!s.n) return FAIL(p, p->i, "here a name is expected");
    if (e->nseg == TEMPLATE_DEPTH_MAX)
        return FAIL(p, e->at, "the path has more than %d parts", TEMPLATE_DEPTH_MAX);
    if (e->nseg == *room) e->seg = ar_grow(p->a, e->seg, room, sizeof *e->seg);
    e->seg[e->nseg++] = s;
    return 0;
}

/* name.name[3] */
static int path(struct tparser *p, struct texpr *e, struct slice first)
{
    size_t room = 0;
    int err = segment(p, e, &room, first);
    while (err == 0) {
        if (template_peek(p, 0) == '.' && is_word(template_peek(p, 1))) {
            p->i++;
            err = segment(p, e, &room, word(p));
        } else if (template_peek(p, 0) == '[') {
            p->i++;
            err = segment(p, e, &room, word(p));
            if (err == 0 && !takes(p, SL("]"))) err = FAIL(p, p->i, "the bracket [ is not closed");
        } else {
            break;
        }
    }
    return err;
}

/* var:name, var:name:"default", var:name:default */
static int variable(struct tparser *p, size_t at, struct texpr **out)
{
    struct texpr *e = template_expr(p, X_PATH, at), *other;
    if (!e) return template_too_many(p, at);
    e->root = true;
    *out = e;
    int err = path(p, e, word(p));
    if (err < 0 || template_peek(p, 0) != ':') return err;
    p->i++;
    char c = template_peek(p, 0);
    if (c == '"' || c == '\'') {
        err = template_string(p, &other);
    } else {
        size_t from = p->i;
        while ((c = template_peek(p, 0)) && !template_blank(c) && !strchr("}%)", c) &&
               !sl_starts(sl_from(p->s, p->i), SL("]]")))
            p->i++;
        other = template_expr(p, X_VALUE, from);
        if (!other) return template_too_many(p, from);
        other->value = tval_string(sl_sub(p->s, from, p->i));
    }
    return err < 0 ? err : call(p, FN_DEFAULT, at, e, other, out);
}

static int name(struct tparser *p, struct texpr **out)
{
    size_t at = p->i;
    struct slice w = word(p);
    if (!w.n) return FAIL(p, at, "here a value is expected");
    if (template_peek(p, 0) == ':') {
        p->i++;
        if (sl_eq(w, SL("var")) || sl_eq(w, SL("data"))) return variable(p, at, out);
        return template_error(p->t, at, ERR_UNSUPPORTED, "there are no variables of the kind %.*s: here",
                              SLF(w));
    }
    if (template_peek(p, 0) == '(')
        return template_error(p->t, at, ERR_UNSUPPORTED, "the function %.*s is not supported",
                              SLF(printable(p->a, w, 60)));
    struct texpr *e =
        template_expr(p, sl_eqi(w, SL("true")) || sl_eqi(w, SL("false")) ? X_VALUE : X_PATH, at);
    if (!e) return template_too_many(p, at);
    *out = e;
    if (e->op == X_PATH) return path(p, e, w);
    e->value = tval_bool(sl_eqi(w, SL("true")));
    return 0;
}

static int deeper(struct tparser *p)
{
    if (++p->depth <= TEMPLATE_DEPTH_MAX) return 0;
    return FAIL(p, p->i, "brackets and blocks stand more than %d deep", TEMPLATE_DEPTH_MAX);
}

static int primary(struct tparser *p, struct texpr **out)
{
    template_skip(p);
    char c = template_peek(p, 0);
    if (c == '"' || c == '\'') return template_string(p, out);
    if (is_digit(c) || (c == '-' && is_digit(template_peek(p, 1)))) return template_number(p, out);
    if (c != '(') return name(p, out);
    size_t at = p->i++;
    int e = deeper(p);
    if (e == 0) e = expression(p, out);
    if (e < 0) return e;
    p->depth--;
    return takes(p, SL(")")) ? 0 : FAIL(p, at, "the bracket ( is not closed");
}

struct operator
{
    struct slice sign;
    enum texpr_fn fn;
};
/* From the loosest to the tightest; a longer sign stands before one that begins it. */
static const struct operator levels[][12] = {
    {{SL_INIT("or"), FN_OR}},
    {{SL_INIT("xor"), FN_XOR}},
    {{SL_INIT("and"), FN_AND}},
    {{SL_INIT("==="), FN_EQUALS},
     {SL_INIT("=="), FN_EQUALS},
     {SL_INIT("!="), FN_NOT_EQUALS},
     {SL_INIT("<>"), FN_NOT_EQUALS},
     {SL_INIT(">="), FN_GREATER_EQUAL},
     {SL_INIT("<="), FN_LESS_EQUAL},
     {SL_INIT("="), FN_EQUALS},
     {SL_INIT(">"), FN_GREATER},
     {SL_INIT("<"), FN_LESS}},
    {{SL_INIT("+"), FN_ADD}, {SL_INIT("-"), FN_SUBTRACT}},
    {{SL_INIT("*"), FN_TIMES}, {SL_INIT("/"), FN_DIVIDE}, {SL_INIT("div"), FN_DIV}, {SL_INIT("mod"), FN_MOD}},
};

static const struct operator* takes_operator(struct tparser *p, size_t level)
{
    for (const struct operator* o = levels[level]; o < levels[level] + COUNT_OF(levels[0]) && o->sign.n; o++)
        if (is_word(o->sign.p[0]) ? takes_word(p, o->sign) : takes(p, o->sign)) return o;
    return NULL;
}

static int at_level(struct tparser *p, size_t level, struct texpr **out)
{
    const struct operator* o;
    size_t at = p->i;
    if (level == COUNT_OF(levels)) return primary(p, out);
    if (level == 3 && takes_word(p, SL("not"))) { /* binds looser than a comparison */
        struct texpr *x;
        int err = deeper(p);
        if (err == 0) err = at_level(p, level, &x);
        if (err < 0) return err;
        p->depth--;
        return call(p, FN_NOT, at, x, NULL, out);
    }
    int e = at_level(p, level + 1, out);
    while (e == 0 && (o = takes_operator(p, level))) {
        struct texpr *left = *out, *right;
        e = at_level(p, level + 1, &right);
        if (e == 0) e = call(p, o->fn, at, left, right, out);
    }
    return e;
}

static int expression(struct tparser *p, struct texpr **out) { return at_level(p, 0, out); }

/* ---- statements ---- */

enum end { END_SOURCE, END_ELSE, END_ELSEIF, END_IF, END_FOR };
struct place { /* where a program ended */
    enum end end;
    size_t at;
};

static int program(struct tparser *p, struct tprogram *to, struct place *end);

static int closes(struct tparser *p, size_t at, struct slice with)
{
    return takes(p, with) ? 0 : FAIL(p, at, "here %.*s is expected before more", SLF(with));
}

static int block(struct tparser *p, enum tnode_kind kind, size_t at, struct tnode **out)
{
    struct tnode *n = template_node(p, kind, at);
    if (!n) return template_too_many(p, at);
    n->body = ar_new(p->a, struct tprogram);
    *out = n;
    return deeper(p);
}

/* After {% if: the condition, what follows it, up to and with endif. */
static int if_rest(struct tparser *p, size_t at, struct tprogram *to)
{
    struct tnode *n;
    struct place end;
    int e = block(p, N_IF, at, &n);
    if (e == 0) e = expression(p, &n->expr);
    if (e == 0) e = closes(p, p->i, SL("%}"));
    if (e == 0) e = program(p, n->body, &end);
    if (e == 0 && (end.end == END_ELSE || end.end == END_ELSEIF)) {
        n->inverse = ar_new(p->a, struct tprogram);
        if (end.end == END_ELSEIF) {
            e = if_rest(p, end.at, n->inverse);
            end.end = END_IF;
        } else {
            e = program(p, n->inverse, &end);
        }
    }
    if (e < 0) return e;
    if (end.end != END_IF) return FAIL(p, at, "if is not closed with endif");
    p->depth--;
    template_add(p, to, n);
    return 0;
}

static int for_rest(struct tparser *p, size_t at, struct tprogram *to)
{
    struct tnode *n;
    struct place end;
    int e = block(p, N_EACH, at, &n);
    if (e < 0) return e;
    template_skip(p);
    n->param[0] = word(p);
    if (!n->param[0].n || !takes_word(p, SL("in"))) return FAIL(p, at, "for has the form: for name in list");
    e = expression(p, &n->expr);
    if (e == 0) e = closes(p, p->i, SL("%}"));
    if (e == 0) e = program(p, n->body, &end);
    if (e < 0) return e;
    if (end.end != END_FOR) return FAIL(p, at, "for is not closed with endfor");
    p->depth--;
    template_add(p, to, n);
    return 0;
}

static int set_rest(struct tparser *p, size_t at, struct tprogram *to)
{
    struct tnode *n = template_node(p, N_SET, at);
    if (!n) return template_too_many(p, at);
    template_skip(p);
    n->name = word(p);
    if (!n->name.n || !takes(p, SL("="))) return FAIL(p, at, "set has the form: set name = value");
    int e = expression(p, &n->expr);
    if (e == 0) e = closes(p, p->i, SL("%}"));
    template_add(p, to, n);
    return e;
}

static int print_rest(struct tparser *p, size_t at, struct tprogram *to, struct slice close)
{
    struct tnode *n = template_node(p, N_PRINT, at);
    if (!n) return template_too_many(p, at);
    int e = expression(p, &n->expr);
    if (e == 0) e = closes(p, p->i, close);
    template_add(p, to, n);
    return e;
}

/* After {%. True in *ends: it was one that ends a program. */
static int statement(struct tparser *p, struct tprogram *to, struct place *end, bool *ends)
{
    static const struct {
        struct slice word;
        enum end end;
    } words[] = {{SL_INIT("else"), END_ELSE},
                 {SL_INIT("elseif"), END_ELSEIF},
                 {SL_INIT("endif"), END_IF},
                 {SL_INIT("endfor"), END_FOR}};
    size_t at = end->at;
    *ends = false;
    if (takes_word(p, SL("if"))) return if_rest(p, at, to);
    if (takes_word(p, SL("for"))) return for_rest(p, at, to);
    if (takes_word(p, SL("set"))) return set_rest(p, at, to);
    *ends = true;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!takes_word(p, words[i].word)) continue;
        end->end = words[i].end;
        return end->end == END_ELSEIF ? 0 : closes(p, p->i, SL("%}"));
    }
    struct slice what = printable(p->a, word(p), 60);
    return FAIL(p, at, "there is no statement '%.*s'", SLF(what));
}

static bool is_tag(struct slice s)
{
    return sl_starts(s, SL("{{")) || sl_starts(s, SL("{%")) || sl_starts(s, SL("[[var:")) ||
           sl_starts(s, SL("[[data:"));
}

/* Where the next one is. */
static size_t next_tag(struct tparser *p)
{
    size_t i = p->i;
    while (i < p->s.n && !((p->s.p[i] == '{' || p->s.p[i] == '[') && is_tag(sl_from(p->s, i)))) i++;
    return i;
}

static int program(struct tparser *p, struct tprogram *to, struct place *end)
{
    for (;;) {
        size_t at = next_tag(p);
        if (at > p->i) {
            struct tnode *n = template_node(p, N_TEXT, p->i);
            if (!n) return template_too_many(p, at);
            n->text = sl_sub(p->s, p->i, at);
            template_add(p, to, n);
        }
        *end = (struct place){END_SOURCE, at};
        p->i = at + 2;
        if (at == p->s.n) return 0;
        bool ends = false;
        char c = p->s.p[at + 1];
        int e =
            c == '%' ? statement(p, to, end, &ends) : print_rest(p, at, to, c == '{' ? SL("}}") : SL("]]"));
        if (e < 0 || ends) return e;
    }
}

int mailjet_parse(struct tparser *p)
{
    static const char *const words[] = {
        [END_ELSE] = "else", [END_ELSEIF] = "elseif", [END_IF] = "endif", [END_FOR] = "endfor"};
    struct place end;
    int e = program(p, p->t->program, &end);
    if (e < 0 || end.end == END_SOURCE) return e;
    return FAIL(p, end.at, "%s stands outside of a block", words[end.end]);
}

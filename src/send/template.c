/* template.c - templates compiled and rendered. */
#include <math.h>

#include "base/text.h"
#include "template_i.h"

/* ---- compiling ---- */

int template_compile(struct arena *a, struct template_how how, struct slice source,
                     const struct template **out)
{
    struct template *t = ar_new(a, struct template);
    struct tparser p = {.a = a, .t = t, .s = source};
    t->how = how;
    t->source = source;
    t->program = ar_new(a, struct tprogram);
    *out = t;
    if (source.n > TEMPLATE_SOURCE_MAX)
        return err_set(ERR_TOO_LONG, "the template is longer than %d bytes", TEMPLATE_SOURCE_MAX);
    if (how.language == TEMPLATE_HANDLEBARS) return handlebars_parse(&p);
    if (how.language == TEMPLATE_MAILJET) return mailjet_parse(&p);
    struct tnode *n = template_node(&p, N_TEXT, 0);
    n->text = source;
    template_add(&p, t->program, n);
    return 0;
}

/* ---- rendering ---- */

enum { MEMORY_MAX = 4 * TEMPLATE_OUTPUT_MAX }; /* for texts on their way */

struct loop {
    struct tval index, key;
    bool first, last;
    const struct loop *up;
};
struct names { /* of block parameters, loops' and set variables */
    struct slice name;
    struct tval value;
    struct names *up;
};
struct scope {
    struct tval here;
    const struct scope *up;
    const struct loop *loop;
    struct names *names;
};
struct run {
    const struct template *t;
    struct arena a;
    struct buf *out;
    size_t begin; /* of what this rendering wrote */
    struct tval root;
    struct names *set;
    uint32_t steps; /* that are left */
    unsigned depth;
};

static int step(struct run *r, size_t at)
{
    if (r->out->n - r->begin > TEMPLATE_OUTPUT_MAX)
        return template_error(r->t, at, ERR_LIMIT, "the text becomes longer than %d bytes",
                              TEMPLATE_OUTPUT_MAX);
    if (ar_over(&r->a))
        return template_error(r->t, at, ERR_LIMIT, "rendering takes more memory than %d bytes", MEMORY_MAX);
    if (!r->steps)
        return template_error(r->t, at, ERR_LIMIT, "rendering takes more than %d steps", TEMPLATE_STEPS_MAX);
    r->steps--;
    return 0;
}

/* ---- names ---- */

static struct tval loop_value(const struct scope *s, const struct texpr *e)
{
    static const struct tval none = {.type = T_NONE};
    const struct loop *l = s->loop;
    for (unsigned i = 0; i < e->up && l; i++) l = l->up;
    if (!l || e->nseg != 1) return none;
    if (sl_eq(e->seg[0], SL("index"))) return l->index;
    if (sl_eq(e->seg[0], SL("key"))) return l->key;
    if (sl_eq(e->seg[0], SL("first"))) return tval_bool(l->first);
    if (sl_eq(e->seg[0], SL("last"))) return tval_bool(l->last);
    return none;
}

static const struct names *find_name(const struct names *n, struct slice name)
{
    while (n && !sl_eq(n->name, name)) n = n->up;
    return n;
}

static struct tval path(const struct run *r, const struct scope *s, const struct texpr *e)
{
    struct tval v = s->here;
    size_t i = 0;
    if (e->data && e->nseg && sl_eq(e->seg[0], SL("root"))) {
        v = r->root;
        i = 1;
    } else if (e->data) {
        return loop_value(s, e);
    } else if (e->root) {
        v = r->root;
    } else if (!e->here && e->nseg) {
        const struct names *n = find_name(s->names, e->seg[0]);
        if (!n) n = find_name(r->set, e->seg[0]);
        if (n) v = n->value, i = 1;
    }
    for (unsigned k = 0; k < e->up && !e->data; k++) {
        s = s->up;
        if (!s) return (struct tval){.type = T_NONE};
        v = s->here;
    }
    for (; i < e->nseg && (!e->data || v.type == T_LIST || tval_true(&v)); i++)
        v = tval_member(&v, e->seg[i]);
    return v;
}

/* ---- functions ---- */

static int eval(struct run *r, const struct scope *s, const struct texpr *e, struct tval *out);

static struct slice as_text(struct run *r, const struct tval *v)
{
    struct buf b = BUF_INIT;
    (void)tval_text(&b, v, &r->steps);
    struct slice s = ar_dup(&r->a, buf_slice(&b));
    buf_free(&b);
    return s;
}

static struct tval insert(const struct tval *v, size_t n)
{
    static const struct slice mark = SL_INIT("default=");
    bool none = v[0].type <= T_NULL || (v[0].type == T_STRING && !v[0].s.n);
    if (!none || n < 2) return v[0];
    return v[1].type == T_STRING && sl_starts(v[1].s, mark) ? tval_string(sl_from(v[1].s, mark.n)) : v[1];
}

static int date(struct run *r, const struct texpr *e, const struct tval *v, size_t n, struct tval *out)
{
    struct buf b = BUF_INIT;
    struct slice zone = n > 2 && v[2].type == T_STRING ? v[2].s : SL("");
    if (v[0].type <= T_NULL) {
        *out = v[0];
        return 0;
    }
    bool ok = v[1].type == T_STRING && tval_date(&b, &v[0], v[1].s, zone);
    *out = tval_string(ar_dup(&r->a, buf_slice(&b)));
    buf_free(&b);
    return ok ? 0 : template_error(r->t, e->at, ERR_SYNTAX, "formatDate is given no date that it can read");
}

static bool compare(enum texpr_fn fn, const struct tval *v)
{
    int order = 0;
    if (!tval_compare(&v[0], &v[1], &order)) return false;
    switch (fn) {
    case FN_GREATER: return order > 0;
    case FN_LESS: return order < 0;
    case FN_GREATER_EQUAL: return order >= 0;
    default: return order <= 0;
    }
}

static int calculate(struct run *r, const struct texpr *e, const struct tval *v, struct tval *out)
{
    double x, y;
    bool numbers = tval_as_number(&v[0], &x) && tval_as_number(&v[1], &y);
    if (!numbers && e->fn == FN_ADD) {
        struct slice a = as_text(r, &v[0]), b = as_text(r, &v[1]);
        *out = tval_string(ar_cat(&r->a, a, b));
        return 0;
    }
    if (!numbers) return template_error(r->t, e->at, ERR_SYNTAX, "what is calculated with is no number");
    if (y == 0 && (e->fn == FN_DIVIDE || e->fn == FN_DIV || e->fn == FN_MOD))
        return template_error(r->t, e->at, ERR_SYNTAX, "nothing can be divided by 0");
    switch (e->fn) {
    case FN_ADD: x += y; break;
    case FN_SUBTRACT: x -= y; break;
    case FN_TIMES: x *= y; break;
    case FN_DIVIDE: x /= y; break;
    case FN_DIV: x = trunc(x / y); break;
    default: x = fmod(x, y); break;
    }
    *out = tval_number(x);
    return 0;
}

static int call_two(struct run *r, const struct texpr *e, struct tval *v, struct tval *out)
{
    switch (e->fn) {
    case FN_EQUALS: *out = tval_bool(tval_equal(&v[0], &v[1])); return 0;
    case FN_NOT_EQUALS: *out = tval_bool(!tval_equal(&v[0], &v[1])); return 0;
    case FN_XOR: *out = tval_bool(tval_true(&v[0]) != tval_true(&v[1])); return 0;
    case FN_DEFAULT: *out = v[0].type <= T_NULL ? v[1] : v[0]; return 0;
    case FN_LOOKUP: *out = tval_member(&v[0], as_text(r, &v[1])); return 0;
    case FN_GREATER:
    case FN_LESS:
    case FN_GREATER_EQUAL:
    case FN_LESS_EQUAL: *out = tval_bool(compare(e->fn, v)); return 0;
    default: return calculate(r, e, v, out);
    }
}

/* and, or: of any number, as truth; all of them are looked at, for none of them acts. */
static int junction(struct run *r, const struct scope *s, const struct texpr *e, struct tval *out)
{
    bool all = e->fn == FN_AND, result = all;
    for (const struct texpr *x = e->arg; x; x = x->next) {
        struct tval v;
        int err = eval(r, s, x, &v);
        if (err < 0) return err;
        if (tval_true(&v) != all) result = !all;
    }
    *out = tval_bool(result);
    return 0;
}

enum { ARGS_MAX = 3 }; /* of all but and, or: the parsers see to it */

static int call(struct run *r, const struct scope *s, const struct texpr *e, struct tval *out)
{
    struct tval v[ARGS_MAX] = {0};
    size_t n = 0;
    if (e->fn == FN_AND || e->fn == FN_OR) return junction(r, s, e, out);
    for (const struct texpr *x = e->arg; x && n < ARGS_MAX; x = x->next) {
        int err = eval(r, s, x, &v[n++]);
        if (err < 0) return err;
    }
    switch (e->fn) {
    case FN_INSERT: *out = insert(v, n); return 0;
    case FN_DATE: return date(r, e, v, n, out);
    case FN_LENGTH: *out = tval_number(tval_length(&v[0])); return 0;
    case FN_NOT: *out = tval_bool(!tval_true(&v[0])); return 0;
    default: return call_two(r, e, v, out);
    }
}

static int eval(struct run *r, const struct scope *s, const struct texpr *e, struct tval *out)
{
    int err = step(r, e->at);
    if (err < 0) return err;
    if (e->op == X_CALL) return call(r, s, e, out);
    *out = e->op == X_VALUE ? e->value : path(r, s, e);
    return 0;
}

/* ---- nodes ---- */

static int program(struct run *r, const struct scope *s, const struct tprogram *p);

static void put_escaped(struct buf *out, struct slice s)
{
    static const char *const as[256] = {
        ['&'] = "&amp;",   ['<'] = "&lt;",   ['>'] = "&gt;",  ['"'] = "&quot;",
        ['\''] = "&#x27;", ['`'] = "&#x60;", ['='] = "&#x3D;"};
    for (size_t i = 0; i < s.n; i++) {
        const char *e = as[(unsigned char)s.p[i]];
        if (e) buf_str(out, e);
        else buf_char(out, s.p[i]);
    }
}

/* The name as it stands in the template, for sentences. */
static struct slice name_of(struct run *r, const struct texpr *e)
{
    struct slice name = SL("");
    while (e->op == X_CALL && e->arg) e = e->arg;
    for (size_t i = 0; i < e->nseg; i++)
        name = i ? ar_printf(&r->a, "%.*s.%.*s", SLF(name), SLF(e->seg[i])) : e->seg[i];
    return printable(&r->a, name, 100);
}

static int print(struct run *r, const struct scope *s, const struct tnode *n)
{
    struct tval v;
    int e = eval(r, s, n->expr, &v);
    if (e < 0) return e;
    if (r->t->how.strict && v.type <= T_NULL && n->expr->op != X_VALUE)
        return template_error(r->t, n->at, ERR_NOT_FOUND, "the attribute '%.*s' is not present in the data",
                              SLF(name_of(r, n->expr)));
    if (!r->t->how.escape || n->raw) {
        if (!tval_text(r->out, &v, &r->steps)) return step(r, n->at);
        return 0;
    }
    put_escaped(r->out, as_text(r, &v));
    return r->steps ? 0 : step(r, n->at);
}

/* With another context; the same one is no new level for ../, as in Handlebars. */
static int within(struct run *r, const struct scope *s, const struct scope *inner, const struct tprogram *p)
{
    struct scope next = *inner;
    next.up = tval_same(&s->here, &inner->here) ? s->up : s;
    return p ? program(r, &next, p) : 0;
}

static int again(struct run *r, const struct scope *s, const struct tprogram *p)
{
    return p ? program(r, s, p) : 0;
}

static struct names *named(struct names *entry, struct slice name, struct tval value, struct names *up)
{
    *entry = (struct names){name, value, up};
    return name.n ? entry : up;
}

static int each_one(struct run *r, const struct scope *s, const struct tnode *n, struct tval item,
                    struct loop *l)
{
    struct names first, second, *names = named(&first, n->param[0], item, s->names);
    struct scope inner = {.here = item, .loop = l, .names = named(&second, n->param[1], l->key, names)};
    int e = step(r, n->at);
    return e < 0 ? e : within(r, s, &inner, n->body);
}

static int each(struct run *r, const struct scope *s, const struct tnode *n, const struct tval *v)
{
    size_t count = v->type == T_LIST     ? json_array_size(v->j)
                   : v->type == T_OBJECT ? json_object_size(v->j)
                                         : 0;
    void *at = v->type == T_OBJECT ? json_object_iter((json_t *)v->j) : NULL;
    for (size_t i = 0; i < count; i++) {
        struct loop l = {
            .index = tval_number((double)i), .first = i == 0, .last = i + 1 == count, .up = s->loop};
        struct tval item;
        l.key = l.index;
        if (at) {
            l.key = tval_string(sl(json_object_iter_key(at), json_object_iter_key_len(at)));
            item = tval_of(json_object_iter_value(at));
            at = json_object_iter_next((json_t *)v->j, at);
        } else {
            item = tval_of(json_array_get(v->j, i));
        }
        int e = each_one(r, s, n, item, &l);
        if (e < 0) return e;
    }
    return count ? 0 : again(r, s, n->inverse);
}

static int with(struct run *r, const struct scope *s, const struct tnode *n, const struct tval *v)
{
    struct names name;
    struct scope inner = {.here = *v, .loop = s->loop, .names = named(&name, n->param[0], *v, s->names)};
    bool zero = v->type == T_NUMBER && v->n == 0;
    return tval_true(v) || zero ? within(r, s, &inner, n->body) : again(r, s, n->inverse);
}

/* {{#x}} without a helper: a list is gone through, true keeps the context, any other value becomes it. */
static int section(struct run *r, const struct scope *s, const struct tnode *n, const struct tval *v)
{
    struct scope inner = {.here = *v, .loop = s->loop, .names = s->names};
    if (v->type == T_LIST) return each(r, s, n, v);
    if (v->type == T_BOOL && v->b) return again(r, s, n->body);
    if (v->type == T_BOOL || v->type <= T_NULL) return again(r, s, n->inverse);
    return within(r, s, &inner, n->body);
}

static void set(struct run *r, struct slice name, struct tval value)
{
    struct names *n = r->set;
    while (n && !sl_eq(n->name, name)) n = n->up;
    if (!n) {
        n = ar_new(&r->a, struct names);
        *n = (struct names){name, value, r->set};
        r->set = n;
    }
    n->value = value;
}

static int partial(struct run *r, const struct scope *s, const struct tnode *n)
{
    const struct tpartial *p = r->t->partial;
    while (p && !sl_eq(p->name, n->name)) p = p->next;
    if (!p)
        return template_error(r->t, n->at, ERR_NOT_FOUND, "there is no inline partial '%.*s'", SLF(n->name));
    return program(r, s, p->body);
}

static int block(struct run *r, const struct scope *s, const struct tnode *n)
{
    struct tval v;
    int e = eval(r, s, n->expr, &v);
    if (e < 0) return e;
    bool yes = tval_true(&v) || (n->include_zero && v.type == T_NUMBER && v.n == 0);
    switch (n->kind) {
    case N_IF: return again(r, s, yes ? n->body : n->inverse);
    case N_UNLESS: return again(r, s, yes ? n->inverse : n->body);
    case N_EACH: return each(r, s, n, &v);
    case N_WITH: return with(r, s, n, &v);
    case N_SET: set(r, n->name, v); return 0;
    default: return section(r, s, n, &v);
    }
}

static int node(struct run *r, const struct scope *s, const struct tnode *n)
{
    int e = step(r, n->at);
    if (e < 0) return e;
    switch (n->kind) {
    case N_TEXT: buf_put(r->out, n->text); return 0;
    case N_PRINT: return print(r, s, n);
    case N_PARTIAL: return partial(r, s, n);
    case N_COMMENT:
    case N_DEFINE: return 0;
    default: return block(r, s, n);
    }
}

static int program(struct run *r, const struct scope *s, const struct tprogram *p)
{
    int e = 0;
    if (r->depth >= 2 * TEMPLATE_DEPTH_MAX && p->n)
        return template_error(r->t, p->node[0]->at, ERR_LIMIT, "blocks and partials go deeper than %d levels",
                              2 * TEMPLATE_DEPTH_MAX);
    r->depth++;
    for (size_t i = 0; i < p->n && e == 0; i++) {
        e = node(r, s, p->node[i]);
        if (r->t->how.lenient && (e == ERR_NOT_FOUND || e == ERR_SYNTAX)) e = 0;
    }
    r->depth--;
    return e;
}

int template_render(const struct template *t, const json_t *data, struct buf *out)
{
    struct run r = {.t = t, .out = out, .begin = out->n, .root = tval_of(data), .steps = TEMPLATE_STEPS_MAX};
    struct scope s = {.here = r.root};
    ar_init(&r.a, MEMORY_MAX);
    int e = program(&r, &s, t->program);
    if (e == 0) e = step(&r, t->source.n);
    ar_free(&r.a);
    if (e < 0) out->n = r.begin;
    return e;
}

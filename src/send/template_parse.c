/* template_parse.c - what the parsers of templates share: where a fault is, nodes within the limit, numbers,
 * strings. */
#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"
#include "template_i.h"

int template_error(const struct template *t, size_t at, int e, const char *fmt, ...)
{
    struct slice before = sl_sub(t->source, 0, at);
    char text[ERR_TEXT_MAX];
    unsigned line = 1, column = 1;
    for (size_t i = 0; i < before.n; i++) {
        if (before.p[i] == '\n') line++, column = 1;
        else column += (before.p[i] & 0xc0) != 0x80;
    }
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(e, "line %u, column %u: %s", line, column, text);
}

int template_too_many(struct tparser *p, size_t at)
{
    return template_error(p->t, at, ERR_LIMIT, "the template has more than %d pieces", TEMPLATE_NODES_MAX);
}

struct tnode *template_node(struct tparser *p, enum tnode_kind kind, size_t at)
{
    if (p->t->nodes++ >= TEMPLATE_NODES_MAX) return NULL;
    struct tnode *n = ar_new(p->a, struct tnode);
    n->kind = kind;
    n->at = at;
    return n;
}

struct texpr *template_expr(struct tparser *p, enum texpr_op op, size_t at)
{
    if (p->t->nodes++ >= TEMPLATE_NODES_MAX) return NULL;
    struct texpr *e = ar_new(p->a, struct texpr);
    e->op = op;
    e->at = at;
    return e;
}

void template_add(struct tparser *p, struct tprogram *to, struct tnode *n)
{
    if (to->n == to->room) to->node = ar_grow(p->a, to->node, &to->room, sizeof *to->node);
    to->node[to->n++] = n;
}

void template_skip(struct tparser *p)
{
    while (p->i < p->s.n && template_blank(p->s.p[p->i])) p->i++;
}

int template_number(struct tparser *p, struct texpr **out)
{
    size_t from = p->i;
    if (template_peek(p, 0) == '-') p->i++;
    while (is_digit(template_peek(p, 0)) || (template_peek(p, 0) == '.' && is_digit(template_peek(p, 1))))
        p->i++;
    struct tval text = tval_string(sl_sub(p->s, from, p->i));
    double n;
    if (!tval_as_number(&text, &n)) return template_error(p->t, from, ERR_SYNTAX, "the number is malformed");
    struct texpr *e = template_expr(p, X_VALUE, from);
    if (!e) return template_too_many(p, from);
    e->value = tval_number(n);
    *out = e;
    return 0;
}

int template_string(struct tparser *p, struct texpr **out)
{
    size_t from = p->i++;
    char quote = p->s.p[from];
    struct buf b = BUF_INIT;
    while (p->i < p->s.n && p->s.p[p->i] != quote) {
        if (p->s.p[p->i] == '\\' && template_peek(p, 1) == quote) p->i++;
        buf_char(&b, p->s.p[p->i++]);
    }
    struct slice text = ar_dup(p->a, buf_slice(&b));
    buf_free(&b);
    if (p->i++ >= p->s.n) return template_error(p->t, from, ERR_SYNTAX, "the string does not end");
    struct texpr *e = template_expr(p, X_VALUE, from);
    if (!e) return template_too_many(p, from);
    e->value = tval_string(text);
    *out = e;
    return 0;
}

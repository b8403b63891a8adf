/* template_i.h - a compiled template: programs of nodes, with expressions. Between the parsers
 * (template_handlebars.c, template_mailjet.c), the values (template_value.c) and the renderer (template.c).
 */
#pragma once
#include "template.h"

/* ---- values ---- */

enum tval_type { T_NONE, T_NULL, T_BOOL, T_NUMBER, T_STRING, T_LIST, T_OBJECT };
struct tval {
    enum tval_type type;
    bool b;
    double n;
    const json_t *j; /* of a list or object; of an integer too, so that it is printed to the digit */
    struct slice s;
};
struct tval tval_of(const json_t *j); /* NULL: T_NONE */
static inline struct tval tval_string(struct slice s) { return (struct tval){.type = T_STRING, .s = s}; }
static inline struct tval tval_number(double n) { return (struct tval){.type = T_NUMBER, .n = n}; }
static inline struct tval tval_bool(bool b) { return (struct tval){.type = T_BOOL, .b = b}; }
/* A member of an object, an element of a list, a character of a string, "length" of these two; else T_NONE.
 */
struct tval tval_member(const struct tval *v, struct slice name);
/* As Handlebars' if: not for nothing, null, false, 0, "", NaN, []. */
bool tval_true(const struct tval *v);
bool tval_same(const struct tval *a, const struct tval *b);  /* the very same thing */
bool tval_equal(const struct tval *a, const struct tval *b); /* 5 and "5" are equal */
/* Numbers (also such as are written in strings) by size, else texts by bytes; *order is <0, 0, >0. False when
 * they cannot be compared. */
bool tval_compare(const struct tval *a, const struct tval *b, int *order);
bool tval_as_number(const struct tval *v, double *n);
double tval_length(
    const struct tval *v); /* of a list, or a string in characters as JavaScript counts them; else 0 */
/* As JavaScript's String(). *budget: pieces that may still be looked at; false when it is used up. */
bool tval_text(struct buf *out, const struct tval *v, uint32_t *budget);
/* formatDate: the tokens YYYY YY MMMM MMM MM M DD D dddd ddd HH H hh h mm m ss s A a ZZ Z, all else as it
 * stands. when: RFC 3339, or Unix time in seconds or milliseconds; zone: "+0100", or empty for UTC. False:
 * when is no date. */
bool tval_date(struct buf *out, const struct tval *when, struct slice format, struct slice zone);

/* ---- expressions ---- */

enum texpr_op { X_PATH, X_VALUE, X_CALL };
enum texpr_fn {
    FN_INSERT,
    FN_DATE,
    FN_LENGTH,
    FN_EQUALS,
    FN_NOT_EQUALS,
    FN_GREATER,
    FN_LESS,
    FN_AND,
    FN_OR,
    FN_LOOKUP,
    /* Mailjet */
    FN_DEFAULT,
    FN_NOT,
    FN_XOR,
    FN_GREATER_EQUAL,
    FN_LESS_EQUAL,
    FN_ADD,
    FN_SUBTRACT,
    FN_TIMES,
    FN_DIVIDE,
    FN_DIV,
    FN_MOD,
};
struct texpr {
    enum texpr_op op;
    enum texpr_fn fn;
    size_t at; /* in the source */
    struct tval value;
    bool data;   /* @path */
    bool here;   /* begins with this, . or ..: no name of a block parameter */
    bool root;   /* from the data given, whatever the context is */
    unsigned up; /* number of ../ */
    struct slice *seg;
    size_t nseg;
    struct texpr *arg, *next;
    size_t nargs;
};

/* ---- nodes ---- */

enum tnode_kind {
    N_TEXT,
    N_PRINT,
    N_IF,
    N_UNLESS,
    N_EACH,
    N_WITH,
    N_SECTION,
    N_SET,
    N_PARTIAL,
    N_COMMENT,
    N_DEFINE
};
struct tprogram {
    struct tnode **node;
    size_t n, room;
    bool chained; /* the one block of {{else if}} */
};
struct tstrip {
    bool open, close; /* {{~ and ~}} */
};
struct tnode {
    enum tnode_kind kind;
    size_t at;
    struct slice text, original; /* of N_TEXT: what is left of it, what it was */
    bool left_stripped, right_stripped;
    bool raw;          /* of N_PRINT: never escaped */
    bool include_zero; /* of N_IF: 0 is true */
    struct texpr *expr;
    struct slice name;               /* of a block, variable or partial */
    struct slice param[2];           /* as |a b| */
    struct tprogram *body, *inverse; /* may be NULL */
    struct tstrip strip, strip_else, strip_close;
};
struct tpartial {
    struct slice name;
    const struct tprogram *body;
    struct tpartial *next;
};
struct template
{
    struct template_how how;
    struct slice source;
    struct tprogram *program;
    struct tpartial *partial;
    size_t nodes;
};

/* ---- parsing: what both parsers share (template_parse.c) ---- */

struct tparser {
    struct arena *a;
    struct template *t;
    struct slice s;
    size_t i;
    unsigned depth;
};
/* err_set() with the place in front: "line 3, column 7: ...". */
int template_error(const struct template *t, size_t at, int e, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* NULL when there are too many (then the limit is said). */
struct tnode *template_node(struct tparser *p, enum tnode_kind kind, size_t at);
struct texpr *template_expr(struct tparser *p, enum texpr_op op, size_t at);
void template_add(struct tparser *p, struct tprogram *to, struct tnode *n);
MUST_CHECK int template_too_many(struct tparser *p, size_t at);
MUST_CHECK int template_number(struct tparser *p, struct texpr **out); /* at p->i */
MUST_CHECK int template_string(struct tparser *p, struct texpr **out); /* at the quote */
static inline char template_peek(const struct tparser *p, size_t ahead)
{
    return p->i + ahead < p->s.n ? p->s.p[p->i + ahead] : 0;
}
static inline bool template_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
void template_skip(struct tparser *p); /* blanks */

MUST_CHECK int handlebars_parse(struct tparser *p);
MUST_CHECK int mailjet_parse(struct tparser *p);

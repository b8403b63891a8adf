/* handlebars_i.h - a Handlebars source in parts: expressions (handlebars_expr.c), tags (handlebars_tag.c),
 * blanks around tags (handlebars_blank.c); template_handlebars.c makes programs of them. */
#pragma once
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

/* ---- expressions; all begin at p->i ---- */

struct slice handlebars_word(struct tparser *p);                        /* may be empty */
MUST_CHECK int handlebars_path(struct tparser *p, struct texpr **out);  /* a.b, ../a, @root.a */
MUST_CHECK int handlebars_param(struct tparser *p, struct texpr **out); /* a literal, a path, (a call) */
bool handlebars_is_helper(struct slice name);
/* The arguments of the helper `name`, which stood at `at`, up to the end: ')' or '}'. */
MUST_CHECK int handlebars_call(struct tparser *p, struct slice name, size_t at, struct texpr **out, char end);
/* What is printed: a helper with arguments, or a path. */
MUST_CHECK int handlebars_printed(struct tparser *p, struct texpr **out);
/* Does the tag ('}') or bracket (')') end here? */
bool handlebars_at_end(struct tparser *p, char end);

/* ---- tags, blanks ---- */

/* At the two brackets that begin a tag. */
MUST_CHECK int handlebars_tag(struct tparser *p, struct tag *g);
/* Takes away what handlebars takes away around tags that stand alone on their lines or say ~. */
void handlebars_blanks(struct tprogram *p);

/* handlebars_tag.c - one Handlebars tag: what it opens, closes, prints. */
#include "base/text.h"
#include "handlebars_i.h"

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
        struct slice name = handlebars_word(p);
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
    g->include_zero = sl_eq(handlebars_word(p), SL("true"));
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
    int e = handlebars_path(p, &head);
    if (e < 0) return e;
    g->name = sl_sub(p->s, at, p->i);
    g->block = N_SECTION;
    for (size_t i = 0; i < COUNT_OF(blocks); i++)
        if (sl_eq(g->name, blocks[i].name)) g->block = blocks[i].kind;
    template_skip(p);
    if (g->block != N_SECTION) {
        if (handlebars_at_end(p, '}')) return FAIL(p, at, "%.*s needs an argument", SLF(g->name));
        e = handlebars_param(p, &g->expr);
        if (e == 0) e = hash(p, g);
    } else if (handlebars_is_helper(g->name) && !handlebars_at_end(p, '}')) {
        g->block = N_IF;
        e = handlebars_call(p, g->name, at, &g->expr, '}');
    } else {
        g->expr = head;
    }
    if (e == 0) e = block_params(p, g);
    template_skip(p);
    if (e == 0 && !handlebars_at_end(p, '}')) {
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
        g->name = handlebars_word(p);
    }
    return g->name.n ? 0 : FAIL(p, g->at, "a partial needs a name");
}

/* {{#* inline "name"}} */
static int define(struct tparser *p, struct tag *g)
{
    template_skip(p);
    if (!sl_eq(handlebars_word(p), SL("inline"))) return FAIL(p, g->at, "there is no decorator but inline");
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
    if (handlebars_at_end(p, '}')) return 0;
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
        int err = handlebars_path(p, &e);
        g->name = sl_sub(p->s, at, p->i);
        return err;
    }
    if (takes(p, '^')) {
        template_skip(p);
        g->kind = handlebars_at_end(p, '}') ? TAG_ELSE : TAG_INVERSE;
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
    return handlebars_printed(p, &g->expr);
}

int handlebars_tag(struct tparser *p, struct tag *g)
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
        int e = handlebars_printed(p, &g->expr);
        if (e < 0) return e;
        template_skip(p);
        return takes(p, '}') ? tag_closes(p, g, "}}}") : FAIL(p, g->at, "the tag is not closed with }}}");
    }
    int e = inside(p, g);
    return e < 0 ? e : tag_closes(p, g, "}}");
}

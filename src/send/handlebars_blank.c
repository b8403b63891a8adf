/* handlebars_blank.c - blanks around Handlebars tags: as handlebars' whitespace-control.js. */
#include "base/text.h"
#include "handlebars_i.h"

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

void handlebars_blanks(struct tprogram *p) { blanks(p, true); }

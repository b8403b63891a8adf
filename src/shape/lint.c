/* lint.c - are the rules in order? Each must be able to fire, be proved to fire by a line of the
 * corpus, and neither repeat nor contradict another. */
#include "base/buf.h"
#include "reply_i.h"

enum { EXAMPLES_MAX = 256 };

struct check {
    const struct replies *r;
    struct arena scratch;
    struct buf *out;
    size_t found;
    struct proof {
        unsigned fires, decides;
        const struct rule *before; /* what decided in its place, the last time */
    } * proof;
};

static void say(struct check *c, const struct rule *r, const char *fmt, const char *other)
{
    buf_printf(c->out, "line %u, %s: ", r->line, r->name);
    buf_printf(c->out, fmt, other);
    buf_str(c->out, "\n");
    c->found++;
}

/* ---- the corpus ---- */

static void try_line(struct check *c, const struct reply_in *in)
{
    struct trial t;
    trial_begin(&t, &c->scratch, in);
    const struct rule *winner = rule_for(c->r, &t);
    for (size_t i = 0; i < c->r->n; i++) {
        const struct rule *r = &c->r->rule[i];
        if (r == winner) c->proof[i].decides++;
        if (r != winner && !rule_fires(&t, r)) continue;
        c->proof[i].fires++;
        if (r != winner) c->proof[i].before = winner;
    }
}

static void try_corpus(struct check *c, struct slice corpus)
{
    struct slice line;
    for (unsigned n = 1; sl_next(&corpus, '\n', &line); n++) {
        struct reply_line l;
        int bad;
        ar_reset(&c->scratch);
        if (reply_line_read(&c->scratch, line, &l, &bad)) try_line(c, &l.in);
        if (!bad) continue;
        buf_printf(c->out, "line %u of the corpus: %s\n", n, err_text(bad));
        c->found++;
    }
}

/* ---- wordings that a rule accepts ---- */

static bool same_place(const struct rule *a, const struct rule *b)
{
    return a->stage == b->stage && a->provider == b->provider;
}

/* Whether some wording comes to rule i, as far as the rules of its section decide. */
static void try_wordings(struct check *c, size_t i)
{
    const struct rule *r = &c->r->rule[i], *before = NULL;
    bool more = true, ever = false;
    for (size_t n = 0; more && n < EXAMPLES_MAX; n++) {
        struct slice text;
        struct trial t;
        ar_reset(&c->scratch);
        more = pattern_example(r->pattern, &c->scratch, n, &text);
        struct reply_in in = {.code = r->stage == STAGE_LETTER ? 0 : r->kind == 4 ? 450 : 550, .text = text};
        trial_begin(&t, &c->scratch, &in);
        struct slice blank = SL_INIT(" ");
        t.subject = r->codes;
        if (sl_find(r->codes, blank) != SL_NONE) t.subject = sl_sub(r->codes, 0, sl_find(r->codes, blank));
        if (!rule_fires(&t, r)) continue;
        ever = true;
        size_t k = 0;
        while (k < i && !(same_place(&c->r->rule[k], r) && rule_fires(&t, &c->r->rule[k]))) k++;
        if (k == i) return;
        before = &c->r->rule[k];
    }
    if (!ever) say(c, r, "cannot fire: it excludes what it asks for%s", "");
    else if (before) say(c, r, "cannot fire: %s comes before it", before->name);
}

static void compare(struct check *c, size_t i)
{
    const struct rule *r = &c->r->rule[i];
    for (size_t k = 0; k < i; k++) {
        const struct rule *other = &c->r->rule[k];
        if (strcmp(r->name, other->name) == 0 && r->stage == other->stage)
            say(c, r, "has the name of another rule%s", "");
        if (!same_place(r, other) || !sl_eq(r->text, other->text) || r->kind != other->kind) continue;
        say(c, r, r->class == other->class ? "repeats %s" : "contradicts %s: the same words, another class",
            other->name);
    }
}

static bool codes_taken(const struct replies *r, size_t i, struct slice code)
{
    for (size_t k = 0; k < i; k++) {
        const struct rule *o = &r->rule[k];
        struct slice rest = o->codes, one;
        if (o->pattern || o->stage != r->rule[i].stage || (o->kind && o->kind != r->rule[i].kind)) continue;
        while (sl_next(&rest, ' ', &one))
            if (sl_eq(one, code)) return true;
    }
    return false;
}

static void check_codes(struct check *c, size_t i)
{
    struct slice rest = c->r->rule[i].codes, one;
    while (sl_next(&rest, ' ', &one))
        if (one.n && codes_taken(c->r, i, one))
            say(c, &c->r->rule[i], "the code %s decides in a rule before it", ar_cstr(&c->scratch, one));
}

static void check_proof(struct check *c, size_t i)
{
    const struct proof *p = &c->proof[i];
    const struct rule *r = &c->r->rule[i];
    if (p->decides) return;
    if (!p->fires) say(c, r, "no line of the corpus proves it%s", "");
    else
        say(c, r, "is shadowed by %s: it decides about no line of the corpus",
            p->before ? p->before->name : "");
}

size_t replies_check(const struct replies *r, struct slice corpus, struct buf *out)
{
    struct arena a = {0};
    struct check c = {.r = r, .out = out};
    c.proof = ar_array(&a, struct proof, r->n);
    try_corpus(&c, corpus);
    for (size_t i = 0; i < r->n; i++) {
        compare(&c, i);
        if (r->rule[i].pattern) try_wordings(&c, i);
        else check_codes(&c, i);
        check_proof(&c, i);
        if (r->rule[i].provider && !r->rule[i].provider->source.n)
            say(&c, &r->rule[i], "has no source%s", "");
    }
    ar_free(&c.scratch);
    ar_free(&a);
    return c.found;
}

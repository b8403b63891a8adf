/* pattern.c - parsing and matching of wordings. */
#include "pattern.h"

#include "base/buf.h"
#include "base/text.h"

enum kind { WORD, PREFIX, GAP, BEGIN, END, CHOICE };
struct element {
    enum kind kind;
    struct slice word;
    struct sequence *choice; /* CHOICE: one of these; an empty one = nothing */
    size_t nchoice;
};
struct sequence {
    struct element *v;
    size_t n, cap;
};
struct clause {
    struct sequence seq;
    bool absent; /* must not stand there */
};
struct pattern {
    struct clause *v;
    size_t n, cap;
};

/* ---- parsing ---- */

struct parser {
    struct arena *a;
    const struct map *names;
    struct slice rest;
    int depth;
};

static void skip_blanks(struct parser *p)
{
    while (p->rest.n && (p->rest.p[0] == ' ' || p->rest.p[0] == '\t')) p->rest = sl_from(p->rest, 1);
}

static struct element *push(struct parser *p, struct sequence *s, enum kind kind)
{
    if (s->n == s->cap) {
        if (!s->cap) s->v = ar_array(p->a, struct element, s->cap = 4);
        else s->v = ar_grow(p->a, s->v, &s->cap, sizeof *s->v);
    }
    s->v[s->n] = (struct element){.kind = kind};
    return &s->v[s->n++];
}

static int parse_sequence(struct parser *p, struct sequence *out);

/* Behind the bracket: a|b c|d and the bracket that closes it. */
static int parse_choice(struct parser *p, struct sequence *out, char close)
{
    struct element e = {.kind = CHOICE};
    size_t cap = 4;
    e.choice = ar_array(p->a, struct sequence, cap);
    if (++p->depth > PATTERN_DEPTH_MAX) return err_set(ERR_SYNTAX, "brackets are nested too deep");
    for (;;) {
        if (e.nchoice + 1 >= cap) e.choice = ar_grow(p->a, e.choice, &cap, sizeof *e.choice);
        e.choice[e.nchoice] = (struct sequence){0};
        int bad = parse_sequence(p, &e.choice[e.nchoice]);
        if (bad) return bad;
        if (!e.choice[e.nchoice++].n) return err_set(ERR_SYNTAX, "an alternative is empty");
        if (!p->rest.n) return err_set(ERR_SYNTAX, "a bracket is not closed");
        char c = p->rest.p[0];
        p->rest = sl_from(p->rest, 1);
        if (c == close) break;
        if (c != '|') return err_set(ERR_SYNTAX, "'%c' does not close this bracket", c);
    }
    p->depth--;
    if (close == ']') e.choice[e.nchoice++] = (struct sequence){0};
    *push(p, out, CHOICE) = e;
    return 0;
}

static int parse_name(struct parser *p, struct sequence *out)
{
    size_t n = 1;
    while (n < p->rest.n && (is_alnum(p->rest.p[n]) || p->rest.p[n] == '-')) n++;
    struct slice name = sl_sub(p->rest, 1, n);
    p->rest = sl_from(p->rest, n);
    if (!name.n) {
        push(p, out, END);
        return 0;
    }
    struct sequence *s = map_get(p->names, name);
    if (!s) return err_set(ERR_SYNTAX, "nothing is named $%.*s", SLF(name));
    struct element *e = push(p, out, CHOICE);
    e->choice = s;
    e->nchoice = 1;
    return 0;
}

static int parse_word(struct parser *p, struct sequence *out)
{
    struct words w;
    size_t n = 0;
    while (n < p->rest.n && !strchr(" \t()[]|*$^", p->rest.p[n])) n++;
    struct slice text = sl_sub(p->rest, 0, n);
    bool prefix = n < p->rest.n && p->rest.p[n] == '*';
    p->rest = sl_from(p->rest, n + prefix);
    words_plain(p->a, text, &w);
    if (!w.n) return err_set(ERR_SYNTAX, "\"%.*s\" is no word", SLF(text));
    for (size_t i = 0; i < w.n; i++)
        if (w.v[i].n) push(p, out, prefix && i + 1 == w.n ? PREFIX : WORD)->word = w.v[i];
    return 0;
}

static bool at_operator(struct parser *p)
{
    struct slice s = p->rest;
    return s.n >= 2 && (s.p[0] == '+' || s.p[0] == '-') && (s.p[1] == ' ' || s.p[1] == '\t');
}

static int parse_element(struct parser *p, struct sequence *out)
{
    char c = p->rest.p[0];
    if (c == '(' || c == '[') {
        p->rest = sl_from(p->rest, 1);
        return parse_choice(p, out, c == '(' ? ')' : ']');
    }
    if (c == '$') return parse_name(p, out);
    if (c == '^') {
        p->rest = sl_from(p->rest, 1);
        push(p, out, BEGIN);
        return 0;
    }
    if (sl_starts(p->rest, SL(".."))) {
        p->rest = sl_from(p->rest, 2);
        push(p, out, GAP);
        return 0;
    }
    return parse_word(p, out);
}

static int parse_sequence(struct parser *p, struct sequence *out)
{
    for (skip_blanks(p); p->rest.n && !strchr(")]|", p->rest.p[0]) && !at_operator(p); skip_blanks(p)) {
        int e = parse_element(p, out);
        if (e) return e;
    }
    return 0;
}

int pattern_parse_named(struct arena *a, struct slice text, const struct map *names, struct sequence **out)
{
    struct parser p = {.a = a, .names = names, .rest = text};
    *out = ar_new(a, struct sequence);
    int e = parse_sequence(&p, *out);
    if (e) return e;
    if (p.rest.n) return err_set(ERR_SYNTAX, "\"%.*s\" is left over", SLF(p.rest));
    return (*out)->n ? 0 : err_set(ERR_SYNTAX, "there is no word");
}

int pattern_parse(struct arena *a, struct slice text, const struct map *names, const struct pattern **out)
{
    struct parser p = {.a = a, .names = names, .rest = text};
    struct pattern *made = ar_new(a, struct pattern);
    made->v = ar_array(a, struct clause, made->cap = 4);
    bool absent = false;
    *out = made;
    for (;;) {
        struct clause c = {.absent = absent};
        int e = parse_sequence(&p, &c.seq);
        if (e) return e;
        if (!c.seq.n) return err_set(ERR_SYNTAX, "there is no word");
        if (made->n == made->cap) made->v = ar_grow(a, made->v, &made->cap, sizeof *made->v);
        made->v[made->n++] = c;
        if (!p.rest.n) return 0;
        if (!at_operator(&p)) return err_set(ERR_SYNTAX, "\"%.*s\" is left over", SLF(p.rest));
        absent = p.rest.p[0] == '-';
        p.rest = sl_from(p.rest, 1);
    }
}

/* ---- matching ---- */

/* What remains to be matched behind the end of a sequence. */
struct after {
    const struct sequence *seq;
    size_t i;
    const struct after *next;
};

static bool from_here(const struct words *w, size_t at, const struct sequence *s, size_t i,
                      const struct after *k);

static bool choose(const struct words *w, size_t at, const struct sequence *s, size_t i,
                   const struct after *k)
{
    struct after then = {s, i + 1, k};
    for (size_t c = 0; c < s->v[i].nchoice; c++)
        if (from_here(w, at, &s->v[i].choice[c], 0, &then)) return true;
    return false;
}

static bool pass_over(const struct words *w, size_t at, const struct sequence *s, size_t i,
                      const struct after *k)
{
    for (size_t n = 0; n <= GAP_MAX && at + n <= w->n; n++) {
        if (from_here(w, at + n, s, i + 1, k)) return true;
        if (at + n < w->n && !w->v[at + n].n) return false; /* not beyond the sentence */
    }
    return false;
}

static bool only_ends(const struct words *w, size_t at)
{
    while (at < w->n && !w->v[at].n) at++;
    return at == w->n;
}

static bool from_here(const struct words *w, size_t at, const struct sequence *s, size_t i,
                      const struct after *k)
{
    if (i == s->n) return !k || from_here(w, at, k->seq, k->i, k->next);
    const struct element *e = &s->v[i];
    switch (e->kind) {
    case WORD: return at < w->n && sl_eq(w->v[at], e->word) && from_here(w, at + 1, s, i + 1, k);
    case PREFIX: return at < w->n && sl_starts(w->v[at], e->word) && from_here(w, at + 1, s, i + 1, k);
    case BEGIN: return at == 0 && from_here(w, at, s, i + 1, k);
    case END: return only_ends(w, at) && from_here(w, at, s, i + 1, k);
    case GAP: return pass_over(w, at, s, i, k);
    case CHOICE: return choose(w, at, s, i, k);
    }
    return false;
}

static bool stands_there(const struct words *w, const struct sequence *s)
{
    for (size_t at = 0; at < w->n; at++)
        if (from_here(w, at, s, 0, NULL)) return true;
    return false;
}

bool pattern_matches(const struct pattern *p, const struct words *w)
{
    for (size_t i = 0; i < p->n; i++)
        if (stands_there(w, &p->v[i].seq) == p->v[i].absent) return false;
    return true;
}

/* ---- examples ---- */

/* *n is read as a number whose digits choose among the alternatives. */
static void example(const struct sequence *s, struct buf *out, size_t *n)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct element *e = &s->v[i];
        if (e->kind == WORD || e->kind == PREFIX) {
            buf_put(out, e->word);
            buf_char(out, ' ');
        }
        if (e->kind != CHOICE) continue;
        size_t which = *n % e->nchoice;
        *n /= e->nchoice;
        example(&e->choice[which], out, n);
    }
}

bool pattern_example(const struct pattern *p, struct arena *a, size_t n, struct slice *out)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < p->n; i++) {
        if (p->v[i].absent) continue;
        example(&p->v[i].seq, &text, &n);
        buf_str(&text, ". ");
    }
    *out = ar_dup(a, buf_slice(&text));
    buf_free(&text);
    return n == 0;
}

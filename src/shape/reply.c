/* reply.c - which rule decides about a reply, and what follows from its class. */
#include "reply.h"

#include "base/log.h"
#include "base/text.h"
#include "limits.h"
#include "reply_i.h"

static const char *const class_words[] = {
#define X(name, word, about) word,
    REPLY_CLASSES(X)
#undef X
};

const char *reply_class_word(enum reply_class c) { return c < REPLY_NCLASSES ? class_words[c] : "unknown"; }

bool reply_class_named(struct slice word, enum reply_class *out)
{
    for (int i = 0; i < REPLY_NCLASSES; i++)
        if (sl_eq(word, sl_cstr(class_words[i]))) {
            *out = (enum reply_class)i;
            return true;
        }
    return false;
}

const char *reply_about_word(enum reply_about a)
{
    switch (a) {
    case REPLY_OF_RECIPIENT: return "the recipient";
    case REPLY_OF_SENDER: return "the sender";
    case REPLY_OF_LETTER: return "the letter";
    case REPLY_OF_SERVER: break;
    }
    return "their server";
}

/* ---- does a rule fire? ---- */

void trial_begin(struct trial *t, struct arena *a, const struct reply_in *in)
{
    *t = (struct trial){.in = in, .a = a};
    words_read(a, in->text, &t->words);
    struct slice code = in->enhanced.n ? in->enhanced : words_enhanced(in->text);
    size_t dot = sl_chr(code, '.');
    if (dot != SL_NONE) t->subject = sl_from(code, dot + 1);
    t->basic = ar_printf(a, "%d", in->code);
}

static bool one_of(struct slice codes, struct slice code)
{
    struct slice one;
    while (code.n && sl_next(&codes, ' ', &one))
        if (one.n && sl_eq(one, code)) return true;
    return false;
}

bool rule_fires(const struct trial *t, const struct rule *r)
{
    if ((t->in->code == 0) != (r->stage == STAGE_LETTER)) return false;
    if (r->kind && t->in->code / 100 != r->kind) return false;
    if (r->stage == STAGE_CODES) return one_of(r->codes, t->subject);
    if (r->stage == STAGE_BASIC) return one_of(r->codes, t->subject) || one_of(r->codes, t->basic);
    if (r->codes.n && !one_of(r->codes, t->subject)) return false;
    return pattern_matches(r->pattern, &t->words);
}

/* ---- whose rules? ---- */

/* 2: by the name of the host; 1: by its text; 0: not this one. */
static int provider_is(const struct trial *t, const struct provider *p)
{
    struct slice hosts = p->hosts, one;
    size_t blank = sl_chr(t->in->host, ' ');
    struct slice host = blank == SL_NONE ? t->in->host : sl_sub(t->in->host, 0, blank);
    while (host.n && sl_next(&hosts, ' ', &one))
        if (one.n && shape_host_within(host, one)) return 2;
    return p->sign && pattern_matches(p->sign, &t->words);
}

static const struct rule *known(const struct replies *r, const struct trial *t, int how)
{
    const struct provider *last = NULL;
    bool is = false;
    for (size_t i = 0; i < r->n && r->rule[i].stage == STAGE_KNOWN; i++) {
        const struct rule *rule = &r->rule[i];
        if (rule->provider != last) is = provider_is(t, rule->provider) == how;
        last = rule->provider;
        if (is && rule_fires(t, rule)) return rule;
    }
    return NULL;
}

const struct rule *rule_for(const struct replies *r, const struct trial *t)
{
    const struct rule *rule = t->in->code ? known(r, t, 2) : NULL;
    if (!rule && t->in->code) rule = known(r, t, 1);
    for (int stage = STAGE_WORDS; !rule && stage < NSTAGES; stage++)
        for (size_t i = 0; !rule && i < r->n; i++)
            if ((int)r->rule[i].stage == stage && rule_fires(t, &r->rule[i])) rule = &r->rule[i];
    return rule;
}

/* ---- what follows ---- */

/* again5: a refusal for good is no last word, for it speaks of a moment. */
static const struct consequence {
    bool pause, again5;
    unsigned first, most;
} consequences[REPLY_NCLASSES] = {
    [REPLY_INVALID] = {.first = 30},
    [REPLY_INACTIVE] = {.first = 60},
    [REPLY_FULL] = {.first = 60},
    [REPLY_POLICY] = {.first = 30},
    [REPLY_AUTH] = {.first = 30},
    [REPLY_REPUTATION] = {.pause = true, .first = 30},
    [REPLY_CONTENT] = {.first = 30},
    [REPLY_RATE] = {.pause = true, .again5 = true, .first = 5, .most = 60},
    [REPLY_GREYLIST] = {.again5 = true, .first = 6, .most = 30},
    [REPLY_DNS] = {.first = 10},
    [REPLY_RELAY] = {.first = 30},
};

static enum reply_suppress suppress(const struct replies *r, const struct trial *t, const struct rule *rule)
{
    if (rule->class != REPLY_INVALID && rule->class != REPLY_INACTIVE) return REPLY_KEEP;
    if (t->in->code / 100 != 5 || rule->about != REPLY_OF_RECIPIENT) return REPLY_KEEP;
    bool doubt = rule->unsure || (r->doubt && pattern_matches(r->doubt, &t->words));
    return doubt ? REPLY_SUPPRESS_REPEATED : REPLY_SUPPRESS;
}

void reply_class(const struct replies *r, struct arena *a, const struct reply_in *in,
                 struct reply_verdict *out)
{
    ASSERT(r && in);
    struct trial t;
    trial_begin(&t, a, in);
    const struct rule *rule = rule_for(r, &t);
    *out = (struct reply_verdict){.rule = "none", .again = in->code / 100 != 5};
    if (!rule) return;
    const struct consequence *c = &consequences[rule->class];
    out->class = rule->class;
    out->rule = rule->name;
    out->about = rule->about;
    out->suppress = suppress(r, &t, rule);
    out->again |= c->again5;
    out->pause = c->pause && rule->about == REPLY_OF_SENDER;
    out->first = c->first;
    out->most = c->most;
}

/* ---- lines of a corpus ---- */

static struct slice dash_is_nothing(struct slice s) { return sl_eq(s, SL("-")) ? (struct slice){0} : s; }

/* "\n", two characters, to LF. */
static struct slice unfold(struct arena *a, struct slice s)
{
    char *to = ar_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool lf = s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == 'n';
        to[n++] = lf ? '\n' : s.p[i];
        i += lf;
    }
    return sl(to, n);
}

bool reply_line_read(struct arena *a, struct slice line, struct reply_line *out, int *bad)
{
    struct slice field[5], rest = sl_rtrim(line);
    uint64_t code = 0;
    size_t n = 0;
    *bad = 0;
    *out = (struct reply_line){0};
    if (!rest.n || rest.p[0] == '#') return false;
    while (n < 4 && sl_next(&rest, '\t', &field[n])) n++;
    if (n < 4 || !rest.p) {
        *bad = err_set(ERR_SYNTAX, "five fields are wanted: class, provider, code, enhanced code, text");
        return false;
    }
    struct slice c = dash_is_nothing(field[2]);
    if (c.n && !num_u64(c, 599, &code)) {
        *bad = err_set(ERR_SYNTAX, "%.*s is no code", SLF(c));
        return false;
    }
    *out = (struct reply_line){.class = field[0], .provider = field[1]};
    out->in =
        (struct reply_in){.code = (int)code, .enhanced = dash_is_nothing(field[3]), .text = unfold(a, rest)};
    return true;
}

bool reply_line_expects(const struct reply_line *l, enum reply_class c)
{
    struct slice rest = l->class, one;
    while (sl_next(&rest, '|', &one))
        if (sl_eq(one, sl_cstr(reply_class_word(c)))) return true;
    return false;
}

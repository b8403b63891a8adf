/* rules.c - reading the rules of share/replies. */
#include <stdlib.h>

#include "base/text.h"
#include "reply_i.h"

struct reader {
    struct replies *r;
    unsigned line;
    enum rule_stage stage;
    struct provider *provider;
    const char *group; /* in front of the names of rules */
};

static int wrong(const struct reader *x, const char *what, struct slice s)
{
    return err_set(ERR_SYNTAX, "line %u of the rules: %s \"%.*s\"", x->line, what, SLF(s));
}

static struct slice take_word(struct slice *s)
{
    struct slice word;
    *s = sl_trim(*s);
    if (!s->n || !sl_next(s, ' ', &word)) return (struct slice){0};
    *s = sl_trim(*s);
    return word;
}

static const struct {
    const char *word;
    enum rule_stage stage;
} sections[] = {{"words", STAGE_WORDS},
                {"codes", STAGE_CODES},
                {"hints", STAGE_HINTS},
                {"basic", STAGE_BASIC},
                {"letters", STAGE_LETTER}};

static bool codes_ok(struct slice codes, bool basic)
{
    struct slice code;
    while ((code = take_word(&codes)).n) {
        size_t dots = 0;
        for (size_t i = 0; i < code.n; i++)
            if (code.p[i] == '.') dots++;
            else if (!is_digit(code.p[i])) return false;
        if (dots != 1 && (!basic || dots || code.n > 3)) return false;
    }
    return true;
}

static int read_flag(struct reader *x, struct rule *r, struct slice flag)
{
    if (sl_eq(flag, SL("4yz"))) r->kind = 4;
    else if (sl_eq(flag, SL("5yz"))) r->kind = 5;
    else if (sl_eq(flag, SL("unsure"))) r->unsure = true;
    else if (sl_eq(flag, SL("sender"))) r->about = REPLY_OF_SENDER;
    else if (sl_eq(flag, SL("recipient"))) r->about = REPLY_OF_RECIPIENT;
    else if (sl_starts(flag, SL("x.")) && codes_ok(sl_from(flag, 2), false)) r->codes = sl_from(flag, 2);
    else return wrong(x, "there is no condition", flag);
    return 0;
}

static int prefix_line(int e, const struct reader *x)
{
    return e ? err_prefix(e, "line %u of the rules", x->line) : 0;
}

/* CLASS NAME CONDITION...: PATTERN or codes */
static int read_rule(struct reader *x, struct slice left, struct slice right)
{
    static const enum reply_about about[] = {
#define X(name, word, whom) REPLY_OF_##whom,
        REPLY_CLASSES(X)
#undef X
    };
    struct replies *r = x->r;
    struct rule rule = {.stage = x->stage, .line = x->line, .text = right, .provider = x->provider};
    struct slice class = take_word(&left), name = take_word(&left), flag;
    int e = 0;
    if (!x->group) return wrong(x, "no section has begun before", class);
    if (!reply_class_named(class, &rule.class)) return wrong(x, "there is no class", class);
    if (!name.n) return wrong(x, "a rule has no name:", right);
    rule.about = about[rule.class];
    rule.name = ar_printf(&r->a, "%s/%.*s", x->group, SLF(name)).p;
    while (!e && (flag = take_word(&left)).n) e = read_flag(x, &rule, flag);
    if (e) return e;
    if (x->stage == STAGE_CODES || x->stage == STAGE_BASIC) {
        if (!right.n || !codes_ok(right, x->stage == STAGE_BASIC))
            return wrong(x, "these are no codes:", right);
        rule.codes = right;
    } else if ((e = pattern_parse(&r->a, right, &r->names, &rule.pattern)) != 0) {
        return prefix_line(e, x);
    }
    if (r->n == r->cap) r->rule = ar_grow(&r->a, r->rule, &r->cap, sizeof *r->rule);
    r->rule[r->n++] = rule;
    return 0;
}

static int read_let(struct reader *x, struct slice s)
{
    struct slice name = take_word(&s), equals = take_word(&s);
    struct sequence *seq;
    if (!name.n || !sl_eq(equals, SL("="))) return wrong(x, "no definition:", name);
    int e = pattern_parse_named(&x->r->a, s, &x->r->names, &seq);
    if (e) return prefix_line(e, x);
    return map_put(&x->r->names, name, seq) ? wrong(x, "this is defined twice:", name) : 0;
}

static int read_provider(struct reader *x, struct slice name)
{
    x->provider = ar_new(&x->r->a, struct provider);
    x->provider->name = ar_dup(&x->r->a, name);
    x->stage = STAGE_KNOWN;
    x->group = x->provider->name.p;
    return name.n ? 0 : wrong(x, "a provider needs a name", name);
}

static bool read_section(struct reader *x, struct slice s)
{
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        if (!sl_eq(s, sl_cstr(sections[i].word))) continue;
        x->stage = sections[i].stage;
        x->group = sections[i].word;
        x->provider = NULL;
        return true;
    }
    return false;
}

static int read_line(struct reader *x, struct slice line)
{
    struct slice s = line, word = take_word(&s), left, right;
    if (sl_eq(word, SL("dated"))) return x->r->dated = s, 0;
    if (sl_eq(word, SL("let"))) return read_let(x, s);
    if (sl_eq(word, SL("provider"))) return read_provider(x, s);
    if (read_section(x, line)) return 0;
    if (sl_eq(word, SL("source"))) {
        if (x->provider) x->provider->source = s;
        return 0;
    }
    if (x->provider && sl_eq(word, SL("host"))) return x->provider->hosts = s, 0;
    if (x->provider && sl_eq(word, SL("sign")))
        return prefix_line(pattern_parse(&x->r->a, s, &x->r->names, &x->provider->sign), x);
    if (sl_eq(word, SL("doubt")))
        return prefix_line(pattern_parse(&x->r->a, s, &x->r->names, &x->r->doubt), x);
    right = line;
    if (!sl_next(&right, ':', &left) || !right.p) return wrong(x, "this is no rule:", line);
    return read_rule(x, left, sl_trim(right));
}

/* Lines that begin with a blank belong to the one before. */
static struct slice next_line(struct reader *x, struct arena *a, struct slice *rest)
{
    struct slice line = {0}, more;
    while (rest->p) {
        struct slice before = *rest;
        sl_next(rest, '\n', &more);
        bool goes_on = more.n && (more.p[0] == ' ' || more.p[0] == '\t');
        if (line.n && !goes_on) {
            *rest = before;
            break;
        }
        x->line++;
        more = sl_trim(more);
        if (!more.n || more.p[0] == '#') continue;
        line = line.n ? ar_printf(a, "%.*s %.*s", SLF(line), SLF(more)) : more;
    }
    return line;
}

int replies_read(struct replies **out, struct slice rules)
{
    struct replies *r = xcalloc(1, sizeof *r);
    struct reader x = {.r = r};
    struct slice rest = ar_dup(&r->a, rules), line;
    int e = 0;
    map_init(&r->names, false);
    while (!e && (line = next_line(&x, &r->a, &rest)).n) e = read_line(&x, line);
    if (e) replies_close(&r);
    *out = r;
    return e;
}

void replies_close(struct replies **rp)
{
    struct replies *r = *rp;
    if (!r) return;
    map_free(&r->names);
    ar_free(&r->a);
    free(r);
    *rp = NULL;
}

struct slice replies_dated(const struct replies *r) { return r->dated; }
size_t replies_count(const struct replies *r) { return r->n; }

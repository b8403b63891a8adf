/* smtp_command.c - the command line of SMTP (RFC 5321 section 4.1.1). */
#include "base/text.h"
#include "smtp.h"

static const char *const names[SMTP_VERB_COUNT] = {"unknown",
#define X(v) #v,
                                                   SMTP_VERBS(X)
#undef X
};

const char *smtp_verb_name(enum smtp_verb v) { return v < SMTP_VERB_COUNT ? names[v] : names[0]; }

static enum smtp_verb verb_of(struct slice word)
{
    for (int v = 1; v < SMTP_VERB_COUNT; v++)
        if (sl_eqi(word, sl_cstr(names[v]))) return (enum smtp_verb)v;
    return SMTP_UNKNOWN;
}

/* Cuts the next word off *s; blanks before the rest are gone. */
static struct slice take_word(struct slice *s)
{
    size_t end = sl_chr(*s, ' ');
    struct slice word = sl_sub(*s, 0, end == SL_NONE ? s->n : end);
    *s = sl_trim(sl_from(*s, word.n));
    return word;
}

/* ---- ESMTP parameters ---- */

static bool keyword_ok(struct slice k)
{
    if (!k.n || k.n > 64 || k.p[0] == '-') return false;
    for (size_t i = 0; i < k.n; i++)
        if (!is_alnum(k.p[i]) && k.p[i] != '-') return false;
    return true;
}

/* esmtp-value; bytes above 127 by RFC 6531 section 3.3. */
static bool value_ok(struct slice v)
{
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.p[i] <= 32 || v.p[i] == 127 || v.p[i] == '=') return false;
    return v.n > 0;
}

static int parse_params(struct slice s, struct smtp_command *out)
{
    while (s.n) {
        struct slice word = take_word(&s);
        size_t eq = sl_chr(word, '=');
        struct smtp_param p = {.key = sl_sub(word, 0, eq), .has_value = eq != SL_NONE};
        if (p.has_value) p.value = sl_from(word, eq + 1);
        if (!keyword_ok(p.key) || (p.has_value && !value_ok(p.value)))
            return err_set(ERR_SYNTAX,
                           "after the address there may only be parameters written KEYWORD or KEYWORD=value");
        if (out->nparams == SMTP_PARAMS_MAX)
            return err_set(ERR_LIMIT, "more than %d parameters", SMTP_PARAMS_MAX);
        out->param[out->nparams++] = p;
    }
    return 0;
}

/* ---- arguments, command by command ---- */

/* Bytes of the path at the front of s, its brackets included: up to the > outside of quotes. */
static size_t path_size(struct slice s)
{
    bool quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\' && quoted) i++;
        else if (s.p[i] == '"') quoted = !quoted;
        else if (s.p[i] == '>' && !quoted) return i + 1;
        else if (s.p[i] == ' ' && !quoted) return i;
    }
    return s.n;
}

/* A blank after the colon is not allowed by RFC 5321 section 3.3, and common. */
static int parse_path(struct arena *a, const char *before, bool reverse, struct smtp_command *out)
{
    struct slice word = sl_cstr(before);
    if (!sl_startsi(out->arg, word))
        return err_set(ERR_SYNTAX, "%s is written %s %s<address>", smtp_verb_name(out->verb),
                       smtp_verb_name(out->verb), before);
    struct slice s = sl_trim(sl_from(out->arg, word.n));
    size_t n = path_size(s);
    int e = smtp_path_parse(a, sl_sub(s, 0, n), reverse, &out->path);
    if (e) return e;
    s = sl_from(s, n);
    if (s.n && s.p[0] != ' ') return err_set(ERR_SYNTAX, "a blank must follow the address");
    return parse_params(sl_trim(s), out);
}

static int parse_bdat(struct smtp_command *out)
{
    struct slice s = out->arg, size = take_word(&s);
    if (!num_u64(size, UINT64_MAX / 2, &out->size) || (s.n && !sl_eqi(s, SL("LAST"))))
        return err_set(ERR_SYNTAX, "BDAT is written BDAT size or BDAT size LAST");
    out->last = s.n > 0;
    return 0;
}

static int parse_burl(struct smtp_command *out)
{
    struct slice s = out->arg;
    out->url = take_word(&s);
    if (!out->url.n || (s.n && !sl_eqi(s, SL("LAST"))))
        return err_set(ERR_SYNTAX, "BURL is written BURL url or BURL url LAST");
    out->last = s.n > 0;
    return 0;
}

/* sasl-mech of RFC 4422 section 3.1. */
static int parse_auth(struct smtp_command *out)
{
    struct slice s = out->arg;
    out->mechanism = take_word(&s);
    bool ok = out->mechanism.n > 0 && out->mechanism.n <= 20;
    for (size_t i = 0; i < out->mechanism.n; i++)
        ok =
            ok && (is_alnum(out->mechanism.p[i]) || out->mechanism.p[i] == '-' || out->mechanism.p[i] == '_');
    if (!ok || sl_chr(s, ' ') != SL_NONE)
        return err_set(ERR_SYNTAX, "AUTH is written AUTH mechanism or AUTH mechanism initial-response");
    out->initial = s;
    out->has_initial = s.n > 0;
    return 0;
}

static int parse_name(struct smtp_command *out)
{
    const char *verb = smtp_verb_name(out->verb);
    if (!out->arg.n) return err_set(ERR_SYNTAX, "%s must name your host: %s host.example.com", verb, verb);
    if (out->arg.n > SMTP_DOMAIN_MAX || sl_chr(out->arg, ' ') != SL_NONE)
        return err_set(ERR_SYNTAX, "%s takes one host name of at most %d bytes", verb, SMTP_DOMAIN_MAX);
    return 0;
}

static int parse_argument(struct arena *a, struct smtp_command *out)
{
    switch (out->verb) {
    case SMTP_EHLO:
    case SMTP_HELO:
    case SMTP_LHLO: return parse_name(out);
    case SMTP_MAIL: return parse_path(a, "FROM:", true, out);
    case SMTP_RCPT: return parse_path(a, "TO:", false, out);
    case SMTP_BDAT: return parse_bdat(out);
    case SMTP_BURL: return parse_burl(out);
    case SMTP_AUTH: return parse_auth(out);
    case SMTP_DATA:
    case SMTP_RSET:
    case SMTP_QUIT:
    case SMTP_STARTTLS:
        return out->arg.n ? err_set(ERR_SYNTAX, "%s takes no argument", smtp_verb_name(out->verb)) : 0;
    case SMTP_VRFY:
    case SMTP_EXPN:
        return out->arg.n ? 0 : err_set(ERR_SYNTAX, "%s needs an argument", smtp_verb_name(out->verb));
    default: return 0; /* NOOP, HELP, unknown ones */
    }
}

int smtp_command_parse(struct arena *a, struct slice line, struct smtp_command *out)
{
    *out = (struct smtp_command){0};
    struct slice rest = sl_rtrim(line);
    struct slice word = take_word(&rest);
    out->verb = verb_of(word);
    out->word = sl_sub(word, 0, 64);
    out->arg = rest;
    for (size_t i = 0; i < line.n; i++)
        if ((unsigned char)line.p[i] < 32 || line.p[i] == 127)
            return err_set(ERR_SYNTAX, "there is a control character in the command");
    return parse_argument(a, out);
}

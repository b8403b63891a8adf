/* spf_record.c - the grammar of an SPF record (RFC 7208 section 4.6.1, 5, 6, 7.1, 12). Pure.
 *
 * The whole record is judged before anything in it is evaluated (section 4.6): one
 * wrong term makes the record a permerror, wherever it stands. */
#include "base/text.h"
#include "spf_i.h"

static const char *const kind_names[] = {
    [SPF_ALL] = "all", [SPF_INCLUDE] = "include", [SPF_A] = "a",     [SPF_MX] = "mx",
    [SPF_PTR] = "ptr", [SPF_IP4] = "ip4",         [SPF_IP6] = "ip6", [SPF_EXISTS] = "exists",
};

bool spf_is_record(struct slice text)
{
    if (!sl_startsi(text, SL("v=spf1"))) return false;
    return text.n == 6 || text.p[6] == ' ';
}

static int wrong(struct slice term, const char *why)
{
    bool clean = term.n <= 200;
    for (size_t i = 0; i < term.n; i++)
        if (term.p[i] <= ' ' || term.p[i] > '~') clean = false;
    if (!clean) return err_set(ERR_SYNTAX, "a term of the SPF record: %s", why);
    return err_set(ERR_SYNTAX, "\"%.*s\": %s", SLF(term), why);
}

/* ---- domain-spec (section 7.1) ---- */

static bool is_delimiter(char c) { return c && strchr(".-+,/_=", c); }

/* Length of the macro-expand at the start of s, 0 when it is none. */
size_t spf_macro_length(struct slice s, bool exp_text)
{
    if (s.n < 2 || s.p[0] != '%') return 0;
    if (s.p[1] == '%' || s.p[1] == '_' || s.p[1] == '-') return 2;
    if (s.p[1] != '{' || s.n < 4) return 0;
    char letter = sl_lower(s.p[2]);
    if (!letter || !strchr(exp_text ? "slodiphcrtv" : "slodiphv", letter)) return 0;
    size_t at = 3;
    bool digits = false, nonzero = false;
    for (; at < s.n && is_digit(s.p[at]); at++) digits = true, nonzero |= s.p[at] != '0';
    if (digits && !nonzero) return 0; /* "If a DIGIT is specified, the value MUST be nonzero" */
    if (at < s.n && sl_lower(s.p[at]) == 'r') at++;
    while (at < s.n && is_delimiter(s.p[at])) at++;
    return at < s.n && s.p[at] == '}' ? at + 1 : 0;
}

/* macro-string: NULL, or what is wrong. *last: where the last macro-expand ended. */
static const char *bad_macro_string(struct slice s, bool exp_text, size_t *last)
{
    *last = SL_NONE;
    for (size_t i = 0; i < s.n;) {
        char c = s.p[i];
        if (c == '%') {
            size_t n = spf_macro_length(sl_from(s, i), exp_text);
            if (!n) return "a macro is malformed (RFC 7208 section 7.1)";
            i += n;
            *last = i;
        } else if (c > ' ' && c <= '~') {
            i++;
        } else {
            return "a character that is not allowed";
        }
    }
    return NULL;
}

bool spf_explanation_ok(struct slice s)
{
    struct slice piece;
    size_t last;
    while (sl_next(&s, ' ', &piece))
        if (bad_macro_string(piece, true, &last)) return false;
    return true;
}

/* toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum ) */
static bool is_toplabel(struct slice s)
{
    bool alpha = false, hyphen = false;
    if (!s.n) return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '-') hyphen = true;
        else if (is_alpha(s.p[i])) alpha = true;
        else if (!is_digit(s.p[i])) return false;
    }
    if (hyphen) return is_alnum(s.p[0]) && is_alnum(s.p[s.n - 1]);
    return alpha;
}

/* domain-spec = macro-string ( "." toplabel [ "." ] / macro-expand ): NULL or what is wrong. */
static const char *bad_domain_spec(struct slice s)
{
    size_t last;
    if (!s.n) return "a domain is missing";
    const char *why = bad_macro_string(s, false, &last);
    if (why) return why;
    if (last == s.n) return NULL;
    if (s.p[s.n - 1] == '.') s.n--;
    size_t dot = sl_rchr(s, '.');
    if (dot == SL_NONE || (last != SL_NONE && last > dot))
        return "this is no domain with at least two labels";
    if (!is_toplabel(sl_from(s, dot + 1))) return "the last label of the domain is not allowed";
    return NULL;
}

/* ---- prefix lengths ---- */

/* Takes "/digits" from the end of *s; -1 when there is none. */
static int64_t cut_slash_number(struct slice *s)
{
    size_t at = s->n;
    while (at > 0 && is_digit(s->p[at - 1])) at--;
    if (at == s->n || at == 0 || s->p[at - 1] != '/') return -1;
    struct slice digits = sl_from(*s, at);
    uint64_t v;
    if ((digits.n > 1 && digits.p[0] == '0') || !num_u64(digits, 1000, &v)) v = 1000;
    s->n = at - 1;
    return (int64_t)v;
}

/* dual-cidr-length = [ "/" ip4 ] [ "/" "/" ip6 ], cut from the end of *rest. */
static const char *cut_dual_cidr(struct slice *rest, struct spf_term *t)
{
    struct slice s = *rest;
    int64_t v = cut_slash_number(&s);
    if (v < 0) return NULL;
    if (s.n && s.p[s.n - 1] == '/') {
        if (v > 128) return "the IPv6 prefix length is not 0 to 128";
        t->bits6 = (uint8_t)v;
        s.n--;
        *rest = s;
        v = cut_slash_number(&s);
        if (v < 0) return NULL;
    }
    if (v > 32) return "the IPv4 prefix length is not 0 to 32";
    t->bits4 = (uint8_t)v;
    *rest = s;
    return NULL;
}

static const char *parse_network(struct slice s, struct spf_term *t)
{
    bool six = t->kind == SPF_IP6;
    size_t slash = sl_chr(s, '/');
    if (slash != SL_NONE) {
        struct slice cut = s;
        int64_t v = cut_slash_number(&cut);
        if (v < 0 || cut.n != slash || v > (six ? 128 : 32)) return "the prefix length is wrong";
        if (six) t->bits6 = (uint8_t)v;
        else t->bits4 = (uint8_t)v;
        s = cut;
    }
    bool colon = sl_chr(s, ':') != SL_NONE;
    if (colon != six || !ip_parse(s, &t->net))
        return six ? "this is no IPv6 network" : "this is no IPv4 network";
    if (six && t->net.family == 4) { /* ::ffff:192.0.2.1 stays what it was written as */
        struct ip mapped = {.family = 6, .b = {[10] = 0xff, [11] = 0xff}};
        memcpy(mapped.b + 12, t->net.b, 4);
        t->net = mapped;
    }
    return NULL;
}

/* ---- terms ---- */

static bool kind_of(struct slice name, enum spf_kind *out)
{
    for (size_t i = 0; i < COUNT_OF(kind_names); i++)
        if (sl_eqi(name, sl_cstr(kind_names[i]))) {
            *out = (enum spf_kind)i;
            return true;
        }
    return false;
}

/* rest: what follows the name, its ":" or "/" included. NULL or what is wrong. */
static const char *parse_arguments(struct slice rest, struct spf_term *t)
{
    bool colon = rest.n && rest.p[0] == ':';
    switch (t->kind) {
    case SPF_ALL: return rest.n ? "\"all\" takes no argument" : NULL;
    case SPF_INCLUDE:
    case SPF_EXISTS:
        if (!colon) return "a domain is missing";
        break;
    case SPF_IP4:
    case SPF_IP6: return colon ? parse_network(sl_from(rest, 1), t) : "a network is missing";
    case SPF_A:
    case SPF_MX: {
        const char *why = cut_dual_cidr(&rest, t);
        if (why) return why;
    } break;
    case SPF_PTR: break;
    }
    if (!rest.n) return NULL;
    if (!colon) return "this cannot follow the name of the mechanism";
    t->spec = sl_from(rest, 1);
    return bad_domain_spec(t->spec);
}

static int parse_directive(struct slice text, struct spf_term *t)
{
    *t = (struct spf_term){.result = SPF_PASS, .bits4 = 32, .bits6 = 128, .text = text};
    struct slice s = text;
    static const struct {
        char c;
        enum spf_code code;
    } qualifiers[] = {{'+', SPF_PASS}, {'-', SPF_FAIL}, {'~', SPF_SOFTFAIL}, {'?', SPF_NEUTRAL}};
    for (size_t i = 0; i < COUNT_OF(qualifiers); i++)
        if (s.p[0] == qualifiers[i].c) {
            t->result = qualifiers[i].code;
            s = sl_from(s, 1);
            break;
        }
    size_t end = 0;
    while (end < s.n && is_alnum(s.p[end])) end++;
    if (!kind_of(sl_sub(s, 0, end), &t->kind)) return wrong(text, "there is no such mechanism");
    const char *why = parse_arguments(sl_from(s, end), t);
    return why ? wrong(text, why) : 0;
}

/* name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ) */
static bool is_name(struct slice s)
{
    if (!s.n || !is_alpha(s.p[0])) return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_' && s.p[i] != '.') return false;
    return true;
}

static int parse_modifier(struct slice text, struct slice name, struct slice value, struct spf_record *r)
{
    if (!is_name(name)) return wrong(text, "this is neither a mechanism nor a modifier");
    struct slice *into = sl_eqi(name, SL("redirect")) ? &r->redirect
                         : sl_eqi(name, SL("exp"))    ? &r->exp
                                                      : NULL;
    if (!into) {
        size_t last;
        const char *why = bad_macro_string(value, true, &last);
        return why ? wrong(text, why) : 0;
    }
    if (into->p) return wrong(text, "this modifier is there twice");
    const char *why = bad_domain_spec(value);
    if (why) return wrong(text, why);
    *into = value;
    return 0;
}

/* "Modifiers always contain an equals character immediately after the name, and before
 * any ':' or '/'" (section 4.6.1). */
static size_t modifier_equals(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '=') return i;
        if (s.p[i] == ':' || s.p[i] == '/') break;
    }
    return SL_NONE;
}

static int parse_term(struct arena *a, struct slice text, struct spf_record *r, size_t *cap)
{
    size_t eq = modifier_equals(text);
    if (eq != SL_NONE) return parse_modifier(text, sl_sub(text, 0, eq), sl_from(text, eq + 1), r);
    if (r->n == *cap) r->term = ar_grow(a, r->term, cap, sizeof *r->term);
    struct spf_term *t = &r->term[r->n++];
    int e = parse_directive(text, t);
    if (e == 0 && t->kind == SPF_ALL) r->has_all = true;
    return e;
}

int spf_record_parse(struct arena *a, struct slice text, struct spf_record *out)
{
    *out = (struct spf_record){0};
    size_t cap = 0;
    if (!spf_is_record(text)) return err_set(ERR_SYNTAX, "the record does not begin with v=spf1");
    struct slice rest = sl_from(text, 6), term;
    while (sl_next(&rest, ' ', &term)) {
        if (!term.n) continue;
        int e = parse_term(a, term, out, &cap);
        if (e) return e;
    }
    return 0;
}

/* imap_lex.c - the cursor: atoms, strings, numbers, literals (RFC 9051 section 9). */
#include <stdio.h>

#include "base/text.h"
#include "imap.h"
#include "imap_i.h"

/* ---- literals ---- */

bool imap_line_literal(struct slice line, struct imap_literal *out)
{
    *out = (struct imap_literal){0};
    if (line.n < 3 || line.p[line.n - 1] != '}') return false;
    size_t open = sl_rchr(line, '{');
    if (open == SL_NONE) return false;
    struct slice number = sl_sub(line, open + 1, line.n - 1);
    if (number.n && number.p[number.n - 1] == '+') {
        out->nonsync = true;
        number.n--;
    }
    if (!num_u64(number, INT64_MAX, &out->size)) return false;
    out->binary = open > 0 && line.p[open - 1] == '~';
    out->at = open - out->binary;
    return true;
}

/* ---- the cursor ---- */

void imap_in_init(struct imap_in *in, struct arena *a, struct slice command, bool utf8)
{
    *in = (struct imap_in){.s = command, .a = a, .utf8 = utf8};
}

void imap_fail(struct imap_in *in, int code, const char *why)
{
    if (in->code) return;
    in->code = code;
    in->wrong = in->at;
    snprintf(in->why, sizeof in->why, "%s", why);
}

int imap_done(struct imap_in *in)
{
    if (in->at < in->s.n) imap_fail(in, ERR_SYNTAX, "the end of the command was expected");
    return in->code ? err_set(in->code, "byte %zu: %s", in->wrong + 1, in->why) : 0;
}

bool imap_more(const struct imap_in *in) { return !in->code && in->at < in->s.n; }
bool imap_at(const struct imap_in *in, char c) { return imap_more(in) && in->s.p[in->at] == c; }

bool imap_skip(struct imap_in *in, char c)
{
    if (!imap_at(in, c)) return false;
    in->at++;
    return true;
}

void imap_need(struct imap_in *in, char c)
{
    char why[] = "'x' was expected";
    if (in->code || imap_skip(in, c)) return;
    why[1] = c;
    imap_fail(in, ERR_SYNTAX, c == ' ' ? "a space was expected" : why);
}

/* ---- characters ---- */

/* ATOM-CHAR: no CTL, no 8-bit, none of the specials. */
bool imap_is_atom(char c)
{
    return c > 32 && c < 127 && c != '(' && c != ')' && c != '{' && c != '%' && c != '*' && c != '"' &&
           c != '\\' && c != ']';
}

static bool is_astring(char c) { return imap_is_atom(c) || c == ']'; }
static bool is_pattern(char c) { return is_astring(c) || c == '%' || c == '*'; }
static bool is_tag(char c) { return is_astring(c) && c != '+'; }

struct slice imap_run(struct imap_in *in, bool (*is)(char), const char *why)
{
    size_t start = in->at;
    if (in->code) return SL("");
    while (in->at < in->s.n && is(in->s.p[in->at])) in->at++;
    if (in->at == start) imap_fail(in, ERR_SYNTAX, why);
    return sl_sub(in->s, start, in->at);
}

struct slice imap_atom(struct imap_in *in) { return imap_run(in, imap_is_atom, "an atom was expected"); }

struct slice imap_tag(struct imap_in *in)
{
    struct slice tag = imap_run(in, is_tag, "a tag was expected");
    if (tag.n > IMAP_TAG_MAX) imap_fail(in, ERR_SYNTAX, "the tag is too long");
    return tag;
}

bool imap_skip_word(struct imap_in *in, struct slice word)
{
    if (in->code) return false;
    struct slice rest = sl_from(in->s, in->at);
    if (!sl_startsi(rest, word) || (rest.n > word.n && imap_is_atom(rest.p[word.n]))) return false;
    in->at += word.n;
    return true;
}

/* ---- strings ---- */

static struct slice take_quoted(struct imap_in *in)
{
    size_t start = ++in->at;
    bool escaped = false;
    for (; in->at < in->s.n && in->s.p[in->at] != '"'; in->at++) {
        char c = in->s.p[in->at];
        if (c == '\r' || c == '\n' || !c) {
            imap_fail(in, ERR_SYNTAX, "a quoted string may not hold CR, LF or NUL");
            return SL("");
        }
        if (c != '\\') continue;
        escaped = true;
        in->at++;
        if (!imap_at(in, '"') && !imap_at(in, '\\')) {
            imap_fail(in, ERR_SYNTAX, "only \" and \\ may be quoted by \\");
            return SL("");
        }
    }
    struct slice s = sl_sub(in->s, start, in->at);
    imap_need(in, '"');
    if (in->utf8 && !utf8_valid(s)) { /* RFC 6855 section 3 */
        in->at = start;
        imap_fail(in, ERR_SYNTAX, "the quoted string is not in UTF-8");
        return SL("");
    }
    if (!escaped) return s;
    char *to = ar_alloc(in->a, s.n);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\\') i++;
        to[n++] = s.p[i];
    }
    return sl(to, n);
}

static struct slice take_literal(struct imap_in *in, bool nul)
{
    imap_need(in, '{');
    uint64_t n = imap_number(in, INT64_MAX);
    imap_skip(in, '+');
    imap_need(in, '}');
    imap_need(in, '\r');
    imap_need(in, '\n');
    if (in->code) return SL("");
    if (n > in->s.n - in->at) {
        imap_fail(in, ERR_SYNTAX, "the literal is not complete");
        return SL("");
    }
    struct slice s = sl_sub(in->s, in->at, in->at + n);
    if (!nul && sl_chr(s, 0) != SL_NONE) imap_fail(in, ERR_SYNTAX, "a literal may not hold NUL");
    in->at += n;
    return s;
}

struct slice imap_string(struct imap_in *in)
{
    if (imap_at(in, '"')) return take_quoted(in);
    if (imap_at(in, '{')) return take_literal(in, false);
    imap_fail(in, ERR_SYNTAX, "a string was expected");
    return SL("");
}

static bool at_string(const struct imap_in *in) { return imap_at(in, '"') || imap_at(in, '{'); }

struct slice imap_astring(struct imap_in *in)
{
    return at_string(in) ? imap_string(in) : imap_run(in, is_astring, "a string was expected");
}

struct slice imap_nstring(struct imap_in *in)
{
    if (!at_string(in) && imap_skip_word(in, SL("NIL"))) return (struct slice){0};
    return imap_string(in);
}

struct slice imap_nstring8(struct imap_in *in)
{
    return imap_skip(in, '~') ? take_literal(in, true) : imap_nstring(in);
}

uint64_t imap_number(struct imap_in *in, uint64_t max)
{
    size_t start = in->at;
    uint64_t v = 0;
    if (in->code) return 0;
    while (in->at < in->s.n && is_digit(in->s.p[in->at])) in->at++;
    if (in->at == start) {
        imap_fail(in, ERR_SYNTAX, "a number was expected");
    } else if (!num_u64(sl_sub(in->s, start, in->at), max, &v)) {
        in->at = start;
        imap_fail(in, ERR_SYNTAX, "the number is too large");
    }
    return v;
}

uint64_t imap_nz_number(struct imap_in *in, uint64_t max, const char *zero)
{
    size_t start = in->at;
    bool begins = imap_at(in, '0');
    uint64_t v = imap_number(in, max);
    if (begins && v) in->at = start;
    if (begins) imap_fail(in, ERR_SYNTAX, v ? "such a number does not begin with 0" : zero);
    return v;
}

/* ---- mailbox names ---- */

static struct slice name_to_utf8(struct imap_in *in, struct slice s)
{
    struct slice out = s;
    if (in->code) return SL("");
    if (s.n > IMAP_NAME_MAX * 4) imap_fail(in, ERR_SYNTAX, "the mailbox name is too long");
    else if (!utf8_valid(s)) imap_fail(in, ERR_SYNTAX, "the mailbox name is not in UTF-8");
    /* A client that sends 8-bit names to a rev1 server means UTF-8. */
    else if (!in->utf8 && is_ascii(s) && utf7_decode(in->a, s, &out) != 0)
        imap_fail(in, ERR_SYNTAX, "the mailbox name is not in modified UTF-7");
    return out;
}

struct slice imap_mailbox(struct imap_in *in)
{
    struct slice s = name_to_utf8(in, imap_astring(in));
    return sl_eqi(s, SL("INBOX")) ? SL("INBOX") : s;
}

struct slice imap_pattern(struct imap_in *in)
{
    struct slice s =
        at_string(in) ? imap_string(in) : imap_run(in, is_pattern, "a mailbox pattern was expected");
    s = name_to_utf8(in, s);
    if (s.n > IMAP_NAME_MAX) imap_fail(in, ERR_SYNTAX, "the pattern is too long");
    return in->code ? SL("") : s;
}

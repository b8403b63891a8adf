/* master.c - master files (RFC 1035 section 5, $TTL of RFC 2308 section 4, unknown
 * types of RFC 3597 section 5) into a zone. The text may be anything; the first
 * error ends the reading and names its line. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/text.h"
#include "dns_i.h"

enum { TOKENS_MAX = 4096, RDATA_MAX = 65535, DEFAULT_TTL = 3600 };

struct token {
    struct slice s; /* raw, escapes in it */
    bool quoted;
};
struct master {
    struct zone *z;
    const char *what;
    struct slice rest;
    int line, entry_line; /* where the reader is, where the present entry began */
    struct token tok[TOKENS_MAX];
    size_t n, at;
    bool indented; /* the entry began with a blank: its owner is the last one */
    struct wire_name origin, owner;
    bool owner_known, ttl_known;
    uint32_t ttl; /* of $TTL, or of the last record */
    struct arena a;
    struct buf rdata;
};

static int bad(struct master *m, int e, const char *what)
{
    return err_set(e, "%s:%d: %s", m->what, m->entry_line, what);
}

/* ---- tokens of one entry ---- */

static bool ends_token(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';' || c == '(' || c == ')';
}

static struct slice take(struct master *m, size_t n)
{
    struct slice s = sl_sub(m->rest, 0, n);
    m->rest = sl_from(m->rest, n);
    return s;
}

static int quoted_token(struct master *m)
{
    size_t i = 1;
    while (i < m->rest.n && m->rest.p[i] != '"' && m->rest.p[i] != '\n') i += m->rest.p[i] == '\\' ? 2 : 1;
    if (i >= m->rest.n || m->rest.p[i] != '"') return bad(m, ERR_SYNTAX, "a quotation mark is missing");
    m->tok[m->n++] = (struct token){sl_sub(m->rest, 1, i), true};
    take(m, i + 1);
    return 0;
}

static void plain_token(struct master *m)
{
    size_t i = 0;
    while (i < m->rest.n && !ends_token(m->rest.p[i]) && m->rest.p[i] != '"')
        i += m->rest.p[i] == '\\' ? 2 : 1;
    if (i > m->rest.n) i = m->rest.n;
    m->tok[m->n++] = (struct token){take(m, i), false};
}

static void skip_comment(struct master *m)
{
    size_t end = sl_chr(m->rest, '\n');
    take(m, end == SL_NONE ? m->rest.n : end);
}

/* ";! word name" at the start of a line: trials choose how names fail. */
static int trial_line(struct master *m)
{
    static const struct {
        struct slice word;
        enum zone_fail how;
    } words[] = {{SL_INIT("servfail"), ZONE_SERVFAIL},
                 {SL_INIT("timeout"), ZONE_TIMEOUT},
                 {SL_INIT("bogus"), ZONE_BOGUS},
                 {SL_INIT("insecure"), ZONE_INSECURE}};
    size_t end = sl_chr(m->rest, '\n');
    struct slice line = sl_trim(sl_from(take(m, end == SL_NONE ? m->rest.n : end), 2));
    size_t blank = 0;
    while (blank < line.n && line.p[blank] != ' ' && line.p[blank] != '\t') blank++;
    struct slice word = sl_sub(line, 0, blank), name = sl_trim(sl_from(line, blank));
    struct wire_name wire;
    char text[NAME_TEXT_MAX];
    m->entry_line = m->line;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!sl_eqi(word, words[i].word)) continue;
        if (words[i].how == ZONE_INSECURE && !name.n) {
            zone_set_insecure(m->z);
            return 0;
        }
        if (!name.n || !name_to_wire(name, &wire)) return bad(m, ERR_SYNTAX, "this line needs a domain name");
        name_from_wire(sl(wire.b, wire.n), text, &name);
        zone_set_fail(m->z, name, words[i].how);
        return 0;
    }
    return bad(m, ERR_SYNTAX, "after \";!\" comes servfail, timeout, bogus or insecure");
}

/* A line end inside parentheses does not end the entry. True when it did end. */
static bool line_end(struct master *m, bool nested)
{
    take(m, 1);
    m->line++;
    return !nested && m->n > 0;
}

/* Reads the tokens of the next entry; m->n is 0 at the end of the text. */
static int read_entry(struct master *m)
{
    bool nested = false, line_start = true;
    int e = 0;
    m->n = m->at = 0;
    m->indented = false;
    while (!e && m->rest.n) {
        char c = m->rest.p[0];
        if (m->n == TOKENS_MAX) return bad(m, ERR_LIMIT, "the entry has too many parts");
        if (!m->n) m->entry_line = m->line;
        if (line_start && !nested && !m->n) m->indented = c == ' ' || c == '\t';
        if (c == '\n') {
            if (line_end(m, nested)) return 0;
            line_start = true;
            continue;
        }
        if (line_start && sl_starts(m->rest, SL(";!"))) e = trial_line(m);
        else if (c == ';') skip_comment(m);
        else if (c == ' ' || c == '\t' || c == '\r') take(m, 1);
        else if (c == '(' && !nested) nested = true, take(m, 1);
        else if (c == ')' && nested) nested = false, take(m, 1);
        else if (c == '(' || c == ')') e = bad(m, ERR_SYNTAX, "the parentheses do not match");
        else if (c == '"') e = quoted_token(m);
        else plain_token(m);
        line_start = false;
    }
    if (!e && nested) return bad(m, ERR_SYNTAX, "a closing parenthesis is missing");
    return e;
}

/* ---- values ---- */

static bool next(struct master *m, struct token *out)
{
    if (m->at == m->n) return false;
    *out = m->tok[m->at++];
    return true;
}

/* "3600", "1h30m", "2w" */
static bool seconds(struct slice s, uint32_t *out)
{
    uint64_t total = 0;
    if (!s.n) return false;
    while (s.n) {
        size_t i = 0;
        int64_t part;
        while (i < s.n && is_digit(s.p[i])) i++;
        if (!i || !num_duration(sl_sub(s, 0, i + 1), &part)) return false;
        total += (uint64_t)part;
        if (total > INT32_MAX) return false; /* RFC 2181 section 8 */
        s = sl_from(s, i + 1);
    }
    *out = (uint32_t)total;
    return true;
}

/* Relative names get the origin behind them. */
static bool full_name(struct master *m, struct token t, struct wire_name *out)
{
    if (t.quoted || !t.s.n) return false;
    if (sl_eq(t.s, SL("@"))) {
        *out = m->origin;
        return true;
    }
    bool absolute = t.s.p[t.s.n - 1] == '.' && !(t.s.n >= 2 && t.s.p[t.s.n - 2] == '\\');
    if (!name_to_wire(t.s, out)) return false;
    if (absolute) return true;
    if (out->n - 1 + m->origin.n > NAME_WIRE_MAX) return false;
    memcpy(out->b + out->n - 1, m->origin.b, m->origin.n);
    out->n += m->origin.n - 1;
    return true;
}

static bool put_number(struct buf *b, struct token t, unsigned bytes)
{
    uint64_t v;
    if (t.quoted || !num_u64(t.s, UINT64_MAX >> (64 - 8 * bytes), &v)) return false;
    while (bytes--) buf_char(b, (char)(v >> (8 * bytes)));
    return true;
}

static bool put_address(struct buf *b, struct token t, uint8_t family)
{
    struct ip ip;
    if (family == 6 && sl_chr(t.s, ':') == SL_NONE) return false;
    if (!ip_parse(t.s, &ip)) return false;
    static const uint8_t mapped[12] = {[10] = 0xFF, 0xFF};
    if (family == 6 && ip.family == 4) buf_bytes(b, mapped, sizeof mapped);
    else if (ip.family != family) return false;
    buf_bytes(b, ip.b, ip.family == 4 ? 4 : 16);
    return true;
}

/* A character-string with its escapes undone, with or without its length byte. */
static bool put_string(struct buf *b, struct slice s, bool counted)
{
    size_t start = b->n;
    if (counted) buf_char(b, 0);
    while (s.n) {
        uint64_t v = (uint8_t)s.p[0];
        size_t used = 1;
        if (v == '\\') {
            if (s.n < 2) return false;
            bool code = is_digit(s.p[1]);
            if (code && (s.n < 4 || !num_u64(sl_sub(s, 1, 4), 255, &v))) return false;
            if (!code) v = (uint8_t)s.p[1];
            used = code ? 4 : 2;
        }
        buf_char(b, (char)v);
        s = sl_from(s, used);
    }
    size_t n = b->n - start - (counted ? 1 : 0);
    if (b->over || (counted && n > 255)) return false;
    if (counted) b->p[start] = (char)n;
    return true;
}

/* What is left of the entry, as hex digits that may be split by blanks. */
static bool put_hex(struct master *m, struct buf *b)
{
    struct buf digits = {.cap = 2 * RDATA_MAX};
    struct token t;
    while (next(m, &t)) buf_put(&digits, t.s);
    bool good = digits.n && !digits.over && hex_decode(b, buf_slice(&digits)) == 0;
    buf_free(&digits);
    return good;
}

static bool put_part(struct master *m, char form, struct token t)
{
    struct buf *b = &m->rdata;
    struct wire_name name;
    uint32_t v;
    switch (form) {
    case 'b': return put_number(b, t, 1);
    case 's': return put_number(b, t, 2);
    case 'l': return put_number(b, t, 4);
    case '4': return put_address(b, t, 4);
    case '6': return put_address(b, t, 6);
    case 't': return put_string(b, t.s, true);
    case 'q': return put_string(b, t.s, false);
    case 'T':
        if (!seconds(t.s, &v)) return false;
        for (int i = 24; i >= 0; i -= 8) buf_char(b, (char)(v >> i));
        return true;
    case 'n':
        if (!full_name(m, t, &name)) return false;
        buf_bytes(b, name.b, name.n);
        return true;
    }
    return false;
}

/* RFC 3597 section 5: \# length hex... */
static bool put_unknown(struct master *m)
{
    struct token t;
    uint64_t n;
    if (!next(m, &t) || !num_u64(t.s, RDATA_MAX, &n)) return false;
    return (n == 0 && m->at == m->n) || (put_hex(m, &m->rdata) && m->rdata.n == n);
}

static bool read_rdata(struct master *m, unsigned type)
{
    struct token t;
    const char *form = rdata_form(type);
    buf_clear(&m->rdata);
    if (m->at < m->n && sl_eq(m->tok[m->at].s, SL("\\#")) && !m->tok[m->at].quoted) {
        m->at++;
        return put_unknown(m);
    }
    if (!form) return false;
    for (; *form; form++) {
        if (*form == '+') {
            while (next(m, &t))
                if (!put_part(m, form[-1], t)) return false;
        } else if (*form == 'x') {
            if (!put_hex(m, &m->rdata)) return false;
        } else if (!next(m, &t) || !put_part(m, *form, t)) {
            return false;
        }
    }
    return m->at == m->n && !m->rdata.over;
}

/* ---- entries ---- */

static int directive(struct master *m)
{
    struct token word, value;
    if (!next(m, &word) || !next(m, &value) || m->at != m->n)
        return bad(m, ERR_SYNTAX, "a directive takes one value");
    if (sl_eqi(word.s, SL("$ORIGIN"))) {
        struct wire_name origin; /* a relative one is completed by the present one */
        if (!full_name(m, value, &origin)) return bad(m, ERR_SYNTAX, "$ORIGIN needs a domain name");
        m->origin = origin;
        return 0;
    }
    if (sl_eqi(word.s, SL("$TTL"))) {
        m->ttl_known = seconds(value.s, &m->ttl);
        return m->ttl_known ? 0 : bad(m, ERR_SYNTAX, "$TTL needs a time");
    }
    return bad(m, ERR_SYNTAX, "only $ORIGIN and $TTL are understood");
}

/* [TTL] [class] type, the first two in either order. */
static int read_type(struct master *m, uint32_t *ttl, bool *has_ttl, unsigned *type)
{
    struct token t;
    *has_ttl = false;
    while (next(m, &t)) {
        if (!*has_ttl && t.s.n && is_digit(t.s.p[0]) && seconds(t.s, ttl)) {
            *has_ttl = true;
            continue;
        }
        if (sl_eqi(t.s, SL("IN")) || sl_eqi(t.s, SL("CLASS1"))) continue;
        if (!t.quoted && (*type = dns_type_from_name(t.s)) != 0) return 0;
        return err_set(ERR_SYNTAX, "%s:%d: \"%.*s\" is no record type known here", m->what, m->entry_line,
                       t.s.n > 40 ? 40 : (int)t.s.n, t.s.p);
    }
    return bad(m, ERR_SYNTAX, "the type of the record is missing");
}

static int record(struct master *m)
{
    struct token t;
    uint32_t ttl;
    bool has_ttl;
    unsigned type;
    char text[NAME_TEXT_MAX];
    struct slice owner;
    struct dns_rr check;
    if (!m->indented) {
        if (!next(m, &t) || !full_name(m, t, &m->owner))
            return bad(m, ERR_SYNTAX, "the record begins with no name");
        m->owner_known = true;
    }
    if (!m->owner_known) return bad(m, ERR_SYNTAX, "the first record has no name");
    int e = read_type(m, &ttl, &has_ttl, &type);
    if (e) return e;
    if (!has_ttl) ttl = m->ttl;
    else if (!m->ttl_known) m->ttl = ttl; /* RFC 1035 section 5.1: the last one stated */
    ar_reset(&m->a);
    if (!read_rdata(m, type) || rdata_parse(&m->a, type, buf_slice(&m->rdata), &check) != 0)
        return err_set(ERR_SYNTAX, "%s:%d: the data of the %s record is wrong", m->what, m->entry_line,
                       dns_type_name(type));
    name_from_wire(sl(m->owner.b, m->owner.n), text, &owner);
    e = zone_add(m->z, owner, type, ttl, buf_slice(&m->rdata));
    return e ? err_prefix(e, "%s:%d", m->what, m->entry_line) : 0;
}

int zone_parse(struct zone *z, struct slice text, const char *what)
{
    struct master *m = xcalloc(1, sizeof *m);
    *m = (struct master){.z = z, .what = what, .rest = text, .line = 1, .ttl = DEFAULT_TTL};
    m->origin.n = 1; /* the root */
    m->rdata.cap = RDATA_MAX;
    int e;
    while ((e = read_entry(m)) == 0 && m->n)
        if ((e = m->tok[0].s.n && m->tok[0].s.p[0] == '$' && !m->indented ? directive(m) : record(m)) != 0)
            break;
    buf_free(&m->rdata);
    ar_free(&m->a);
    free(m);
    return e;
}

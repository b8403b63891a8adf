/* addr.c - address lists of header fields (RFC 5322 sections 3.4 and 4.4).
 *
 * An element is first cut off at the next , ; < or : that stands outside of quotes,
 * comments and literals, then taken apart. Each byte is looked at a fixed number of times. */
#include "addr.h"

#include "base/text.h"
#include "encoded.h"
#include "head.h"

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
static bool is_control(char c) { return (unsigned char)c < 32 || c == 127; }
/* RFC 5322 section 3.2.3, and UTF-8 (RFC 6532 section 3.2). */
static bool is_atext(char c)
{
    return is_alnum(c) || (c & 0x80) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* ---- tokens: each takes the position of the token's first byte, gives that after it ---- */

static size_t after_comment(struct slice s, size_t i)
{
    size_t depth = 0;
    for (; i < s.n; i++) {
        if (s.p[i] == '\\') i++;
        else if (s.p[i] == '(') depth++;
        else if (s.p[i] == ')' && --depth == 0) return i + 1;
    }
    return s.n;
}

static size_t after_quoted(struct slice s, size_t i)
{
    for (i++; i < s.n; i++) {
        if (s.p[i] == '\\') i++;
        else if (s.p[i] == '"') return i + 1;
    }
    return s.n;
}

/* A literal never holds these; so an open bracket does not swallow the rest. */
static size_t after_literal(struct slice s, size_t i)
{
    for (i++; i < s.n; i++) {
        if (s.p[i] == ']') return i + 1;
        if (s.p[i] == '[' || s.p[i] == '<' || s.p[i] == '>' || s.p[i] == ',' || s.p[i] == ';') return i;
    }
    return s.n;
}

static size_t skip_cfws(struct slice s, size_t i)
{
    while (i < s.n) {
        if (is_blank(s.p[i])) i++;
        else if (s.p[i] == '(') i = after_comment(s, i);
        else break;
    }
    return i;
}

/* First byte at or after i that is one of `stops`, outside of quotes, comments and literals. */
static size_t find_stop(struct slice s, size_t i, const char *stops)
{
    while (i < s.n) {
        char c = s.p[i];
        if (c == '"') i = after_quoted(s, i);
        else if (c == '(') i = after_comment(s, i);
        else if (c == '[') i = after_literal(s, i);
        else if (c && strchr(stops, c)) return i;
        else i++;
    }
    return s.n;
}

/* Appends the inside of the quoted string at i; position after it. */
static size_t unquote(struct slice s, size_t i, char *to, size_t *n)
{
    size_t end = after_quoted(s, i);
    size_t last = end > i + 1 && s.p[end - 1] == '"' ? end - 1 : end;
    for (i++; i < last; i++) {
        if (s.p[i] == '\\' && i + 1 < last) i++;
        else if (s.p[i] == '\r' || s.p[i] == '\n') continue;
        to[(*n)++] = s.p[i];
    }
    return end;
}

/* ---- pieces of an address ---- */

/* local-part with obsolete blanks around the dots: at least one word. *i ends at what follows it. */
static bool take_local(struct arena *a, struct slice s, size_t *i, struct slice *out)
{
    char *to = ar_alloc(a, s.n);
    size_t n = 0, at = skip_cfws(s, *i);
    bool word = false, any = false;
    while (at < s.n) {
        if (s.p[at] == '"' && !word) {
            at = unquote(s, at, to, &n);
            word = any = true;
        } else if (is_atext(s.p[at]) && !word) {
            while (at < s.n && is_atext(s.p[at])) to[n++] = s.p[at++];
            word = any = true;
        } else if (s.p[at] == '.') {
            to[n++] = s.p[at++];
            word = false;
        } else {
            break;
        }
        at = skip_cfws(s, at);
    }
    for (size_t k = 0; k < n; k++)
        if (is_control(to[k])) return false;
    *i = at;
    *out = sl(to, n);
    return any;
}

static bool take_domain(struct arena *a, struct slice s, size_t *i, struct slice *out)
{
    size_t at = skip_cfws(s, *i), n = 0;
    if (at < s.n && s.p[at] == '[') {
        size_t end = after_literal(s, at);
        if (end - at < 3 || s.p[end - 1] != ']') return false;
        *out = sl_sub(s, at, end);
        *i = skip_cfws(s, end);
        for (size_t k = 0; k < out->n; k++)
            if (is_control(out->p[k]) || out->p[k] == ' ') return false;
        return true;
    }
    char *to = ar_alloc(a, s.n);
    bool label = false;
    while (at < s.n && (s.p[at] == '.' ? label : is_atext(s.p[at]) && !label)) {
        label = s.p[at] != '.';
        if (label)
            while (at < s.n && is_atext(s.p[at])) to[n++] = s.p[at++];
        else to[n++] = s.p[at++];
        at = skip_cfws(s, at);
    }
    *i = at;
    *out = sl(to, n);
    return n > 0 && label;
}

/* addr-spec that fills all of s. */
static bool take_spec(struct arena *a, struct slice s, struct mail_addr *m)
{
    size_t i = 0;
    if (!take_local(a, s, &i, &m->local) || i >= s.n || s.p[i] != '@') return false;
    i++;
    return take_domain(a, s, &i, &m->domain) && i == s.n;
}

/* What stands between < and >. */
static bool take_angle(struct arena *a, struct slice s, struct mail_addr *m)
{
    size_t i = skip_cfws(s, 0);
    if (i < s.n && (s.p[i] == '@' || s.p[i] == ',')) { /* obs-route */
        size_t colon = find_stop(s, i, ":");
        if (colon == s.n) return false;
        m->route = sl_trim(sl_sub(s, i, colon));
        i = colon + 1;
    }
    return take_spec(a, sl_from(s, i), m);
}

/* A phrase as text: quotes taken off, comments left out, blanks joined to one space. */
static struct slice take_phrase(struct arena *a, struct slice s)
{
    char *to = ar_alloc(a, s.n + 1);
    size_t n = 0, i = 0;
    while (i < s.n) {
        size_t next = skip_cfws(s, i);
        if (next > i && n && next < s.n) to[n++] = ' ';
        i = next;
        if (i >= s.n) break;
        if (s.p[i] == '"') i = unquote(s, i, to, &n);
        else to[n++] = s.p[i++];
    }
    return sl(to, n);
}

/* The last comment of s without its brackets: the legacy place of a name (section 3.4). */
static struct slice last_comment(struct arena *a, struct slice s)
{
    struct slice found = SL("");
    for (size_t i = 0; i < s.n;) {
        if (s.p[i] == '(') {
            size_t end = after_comment(s, i);
            if (end > i + 2 && s.p[end - 1] == ')') found = sl_sub(s, i + 1, end - 1);
            i = end;
        } else {
            i = s.p[i] == '"' ? after_quoted(s, i) : i + 1;
        }
    }
    if (!found.n) return found;
    char *to = ar_alloc(a, found.n);
    size_t n = 0;
    for (size_t i = 0; i < found.n; i++) {
        if (found.p[i] == '\\' && i + 1 < found.n) i++;
        to[n++] = is_blank(found.p[i]) ? ' ' : found.p[i];
    }
    return sl_trim(sl(to, n));
}

/* ---- the list ---- */

struct addr_parser {
    struct arena *a;
    struct slice s, group;
    size_t i, cap, members; /* members: how many addresses there were before the group */
    bool no_angle;          /* no > follows any more */
    bool tell;              /* what is no address is told as well */
    struct mail_addrs *out;
};

static int add_addr(struct addr_parser *p, struct mail_addr *m)
{
    if (p->out->n == MAIL_ADDRS_MAX)
        return err_set(ERR_LIMIT, "more than %d addresses in one field", MAIL_ADDRS_MAX);
    if (p->out->n == p->cap) p->out->v = ar_grow(p->a, p->out->v, &p->cap, sizeof *p->out->v);
    m->group = p->group;
    p->out->v[p->out->n++] = *m;
    return 0;
}

/* An element that is no address. */
static int add_bad(struct addr_parser *p, struct slice text, struct slice name)
{
    p->out->bad = true;
    if (!p->tell) return 0;
    text = sl_trim(text);
    while (text.n && text.p[text.n - 1] == '>') text.n--;
    text = take_phrase(p->a, text);
    size_t at = sl_rchr(text, '@');
    struct mail_addr m = {.name = name, .local = sl_sub(text, 0, at)};
    m.domain = at == SL_NONE ? SL("") : sl_from(text, at + 1);
    return add_addr(p, &m);
}

/* name <spec without an end: the rest up to the next separator. */
static int parse_open_angle(struct addr_parser *p, struct slice before)
{
    size_t open = p->i + 1;
    p->no_angle = true;
    p->i = find_stop(p->s, open, ",;");
    return add_bad(p, sl_sub(p->s, open, p->i), take_phrase(p->a, before));
}

/* name <spec>: the cursor is at the <; name is what stands before it. */
static int parse_angle(struct addr_parser *p, struct slice before)
{
    size_t open = p->i + 1, close = p->no_angle ? p->s.n : find_stop(p->s, open, ">");
    if (close == p->s.n) return parse_open_angle(p, before);
    struct mail_addr m = {0};
    size_t next = find_stop(p->s, close + 1, ",;");
    struct slice after = sl_sub(p->s, close + 1, next);
    p->i = next;
    if (skip_cfws(after, 0) < after.n) p->out->bad = true;
    m.name = take_phrase(p->a, before);
    if (!m.name.n) m.name = last_comment(p->a, after);
    struct slice spec = sl_sub(p->s, open, close);
    if (!take_angle(p->a, spec, &m)) return add_bad(p, spec, m.name);
    return add_addr(p, &m);
}

static int parse_plain(struct addr_parser *p, struct slice text)
{
    struct mail_addr m = {0};
    if (!take_spec(p->a, text, &m)) return add_bad(p, text, last_comment(p->a, text));
    m.name = last_comment(p->a, text);
    return add_addr(p, &m);
}

static int parse_element(struct addr_parser *p)
{
    size_t start = p->i;
    p->i = find_stop(p->s, start, p->group.p ? ",;<" : ",;<:");
    struct slice text = sl_sub(p->s, start, p->i);
    char stop = p->i < p->s.n ? p->s.p[p->i] : 0;
    if (stop == '<') return parse_angle(p, text);
    if (stop == ':') {
        p->group = take_phrase(p->a, text);
        p->members = p->out->n;
        p->i++;
        return 0;
    }
    return parse_plain(p, text);
}

static int end_group(struct addr_parser *p)
{
    struct mail_addr m = {.nobody = true};
    int e = p->tell && p->group.p && p->members == p->out->n ? add_addr(p, &m) : 0;
    p->group = (struct slice){0};
    return e;
}

static int parse_list(struct addr_parser *p)
{
    int e = 0;
    *p->out = (struct mail_addrs){.v = ar_array(p->a, struct mail_addr, p->cap = 4)};
    p->s = mail_unfold(p->a, p->s);
    while (!e && (p->i = skip_cfws(p->s, p->i)) < p->s.n) {
        char c = p->s.p[p->i];
        if (c != ',' && c != ';') {
            e = parse_element(p);
            continue;
        }
        p->i++; /* null members are obsolete syntax (section 4.4) */
        if (c == ';') e = end_group(p);
    }
    return e ? e : end_group(p);
}

void mail_addrs_tell(struct arena *a, struct slice body, struct mail_addrs *out)
{
    struct addr_parser p = {.a = a, .s = body, .out = out, .tell = true};
    if (parse_list(&p) != 0) return; /* the first MAIL_ADDRS_MAX */
    struct mail_addr all = {.local = sl_trim(p.s), .domain = SL("")};
    if (!out->n && all.local.n) (void)!add_addr(&p, &all); /* a comment only, or separators; one fits */
}

int mail_addrs_parse(struct arena *a, struct slice body, struct mail_addrs *out)
{
    struct addr_parser p = {.a = a, .s = body, .out = out};
    int e = parse_list(&p);
    if (e) return e;
    if (!out->n && out->bad) return err_set(ERR_SYNTAX, "no address can be made out");
    return 0;
}

/* ---- writing ---- */

static bool is_dot_atom(struct slice s)
{
    bool atom = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' ? !atom : !is_atext(s.p[i])) return false;
        atom = s.p[i] != '.';
    }
    return atom;
}

struct slice mail_addr_spec(struct arena *a, const struct mail_addr *m)
{
    char *to = ar_alloc(a, m->local.n * 2 + m->domain.n + 3);
    size_t n = 0;
    bool quote = !is_dot_atom(m->local);
    if (quote) to[n++] = '"';
    for (size_t i = 0; i < m->local.n; i++) {
        char c = m->local.p[i];
        if (is_control(c)) continue;
        if (quote && (c == '"' || c == '\\')) to[n++] = '\\';
        to[n++] = c;
    }
    if (quote) to[n++] = '"';
    if (m->domain.n) {
        to[n++] = '@';
        for (size_t i = 0; i < m->domain.n; i++)
            if (!is_control(m->domain.p[i])) to[n++] = m->domain.p[i];
    }
    return sl(to, n);
}

struct slice mail_addr_join(struct arena *a, struct slice local, struct slice domain)
{
    return mail_addr_spec(a, &(struct mail_addr){.local = local, .domain = domain});
}

struct slice mail_addr_text(struct arena *a, const struct mail_addr *m)
{
    struct slice spec = mail_addr_spec(a, m);
    if (!m->name.n) return spec;
    struct slice name = mail_phrase_encode(a, mail_words_decode(a, m->name));
    return ar_printf(a, "%.*s <%.*s>", SLF(name), SLF(spec));
}

/* ---- one address, strictly ---- */

/* Position of the @ that ends the local part, or SL_NONE. */
static size_t find_at(struct slice s)
{
    if (s.n && s.p[0] == '"') {
        size_t end = after_quoted(s, 0);
        return end < s.n && s.p[end] == '@' && s.p[end - 1] == '"' ? end : SL_NONE;
    }
    return sl_rchr(s, '@');
}

static bool domain_ok(struct slice d)
{
    if (d.n > 2 && d.p[0] == '[') {
        struct slice inside = sl_sub(d, 1, d.n - 1);
        for (size_t i = 0; i < inside.n; i++)
            if (inside.p[i] <= 32 || inside.p[i] > 126 || strchr("[]\\", inside.p[i])) return false;
        return d.p[d.n - 1] == ']';
    }
    return is_dot_atom(d);
}

int mail_addr_split(struct arena *a, struct slice spec, struct slice *local, struct slice *domain)
{
    size_t at = find_at(spec);
    if (at == SL_NONE) return err_set(ERR_SYNTAX, "an address is local-part@domain");
    struct slice l = sl_sub(spec, 0, at), d = sl_from(spec, at + 1);
    if (!utf8_valid(spec)) return err_set(ERR_SYNTAX, "the address is not UTF-8");
    if (l.n && l.p[0] == '"') {
        char *to = ar_alloc(a, l.n);
        size_t n = 0;
        for (size_t i = 0; i < l.n; i++)
            if (is_control(l.p[i])) return err_set(ERR_SYNTAX, "there is a control character in the address");
        unquote(l, 0, to, &n);
        l = sl(to, n);
    } else if (!is_dot_atom(l)) {
        return err_set(ERR_SYNTAX, "the part before the @ is not valid without quotes");
    }
    if (!domain_ok(d)) return err_set(ERR_SYNTAX, "the part after the @ is no domain");
    /* RFC 5321 section 4.5.3.1 */
    if (l.n > 64) return err_set(ERR_TOO_LONG, "the part before the @ is longer than 64 bytes");
    if (d.n > 255) return err_set(ERR_TOO_LONG, "the domain is longer than 255 bytes");
    *local = l;
    *domain = d;
    return 0;
}

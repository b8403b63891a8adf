/* smtp_path.c - paths, mailboxes and domains of SMTP commands (RFC 5321 section 4.1.2, RFC 6531 3.3). */
#include "smtp.h"

#include "base/text.h"

static bool is_control(char c) { return (unsigned char)c < 32 || c == 127; }
static bool is_utf8_byte(char c) { return (c & 0x80) != 0; }
static bool is_atext(char c)
{
    return is_alnum(c) || is_utf8_byte(c) || (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

static bool is_dot_string(struct slice s)
{
    bool atom = false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' ? !atom : !is_atext(s.p[i])) return false;
        atom = s.p[i] != '.';
    }
    return atom;
}

/* sub-domain = Let-dig [Ldh-str]; U-labels hold UTF-8 bytes. */
static bool label_ok(struct slice l, bool underscore)
{
    if (!l.n || l.n > 63 || l.p[0] == '-' || l.p[l.n - 1] == '-') return false;
    for (size_t i = 0; i < l.n; i++)
        if (!is_alnum(l.p[i]) && l.p[i] != '-' && !is_utf8_byte(l.p[i]) && !(underscore && l.p[i] == '_'))
            return false;
    return true;
}

static bool domain_of_labels(struct slice s, bool underscore)
{
    struct slice rest = s, label;
    if (!s.n || s.n > SMTP_DOMAIN_MAX || !utf8_valid(s)) return false;
    while (sl_next(&rest, '.', &label))
        if (!label_ok(label, underscore)) return false;
    return true;
}

bool smtp_domain_ok(struct slice s) { return domain_of_labels(s, false); }

bool smtp_helo_ok(struct slice s)
{
    struct ip ip;
    return ip_parse_literal(s, &ip) || domain_of_labels(s, true);
}

struct slice smtp_address(struct arena *a, struct slice local, struct slice domain)
{
    char *to = ar_alloc(a, local.n * 2 + domain.n + 4);
    size_t n = 0;
    bool quote = !is_dot_string(local);
    if (quote) to[n++] = '"';
    for (size_t i = 0; i < local.n; i++) {
        if (quote && (local.p[i] == '"' || local.p[i] == '\\')) to[n++] = '\\';
        to[n++] = is_control(local.p[i]) ? '?' : local.p[i];
    }
    if (quote) to[n++] = '"';
    if (domain.n) {
        to[n++] = '@';
        memcpy(to + n, domain.p, domain.n);
        n += domain.n;
    }
    return sl(to, n);
}

/* Quoted-string at the front of s: its content and how many bytes it took; 0 when it is none. */
static size_t take_quoted(struct arena *a, struct slice s, struct slice *out)
{
    char *to = ar_alloc(a, s.n);
    size_t n = 0;
    for (size_t i = 1; i < s.n; i++) {
        if (s.p[i] == '"') {
            *out = sl(to, n);
            return i + 1;
        }
        if (s.p[i] == '\\' && ++i == s.n) return 0;
        to[n++] = s.p[i];
    }
    return 0;
}

static int take_domain(struct slice d, struct smtp_path *out)
{
    struct ip ip;
    out->domain = d;
    if (d.n && d.p[0] == '[') {
        out->literal = true;
        if (!ip_parse_literal(d, &ip))
            return err_set(ERR_SYNTAX, "the address literal is not [1.2.3.4] or [IPv6:...]");
        return 0;
    }
    if (d.n > SMTP_DOMAIN_MAX)
        return err_set(ERR_TOO_LONG, "the domain is longer than %d bytes", SMTP_DOMAIN_MAX);
    if (!smtp_domain_ok(d)) return err_set(ERR_SYNTAX, "the part after the @ is not a domain name");
    return 0;
}

static int take_mailbox(struct arena *a, struct slice s, struct smtp_path *out)
{
    size_t used;
    if (s.n && s.p[0] == '"') {
        used = take_quoted(a, s, &out->local);
        if (!used) return err_set(ERR_SYNTAX, "the quoted part before the @ has no end");
    } else {
        used = sl_rchr(s, '@');
        if (used == SL_NONE) used = s.n;
        out->local = sl_sub(s, 0, used);
        if (!is_dot_string(out->local))
            return err_set(ERR_SYNTAX, "the part before the @ is not valid without quotes");
    }
    if (out->local.n > SMTP_LOCAL_MAX)
        return err_set(ERR_TOO_LONG, "the part before the @ is longer than %d bytes", SMTP_LOCAL_MAX);
    if (used == s.n) { /* RFC 5321 section 4.5.1: postmaster may stand without a domain */
        if (sl_eqi(out->local, SL("postmaster"))) return 0;
        return err_set(ERR_SYNTAX, "the address has no @ and no domain");
    }
    if (s.p[used] != '@') return err_set(ERR_SYNTAX, "an @ must follow the quoted part");
    return take_domain(sl_from(s, used + 1), out);
}

/* A-d-l ":" is recognised and dropped (RFC 5321 sections 3.3, 4.1.1.3, appendix C). */
static int drop_route(struct slice *s)
{
    if (!s->n || s->p[0] != '@') return 0;
    size_t colon = sl_chr(*s, ':');
    if (colon == SL_NONE) return err_set(ERR_SYNTAX, "the source route has no end");
    struct slice rest = sl_sub(*s, 0, colon), hop;
    while (sl_next(&rest, ',', &hop))
        if (!hop.n || hop.p[0] != '@' || !smtp_domain_ok(sl_from(hop, 1)))
            return err_set(ERR_SYNTAX, "the source route is not a list of @domain");
    *s = sl_from(*s, colon + 1);
    return 0;
}

int smtp_path_parse(struct arena *a, struct slice s, bool reverse, struct smtp_path *out)
{
    *out = (struct smtp_path){0};
    bool bare = s.n && sl_chr(s, '<') == SL_NONE && sl_chr(s, '>') == SL_NONE; /* from printers and scripts */
    if (!bare && (s.n < 2 || s.p[0] != '<' || s.p[s.n - 1] != '>'))
        return err_set(ERR_SYNTAX, "the address must stand in < and >");
    if (!bare) s = sl_sub(s, 1, s.n - 1);
    if (!s.n) {
        out->null = true;
        return reverse ? 0 : err_set(ERR_SYNTAX, "a recipient cannot be empty");
    }
    for (size_t i = 0; i < s.n; i++) {
        if (is_control(s.p[i])) return err_set(ERR_SYNTAX, "there is a control character in the address");
        out->utf8 |= is_utf8_byte(s.p[i]);
    }
    if (out->utf8 && !utf8_valid(s)) return err_set(ERR_SYNTAX, "the address is not valid UTF-8");
    int e = drop_route(&s);
    if (!e) e = take_mailbox(a, s, out);
    if (e) return e;
    if (reverse && !out->domain.n) return err_set(ERR_SYNTAX, "the address has no @ and no domain");
    out->address = smtp_address(a, out->local, out->domain);
    return 0;
}

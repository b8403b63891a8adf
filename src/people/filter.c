/* filter.c - what is asked for, as text (RFC 4515), and whether the settings make sense. */
#include "base/buf.h"
#include "base/text.h"
#include "people_i.h"

/* Letters, digits and what no filter gives a meaning to stay readable. */
static bool is_plain(char c) { return is_alnum(c) || (c && strchr("@.-_+", c)); }

void people_escape(struct buf *b, struct slice value)
{
    for (size_t i = 0; i < value.n; i++)
        if (is_plain(value.p[i])) buf_char(b, value.p[i]);
        else buf_printf(b, "\\%02x", (unsigned char)value.p[i]);
}

static void put_address(struct buf *b, struct slice local, struct slice domain)
{
    people_escape(b, local);
    buf_char(b, '@');
    people_escape(b, domain);
}

int people_filter(struct arena *a, struct slice pattern, struct slice local, struct slice domain,
                  struct slice *out)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < pattern.n; i++) {
        char what = pattern.p[i] == '%' && i + 1 < pattern.n ? pattern.p[++i] : 0;
        if (what == 's') put_address(&b, local, domain);
        else if (what == 'u') people_escape(&b, local);
        else if (what == 'd') people_escape(&b, domain);
        else buf_char(&b, pattern.p[i]);
    }
    bool fits = b.n <= PEOPLE_FILTER_MAX;
    *out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return fits ? 0
                : err_set(ERR_TOO_LONG, "the filter for an address is longer than %d bytes",
                          PEOPLE_FILTER_MAX);
}

/* What is in a parenthesis must be closed again, and the address must be asked for. A literal parenthesis is
 * \28: so each that is seen is syntax. */
static bool filter_is_whole(struct slice f)
{
    int depth = 0;
    bool asks = false;
    for (size_t i = 0; i < f.n; i++) {
        if (i && depth < 1) return false;
        if (f.p[i] == '(') depth++;
        else if (f.p[i] == ')') depth--;
        else if (!depth || !f.p[i]) return false;
        else if (f.p[i] == '%') {
            if (++i == f.n || !strchr("sud", f.p[i]) || !f.p[i]) return false;
            asks |= f.p[i] != 'd';
        }
    }
    return f.n && !depth && asks;
}

/* RFC 4512 section 1.4: a short name or an OID. */
bool people_is_attribute(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.') return false;
    return s.n <= PEOPLE_ATTRIBUTE_MAX;
}

static struct slice host_of(struct slice server)
{
    size_t slash = sl_find(server, SL("://"));
    return slash == SL_NONE ? SL("") : sl_from(server, slash + 3);
}

/* Only an address tells: 127.example.org may be anywhere. */
bool people_is_near(struct slice server)
{
    struct ip ip;
    struct slice host = host_of(server);
    size_t colon = sl_rchr(host, ':'), bracket = sl_rchr(host, ']');
    if (bracket != SL_NONE) host = sl_sub(host, 1, bracket);
    else if (colon != SL_NONE) host = sl_sub(host, 0, colon);
    return ip_parse(host, &ip) && ip_is_loopback(&ip);
}

static bool is_server(struct slice s)
{
    struct slice host = host_of(s);
    if (!sl_starts(s, SL("ldap://")) && !sl_starts(s, SL("ldaps://"))) return false;
    for (size_t i = 0; i < host.n; i++)
        if (!is_alnum(host.p[i]) && (!host.p[i] || !strchr("-.:[]", host.p[i]))) return false;
    return host.n > 0;
}

size_t people_servers(struct slice setting, struct slice out[PEOPLE_SERVERS_MAX])
{
    size_t n = 0;
    for (struct slice one; n < PEOPLE_SERVERS_MAX && setting.n && sl_next(&setting, ' ', &one);)
        if (one.n) out[n++] = one;
    return n;
}

static bool are_servers(struct slice setting)
{
    size_t n = 0;
    bool good = true;
    for (struct slice one; setting.n && sl_next(&setting, ' ', &one);)
        if (one.n) good = good && is_server(one), n++;
    return good && n && n <= PEOPLE_SERVERS_MAX;
}

int people_check(const struct people_conf *c)
{
    if (!are_servers(c->server))
        return err_set(
            ERR_SYNTAX,
            "ldap \"%.*s\" must be ldaps:// or ldap:// and a host, perhaps with a port; or up to %d "
            "of these with blanks between",
            SLF(c->server), PEOPLE_SERVERS_MAX);
    if (!c->base.n) return err_set(ERR_SYNTAX, "ldap needs ldap_base, below which people are");
    if (!filter_is_whole(c->filter))
        return err_set(ERR_SYNTAX,
                       "ldap_filter \"%.*s\" must be a filter in parentheses that asks for %%s, the address, "
                       "or %%u, what stands before its @ (%%d: its domain)",
                       SLF(c->filter));
    if (!people_is_attribute(c->address) || !people_is_attribute(c->id) || !people_is_attribute(c->quota))
        return err_set(ERR_SYNTAX,
                       "ldap_address and ldap_id must be names of attributes, of %d bytes at most",
                       PEOPLE_ATTRIBUTE_MAX);
    return 0;
}

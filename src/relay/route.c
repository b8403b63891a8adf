/* route.c - the lines of the setting `routes`: read, and found again. */
#include "route.h"

#include <string.h>

#include "base/ip.h"
#include "base/text.h"
#include "dns/dns.h"
#include "mail/domain.h"

static int bad(struct slice text, const char *why)
{
    return err_set(ERR_SYNTAX, "the route \"%.*s\" %s", SLF(sl_sub(text, 0, 200)), why);
}

static bool next_word(struct slice *rest, struct slice *word)
{
    *rest = sl_trim(*rest);
    return rest->n && sl_next(rest, ' ', word);
}

/* A domain as it is compared. */
static bool take_domain(struct arena *a, struct slice s, struct slice *out)
{
    bool below = sl_starts(s, SL("."));
    struct slice ascii;
    if (sl_eq(s, SL("*"))) *out = s;
    else if (dns_to_ascii(a, below ? sl_from(s, 1) : s, &ascii) != 0) return false;
    else *out = below ? ar_cat(a, SL("."), ascii) : ascii;
    return true;
}

static int take_target(struct arena *a, struct slice text, struct slice s, struct relay_route *out)
{
    uint64_t port = 0;
    struct ip ip;
    out->lmtp = sl_starts(s, SL("lmtp:"));
    if (out->lmtp) s = sl_from(s, 5);
    if (out->lmtp && sl_starts(s, SL("/"))) {
        out->path = ar_dup(a, s);
        return s.n < sizeof((struct endpoint *)0)->path ? 0 : bad(text, "has a path that is too long");
    }
    size_t colon = sl_rchr(s, ':'), bracket = sl_rchr(s, ']');
    bool has_port = colon != SL_NONE && (bracket == SL_NONE || colon > bracket);
    if (has_port && (!num_u64(sl_from(s, colon + 1), 65535, &port) || !port)) return bad(text, "has no port");
    if (has_port) s = sl_sub(s, 0, colon);
    if (sl_starts(s, SL("[")) && sl_ends(s, SL("]"))) s = sl_sub(s, 1, s.n - 1);
    out->port = (uint16_t)(port ? port : out->lmtp ? 24 : 25);
    out->host = ar_lower(a, s);
    return ip_parse(s, &ip) || dns_name_ok(s) ? 0 : bad(text, "names no host behind \"via\"");
}

static int choice(struct slice v, const char *const *words, int n)
{
    for (int i = 0; i < n; i++)
        if (sl_eq(v, sl_cstr(words[i]))) return i;
    return -1;
}

static int take_option(struct arena *a, struct slice text, struct slice word, struct relay_route *out)
{
    static const char *const levels[] = {"may", "none", "encrypted", "verified"}, *const ways[] = {"any",
                                                                                                   "scram",
                                                                                                   "plain"};
    size_t eq = sl_chr(word, '=');
    struct slice name = sl_sub(word, 0, eq == SL_NONE ? word.n : eq),
                 v = sl_from(word, eq == SL_NONE ? word.n : eq + 1);
    if (sl_eq(name, SL("user")) && v.n) out->user = ar_dup(a, v);
    else if (sl_eq(name, SL("password-file")) && v.n) out->password_file = ar_dup(a, v);
    else if (sl_eq(name, SL("certificate-file")) && v.n) out->certificate_file = ar_dup(a, v);
    else if (sl_eq(name, SL("tls"))) {
        int i = choice(v, levels, COUNT_OF(levels));
        if (i < 0) return bad(text, "has a tls= that is none of may, none, encrypted, verified");
        out->tls = (enum route_tls)i;
    } else if (sl_eq(name, SL("login"))) {
        int i = choice(v, ways, COUNT_OF(ways));
        if (i < 0) return bad(text, "has a login= that is none of any, scram, plain");
        out->login = (enum route_login)i;
    } else {
        return bad(text,
                   "has a word that is no option: tls=, user=, password-file=, login=, certificate-file=");
    }
    return 0;
}

/* A password goes to nobody who has not proved himself, but to a socket of this machine. */
static int check(struct slice text, const struct relay_route *r, bool tls_said)
{
    if (r->user.n && !r->password_file.n) return bad(text, "has a user= and no password-file=");
    if (r->password_file.n && !r->user.n) return bad(text, "has a password-file= and no user=");
    if (r->user.n && r->lmtp) return bad(text, "has a login for LMTP");
    if (r->user.n && r->tls != ROUTE_TLS_VERIFIED && r->tls != ROUTE_TLS_ENCRYPTED)
        return bad(text, "would tell the password in clear: tls=verified, or tls=encrypted");
    if (r->login && !r->user.n) return bad(text, "has a login= and no user=");
    if (r->certificate_file.n && (r->path.n || r->tls == ROUTE_TLS_NONE))
        return bad(text, "has a certificate and no TLS to show it in");
    if (r->path.n && tls_said) return bad(text, "asks for TLS with a Unix socket");
    return 0;
}

int route_parse(struct arena *a, struct slice text, struct relay_route *out)
{
    struct slice rest = text, word = {0}, said = {0};
    *out = (struct relay_route){0};
    if (!next_word(&rest, &word)) return bad(text, "is empty");
    if (sl_starts(word, SL("from:"))) {
        out->from = ar_lower(a, sl_from(word, 5));
        if (!out->from.n || !next_word(&rest, &word)) return bad(text, "names no domain");
    }
    if (!take_domain(a, word, &out->to)) return bad(text, "begins with what is no domain, .domain or *");
    if (!next_word(&rest, &word) || !sl_eq(word, SL("via")) || !next_word(&rest, &word))
        return bad(text, "does not go on with \"via HOST\"");
    int e = take_target(a, text, word, out);
    while (!e && next_word(&rest, &word)) {
        if (sl_starts(word, SL("tls="))) said = word;
        e = take_option(a, text, word, out);
    }
    if (!e && out->user.n && !said.n) out->tls = ROUTE_TLS_VERIFIED;
    return e ? e : check(text, out, said.n > 0);
}

static bool fits_sender(const struct relay_route *r, struct slice sender)
{
    if (!r->from.n) return true;
    if (sl_chr(r->from, '@') != SL_NONE) return sl_eqi(r->from, sender);
    size_t at = sl_rchr(sender, '@');
    return at != SL_NONE && sl_eqi(sl_from(sender, at + 1), r->from);
}

static bool fits_domain(const struct relay_route *r, struct slice domain)
{
    if (sl_eq(r->to, SL("*"))) return true;
    if (sl_starts(r->to, SL("."))) return domain_below(domain, sl_from(r->to, 1));
    return sl_eqi(r->to, domain);
}

const struct relay_route *route_find(const struct relay_route *v, size_t n, struct slice sender,
                                     struct slice domain)
{
    for (size_t i = 0; i < n; i++)
        if (fits_sender(&v[i], sender) && fits_domain(&v[i], domain)) return &v[i];
    return NULL;
}

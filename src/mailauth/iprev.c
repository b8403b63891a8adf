/* iprev.c - reverse DNS with forward confirmation (RFC 8601 section 3), and the HELO name. */
#include "iprev.h"

#include "base/text.h"

const char *iprev_code_name(enum iprev_code c)
{
    static const char *const names[] = {"pass", "fail", "temperror", "permerror"};
    return names[c];
}

static bool has_address(const struct dns_answer *ans, const struct ip *ip)
{
    for (size_t i = 0; i < ans->n; i++)
        if (ip_eq(&ans->rr[i].ip, ip)) return true;
    return false;
}

static enum dns_type address_type(const struct ip *ip) { return ip->family == 6 ? DNS_AAAA : DNS_A; }

static int ask_name(struct dns *d, struct arena *a, struct slice name, const struct ip *ip,
                    struct dns_answer *ans)
{
    return dns_ask(d, a, name, address_type(ip), ans);
}

/* Confirms one of the claimed names. */
static int confirm(struct dns *d, struct arena *a, const struct ip *ip, const struct dns_answer *ptr,
                   struct iprev_result *out)
{
    bool unanswered = false;
    for (size_t i = 0; i < ptr->n && i < IPREV_NAMES_MAX; i++) {
        struct dns_answer ans = {0};
        out->questions++;
        int e = ask_name(d, a, ptr->rr[i].name, ip, &ans);
        if (e) return e;
        if (ans.status == DNS_TEMPFAIL) unanswered = true;
        if (!has_address(&ans, ip)) continue;
        out->code = IPREV_PASS;
        out->name = ar_dup(a, ptr->rr[i].name);
        return 0;
    }
    out->name = ar_dup(a, ptr->rr[0].name);
    out->code = unanswered ? IPREV_TEMPERROR : IPREV_FAIL;
    struct slice shown = printable(a, out->name, 200);
    char text[IP_TEXT_MAX];
    out->problem = unanswered ? ar_printf(a, "the DNS gave no answer for the addresses of %.*s", SLF(shown))
                              : ar_printf(a, "%s says it is %.*s, but that name does not have the address",
                                          ip_format(ip, text), SLF(shown));
    return 0;
}

static int check(struct dns *d, struct arena *a, const struct ip *ip, struct iprev_result *out)
{
    struct dns_answer ptr = {0};
    char text[IP_TEXT_MAX];
    out->questions++;
    int e = dns_ask(d, a, ip_reverse_name(a, ip), DNS_PTR, &ptr);
    if (e) return e;
    if (ptr.status == DNS_FOUND && ptr.n) return confirm(d, a, ip, &ptr, out);
    bool later = ptr.status == DNS_TEMPFAIL;
    out->code = later ? IPREV_TEMPERROR : IPREV_PERMERROR;
    out->problem = later ? ar_printf(a, "the DNS gave no answer for the name of %s", ip_format(ip, text))
                         : ar_printf(a, "%s has no name in the DNS (no PTR record)", ip_format(ip, text));
    return 0;
}

int iprev_check(struct dns *d, struct arena *a, const struct ip *ip, struct iprev_result *out)
{
    *out = (struct iprev_result){0};
    int64_t before = deadline_narrow(DEADLINE_IN(IPREV_SECONDS * RT_S));
    int e = check(d, a, ip, out);
    deadline_restore(before);
    return e;
}

static int named_helo(struct dns *d, struct arena *a, const struct ip *ip, struct slice helo,
                      struct helo_result *out)
{
    struct dns_answer ans = {0};
    int64_t before = deadline_narrow(DEADLINE_IN(IPREV_SECONDS * RT_S));
    int e = ask_name(d, a, helo, ip, &ans);
    deadline_restore(before);
    if (e) return e;
    if (ans.status == DNS_FOUND) {
        out->code = has_address(&ans, ip) ? HELO_MATCHES : HELO_OTHER;
        if (out->code == HELO_OTHER) out->problem = ar_printf(a, "%.*s has other addresses", SLF(helo));
    } else if (ans.status == DNS_TEMPFAIL) {
        out->code = HELO_TEMPERROR;
        out->problem = ar_printf(a, "the DNS gave no answer for %.*s", SLF(helo));
    } else {
        out->code = HELO_UNKNOWN;
        out->problem = ar_printf(a, "%.*s has no address of this kind in the DNS", SLF(helo));
    }
    return 0;
}

int helo_check(struct dns *d, struct arena *a, const struct ip *ip, struct slice helo,
               struct helo_result *out)
{
    struct ip literal;
    *out = (struct helo_result){.code = HELO_BAD};
    if (ip_parse_literal(helo, &literal)) {
        out->code = ip_eq(&literal, ip) ? HELO_MATCHES : HELO_OTHER;
        if (out->code == HELO_OTHER) out->problem = SL("the address literal is not the client's address");
        return 0;
    }
    if (dns_is_fqdn(helo)) return named_helo(d, a, ip, helo, out);
    out->problem =
        ar_printf(a, "\"%.*s\" is neither a host name nor an address literal", SLF(printable(a, helo, 100)));
    return 0;
}

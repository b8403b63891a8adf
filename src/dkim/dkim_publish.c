/* dkim_publish.c - compares the published key record with our private key (RFC 6376 section 3.6). */
#include "dkim_publish.h"

const char *dkim_published_name(enum dkim_published p)
{
    static const char *const names[] = {"right", "wrong", "missing", "several", "unknown"};
    return names[p];
}

static void say(struct dkim_publish *p, enum dkim_published state, struct slice reason)
{
    p->state = state;
    p->reason = reason;
}

static bool same_key(struct sign_key *key, const struct dkim_record *r)
{
    struct buf ours = BUF_INIT;
    sign_key_public(key, &ours);
    bool same = sl_eq(buf_slice(&ours), r->public);
    buf_free(&ours);
    if (same || sign_key_kind(key) != KEY_RSA) return same;
    /* The other form of the same key (a bare RSAPublicKey) lies at the end of ours. */
    sign_key_public(key, &ours);
    same = r->public.n > 128 && sl_ends(buf_slice(&ours), r->public) && ours.n - r->public.n < 32;
    buf_free(&ours);
    return same;
}

static void compare(struct arena *a, struct sign_key *key, struct slice txt, struct dkim_publish *p)
{
    struct dkim_record r = {0};
    if (dkim_record_parse(a, txt, &r))
        say(p, DKIM_PUB_MISSING, ar_printf(a, "the TXT record is no key record: %s", err_text(ERR_SYNTAX)));
    else if (!r.public.n) say(p, DKIM_PUB_WRONG, SL("the published key is revoked (empty p=)"));
    else if (!r.known_kind || r.kind != sign_key_kind(key))
        say(p, DKIM_PUB_WRONG, ar_printf(a, "the published key is of kind %.*s", SLF(r.k)));
    else if (!same_key(key, &r)) say(p, DKIM_PUB_WRONG, SL("another key is published"));
    else if (!r.sha256_ok) say(p, DKIM_PUB_WRONG, SL("the published record does not allow SHA-256 (h=)"));
    else if (!r.email_ok) say(p, DKIM_PUB_WRONG, SL("the published record is not meant for e-mail (s=)"));
    else if (r.testing)
        say(p, DKIM_PUB_RIGHT,
            SL("our key is published, marked as a test (t=y): receivers may take letters as unsigned"));
    else say(p, DKIM_PUB_RIGHT, SL("our key is published"));
    p->testing = p->state == DKIM_PUB_RIGHT && r.testing;
}

int dkim_publish_check(struct arena *a, struct dns *dns, struct slice domain, struct slice selector,
                       struct sign_key *key, struct dkim_publish *out)
{
    struct dns_answer answer;
    *out = (struct dkim_publish){.name = dkim_key_name(a, selector, domain),
                                 .line = dkim_record_line(a, selector, domain, key)};
    int e = dns_ask(dns, a, out->name, DNS_TXT, &answer);
    if (e == ERR_CANCELED) return e;
    if (e || answer.status == DNS_TEMPFAIL)
        say(out, DKIM_PUB_UNKNOWN, ar_printf(a, "the DNS does not answer for %.*s", SLF(out->name)));
    else if (answer.status != DNS_FOUND)
        say(out, DKIM_PUB_MISSING,
            ar_printf(a, "%.*s %s", SLF(out->name),
                      answer.status == DNS_NXDOMAIN ? "does not exist" : "has no TXT record"));
    else {
        out->found = answer.rr[0].txt;
        if (answer.n > 1)
            say(out, DKIM_PUB_SEVERAL,
                ar_printf(a, "%.*s has %zu TXT records, and must have one", SLF(out->name), answer.n));
        else compare(a, key, answer.rr[0].txt, out);
    }
    return 0;
}

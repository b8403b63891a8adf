/* dnslist.c - asking lists in the DNS (RFC 5782), all at once. */
#include "dnslist.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"

/* ---- a line of the configuration ---- */

static unsigned about_of(struct slice word)
{
    static const struct slice words[] = {SL_INIT("address"), SL_INIT("helo"), SL_INIT("sender"),
                                         SL_INIT("url")};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (sl_eq(word, words[i])) return 1u << i;
    return 0;
}

static bool take_about(struct slice text, unsigned *out)
{
    struct slice word;
    *out = 0;
    while (sl_next(&text, ',', &word)) {
        unsigned bit = about_of(word);
        if (!bit) return false;
        *out |= bit;
    }
    return *out != 0;
}

static bool take_weight(struct slice text, int *out)
{
    uint64_t v;
    bool good = text.n && text.p[0] == '-';
    if (!num_u64(sl_from(text, good), DNSLIST_WEIGHT_MAX, &v) || !v) return false;
    *out = good ? -(int)v : (int)v;
    return true;
}

int dnslist_parse(struct slice text, struct dnslist *out)
{
    struct slice rest = sl_trim(text), word[3];
    size_t n = 0;
    *out = (struct dnslist){0};
    for (struct slice w; sl_next(&rest, ' ', &w);)
        if (w.n && n < 3) word[n++] = w;
        else if (w.n) n++;
    if (n == 3 && dns_is_fqdn(word[0]) && word[0].n <= DNSLIST_ZONE_MAX && take_about(word[1], &out->about) &&
        take_weight(word[2], &out->weight)) {
        snprintf(out->zone, sizeof out->zone, "%.*s", SLF(word[0]));
        return 0;
    }
    return err_set(ERR_SYNTAX,
                   "\"%.*s\" must be a zone, what it is asked about (address, helo, sender, url, with commas "
                   "between) and a weight up to %d, such as \"zen.example.org address 5\"",
                   SLF(text), DNSLIST_WEIGHT_MAX);
}

/* ---- questions ---- */

struct question {
    struct dns *dns;
    struct arena *a;
    const struct dnslist *list;
    struct slice name, what; /* to be asked for; what it is about, in words */
    bool listed;
    struct slice why;
};
enum { QUESTIONS_MAX = DNSLISTS_MAX * 2 * DNSLIST_URLS_MAX };
struct asking {
    const struct dnslists *l;
    struct dns *dns;
    struct arena *a;
    struct question *v;
    size_t n;
};

/* Section 2.1: listed is who has an address in 127.0.0.0/8; what else stands there is a wildcard of whoever
 * owns the name now. Section 2.1 as well: 127.255.255.0/24 is how lists say "you ask too much". */
static bool is_listing(const struct ip *ip)
{
    return ip->family == 4 && ip->b[0] == 127 && !(ip->b[1] == 255 && ip->b[2] == 255);
}

static void ask_one(void *arg)
{
    struct question *q = arg;
    struct dns_answer answer;
    if (dns_ask(q->dns, q->a, q->name, DNS_A, &answer) || answer.status != DNS_FOUND) return;
    for (size_t i = 0; i < answer.n; i++) q->listed |= is_listing(&answer.rr[i].ip);
    if (!q->listed || dns_ask(q->dns, q->a, q->name, DNS_TXT, &answer)) return; /* section 2.3 */
    if (answer.status == DNS_FOUND && answer.n) q->why = printable(q->a, answer.rr[0].txt, 200);
}

static void add(struct asking *x, const struct dnslist *list, struct slice label, struct slice what)
{
    struct slice name = ar_printf(x->a, "%.*s.%s", SLF(label), list->zone);
    if (x->n == QUESTIONS_MAX || !dns_name_ok(name)) return;
    for (size_t i = 0; i < x->n; i++)
        if (sl_eqi(x->v[i].name, name)) return;
    x->v[x->n++] = (struct question){.dns = x->dns, .a = x->a, .list = list, .name = name, .what = what};
}

/* Sections 2.1, 2.4: the octets or nibbles the other way round. */
static void add_address(struct asking *x, const struct dnslist *list, const struct ip *ip)
{
    char text[IP_TEXT_MAX];
    struct slice name = ip_reverse_name(x->a, ip);
    size_t end = sl_findi(name, ip->family == 4 ? SL(".in-addr.arpa") : SL(".ip6.arpa"));
    if (ip->family && end != SL_NONE)
        add(x, list, sl_sub(name, 0, end), ar_dup(x->a, sl_cstr(ip_format(ip, text))));
}

/* The last two labels: some lists name domains as they are sold, others every host (section 3). */
static struct slice parent_of(struct slice host)
{
    size_t at = sl_rchr(host, '.');
    if (at == SL_NONE) return host;
    size_t before = sl_rchr(sl_sub(host, 0, at), '.');
    return before == SL_NONE ? host : sl_from(host, before + 1);
}

static void add_domain(struct asking *x, const struct dnslist *list, struct slice domain)
{
    if (!dns_is_fqdn(domain)) return;
    add(x, list, domain, domain);
    if (parent_of(domain).n < domain.n) add(x, list, parent_of(domain), domain);
}

static void add_all(struct asking *x, const struct dnslist_facts *f, unsigned about)
{
    for (size_t i = 0; i < x->l->n; i++) {
        const struct dnslist *list = &x->l->v[i];
        unsigned now = list->about & about;
        if (now & DNSLIST_ADDRESS) add_address(x, list, &f->address);
        if (now & DNSLIST_HELO) add_domain(x, list, f->helo);
        if (now & DNSLIST_SENDER) add_domain(x, list, f->sender);
        for (size_t k = 0; (now & DNSLIST_URL) && k < f->nurl; k++) add_domain(x, list, f->url[k]);
    }
}

/* A list counts once, whatever it says how often. */
static void count(const struct asking *x, struct dnslist_score *out)
{
    const struct dnslist *last = NULL;
    for (size_t i = 0; i < x->n; i++) {
        const struct question *q = &x->v[i];
        if (!q->listed || q->list == last) continue;
        last = q->list; /* its questions stand together */
        out->score += q->list->weight;
        buf_printf(&out->hits, "%s%s %d (%.*s%s%.*s)", out->hits.n ? "; " : "", q->list->zone,
                   q->list->weight, SLF(q->what), q->why.n ? ": " : "", SLF(q->why));
    }
}

int dnslist_ask(const struct dnslists *l, struct dns *dns, struct arena *a, const struct dnslist_facts *facts,
                unsigned about, struct dnslist_score *out)
{
    ASSERT(l->n <= DNSLISTS_MAX && (dns || !l->n));
    struct asking x = {.l = l, .dns = dns, .a = a};
    struct group g;
    if (!l->n) return 0;
    x.v = ar_array(a, struct question, QUESTIONS_MAX);
    add_all(&x, facts, about);
    group_init(&g);
    for (size_t i = 0; i < x.n; i++)
        if (group_go(&g, "dnslist", ask_one, &x.v[i])) break; /* what is not asked counts nothing */
    int64_t before = deadline_narrow(DEADLINE_IN(DNSLIST_WAIT));
    int e = group_wait(&g);
    deadline_restore(before);
    if (e == ERR_CANCELED) return e;
    count(&x, out);
    return 0;
}

/* ---- URLs ---- */

static bool is_host_char(char c) { return is_alnum(c) || c == '-' || c == '.'; }

/* Behind "//", user information passed over. */
static struct slice host_at(struct slice text)
{
    size_t end = 0;
    while (end < text.n && end < 300 && text.p[end] > ' ' && !strchr("/?#<>\"'\\", text.p[end])) end++;
    struct slice authority = sl_sub(text, 0, end);
    size_t at = sl_rchr(authority, '@'), n = 0;
    if (at != SL_NONE) authority = sl_from(authority, at + 1);
    while (n < authority.n && is_host_char(authority.p[n])) n++;
    while (n && (authority.p[n - 1] == '.' || authority.p[n - 1] == '-')) n--;
    return sl_sub(authority, 0, n);
}

size_t dnslist_hosts(struct arena *a, struct slice text, struct slice out[DNSLIST_URLS_MAX])
{
    struct ip literal;
    size_t n = 0, at;
    for (; n < DNSLIST_URLS_MAX && (at = sl_find(text, SL("://"))) != SL_NONE; text = sl_from(text, at + 3)) {
        struct slice scheme = sl_sub(text, at > 5 ? at - 5 : 0, at), host = host_at(sl_from(text, at + 3));
        bool web = sl_endsi(scheme, SL("http")) || sl_endsi(scheme, SL("https")), seen = false;
        if (!web || !dns_is_fqdn(host) || ip_parse(host, &literal)) continue;
        for (size_t i = 0; i < n; i++) seen |= sl_eqi(out[i], host);
        if (!seen) out[n++] = ar_lower(a, host);
    }
    return n;
}

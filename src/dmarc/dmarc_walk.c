/* dmarc_walk.c - the DNS tree walk and the organisational domain (RFC 9989 section 4.10). */
#include "base/text.h"
#include "dmarc_i.h"

/* "a.example.com": 3; "": 0 */
static size_t dmarc_labels(struct slice name)
{
    size_t n = name.n > 0;
    for (size_t i = 0; i < name.n; i++) n += name.p[i] == '.';
    return n;
}

struct slice dmarc_parent(struct slice name)
{
    size_t dot = sl_chr(name, '.');
    return dot == SL_NONE ? (struct slice){0} : sl_from(name, dot + 1);
}

/* Sets *record when exactly one DMARC record stands at _dmarc.<domain>; several are none. */
static int dmarc_fetch(struct dns *d, struct arena *a, struct slice domain, struct dmarc_record **record,
                       struct dns_answer *ans)
{
    size_t found = 0;
    struct slice text = {0};
    *record = NULL;
    *ans = (struct dns_answer){0};
    int e = dns_ask(d, a, ar_printf(a, "_dmarc.%.*s", SLF(domain)), DNS_TXT, ans);
    if (e) return e;
    for (size_t i = 0; i < ans->n; i++)
        if (dmarc_is_record(ans->rr[i].txt) && found++ == 0) text = ans->rr[i].txt;
    if (found != 1) return 0;
    *record = ar_new(a, struct dmarc_record);
    return dmarc_record_parse(a, text, *record);
}

/* Steps 3, 4 and 7: one label less, or from eight and more down to seven. */
static struct slice next_target(struct slice domain)
{
    domain = dmarc_parent(domain);
    while (dmarc_labels(domain) >= DMARC_WALK_MAX) domain = dmarc_parent(domain);
    return domain;
}

/* Section 4.10.2, from the longest name to the shortest. */
static struct slice organisational(const struct dmarc_walk *w, struct slice start)
{
    struct slice shortest = start;
    for (size_t i = 0; i < w->n; i++) {
        const struct dmarc_record *r = w->step[i].record;
        if (!r) continue;
        if (r->psd == 'n') return w->step[i].domain;
        if (r->psd == 'y' && i > 0) {
            struct slice below = start;
            size_t labels = dmarc_labels(w->step[i].domain);
            while (dmarc_labels(below) > labels + 1) below = dmarc_parent(below);
            return below;
        }
        shortest = w->step[i].domain;
    }
    return shortest;
}

int dmarc_walk_step(struct dns *d, struct arena *a, struct slice domain, struct dmarc_walk *w)
{
    struct dns_answer ans;
    struct dmarc_step *s = &w->step[w->n];
    s->domain = domain;
    int e = dmarc_fetch(d, a, domain, &s->record, &ans);
    if (e) return e;
    w->n++;
    if (ans.status != DNS_TEMPFAIL) return 0;
    w->temperror = true;
    w->problem = ar_printf(a, "the DNS gave no answer for TXT of _dmarc.%.*s", SLF(domain));
    return 0;
}

int dmarc_walk_rest(struct dns *d, struct arena *a, struct dmarc_walk *w)
{
    while (!w->temperror && w->n < DMARC_WALK_MAX) {
        const struct dmarc_step *last = &w->step[w->n - 1];
        struct slice next = next_target(last->domain);
        if (!next.n || (last->record && last->record->psd != 'u')) break; /* steps 2 and 6 */
        int e = dmarc_walk_step(d, a, next, w);
        if (e) return e;
    }
    if (!w->temperror) w->org = organisational(w, w->step[0].domain);
    return 0;
}

int dmarc_tree_walk(struct dns *d, struct arena *a, struct slice domain, struct dmarc_walk *out)
{
    *out = (struct dmarc_walk){.org = domain};
    int e = dmarc_walk_step(d, a, domain, out);
    return e ? e : dmarc_walk_rest(d, a, out);
}

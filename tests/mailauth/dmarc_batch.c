/* dmarc_batch.c - many DMARC evaluations in one process, for dmarc_agree.py.
 *
 * Standard input: "zone LENGTH\n" and so many bytes of a master file, then any number of
 * "check AUTHOR\tWORD:DOMAIN\tWORD:DOMAIN,WORD:DOMAIN\n": the author domain, what SPF said, and
 * what the signatures said. For each check one line:
 * CODE\tPUBLISHED\tTAG\tPOLICY DOMAIN\tORGANISATIONAL DOMAIN\tSPF ALIGNED\tDKIM ALIGNED\tSENTENCE */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "dmarc/dmarc.h"

enum { SIGNATURES = 8 };

static struct dns *read_zone(size_t length)
{
    struct dns *d = NULL;
    char *text = xmalloc(length);
    if (fread(text, 1, length, stdin) != length || dns_open_zone_text(&d, sl(text, length)) != 0) {
        fprintf(stderr, "the zone cannot be read: %s\n", err_text(ERR_SYNTAX));
        exit(2);
    }
    free(text);
    return d;
}

static struct slice word_of(struct slice pair, struct slice *domain)
{
    struct slice word;
    if (!sl_next(&pair, ':', &word)) exit(2);
    *domain = pair;
    return word;
}

static void read_signatures(struct slice list, struct slice *passed, struct slice *unknown,
                            struct dmarc_evidence *e)
{
    struct slice pair, domain;
    while (list.n && sl_next(&list, ',', &pair)) {
        struct slice word = word_of(pair, &domain);
        if (e->ndkim_pass + e->ndkim_temperror == SIGNATURES) exit(2);
        if (sl_eq(word, SL("pass"))) passed[e->ndkim_pass++] = domain;
        if (sl_eq(word, SL("temperror"))) unknown[e->ndkim_temperror++] = domain;
    }
}

static void check(struct dns *d, struct slice line)
{
    struct arena a = {0};
    struct slice passed[SIGNATURES], unknown[SIGNATURES], author, spf;
    struct dmarc_evidence e = {.dkim_pass = passed, .dkim_temperror = unknown};
    struct dmarc_authors from = {.state = DMARC_FROM_ONE, .n = 1};
    struct dmarc_result r;
    if (!sl_next(&line, '\t', &author) || !sl_next(&line, '\t', &spf)) exit(2);
    struct slice word = word_of(spf, &e.spf_domain);
    e.spf_pass = sl_eq(word, SL("pass"));
    e.spf_temperror = sl_eq(word, SL("temperror"));
    read_signatures(line, passed, unknown, &e);
    if (dns_to_ascii(&a, author, &from.domain[0]) != 0 || dmarc_check(d, &a, &from, &e, &r) != 0) exit(2);
    printf("%s\t%s\t%s\t%.*s\t%.*s\t%d\t%d\t%.*s\n", dmarc_code_name(r.code),
           r.record ? dmarc_policy_name(r.published) : "-", r.tag ? r.tag : "-", SLF(r.policy_domain),
           SLF(r.org), r.spf_aligned, r.dkim_aligned, SLF(r.why));
    ar_free(&a);
}

static int batch(void *arg)
{
    (void)arg;
    static char line[65536];
    struct dns *d = NULL;
    while (fgets(line, sizeof line, stdin)) {
        struct slice s = sl_cstr(line);
        uint64_t length;
        if (s.n && s.p[s.n - 1] == '\n') s.n--;
        if (sl_starts(s, SL("zone ")) && num_u64(sl_from(s, 5), 1 << 24, &length)) {
            dns_close(&d);
            d = read_zone((size_t)length);
        } else if (sl_starts(s, SL("check ")) && d) {
            check(d, sl_from(s, 6));
        }
    }
    dns_close(&d);
    return 0;
}

int main(void)
{
    struct rt_opts opts = {.loops = 1};
    return rt_run(&opts, batch, NULL);
}

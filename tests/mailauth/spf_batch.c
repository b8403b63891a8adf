/* spf_batch.c - many SPF checks in one process, for spf_agree.py.
 *
 * Standard input: "zone LENGTH\n" and so many bytes of a master file, then any number of
 * "check IP\tHELO\tMAILFROM\n" (MAILFROM "<helo>": the HELO identity). For each check one line:
 * RESULT\tTERMS\tVOIDS\tQUESTIONS\tEXPLANATION\tPROBLEM */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "spf/spf.h"

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

static void check(struct dns *d, struct slice line)
{
    struct arena a = {0};
    struct spf_query q = {.receiver = SL("unknown")};
    struct spf_result r;
    struct slice ip;
    if (!sl_next(&line, '\t', &ip) || !ip_parse(ip, &q.ip) || !sl_next(&line, '\t', &q.helo) ||
        !sl_next(&line, '\t', &q.mail_from)) {
        fprintf(stderr, "a check cannot be read\n");
        exit(2);
    }
    if (sl_eq(q.mail_from, SL("<helo>"))) q.identity = SPF_HELO;
    if (spf_check(d, &a, &q, &r) != 0) exit(2);
    if (!r.explained) r.explanation = SL("");
    printf("%s\t%u\t%u\t%u\t%.*s\t%.*s\n", spf_result_name(r.code), r.terms, r.voids, r.questions,
           SLF(r.explanation), SLF(r.problem));
    ar_free(&a);
}

static int batch(void *arg)
{
    (void)arg;
    static char line[65536];
    struct dns *d = NULL;
    while (fgets(line, sizeof line, stdin)) {
        struct slice s = sl_trim(sl_cstr(line));
        uint64_t length;
        if (sl_starts(s, SL("zone ")) && num_u64(sl_from(s, 5), 1 << 24, &length)) {
            dns_close(&d);
            d = read_zone((size_t)length);
        } else if (sl_starts(s, SL("check ")) && d) {
            s = sl_cstr(line);
            check(d, sl_sub(s, 6, s.n - 1));
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

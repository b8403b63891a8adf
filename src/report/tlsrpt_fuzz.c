/* tlsrpt_fuzz.c - any bytes as a TLS report, packed or not, and as the record that asks for them. */
#include "base/fuzz.h"
#include "dmarc_report.h"
#include "tlsrpt.h"

static void read_report(struct arena *a, struct slice json)
{
    struct tlsrpt_report r;
    uint64_t sessions = 0;
    if (tlsrpt_parse(a, json, &r)) return;
    ASSERT(r.n <= TLSRPT_IN_FAILURES && r.domain.n > 0);
    for (size_t i = 0; i < r.n; i++) sessions += r.failure[i].count & 1;
    ASSERT(sessions <= r.n);
}

FUZZ
{
    struct arena a = {0};
    struct buf json = BUF_INIT;
    struct slice to[TLSRPT_TO_MAX];
    read_report(&a, input);
    if (dmarc_unpack(&json, input) == 0) read_report(&a, buf_slice(&json));
    ASSERT(tlsrpt_record(&a, input, to) <= TLSRPT_TO_MAX);
    buf_free(&json);
    ar_free(&a);
}

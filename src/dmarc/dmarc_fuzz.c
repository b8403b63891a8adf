/* dmarc_fuzz.c - any bytes as a DMARC record, and as the body of a From field. */
#include "base/fuzz.h"
#include "dmarc.h"
#include "mail/head.h"

FUZZ
{
    struct arena a = {0};
    struct dmarc_record r;
    if (dmarc_record_parse(&a, input, &r) == 0) {
        ASSERT(r.nrua <= DMARC_URIS_MAX && r.nruf <= DMARC_URIS_MAX);
        ASSERT(r.usable || !r.nrua);
    }
    struct mail_field f = {.name = SL("From"), .body = input};
    struct mail_head head = {.field = &f, .n = 1};
    struct dmarc_authors from;
    if (dmarc_authors(&a, &head, &from) == 0) {
        ASSERT(from.n <= DMARC_AUTHORS_MAX + 1);
        ASSERT((from.state == DMARC_FROM_ONE) <= (from.n == 1));
    }
    ar_free(&a);
}

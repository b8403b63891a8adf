/* dmarc_report_fuzz.c - any bytes as a report part, and as a kept row. */
#include "base/fuzz.h"
#include "dmarc_report.h"

FUZZ
{
    struct arena a = {0};
    struct buf xml = BUF_INIT;
    struct dmarc_report r;
    struct dmarc_row row;
    struct dmarc_published p;
    if (dmarc_unpack(&xml, input) == 0 && dmarc_report_parse(&a, buf_slice(&xml), &r) == 0)
        for (size_t i = 0; i < r.n; i++) {
            struct buf b = BUF_INIT;
            dmarc_row_encode(&b, &r.row[i]);
            ASSERT(b.n < DMARC_ROW_BYTES_MAX && dmarc_row_decode(buf_slice(&b), &row) == 0);
            buf_free(&b);
        }
    if (dmarc_row_decode(input, &row) == 0) ASSERT(row.ndkim <= DMARC_ROW_DKIM_MAX);
    if (dmarc_published_decode(input, &p) == 0) ASSERT(p.p <= DMARC_P_REJECT);
    buf_free(&xml);
    ar_free(&a);
}

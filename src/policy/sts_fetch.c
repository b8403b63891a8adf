/* sts_fetch.c - a policy as its domain serves it (RFC 8461 section 3.3). */
#include "base/text.h"
#include "policy.h"

struct slice sts_announced(const struct dns_answer *txt)
{
    struct slice id = {0};
    size_t n = 0;
    for (size_t i = 0; txt->status == DNS_FOUND && i < txt->n; i++) {
        if (!sl_starts(txt->rr[i].txt, SL("v=STSv1"))) continue;
        id = mta_sts_id(txt->rr[i].txt);
        n++;
    }
    return n == 1 ? id : SL("");
}

/* Nothing but 200 and text/plain counts. */
static int judge(struct arena *a, const struct fetch_answer *got, struct mta_sts_policy *out,
                 enum sts_trouble *trouble, struct slice *why)
{
    *trouble = STS_FETCH_ERROR;
    if (got->status != 200) {
        *why = ar_printf(a, "is answered with %d instead of 200", got->status);
    } else if (!sl_eq(got->type, SL("text/plain"))) {
        *why = ar_printf(a, "is served as \"%.*s\", not as text/plain", SLF(printable(a, got->type, 60)));
        *trouble = STS_INVALID;
    } else {
        int e = mta_sts_parse(a, got->body, out);
        *trouble = e ? STS_INVALID : STS_FINE;
        if (e) *why = ar_printf(a, "is no policy: %s", err_text(e));
    }
    return 0;
}

int sts_fetch(const struct fetch *f, struct arena *a, struct slice domain, struct mta_sts_policy *out,
              enum sts_trouble *trouble, struct slice *why)
{
    struct fetch_answer got;
    struct fetch_request q = {
        .url = ar_printf(a, "https://mta-sts.%.*s/.well-known/mta-sts.txt", SLF(domain)),
        .size_max = MTA_STS_TEXT_MAX,
        .timeout = STS_FETCH_S * RT_S,
        .asker = sl_hash(domain) | 1,
    };
    *out = (struct mta_sts_policy){0};
    int e = fetch(f, a, &q, &got);
    /* that the caller has no time left says nothing of the domain */
    if (e == ERR_CANCELED || (e == ERR_TIMEOUT && deadline_get() <= rt_now())) return e;
    if (!e) return judge(a, &got, out, trouble, why);
    *trouble = e == ERR_TLS ? STS_WEBPKI : STS_FETCH_ERROR;
    *why = ar_printf(a, "cannot be fetched: %s", err_text(e));
    return 0;
}

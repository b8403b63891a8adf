/* reports.c - DMARC and TLS reports at the door: what came is counted for the author's domain; reports about
 * us are read when their letter is kept. */
#include "intake_i.h"
#include "mail/addr.h"
#include "report/dmarc_store.h"
#include "report/tlsrpt.h"
#include "store/store.h"

/* For the address that our records name ("dmarc-reports@"), at a domain of ours? */
static bool is_report_address(struct intake_letter *l, struct slice address, struct slice name)
{
    struct slice local, domain;
    bool here = false;
    if (!sl_startsi(address, name) || mail_addr_split(&l->a, address, &local, &domain) != 0) return false;
    return domain_is_local(l->in->store->directory, domain, &here) == 0 && here;
}

static size_t report_addresses(struct intake_letter *l, struct slice name)
{
    size_t n = 0;
    for (size_t i = 0; i < l->nsaid; i++) n += is_report_address(l, l->said[i], name);
    return n;
}

#define DMARC_ADDRESS SL(DMARC_REPORTS_LOCAL "@")
#define TLSRPT_ADDRESS SL(TLSRPT_LOCAL "@")

void intake_report_note(struct intake_letter *l)
{
    if (!l->in->reports) return;
    /* Reports about the letters that carry reports would go back and forth without end. */
    if (l->verdict.dmarc.code == DMARC_PASS && l->nsaid && report_addresses(l, DMARC_ADDRESS) == l->nsaid)
        return;
    dmarc_store_note(l->in->reports, &l->from.peer, &l->verdict);
}

void intake_report_take(struct intake_letter *l, const struct body_ref *body)
{
    if (!l->in->reports || l->from.origin != INTAKE_STRANGER) return;
    struct slice author = l->judged && l->verdict.dmarc.code == DMARC_PASS ? l->verdict.dmarc.author : SL("");
    if (report_addresses(l, DMARC_ADDRESS)) dmarc_store_take(l->in->reports, &l->id, body, author);
    if (report_addresses(l, TLSRPT_ADDRESS)) tlsrpt_take(l->in->tls_reports, &l->id, body, author);
}

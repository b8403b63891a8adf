/* reports.c - DMARC aggregate reports at the door: what came is counted for the author's domain;
 * reports about us are read when their letter is kept. */
#include "mail/addr.h"
#include "smtpd_i.h"

/* For the address that our DMARC records name, at a domain of ours? */
static bool is_report_address(struct smtpd_session *s, struct slice address)
{
    struct slice local, domain;
    bool here = false;
    if (!sl_startsi(address, SL(DMARC_REPORTS_LOCAL "@")) ||
        mail_addr_split(&s->tx.a, address, &local, &domain) != 0)
        return false;
    return domain_is_local(s->conf->store->directory, domain, &here) == 0 && here;
}

static size_t report_addresses(struct smtpd_session *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->tx.nsaid; i++) n += is_report_address(s, s->tx.said[i]);
    return n;
}

void smtpd_report_note(struct smtpd_session *s, const struct mailauth_verdict *v)
{
    if (!s->conf->reports) return;
    /* Reports about the letters that carry reports would go back and forth without end. */
    if (v->dmarc.code == DMARC_PASS && s->tx.nsaid && report_addresses(s) == s->tx.nsaid) return;
    dmarc_store_note(s->conf->reports, &conn_peer(s->c)->ip, v);
}

void smtpd_report_take(struct smtpd_session *s, const struct mailauth_verdict *v, const struct body_ref *body)
{
    if (!s->conf->reports || s->kind != SMTPD_MX || !report_addresses(s)) return;
    struct slice author = s->tx.auth && v->dmarc.code == DMARC_PASS ? v->dmarc.author : SL("");
    dmarc_store_take(s->conf->reports, &s->tx.id, body, author);
}

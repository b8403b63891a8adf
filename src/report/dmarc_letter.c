/* dmarc_letter.c - a report as a letter: written, signed, handed to the queue under a name that a
 * repetition has again; or kept here, when it is about a domain of ours. */
#include "base/log.h"
#include "base/text.h"
#include "dmarc_send_i.h"
#include "mail/addr.h"
#include "store/store.h"

/* The promise's letter id, with chance made of the address: a repetition has the same one. */
static struct letter_id letter_name(const struct promise *p, struct slice mailbox)
{
    struct letter_id id = p->id;
    uint32_t h = crc32c(crc32c(0, p->id.s, LETTER_ID_LEN), mailbox.p, mailbox.n);
    for (int i = LETTER_ID_LEN - 1; i >= 10; i--, h >>= 5)
        id.s[i] = "0123456789abcdefghijklmnopqrstuv"[h & 31];
    return id;
}

static struct slice write_letter(struct sending *s, struct slice mailbox, struct slice from)
{
    const struct promise *p = &s->promise;
    struct buf text = BUF_INIT;
    struct dmarc_mail m = {.from = from,
                           .to = mailbox,
                           .policy_domain = s->published.domain,
                           .submitter = s->ds->conf.hostname,
                           .report_id = s->report_id,
                           .begin = p->begin,
                           .end = p->end,
                           .date = p->made,
                           .random = p->random,
                           .gzip = buf_slice(&s->gzip)};
    dmarc_report_message(&text, &m);
    struct slice out = ar_dup(s->a, buf_slice(&text));
    buf_free(&text);
    return out;
}

static int hand_over(struct sending *s, struct slice mailbox)
{
    /* A return path that exists, so that SPF passes too (RFC 5321 section 4.5.5 keeps the null path
     * for reports about delivery); nobody wants to hear that a report was not taken. */
    struct slice sender = ar_cat(s->a, SL("postmaster@"), s->round->from_domain);
    struct letter_own own = {.id = letter_name(&s->promise, mailbox),
                             .sender = sender,
                             .to = mailbox,
                             .text = write_letter(s, mailbox, sender),
                             .what = ar_printf(s->a, "the DMARC report %.*s with %zu rows, for %.*s",
                                               SLF(s->report_id), s->rows, SLF(mailbox))};
    int e = s->ds->conf.take(s->ds->conf.take_ctx, &own);
    if (!e) s->round->sent->letters++;
    if (e != ERR_DENIED) return e;
    log_info("dmarc", "the report %.*s is not sent to %.*s: %s", SLF(s->report_id), SLF(mailbox),
             err_text(e));
    return 0;
}

/* Our own DMARC_REPORTS_LOCAL: the report goes where it would be kept, without a letter about
 * letters that would be reported again. */
static int keep_here(struct sending *s)
{
    int e = dmarc_intake(s->ds, buf_slice(&s->xml), true, SL(""), s->round->from_domain);
    if (e == ERR_EXISTS) e = 0;
    if (e && !err_is_temporary(e)) {
        log_warn("dmarc", "the report %.*s about our own domain is not kept: %s", SLF(s->report_id),
                 err_text(e));
        return 0;
    }
    if (!e) s->round->sent->kept++;
    return e;
}

int dmarc_letter(struct sending *s, const struct dmarc_destination *d)
{
    struct slice local, domain, own;
    if (d->max_bytes && s->gzip.n > d->max_bytes) { /* RFC 7489 section 6.2 */
        log_info("dmarc", "the report to %.*s has %zu bytes, it takes %llu: not sent", SLF(d->mailbox),
                 s->gzip.n, (unsigned long long)d->max_bytes);
        return 0;
    }
    bool here = false;
    int e = mail_addr_split(s->a, d->mailbox, &local, &domain);
    if (!e) e = domain_is_local(s->ds->conf.store->directory, domain, &here);
    bool keeps = !e && here && sl_eqi(local, SL(DMARC_REPORTS_LOCAL));
    if (keeps && dmarc_own_domain(s->ds, s->a, s->published.domain, &own) == 0) return keep_here(s);
    if (e == ERR_SYNTAX || e == ERR_TOO_LONG) return 0;
    return e ? e : hand_over(s, d->mailbox);
}

/* dmarc_letter.c - a report as a letter: written, signed, handed to the queue under a name that a
 * repetition has again; or kept here, when it is about a domain of ours. */
#include "base/log.h"
#include "base/text.h"
#include "dmarc_send_i.h"
#include "mail/addr.h"
#include "mail/build.h"
#include "outgoing/signing.h"
#include "trace/trace.h"

/* The promise's letter id, with chance made of the address: a repetition has the same one. */
static struct letter_id letter_name(const struct promise *p, struct slice mailbox)
{
    struct letter_id id = p->id;
    uint32_t h = crc32c(crc32c(0, p->id.s, LETTER_ID_LEN), mailbox.p, mailbox.n);
    for (int i = LETTER_ID_LEN - 1; i >= 10; i--, h >>= 5)
        id.s[i] = "0123456789abcdefghijklmnopqrstuv"[h & 31];
    return id;
}

static int write_letter(struct sending *s, struct slice mailbox, struct slice from, struct slice *out)
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
    struct slice plain = buf_slice(&text);
    int e = 0;
    *out = plain;
    if (s->ds->conf.signing) e = signing_letter(s->ds->conf.signing, s->a, s->round->from_domain, plain, out);
    if (!e && out->p == plain.p) *out = ar_dup(s->a, plain);
    buf_free(&text);
    return e;
}

static int hand_over(struct sending *s, struct slice mailbox, const struct routes *routes)
{
    struct store *store = s->ds->conf.store;
    /* A return path that exists, so that SPF passes too (RFC 5321 section 4.5.5 keeps the null path
     * for reports about delivery); nobody wants to hear that a report was not taken. */
    struct slice sender = ar_cat(s->a, SL("postmaster@"), s->round->from_domain), text;
    struct buf path = BUF_INIT;
    bool local = false;
    struct letter l = {.id = letter_name(&s->promise, mailbox),
                       .sender = sender,
                       .received = rt_wall_seconds(),
                       .once = true,
                       .nrcpt = routes->n};
    l.rcpt = ar_array(s->a, struct letter_rcpt, routes->n);
    for (size_t i = 0; i < routes->n; i++) {
        l.rcpt[i] = (struct letter_rcpt){.address = mailbox, .route = routes->v[i], .notify = NOTIFY_NEVER};
        local |= routes->v[i].local;
    }
    int e = write_letter(s, mailbox, sender, &text);
    if (e) return e;
    if (local) {
        mail_return_path(&path, sender);
        l.skip = (uint32_t)path.n;
        text = ar_cat(s->a, buf_slice(&path), text);
        buf_free(&path);
    }
    size_t end = sl_find(text, SL("\r\n\r\n"));
    l.head_size = (uint32_t)(end == SL_NONE ? text.n : end + 4);
    l.subject = dmarc_report_subject(s->a, s->published.domain, s->ds->conf.hostname, s->report_id);
    e = letter_put(store, &l, text, local);
    if (e) return e;
    trace_addf(store->trace, &l.id, TRACE_RECEIVED, SL(""),
               "made here: the DMARC report %.*s with %zu rows, for %.*s", SLF(s->report_id), s->rows,
               SLF(mailbox));
    return accept_letter(s->ds->conf.queue, &l);
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
    struct routes routes = {0};
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
    if (!e) e = directory_resolve(s->ds->conf.store->directory, s->a, local, domain, &routes);
    if (e == ERR_SYNTAX || e == ERR_TOO_LONG) return 0;
    if (e) return e;
    if (routes.result == RESOLVED_NOT_LOCAL) {
        routes.v = ar_new(s->a, struct route);
        routes.v->address = d->mailbox;
        routes.n = 1;
    } else if (routes.result != RESOLVED) {
        log_info("dmarc", "nobody here takes reports at %.*s", SLF(d->mailbox));
        return 0;
    }
    e = hand_over(s, d->mailbox, &routes);
    if (!e) s->round->sent->letters++;
    return e;
}

/* tlsrpt_mail.c - the letter that carries a TLS report (RFC 8460 section 5.3). Pure. */
#include "base/civil.h"
#include "base/text.h"
#include "dmarc_report.h"
#include "mail/build.h"
#include "tlsrpt_i.h"

/* Section 5.1. */
struct slice tlsrpt_filename(struct arena *a, const struct tlsrpt_out *r)
{
    uint32_t h = crc32c(0, r->id.p, r->id.n);
    return ar_printf(a, "%.*s!%.*s!%lld!%lld!%08x.json.gz", SLF(r->submitter), SLF(r->domain),
                     (long long)r->begin, (long long)r->end, h);
}

static void put_head(struct buf *out, struct arena *a, const struct tlsrpt_out *r, struct slice to,
                     struct slice boundary)
{
    uint64_t unique = (uint64_t)crc32c(1, r->id.p, r->id.n) << 32 | crc32c(0, r->id.p, r->id.n);
    mail_date_field(out, SL("Date"), rt_wall_seconds());
    mail_field(out, SL("From"), r->contact);
    mail_field(out, SL("To"), to);
    mail_field(out, SL("Subject"), dmarc_report_subject(a, r->domain, r->submitter, r->id));
    mail_field(out, SL("Message-ID"), mail_message_id(a, r->end, unique, r->submitter));
    mail_field(out, SL("TLS-Report-Domain"), r->domain);
    mail_field(out, SL("TLS-Report-Submitter"), r->submitter);
    mail_field(out, SL("Auto-Submitted"), SL("auto-generated"));
    mail_field(out, SL("MIME-Version"), SL("1.0"));
    mail_field(out, SL("Content-Type"),
               ar_printf(a, "multipart/report; report-type=\"tlsrpt\"; boundary=\"%.*s\"", SLF(boundary)));
    buf_str(out, "\r\n");
}

void tlsrpt_message(struct buf *out, const struct tlsrpt_out *r, struct slice to, struct slice gzip)
{
    struct arena a = {0};
    char from[CIVIL_TEXT_MAX], until[CIVIL_TEXT_MAX];
    struct slice boundary = SL("=_tlsrpt"); /* "=_" is in no base64 line */
    put_head(out, &a, r, to, boundary);
    buf_printf(out, "--%.*s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", SLF(boundary));
    buf_printf(
        out,
        "This is a report about TLS sessions with the mail servers of %.*s\r\nfrom %.*s,\r\n%s to %s.\r\n",
        SLF(r->domain), SLF(r->submitter), civil_format(r->begin, from), civil_format(r->end, until));
    buf_printf(out, "\r\n--%.*s\r\n", SLF(boundary));
    mail_field(out, SL("Content-Type"), SL("application/tlsrpt+gzip"));
    mail_field(out, SL("Content-Transfer-Encoding"), SL("base64"));
    mail_field(out, SL("Content-Disposition"),
               ar_printf(&a, "attachment; filename=\"%.*s\"", SLF(tlsrpt_filename(&a, r))));
    buf_str(out, "\r\n");
    report_base64(out, gzip);
    buf_printf(out, "\r\n--%.*s--\r\n", SLF(boundary));
    ar_free(&a);
}

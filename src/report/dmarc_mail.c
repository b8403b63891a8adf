/* dmarc_mail.c - the letters that carry aggregate reports, written and taken apart. Pure. */
#include "base/civil.h"
#include "base/text.h"
#include "dmarc_report.h"
#include "mail/build.h"
#include "mail/mime.h"

/* ---- writing ---- */

void report_base64(struct buf *out, struct slice bytes)
{
    enum { LINE = 57 }; /* 76 columns */
    for (; bytes.n; bytes = sl_from(bytes, LINE)) {
        b64_encode(out, sl_sub(bytes, 0, LINE));
        buf_str(out, "\r\n");
    }
}

static void put_head(struct buf *out, struct arena *a, const struct dmarc_mail *m, struct slice boundary)
{
    mail_date_field(out, SL("Date"), m->date);
    mail_field(out, SL("From"), m->from);
    mail_field(out, SL("To"), m->to);
    mail_field(out, SL("Subject"), dmarc_report_subject(a, m->policy_domain, m->submitter, m->report_id));
    mail_field(out, SL("Message-ID"), mail_message_id(a, m->date, m->random, m->submitter));
    mail_field(out, SL("Auto-Submitted"), SL("auto-generated"));
    mail_field(out, SL("MIME-Version"), SL("1.0"));
    mail_field(out, SL("Content-Type"), ar_printf(a, "multipart/mixed; boundary=\"%.*s\"", SLF(boundary)));
    buf_str(out, "\r\n");
}

static void put_text(struct buf *out, const struct dmarc_mail *m)
{
    char from[CIVIL_TEXT_MAX], to[CIVIL_TEXT_MAX];
    buf_str(out, "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
    buf_printf(out, "This is a DMARC aggregate report for %.*s\r\nfrom %.*s,\r\n%s to %s.\r\n",
               SLF(m->policy_domain), SLF(m->submitter), civil_format(m->begin, from),
               civil_format(m->end, to));
}

void dmarc_report_message(struct buf *out, const struct dmarc_mail *m)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice unique = ar_printf(&a, "%016llx", (unsigned long long)m->random);
    struct slice boundary = ar_printf(&a, "=_dmarc_%.*s", SLF(unique)); /* "=_" is in no base64 line */
    struct slice file = dmarc_report_filename(&a, m->submitter, m->policy_domain, m->begin, m->end, unique);
    put_head(out, &a, m, boundary);
    buf_printf(out, "--%.*s\r\n", SLF(boundary));
    put_text(out, m);
    buf_printf(out, "\r\n--%.*s\r\n", SLF(boundary));
    mail_field(out, SL("Content-Type"), SL("application/gzip"));
    mail_field(out, SL("Content-Transfer-Encoding"), SL("base64"));
    mail_field(out, SL("Content-Disposition"), ar_printf(&a, "attachment; filename=\"%.*s\"", SLF(file)));
    buf_str(out, "\r\n");
    report_base64(out, m->gzip);
    buf_printf(out, "\r\n--%.*s--\r\n", SLF(boundary));
    ar_free(&a);
}

/* ---- taking apart ---- */

static bool has_report_name(struct arena *a, const struct mime_part *p)
{
    struct slice name = mime_param_get(a, p->disposition ? p->disposition->param : NULL,
                                       p->disposition ? p->disposition->n : 0, SL("filename"));
    if (!name.p) name = mime_param_get(a, p->param, p->nparam, SL("name"));
    return sl_endsi(name, SL(".xml.gz")) || sl_endsi(name, SL(".xml")) || sl_endsi(name, SL(".zip"));
}

static bool looks_like_dmarc(struct arena *a, const struct mime_part *p)
{
    static const char *const subtypes[] = {"gzip", "x-gzip", "zip", "x-zip", "x-zip-compressed", "xml"};
    for (size_t i = 0; i < COUNT_OF(subtypes); i++)
        if (sl_eqi(p->subtype, sl_cstr(subtypes[i]))) return true;
    return has_report_name(a, p);
}

static int unpack_part(struct slice message, const struct mime_part *p, struct buf *out)
{
    struct buf packed = BUF_INIT;
    struct mime_decoder d;
    buf_init(&packed, DMARC_PACKED_MAX);
    mime_decode_begin(&d, p->encoding);
    mime_decode(&d, sl_sub(message, p->body_at, p->body_at + p->body_size), &packed);
    mime_decode_end(&d, &packed);
    int e = packed.over ? err_set(ERR_LIMIT, "the report is larger than %d MB", DMARC_PACKED_MAX >> 20)
                        : dmarc_unpack(out, buf_slice(&packed));
    buf_free(&packed);
    return e;
}

/* In the order of the message, deepest first. */
static const struct mime_part *next_part(const struct mime_part *p)
{
    if (p->child) return p->child;
    while (p && !p->next) p = p->parent;
    return p ? p->next : NULL;
}

int report_in_message(struct arena *a, struct slice message, report_looks *looks, struct buf *out)
{
    enum { TRIES = 4 }; /* parts unpacked at the most */
    int e = err_set(ERR_NOT_FOUND, "the letter holds no report"), tries = 0;
    if (message.n > 2 * (size_t)DMARC_PACKED_MAX)
        return err_set(ERR_LIMIT, "the letter is too large for a report");
    const struct mime_tree *t = mime_parse(a, message);
    for (const struct mime_part *p = t->root; p && tries < TRIES; p = next_part(p)) {
        if (p->kind != MIME_LEAF || !looks(a, p)) continue;
        tries++;
        e = unpack_part(message, p, out);
        if (e == 0) return 0;
    }
    return e;
}

int dmarc_report_in_message(struct arena *a, struct slice message, struct buf *out)
{
    return report_in_message(a, message, looks_like_dmarc, out);
}

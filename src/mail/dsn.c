/* dsn.c - delivery status notifications: in plain words, for programs, and what came back. */
#include "dsn.h"

#include <stdio.h>

#include "base/civil.h"
#include "base/text.h"
#include "build.h"
#include "charset.h"
#include "date.h"
#include "dsn_i.h"
#include "encoded.h"
#include "head.h"

/* ---- the header section ---- */

static bool is_message_id(struct slice s)
{
    if (s.n < 3 || s.n > 900 || s.p[0] != '<' || s.p[s.n - 1] != '>') return false;
    for (size_t i = 1; i + 1 < s.n; i++)
        if (s.p[i] <= 32 || s.p[i] > 126 || s.p[i] == '<' || s.p[i] == '>') return false;
    return true;
}

/* The last ids of a References body, as many as fit. */
static struct slice last_ids(struct slice refs, size_t max)
{
    while (refs.n > max) {
        size_t blank = 0;
        while (blank < refs.n && refs.p[blank] != ' ' && refs.p[blank] != '\t') blank++;
        refs = sl_trim(sl_from(refs, blank));
    }
    return refs;
}

/* So that the notification lands in the thread of its letter (RFC 5322 section 3.6.4). */
static void put_thread(struct arena *a, struct buf *out, const struct mail_head *h)
{
    struct slice id = mail_head_get(a, h, SL("Message-ID"), NULL);
    if (!is_message_id(id)) return;
    struct slice refs = last_ids(mail_head_get(a, h, SL("References"), NULL), 2000);
    mail_field(out, SL("In-Reply-To"), id);
    if (refs.n && is_ascii(refs))
        mail_field(out, SL("References"), ar_printf(a, "%.*s %.*s", SLF(refs), SLF(id)));
    else mail_field(out, SL("References"), id);
}

static void put_subject(struct arena *a, struct buf *out, const struct dsn *d, const struct mail_head *h,
                        const struct dsn_language *l)
{
    struct slice old = mail_words_decode(a, mail_head_get(a, h, SL("Subject"), NULL)), whom;
    old = utf8_cut(old, 150);
    if (d->n == 1) whom = d->recipient[0].address;
    else whom = dsn_fill(a, l->recipients, ar_printf(a, "%zu", d->n));
    struct slice text = dsn_fill(a, l->subject[dsn_worst(d)], whom);
    if (old.n) text = ar_printf(a, "%.*s: %.*s", SLF(text), SLF(old));
    mail_field(out, SL("Subject"), mail_text_encode(a, text));
}

static void put_head(struct arena *a, struct buf *out, const struct dsn *d, const struct mail_head *h,
                     const struct dsn_language *l, const char *boundary)
{
    mail_field(out, SL("From"), ar_printf(a, "Mail Delivery System <%.*s>", SLF(d->from)));
    mail_field(out, SL("To"), ar_printf(a, "<%.*s>", SLF(d->to)));
    put_subject(a, out, d, h, l);
    mail_date_field(out, SL("Date"), d->now);
    mail_field(out, SL("Message-ID"), mail_message_id(a, d->now, d->random, d->hostname));
    put_thread(a, out, h);
    mail_field(out, SL("Auto-Submitted"), SL("auto-replied")); /* RFC 3834 section 5 */
    mail_field(out, SL("MIME-Version"), SL("1.0"));
    if (d->global ||
        (d->full &&
         !is_ascii(d->original))) /* a part in 8 bits needs it outside as well (RFC 2045 section 6.4) */
        mail_field(out, SL("Content-Transfer-Encoding"), SL("8bit"));
    mail_field(out, SL("Content-Type"),
               ar_printf(a, "multipart/report; report-type=%sdelivery-status; boundary=\"%s\"",
                         d->global ? "global-" : "",
                         boundary)); /* RFC 6522: the subtype of the second part */
}

/* ---- the part for programs (RFC 3464 section 2) ---- */

static const char *action_word(enum dsn_action a)
{
    static const char *const words[] = {"failed", "delayed", "delivered", "relayed", "expanded"};
    return words[a];
}

/* Printable ASCII only; the field builder cares for line ends. */
static struct slice ascii_only(struct arena *a, struct slice s)
{
    char *to = ar_alloc(a, s.n + 1);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        to[i] = c == '\r' || c == '\n' ? ' ' : c < 32 || c > 126 ? '?' : c;
    }
    return sl(to, s.n);
}

/* An EmbeddedUnicodeChar (RFC 6533 section 3) at the start: its length, or 0. */
static size_t embedded(struct slice s, uint32_t *cp)
{
    uint64_t v;
    size_t end = sl_starts(s, SL("\\x{")) ? sl_chr(s, '}') : SL_NONE;
    if (end == SL_NONE || end <= 3 || end > 9 || !num_hex64(sl_sub(s, 3, end), &v)) return 0;
    *cp = (uint32_t)v;
    return v <= 0x10ffff && (v & ~UINT64_C(0x7ff)) != 0xd800 ? end + 1 : 0;
}

/* A character as utf-8-addr-xtext (every byte stays ASCII) or as utf-8-addr-unitext. */
static void put_address_char(struct buf *b, uint32_t cp, bool unitext)
{
    bool plain = cp > 32 && cp < 127 && cp != '+' && cp != '=' && cp != '\\';
    if (plain || (unitext && cp > 127)) utf8_put(b, cp);
    else buf_printf(b, "\\x{%02X}", (unsigned)cp);
}

static void put_utf8_xtext(struct buf *b, struct slice s)
{
    uint32_t cp;
    while (s.n)
        if (utf8_next(&s, &cp)) put_address_char(b, cp, false);
        else s = sl_from(s, 1);
}

void mail_orcpt_utf8(struct buf *out, struct slice address, bool unitext)
{
    uint32_t cp;
    while (address.n) {
        size_t n = embedded(address, &cp);
        if (n) address = sl_from(address, n);
        else if (!utf8_next(&address, &cp)) {
            address = sl_from(address, 1);
            continue;
        }
        put_address_char(out, cp, unitext);
    }
}

/* What \x{...} stands for, as far as it is that. */
static struct slice from_unitext(struct arena *a, struct slice s)
{
    struct buf b = BUF_INIT;
    uint32_t cp;
    while (s.n) {
        size_t n = embedded(s, &cp);
        if (n && cp > 127) utf8_put(&b, cp);
        else buf_char(&b, s.p[0]), n = 1;
        s = sl_from(s, n);
    }
    struct slice got = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return got;
}

static void put_recipient_field(struct arena *a, struct buf *out, const char *name, struct slice address,
                                bool global)
{
    if (global && !is_ascii(address) && utf8_valid(address)) {
        mail_field(out, sl_cstr(name), ar_printf(a, "utf-8; %.*s", SLF(address)));
        return;
    }
    if (is_ascii(address)) {
        mail_field(out, sl_cstr(name), ar_printf(a, "rfc822; %.*s", SLF(address)));
        return;
    }
    struct buf b = BUF_INIT;
    buf_str(&b, "utf-8; ");
    put_utf8_xtext(&b, address);
    mail_field(out, sl_cstr(name), buf_slice(&b));
    buf_free(&b);
}

/* ORCPT is "type;address". */
static void put_original(struct arena *a, struct buf *out, struct slice orcpt, bool global)
{
    size_t semi = sl_chr(orcpt, ';');
    if (semi == SL_NONE) return;
    struct slice type = sl_sub(orcpt, 0, semi), address = sl_from(orcpt, semi + 1);
    if (global && sl_eqi(type, SL("utf-8"))) address = from_unitext(a, address);
    if (!is_ascii(address)) put_recipient_field(a, out, "Original-Recipient", address, global);
    else mail_field(out, SL("Original-Recipient"), ar_printf(a, "%.*s; %.*s", SLF(type), SLF(address)));
}

static struct slice diagnostic(struct arena *a, struct slice s, bool global)
{
    return global && utf8_valid(s) ? s : ascii_only(a, s);
}

static void put_recipient(struct arena *a, struct buf *out, const struct dsn_recipient *r, bool global)
{
    buf_str(out, "\r\n");
    if (r->original.n) put_original(a, out, r->original, global);
    put_recipient_field(a, out, "Final-Recipient", r->address, global);
    mail_field(out, SL("Action"), sl_cstr(action_word(r->action)));
    mail_field(out, SL("Status"), dsn_status(r));
    if (r->remote_mta.n)
        mail_field(out, SL("Remote-MTA"), ar_printf(a, "dns; %.*s", SLF(ascii_only(a, r->remote_mta))));
    if (r->diagnostic.n)
        mail_field(out, SL("Diagnostic-Code"),
                   ar_printf(a, "smtp; %.*s", SLF(diagnostic(a, r->diagnostic, global))));
    else if (r->reason.n)
        mail_field(out, SL("Diagnostic-Code"),
                   ar_printf(a, "x-tram; %.*s", SLF(diagnostic(a, r->reason, global))));
    if (r->last_attempt) mail_date_field(out, SL("Last-Attempt-Date"), r->last_attempt);
    if (r->action == DSN_DELAYED && r->retry_until)
        mail_date_field(out, SL("Will-Retry-Until"), r->retry_until);
}

static void put_status_part(struct arena *a, struct buf *out, const struct dsn *d)
{
    char when[CIVIL_TEXT_MAX];
    buf_str(out,
            d->global
                ? "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                : "Content-Type: message/delivery-status\r\n\r\n");
    if (d->envelope_id.n) mail_field(out, SL("Original-Envelope-Id"), ascii_only(a, d->envelope_id));
    mail_field(out, SL("Reporting-MTA"), ar_printf(a, "dns; %.*s", SLF(d->hostname)));
    if (d->received_from.n)
        mail_field(out, SL("Received-From-MTA"),
                   ar_printf(a, "dns; %.*s", SLF(ascii_only(a, d->received_from))));
    if (d->arrival) mail_date_field(out, SL("Arrival-Date"), d->arrival);
    if (d->deliver_by) mail_date_field(out, SL("Deliver-By-Date"), d->deliver_by);
    if (d->held_for) mail_field(out, SL("Future-Release-Request"), ar_printf(a, "for;%u", d->held_for));
    else if (d->held_until)
        mail_field(out, SL("Future-Release-Request"),
                   ar_printf(a, "until;%s", civil_format(d->held_until, when)));
    if (d->queue_id.n) mail_field(out, SL("X-Tram-Letter-ID"), d->queue_id);
    for (size_t i = 0; i < d->n; i++) put_recipient(a, out, &d->recipient[i], d->global);
}

/* ---- what came back ---- */

/* Whole fields, as many as fit, every line ended by CRLF. */
static struct slice returned_head(struct arena *a, const struct mail_head *h)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < h->n; i++) {
        struct slice raw = h->field[i].raw;
        if (b.n + raw.n > DSN_RETURN_HEAD_MAX) break;
        dsn_put_lines(&b, raw);
    }
    struct slice s = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return s;
}

static void put_original_part(struct arena *a, struct buf *out, const struct dsn *d,
                              const struct mail_head *h)
{
    if (d->full) {
        buf_printf(out, "Content-Type: message/%s\r\n",
                   d->global && !is_ascii(d->original) ? "global" : "rfc822");
        if (!is_ascii(d->original)) buf_str(out, "Content-Transfer-Encoding: 8bit\r\n");
        buf_str(out, "\r\n");
        dsn_put_lines(out, d->original);
        return;
    }
    struct slice head = returned_head(a, h);
    if (is_ascii(head)) {
        buf_str(out, "Content-Type: text/rfc822-headers\r\n\r\n");
        buf_put(out, head);
    } else if (d->global) {
        buf_str(out, "Content-Type: message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
        buf_put(out, head);
    } else {
        buf_str(out, "Content-Type: text/rfc822-headers; charset=utf-8\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        dsn_put_qp(out, head);
    }
}

int mail_dsn_build(struct arena *a, struct buf *out, const struct dsn *d)
{
    if (!d->n) return err_set(ERR_USAGE, "a delivery report needs a recipient to report on");
    if (!d->to.n) return err_set(ERR_USAGE, "a delivery report needs somebody to go to");
    struct mail_head h;
    if (mail_head_parse(a, d->original, &h)) h = (struct mail_head){0};
    const struct dsn_language *l = dsn_language(a, &h, d->language);
    char boundary[40];
    snprintf(boundary, sizeof boundary, "=_tram_%016llx",
             (unsigned long long)(d->random ^ 0x9e3779b97f4a7c15ull));
    put_head(a, out, d, &h, l, boundary);
    buf_printf(out, "\r\n--%s\r\n", boundary);
    dsn_put_words(a, out, d, l);
    buf_printf(out, "\r\n--%s\r\n", boundary);
    put_status_part(a, out, d);
    buf_printf(out, "\r\n--%s\r\n", boundary);
    put_original_part(a, out, d, &h);
    buf_printf(out, "\r\n--%s--\r\n", boundary);
    return out->over ? err_set(ERR_LIMIT, "the delivery report is too long") : 0;
}

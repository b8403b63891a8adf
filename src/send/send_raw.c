/* send_raw.c - a message that its sender hands over whole: what is asked of one that comes by SMTP is asked
 * of it, too (RFC 6409 sections 6 and 8). */
#include <stdio.h>

#include "mail/lines.h"
#include "mail/submit.h"
#include "send_i.h"

enum { RAW_LINE_MAX = 998 }; /* bytes of a line, without its end (RFC 5322 section 2.1.1) */

/* Its lines end in CR LF: what is signed is what goes over the wire. */
static int mend(struct arena *a, struct slice *raw)
{
    struct mail_lines lines = {0};
    struct slice in = *raw, run;
    struct buf b = BUF_INIT;
    while (mail_lines_next(&lines, &in, &run)) buf_put(&b, run);
    buf_put(&b, mail_lines_end(&lines));
    if (lines.mended || b.n != raw->n) *raw = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return lines.longest <= RAW_LINE_MAX
               ? 0
               : err_set(ERR_SYNTAX, "the message has a line of more than %d bytes", RAW_LINE_MAX);
}

static int may_name(struct sends *s, const struct account *acc, struct arena *a, const char *field,
                    const struct mail_addrs *list)
{
    int e = 0;
    for (size_t i = 0; !e && i < list->n; i++) {
        struct slice local, domain, whole = mail_addr_join(a, list->v[i].local, list->v[i].domain);
        e = address_split(a, whole, &local, &domain);
        if (!e) e = account_may_send_as(s->store->directory, acc, local, domain);
    }
    if (e != ERR_DENIED && e != ERR_SYNTAX) return e;
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", err_text(e));
    return err_set(e, "in %s: %s", field, why);
}

/* Who else it says that it comes from: each of these fields, however often it stands there. */
static int others_fit(struct sends *s, const struct account *acc, struct arena *a, const struct mail_head *h)
{
    static const char *const names[] = {"Sender", "Resent-From", "Resent-Sender"};
    int e = 0;
    for (size_t i = 0; !e && i < h->n; i++)
        for (size_t k = 0; !e && k < COUNT_OF(names); k++) {
            struct mail_addrs list;
            if (!sl_eqi(h->field[i].name, sl_cstr(names[k]))) continue;
            if (mail_addrs_parse(a, h->field[i].body, &list) || !list.n || list.bad)
                e = err_set(ERR_SYNTAX, "the %s field does not hold a valid address", names[k]);
            else e = may_name(s, acc, a, names[k], &list);
        }
    return e;
}

int send_raw_fits(struct sends *s, const struct account *acc, struct arena *a, struct slice *raw)
{
    struct arena scratch = {0}; /* tens of thousands of addresses may stand there */
    struct mail_head h;
    struct mail_addrs from;
    int e = mend(a, raw);
    if (!e) e = mail_head_parse(&scratch, *raw, &h);
    if (!e && sl_chr(sl_sub(*raw, 0, h.size), 0) != SL_NONE)
        e = err_set(ERR_SYNTAX, "there is a NUL in the header section of the message");
    if (!e) e = mail_submit_check(&scratch, &h, &from);
    if (!e) e = may_name(s, acc, &scratch, "From", &from);
    if (!e) e = others_fit(s, acc, &scratch, &h);
    ar_free(&scratch);
    return e;
}

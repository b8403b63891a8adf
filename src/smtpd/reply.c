/* reply.c - what a session says, and how the error budget sees it. */
#include <stdarg.h>
#include <stdio.h>

#include "smtpd_i.h"

static void put_reply(struct smtpd_session *s, int code, const char *enhanced, struct slice text)
{
    buf_clear(&s->out);
    smtp_reply_put(&s->out, code, enhanced, text);
    conn_write(s->c, buf_slice(&s->out));
    smtpd_said(s, buf_slice(&s->out));
    if (code >= 500)
        s->errors++; /* what fails for the moment, or for a limit of ours, is no fault of the client */
    if (code == 421) s->over = true; /* RFC 5321 section 3.8 */
}

void smtpd_reply(struct smtpd_session *s, int code, const char *enhanced, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    put_reply(s, code, enhanced, sl_cstr(text));
}

void smtpd_refuse(struct smtpd_session *s, const struct intake_refusal *r)
{
    if (r->code) put_reply(s, r->code, r->enhanced, r->text);
}

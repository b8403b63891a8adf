/* reply.c - what a session says, and how the error budget sees it. */
#include <stdarg.h>
#include <stdio.h>

#include "smtpd_i.h"

static void put_reply(struct smtpd_session *s, int code, const char *enhanced, struct slice text)
{
    buf_clear(&s->out);
    smtp_reply_put(&s->out, code, enhanced, text);
    conn_write(s->c, buf_slice(&s->out));
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

static void answer_for(int e, int *code, const char **enhanced)
{
    *code = 451;
    *enhanced = "4.3.0";
    if (e == ERR_FULL) *code = 452, *enhanced = "4.3.1";
    if (e == ERR_QUOTA) *code = 452, *enhanced = "4.2.2";
    if (e == ERR_CANCELED) *code = 421, *enhanced = "4.3.2";
}

void smtpd_reply_error(struct smtpd_session *s, int e, const char *what)
{
    int code;
    const char *enhanced;
    answer_for(e, &code, &enhanced);
    log_warn(s->who, "%s: %s", what, err_text(e));
    smtpd_reply(s, code, enhanced, "%s; try again later", what);
}

void smtpd_decide(struct smtpd_session *s, int code, const char *enhanced, const char *fmt, ...)
{
    if (s->tx.answer.code) return;
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    s->tx.answer = (struct smtpd_answer){code, enhanced, ar_dup(&s->tx.a, sl_cstr(text))};
}

void smtpd_decide_error(struct smtpd_session *s, int e, const char *what)
{
    int code;
    const char *enhanced;
    answer_for(e, &code, &enhanced);
    log_warn(s->who, "%s: %s", what, err_text(e));
    smtpd_decide(s, code, enhanced, "%s; try again later", what);
}

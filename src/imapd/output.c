/* output.c - what goes to the client as it is: bytes, untagged responses, a status response, BYE. */
#include <stdarg.h>
#include <stdio.h>

#include "imapd_i.h"

void imapd_write(struct imapd_session *s, struct slice bytes)
{
    int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_WRITE));
    conn_write(s->c, bytes);
    imapd_said(s, bytes);
    deadline_restore(before);
}

void imapd_flush(struct imapd_session *s)
{
    imapd_write(s, buf_slice(&s->out));
    buf_clear(&s->out);
}

void imapd_untagged(struct imapd_session *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_str(&s->out, "* ");
    buf_str(&s->out, text);
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
}

void imapd_progress(struct imapd_session *s, size_t done, size_t all)
{
    if (rt_now() - s->progress < s->server->conf.progress) return;
    s->progress = rt_now();
    buf_str(&s->out, "* OK [INPROGRESS ("); /* RFC 9585 */
    imap_put_string(&s->out, s->tag, false);
    buf_printf(&s->out, " %zu %zu)] this takes a while\r\n", done, all);
    imapd_flush(s);
}

void imapd_put_fetch(struct imapd_session *s, size_t i, bool uid)
{
    uint32_t u = uid || s->uidonly ? view_at(s->view, i).uid : 0;
    buf_str(&s->out, "* "); /* no printf: there may be a million of them */
    buf_u64(&s->out, s->uidonly ? u : i + 1);
    buf_str(&s->out, s->uidonly ? " UIDFETCH (" : " FETCH (");
    if (uid && !s->uidonly) buf_printf(&s->out, "UID %u ", u);
    if (u > s->told_uid) s->told_uid = u;
}

void imapd_put_answer(struct imapd_session *s, struct slice tag, const char *word, const char *code,
                      const char *fmt, va_list ap)
{
    char text[600];
    vsnprintf(text, sizeof text, fmt, ap);
    buf_put(&s->out, tag);
    buf_printf(&s->out, " %s ", word);
    if (code) buf_printf(&s->out, "[%s] ", code);
    imap_put_text(&s->out, sl_cstr(text));
    buf_str(&s->out, "\r\n");
    imapd_flush(s);
}

void imapd_bye(struct imapd_session *s, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    imapd_put_answer(s, SL("*"), "BYE", code, fmt, ap);
    va_end(ap);
    s->over = true;
}

/* answer.c - responses: untagged, tagged, and which code tells an error. */
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "imapd_i.h"

void im_write(struct im *s, struct slice bytes)
{
    int64_t before = deadline_narrow(DEADLINE_IN(IM_WRITE));
    conn_write(s->c, bytes);
    deadline_restore(before);
}

void im_flush(struct im *s)
{
    im_write(s, buf_slice(&s->out));
    buf_clear(&s->out);
}

void im_untagged(struct im *s, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_str(&s->out, "* ");
    buf_str(&s->out, text);
    buf_str(&s->out, "\r\n");
    im_flush(s);
}

static void put_answer(struct im *s, struct slice tag, const char *word, const char *code, const char *fmt,
                       va_list ap)
{
    char text[600];
    vsnprintf(text, sizeof text, fmt, ap);
    buf_put(&s->out, tag);
    buf_printf(&s->out, " %s ", word);
    if (code) buf_printf(&s->out, "[%s] ", code);
    imap_put_text(&s->out, sl_cstr(text));
    buf_str(&s->out, "\r\n");
    im_flush(s);
}

void im_ok(struct im *s, const char *code, const char *fmt, ...)
{
    va_list ap;
    im_news(s);
    va_start(ap, fmt);
    put_answer(s, s->tag, "OK", code, fmt, ap);
    va_end(ap);
}

void im_no(struct im *s, const char *code, const char *fmt, ...)
{
    va_list ap;
    im_news(s);
    va_start(ap, fmt);
    put_answer(s, s->tag, "NO", code, fmt, ap);
    va_end(ap);
}

void im_bad(struct im *s, const char *fmt, ...)
{
    va_list ap;
    s->junk++;
    va_start(ap, fmt);
    put_answer(s, s->tag, "BAD", NULL, fmt, ap);
    va_end(ap);
}

void im_bye(struct im *s, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    put_answer(s, SL("*"), "BYE", code, fmt, ap);
    va_end(ap);
    s->over = true;
}

/* RFC 9051 section 7.1 and RFC 5530. A change that may be done gets no answer, for each would be a guess. */
void im_failed(struct im *s, int e)
{
    static const struct {
        int e;
        const char *code;
    } codes[] = {
        {ERR_NOT_FOUND, "NONEXISTENT"}, {ERR_EXISTS, "ALREADYEXISTS"}, {ERR_DENIED, "NOPERM"},
        {ERR_SYNTAX, "CANNOT"},         {ERR_LIMIT, "LIMIT"},          {ERR_TOO_LONG, "LIMIT"},
        {ERR_QUOTA, "OVERQUOTA"},       {ERR_BUSY, "INUSE"},           {ERR_CORRUPT, "CORRUPTION"},
        {ERR_STATE, "CANNOT"},          {ERR_USAGE, "CANNOT"},         {ERR_UNSUPPORTED, "UNKNOWN-CTE"},
    };
    char text[ERR_TEXT_MAX];
    if (e == ERR_UNKNOWN) {
        log_error(s->who, "the command %.*s is not answered: %s", SLF(s->tag), err_text(e));
        im_bye(s, "UNAVAILABLE", "it is not known whether the command was carried out");
        return;
    }
    snprintf(text, sizeof text, "%s", err_text(e)); /* telling the news may replace it */
    const char *code = err_is_temporary(e) ? "UNAVAILABLE" : "SERVERBUG";
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i].e == e) code = codes[i].code;
    im_no(s, code, "%s", text);
}

bool im_args_bad(struct im *s, struct imap_in *in)
{
    int r = imap_done(in);
    if (r) im_bad(s, "%s", err_text(r));
    return r != 0;
}

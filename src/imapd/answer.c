/* answer.c - the answer that ends a command, with the news before it; which code tells an error. */
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "base/memory.h"
#include "imapd_i.h"

/* A change was told, but not yet what went before it: without a word the client takes the highest MODSEQ that
 * it saw for the last change it knows of, and never asks for the rest (RFC 7162 sections 3.2 and 6). */
static const char *holding_back(struct imapd_session *s)
{
    return s->qresync && s->view && s->view->ngone ? imapd_modseq_code(s) : NULL;
}

/* The same where the answer itself has no room for it. */
static void tell_holding_back(struct imapd_session *s)
{
    const char *code = holding_back(s);
    if (code) imapd_untagged(s, "OK [%s] some that went are not told yet", code);
}

void imapd_ok(struct imapd_session *s, const char *code, const char *fmt, ...)
{
    va_list ap;
    imapd_news(s);
    if (code) tell_holding_back(s);
    else code = holding_back(s);
    va_start(ap, fmt);
    imapd_put_answer(s, s->tag, "OK", code, fmt, ap);
    va_end(ap);
}

void imapd_no(struct imapd_session *s, const char *code, const char *fmt, ...)
{
    va_list ap;
    imapd_news(s);
    tell_holding_back(s);
    va_start(ap, fmt);
    imapd_put_answer(s, s->tag, "NO", code, fmt, ap);
    va_end(ap);
}

void imapd_bad(struct imapd_session *s, const char *fmt, ...)
{
    va_list ap;
    s->junk++;
    va_start(ap, fmt);
    imapd_put_answer(s, s->tag, "BAD", NULL, fmt, ap);
    va_end(ap);
}

void imapd_bad_code(struct imapd_session *s, const char *code, const char *fmt, ...)
{
    va_list ap;
    s->junk++;
    va_start(ap, fmt);
    imapd_put_answer(s, s->tag, "BAD", code, fmt, ap);
    va_end(ap);
}

void imapd_uid_required(struct imapd_session *s)
{
    imapd_bad_code(s, "UIDREQUIRED", "sequence numbers are off: messages are named by their UIDs");
}

const char *imapd_limit_code(struct imapd_session *s, uint32_t cut)
{
    if (!cut) return NULL;
    return ar_cstr(&s->a, ar_printf(&s->a, "MESSAGELIMIT %u %u", s->server->conf.messages_max, cut));
}

/* RFC 9051 section 7.1 and RFC 5530. A change that may be done gets no answer, for each would be a guess. */
void imapd_failed(struct imapd_session *s, int e)
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
        imapd_bye(s, "UNAVAILABLE", "it is not known whether the command was carried out");
        return;
    }
    snprintf(text, sizeof text, "%s", err_text(e)); /* telling the news may replace it */
    const char *code = err_is_temporary(e) ? "UNAVAILABLE" : "SERVERBUG";
    for (size_t i = 0; i < COUNT_OF(codes); i++)
        if (codes[i].e == e) code = codes[i].code;
    imapd_no(s, code, "%s", text);
}

bool imapd_args_bad(struct imapd_session *s, struct imap_in *in)
{
    int e = imap_done(in);
    unsigned junk = s->junk;
    if (!e && memory_refuses(&s->a)) e = err_set(ERR_LIMIT, "the command takes too much memory");
    if (e) imapd_bad(s, "%s", err_text(e));
    if (e == ERR_LIMIT) s->junk = junk; /* a limit of ours makes no command a bad one */
    return e != 0;
}

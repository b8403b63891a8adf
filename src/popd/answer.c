/* answer.c - what a POP3 session says: +OK, -ERR with a response code (RFC 2449). */
#include <stdarg.h>
#include <stdio.h>

#include "popd_i.h"

void popd_ok(struct popd_session *s, const char *fmt, ...)
{
    char text[480];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_clear(&s->out);
    pop3_ok(&s->out, "%s", text);
    popd_say(s);
}

void popd_err(struct popd_session *s, const char *code, const char *fmt, ...)
{
    char text[480];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    buf_clear(&s->out);
    pop3_err(&s->out, code, "%s", text);
    popd_say(s);
    s->errors++;
}

/* input.c - what comes from the client in the middle of a command: a line, bytes that nobody wants. */
#include "imapd_i.h"

int imapd_line(struct imapd_session *s, size_t max, struct slice *line)
{
    int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_READ));
    int e = conn_read_line(s->c, max, line);
    deadline_restore(before);
    return e;
}

int imapd_swallow(struct imapd_session *s, uint64_t n)
{
    int r = 0;
    while (n && r >= 0) {
        struct slice have = conn_peek(s->c);
        size_t k = have.n < n ? have.n : (size_t)n;
        conn_consume(s->c, k);
        n -= k;
        int64_t before = deadline_narrow(DEADLINE_IN(IMAPD_READ));
        if (n) r = conn_fill(s->c);
        deadline_restore(before);
    }
    return r < 0 ? r : 0;
}

int imapd_refuse_line(struct imapd_session *s, int e)
{
    if (e == ERR_TOO_LONG) imapd_bad(s, "the line is too long");
    else if (e == ERR_SYNTAX) imapd_bad(s, "lines end in CRLF");
    else return e;
    return 0;
}

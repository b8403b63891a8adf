/* head.c - the lines in front of a body. */
#include "httpd_i.h"

/* What a line that could not be read is answered with; an error of the connection stays as it is. */
static int refuse_line(struct httpd_session *s, int e, bool first)
{
    if (e == ERR_SYNTAX) s->r->status = 400;
    if (e == ERR_TOO_LONG) s->r->status = first ? 414 : 431;
    if (e == ERR_TIMEOUT && (!first || conn_peek(s->c).n)) s->r->status = 408;
    if (s->r->status == 400) return err_set(e, "lines must end in CR LF");
    if (s->r->status == 408) return err_set(e, "the head of the request did not come in time");
    if (s->r->status) return err_set(e, "a line of the request is longer than %d bytes", HTTP_LINE_MAX);
    return e;
}

static int read_line(struct httpd_session *s, bool first, struct slice *line)
{
    int e = conn_read_line(s->c, HTTP_LINE_MAX, line);
    if (e < 0) return refuse_line(s, e, first);
    *line = ar_dup(&s->a, *line);
    return 0;
}

/* One empty line in front is passed over (RFC 9112 section 2.2). */
static int read_request_line(struct httpd_session *s)
{
    struct slice line;
    int e = read_line(s, true, &line);
    if (!e && !line.n) e = read_line(s, true, &line);
    return e ? e : http_request_line(s->r, line);
}

static int read_lines(struct httpd_session *s)
{
    struct slice line;
    int e = read_request_line(s);
    while (!e) {
        e = read_line(s, false, &line);
        if (e || !line.n) break;
        e = http_request_field(s->r, line);
    }
    return e ? e : http_request_end(s->r);
}

int httpd_read_head(struct httpd_session *s)
{
    int64_t before = deadline_narrow(DEADLINE_IN(HTTPD_HEAD));
    int e = read_lines(s);
    deadline_restore(before);
    return e;
}

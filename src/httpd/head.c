/* head.c - the lines in front of a body. */
#include "httpd_i.h"

/* What a line that could not be read is answered with; an error of the connection stays as it is. */
static int refuse_line(struct exchange *x, int e, bool first)
{
    if (e == ERR_SYNTAX) x->r->status = 400;
    if (e == ERR_TOO_LONG) x->r->status = first ? 414 : 431;
    if (e == ERR_TIMEOUT && (!first || conn_peek(x->s->c).n)) x->r->status = 408;
    if (x->r->status == 400) return err_set(e, "lines must end in CR LF");
    if (x->r->status == 408) return err_set(e, "the head of the request did not come in time");
    if (x->r->status) return err_set(e, "a line of the request is longer than %d bytes", HTTP_LINE_MAX);
    return e;
}

static int read_line(struct exchange *x, bool first, struct slice *line)
{
    int e = conn_read_line(x->s->c, HTTP_LINE_MAX, line);
    if (e < 0) return refuse_line(x, e, first);
    *line = ar_dup(&x->a, *line);
    return 0;
}

/* One empty line in front is passed over (RFC 9112 section 2.2). */
static int read_request_line(struct exchange *x)
{
    struct slice line;
    int e = read_line(x, true, &line);
    if (!e && !line.n) e = read_line(x, true, &line);
    return e ? e : http_request_line(x->r, line);
}

static int read_lines(struct exchange *x)
{
    struct slice line;
    int e = read_request_line(x);
    while (!e) {
        e = read_line(x, false, &line);
        if (e || !line.n) break;
        e = http_request_field(x->r, line);
    }
    return e ? e : http_request_end(x->r);
}

int httpd_read_head(struct exchange *x)
{
    int64_t before = deadline_narrow(DEADLINE_IN(HTTPD_HEAD));
    int e = read_lines(x);
    deadline_restore(before);
    return e;
}

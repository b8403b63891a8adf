/* body.c - the body of a request, piece by piece or as a whole. */
#include "base/memory.h"
#include "httpd_i.h"

/* RFC 9110 section 10.1.1: whoever waits is told to go on, once, and only when the body is wanted. */
static int next_piece(struct exchange *x, struct slice *piece)
{
    if (x->body_over) return 0;
    if (x->r->expects && !x->continued) x->way->go_on(x);
    x->continued = true;
    int64_t before = deadline_narrow(DEADLINE_IN(HTTPD_READ));
    int r = x->way->read(x, piece);
    deadline_restore(before);
    if (r > 0) x->bytes_in += piece->n;
    else x->body_over = true;
    return r;
}

int http_read(struct http_call *c, struct slice *piece) { return next_piece(c->exchange, piece); }

static int keep(struct exchange *x, struct slice piece, uint64_t max)
{
    if (x->body.n + piece.n > max)
        return err_set(ERR_TOO_LONG, "the body is longer than %llu bytes", (unsigned long long)max);
    if (memory_over() && x->body.n > MEMORY_FAIR)
        return err_set(ERR_BUSY, "there is no memory to spare for it; try again later");
    int e = httpd_hold(x, piece.n);
    if (!e) buf_put(&x->body, piece);
    return e;
}

int httpd_read_body(struct exchange *x, uint64_t max)
{
    struct slice piece;
    int r, e = 0;
    if (x->r->length > max)
        return err_set(ERR_TOO_LONG, "the body is longer than %llu bytes", (unsigned long long)max);
    while (!e && (r = next_piece(x, &piece)) > 0) e = keep(x, piece, max);
    x->call.body = buf_slice(&x->body);
    if (e || !r) return e;
    return err_set(r == ERR_TIMEOUT ? r : ERR_SYNTAX, "the body of the request could not be read");
}

bool httpd_swallow(struct exchange *x)
{
    struct slice piece;
    uint64_t all = 0;
    int r = 1;
    if (x->r->expects && !x->continued && !x->body_over) return false; /* the body may come, or not */
    while (!x->s->over && (r = next_piece(x, &piece)) > 0)
        if ((all += piece.n) > HTTPD_SWALLOW_MAX) return false;
    return !x->s->over && !r;
}

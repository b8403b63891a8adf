/* proxy.c - the PROXY header in front of a connection from an address that is listed for it. */
#include "proxy.h"

#include "wire/proxy.h"

#define PATIENCE (10 * RT_S)
enum { BUFFER = 16 * 1024 }; /* as a connection has it at first */

/* Exactly `need` bytes: what follows the header may be TLS, and belongs to whoever comes next. */
static int fill_to(struct conn *c, size_t need)
{
    int e = 0;
    conn_set_buffer(c, need);
    while (e >= 0 && conn_peek(c).n < need) e = conn_fill(c);
    return e < 0 ? e : 0;
}

static int take(struct conn *c, struct proxy_head *h)
{
    size_t need = PROXY_FIRST;
    for (;;) {
        int e = fill_to(c, need);
        if (!e) e = proxy_parse(conn_peek(c), &need, h);
        if (e != 1) return e;
    }
}

int proxy_take(struct conn *c)
{
    struct proxy_head h;
    int64_t before = deadline_narrow(DEADLINE_IN(PATIENCE));
    int e = take(c, &h);
    deadline_restore(before);
    if (e) return e;
    conn_consume(c, conn_peek(c).n);
    conn_set_buffer(c, BUFFER);
    if (!h.local) conn_set_peer(c, &h.from);
    return 0;
}

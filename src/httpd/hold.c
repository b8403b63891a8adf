/* hold.c - memory of calls that is in no arena: each connection and each asker has a share of it. */
#include <stdlib.h>

#include "base/memory.h"
#include "httpd_i.h"

struct holder {
    size_t bytes, calls;
};

void holders_init(struct holders *h)
{
    *h = (struct holders){.lock = LOCK_INIT};
    map_init(&h->by_who, false);
}

void holders_free(struct holders *h)
{
    ASSERT(h->by_who.count == 0);
    map_free(&h->by_who);
}

/* The account, once it is proved; before that the network, as the guard counts it. */
static void name_asker(struct exchange *x)
{
    const struct http_call *c = &x->call;
    if (c->key.account) x->holds_as = ar_cat(&x->a, SL("account "), sl_cstr(c->key.account->id));
    else
        x->holds_as = ar_cat(&x->a, SL("network "), sl((const char *)c->peer.b, c->peer.family == 4 ? 4 : 8));
}

/* Under the lock. */
static struct holder *holder_of(struct holders *h, struct slice who)
{
    struct holder *x = map_get(&h->by_who, who);
    if (x) return x;
    x = xcalloc(1, sizeof *x);
    map_put(&h->by_who, who, x);
    return x;
}

static int take(struct holders *h, struct exchange *x, size_t n)
{
    lock_take(&h->lock);
    struct holder *of = holder_of(h, x->holds_as);
    bool fits = n <= HTTPD_HOLD_ASKER && of->bytes <= HTTPD_HOLD_ASKER - n;
    if (fits) of->bytes += n, of->calls += !x->holds;
    else if (!of->calls) free(map_del(&h->by_who, x->holds_as));
    lock_release(&h->lock);
    if (fits) return 0;
    return err_set(ERR_LIMIT, "other calls of yours hold too much memory; try again when they are over");
}

int httpd_hold(struct exchange *x, size_t n)
{
    struct httpd_session *s = x->s;
    if (!n) return 0;
    if (n > HTTPD_HOLD_CONNECTION || s->holds > HTTPD_HOLD_CONNECTION - n)
        return err_set(ERR_TOO_LONG, "the call would hold more than %d bytes of memory",
                       HTTPD_HOLD_CONNECTION);
    if (!x->holds_as.n) name_asker(x);
    int e = take(&s->server->holders, x, n);
    if (!e) x->holds += n, s->holds += n;
    return e;
}

void httpd_let_go(struct exchange *x, size_t n)
{
    if (!n) return;
    struct holders *h = &x->s->server->holders;
    ASSERT(n <= x->holds);
    x->holds -= n;
    x->s->holds -= n;
    lock_take(&h->lock);
    struct holder *of = map_get(&h->by_who, x->holds_as);
    of->bytes -= n;
    if (!x->holds && --of->calls == 0) free(map_del(&h->by_who, x->holds_as));
    lock_release(&h->lock);
}

int http_hold(struct http_call *c, size_t n)
{
    int e = httpd_hold(c->exchange, n);
    if (e) return e;
    memory_count((ptrdiff_t)n);
    c->exchange->counted += n;
    if (n <= MEMORY_FAIR || !memory_over()) return 0;
    http_let_go(c, n);
    return err_set(ERR_BUSY, "there is no memory to spare for it; try again later");
}

void http_let_go(struct http_call *c, size_t n)
{
    ASSERT(n <= c->exchange->counted);
    memory_count(-(ptrdiff_t)n);
    c->exchange->counted -= n;
    httpd_let_go(c->exchange, n);
}

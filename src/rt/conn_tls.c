/* conn_tls.c - a connection that becomes TLS. */
#include "conn_i.h"

#include "base/log.h"

static int handshake(struct conn *c, struct tls_link *l)
{
    int e;
    while ((e = tls_link_handshake(l)) == SOCK_AGAIN)
        if ((e = conn_wait(c, tls_link_wants(l)))) break;
    return e;
}

static int start(struct conn *c, struct tls_ctx *tls, bool server, const struct tls_peer *peer)
{
    ASSERT(!c->tls && span_used(&c->in) == 0 && "nothing sent in clear may count after STARTTLS");
    struct tls_link *l;
    int e = conn_flush(c);
    if (e) return conn_fail(c, e);
    if (conn_error(c)) return conn_error(c);
    span_release(&c->in);
    e = tls_link_new(&l, tls, c->sock, server, peer);
    if (!e) e = handshake(c, l);
    if (e) {
        tls_link_free(&l);
        return conn_fail(c, e);
    }
    c->tls = l;
    return 0;
}

int conn_tls_accept(struct conn *c, struct tls_ctx *tls) { return start(c, tls, true, NULL); }

int conn_tls_accept_as(struct conn *c, struct tls_ctx *tls, const char *const *alpn)
{
    return start(c, tls, true, &(struct tls_peer){.alpn = alpn});
}

int conn_tls_accept_stranger(struct conn *c, struct tls_ctx *tls, const char *const *alpn)
{
    return start(c, tls, true, &(struct tls_peer){.alpn = alpn, .stranger = true});
}

int conn_tls_accept_login(struct conn *c, struct tls_ctx *tls, const char *const *alpn)
{
    return start(c, tls, true, &(struct tls_peer){.alpn = alpn, .ask = true});
}

size_t conn_tls_client(const struct conn *c, struct arena *a, struct slice **out)
{
    return c->tls ? tls_link_client(c->tls, a, out) : 0;
}

int conn_tls_connect(struct conn *c, struct tls_ctx *tls, const struct tls_peer *peer)
{
    return start(c, tls, false, peer);
}

void conn_tls_info(const struct conn *c, struct tls_info *out)
{
    *out = (struct tls_info){0};
    if (c->tls) tls_link_info(c->tls, out);
}

int conn_tls_exporter(const struct conn *c, uint8_t out[32])
{
    return c->tls ? tls_link_exporter(c->tls, out) : err_set(ERR_STATE, "the connection is not encrypted");
}

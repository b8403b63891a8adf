/* tls_ctx.c - what a context and its links share: it lives as long as they do; ALPN in wire form; sessions
 * for resumption. */
#include <stdlib.h>

#include "tls_i.h"

/* ---- life ---- */

void tls_ctx_hold(struct tls_ctx *t) { __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED); }

static void free_sessions(struct map *m)
{
    struct map_iter it = {0};
    while (map_next(m, &it)) SSL_SESSION_free(it.value);
    map_free(m);
}

void tls_ctx_drop(struct tls_ctx *t)
{
    if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL)) return;
    tls_certs_free(t->certs);
    tls_certs_free(t->proofs);
    free_sessions(&t->sessions);
    tls_asking_free(t->asking);
    SSL_CTX_free(t->ssl);
    OPENSSL_cleanse(t->ticket_keys, sizeof t->ticket_keys);
    free(t);
}

/* ---- ALPN (RFC 7301) ---- */

unsigned tls_alpn_wire(const char *const *names, unsigned char *out, size_t size)
{
    size_t n = 0;
    for (; names && *names; names++) {
        size_t len = strlen(*names);
        if (!len || len > 255 || n + 1 + len > size) return 0;
        out[n++] = (unsigned char)len;
        memcpy(out + n, *names, len);
        n += len;
    }
    return (unsigned)n;
}

/* ---- sessions ---- */

void tls_session_put(struct tls_ctx *t, struct slice key, SSL_SESSION *s)
{
    lock_take(&t->lock);
    if (t->sessions.count >= TLS_SESSIONS_MAX) {
        struct map_iter it = {0};
        if (map_next(&t->sessions, &it)) SSL_SESSION_free(map_del(&t->sessions, it.key));
    }
    SSL_SESSION *old = map_put(&t->sessions, key, s);
    lock_release(&t->lock);
    SSL_SESSION_free(old);
}

SSL_SESSION *tls_session_take(struct tls_ctx *t, struct slice key)
{
    lock_take(&t->lock);
    SSL_SESSION *s = map_del(&t->sessions, key);
    lock_release(&t->lock);
    return s;
}

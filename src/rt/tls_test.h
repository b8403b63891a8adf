/* tls_test.h - what the tests of TLS share: a server and a client in one process. */
#pragma once
#include "base/buf.h"
#include "conn.h"
#include "test_rt.h"

/* The client asks for mail.one.test, with PKIX, unless t->peer is changed. */
struct two {
    struct tls_ctx *server, *client;
    struct listener *l;
    struct conn *a, *b; /* client, server */
    struct tls_peer peer;
    int server_error, client_error;
    char client_text[ERR_TEXT_MAX], server_text[ERR_TEXT_MAX];
    struct group g;
};

/* A server for mail.one.test (the default) and for www.two.test with *.wild.test, and a client that
 * trusts both certificates. */
void two_init(struct two *t, const char *const *alpn);
void two_free(struct two *t);
/* A self-signed certificate for one or two names; its PEM is added to chain_out when not NULL. */
void make_cert(struct tls_ctx *t, const char *name, const char *second, struct buf *chain_out);

void two_open(struct two *t);      /* connects, in clear */
void two_handshake(struct two *t); /* both sides; errors are kept in t */
bool two_start(struct two *t);     /* both; true when there was no error */
void exchange(struct two *t);      /* one line each way, which also brings the client its ticket */
void two_end(struct two *t);
/* Connects as the peer says; reason: what the client's error must say, NULL = none may come. */
void try_peer(struct two *t, const char *name, enum tls_verify verify, const char *reason);
bool says(const char *text, const char *part);

/* serve.h - the running server: listeners, sessions, care in the background. */
#pragma once
#include "node.h"

enum { SERVE_LMTP_MAX = 500 /* connections of LMTP at once, by the socket and TCP together */ };

/* Binds every port of a node now (listener_reserve()), for serve(); before there are loops. BLOCKS. */
MUST_CHECK int serve_reserve(const struct config *c);
/* Opens every listener, calls ready(arg) when all are open, serves until a signal ends it or the
 * fiber is canceled: SIGTERM and SIGINT stop in order, SIGHUP reads certificate and key again.
 * n: opened and started. control: also the control socket. SUSPENDS.
 * Returns 0 after an orderly stop. */
MUST_CHECK int serve(struct node *n, bool control, void (*ready)(void *), void *arg);

/* proxy.h - a connection that a proxy opened for somebody else. */
#pragma once
#include "rt/conn.h"

/* Takes the PROXY header from the front of c, not a byte more: from then on conn_peer() is the client that
 * the proxy speaks for. ERR_SYNTAX: there is none; ERR_TIMEOUT: not within ten seconds; other errors as of
 * reads. SUSPENDS. */
MUST_CHECK int proxy_take(struct conn *c);

/* session_https_fuzz.c - HTTP within TLS: the API, from hostile bytes. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_HTTPS, input); }

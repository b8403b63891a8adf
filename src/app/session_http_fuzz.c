/* session_http_fuzz.c - HTTP in clear, from hostile bytes. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_HTTP, input); }

/* session_relay_fuzz.c - our own client against a hostile server, from hostile bytes. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_RELAY, input); }

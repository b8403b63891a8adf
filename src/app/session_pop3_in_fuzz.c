/* session_pop3_in_fuzz.c - POP3 after the login, from hostile bytes. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_POP3_IN, input); }

/* session_pop3_fuzz.c - POP3 before the login, from hostile bytes. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_POP3, input); }

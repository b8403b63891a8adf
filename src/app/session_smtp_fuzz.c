/* session_smtp_fuzz.c - SMTP on port 25, from hostile bytes. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_SMTP, input); }

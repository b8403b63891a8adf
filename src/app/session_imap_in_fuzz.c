/* session_imap_in_fuzz.c - IMAP after the login, from hostile bytes. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_IMAP_IN, input); }

/* session_imap_fuzz.c - IMAP before the login, from hostile bytes. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_IMAP, input); }

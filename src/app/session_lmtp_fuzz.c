/* session_lmtp_fuzz.c - LMTP from another server of ours, whose bytes may still be anybody's. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_LMTP, input); }

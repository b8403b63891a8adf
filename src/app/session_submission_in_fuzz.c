/* session_submission_in_fuzz.c - submission after the login, from hostile bytes. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_SUBMISSION_IN, input); }

/* session_submission_fuzz.c - submission before the login, from hostile bytes. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_SUBMISSION, input); }

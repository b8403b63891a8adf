/* session_h2_fuzz.c - HTTP/2: the API, from hostile frames. */
#include "base/fuzz.h"
#include "session_sim.h"

FUZZ { (void)session_play(SESSION_H2, input); }

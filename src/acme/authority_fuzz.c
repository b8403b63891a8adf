/* authority_fuzz.c - no authority, whatever it answers, is believed without cause, published for, or waited
 * for without end. */
#include "authority_play_sim.h"
#include "base/fuzz.h"

FUZZ { (void)authority_play(input); }

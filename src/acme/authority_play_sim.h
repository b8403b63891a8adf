/* authority_play_sim.h - hostile bytes as what an authority answers, in the simulator: what the fuzz target
 * and a test share. */
#pragma once
#include "base/slice.h"

/* What ends an answer in the input. An answer is the three digits of its status, fields of its head a line
 * each, an empty line, its body. Each request gets the next one; behind the last the authority is gone. */
enum { AUTHORITY_NEXT = 0x1e };

/* Plays a whole order for two names with it, from the account on; asserts what must be true whatever an
 * authority says. How many requests there were. BLOCKS. */
unsigned authority_play(struct slice input);

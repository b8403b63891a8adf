/* own_sim.h - the core of a node on a disk of the simulator, for tests of what outlives a power cut. */
#pragma once
#include "core.h"

/* Opens what stands there, or makes it: index.log, bodies. zone: all that the DNS knows. After an error
 * nothing is open. SUSPENDS. */
MUST_CHECK int own_core_open(struct core *core, struct config *conf, const char *zone);

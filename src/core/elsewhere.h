/* elsewhere.h - the directory of people elsewhere that tram.conf names. */
#pragma once
#include "config.h"

/* With its password, in the arena. BLOCKS. */
MUST_CHECK int core_people(const struct config *c, struct arena *a, struct people_conf *out);

/* owner.h - root acts as the user whom the home belongs to. */
#pragma once
#include "base/err.h"

enum owner_keeps {
    OWNER_NOTHING,
    OWNER_PORTS,        /* the right to open ports below 1024, */
    OWNER_PORTS_FOR_ALL /* which programs have, too, that are run in place of this one */
};
/* When root calls and the working directory (the home) belongs to another user: takes that user's
 * identity, for good. Before there are threads. An error when it cannot be taken: nothing may be touched
 * then. */
MUST_CHECK int become_owner(enum owner_keeps keeps);

/* owner.h - root acts as the user whom the home belongs to. */
#pragma once
#include "base/err.h"

/* When root calls and the working directory (the home) belongs to another user: takes that user's
 * identity, for good. serves: keeps the right to open ports below 1024. Before there are threads. An error
 * when it cannot be taken: nothing may be touched then. */
MUST_CHECK int become_owner(bool serves);

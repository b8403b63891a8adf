/* fenced.h - the server shut in: what a node needs of the machine, and nothing else. */
#pragma once
#include "core/config.h"

/* In the home, before there are threads. Refuses a private key that others can read. An error: the server is
 * not to start. BLOCKS. */
MUST_CHECK int fenced_start(const struct config *conf);

/* fence_i.h - the two parts of the fence. */
#pragma once
#include "fence.h"

/* ERR_UNSUPPORTED: this kernel does not have it. */
/* Adds FENCE_NAMES to *got when it has that, too. */
MUST_CHECK int fence_files(const struct fence_path *path, size_t n, int newest, unsigned *got);
MUST_CHECK int fence_calls(void);

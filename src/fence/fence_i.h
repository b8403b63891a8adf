/* fence_i.h - the two parts of the fence. */
#pragma once
#include "fence.h"

/* ERR_UNSUPPORTED: this kernel does not have it. */
MUST_CHECK int fence_files(const struct fence_path *path, size_t n);
MUST_CHECK int fence_calls(void);

/* fetch_i.h - inside of fetch: what libcurl is asked to do. */
#pragma once
#include "fetch.h"

/* curl.c. BLOCKS. */
MUST_CHECK int fetch_by_curl(void *arg, const struct fetch_call *c, struct fetch_answer *out);

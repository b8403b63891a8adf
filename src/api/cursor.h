/* cursor.h - where a list goes on: a token that leads to the page after the last one, and is refused when
 * this list of this account did not give it. Inside src/api. */
#pragma once
#include "api_i.h"

/* The token that leads behind `place` (a name; what orders the list) in the list of that name. Lives as long
 * as the call. */
struct slice cursor_make(const struct http_call *c, const char *list, struct slice place);
/* The place that the parameter of the query leads behind; empty without one. ERR_USAGE with a sentence when
 * it is no token of this list. */
MUST_CHECK int cursor_read(const struct http_call *c, const char *list, const char *parameter,
                           struct slice *place);

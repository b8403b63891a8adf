/* tree.h - JSON of strangers: what its tree will take is known before it is built. Inside src/api. Pure.
 *
 * A tree is many times its text: two bytes, "[]", are more than a hundred in memory. So the text is weighed
 * first, and is refused by its weight; a text that is nested deeper than JSON_DEPTH_MAX is refused, too, for
 * who parses and writes one goes down a stack. */
#pragma once
#include <jansson.h>

#include "base/err.h"
#include "base/slice.h"

enum { JSON_DEPTH_MAX = 100 };
/* An upper bound of the bytes that the tree of a text takes, with one copy of its strings elsewhere.
 * ERR_TOO_LONG when it is nested too deep. What is no JSON has a weight, too. */
MUST_CHECK int json_weigh(struct slice text, size_t *bytes);
/* The tree of a text that has been weighed; the caller gives it back. Each member of an object has a name of
 * its own. ERR_SYNTAX. */
MUST_CHECK int json_parse(struct slice text, json_t **out);
/* Both. ERR_TOO_LONG: it would weigh more than `most`, or is nested too deep. */
MUST_CHECK int json_read(struct slice text, size_t most, json_t **out);

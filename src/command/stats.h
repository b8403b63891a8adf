/* stats.h - numbers of an account for people and programs: what is asked for, and rows as JSON. */
#pragma once
#include <jansson.h>

#include "send/numbers.h"

/* Words of a question: by, name, each, from, to; empty ones are as if they were missing. ERR_USAGE with a
 * sentence. */
struct stats_words {
    struct slice by, name, each, from, to;
};
MUST_CHECK int stats_ask(const struct stats_words *w, struct numbers_ask *out);
/* Rows of numbers_table(). A new reference. */
json_t *stats_json(const struct numbers_row *row, size_t n);

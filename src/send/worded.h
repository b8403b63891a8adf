/* worded.h - reports of failure in words, from before there was RFC 3464 and from servers that know it not:
 * qmail's, Exim's, Exchange's. Pure.
 *
 * They have one shape: a sentence, behind it a paragraph for each recipient, which begins with the address
 * and goes on with the reason; behind them a line that says that the letter follows. */
#pragma once
#include "base/arena.h"

struct worded {
    struct slice address, why; /* why: one line, in the arena */
    struct slice enhanced;     /* 5.1.1, or empty */
    int code;                  /* of the reply that is cited, or 550 */
};
/* The paragraphs of such a report; false: the text is in none of these forms. */
bool worded_begin(struct slice text, struct slice *paragraphs);
bool worded_next(struct arena *a, struct slice *paragraphs, struct worded *out);

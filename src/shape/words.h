/* words.h - the words of a server's reply, without what says nothing about its cause: codes,
 * numbers, addresses, host names, URLs. Pure. */
#pragma once
#include "base/arena.h"

enum { WORDS_MAX = 800 }; /* of a reply; the rest is not looked at */

/* Folded (case, accents, widths), in order. An empty word stands for the end of a sentence.
 * A script without blanks gives a word for each character. */
struct words {
    struct slice *v;
    size_t n;
};
/* reply: lines separated by LF, with or without codes in front; UTF-8, or taken as Latin-1.
 * The words lie in a. */
void words_read(struct arena *a, struct slice reply, struct words *out);
/* The words of a piece of a pattern: nothing is left out. */
void words_plain(struct arena *a, struct slice text, struct words *out);
/* The first enhanced code (RFC 3463) that the lines bear, in front or as "(#5.1.1)": "5.1.1", or empty. */
struct slice words_enhanced(struct slice reply);

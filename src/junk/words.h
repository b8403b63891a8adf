/* words.h - the words of a letter, and what they say together. Pure. */
#pragma once
#include "junk.h"

struct junk_word {
    struct slice text; /* folded, with where it stood: "subject*cheap" */
    uint64_t hash;
    double says; /* 0 good to 1 junk, once it is known */
};
struct junk_words {
    struct junk_word v[JUNK_WORDS_MAX];
    size_t n;
};
/* Each different word once. Texts in a. */
void junk_words(struct arena *a, const struct junk_letter *l, struct junk_words *out);

struct junk_counts {
    uint64_t junk, good;
};
/* What a word says that stood in so many letters, out of so many (Robinson: s = 0.45, x = 0.5). */
double junk_says(struct junk_counts word, struct junk_counts letters);
/* All words together: 0 to 1. Puts those that say most first. */
double junk_together(struct junk_words *w);

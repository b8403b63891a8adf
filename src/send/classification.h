/* classification.h - why a receiver refused, in SendGrid's seven classes. */
#pragma once
#include "shape/reply.h"

enum classification {
    CLASSIFIED_NOT,
    CLASSIFIED_CONTENT,
    CLASSIFIED_RATE,
    CLASSIFIED_INVALID,
    CLASSIFIED_UNAVAILABLE,
    CLASSIFIED_REPUTATION,
    CLASSIFIED_TECHNICAL,
    CLASSIFICATION_COUNT
};
enum classification classification_of(enum reply_class c);
const char *classification_word(enum classification k); /* "Invalid Address" */
bool classification_named(struct slice word, enum classification *out);

/* classification.c - why a receiver refused, in SendGrid's seven classes. */
#include "classification.h"

static const char *const words[CLASSIFICATION_COUNT] = {
    [CLASSIFIED_NOT] = "Unclassified",
    [CLASSIFIED_CONTENT] = "Content",
    [CLASSIFIED_RATE] = "Frequency or Volume Too High",
    [CLASSIFIED_INVALID] = "Invalid Address",
    [CLASSIFIED_UNAVAILABLE] = "Mailbox Unavailable",
    [CLASSIFIED_REPUTATION] = "Reputation",
    [CLASSIFIED_TECHNICAL] = "Technical Failure",
};

enum classification classification_of(enum reply_class c)
{
    static const enum classification of[REPLY_NCLASSES] = {
        [REPLY_INVALID] = CLASSIFIED_INVALID,   [REPLY_INACTIVE] = CLASSIFIED_UNAVAILABLE,
        [REPLY_FULL] = CLASSIFIED_UNAVAILABLE,  [REPLY_POLICY] = CLASSIFIED_REPUTATION,
        [REPLY_AUTH] = CLASSIFIED_TECHNICAL,    [REPLY_REPUTATION] = CLASSIFIED_REPUTATION,
        [REPLY_CONTENT] = CLASSIFIED_CONTENT,   [REPLY_RATE] = CLASSIFIED_RATE,
        [REPLY_GREYLIST] = CLASSIFIED_RATE,     [REPLY_SIZE] = CLASSIFIED_CONTENT,
        [REPLY_TLS] = CLASSIFIED_TECHNICAL,     [REPLY_DNS] = CLASSIFIED_TECHNICAL,
        [REPLY_RELAY] = CLASSIFIED_TECHNICAL,   [REPLY_PROTOCOL] = CLASSIFIED_TECHNICAL,
        [REPLY_NETWORK] = CLASSIFIED_TECHNICAL, [REPLY_TEMPORARY] = CLASSIFIED_TECHNICAL,
    };
    return of[c];
}

const char *classification_word(enum classification k) { return words[k]; }

bool classification_named(struct slice word, enum classification *out)
{
    for (int k = 0; k < CLASSIFICATION_COUNT; k++)
        if (sl_eq(word, sl_cstr(words[k]))) return *out = (enum classification)k, true;
    return false;
}

/* texts.h - the texts of a send read as templates: its subject, the values of its header fields, its parts.
 * Pure.
 *
 * Compiled once for a send, filled for each letter with the send's data and, over it, the letter's. */
#pragma once
#include "send.h"

struct texts;
/* Lies in a, with slices of s, which must live as long. What cannot be compiled is remembered, and each
 * filling fails with it. */
void texts_compile(struct arena *a, const struct send *s, struct texts **out);
/* The letter's subject (its own, or the send's), fields (its own and the send's) and parts, in a. Any number
 * of fillings may go on at once. ERR_SYNTAX, ERR_NOT_FOUND, ERR_LIMIT: the sentence names the text and the
 * place in it. */
struct texts_filled {
    struct slice subject;
    struct send_fields own, common; /* of the letter, of the send */
    struct send_part *part;
};
MUST_CHECK int texts_fill(struct arena *a, const struct texts *t, const struct send_letter *l,
                          struct texts_filled *out);

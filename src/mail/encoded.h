/* encoded.h - encoded-words in header fields (RFC 2047). Pure. Text inside Tram is UTF-8. */
#pragma once
#include "base/arena.h"
#include "base/slice.h"

/* The text (unstructured body, phrase or comment, folding already undone) with every
 * well-formed encoded-word replaced by what it stands for, in UTF-8; blanks between two
 * adjacent encoded-words vanish (section 6.2). Bytes that are no UTF-8 become U+FFFD, raw
 * ones as well; control characters and NUL become spaces. A word whose charset is unknown
 * or whose encoding is wrong stays as it is. In the arena, or the text itself when nothing
 * had to change. */
struct slice mail_words_decode(struct arena *a, struct slice text);

/* UTF-8 text as the body of an unstructured field (Subject): itself when it is printable
 * ASCII that cannot be taken for an encoded-word and has no word of more than 400 bytes, else encoded-words
 * of at most 75 bytes separated by spaces (so that folding can break there). */
struct slice mail_text_encode(struct arena *a, struct slice utf8);

/* UTF-8 text as a phrase (a display name): atoms as they are, a quoted-string where
 * specials ask for it, encoded-words (section 5 rule 3) where it is not ASCII. */
struct slice mail_phrase_encode(struct arena *a, struct slice utf8);

/* fold.h - words of a structured header field put one after another, folded below 78
 * columns (RFC 5322 section 2.1.1), with values made safe: nothing a peer said can end a
 * line, a quoted string or a comment. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

enum { FOLD_COLUMNS = 77, FOLD_VALUE_MAX = 450 /* doubled by escapes it still fits a line of 998 bytes */ };

struct fold {
    struct buf *out;
    size_t column; /* bytes on the present line */
};
/* A blank, or CRLF TAB where the word would pass the columns, then the word. */
void fold_word(struct fold *f, struct slice word);
void fold_begin(struct fold *f, struct slice text); /* without a blank */

/* The value as a token where RFC 2045 section 5.1 lets it be one, else as a quoted-string. */
struct slice fold_value(struct arena *a, struct slice value);
/* As a dot-atom (RFC 5322 section 3.2.3) or quoted-string. */
struct slice fold_dot_atom(struct arena *a, struct slice value);
/* Always quoted. */
struct slice fold_quoted(struct arena *a, struct slice value);
/* Writes "(text)" word by word, parentheses and backslashes quoted. */
void fold_comment(struct arena *a, struct fold *f, struct slice text);

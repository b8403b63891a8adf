/* charset.h - text in any charset to UTF-8, and UTF-8 folded for comparing. Pure.
 * The one place for iconv and libunistring in this folder. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Is the name one that charset_begin() can convert? */
bool charset_known(struct slice name);

/* A stream: bytes cut anywhere, also inside a character. */
struct charset {
    void *iconv;   /* NULL: the input is (taken as) UTF-8 */
    char hold[16]; /* an unfinished character */
    size_t nhold;
    bool bad;    /* something was replaced by U+FFFD */
    size_t unit; /* bytes to pass over at one that cannot be converted */
};
/* name: a MIME charset, case ignored; empty = us-ascii, which is taken as UTF-8 (so are
 * bytes above 127 that turn up in it when they are valid). ERR_UNSUPPORTED: unknown; *c
 * is then a stream for UTF-8, usable all the same. charset_end() must follow. */
int charset_begin(struct charset *c, struct slice name);
void charset_feed(struct charset *c, struct slice in, struct buf *out);
void charset_end(struct charset *c, struct buf *out);

/* The whole at once. What cannot be converted becomes U+FFFD; an unknown charset is taken
 * as UTF-8. Always valid UTF-8. */
struct slice charset_to_utf8(struct arena *a, struct slice name, struct slice in);
/* Same bytes when they are valid UTF-8, else U+FFFD in place of what is not. */
struct slice utf8_clean(struct arena *a, struct slice in);

/* For searching (RFC 9051 section 6.4.4, in the spirit of RFC 5051): full case folding, then
 * compatibility decomposition (NFKD), so that text that reads the same has the same bytes.
 * `in` is UTF-8; other bytes become U+FFFD. A text folded in pieces that are cut between
 * ASCII characters is the same as the whole folded. */
void fold_utf8(struct buf *out, struct slice in);
struct slice fold_utf8_ar(struct arena *a, struct slice in);

/* Collations (RFC 4790): texts are the same, hold each other and are in order as the bytes are that are made
 * of them. */
enum collation {
    COLLATION_UNICODE_CASEMAP, /* RFC 5051 section 2 */
    COLLATION_ASCII_CASEMAP,   /* RFC 4790 section 9.2 */
    COLLATION_OCTET,           /* section 9.3 */
    COLLATIONS
};
const char *collation_name(enum collation c); /* "i;octet" */
/* For searching: fold_utf8(), or what the other collations make of the text. Pieces as there. */
void collation_fold(struct buf *out, enum collation c, struct slice in);
struct slice collation_fold_ar(struct arena *a, enum collation c, struct slice in);
/* For putting in order: titlecase, then compatibility decomposition, or what the other collations make of it.
 * `in` is UTF-8; other bytes become U+FFFD, but for i;octet. */
struct slice collation_key(struct arena *a, enum collation c, struct slice in);

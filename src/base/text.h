/* text.h - numbers, base64, hex, UTF-8: bytes to values and back, bounds checked. */
#pragma once
#include "arena.h"
#include "buf.h"
#include "slice.h"

/* Whole slice is a decimal number without sign and it fits (and is <= max): true. */
bool num_u64(struct slice s, uint64_t max, uint64_t *out);
bool num_hex64(struct slice s, uint64_t *out); /* 1 to 16 hex digits */
/* Bytes "10k" "50M" "2g" (binary multiples) or plain. */
bool num_size(struct slice s, uint64_t *out);
/* Seconds "90" "15m" "4h" "5d" "2w". */
bool num_duration(struct slice s, int64_t *seconds);
static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool is_alpha(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }
static inline bool is_alnum(char c) { return is_digit(c) || is_alpha(c); }

/* RFC 4648 section 4. Decoding: strict when `strict` (no blanks, padding right,
 * unused bits zero); otherwise blanks, line ends and missing padding are passed
 * over, as MIME wants (RFC 2045 section 6.8). ERR_SYNTAX. */
void b64_encode(struct buf *out, struct slice in);
MUST_CHECK int b64_decode(struct buf *out, struct slice in, bool strict);
struct slice b64_encode_ar(struct arena *a, struct slice in);
MUST_CHECK int b64_decode_ar(struct arena *a, struct slice in, bool strict, struct slice *out);

/* RFC 4648 section 5, without padding, as RFC 7515 has it. Decoding takes one text for each value.
 * ERR_SYNTAX. */
struct slice b64url_encode_ar(struct arena *a, struct slice in);
MUST_CHECK int b64url_decode_ar(struct arena *a, struct slice in, struct slice *out);

/* RFC 3986 section 2.1: letters, digits and the characters of `plain` stay, every other byte becomes %XX. */
void percent_encode(struct buf *out, struct slice s, const char *plain);
/* The way back. A '%' without two hex digits behind it stays as it is. */
void percent_decode(struct buf *out, struct slice s);

void hex_encode(struct buf *out, struct slice in); /* lower case */
/* The last `digits` hex digits of n; returns how many bytes that are. Keys of rows are made several times for
 * each delivery: by hand, for printf is ten times slower. */
static inline size_t hex_digits(char *p, uint64_t n, int digits)
{
    for (int i = digits; i-- > 0; n >>= 4) p[i] = "0123456789abcdef"[n & 15];
    return (size_t)digits;
}
MUST_CHECK int hex_decode(struct buf *out, struct slice in);

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(struct slice s);
/* Takes one code point from the front of *s; false (and *s untouched) when the
 * front is not valid UTF-8 or *s is empty. */
bool utf8_next(struct slice *s, uint32_t *cp);
void utf8_put(struct buf *b, uint32_t cp); /* U+FFFD for what is no scalar value */
/* At most max bytes of s, never the first half of a code point. */
struct slice utf8_cut(struct slice s, size_t max);
bool is_ascii(struct slice s);

/* CRC-32C (Castagnoli), for records on disk. Start with crc = 0. */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* FNV-1a with 64 bits, for keys on disk: the same in every program. Who can choose the bytes can make two of
 * them equal. fold: of the text in lower case (ASCII). */
uint64_t hash_stable(struct slice s, bool fold);

/* The one way in which text of strangers reaches a terminal or a log: control characters (C0, DEL, C1), bytes
 * that are no UTF-8, line and paragraph separators and marks that turn the direction of writing as \x1b,
 * \u202e; CR LF is one line end. one_line: a line end is " / " and a tab a blank, so that no line can be
 * forged; else line feeds and tabs stay. At most room bytes, never part of a character or escape; how many.
 */
bool text_steers(uint32_t c); /* is this one of the characters that are shown as escapes? */
size_t foreign_text(char *out, size_t room, struct slice s, bool one_line);
void foreign_put(struct buf *b, struct slice s, bool one_line);

/* Does the text name this host, this address, or what is in this "@domain", not as a part of a longer name?
 * ASCII case ignored. */
bool text_names(struct slice text, struct slice name);

/* For sentences: s as one line of foreign_text(), cut with "..." after max bytes. In the arena. */
struct slice printable(struct arena *a, struct slice s, size_t max);

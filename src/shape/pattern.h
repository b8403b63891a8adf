/* pattern.h - a wording of replies, as the rules write it. Pure.
 *
 *   user unknown            these words, next to each other, in one sentence
 *   (user|mail box)         one of these
 *   [the]                   or nothing
 *   block*                  any word that begins so
 *   ..                      up to GAP_MAX words of the same sentence
 *   ^ $                     the begin, the end of the reply
 *   $name                   an alternative defined by `let name = ...`
 *   A + B                   both, anywhere in the reply
 *   A - B                   A, and nowhere B
 */
#pragma once
#include "base/err.h"
#include "base/map.h"
#include "words.h"

enum { GAP_MAX = 6, PATTERN_DEPTH_MAX = 8 };

struct pattern;
struct sequence;
/* names: struct sequence by name. The pattern lies in a. ERR_SYNTAX with a sentence. */
MUST_CHECK int pattern_parse(struct arena *a, struct slice text, const struct map *names,
                             const struct pattern **out);
/* The right side of a `let`. */
MUST_CHECK int pattern_parse_named(struct arena *a, struct slice text, const struct map *names,
                                   struct sequence **out);
bool pattern_matches(const struct pattern *p, const struct words *w);
/* The n-th wording that the pattern accepts, as text, words separated by blanks; false: it has fewer.
 * What must not stand there is left out, a gap is empty, `block*` is the word `block`. */
bool pattern_example(const struct pattern *p, struct arena *a, size_t n, struct slice *out);

/* junk.h - is a letter junk, judging by its words? Learned from what people move into Junk and out of it, and
 * what they answer.
 *
 * Paul Graham, "A Plan for Spam" (2002); Gary Robinson, "A Statistical Approach to the Spam Problem" (Linux
 * Journal 107, 2003): what each word says, smoothed, put together by Fisher's method with the chi-square
 * distribution, once for junk and once for good letters. There are two corpora, the account's own and the
 * node's; a letter of the own one counts JUNK_OWN times as much. Words are hashes in the index: nobody reads
 * letters there. Before both kinds are known well enough nothing is said. What junk looks like changes: a
 * corpus that has its fill halves what it knows (its age goes up by one; a row is halved when it is read
 * next), so that what was learned long ago weighs less and less, and goes.
 *
 * Object j:ACCOUNT, and j:node: w/HASH a word, n the sums, l/HASH a letter that was learned (docs/format.md).
 */
#pragma once
#include "base/arena.h"
#include "kv/kv.h"

enum {
    JUNK_WORDS_MAX = 400,     /* different ones of a letter that are looked at, in the order of its text */
    JUNK_WORD_LEAST = 3,      /* bytes of a word, */
    JUNK_WORD_MOST = 40,      /* of which longer ones are cut */
    JUNK_TELLING_MAX = 150,   /* words that decide: those that say most */
    JUNK_ROWS_MAX = 200000,   /* words of one corpus; more are not learned */
    JUNK_LETTERS_MAX = 20000, /* letters of an account's corpus; then all counts are halved: old ones fade */
    JUNK_NODE_LETTERS = 200000, /* and of the node's */
    JUNK_NODE_SHARE = 500, /* so many of an account's letters the node's learns: nobody teaches it for all */
    JUNK_SWEPT =
        200, /* rows that are looked at with each letter, whether halving has left anything of them */
    JUNK_LETTERS_LEAST = 20, /* of each kind, before anything is said */
    JUNK_OWN = 5,
    JUNK_FROM = 90, /* of 100: from here on a letter is junk */
    JUNK_SHOWN = 5, /* words that are told */
};

struct junk_letter {
    struct slice subject; /* decoded */
    struct slice from;    /* the author's address, or empty */
    struct slice text;    /* of its parts, decoded: UTF-8 */
    struct slice name;    /* of its content, always the same: learned once only */
};
/* The letter was moved into Junk, or out of it. What was learned of it before is taken back, unless it was
 * halved since. account: its id. SUSPENDS. */
MUST_CHECK int junk_learn(struct kv *kv, const char *account, const struct junk_letter *l, bool junk);

struct junk_verdict {
    bool known;         /* there is something to judge by */
    unsigned score;     /* 0 good to 100 junk */
    struct slice words; /* those that said most: "cheap 99, pills 97", printable; in a */
};
/* account NULL: by the node's corpus alone. SUSPENDS. */
MUST_CHECK int junk_judge(struct kv *kv, const char *account, const struct junk_letter *l, struct arena *a,
                          struct junk_verdict *out);
/* Is there enough to judge by? False when it cannot be read. SUSPENDS. */
bool junk_known(struct kv *kv, const char *account);

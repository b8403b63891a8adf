/* marks.h - what a mail file of other programs says of a message beside its text: read, answered, ... and
 * keywords. Bits are those of the store's flags. */
#pragma once
#include <stdint.h>

#include "base/slice.h"

enum {
    MARK_SEEN = 1,
    MARK_ANSWERED = 2,
    MARK_FLAGGED = 4,
    MARK_DELETED = 8,
    MARK_DRAFT = 16,
    MARK_KEYWORDS_MAX = 64
};

struct mail_marks {
    unsigned set;
    struct slice keyword[MARK_KEYWORDS_MAX]; /* each once, case ignored */
    size_t n;
};
/* Adds a keyword unless it is there; false: it can be none (RFC 9051: an atom), or there are too many. */
bool mail_marks_add(struct mail_marks *m, struct slice keyword);

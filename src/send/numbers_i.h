/* numbers_i.h - rows of numbers, for who counts and who reads. For src/send only. */
#pragma once
#include "numbers.h"
#include "send_i.h"

void numbers_put(struct buf *b, struct slice name, const struct numbers *n);
/* *name points into the row. ERR_CORRUPT, ERR_VERSION. */
MUST_CHECK int numbers_get(struct slice row, struct slice *name, struct numbers *n);
size_t numbers_bucket(uint64_t ms);

struct slice numbers_object(struct slice account, struct arena *a);
/* KIND/YYYYMMDD/ and what stands for the name. */
struct slice numbers_key(enum numbers_by by, int64_t day, struct slice name, struct arena *a);
/* Without the name: the beginning of all its keys. */
struct slice numbers_prefix(enum numbers_by by, int64_t day, struct arena *a);

/* Counts events of the account that are not yet; *more: there may be further ones. SUSPENDS. */
MUST_CHECK int numbers_count(struct sends *s, struct slice account, bool *more);

/* letter_record.h - the fields of a letter that its envelope's row and its body's origin share. */
#pragma once
#include "letter.h"

struct rec;
void letter_record_put(struct buf *b, const struct letter *l);
/* Takes the field at hand of r, which l then borrows; any other is passed over. ERR_CORRUPT, ERR_VERSION. */
MUST_CHECK int letter_record_take(struct rec *r, struct letter *l);

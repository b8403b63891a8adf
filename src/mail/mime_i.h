/* mime_i.h - between mime.c and mime_field.c. */
#pragma once
#include "mime.h"

/* Fills in what the header `head` says about the part (its envelope too when
 * part->envelope is set), and the kind it asks for. Copies into `a`. */
void mime_describe(struct arena *a, struct arena *scratch, struct slice head, struct mime_part *part);
/* Is it a message in a message, whatever its encoding? */
bool mime_is_message(const struct mime_part *part);

/* letter_id.h - the names of letters. */
#pragma once
#include "base/slice.h"

/* A letter's name from acceptance to its end: 16 characters of base32hex, lower case
 * (time in microseconds, then chance), so ids sort by age. */
enum { LETTER_ID_LEN = 16 };
struct letter_id {
    char s[LETTER_ID_LEN + 1];
};
void letter_id_new(struct letter_id *out);
/* The least id of that time (unix microseconds) or later. */
void letter_id_floor(struct letter_id *out, int64_t wall_us);
bool letter_id_ok(struct slice s);
int64_t letter_id_wall(const struct letter_id *id); /* microseconds since 1970 */
int64_t letter_id_time(const struct letter_id *id); /* unix seconds */

/* civil.h - seconds since the Unix epoch and calendar dates, without time zones
 * of the machine, without locale. */
#pragma once
#include "slice.h"

struct civil {
    int year;       /* 1970 ... 9999 */
    int month, day; /* from 1 */
    int hour, minute, second;
    int weekday; /* 0 = Sunday */
};

struct civil civil_from_unix(int64_t seconds);
/* False when a field is out of range (second 60 is taken as 59; weekday is not looked at). */
bool civil_to_unix(const struct civil *c, int64_t *seconds);
/* "2026-11-22T21:34:26Z" (RFC 3339). Returns buf. */
#define CIVIL_TEXT_MAX 32
char *civil_format(int64_t seconds, char buf[CIVIL_TEXT_MAX]);
/* The other way round: "2026-11-22T21:34:26Z", with a fraction or with an offset instead of Z (RFC 3339
 * section 5.6). False: it is none. */
bool civil_parse(struct slice s, int64_t *seconds);

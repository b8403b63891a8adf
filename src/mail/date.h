/* date.h - the date-time of header fields (RFC 5322 sections 3.3 and 4.3). Pure. */
#pragma once
#include "base/err.h"

struct mail_date {
    int64_t seconds; /* since the Unix epoch, UTC; never negative */
    int zone;        /* minutes east of UTC, as written */
    bool zone_known; /* false for "-0000" and zones without a meaning (section 4.3) */
};
/* Day names, comments, two-digit years, alphabetic zones, a missing zone or seconds are all
 * taken. ERR_SYNTAX: no date can be made out, or it is before 1970 or impossible. */
MUST_CHECK int mail_date_parse(struct slice body, struct mail_date *out);

/* "Sun, 22 Nov 2026 21:34:26 +0000"; zone in minutes east of UTC. Returns buf. */
#define MAIL_DATE_MAX 48
char *mail_date_format(int64_t seconds, int zone, char buf[MAIL_DATE_MAX]);

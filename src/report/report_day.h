/* report_day.h - a day of what reports are made of: one object of the index, whose rows "p/DOMAIN" and
 * "p/DOMAIN/..." stand until all was told about the domain; an object has either the
 * one kind or the other. '/' is behind '-' and '.', so no other domain's rows come between "p/DOMAIN/...". */
#pragma once
#include "kv/kv.h"

/* The first second of the day that an object "PREFIX20261130" is about. */
bool report_day_of(struct slice object, struct slice prefix, int64_t *day);
/* The day is over for good: the object goes, and the log says about whom nothing was told, or not all. what:
 * "DMARC reports". SUSPENDS. */
MUST_CHECK int report_day_erase(struct kv *kv, struct slice object, const char *what);

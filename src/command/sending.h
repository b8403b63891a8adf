/* sending.h - domains of customers as JSON, for commands and programs. */
#pragma once
#include <jansson.h>

#include "core/sending.h"

/* With its state ("proved", "failing": its records are gone, it is used still, "lost", "open", "damaged") and
 * the records to publish; of a damaged one only names. A new reference. */
json_t *sending_json(const struct core *core, struct arena *a, const struct sending_domain *d);

/* senders.h - domains of customers as the vendors' dialects name them: by numbers, for theirs have them.
 * Inside src/api. */
#pragma once
#include "api_i.h"
#include "core/sending.h"

/* The number of a claim, made of its selector; of an account, made of its id. At most 48 bits, which a double
 * holds. */
int64_t sender_number(const struct sending_domain *d);
int64_t sender_account_number(const struct http_call *c);
/* The account's claim with the number, or with the name (also as "*@NAME"). ERR_NOT_FOUND. SUSPENDS. */
MUST_CHECK int sender_find(struct http_call *c, struct slice named, struct sending_domain *out);
/* One that asks has its DNS looked at; *d as it is then. SUSPENDS. */
MUST_CHECK int sender_verify(struct http_call *c, struct sending_domain *d);
/* One that sees it in passing has that done only while nobody does. SUSPENDS. */
MUST_CHECK int sender_glance(struct http_call *c, struct sending_domain *d);
/* Claims of the account that can be read, by name; what each() returns, unless 0, ends it and is returned. */
MUST_CHECK int sender_each(struct http_call *c, int (*each)(void *arg, const struct sending_domain *d),
                           void *arg);
bool sender_has(const struct sending_domain *d, unsigned bits); /* it is proved, and these are seen */

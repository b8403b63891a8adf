/* preferences.h - what of an account's mail comes to the address that a link to leave names. Inside src/api.
 */
#pragma once
#include "api_i.h"
#include "send/unsubscribe.h"

/* Answer with a page. SUSPEND. */
void preferences_show(struct http_call *c, const struct unsubscribe *u);
void preferences_save(struct http_call *c, const struct unsubscribe *u); /* as the form in the body says */

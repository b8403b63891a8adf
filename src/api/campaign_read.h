/* campaign_read.h - the lines of a campaign (POST /v1/campaigns) taken apart. Pure. */
#pragma once
#include <jansson.h>

#include "send/send.h"

/* Fills in what the head says of a send; *skip_bad: a recipient that cannot be taken is passed over. Texts
 * lie in the arena. ERR_USAGE, and why: the first fault in words. */
MUST_CHECK int campaign_read_head(struct arena *a, const json_t *o, struct send *out, bool *skip_bad,
                                  char why[ERR_TEXT_MAX]);
/* One recipient, or several of one letter. */
MUST_CHECK int campaign_read_letter(struct arena *a, const json_t *o, struct send_letter *out,
                                    char why[ERR_TEXT_MAX]);

/* told.h - reports about a letter as others write them, taken apart: delivery status (RFC 3464, RFC 6533),
 * and complaints in the Abuse Reporting Format (RFC 5965). Pure; what is empty was not said. */
#pragma once
#include "base/arena.h"

/* A block of fields of a message/delivery-status part: about one recipient, or, the first one, about the
 * letter. Unfolded; addresses and names without their types and brackets. */
struct told_status {
    struct slice original, final; /* recipient, as its sender and as its last server knew it */
    struct slice action, status, remote_mta, diagnostic;
};
/* The next block, whatever line ends it has; false: there is none. A block that is no fields is empty. */
bool told_status_next(struct arena *a, struct slice *rest, struct told_status *out);

/* A message/feedback-report part. */
struct told_feedback {
    struct slice type; /* "abuse", ... (section 3.1) */
    struct slice original_rcpt;
};
bool told_feedback(struct arena *a, struct slice text, struct told_feedback *out); /* false: it is none */

/* "rfc822; <bob@two.test>": the address. */
struct slice told_address(struct slice field);

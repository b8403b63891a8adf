/* urlkey.h - tokens of URLs by which a user lets others read messages (RFC 4467): a secret of each user for
 * each mailbox, which leaves this folder only in tokens. All functions SUSPEND. */
#pragma once
#include "mailbox.h"

enum { URL_TOKEN = 66 }; /* hex digits: "01", the way it is made, and an HMAC-SHA256 */

/* What authorises the URL (its rump, section 6), by the user's secret for the mailbox. make: one that is
 * missing is made; else ERR_NOT_FOUND. */
MUST_CHECK int url_token(struct store *s, const char *user, struct mailbox_ref box, struct slice rump,
                         bool make, char out[URL_TOKEN + 1]);
/* Is it the token of the URL? Takes as long when there is no such mailbox (box.account NULL). ERR_DENIED. */
MUST_CHECK int url_check(struct store *s, const char *user, struct mailbox_ref box, struct slice rump,
                         struct slice token);
/* A new secret: every token of the user for the mailbox is of no use any more. */
MUST_CHECK int url_reset(struct store *s, const char *user, struct mailbox_ref box);
/* The same for all mailboxes. */
MUST_CHECK int url_reset_all(struct store *s, const char *user);

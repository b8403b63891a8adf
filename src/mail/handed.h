/* handed.h - what a local program hands over (cron, mailx, a script), made into a header section
 * that may be sent: such a program cannot repair anything, and nobody reads its errors. Pure. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Can this line (with or without its line end) begin a header field? */
bool mail_handed_field(struct slice line);
/* The "From " line that mbox files have in front of a letter; sendmail(8) passes it over. */
bool mail_handed_mbox_line(struct slice line);

/* Bare names of an address list get "@domain": `root (Cron Daemon)`, `Joe <joe>`, `a, b@x`. All other
 * bytes stay. In a, or body itself when nothing was bare. */
struct slice mail_handed_list(struct arena *a, struct slice body, struct slice domain);

/* Writes the header section `raw` (lines end in CRLF, no empty line) as it can be sent: bare names
 * completed in every address field, the second of two fields that may stand once only (RFC 5322
 * section 3.6) renamed to X-Duplicate-..., a From that is missing or holds no valid address made from
 * `from` ("Name <local@domain>"), the old one kept as X-Original-From.
 * ERR_LIMIT as mail_head_parse(). */
MUST_CHECK int mail_handed_head(struct arena *a, struct slice raw, struct slice domain, struct slice from,
                                struct buf *out);

/* utf7.h - modified UTF-7 of IMAP4rev1 mailbox names (RFC 3501 section 5.1.3). Pure. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* To UTF-8, in the arena (or the input itself when nothing is encoded). Strict: no shift
 * for what needs none, canonical base64, paired surrogates. ERR_SYNTAX. */
MUST_CHECK int utf7_decode(struct arena *a, struct slice in, struct slice *out);
/* From valid UTF-8. */
void utf7_encode(struct buf *out, struct slice utf8);

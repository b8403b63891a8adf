/* mime_imap.h - what IMAP tells of a message, from its tree of parts: ENVELOPE, BODY,
 * BODYSTRUCTURE, and where a section lies (RFC 9051 sections 6.4.5, 7.5.2, 9). Pure.
 *
 * Output is well formed whatever the message is: strings with bytes that a quoted string may
 * not hold become literals, a NUL becomes '?'. What is long is spilled (buf_spill). */
#pragma once
#include "mime.h"

/* "(date subject from sender reply-to to cc bcc in-reply-to message-id)" */
void mime_imap_envelope(struct buf *out, const struct mime_envelope *e);
/* The body structure of the message; extended: BODYSTRUCTURE, else BODY. */
void mime_imap_structure(struct buf *out, const struct mime_part *root, bool extended);

enum mime_what { MIME_WHOLE, MIME_HEADER, MIME_TEXT, MIME_MIME };
struct mime_range {
    uint64_t at, size;
    const struct mime_part *within; /* not NULL: in its decoded body (mime_within) */
};
/* Where BODY[path.what] lies. false: there is no such section. HEADER.FIELDS is cut from
 * HEADER with mime_imap_fields(). */
bool mime_imap_section(const struct mime_tree *t, const uint32_t *path, size_t n, enum mime_what what,
                       struct mime_range *out);
/* The part that the path names, NULL when there is none; an empty path names the root. */
const struct mime_part *mime_imap_part(const struct mime_tree *t, const uint32_t *path, size_t n);
/* Of a header section those fields whose names are among `name` (or are not, when `but`), as
 * they are written, and the empty line if there is one. Scratch memory from `a`. */
void mime_imap_fields(struct buf *out, struct arena *a, struct slice head, const struct slice *name, size_t n,
                      bool but);

/* head.h - a message's header section as a list of fields (RFC 5322 section 2.2). Pure.
 *
 * Nothing is copied: fields are slices of the message. Bytes are taken as they
 * are; what is malformed is kept as well as can be and marked, so that a hostile
 * message is described, never trusted. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

enum { MAIL_HEAD_MAX = 256 * 1024, MAIL_FIELDS_MAX = 2000 };

struct mail_field {
    struct slice raw;  /* name, colon, body and final CRLF, folding included */
    struct slice name; /* without trailing blanks before the colon */
    struct slice body; /* after the colon up to, not including, the final CRLF; folding included */
    bool bad;          /* a line that is no field (no colon, a bad name): name is empty, raw is the line */
};
struct mail_head {
    struct mail_field *field;
    size_t n;
    size_t size;     /* bytes of the header section without the empty line */
    size_t body_at;  /* where the body begins: after the empty line, or size when there is none */
    bool complete;   /* the empty line was there */
    bool bad_fields; /* some field is bad */
};
/* Parses the start of `message` (header section, empty line, perhaps body). Lines end
 * in CRLF; a bare LF is accepted as a line end here (stored mail, files), the transport
 * refuses it earlier. ERR_LIMIT: more than MAIL_FIELDS_MAX fields or MAIL_HEAD_MAX bytes. */
MUST_CHECK int mail_head_parse(struct arena *a, struct slice message, struct mail_head *out);

/* Does a header section go on with this line (its line end may be missing, so may what follows
 * byte 200 of it)? A line that can be no field ends it, as an empty one does: it belongs to the
 * body. A first line "From " of an mbox file is let pass. */
bool mail_line_in_head(struct slice line, bool first);
/* Bytes of the header section at the start of `message`: up to and with its empty line, or up to
 * the line that can be no field; message.n when it does not end. */
size_t mail_head_end(struct slice message);

/* The same for a message that comes piece by piece: up to and with the first empty line, however its lines
 * end. */
struct mail_head_size {
    uint64_t at, size; /* size: 0 until it is found */
    bool line, cr;     /* line: the line at hand has bytes */
};
void mail_head_size_next(struct mail_head_size *h, struct slice in);

/* First field of that name (ASCII case ignored) from index `from` on; NULL when none.
 * The index of a field f is f - head->field. */
const struct mail_field *mail_head_find(const struct mail_head *h, struct slice name, size_t from);
size_t mail_head_count(const struct mail_head *h, struct slice name);
/* Body of the first such field, unfolded and trimmed, or empty with *found false. */
/* found may be NULL. */
struct slice mail_head_get(struct arena *a, const struct mail_head *h, struct slice name, bool *found);

/* Folding undone: CRLF before a blank removed (RFC 5322 section 2.2.3), trimmed. A stray
 * CR or LF becomes a space, so the result holds neither. A copy in a only when needed. */
struct slice mail_unfold(struct arena *a, struct slice body);

/* compose.h - a message made of what an application says in fields: addresses, subject, texts, files. Pure.
 *
 * Every field is hostile: nothing of it can end a header field or a boundary, whatever its bytes are. What no
 * form of writing makes harmless (a line end or NUL in a header, an address that is none, a name of a field
 * that we write ourselves) is refused with a sentence that names the field. The same input gives the same
 * bytes: boundaries are made of the Message-ID, so that what was sent can be built again. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "mail/mime.h"

enum {
    COMPOSE_NAME_MAX = 1000,    /* bytes of a display name */
    COMPOSE_VALUE_MAX = 16000,  /* bytes of a subject or the value of a header field */
    COMPOSE_FILENAME_MAX = 500, /* bytes of a file's name */
    COMPOSE_HEADERS_MAX = 200,
    COMPOSE_PARTS_MAX = 50,
    COMPOSE_FILES_MAX = 1000,
};

struct compose_addr {
    struct slice email, name; /* name: UTF-8, may be empty */
};
struct compose_addrs {
    const struct compose_addr *v;
    size_t n;
};
struct compose_header {
    struct slice name, value; /* value: UTF-8; ASCII stands as it is, all else in encoded-words */
};
struct compose_part {
    struct slice type, text; /* "text/calendar; method=REQUEST", UTF-8 */
};
/* A file is always sent as base64 (a message/rfc822 with no long lines and in ASCII: as it is). */
struct compose_file {
    struct slice type;       /* empty: application/octet-stream */
    struct slice name;       /* UTF-8; may be empty */
    bool is_inline;          /* Content-Disposition: inline */
    struct slice content_id; /* with or without <>; may be empty */
    struct slice bytes;      /* p may be NULL when only `size` is known and the owner hands over the bytes */
    uint64_t size;           /* of bytes */
};
struct compose {
    struct compose_addr from, sender; /* sender: email may be empty */
    struct compose_addrs to, cc, reply_to;
    struct slice subject;
    struct slice text,
        html; /* UTF-8, line ends of any kind; p == NULL: there is none. Text is made of html */
    const struct compose_part *part;
    const struct compose_header *header;
    const struct compose_file *file;
    size_t nparts, nheaders, nfiles;
    int64_t date;            /* Unix seconds */
    struct slice message_id; /* "<x@y>" */
};

/* What is sent, piece by piece. */
struct compose_piece {
    struct slice bytes;              /* as they are, or */
    const struct compose_file *file; /* != NULL: the bytes of this file in base64, without a last line end */
};
struct composed {
    struct compose_piece *piece;
    size_t n;
    uint64_t size; /* of the whole message */
    bool utf8;     /* an address asks for SMTPUTF8 (RFC 6531) */
};
/* In a, with slices of c's texts; c's files must live as long. ERR_SYNTAX, ERR_LIMIT, ERR_TOO_LONG with a
 * sentence that names the field. */
MUST_CHECK int compose_message(struct arena *a, const struct compose *c, struct composed *out);

/* The message as a stream: begin with {.message = m}. Adds at most about 64 KiB to out; false when it has
 * ended. */
struct compose_reader {
    const struct composed *message;
    size_t at;     /* piece */
    uint64_t done; /* bytes of it */
    struct mime_encoder encoder;
};
bool compose_read(struct compose_reader *r, struct buf *out);

/* ---- for who takes a call apart, so that it can say where the fault is: each judges one field as
 * compose_message() will, and gives the sentence with `what` as its subject ("the subject") ---- */
MUST_CHECK int compose_check_text(struct slice s, size_t max, const char *what);
/* A field that an application may add: a name of letters, digits and -_. that is none of those that are
 * written by us; its value. */
MUST_CHECK int compose_check_header(struct slice name, struct slice value);
MUST_CHECK int compose_check_address(struct arena *a, struct slice email, const char *what);
MUST_CHECK int compose_check_type(struct arena *a, struct slice type, const char *what);
MUST_CHECK int compose_check_content_id(struct slice id); /* with or without <> */

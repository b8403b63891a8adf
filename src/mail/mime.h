/* mime.h - the parts of a message and where each lies in it (RFC 2045, 2046, 2231). Pure.
 *
 * A push parser: feed() takes the message in pieces of any size and keeps only
 * the header of the part at hand and a description of each part; finish() gives
 * the tree. The tree speaks of the message by offsets from its first byte.
 *
 * Whatever the bytes are, there is a tree and its ranges lie inside the message and
 * inside their parents. Beyond a limit the rest of a part is one opaque leaf
 * (mime_tree.limited). Lines may end in CRLF or a bare LF. A header section ends at an empty
 * line or before a line that can be no field (mail_line_in_head). */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    MIME_PARTS_MAX = 10000,
    MIME_DEPTH_MAX = 50,     /* multiparts and messages inside one another */
    MIME_PARAMS_MAX = 100,   /* parameters of one field */
    MIME_TREE_MAX = 8 << 20, /* bytes that the description of one message may take */
    MIME_BOUNDARY_MAX = 250, /* RFC 2046 section 5.1.1 allows 70 */
};

struct mime_param {
    struct slice name;  /* as written, with the marks of RFC 2231: "filename*0*" */
    struct slice value; /* unquoted, unfolded, not decoded */
};
struct mime_value {     /* "value; name=value; ..." of Content-Type and Content-Disposition */
    struct slice value; /* as written, without comments and blanks around '/'; may be empty */
    struct mime_param *param;
    size_t n;
};

/* What a message's header says that ENVELOPE tells; field bodies, unfolded, not decoded.
 * p == NULL: there is no such field. */
struct mime_envelope {
    struct slice date, subject, from, sender, reply_to, to, cc, bcc, in_reply_to, message_id;
};

/* A multipart has at least one part: where none is found, its body is one. */
enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };
enum mime_encoding { MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_QP, MIME_BASE64, MIME_OTHER };

struct mime_part {
    enum mime_kind kind;        /* how it is taken apart */
    struct slice type, subtype; /* as written, never empty: "text" "plain" by default */
    struct mime_param *param;   /* of Content-Type */
    size_t nparam;
    enum mime_encoding encoding;
    struct slice encoding_name;                  /* as written; empty = none given */
    struct slice id, description, location, md5; /* p == NULL: no such field */
    struct slice *language;
    size_t nlanguage;
    struct mime_value *disposition; /* NULL = none */
    struct mime_envelope *envelope; /* of a message: the root, and the child of a MIME_MESSAGE */

    uint64_t head_at, head_size; /* the header with its empty line */
    uint64_t body_at, body_size;
    uint64_t lines; /* line ends in the body */
    unsigned depth;
    struct mime_part *parent, *child, *last, *next; /* a MIME_MESSAGE has one child, the message */
    size_t nchild;
    /* Of a leaf that is a message in base64 or quoted-printable (RFC 2046 section 5.2.1 forbids it, RFC 6532
     * section 3.5 allows it for message/global): the message within. Its offsets, and those of the parts
     * below it, are offsets in the decoded body of this part. NULL: none; another one deeper in it is opaque.
     */
    struct mime_part *inside;
};

struct mime_tree {
    struct mime_part *root;
    uint64_t size; /* bytes of the message */
    size_t parts;
    bool limited; /* a limit of this file was reached */
};

struct mime_parser;
/* The parser and the tree live in the arena; the parser's buffers are freed by
 * mime_finish() or mime_abandon(), one of which must be called. */
struct mime_parser *mime_begin(struct arena *a);
void mime_feed(struct mime_parser *p, struct slice bytes);
struct mime_tree *mime_finish(struct mime_parser *p); /* never NULL */
void mime_abandon(struct mime_parser *p);
/* All three for a message in memory. */
struct mime_tree *mime_parse(struct arena *a, struct slice message);

/* The encoded message whose decoded body the offsets of `p` speak of; NULL: they speak of the message itself.
 */
const struct mime_part *mime_within(const struct mime_part *p);

/* The body of a Content-Type or Content-Disposition field. Broken syntax is passed over. */
void mime_value_parse(struct arena *a, struct slice body, struct mime_value *out);
/* What the parameters of that name (case ignored) say or p == NULL: the first of them, or what
 * is written in pieces and in a charset by RFC 2231, joined, in UTF-8. */
struct slice mime_param_get(struct arena *a, const struct mime_param *v, size_t n, struct slice name);

/* ---- transfer encodings, as streams (RFC 2045 sections 6.7, 6.8) ---- */

struct mime_decoder {
    enum mime_encoding encoding;
    uint32_t word;  /* base64: bits gathered */
    unsigned have;  /* base64: digits in word; QP: bytes in hold */
    char hold[128]; /* QP: "=", "=X", or blanks that may be trailing */
};
/* MIME_OTHER is passed through like 8bit. What is wrong is kept as it is (QP) or
 * passed over (base64). decode() adds to `out`; end() adds what was held back. */
void mime_decode_begin(struct mime_decoder *d, enum mime_encoding e);
void mime_decode(struct mime_decoder *d, struct slice in, struct buf *out);
void mime_decode_end(struct mime_decoder *d, struct buf *out);

struct mime_encoder {
    enum mime_encoding encoding;
    size_t have, column, lines; /* held bytes; characters in the line at hand (QP); lines so far (base64) */
    bool cr;                    /* QP: a CR was seen and not given out */
    char hold[64];
};
/* To MIME_QP (lines of the text end in CR LF; a lone CR or LF is a byte like others) or MIME_BASE64; all else
 * is passed through. encode() adds to `out`, end() what was held back. Base64 does not end its last line. */
void mime_encode_begin(struct mime_encoder *e, enum mime_encoding to);
void mime_encode(struct mime_encoder *e, struct slice in, struct buf *out);
void mime_encode_end(struct mime_encoder *e, struct buf *out);

/* smtp.h - the grammar of SMTP: commands, replies, EHLO keywords, the mail data. Pure.
 *
 * Slices in results are cut from the line or lie in the arena handed in. Sentences (err_text)
 * are meant for the reply to the peer. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/limits.h"

/* ---- commands (RFC 5321 section 4.1) ---- */

enum {
    SMTP_LINE_MAX = 4096,       /* command line; RFC 5321 4.5.3.1.4 plus what extensions add */
    SMTP_AUTH_LINE_MAX = 12288, /* RFC 4954 section 4 */
    SMTP_LOCAL_MAX = LIMIT_LOCAL_PART,
    SMTP_DOMAIN_MAX = LIMIT_DOMAIN,
    SMTP_PARAMS_MAX = 20,
    SMTP_TEXT_LINE_MAX = 998, /* without CRLF, RFC 5322 section 2.1.1 */
    SMTP_SOLICIT_MAX = 999,   /* RFC 3865 section 2.2 */
};

#define SMTP_VERBS(X)                                                                                        \
    X(EHLO)                                                                                                  \
    X(HELO)                                                                                                  \
    X(LHLO)                                                                                                  \
    X(MAIL)                                                                                                  \
    X(RCPT)                                                                                                  \
    X(DATA) X(BDAT) X(BURL) X(RSET) X(VRFY) X(EXPN) X(NOOP) X(QUIT) X(STARTTLS) X(AUTH) X(HELP) X(XCLIENT)
enum smtp_verb {
    SMTP_UNKNOWN,
#define X(v) SMTP_##v,
    SMTP_VERBS(X)
#undef X
        SMTP_VERB_COUNT
};
const char *smtp_verb_name(enum smtp_verb v); /* "EHLO"; "unknown"; static */

struct smtp_path {
    bool null;            /* <> */
    struct slice local;   /* unquoted; may hold any byte 32..126 and, with SMTPUTF8, UTF-8 */
    struct slice domain;  /* as written, or a literal with brackets; empty only for <Postmaster> */
    struct slice address; /* local@domain in canonical form: quoted only where needed */
    bool literal;         /* domain is an address literal */
    bool utf8;            /* holds bytes above 127 */
};
struct smtp_param {
    struct slice key, value;
    bool has_value;
};
struct smtp_command {
    enum smtp_verb verb;
    struct slice word;     /* the first word as written, at most 64 bytes of it */
    struct slice arg;      /* what follows the word, blanks trimmed. EHLO, HELO, LHLO: the name */
    struct smtp_path path; /* MAIL, RCPT */
    struct smtp_param param[SMTP_PARAMS_MAX]; /* MAIL, RCPT */
    size_t nparams;
    struct slice mechanism, initial; /* AUTH; initial is base64 as sent ("=" means present but empty) */
    bool has_initial;
    uint64_t size;    /* BDAT */
    bool last;        /* BDAT, BURL */
    struct slice url; /* BURL */
};
/* line: without CRLF. 0, with verb SMTP_UNKNOWN for a word that is no command, or ERR_SYNTAX
 * (out->verb is set all the same), ERR_TOO_LONG (a local part or domain), ERR_LIMIT (parameters). */
MUST_CHECK int smtp_command_parse(struct arena *a, struct slice line, struct smtp_command *out);

/* A forward or reverse path without the brackets' surroundings: "<...>". Source routes are
 * dropped (RFC 5321 section 4.1.1.3). reverse: <> is allowed. */
MUST_CHECK int smtp_path_parse(struct arena *a, struct slice s, bool reverse, struct smtp_path *out);
/* Domain of RFC 5321 section 4.1.2 (LDH labels, or U-labels as UTF-8), at most 255 bytes. Underscores
 * are refused by the RFC and by this. */
bool smtp_domain_ok(struct slice s);
/* What EHLO may name: a domain, underscores tolerated, or an address literal. */
bool smtp_helo_ok(struct slice s);
/* local@domain as it goes into a command, the local part quoted where it must be. */
struct slice smtp_address(struct arena *a, struct slice local, struct slice domain);

enum smtp_body { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };
enum smtp_ret { SMTP_RET_UNSET, SMTP_RET_FULL, SMTP_RET_HDRS };
enum { SMTP_NOTIFY_NEVER = 1, SMTP_NOTIFY_SUCCESS = 2, SMTP_NOTIFY_FAILURE = 4, SMTP_NOTIFY_DELAY = 8 };
struct smtp_mail_opts {
    uint64_t size;       /* SIZE, RFC 1870; 0 = not said */
    enum smtp_body body; /* RFC 6152, 3030 */
    bool smtputf8;       /* RFC 6531 */
    bool requiretls;     /* RFC 8689 */
    uint32_t hold_for;   /* HOLDFOR, RFC 4865: seconds; 0 = not said */
    int64_t hold_until;  /* HOLDUNTIL: unix seconds; 0 = not said */
    int32_t by;          /* BY, RFC 2852 section 4: seconds from now, */
    char by_mode;        /* N or R; 0 = not said */
    bool by_trace;       /* T */
    bool has_priority;   /* MT-PRIORITY, RFC 6710 */
    int8_t priority;     /* -9 to 9 */
    bool prdr;           /* draft-hall-prdr-00 section 4.2 */
    enum smtp_ret ret;   /* RFC 3461 section 4.3 */
    struct slice envid;  /* RFC 3461 section 4.4, xtext decoded, at most 100 bytes */
    struct slice auth;   /* RFC 4954 section 5, xtext decoded; "<>" or an address */
    bool has_auth;
    struct slice solicit; /* SOLICIT, RFC 3865 section 2.3: keywords with commas between, or empty */
};
struct smtp_rcpt_opts {
    unsigned notify;    /* SMTP_NOTIFY_ bits; 0 = not said. RFC 3461 section 4.1 */
    struct slice orcpt; /* "rfc822;alice@example.com", xtext decoded, or empty. Section 4.2 */
};
/* ERR_SYNTAX: a value is wrong (501 5.5.4); ERR_UNSUPPORTED: a parameter nobody knows (555 5.5.4);
 * a parameter given twice is ERR_SYNTAX. */
MUST_CHECK int smtp_mail_opts(struct arena *a, const struct smtp_command *c, struct smtp_mail_opts *out);
MUST_CHECK int smtp_rcpt_opts(struct arena *a, const struct smtp_command *c, struct smtp_rcpt_opts *out);
/* Solicitation-keywords of RFC 3865 section 2.2? At most SMTP_SOLICIT_MAX bytes. */
bool smtp_solicit_ok(struct slice s);
/* Is a keyword in both lists (case ignored)? */
bool smtp_solicit_meets(struct slice one, struct slice other);
/* XCLIENT: what a trusted proxy says of the client behind it (Postfix's XCLIENT_README). */
#define SMTP_XCLIENT_WORDS "NAME ADDR PORT PROTO HELO DESTADDR DESTPORT"
struct smtp_xclient {
    struct ip ip; /* family 0: not said */
    uint16_t port;
    struct slice helo; /* empty: not said */
    bool extended;     /* it spoke ESMTP */
};
/* arg: what follows the command. ERR_SYNTAX: an attribute that is not offered, or a value that cannot be. */
MUST_CHECK int smtp_xclient(struct arena *a, struct slice arg, struct smtp_xclient *out);

/* xtext of RFC 3461 section 4. Decoding: ERR_SYNTAX. */
MUST_CHECK int smtp_xtext_decode(struct arena *a, struct slice s, struct slice *out);
void smtp_xtext_encode(struct buf *out, struct slice s);

/* ---- replies: making them ---- */

/* Adds "code enhanced text" to out; lines of text are separated by LF, each becomes a line of
 * the reply with code and enhanced repeated (RFC 2034 section 4). enhanced may be NULL or "". Control
 * characters become '?'; lines are cut at 500 bytes (section 4.5.3.1.5). */
void smtp_reply_put(struct buf *out, int code, const char *enhanced, struct slice text);

/* ---- replies: reading them (RFC 5321 section 4.2) ---- */

enum { SMTP_REPLY_LINE_MAX = 4096, SMTP_REPLY_LINES_MAX = 200, SMTP_REPLY_BYTES_MAX = 16 * 1024 };
struct smtp_reply {
    int code;             /* 220; 0 before the first line */
    uint16_t enhanced[3]; /* 5, 1, 1; zero when there was none */
    struct slice text;    /* the lines as received, LF between them, code and enhanced code
                             included: verbatim for logs and bounces. Cut at SMTP_REPLY_BYTES_MAX
                             and SMTP_REPLY_LINES_MAX; the code is known all the same */
    size_t lines;
    bool cut; /* text is not all of it */
    struct arena *a;
    size_t room; /* bytes allocated behind text */
};
/* Begins a reply whose text will lie in a. */
void smtp_reply_begin(struct smtp_reply *r, struct arena *a);
/* Takes the next line without CRLF: 1 the reply is complete, 0 more lines follow,
 * ERR_SYNTAX no reply, or the class of its code changes between lines. */
MUST_CHECK int smtp_reply_line(struct smtp_reply *r, struct slice line);
/* "5.1.1" at the front of s (RFC 3463 section 2)? Fills v and *len. */
bool smtp_enhanced_parse(struct slice s, uint16_t v[3], size_t *len);

enum {
    SMTP_EXT_PIPELINING = 1 << 0,
    SMTP_EXT_8BITMIME = 1 << 1,
    SMTP_EXT_SIZE = 1 << 2,
    SMTP_EXT_STARTTLS = 1 << 3,
    SMTP_EXT_DSN = 1 << 4,
    SMTP_EXT_ENHANCED = 1 << 5,
    SMTP_EXT_CHUNKING = 1 << 6,
    SMTP_EXT_BINARYMIME = 1 << 7,
    SMTP_EXT_SMTPUTF8 = 1 << 8,
    SMTP_EXT_AUTH = 1 << 9,
    SMTP_EXT_REQUIRETLS = 1 << 10,
    SMTP_EXT_LIMITS = 1 << 11,
    SMTP_EXT_PRDR = 1 << 12,
    SMTP_EXT_DELIVERBY = 1 << 13,
    SMTP_EXT_MT_PRIORITY = 1 << 14,
};
enum {
    SMTP_AUTH_PLAIN = 1,
    SMTP_AUTH_LOGIN = 2,
    SMTP_AUTH_SCRAM_SHA_256 = 4,
    SMTP_AUTH_SCRAM_SHA_256_PLUS = 8,
    SMTP_AUTH_EXTERNAL = 16,
};
struct smtp_ehlo {
    unsigned ext;                /* SMTP_EXT_ bits */
    unsigned auth;               /* SMTP_AUTH_ bits */
    uint64_t size;               /* the peer's limit, 0 = none told */
    uint32_t mail_max, rcpt_max; /* RFC 9422 LIMITS, 0 = none told */
    uint32_t by_min;             /* DELIVERBY: the least BY with mode R, in seconds; 0 = none told */
    struct slice name;           /* how the peer calls itself */
};
/* From a complete 250 reply to EHLO. Unknown and malformed keywords are passed over. */
void smtp_ehlo_parse(const struct smtp_reply *r, struct smtp_ehlo *out);

/* ---- mail data, receiving (RFC 5321 sections 4.1.1.4, 4.5.2) ---- */

enum smtp_fault {
    SMTP_FAULT_NONE,
    SMTP_FAULT_BARE_LF, /* an LF without CR */
    SMTP_FAULT_BARE_CR, /* a CR without LF */
};
struct smtp_data {
    uint8_t state;
    enum smtp_fault fault; /* the first one; the letter must be refused after its end */
    uint64_t size;         /* clean bytes given out so far */
    uint64_t lines;
    size_t line, longest; /* bytes in the present line, and in the longest, without CRLF */
};
enum { SMTP_DATA_MORE, SMTP_DATA_RUN, SMTP_DATA_END };
void smtp_data_begin(struct smtp_data *d);
/* Takes bytes from the front of *in and cuts one run of clean bytes (dots unstuffed, CRLF kept)
 * out of them; run lies in the input or is static, nothing is copied.
 * SMTP_DATA_MORE  *in is used up; run may hold bytes
 * SMTP_DATA_RUN   run holds bytes, call again with the rest of *in
 * SMTP_DATA_END   the final dot was seen; run may hold bytes; *in keeps what follows it
 * Only CRLF.CRLF ends the data, whatever faults are in it. */
int smtp_data_feed(struct smtp_data *d, struct slice *in, struct slice *run);
/* The same bookkeeping (faults, line lengths, size) for bytes of BDAT, which carry no dots. */
void smtp_data_scan(struct smtp_data *d, struct slice bytes);
/* Do the bytes scanned so far end with a line end (or are there none)? */
bool smtp_data_whole(const struct smtp_data *d);

/* ---- mail data, sending ---- */

struct smtp_stuff {
    uint8_t state;
};
static inline void smtp_stuff_begin(struct smtp_stuff *s) { s->state = 0; }
/* Cuts the next run to send off the front of *in; false when *in is used up. Runs are slices of
 * the input or of static text (the doubled dot; CRLF for a bare LF or CR, which stored letters do
 * not hold). */
bool smtp_stuff_next(struct smtp_stuff *s, struct slice *in, struct slice *run);
/* What ends the data: ".\r\n", with a CRLF before it when the last line had none. Static. */
struct slice smtp_stuff_end(const struct smtp_stuff *s);

/* What sending by lines adds to a text, dots not counted: a CR or LF for each bare LF or CR, a CRLF
 * for a last line without an end. POP3 tells sizes with it (RFC 1939 section 11). */
struct smtp_lines {
    uint64_t added;
    char last;
    bool any;
};
void smtp_lines_feed(struct smtp_lines *l, struct slice s);
uint64_t smtp_lines_end(const struct smtp_lines *l);

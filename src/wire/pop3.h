/* pop3.h - the grammar of POP3 (RFC 1939, 2449, 5034). Pure. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { POP3_LINE_MAX = 512, POP3_AUTH_LINE_MAX = 12288 }; /* RFC 2449 section 4: 255 octets, responses 512 */

/* clang-format off */
#define POP3_VERBS(X) \
    X(USER) X(PASS) X(APOP) X(AUTH) X(CAPA) X(STLS) X(QUIT) X(STAT) X(LIST) X(RETR) X(DELE) X(NOOP) \
    X(RSET) X(TOP) X(UIDL) X(UTF8) X(LANG)
/* clang-format on */
enum pop3_verb {
    POP3_UNKNOWN,
#define X(v) POP3_##v,
    POP3_VERBS(X)
#undef X
        POP3_VERB_COUNT
};

struct pop3_command {
    enum pop3_verb verb;
    struct slice word;
    struct slice arg; /* USER: name; PASS: the rest of the line, blanks included (RFC 1939 section 7) */
    bool has_number;  /* LIST and UIDL may do without */
    uint32_t number;  /* LIST RETR DELE TOP UIDL: message number, from 1 */
    uint32_t lines;   /* TOP */
    struct slice mechanism, initial; /* AUTH; initial is base64 as sent */
    bool has_initial;
};
/* line: without CRLF. 0 (verb POP3_UNKNOWN for a word that is no command), or ERR_SYNTAX with
 * out->verb set. Slices point into line. */
MUST_CHECK int pop3_command_parse(struct slice line, struct pop3_command *out);

/* "+OK text" / "-ERR [CODE] text" (RFC 2449 section 8); code NULL: none. Control characters become '?'. */
void pop3_ok(struct buf *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
void pop3_err(struct buf *out, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Byte-stuffing of multi-line responses (RFC 1939 section 3) is that of SMTP: smtp_stuff_next(). */

/* TOP (RFC 1939 section 7): the header section, the empty line and the first `lines` lines of the
 * body. Chunks of the letter go in; how many bytes of each belong to the answer comes out, and
 * *done once no more of the letter does. */
struct pop3_top {
    uint32_t lines; /* still to come */
    bool body, filled;
};
static inline void pop3_top_begin(struct pop3_top *t, uint32_t lines)
{
    *t = (struct pop3_top){.lines = lines};
}
size_t pop3_top_feed(struct pop3_top *t, struct slice chunk, bool *done);

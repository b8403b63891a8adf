/* milter.h - the packets between a mail server and a filter: the milter protocol, version 6, from the
 * server's side. Pure.
 *
 * It has no RFC. The reference is Sendmail's libmilter: mfdef.h (numbers) and mfapi.h of Debian's
 * libmilter-dev 8.17.1.9, and the pages of its API (xxfi_*, smfi_*). A packet is four bytes of length (the
 * highest first), a letter that says what it is, and what belongs to that. Texts end in NUL. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    MILTER_VERSION = 6,
    MILTER_VERSION_LEAST = 2,
    MILTER_CHUNK = 65535,          /* bytes of a body in one packet */
    MILTER_PACKET_MAX = 1 << 20,   /* of a filter's answer: SMFIP_MDS_1M, which nobody is promised */
    MILTER_REPLY_LINES_MAX = 32,   /* of an answer for the client: smfi_setmlreply() */
    MILTER_REPLY_TEXT_MAX = 16384, /* and its bytes */
};

/* What a filter may do to a letter (SMFIF_), as it said when the options were agreed on. */
enum {
    MILTER_ADD_HEADER = 0x001,
    MILTER_CHANGE_BODY = 0x002,
    MILTER_ADD_RCPT = 0x004,
    MILTER_DELETE_RCPT = 0x008,
    MILTER_CHANGE_HEADER = 0x010,
    MILTER_QUARANTINE = 0x020,
    MILTER_CHANGE_FROM = 0x040,
    MILTER_ADD_RCPT_ARGS = 0x080,
    MILTER_SET_MACROS = 0x100,
    MILTER_ACTIONS = 0x1ff,
};
/* Steps of which it wants to hear nothing (SMFIP_NO), steps that it does not answer (SMFIP_NR_), and what
 * else is agreed on. */
enum {
    MILTER_NO_CONNECT = 0x00000001,
    MILTER_NO_HELO = 0x00000002,
    MILTER_NO_MAIL = 0x00000004,
    MILTER_NO_RCPT = 0x00000008,
    MILTER_NO_BODY = 0x00000010,
    MILTER_NO_HEADERS = 0x00000020,
    MILTER_NO_EOH = 0x00000040,
    MILTER_MUTE_HEADER = 0x00000080,
    MILTER_NO_UNKNOWN = 0x00000100,
    MILTER_NO_DATA = 0x00000200,
    MILTER_SKIPS = 0x00000400,
    MILTER_MUTE_CONNECT = 0x00001000,
    MILTER_MUTE_HELO = 0x00002000,
    MILTER_MUTE_MAIL = 0x00004000,
    MILTER_MUTE_RCPT = 0x00008000,
    MILTER_MUTE_DATA = 0x00010000,
    MILTER_MUTE_UNKNOWN = 0x00020000,
    MILTER_MUTE_EOH = 0x00040000,
    MILTER_MUTE_BODY = 0x00080000,
    MILTER_LEADING_SPACE = 0x00100000,
    /* all but SMFIP_RCPT_REJ: a recipient that was refused concerns no filter */
    MILTER_PROTOCOL = 0x001ff7ff,
};

/* What the server says (SMFIC_). */
enum milter_command {
    MILTER_ABORT = 'A',
    MILTER_BODY = 'B',
    MILTER_CONNECT = 'C',
    MILTER_MACRO = 'D',
    MILTER_END = 'E',
    MILTER_HELO = 'H',
    MILTER_HEADER = 'L',
    MILTER_MAIL = 'M',
    MILTER_EOH = 'N',
    MILTER_OPTIONS = 'O',
    MILTER_RCPT = 'R',
    MILTER_QUIT = 'Q',
    MILTER_DATA = 'T',
    MILTER_UNKNOWN = 'U',
};
/* For which steps a filter may choose its macros, in the order of their numbers (SMFIM_). */
enum milter_stage {
    MILTER_AT_CONNECT,
    MILTER_AT_HELO,
    MILTER_AT_MAIL,
    MILTER_AT_RCPT,
    MILTER_AT_DATA,
    MILTER_AT_END,
    MILTER_AT_EOH,
    MILTER_STAGES,
};

/* What a filter says (SMFIR_). */
enum milter_reply_kind {
    MILTER_SAYS_ADD_RCPT = '+',
    MILTER_SAYS_DELETE_RCPT = '-',
    MILTER_SAYS_ADD_RCPT_ARGS = '2',
    MILTER_SAYS_SHUTDOWN = '4',
    MILTER_SAYS_ACCEPT = 'a',
    MILTER_SAYS_BODY = 'b',
    MILTER_SAYS_CONTINUE = 'c',
    MILTER_SAYS_DISCARD = 'd',
    MILTER_SAYS_FROM = 'e',
    MILTER_SAYS_FAIL = 'f',
    MILTER_SAYS_ADD_HEADER = 'h',
    MILTER_SAYS_INSERT_HEADER = 'i',
    MILTER_SAYS_CHANGE_HEADER = 'm',
    MILTER_SAYS_OPTIONS = 'O',
    MILTER_SAYS_PROGRESS = 'p',
    MILTER_SAYS_QUARANTINE = 'q',
    MILTER_SAYS_REJECT = 'r',
    MILTER_SAYS_SKIP = 's',
    MILTER_SAYS_TEMPFAIL = 't',
    MILTER_SAYS_CODE = 'y',
};
struct milter_options {
    uint32_t version, actions, protocol;
    struct slice macros[MILTER_STAGES]; /* names with blanks between; p NULL: the usual ones */
};
struct milter_reply { /* slices point into the packet, or lie in the arena */
    enum milter_reply_kind kind;
    struct milter_options options;
    uint32_t index;           /* of a header field */
    struct slice name, value; /* of a header field */
    struct slice text;        /* an address, a reason, bytes of a body; of a code its lines with LF between */
    int code;                 /* 4xx or 5xx */
    char enhanced[12];        /* with it; always there */
};

/* The packet at the start of what has come: its size with the length in front, 0 while it is not whole.
 * ERR_SYNTAX: it is empty; ERR_TOO_LONG. */
MUST_CHECK int milter_packet(struct slice in, size_t *size);
/* A whole packet, length and all. ERR_SYNTAX, ERR_LIMIT, with a sentence. */
MUST_CHECK int milter_reply_parse(struct arena *a, struct slice packet, struct milter_reply *out);
/* The text of a reply to the client: code, enhanced code and text of *out. ERR_SYNTAX, ERR_LIMIT. */
MUST_CHECK int milter_code_parse(struct arena *a, struct slice text, struct milter_reply *out);
bool milter_field_name(struct slice s); /* may a header field have that name? */
/* What must have been agreed on before a filter may say this; 0: nothing. */
uint32_t milter_action_of(enum milter_reply_kind kind);

/* ---- what the server says ---- */

/* A packet of texts, each with its NUL; one that holds a NUL ends there. */
void milter_put(struct buf *b, enum milter_command c, const struct slice *text, size_t n);
void milter_put_options(struct buf *b);
/* Names and values in turn, for the command that follows. */
void milter_put_macros(struct buf *b, enum milter_command c, const struct slice *pair, size_t n);
/* A client: its name, and its address as text of family 4 or 6; of family 0 it is unknown. */
void milter_put_connect(struct buf *b, struct slice name, int family, uint16_t port, struct slice address);
/* The value as it stands in the letter: line ends become LF; a blank at its start goes unless that was agreed
 * on. */
void milter_put_header(struct buf *b, struct slice name, struct slice value, bool leading_space);
void milter_put_body(struct buf *b, struct slice bytes); /* at most MILTER_CHUNK */
/* The other way round: what a filter wants to stand behind the colon of a field, as it may stand in a
 * letter: CR LF at line ends, a blank behind each, no NUL. In a. */
struct slice milter_header_value(struct arena *a, struct slice value, bool leading_space);

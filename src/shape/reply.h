/* reply.h - what a server's refusal means: for the address, for us, for what to do next. Pure.
 *
 * The rules are data: share/replies/rules, embedded in the program. Which decides, in this order:
 *   1. known text: of the provider (known by the name of its MX or by its text), else wordings that
 *      every server understands in one way
 *   2. the enhanced code (RFC 3463), when it says more than "something"
 *   3. weaker wordings, then the basic code
 * docs/delivery.md says what each class does. */
#pragma once
#include "base/arena.h"
#include "base/err.h"

#define REPLY_CLASSES(X)                                                                                     \
    /*  name        word          about    */                                                                \
    X(UNKNOWN, "unknown", SERVER)       /* nothing decides */                                                \
    X(INVALID, "invalid", RECIPIENT)    /* no such address */                                                \
    X(INACTIVE, "inactive", RECIPIENT)  /* switched off, closed, not used any more */                        \
    X(FULL, "full", RECIPIENT)          /* the mailbox has no room */                                        \
    X(POLICY, "policy", SENDER)         /* a rule of theirs, not a fact about the address */                 \
    X(AUTH, "auth", SENDER)             /* SPF, DKIM, DMARC */                                               \
    X(REPUTATION, "reputation", SENDER) /* block lists, bad name */                                          \
    X(CONTENT, "content", LETTER)       /* taken for spam, a virus, malformed */                             \
    X(RATE, "rate", SENDER)             /* too much, too fast */                                             \
    X(GREYLIST, "greylist", SERVER)     /* who comes back is let in */                                       \
    X(SIZE, "size", LETTER)             /* too large */                                                      \
    X(TLS, "tls", SENDER)               /* they want encryption */                                           \
    X(DNS, "dns", SENDER)               /* our names in the DNS */                                           \
    X(RELAY, "relay", SENDER)           /* they do not take mail for that domain, or not from us */          \
    X(PROTOCOL, "protocol", SERVER)     /* a command was not understood */                                   \
    X(NETWORK, "network", SERVER)       /* no connection, or it broke */                                     \
    X(TEMPORARY, "temporary", SERVER)   /* a trouble of theirs */                                            \
    X(AUTO, "auto", SERVER)             /* no refusal: an automatic letter */

enum reply_class {
#define X(name, word, about) REPLY_##name,
    REPLY_CLASSES(X)
#undef X
        REPLY_NCLASSES
};
/* Whom the refusal concerns. SENDER: us, our address or our domain. */
enum reply_about { REPLY_OF_SERVER, REPLY_OF_RECIPIENT, REPLY_OF_SENDER, REPLY_OF_LETTER };
enum reply_suppress { REPLY_KEEP, REPLY_SUPPRESS_REPEATED, REPLY_SUPPRESS };

const char *reply_class_word(enum reply_class c); /* static */
bool reply_class_named(struct slice word, enum reply_class *out);
const char *reply_about_word(enum reply_about a);

struct reply_in {
    int code;              /* 0: it is no reply, but a line of an automatic letter */
    struct slice enhanced; /* "5.1.1", or empty: then it is looked for in the text */
    struct slice text;     /* the whole reply, lines separated by LF, with codes or without */
    struct slice host;     /* who said it, or empty */
};
struct reply_verdict {
    enum reply_class class;
    const char *rule; /* "google/no-such-user", "code/mailbox-full"; lives with the rules */
    enum reply_about about;
    enum reply_suppress suppress; /* may the address be kept from getting mail? */
    bool again;                   /* worth another attempt; also after a 5yz that speaks of a moment */
    bool pause;                   /* it speaks of us: after a few of them the path should rest */
    unsigned first, most; /* the first and the longest wait between attempts, as multiples of the configured
                             first one; 0: as configured */
};

struct replies;
/* Reads rules; they live until replies_close. ERR_SYNTAX with the line. */
MUST_CHECK int replies_read(struct replies **out, struct slice rules);
MUST_CHECK int replies_open(struct replies **out); /* the ones in the program */
void replies_close(struct replies **r);
struct slice replies_dated(const struct replies *r); /* "2026-11-29" */
size_t replies_count(const struct replies *r);       /* how many rules */
/* a: scratch. Always gives a class. */
void reply_class(const struct replies *r, struct arena *a, const struct reply_in *in,
                 struct reply_verdict *out);

/* One line of a corpus: class TAB provider TAB code TAB enhanced TAB text, "-" for none, "\n" between the
 * lines of a reply. class "a|b": either is right. False: a comment or empty. ERR_SYNTAX in *bad. */
struct reply_line {
    struct slice class, provider;
    struct reply_in in;
};
bool reply_line_read(struct arena *a, struct slice line, struct reply_line *out, int *bad);
bool reply_line_expects(const struct reply_line *l, enum reply_class c);

/* What is wrong with the rules: cannot fire, shadowed, contradicting, not proved by a line of the
 * corpus; each in a sentence. The number of them. Slow: for `tram shaping check`. */
struct buf;
size_t replies_check(const struct replies *r, struct slice corpus, struct buf *out);
/* The corpus in the program, share/replies/corpus.tsv. */
struct slice replies_corpus(void);

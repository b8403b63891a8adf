/* dsn_i.h - what the files of the delivery report share. */
#pragma once
#include "dsn.h"
#include "head.h"

/* All that a report says to people in one language; "{}" stands for what is filled in. UTF-8. */
struct dsn_language {
    const char *tag;                                  /* RFC 5646 */
    struct slice (*date)(struct arena *a, int64_t t); /* t: Unix seconds */
    const char *subject[DSN_EXPANDED + 1];            /* {}: the address, or recipients */
    const char *recipients;                           /* {}: how many */
    const char *intro, *arrived;                      /* {}: our host name; when */
    const char *opening[DSN_EXPANDED + 1];            /* {}: the address */
    const char *gave_up, *tries_until;                /* {}: when */
    const char *tries;
    const char *can;          /* {}: what */
    const char *said;         /* {}: the other server */
    const char *reason;       /* before a sentence of our own */
    const char *whole, *head; /* is attached */
    const char *number;       /* {}: our id of the letter */
    struct {
        const char *what, *can; /* what happened and whose matter it is; what the sender can do */
    } cause[DSN_NCAUSES];
};
extern const struct dsn_language dsn_en, dsn_vi, dsn_de, dsn_fr, dsn_es;
/* `known`, else the language that the original's sender asks for (Accept-Language, RFC 3282, else
 * Content-Language), English when that is none of ours. Never NULL. a: scratch. */
const struct dsn_language *dsn_language(struct arena *a, const struct mail_head *h, struct slice known);
struct slice dsn_fill(struct arena *a, const char *sentence, struct slice what);

enum dsn_action dsn_worst(const struct dsn *d);         /* failed before delayed before the rest */
struct slice dsn_status(const struct dsn_recipient *r); /* "5.1.1", always well-formed */
/* The first part, for people, with its part header: in the language and, when that is another, in English
 * below it. */
void dsn_put_words(struct arena *a, struct buf *out, const struct dsn *d, const struct dsn_language *l);
/* Text with each line ended by CRLF, whatever its line ends were. */
void dsn_put_lines(struct buf *out, struct slice text);
void dsn_put_qp(struct buf *out, struct slice text); /* quoted-printable; line ends as in dsn_put_lines */

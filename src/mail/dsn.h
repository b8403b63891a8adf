/* dsn.h - delivery status notifications (RFC 3464 in multipart/report, RFC 6522). Pure. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

/* Why a letter is not delivered (yet), for the words to people: what happened, whose matter it is,
 * what the sender can do. UNKNOWN: as the status says. */
enum dsn_cause {
    DSN_CAUSE_UNKNOWN,
    DSN_CAUSE_AUTO = DSN_CAUSE_UNKNOWN, /* an automatic letter: no refusal */
    DSN_CAUSE_INVALID,
    DSN_CAUSE_NO_DOMAIN,
    DSN_CAUSE_NO_MAIL, /* a null MX (RFC 7505) */
    DSN_CAUSE_BAD_ADDRESS,
    DSN_CAUSE_INACTIVE,
    DSN_CAUSE_FULL,
    DSN_CAUSE_POLICY,
    DSN_CAUSE_AUTH,
    DSN_CAUSE_REPUTATION,
    DSN_CAUSE_CONTENT,
    DSN_CAUSE_RATE,
    DSN_CAUSE_GREYLIST,
    DSN_CAUSE_SIZE,
    DSN_CAUSE_FORM,
    DSN_CAUSE_TLS,
    DSN_CAUSE_DNS,
    DSN_CAUSE_RELAY,
    DSN_CAUSE_PROTOCOL,
    DSN_CAUSE_NETWORK,
    DSN_CAUSE_TEMPORARY,
    DSN_CAUSE_LOOP,
    DSN_NCAUSES
};

struct dsn_recipient {
    struct slice address;  /* local@domain that was tried (Final-Recipient) */
    struct slice original; /* ORCPT as given, "rfc822;..." with the address decoded, or empty */
    enum dsn_action action;
    enum dsn_cause cause;
    struct slice status;     /* "5.1.1" (RFC 3463); empty: "5.0.0", "4.0.0" or "2.0.0" by action */
    struct slice remote_mta; /* the host that answered, or empty */
    struct slice diagnostic; /* what it answered, verbatim, lines separated by LF; or empty */
    struct slice reason;     /* our own sentence when no other server said anything; or empty */
    int64_t last_attempt;    /* Unix seconds; 0: none */
    int64_t retry_until;     /* delayed only; 0: unknown */
    int64_t expired;         /* failed only: when its time was over; 0: it was refused for good */
};
struct dsn {
    struct slice hostname;      /* of this server: Reporting-MTA, and domain of the Message-ID */
    struct slice from;          /* address of the notification's From, "mailer-daemon@..." */
    struct slice to;            /* the envelope sender of the original */
    struct slice envelope_id;   /* ENVID (decoded), or empty */
    struct slice queue_id;      /* our id of the original */
    struct slice received_from; /* Received-From-MTA, or empty */
    int64_t arrival;            /* of the original, Unix seconds */
    int64_t deliver_by;         /* RFC 2852 section 5; 0: not said */
    int64_t held_until;         /* RFC 4865 section 5.1.2; 0: not said, */
    uint32_t held_for;          /* or said as so many seconds */
    int64_t now;
    uint64_t random; /* for Message-ID and boundary */
    const struct dsn_recipient *recipient;
    size_t n;
    struct slice language; /* of the sender, a tag of RFC 5646 ("vi", "de-AT"); empty: as the letter says */
    struct slice original; /* the original letter's header section or the whole letter */
    bool global;           /* to who takes UTF-8 (SMTPUTF8): in the forms of RFC 6533 section 4 */
    bool full;             /* RET=FULL: attach `original` whole (message/rfc822), else its head */
};
enum { DSN_RETURN_HEAD_MAX = 64 * 1024 };

/* The whole notification in the language of the original's sender (`language`, else Accept-Language or
 * Content-Language of the letter), with English below where that is another; header section first, ASCII
 * unless it is global or `original` is not, ready to be queued with a null sender. a: scratch. ERR_USAGE: no
 * recipients or no address to send it to. */
MUST_CHECK int mail_dsn_build(struct arena *a, struct buf *out, const struct dsn *d);
/* The languages that there are words in. */
#define DSN_LANGUAGES "en (English), vi (Vietnamese), de (German), fr (French), es (Spanish)"
/* The one of them that a tag means, whatever its region or script ("vi-VN": "vi"); NULL: none. */
const char *mail_dsn_language(struct slice tag);
/* The address of an ORCPT of type utf-8 for another server (RFC 6533 section 3): unitext when it was told
 * SMTPUTF8, else every byte is ASCII. */
void mail_orcpt_utf8(struct buf *out, struct slice address, bool unitext);

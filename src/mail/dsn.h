/* dsn.h - delivery status notifications (RFC 3464 in multipart/report, RFC 6522). Pure. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

struct dsn_recipient {
    struct slice address;  /* local@domain that was tried (Final-Recipient) */
    struct slice original; /* ORCPT as given, "rfc822;..." with the address decoded, or empty */
    enum dsn_action action;
    struct slice status;     /* "5.1.1" (RFC 3463); empty: "5.0.0", "4.0.0" or "2.0.0" by action */
    struct slice remote_mta; /* the host that answered, or empty */
    struct slice diagnostic; /* what it answered, verbatim, lines separated by LF; or empty */
    struct slice reason;     /* our own sentence when no other server said anything; or empty */
    int64_t last_attempt;    /* Unix seconds; 0: none */
    int64_t retry_until;     /* delayed only; 0: unknown */
};
struct dsn {
    struct slice hostname;      /* of this server: Reporting-MTA, and domain of the Message-ID */
    struct slice from;          /* address of the notification's From, "mailer-daemon@..." */
    struct slice to;            /* the envelope sender of the original */
    struct slice envelope_id;   /* ENVID (decoded), or empty */
    struct slice queue_id;      /* our id of the original */
    struct slice received_from; /* Received-From-MTA, or empty */
    int64_t arrival;            /* of the original, Unix seconds */
    int64_t now;
    uint64_t random; /* for Message-ID and boundary */
    const struct dsn_recipient *recipient;
    size_t n;
    struct slice original; /* the original letter's header section or the whole letter */
    bool full;             /* RET=FULL: attach `original` whole (message/rfc822), else its head */
    bool utf8;             /* the original came with SMTPUTF8: RFC 6533 types when needed */
};
enum { DSN_RETURN_HEAD_MAX = 64 * 1024 };

/* The whole notification, header section first, ready to be queued with a null sender.
 * a: scratch. ERR_USAGE: no recipients or no address to send it to. */
MUST_CHECK int mail_dsn_build(struct arena *a, struct buf *out, const struct dsn *d);

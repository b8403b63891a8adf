/* tlsrpt.h - SMTP TLS reports (RFC 8460): what came of our sessions with others, counted and told to the
 * domains that ask for it when the day is over; and what others tell about sessions with us.
 *
 * As with DMARC (dmarc_store.h) counts are kept in memory and each new one is noted (kv_note): nobody waits.
 * Objects rt:DAY and rt:in:NAME; docs/format.md has their rows. All is bounded. */
#pragma once
#include "queue/letter.h"

struct dns;
struct fetch;
struct policy_session;
struct store;
struct tlsrpt;

/* The local part of the address that our TLSRPT records name. */
#define TLSRPT_LOCAL "tls-reports"

enum {
    TLSRPT_ROWS = 500,         /* different rows of one domain between two reports */
    TLSRPT_ROWS_ALL = 100000,  /* of all domains together */
    TLSRPT_TO_MAX = 4,         /* addresses of one record that are reported to */
    TLSRPT_JSON_MAX = 1 << 20, /* bytes of a report that is read */
    TLSRPT_JSON_PARTS = 20000, /* objects and arrays in it: in memory each is a hundred times its two bytes */
    TLSRPT_PACKED_MAX = 1 << 20, /* of the letter that it comes in */
    TLSRPT_KEEP_DAYS = 100,      /* what was reported about us */
    TLSRPT_IN_REPORTS = 5000,    /* kept for one domain of ours */
    TLSRPT_IN_OF_ONE = 24,       /* of one reporter for one day */
    TLSRPT_IN_FAILURES = 300,    /* kept of one report; the rest is only counted */
};

struct tlsrpt_conf { /* everything but the hostname is borrowed */
    struct store *store;
    letter_take *take; /* for our reports */
    void *take_ctx;
    struct dns *dns;
    const struct fetch *fetch;
    struct slice hostname; /* copied */
    bool gather;           /* count for reports to others, and send them */
};
void tlsrpt_open(struct tlsrpt **out, const struct tlsrpt_conf *conf);
void tlsrpt_close(struct tlsrpt **t);

/* ---- gathering: a policy_note ---- */

void tlsrpt_note(void *tlsrpt, const struct policy_session *s);

/* ---- sending ---- */

struct tlsrpt_sent {
    uint64_t domains; /* whose rows were reported, or given up because nobody asks for them */
    uint64_t letters, posts;
    uint64_t later; /* domains that could not be served now */
};
/* Reports every day that is over, each domain within four hours (section 4.1); now: at once, and what today
 * has so far. from_domain: ours. SUSPENDS. ERR_BUSY: another fiber does this. */
MUST_CHECK int tlsrpt_send(struct tlsrpt *t, struct slice from_domain, bool now, struct tlsrpt_sent *out);
/* Forgets what is older than TLSRPT_KEEP_DAYS. SUSPENDS. */
MUST_CHECK int tlsrpt_expire(struct tlsrpt *t);

/* The mailto: and https: addresses of a record "v=TLSRPTv1; rua=..." (section 3); at most TLSRPT_TO_MAX, 0
 * when it is none. In the arena. */
size_t tlsrpt_record(struct arena *a, struct slice txt, struct slice out[TLSRPT_TO_MAX]);

/* ---- receiving ---- */

/* The letter `id` came for TLSRPT_LOCAL at a domain of ours: its report is read and kept, when `author`, the
 * domain that DMARC proved, is not empty (section 3: one without a DKIM signature is ignored). SUSPENDS. Why
 * a report is not kept is told in the log. */
void tlsrpt_take(struct tlsrpt *t, const struct letter_id *id, const struct body_ref *body,
                 struct slice author);

struct tlsrpt_failure { /* sessions that failed in the same way, at the same host of ours */
    struct slice result, kind, host, reason;
    struct slice sender; /* an address from which they came; or empty */
    uint64_t count;
};
struct tlsrpt_report {
    struct slice org, contact, id;
    int64_t begin, end;
    struct slice domain; /* the first policy's */
    uint64_t good, bad;
    struct tlsrpt_failure *failure;
    size_t n;
};
/* ERR_SYNTAX, ERR_LIMIT. In the arena. Pure. */
MUST_CHECK int tlsrpt_parse(struct arena *a, struct slice json, struct tlsrpt_report *out);

struct tlsrpt_history {
    uint64_t reports, good, bad;
    int64_t first, last;
    struct slice *reporter; /* the organisations */
    size_t nreporter;
    struct tlsrpt_failure *failure; /* most sessions first; at most 1,000 */
    size_t n;
};
/* From reports whose period ended at `since` or later. ERR_NOT_FOUND: no domain of ours. SUSPENDS. */
MUST_CHECK int tlsrpt_read(struct tlsrpt *t, struct arena *a, struct slice domain, int64_t since,
                           struct tlsrpt_history *out);

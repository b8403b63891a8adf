/* dmarc_store.h - DMARC aggregate reports of this node: what is gathered for others and sent when
 * the day is over, and what others report about our domains.
 *
 * Gathering counts letters that differ in nothing a report tells (mailauth/dmarc_report.h) in
 * memory and notes each new count (kv_note): nobody waits, and a crash loses at most the notes
 * that no commit has taken along. Objects r:DAY and r:in:DOMAIN; docs/format.md has their rows.
 * All is bounded: rows a domain and day, rows in all, reports kept for a domain. */
#pragma once
#include "dmarc_report.h"
#include "queue/letter.h"

struct dmarc_store;
struct store;

/* The local part of the address that our DMARC records name. */
#define DMARC_REPORTS_LOCAL "dmarc-reports"

enum {
    DMARC_GATHER_ROWS = DMARC_REPORT_ROWS_MAX, /* different rows of one domain between two reports */
    DMARC_GATHER_ALL = 200000,                 /* of all domains together */
    DMARC_GATHER_DOMAINS = 20000,              /* domains */
    DMARC_TEXT_MAX = 4096,                     /* a longer record is not reported to */
    DMARC_READ_AT_ONCE = 4,                    /* letters with reports in memory */
    DMARC_KEEP_DAYS = 100,                     /* what was reported about us */
    DMARC_IN_REPORTS = 5000,                   /* kept for one domain of ours */
    DMARC_IN_UNPROVED = 500,                   /* of these, from senders that did not pass DMARC */
    DMARC_IN_OF_ONE = 24,                      /* of one reporter for one day */
    DMARC_IN_ROWS = 5000,                      /* rows kept of one report; the rest is only counted */
    DMARC_IN_BYTES = 1 << 20,                  /* and bytes */
    DMARC_IN_OLDEST_DAYS = 30,                 /* a report about an earlier time is not kept */
};

struct dmarc_store_conf {
    struct store *store;
    letter_take *take; /* for our reports */
    void *take_ctx;
    struct dns *dns;
    struct slice hostname; /* ours; copied */
    bool gather;           /* count for reports to others, and send them */
};
/* Everything but the hostname is borrowed. */
MUST_CHECK int dmarc_store_open(struct dmarc_store **out, const struct dmarc_store_conf *conf);
void dmarc_store_close(struct dmarc_store **ds); /* SUSPENDS */

/* ---- gathering ---- */

/* Counts a letter from the world, whatever became of it; nothing when its author's domain asks for
 * no reports. Does not suspend; from any loop. */
void dmarc_store_note(struct dmarc_store *ds, const struct ip *source, const struct mailauth_verdict *v);

/* ---- sending ---- */

struct dmarc_sent {
    uint64_t domains; /* whose rows were reported, or given up because nobody may be told */
    uint64_t letters; /* made */
    uint64_t kept;    /* about our own domains: kept here, without a letter */
    uint64_t later;   /* domains that could not be served now */
};
/* Reports every day that is over; now: also what today has so far. from_domain: the domain that
 * the reports come from (ours, so that they are signed). SUSPENDS. ERR_BUSY: another fiber does
 * this. What fails for the moment is counted in `later` and tried again by the next call. */
MUST_CHECK int dmarc_store_send(struct dmarc_store *ds, struct slice from_domain, bool now,
                                struct dmarc_sent *out);
/* Forgets what is older than DMARC_KEEP_DAYS. SUSPENDS. */
MUST_CHECK int dmarc_store_expire(struct dmarc_store *ds);

/* ---- receiving ---- */

/* The letter `id` came for DMARC_REPORTS_LOCAL at a domain of ours: its report is read (on a
 * thread of its own, one at a time) and kept. author: the domain that DMARC proved to be the
 * sender's, or empty. SUSPENDS. Why a report is not kept is told in the log. */
void dmarc_store_take(struct dmarc_store *ds, const struct letter_id *id, const struct body_ref *body,
                      struct slice author);

/* Who sends as `domain`, from the reports whose period ended at `since` or later. */
struct dmarc_line { /* letters with the same source, From domain, results and disposition */
    struct ip source;
    struct slice header_from;
    enum dmarc_disposition disposition;
    bool dkim, spf; /* passed and aligned */
    uint64_t count;
    struct slice *reporter; /* who told: at most 8 names */
    size_t nreporter;
};
struct dmarc_history {
    struct dmarc_line *line; /* most letters first; at most 10,000 */
    size_t n;
    uint64_t reports, unproved; /* unproved: reports whose sender did not pass DMARC; counted, not used */
    uint64_t passing, failing;  /* letters, all of them */
    uint64_t not_listed;        /* letters that no line shows */
    int64_t first, last;        /* of the periods; 0 when there is no report */
};
/* ERR_NOT_FOUND: no domain of ours. SUSPENDS. */
MUST_CHECK int dmarc_store_read(struct dmarc_store *ds, struct arena *a, struct slice domain, int64_t since,
                                struct dmarc_history *out);

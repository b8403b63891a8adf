/* dmarc_report.h - DMARC aggregate reports (RFC 9990): rows gathered, written, sent where they
 * are wanted, and read. Pure but for dmarc_report_destinations().
 *
 * A row is one (address, identifiers, results, disposition) tuple with a count. Rows are
 * kept by (policy domain, dmarc_row_key) and counted up; a report is one policy
 * domain's rows of one period. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/ip.h"
#include "dmarc/dmarc.h"
#include "dns/dns.h"

struct mailauth_verdict;

enum {
    DMARC_ROW_DKIM_MAX = 8,        /* signatures of one row */
    DMARC_ROW_BYTES_MAX = 8192,    /* an encoded row is never longer */
    DMARC_REPORT_ROWS_MAX = 20000, /* of one report, written or read */
    DMARC_XML_MAX = 16 << 20,      /* unpacked */
    DMARC_PACKED_MAX = 10 << 20,   /* as received */
    DMARC_DESTINATIONS_MAX = 5,
};

/* What was done with the letters (ActionDispositionType). */
enum dmarc_disposition { DMARC_D_NONE, DMARC_D_PASS, DMARC_D_QUARANTINE, DMARC_D_REJECT };
const char *dmarc_disposition_name(enum dmarc_disposition d); /* "none" "pass" "quarantine" "reject" */

struct dmarc_row_dkim {
    struct slice domain, selector, result; /* result: the word of RFC 8601 */
};
struct dmarc_row {
    struct ip source;
    uint64_t count;
    enum dmarc_disposition disposition;
    bool dkim_aligned, spf_aligned;
    struct slice reason_type, reason; /* override: "local_policy" ..., and a comment; empty when none */
    struct slice header_from;
    struct slice envelope_from; /* domain; empty: null path */
    struct slice envelope_to;   /* domain, or empty */
    struct dmarc_row_dkim dkim[DMARC_ROW_DKIM_MAX];
    size_t ndkim;
    struct slice spf_domain, spf_result;
};

/* The policy as it was seen (policy_published), and where reports go. */
struct dmarc_published {
    struct slice domain;
    enum dmarc_policy p, sp, np;
    bool has_sp, has_np;
    bool adkim_strict, aspf_strict, testing;
    struct slice fo;        /* "0", "1:d" ...; empty when not said */
    struct slice discovery; /* "treewalk", "psl"; empty when not said */
};

/* ---- gathering ---- */

/* The row of one letter, count 1. Slices point into the verdict or are static. disposition:
 * what was really done. False: nothing to report (no record, or no rua=). */
bool dmarc_row_of(struct arena *a, const struct ip *source, const struct mailauth_verdict *v,
                  struct dmarc_row *row, struct dmarc_published *published);
/* The same for rows that differ in nothing but the count: 32 hex digits. */
struct slice dmarc_row_key(struct arena *a, const struct dmarc_row *r);
/* Bytes to keep: printable where the fields are, with a format version in front; texts are cut
 * so that it stays below DMARC_ROW_BYTES_MAX. */
void dmarc_row_encode(struct buf *out, const struct dmarc_row *r);
/* ERR_SYNTAX, ERR_VERSION. Slices point into the bytes. */
MUST_CHECK int dmarc_row_decode(struct slice bytes, struct dmarc_row *out);
void dmarc_published_encode(struct buf *out, const struct dmarc_published *p);
MUST_CHECK int dmarc_published_decode(struct slice bytes, struct dmarc_published *out);

/* ---- writing ---- */

struct dmarc_report_meta {
    struct slice org_name, email, extra; /* extra: contact details, or empty */
    struct slice report_id;              /* dot-atom @ dot-atom: dmarc_report_id() */
    int64_t begin, end;                  /* seconds since the epoch, the period's first and last */
    struct slice generator;              /* name and version of the program */
    struct slice error;                  /* what was wrong with the record, or empty */
};
/* begin, each row, end: the XML document (namespace urn:ietf:params:xml:ns:dmarc-2.0). */
void dmarc_xml_begin(struct buf *out, const struct dmarc_report_meta *m, const struct dmarc_published *p);
void dmarc_xml_row(struct buf *out, const struct dmarc_row *r);
void dmarc_xml_end(struct buf *out);
/* gzip (RFC 1952). ERR_TOO_LONG when out's cap is passed. CPU-bound: offload what is large. */
MUST_CHECK int dmarc_gzip(struct buf *out, struct slice in);

/* "1700000000-1700086399.example.com@mx.us.example" */
struct slice dmarc_report_id(struct arena *a, struct slice policy_domain, struct slice submitter,
                             int64_t begin, int64_t end);
/* "mx.us.example!example.com!1700000000!1700086399!unique.xml.gz" */
struct slice dmarc_report_filename(struct arena *a, struct slice submitter, struct slice policy_domain,
                                   int64_t begin, int64_t end, struct slice unique);
/* "Report Domain: example.com Submitter: mx.us.example Report-ID: <id>" */
struct slice dmarc_report_subject(struct arena *a, struct slice policy_domain, struct slice submitter,
                                  struct slice id);

/* The letter that carries a report: multipart/mixed, a line for people and the gzip as an
 * attachment. Without trace fields and signatures; it must leave with an aligned DKIM signature. */
struct dmarc_mail {
    struct slice from, to; /* mailboxes */
    struct slice policy_domain, submitter, report_id;
    int64_t begin, end, date; /* seconds since the epoch */
    uint64_t random;          /* for the Message-ID, the boundary and the unique part of the file name */
    struct slice gzip;
};
void dmarc_report_message(struct buf *out, const struct dmarc_mail *m);

/* ---- where to (section 4 of the text: verifying external destinations) ---- */

struct dmarc_destination {
    struct slice mailbox;
    uint64_t max_bytes; /* the obsolete size limit of the URI, 0 = none */
    bool allowed;
    bool temporary;   /* not known now: ask again later */
    struct slice why; /* a sentence when it is not allowed */
};
/* The mailto: addresses of rua, at most DMARC_DESTINATIONS_MAX. An address outside of the
 * organisational domain must have agreed (TXT at <domain>._report._dmarc.<host>), and may name
 * another mailbox at the same host. SUSPENDS. Returns their number or ERR_CANCELED. */
MUST_CHECK int dmarc_report_destinations(struct dns *d, struct arena *a, struct slice policy_domain,
                                         const struct dmarc_record *r,
                                         struct dmarc_destination out[DMARC_DESTINATIONS_MAX]);

/* ---- reading ---- */

/* A report part as it came (application/gzip, application/zip, text/xml): gzip, zip or plain XML
 * by its first bytes, unpacked into out with at most DMARC_XML_MAX bytes. ERR_LIMIT: bombs,
 * and zip files with more than one document; ERR_SYNTAX: damaged; ERR_UNSUPPORTED. CPU-bound. */
MUST_CHECK int dmarc_unpack(struct buf *out, struct slice in);

/* The first part of a letter that looks like a report and can be unpacked, with what it holds. ERR_NOT_FOUND:
 * no part looks like one. Otherwise as dmarc_unpack(). */
struct mime_part;
typedef bool report_looks(struct arena *a, const struct mime_part *leaf);
MUST_CHECK int report_in_message(struct arena *a, struct slice message, report_looks *looks, struct buf *out);
/* In lines of 76 columns. */
void report_base64(struct buf *out, struct slice bytes);

/* The report in a letter: the first part of it that is one, decoded and unpacked into out. Whether
 * the letter is authentic (an aligned DMARC pass of its sender) is for the caller to ask first.
 * ERR_NOT_FOUND: no part looks like a report. Otherwise as dmarc_unpack(). */
MUST_CHECK int dmarc_report_in_message(struct arena *a, struct slice message, struct buf *out);

struct dmarc_report {
    struct slice org_name, email, extra, report_id, error, generator;
    int64_t begin, end;
    struct dmarc_published published;
    struct dmarc_row *row;
    size_t n;
    size_t skipped; /* records that could not be understood */
};
/* Reports of RFC 9990 and of RFC 7489, any namespace. Everything in the arena. ERR_SYNTAX with a
 * sentence; ERR_LIMIT; ERR_DENIED for a document type declaration or entities of its own. */
MUST_CHECK int dmarc_report_parse(struct arena *a, struct slice xml, struct dmarc_report *out);

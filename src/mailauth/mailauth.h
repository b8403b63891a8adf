/* mailauth.h - who sent this letter? One call chain that runs iprev, SPF, DKIM, ARC and DMARC and
 * gives one verdict with all the evidence; the header field, the policy, the trace, the reports
 * and `tram check message` print from it.
 *
 *     mailauth_new(&m, ctx, &arena, &conn, &envelope);   at the first accepted RCPT, or at DATA:
 *                                                        the DNS questions about address and
 *                                                        envelope begin here, in child fibers
 *     mailauth_head(m, &head, raw);                      when the header section is complete
 *     mailauth_body(m, bytes);                           each piece of the body, as it comes
 *     mailauth_end(m, &verdict);                         after the final dot: SUSPENDS
 *     mailauth_free(&m);                                 always; also to give up in between
 *
 * The DNS time of SPF, iprev and of the keys of signatures overlaps the transfer of the body. All
 * calls are made by one fiber. Bodies stream: memory does not depend on the size of the letter. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/ip.h"
#include "dkim/arc.h"
#include "dkim/dkim.h"
#include "dmarc/dmarc.h"
#include "dns/dns.h"
#include "iprev.h"
#include "mail/authres.h"
#include "mail/head.h"
#include "spf/spf.h"

/* What every check of a server shares. Lives as long as the checks; not copied. */
struct mailauth_ctx {
    struct dns *dns;
    struct slice hostname;    /* ours: %{r} of SPF */
    struct slice authserv_id; /* empty: hostname */
    struct mailauth_policy {
        bool dmarc_monitor;    /* do not obey quarantine and reject, only record (default: obey) */
        bool spf_accept;       /* do not refuse an SPF fail where no DMARC record decides (default: refuse) */
        bool iprev_require;    /* refuse clients without confirmed reverse DNS (5.7.25) */
        bool temperror_accept; /* accept what cannot be judged now (default: defer with 451) */
        bool bad_from_accept;  /* accept letters without one proper author domain (default: refuse) */
    } policy;
    /* May the ARC chain sealed by this domain override a DMARC failure (RFC 8617 section 7.2)?
     * NULL: nobody may. Must not suspend. */
    bool (*trusts_sealer)(void *arg, struct slice sealer);
    void *trusts_arg;
};

struct mailauth_conn {
    struct ip ip;
    struct slice helo; /* as said; empty before HELO */
    bool tls;
    /* Results that the session has already, for this ip; NULL: they are asked for now.
     * With them a connection's later letters cost no questions again. */
    const struct iprev_result *iprev;
};
struct mailauth_envelope {
    struct slice mail_from; /* without <>; empty: the null reverse path */
};

enum { MAILAUTH_SECONDS = 60 };

enum mailauth_disposition {
    MAILAUTH_ACCEPT,
    MAILAUTH_QUARANTINE, /* accept, deliver to Junk */
    MAILAUTH_DEFER,      /* 4xx */
    MAILAUTH_REJECT,     /* 5xx */
};
const char *mailauth_disposition_name(enum mailauth_disposition d); /* "accept" "quarantine" ... */

struct mailauth_verdict {
    enum mailauth_disposition disposition;
    int reply;             /* 250, 451 or 550 */
    const char *enhanced;  /* "2.0.0" "4.4.3" "5.7.1" "5.7.23" "5.7.25" ... (RFC 7372) */
    struct slice sentence; /* for the reply, the trace and people: one line of printable ASCII, at most
                              400 bytes, without codes and final full stop */
    struct slice field;    /* "Authentication-Results: ...\r\n", to be put on top */

    struct iprev_result iprev;
    struct helo_result helo;
    struct spf_result spf;      /* of MAIL FROM */
    struct spf_result spf_helo; /* of HELO */
    struct dkim_results dkim;   /* each signature looked at, top to bottom */
    struct arc_result arc;
    struct dmarc_result dmarc;
    struct authres results; /* what `field` says */

    bool overridden;           /* a trusted ARC chain or our policy set DMARC's policy aside */
    struct slice override_why; /* for the trace and the report: a sentence */
    const char *override_type; /* the word of the report (RFC 9990): "trusted_forwarder" "local_policy"
                                  "policy_test_mode" ...; NULL when the policy was applied as it stands */
    unsigned questions;        /* asked of the DNS by SPF and iprev */
    int64_t took_us;           /* from mailauth_new to the end */
};

struct mailauth;

/* Begins. Everything is allocated in `a`, which must live until mailauth_free(); the slices of
 * conn and envelope are copied. ERR_LIMIT when no fiber can be started. */
MUST_CHECK int mailauth_new(struct mailauth **out, const struct mailauth_ctx *ctx, struct arena *a,
                            const struct mailauth_conn *conn, const struct mailauth_envelope *env);
/* The parsed header section and its bytes as received (without the empty line; head's slices
 * point into it); both must live until mailauth_free(). */
MUST_CHECK int mailauth_head(struct mailauth *m, const struct mail_head *head, struct slice raw);
/* Body bytes as received, CRLF line ends, dot-stuffing undone. Costs hashing; does not suspend. */
void mailauth_body(struct mailauth *m, struct slice bytes);
/* The verdict; its slices live in the arena. SUSPENDS at most MAILAUTH_SECONDS, and never
 * longer than the fiber's deadline. Returns 0, or ERR_CANCELED: what DNS did not
 * answer is part of the verdict. */
MUST_CHECK int mailauth_end(struct mailauth *m, struct mailauth_verdict *out);
void mailauth_free(struct mailauth **m); /* SUSPENDS: cancels and waits for the questions under way */

/* Does a good signature by the domain, or by a domain above it, stand in the letter? Pure. */
bool mailauth_signed_for(const struct mailauth_verdict *v, struct slice domain);

/* For a letter that is passed on: an ARC Set that tells the next receiver what we saw (RFC 8617 section 5.1).
 * Says before mailauth_head that mailauth_seal will be called. */
void mailauth_will_seal(struct mailauth *m);
/* Between mailauth_end, which gave v, and mailauth_free: appends the three fields, each with its CRLF,
 * to go on top of `leaving`, the header section as it leaves. domain, selector (A-labels) and key: the
 * sealer. ERR_STATE: nothing may be added to the chain that is there. SUSPENDS (offload). */
MUST_CHECK int mailauth_seal(struct mailauth *m, const struct mailauth_verdict *v,
                             const struct mail_head *leaving, struct slice domain, struct slice selector,
                             struct sign_key *key, struct buf *out);

/* All of it for a letter in memory. SUSPENDS. */
MUST_CHECK int mailauth_check(const struct mailauth_ctx *ctx, struct arena *a,
                              const struct mailauth_conn *conn, const struct mailauth_envelope *env,
                              struct slice message, struct mailauth_verdict *out);

/* Must this field be removed from a letter that comes from outside: an Authentication-Results
 * that claims to be ours? (RFC 8601 section 5) Pure. */
bool mailauth_must_remove(const struct mailauth_ctx *ctx, struct arena *a, const struct mail_field *f);
/* The same for struct mail_edit (mail/submit.h); ctx: a struct mailauth_ctx. */
bool mailauth_forged(const void *ctx, struct arena *a, const struct mail_field *f);

/* The field for a letter that a user of ours submitted after AUTH (RFC 8601 section 2.7.4):
 * "Authentication-Results: host; auth=pass smtp.auth=alice@example.com\r\n". Pure. */
struct slice mailauth_submission_field(struct arena *a, struct slice authserv_id, struct slice user);

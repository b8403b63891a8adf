/* sending.h - domains of customers (directory/sending_domain.h): what they are to publish, and whether they
 * have. */
#pragma once
#include "core.h"
#include "directory/sending_domain.h"
#include "dns/dns.h"

/* What stands in the customer's DNS, in the order of enum sending_found. */
enum { SENDING_RECORDS = 3 };
struct sending_record {
    const char *what; /* "DKIM", "return path", "links" */
    enum dns_type type;
    struct slice name, value; /* absolute; TXT: the whole text, CNAME: a name, both without quotes and dot */
    bool found;               /* at the last look */
    const char *why;          /* a phrase: what it is good for */
};
/* In the arena. ERR_CORRUPT: the claim's key. */
MUST_CHECK int sending_records(const struct core *core, struct arena *a, const struct sending_domain *d,
                               struct sending_record out[SENDING_RECORDS]);
/* Whose it is, for people: the account's address, in the arena; its id when that leads to nobody. SUSPENDS.
 */
struct slice sending_account(const struct core *core, struct arena *a, const struct sending_domain *d);
/* A line of a master file. */
struct slice sending_record_line(struct arena *a, const struct sending_record *r);

/* Looks at the DNS of the account's claim now, and keeps what it finds; *out as it is then. One look at a
 * time: who comes meanwhile waits, in order of coming, and looks again. ERR_BUSY: it waited in vain.
 * SUSPENDS. */
MUST_CHECK int sending_look(struct core *core, struct arena *a, const char *account, struct slice name,
                            struct sending_domain *out);

/* The same for somebody who asks: of one that was looked at just now (SENDING_AGAIN_S), or is at this moment,
 * *out is as that left it. SUSPENDS. */
MUST_CHECK int sending_verify(struct core *core, struct arena *a, const char *account, struct slice name,
                              struct sending_domain *out);

/* The same for somebody who sees it in passing: while somebody looks, *out is as it is. SUSPENDS. */
MUST_CHECK int sending_glance(struct core *core, struct arena *a, const char *account, struct slice name,
                              struct sending_domain *out);

/* There is a new certificate for the host: its links are used from now on, if all else is right. SUSPENDS. */
void sending_certified(struct core *core, struct slice host);

#define SENDING_AGAIN_S 10          /* a look is good for so long for who asks */
#define SENDING_WAIT_S 30           /* who asks while others look waits so long, */
#define SENDING_WAIT_LONG_S 300     /* and who must have it looked at */
#define SENDING_LOOK_S (6 * 3600)   /* those that are proved are looked at so often, */
#define SENDING_LOOK_YOUNG_S 900    /* claims as often in their first */
#define SENDING_YOUNG_S (3 * 86400) /* days, */
#define SENDING_LOOK_OPEN_S 86400   /* then daily, */
#define SENDING_OPEN_S (30 * 86400) /* so long after it was made or lost: later only when somebody asks */
/* Is what letters ask for of this claim, which is proved, gone or damaged, so that they wait or are refused?
 * *why, a phrase, unless it is fine. It is mended within half an hour. SUSPENDS. */
MUST_CHECK int sending_stands(const struct core *core, const struct sending_domain *d, const char **why);
/* On a fiber of its own until it is canceled: looks at all that are due. ctx: struct core. */
void sending_keep(void *core);

/* sending_domain.h - domains of others under which an account of ours sends (not domain.c's, whose mail comes
 * here): claimed by an account, proved by a key in the domain's DNS that was made for this claim, looked at
 * again and again by who knows the DNS (core/sending.h), and lost when the proof is gone for too long.
 * Several accounts may claim a domain; one has it, as long as it proves it. Rows of the object _senders.
 *
 * A domain of this node is nobody's sending domain, whatever the rows say. All SUSPEND unless said otherwise;
 * accounts are named by their ids, slices of what is read lie in the arena. */
#pragma once
#include "directory.h"

#define SENDING_RETURNS SL("bounce") /* labels of a claim that names none */
#define SENDING_LINKED SL("links")
enum {
    SENDING_DOMAINS_MAX = 1000,    /* of an account, */
    SENDING_DOMAINS_OPEN = 50,     /* of which so many are not proved, */
    SENDING_DOMAINS_DAY = 300,     /* and so many are claimed on a day (UTC): each claim costs a key */
    SENDING_DOMAIN_BYTES = 170,    /* of its name, in A-labels */
    SENDING_GRACE_S = 3 * 86400,   /* without the key in its DNS, */
    SENDING_SILENT_S = 14 * 86400, /* without any answer of its DNS, an account still has it so long */
};

/* What the DNS showed when it was last heard; a set. */
enum sending_found {
    SENDING_KEY = 1,    /* the claim's DKIM key */
    SENDING_RETURN = 2, /* the return path's host is ours, and SPF passes for it */
    SENDING_LINKS = 4,  /* the host of links is ours */
    SENDING_TLS = 8,    /* and there is a certificate for it */
};
struct sending_domain {
    struct slice account, name;  /* name: A-labels */
    int64_t created;             /* unix seconds, like all times here */
    struct slice selector, pem;  /* of its DKIM key, RSA; private */
    struct slice returns, links; /* the labels before the name of these hosts: "bounce", "links" */
    unsigned found;              /* of enum sending_found */
    int64_t verified, looked;    /* since when it has it, 0: it does not; when the DNS was last asked */
    int64_t lost;                /* when it had it last, of one that lost it; else 0 */
    int64_t failing;             /* since when the key is not seen of one that it has, or 0 */
    int64_t missing;             /* since when it is known not to be there, or 0 */
    struct slice why;            /* what is wrong, a sentence, or empty */
    struct slice damage;         /* of sending_domain_each(): why the row cannot be read, or empty */
};

/* A claim with a key of its own. returns, links: a label each, empty for SENDING_RETURNS and SENDING_LINKED.
 * ERR_EXISTS, ERR_LIMIT, ERR_SYNTAX, ERR_STATE: a domain of this node. */
MUST_CHECK int sending_domain_add(struct directory *dir, struct arena *a, const char *account,
                                  struct slice name, struct slice returns, struct slice links,
                                  struct sending_domain *out);
/* Other labels, an empty one as it is; what the DNS showed of the old ones counts no more. ERR_NOT_FOUND,
 * ERR_SYNTAX. */
MUST_CHECK int sending_domain_hosts(struct directory *dir, const char *account, struct slice name,
                                    struct slice returns, struct slice links);
/* ERR_NOT_FOUND with the sentence. */
MUST_CHECK int sending_domain_get(struct directory *dir, struct arena *a, const char *account,
                                  struct slice name, struct sending_domain *out);
/* Does the row that letters ask for say that d, which is proved, has it? ERR_CORRUPT, without a sentence: it
 * is gone or damaged, and the next look writes it again. */
MUST_CHECK int sending_domain_stands(struct directory *dir, const struct sending_domain *d);
/* Letters under way are signed no more. ERR_NOT_FOUND. */
MUST_CHECK int sending_domain_remove(struct directory *dir, const char *account, struct slice name);
/* account NULL: all. d is valid during the call; what each() returns, unless 0, ends the walk and is
 * returned.
 */
MUST_CHECK int sending_domain_each(struct directory *dir, const char *account,
                                   int (*each)(void *arg, const struct sending_domain *d), void *arg);
MUST_CHECK int sending_domain_row_check(struct slice key, struct slice row); /* of _senders; for `verify` */
MUST_CHECK int sending_domains_forget(struct directory *dir, const char *account); /* it goes */

/* What a look at the DNS gave for *d as it was read. Bits that are not known stay as they were. */
struct sending_look {
    unsigned known, found;
    struct slice why;
};
enum sending_change { SENDING_AS_IT_WAS, SENDING_PROVED, SENDING_LOST };
/* ERR_NOT_FOUND: it is another claim by now, or none. *d: as it is then; looked is 0 when its hosts have
 * other names by now, of which nothing is known. */
MUST_CHECK int sending_domain_looked(struct directory *dir, struct arena *a, struct sending_domain *d,
                                     const struct sending_look *look, enum sending_change *change);

/* Of who has the domain now; name as domain_name() has it. ERR_NOT_FOUND, without a sentence, also for
 * domains of this node; ERR_CORRUPT, which is temporary, for rows that are damaged or of a later version. */
MUST_CHECK int sending_domain_of(struct directory *dir, struct arena *a, struct slice name,
                                 struct sending_domain *out);
/* "bounce.example.org". Does not suspend. */
struct slice sending_return_host(struct arena *a, const struct sending_domain *d);
struct slice sending_links_host(struct arena *a, const struct sending_domain *d);

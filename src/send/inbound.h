/* inbound.h - mail that comes in handed to a URL of an account, in the form of SendGrid's inbound parse: for
 * an address, or for all of a domain that no account and alias has.
 *
 * Such a letter waits in the queue like any other, and its attempt is the POST: so retry, age, bounce, ledger
 * and trace are the queue's. Only an answer of 2xx takes it; what was answered too late may be told twice,
 * under the same X-Tram-Delivery. The signature is that of webhooks (webhook.h). Rows b/ and B/ of _sends. */
#pragma once
#include "base/slice.h"

struct arena;
struct last_hop;
struct routes;
struct sends;

enum {
    INBOUNDS_MAX = 100,            /* of an account */
    INBOUND_LETTER_MAX = 30 << 20, /* bytes of a letter that is told, as SendGrid has it */
    INBOUND_KEEP_S = 3 * 86400,    /* then it goes into a mailbox, where one is wanted */
};
struct inbound {
    struct slice name;         /* "in.one.test" or "help@one.test", as the directory compares names */
    struct slice account, url; /* account: its id */
    bool raw;                  /* the letter as it came in place of its parts */
    bool spam_check;           /* it is said what our judgement of junk was */
    bool mailbox;              /* what nobody takes goes into the account's inbox in the end, and not back */
    /* An operator gave it: it holds while the domain, and who has the name (an account, or nobody), are as
     * they were then. Every other holds while the account has the name or administers its domain. None
     * outlives its account. */
    bool given;
    struct slice holder;      /* of one that was given: id of the account that had the name, or empty */
    int64_t domain_made;      /* and when its domain was added, unix seconds */
    int64_t created, changed; /* unix microseconds */
    struct slice public_key;  /* DER in base64 */
};

/* May the account have the mail of that name? It is its own address, or of a domain that it administers.
 * ERR_NOT_FOUND: no domain of ours; ERR_DENIED; ERR_SYNTAX. SUSPENDS. */
struct account;
MUST_CHECK int inbound_may(struct sends *s, const struct account *acc, struct slice name);
/* name (any spelling), account, url and the flags count; *public_key lies in a. It takes the place of one
 * that holds no more. ERR_EXISTS: somebody has its mail already; ERR_NOT_FOUND: it is at no domain of ours;
 * ERR_LIMIT, ERR_SYNTAX, ERR_USAGE (a URL that is not allowed). SUSPENDS. */
MUST_CHECK int inbound_add(struct sends *s, const struct inbound *in, struct arena *a,
                           struct slice *public_key);
/* May mail be handed over by it, as things are now? ERR_NOT_FOUND: no more. SUSPENDS. */
MUST_CHECK int inbound_holds(struct sends *s, const struct inbound *in);
/* account empty: whose it is does not matter. What still waits for it bounces. ERR_NOT_FOUND. SUSPENDS. */
MUST_CHECK int inbound_remove(struct sends *s, struct slice account, struct slice name);
/* All of an account, before it is removed: called again it finishes. SUSPENDS. */
MUST_CHECK int inbound_forget(struct sends *s, struct slice account);
/* change() sets url and the flags, within the transaction, once or more. ERR_NOT_FOUND, else as
 * inbound_add(). SUSPENDS. */
typedef void inbound_change_fn(void *arg, struct inbound *in);
MUST_CHECK int inbound_change(struct sends *s, struct slice account, struct slice name,
                              inbound_change_fn *change, void *arg);
/* In a. ERR_NOT_FOUND. SUSPENDS. */
MUST_CHECK int inbound_get(struct sends *s, struct slice account, struct slice name, struct arena *a,
                           struct inbound *out);
/* account empty: of all. each()'s non-zero value ends the walk; what cannot be read is logged. SUSPENDS. */
typedef int inbound_each_fn(void *arg, const struct inbound *in);
MUST_CHECK int inbound_each(struct sends *s, struct slice account, inbound_each_fn *each, void *arg);

/* What directory_resolve() said of the address, with the routes of mail that is handed to URLs put in where
 * these hold now. a: as
 * there. SUSPENDS. */
MUST_CHECK int inbound_routes(struct sends *s, struct arena *a, struct slice local, struct slice domain,
                              struct routes *out);
/* The last hop of such a route (last_hop_calls()): as queue_deliver says. SUSPENDS. */
MUST_CHECK int inbound_take(struct sends *s, struct last_hop *d);

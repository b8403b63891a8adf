/* acme.h - certificates by themselves: asks an authority for them by ACME (RFC 8555), proves the names by
 * http-01, tls-alpn-01 (RFC 8737) or dns-01, whichever works, keeps account, keys and certificates in the
 * index (object _acme), renews in good time. The old certificate is served until the new one is there.
 *
 * The node has one certificate, for all names that are its own. Names of others (hosts of customers) have one
 * each: what keeps the authority from certifying one of them, a CAA record of its owner, keeps it from
 * nothing else. */
#pragma once
#include "base/arena.h"
#include "fetch/fetch.h"
#include "kv/kv.h"

enum {
    ACME_NAMES_MAX = 100,            /* of a certificate: what the authorities of the world take */
    ACME_LOOK_S = 3600,              /* whether it is time is looked at so often, */
    ACME_LOOK_YOUNG_S = 60,          /* and so often while the certificate is younger than */
    ACME_YOUNG_S = 86400,            /* that: names come into the DNS one after the other on the first day */
    ACME_WAIT_FIRST_S = 120,         /* after a failure, twice as long each time */
    ACME_WAIT_MOST_S = 86400,        /* at most */
    ACME_SILENT_S = 3 * 86400,       /* a name of which the DNS is silent is waited for so long */
    ACME_ORDER_S = 300,              /* an order is waited for so long */
    ACME_OTHERS_MAX = 1000,          /* names of others, */
    ACME_OTHERS_NAME_MAX = 190,      /* bytes of one, */
    ACME_LOOK_OTHERS_S = 300,        /* which are looked at so often */
    ACME_OLD_KEY_S = 3600,           /* the record of a key stays so long after the key has gone */
    ACME_OLD_KEYS_MAX = 8,           /* such records that are still to be taken away */
    ACME_TOKENS_MAX = ACME_NAMES_MAX /* answers that are ready at the same time */
};

/* How a name is proved, in the order in which it is tried; after a failure the next one has its turn. */
enum acme_way { ACME_HTTP, ACME_TLS, ACME_DNS, ACME_WAYS };

struct acme;
struct tls_ctx;
/* Names to be certified, the host's first, each shown to lead here; and those of which the DNS does not say
 * now where they lead. */
struct acme_names {
    struct slice *v, *silent;
    size_t n, nsilent;
};
/* TLSA records at the host's name, "3 1 1" (RFC 7672 section 3.1.1): SHA-256 of public keys, 32 bytes each.
 */
struct acme_keys {
    struct slice present, next; /* to stand there; present may be empty */
    const struct slice *gone;   /* not to stand there */
    size_t ngone;
};
/* What stood there. */
struct acme_shown {
    bool known;         /* it was seen */
    bool used;          /* there were some, of whatever key: who goes by them believes no other key */
    bool present, next; /* those keys' */
    uint32_t ttl;
};
struct acme_conf { /* borrowed */
    struct kv *kv;
    const struct fetch *fetch;
    struct slice directory; /* the authority's URL (section 7.1.1) */
    int (*names)(void *ctx, struct arena *a, struct acme_names *out); /* in the arena. SUSPENDS. */
    /* Those of others, each shown to lead here, ACME_OTHERS_MAX at most; NULL: none. SUSPENDS. */
    int (*others)(void *ctx, struct arena *a, struct slice **out, size_t *n);
    struct slice contact; /* a mail address, or empty */
    /* Puts a TXT record into the DNS, or takes it away, for dns-01; NULL: cannot be done. The zone's other
     * servers are given some seconds after all are there. SUSPENDS. */
    int (*publish)(void *ctx, struct arena *a, struct slice name, struct slice text, bool there);
    /* 0: TLSA records stand there as they are to, or none at all (then none is put there). NULL: nobody
     * looks. SUSPENDS. */
    int (*keys)(void *ctx, struct arena *a, const struct acme_keys *k, struct acme_shown *was);
    void *ctx;
};
void acme_open(struct acme **out, const struct acme_conf *conf);
void acme_close(struct acme **x); /* no fiber is inside */

/* What serves certificates is handed each new one. name: of one for others, else empty. fn may SUSPEND. */
typedef void acme_changed(void *arg, struct slice name, struct slice chain_pem, struct slice key_pem);
void acme_on_change(struct acme *x, acme_changed *fn, void *arg);
/* What is served while none of the authority is kept: its key may be kept. fn may SUSPEND. */
typedef int acme_served(void *arg, struct arena *a, struct slice *chain_pem, struct slice *key_pem);
void acme_on_first(struct acme *x, acme_served *fn, void *arg);
/* Proofs over TLS (RFC 8737) are shown there, on port 443. */
void acme_serve_tls(struct acme *x, struct tls_ctx *tls);
/* On a fiber of its own until it is canceled: asks when there is none, when names have come, when a third of
 * its time is left (or as the authority advises), and again after failures, later and later. */
void acme_keep(void *acme);
/* The same for names of others, on another one: acme_conf.others is set. */
void acme_keep_others(void *acme);
/* Asks now, waits for no silent name, then for names of others as far as they are due. ERR_BUSY: an order is
 * under way. The sentence says what the authority said. SUSPENDS. */
MUST_CHECK int acme_renew(struct acme *x);
/* The answer at /.well-known/acme-challenge/TOKEN; ERR_NOT_FOUND. From every loop. */
MUST_CHECK int acme_answer(struct acme *x, struct arena *a, struct slice token, struct slice *out);

/* What is kept; also without a struct acme. */
struct acme_kept {
    struct slice name;               /* of one for others; empty: the node's */
    struct slice chain_pem, key_pem; /* empty: none yet */
    struct slice
        next_key_pem;     /* of the certificate after this one, so that its TLSA record can stand before it */
    int64_t from, until;  /* of the certificate's validity, unix seconds */
    int64_t renew_at;     /* when it is asked for again */
    int64_t failed_at;    /* the last attempt that failed since; 0: none */
    int64_t silent_since; /* when the renewal began to wait for a name of which the DNS is silent; 0: it does
                             not */
    bool advised;         /* the authority wants it renewed before its time */
    uint32_t failures;    /* in a row, and what is under way */
    uint32_t way;         /* enum acme_way of the last proof that was believed */
    struct slice why;     /* of the last failure */
    int damage;           /* from acme_each(): 0, ERR_CORRUPT or ERR_VERSION, all else is zero */
};
/* Is it known that an attempt failed? The first one may be under way. */
static inline bool acme_has_failed(const struct acme_kept *k) { return k->failed_at || k->failures > 1; }
/* In the arena; all zero but for the name when there is nothing. name empty: the node's. SUSPENDS. */
MUST_CHECK int acme_kept(struct kv *kv, struct arena *a, struct slice name, struct acme_kept *out);
/* Those for others; valid during the call. A damaged one has no chain, and why. each()'s non-zero value ends
 * the walk and is returned. SUSPENDS. */
typedef int acme_each_fn(void *arg, const struct acme_kept *k);
MUST_CHECK int acme_each(struct kv *kv, acme_each_fn *each, void *arg);

/* How far the change to the next key is in the DNS. */
struct acme_rollover {
    bool used;                           /* TLSA records stand there, as far as was seen last */
    struct slice next;                   /* the hash of the next key, whose record stands there */
    int64_t since;                       /* since then; 0: it does not */
    int64_t ready;                       /* and from then on everybody knows it */
    struct slice old[ACME_OLD_KEYS_MAX]; /* keys that are gone, whose records may still stand there */
    size_t nold;
    int64_t replaced; /* when the last of them went */
    int64_t failed;   /* since when it is not as it should be, and why; 0: it is */
    struct slice why;
};
/* In the arena; all zero when nothing is known. SUSPENDS. */
MUST_CHECK int acme_rollover(struct kv *kv, struct arena *a, struct acme_rollover *out);
/* What waits while it has failed, in words for people. */
const char *acme_rollover_waits(const struct acme_rollover *r);

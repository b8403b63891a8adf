/* directory.h - domains, accounts, aliases, DKIM keys: who is here, who may use what.
 *
 * Reads come from a cache that is current after every change made by this process.
 * Addresses compare without case (local part and domain); domains are A-labels.
 * Local parts may be UTF-8. All functions SUSPEND unless said otherwise. */
#pragma once
#include "crypto/crypto.h"
#include "store.h"

enum { LOCAL_PART_MAX = 64, ALIAS_TARGETS_MAX = 500, ALIAS_DEPTH_MAX = 10 };

/* ---- domains ---- */

struct domain {
    struct slice name;
    int64_t created; /* unix seconds */
    struct slice catch_all; /* address that gets what no account or alias takes, or empty */
};
MUST_CHECK int domain_add(struct store *s,
                          struct slice name); /* without keys: dkim_keys_first(). ERR_EXISTS, ERR_SYNTAX */
MUST_CHECK int domain_remove(struct store *s, struct slice name); /* ERR_STATE while accounts are left */
MUST_CHECK int domain_get(struct store *s, struct arena *a, struct slice name,
                          struct domain *out); /* ERR_NOT_FOUND */
MUST_CHECK int domain_list(struct store *s, struct arena *a, struct domain **out, size_t *n); /* by name */
MUST_CHECK int domain_set_catch_all(struct store *s, struct slice name, struct slice address);
MUST_CHECK int domain_is_local(struct store *s, struct slice name, bool *yes);

/* ---- accounts ---- */

struct account {
    char id[20];          /* names the object u:<id>; never used again */
    struct slice address; /* local@domain, lower case */
    struct slice local, domain;
    bool disabled;
    int64_t created;
    struct scram_keys keys;
};
/* Also makes the special-use mailboxes. ERR_EXISTS, ERR_NOT_FOUND (domain), ERR_SYNTAX. */
MUST_CHECK int account_add(struct store *s, struct slice address, struct slice password);
MUST_CHECK int account_password(struct store *s, struct slice address, struct slice password);
MUST_CHECK int account_disable(struct store *s, struct slice address, bool disabled);
MUST_CHECK int account_remove(struct store *s, struct slice address);
MUST_CHECK int account_get(struct store *s, struct arena *a, struct slice address, struct account *out);
/* domain empty: of all domains. By address. */
MUST_CHECK int account_list(struct store *s, struct arena *a, struct slice domain, struct account **out,
                            size_t *n);

/* ---- aliases: an address that stands for others, here or elsewhere ---- */

struct alias {
    struct slice address;
    struct slice *target;
    size_t n;
};
MUST_CHECK int alias_add(struct store *s, struct slice address, const struct slice *target,
                         size_t n); /* adds to those there */
MUST_CHECK int alias_remove(struct store *s, struct slice address);
MUST_CHECK int alias_list(struct store *s, struct arena *a, struct slice domain, struct alias **out, size_t *n);

/* ---- where does a letter for this address go? ---- */

enum resolved {
    RESOLVED,            /* routes say where */
    RESOLVED_NOT_LOCAL,  /* the domain is not ours */
    RESOLVED_NO_USER,    /* our domain, nobody of that name: 5.1.1 */
    RESOLVED_DISABLED,   /* the account is disabled: 5.2.1 */
    RESOLVED_LOOP,       /* aliases that lead in a circle or too far: 5.4.6 */
};
struct route {
    bool local;
    char account[20];     /* when local: the account's id */
    struct slice address; /* where it goes: the account's address, or a remote address */
    struct slice detail;  /* after the + of user+detail, or empty */
};
struct routes {
    enum resolved result;
    struct route *v;
    size_t n;
    bool rewritten; /* an alias or catch-all was used: v differs from what was asked */
};
/* Account, user+tag, alias (to accounts here, and elsewhere), catch-all, in this
 * order; postmaster, abuse and dmarc-reports fall back to the oldest account of the domain, then of the
 * node. local "postmaster" with an empty domain is ours (RFC 5321 section 4.5.1). Each
 * account at most once. Returns 0, or an error when the directory cannot be read (4xx). */
MUST_CHECK int directory_resolve(struct store *s, struct arena *a, struct slice local, struct slice domain,
                                 struct routes *out);

/* ---- login ---- */

/* user: the address; a bare local part when exactly one domain is here. ERR_NOT_FOUND,
 * ERR_DENIED when disabled. For SCRAM: keys are in *out. */
MUST_CHECK int login_find(struct store *s, struct arena *a, struct slice user, struct account *out);
/* For PLAIN and LOGIN. ERR_DENIED for a wrong password, an unknown user and a disabled
 * account alike, in the same time. SUSPENDS (offload; a password that was right within
 * the last ten minutes is remembered as a keyed hash). */
MUST_CHECK int login_password(struct store *s, struct arena *a, struct slice user, struct slice password,
                              struct account *out);
/* Keys to go on with for an unknown user, always the same for the same name. */
void login_decoy(struct store *s, struct slice user, struct scram_keys *out);
/* May the account send as this address? Its own, with any +tag, and aliases that lead
 * to it alone. 0 or ERR_DENIED with the sentence. */
MUST_CHECK int login_may_send_as(struct store *s, const struct account *acc, struct slice local,
                                 struct slice domain);

/* ---- DKIM keys of a domain ---- */

enum dkim_key_state {
    DKIM_KEY_PUBLISH, /* made, waiting until the world can see it */
    DKIM_KEY_ACTIVE,  /* signs */
    DKIM_KEY_RETIRED, /* signs no more; published until letters in flight have landed */
};
struct dkim_key {
    struct slice selector;
    enum key_kind kind;
    enum dkim_key_state state;
    int64_t created, changed; /* unix seconds; changed: since when in this state */
    struct slice pem;         /* private */
};
MUST_CHECK int dkim_keys(struct store *s, struct arena *a, struct slice domain, struct dkim_key **out,
                         size_t *n);
/* For a new domain: an RSA and an Ed25519 key that sign at once, named after the month. */
MUST_CHECK int dkim_keys_first(struct store *s, struct slice domain);
MUST_CHECK int dkim_key_add(struct store *s, struct slice domain, struct slice selector, enum key_kind kind,
                            enum dkim_key_state state);
MUST_CHECK int dkim_key_set_state(struct store *s, struct slice domain, struct slice selector,
                                  enum dkim_key_state state);
MUST_CHECK int dkim_key_remove(struct store *s, struct slice domain, struct slice selector);
/* Changes whenever a domain's keys change: for caches of parsed keys. Does not suspend. */
uint64_t directory_generation(struct store *s);

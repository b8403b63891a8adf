/* directory.h - domains, accounts, aliases, DKIM keys: who is here, who may use what.
 *
 * Reads come from a cache that is current after every change made by this process.
 * Every function takes domains in U-labels, A-labels, any case and with a final dot, and gives
 * A-labels. Local parts may be UTF-8; here they compare in lower case and NFC, elsewhere as they
 * are (RFC 5321 section 2.4). All functions SUSPEND unless said otherwise. */
#pragma once
#include "base/limits.h"
#include "crypto/crypto.h"
#include "store.h"

enum { LOCAL_PART_MAX = LIMIT_LOCAL_PART, ALIAS_TARGETS_MAX = LIMIT_ALIAS_TARGETS, ALIAS_DEPTH_MAX = 10 };

/* ---- domains ---- */

struct domain {
    struct slice name;
    int64_t created;        /* unix seconds */
    struct slice catch_all; /* address that gets what no account or alias takes, or empty */
    struct slice first;     /* local part of the account that the duties fall to, or empty */
    struct slice damage;    /* of domain_list(): why its row cannot be read, or empty */
};
/* With an RSA and an Ed25519 key that sign at once, named after the month: both or nothing.
 * ERR_EXISTS, ERR_SYNTAX. SUSPENDS (offload). */
MUST_CHECK int domain_add_with_keys(struct store *s, struct slice name);
MUST_CHECK int domain_add(struct store *s, struct slice name);    /* one whose mail leaves unsigned */
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
    uint64_t authority;  /* a new one with each change of password and of disabled */
    uint64_t generation; /* of the directory, before this was read */
    struct slice
        damage; /* of account_list(): why its row cannot be read (then only names are known), or empty */
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
    struct slice damage; /* of alias_list(): why its row cannot be read, or empty */
};
MUST_CHECK int alias_add(struct store *s, struct slice address, const struct slice *target,
                         size_t n); /* adds to those there. ERR_LIMIT: too many, or too long together */
/* One target, or the whole alias when target is NULL. The last target takes the alias with it. */
MUST_CHECK int alias_remove(struct store *s, struct slice address, const struct slice *target);
MUST_CHECK int alias_list(struct store *s, struct arena *a, struct slice domain, struct alias **out,
                          size_t *n);

/* What becomes of a letter for the alias, as things stand. An account hides an alias of its address,
 * unless a target is that address itself: then letters are kept and sent on. */
enum alias_end {
    ALIAS_ARRIVES,  /* at an account here */
    ALIAS_LEAVES,   /* for another server */
    ALIAS_NOBODY,   /* has that name here */
    ALIAS_DISABLED, /* the account does not take mail */
    ALIAS_CIRCLE,   /* the way comes back */
    ALIAS_MANY,     /* the way leads to too many addresses, or too far */
};
struct alias_effect {
    bool hidden, kept;
    struct slice *target;
    enum alias_end *end; /* of each target */
    size_t n;
};
MUST_CHECK int alias_effect(struct store *s, struct arena *a, struct slice address, struct alias_effect *out);

/* ---- where does a letter for this address go? ---- */

enum resolved {
    RESOLVED,           /* routes say where */
    RESOLVED_NOT_LOCAL, /* the domain is not ours */
    RESOLVED_NO_USER,   /* our domain, nobody of that name: 5.1.1 */
    RESOLVED_DISABLED,  /* the account is disabled: 5.2.1 */
    RESOLVED_LOOP,      /* aliases that lead in a circle, and nowhere else: 5.4.6 */
    RESOLVED_TOO_MANY,  /* aliases that lead to more than ALIAS_TARGETS_MAX addresses, or too far: 5.5.3 */
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
 * order; postmaster, abuse and dmarc-reports fall back to the domain's first account, then to the
 * node's. local "postmaster" with an empty domain is ours (RFC 5321 section 4.5.1). Each
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
/* What a session may go on doing with: the account as it was when it logged in. It ends with
 * `account passwd`, `disable` and `remove`. */
struct authority {
    char id[20], local[LOCAL_PART_MAX + 1], domain[256];
    uint64_t version, generation;
};
void authority_begin(struct authority *x, const struct account *acc); /* does not suspend */
/* Before each command. 0, ERR_DENIED with the sentence when the login counts no more, or why that
 * cannot be told. SUSPENDS only after a change of the directory. */
MUST_CHECK int authority_check(struct authority *x, struct store *s);
/* News about an account's authority: fn runs on this loop; a hint to check. */
struct kv_watch *authority_watch(struct store *s, const char *acc, void (*fn)(void *), void *arg);

/* May the account send as this address? Its own, with any +tag, and aliases that lead
 * to it alone. 0 or ERR_DENIED with the sentence. */
MUST_CHECK int login_may_send_as(struct store *s, const struct account *acc, struct slice local,
                                 struct slice domain);

/* ---- DKIM keys of a domain ---- */

enum dkim_key_state {
    DKIM_KEY_PUBLISH, /* made, waiting until the world can see it */
    DKIM_KEY_ACTIVE,  /* signs */
    DKIM_KEY_RETIRED, /* signs no more; published until letters in flight have landed */
    DKIM_KEY_DAMAGED, /* its row cannot be read; never stored */
};
struct dkim_key {
    struct slice selector;
    enum key_kind kind;
    enum dkim_key_state state;
    int64_t created, changed; /* unix seconds; changed: since when in this state */
    struct slice pem;         /* private */
};
/* Every key; of a damaged one only the selector is known. */
MUST_CHECK int dkim_keys(struct store *s, struct arena *a, struct slice domain, struct dkim_key **out,
                         size_t *n);
/* ERR_EXISTS; ERR_STATE: another of its kind waits already (one waits at a time). */
MUST_CHECK int dkim_key_add(struct store *s, struct slice domain, struct slice selector, enum key_kind kind,
                            enum dkim_key_state state);
/* A key that waits signs from now on; those of its kind that signed so far are retired (their selectors,
 * in the arena): all or nothing. ERR_STATE: it does not wait, ERR_NOT_FOUND. */
MUST_CHECK int dkim_key_take_over(struct store *s, struct arena *a, struct slice domain,
                                  struct slice selector, struct slice **retired, size_t *n);
MUST_CHECK int dkim_key_remove(struct store *s, struct slice domain, struct slice selector);
/* Changes whenever a domain's keys change: for caches of parsed keys. Does not suspend. */
uint64_t directory_generation(struct store *s);

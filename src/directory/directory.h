/* directory.h - domains, accounts, aliases, DKIM keys: who is here, who may use what.
 *
 * Reads come from a cache that is current after every change made by this process.
 * Every function takes domains in U-labels, A-labels, any case and with a final dot, and gives
 * A-labels. Local parts may be UTF-8; here they compare in lower case and NFC, elsewhere as they
 * are (RFC 5321 section 2.4). All functions SUSPEND unless said otherwise. */
#pragma once
#include "base/limits.h"
#include "crypto/crypto.h"
#include "kv/kv.h"

struct directory; /* usable from every loop */

/* What an account owns outside of its domain's object (its mailboxes): store fills this. All may SUSPEND. */

struct account_home {
    void *ctx;
    /* Makes it, with the mark inside, and the address that it has now. ERR_EXISTS: there is something of that
     * id, and it was left alone. */
    int (*make)(void *ctx, const char *id, struct slice mark, struct slice address);
    /* Is what is there made with this mark? */
    int (*made_as)(void *ctx, const char *id, struct slice mark, bool *yes);
    int (*erase)(void *ctx, const char *id); /* 0 also when nothing is there */
    /* How many bytes it may hold, 0: any number; nothing when that is so already. NULL: it has no such limit.
     */
    int (*limit)(void *ctx, const char *id, uint64_t bytes);
};
/* Reads which domains are here, and finishes what was cut off: accounts half made or half removed. kv stays
 * the caller's and outlives it. */
MUST_CHECK int directory_open(struct directory **out, struct kv *kv, const struct account_home *home);
void directory_close(struct directory **dir);

enum { LOCAL_PART_MAX = LIMIT_LOCAL_PART, ALIAS_TARGETS_MAX = LIMIT_ALIAS_TARGETS, ALIAS_DEPTH_MAX = 10 };

/* ---- domains ---- */

/* What other servers are told about TLS towards the domain (MTA-STS, RFC 8461). */
enum domain_sts { DOMAIN_STS_TESTING, DOMAIN_STS_ENFORCE, DOMAIN_STS_NONE };
struct domain {
    struct slice name;
    int64_t created;        /* unix seconds */
    struct slice catch_all; /* address that gets what no account or alias takes, or empty */
    struct slice first;     /* local part of the account that the duties fall to, or empty */
    enum domain_sts sts;
    struct slice alias_of; /* every name there is the name at this domain of ours, or empty */
    struct slice damage;   /* of domain_list(): why its row cannot be read, or empty */
};
/* With an RSA and an Ed25519 key that sign at once, named after the month: both or nothing.
 * ERR_EXISTS, ERR_SYNTAX. SUSPENDS (offload). */
MUST_CHECK int domain_add_with_keys(struct directory *dir, struct slice name);
MUST_CHECK int domain_add(struct directory *dir, struct slice name); /* one whose mail leaves unsigned */
/* With keys; every name of it is the same name at `of`, which is here and is no alias itself (ERR_STATE).
 * Accounts and aliases of its own come first. */
MUST_CHECK int domain_add_alias(struct directory *dir, struct slice name, struct slice of);
MUST_CHECK int domain_remove(struct directory *dir,
                             struct slice name); /* ERR_STATE while accounts or alias domains are left */
MUST_CHECK int domain_get(struct directory *dir, struct arena *a, struct slice name,
                          struct domain *out); /* ERR_NOT_FOUND */
MUST_CHECK int domain_list(struct directory *dir, struct arena *a, struct domain **out,
                           size_t *n); /* by name */
MUST_CHECK int domain_set_sts(struct directory *dir, struct slice name, enum domain_sts sts);
MUST_CHECK int domain_set_catch_all(struct directory *dir, struct slice name, struct slice address);
enum { DOMAIN_ADMINS_MAX = 100 };
/* May the account manage the domain's accounts and aliases? Who asks looks at each act: it ends at once.
 * ERR_NOT_FOUND, ERR_STATE (an alias domain), ERR_LIMIT. */
MUST_CHECK int domain_admin_set(struct directory *dir, struct slice name, struct slice address, bool on);
/* No right any more, if it had one; the domain's own row is not asked. */
MUST_CHECK int domain_admin_forget(struct directory *dir, struct slice domain, const char *id);
MUST_CHECK int domain_admin_is(struct directory *dir, struct slice domain, const char *id, bool *yes);
/* Their addresses as they were then; of a damaged row "account ID". domain as domain_get() gives it. */
MUST_CHECK int domain_admins(struct directory *dir, struct arena *a, struct slice domain, struct slice **out,
                             size_t *n);
/* Domains here right now: names copied into the arena. Does not suspend. */
void directory_domains(struct directory *dir, struct arena *a, struct slice **names, size_t *n);
MUST_CHECK int domain_is_local(struct directory *dir, struct slice name, bool *yes);

/* ---- names ---- */

/* How names are compared, applied once where they come in. A domain: A-labels, lower case, no
 * final dot; ERR_SYNTAX. A local part of ours: lower case, NFC (as RFC 8265 section 3.3 has it). */
MUST_CHECK int domain_name(struct arena *a, struct slice name, struct slice *out);
struct slice local_name(struct arena *a, struct slice local);
/* "local@domain" split: the local part as written, for elsewhere it is not ours to judge (RFC 5321
 * section 2.4), the domain as domain_name() has it; ERR_SYNTAX with the sentence. */
MUST_CHECK int address_split(struct arena *a, struct slice address, struct slice *local,
                             struct slice *domain);

/* ---- how much an account may send (allowance/) ---- */

/* clang-format off */
#define SENDER_LIMITS_OF(X)                                                                                  \
    X(LETTERS_HOUR, "letters an hour") X(LETTERS_DAY, "letters a day")                                       \
    X(RCPTS_HOUR, "recipients an hour") X(RCPTS_DAY, "recipients a day")                                     \
    X(FRESH_DAY, "new recipients a day") X(RCPTS_LETTER, "recipients of one letter")                         \
    X(HELD, "letters held for later") X(HELD_MIB, "MiB held for later")
/* clang-format on */
enum sender_limit {
#define X(name, words) SENDER_##name,
    SENDER_LIMITS_OF(X)
#undef X
        SENDER_LIMITS
};
#define SENDER_UNSET (-1) /* as the settings have it */
#define SENDER_UNLIMITED ((int64_t)UINT32_MAX)
struct sender_limits {
    int64_t v[SENDER_LIMITS]; /* 0 to UINT32_MAX - 1, or one of the two above */
};
#define SENDER_LIMITS_UNSET                                                                                  \
    (struct sender_limits)                                                                                   \
    {                                                                                                        \
        {                                                                                                    \
            SENDER_UNSET, SENDER_UNSET, SENDER_UNSET, SENDER_UNSET, SENDER_UNSET, SENDER_UNSET,              \
                SENDER_UNSET, SENDER_UNSET                                                                   \
        }                                                                                                    \
    }

/* ---- accounts ---- */

enum { PASSWORD_ITERATIONS = 20000 }; /* of the keys made from passwords, and of decoys */
/* Passwords that are set from now on leave keys for SCRAM-SHA-1 too, for clients that know nothing better.
 * Before there are loops. */
void directory_keep_sha1(struct directory *dir);

enum {
    APP_PASSWORDS_MAX = 32, /* of an account: the proof of SCRAM is tried on each */
    APP_NAME_MAX = 64,      /* bytes of its name */
    GRANTS_MAX = 100,       /* addresses that an account may send as besides its own */
};
/* What somebody logs in to; a set. */
enum { LOGIN_SMTP = 1, LOGIN_IMAP = 2, LOGIN_POP3 = 4, LOGIN_HTTP = 8, LOGIN_ALL = 15 };
#define LOGIN_WORDS "smtp imap pop3 http" /* their names, in the order of the bits */
enum { APP_ID = 8 };
/* A further password of an account, for one program or device. It shares salt and count with the account's
 * own, so that one SCRAM exchange tries them all. */
struct app_password {
    char id[APP_ID + 1]; /* hex digits; never used again */
    struct slice name;
    unsigned protocols; /* for which it counts */
    uint8_t stored_key[32], server_key[32];
    uint8_t old_stored_key[20], old_server_key[20]; /* of SCRAM-SHA-1, when has_old */
    bool has_old;
    struct sender_limits limits; /* its own, within the account's */
    int64_t created;             /* unix seconds */
};

struct account {
    char id[20];          /* names the object u:<id>; never used again */
    struct slice address; /* local@domain, lower case */
    struct slice local, domain;
    bool disabled;          /* by us, or gone: it takes no mail, and nobody logs in */
    bool disabled_here;     /* by us */
    struct slice elsewhere; /* of a person of a directory elsewhere: its id there (people_entry), or "-" where
                               there are none; else empty */
    bool gone;              /* that directory does not know it any more */
    int64_t created;
    struct scram_keys keys;
    struct scram_keys old; /* of SCRAM-SHA-1, with the salt and count of keys; iterations 0: there are none */
    struct sender_limits limits; /* its own; may have changed since a session read it */
    struct slice
        language; /* in which it is told what became of its letters (RFC 5646), or empty: not known */
    struct app_password *app;
    struct slice *grant; /* addresses that it may send as, "@domain": every one there */
    size_t napps, ngrants;
    const struct app_password
        *by;             /* after a login: the one that was used; NULL: the account's own password */
    uint64_t authority;  /* a new one with each change of password and of disabled */
    uint64_t generation; /* of the directory, before this was read */
    struct slice
        damage; /* of account_each(): why its row cannot be read (then only names are known), or empty */
};
/* Also makes the special-use mailboxes. ERR_EXISTS, ERR_NOT_FOUND (domain), ERR_SYNTAX. */
MUST_CHECK int account_add(struct directory *dir, struct slice address, struct slice password);
/* ERR_DENIED: it lies in a directory elsewhere. Without one (directory_set_people()) such an account becomes
 * one of our own. */
MUST_CHECK int account_password(struct directory *dir, struct slice address, struct slice password);
MUST_CHECK int account_disable(struct directory *dir, struct slice address, bool disabled);
/* Sets those of its limits that are given: change->v[k] below SENDER_UNSET leaves the k-th as it is. Sessions
 * go on. */
#define SENDER_AS_IT_IS (-2)
MUST_CHECK int account_set_limits(struct directory *dir, struct slice address,
                                  const struct sender_limits *change);
/* A tag as of mail_dsn_language(), or empty. */
MUST_CHECK int account_set_language(struct directory *dir, struct slice address, struct slice tag);
MUST_CHECK int account_remove(struct directory *dir, struct slice address);
/* Gives it another name in its domain: mail, password and rights stay, the old address becomes an alias.
 * ERR_EXISTS: the new name is taken, ERR_USAGE: another domain. */
MUST_CHECK int account_rename(struct directory *dir, struct slice address, struct slice to);

/* A new app password; *password, in the arena, is not kept anywhere. what->name and what->protocols must be
 * set, what->limits are its own. ERR_EXISTS: the name is taken, ERR_LIMIT: APP_PASSWORDS_MAX. */
MUST_CHECK int app_password_add(struct directory *dir, struct arena *a, struct slice address,
                                const struct app_password *what, struct slice *password);
/* By name or id. Sessions that logged in with it end. ERR_NOT_FOUND. */
MUST_CHECK int app_password_remove(struct directory *dir, struct slice address, struct slice which);
/* It was used now: a note, which is durable with some later commit. Does not suspend. */
void app_password_used(struct directory *dir, const char *acc, const char *id);
/* Unix seconds; 0: never. */
MUST_CHECK int app_password_last_use(struct directory *dir, const char *acc, const char *id, int64_t *when);

/* The account may send as the address, which is here, or as "@domain", or no more. ERR_EXISTS, ERR_NOT_FOUND,
 * ERR_LIMIT. */
MUST_CHECK int account_grant(struct directory *dir, struct slice address, struct slice as, bool may);
MUST_CHECK int account_get(struct directory *dir, struct arena *a, struct slice address, struct account *out);
/* For who removes it: of one whose row is damaged, and still says which account it is, only local, domain,
 * address and id are known. ERR_CORRUPT: it does not. */
MUST_CHECK int account_get_damaged(struct directory *dir, struct arena *a, struct slice address,
                                   struct account *out);
/* The same by names as local_name() and domain_name() have them. ERR_NOT_FOUND without a sentence. */
MUST_CHECK int account_read(struct directory *dir, struct arena *a, struct slice local, struct slice domain,
                            struct account *out);
/* A row a:LOCAL of a domain's object, for who has it and no directory. ERR_CORRUPT. Does not suspend. */
MUST_CHECK int account_row_parse(struct arena *a, struct slice domain, struct slice key, struct slice value,
                                 struct account *out);
/* ---- people of a directory elsewhere (LDAP): accounts that are made when they are first asked for ---- */

struct people;
/* For whom that directory is asked: the names that strangers write to, however many, do not stand before
 * people who log in (offload_for()). */
enum { ASK_FOR_LETTERS = 1, ASK_FOR_LOGINS = 2 };
/* Before there are loops; stays the caller's. Such an account has a random password here that nobody knows:
 * who it is is proved there, or by an app password. */
void directory_set_people(struct directory *dir, struct people *people);
bool directory_has_people(const struct directory *dir);
/* The account of whoever has the address there; made now when there is none. names as local_name() and
 * domain_name() have them. ERR_NOT_FOUND: nobody, or no directory is set; temporary errors: it cannot be
 * known, or the address was another person's before. */
MUST_CHECK int account_elsewhere(struct directory *dir, struct arena *a, struct slice local,
                                 struct slice domain, uint64_t asker, struct account *out);
/* Is the account's person still there? Sets acc->gone and acc->disabled, and in the row, as it is told; while
 * nobody tells, the last word counts. acc->elsewhere may lie in the arena afterwards. Nothing for accounts of
 * our own. */
void account_refresh(struct directory *dir, struct arena *a, uint64_t asker, struct account *acc);
/* Does the password prove it there? 0, ERR_DENIED (also for accounts of our own), temporary errors. */
MUST_CHECK int account_prove(struct directory *dir, const struct account *acc, struct slice password,
                             uint64_t asker);

/* fn runs on this loop when the account's password, its being disabled or its being here changed: a hint to
 * look. */
struct kv_watch *account_watch(struct directory *dir, const char *acc, void (*fn)(void *), void *arg);
/* domain empty: of all domains. Within a domain by name. each()'s account is valid during the call; what it
 * returns, unless 0, ends the walk and is returned. */
MUST_CHECK int account_each(struct directory *dir, struct slice domain,
                            int (*each)(void *arg, struct account *acc), void *arg);

/* ---- aliases: an address that stands for others, here or elsewhere ---- */

struct alias {
    struct slice address;
    struct slice *target;
    size_t n;
    struct slice renamed; /* the id of the account that had the name until it got another, or empty */
    struct slice damage;  /* of alias_each(): why its row cannot be read, or empty */
};
MUST_CHECK int alias_add(struct directory *dir, struct slice address, const struct slice *target,
                         size_t n); /* adds to those there. ERR_LIMIT: too many, or too long together */
/* One target, or the whole alias when target is NULL. The last target takes the alias with it. */
MUST_CHECK int alias_remove(struct directory *dir, struct slice address, const struct slice *target);
/* As account_each(). */
MUST_CHECK int alias_each(struct directory *dir, struct slice domain, int (*each)(void *arg, struct alias *x),
                          void *arg);

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
MUST_CHECK int alias_effect(struct directory *dir, struct arena *a, struct slice address,
                            struct alias_effect *out);

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
 * order; postmaster, abuse, dmarc-reports and tls-reports fall back to the domain's first account, then to
 * the node's. local "postmaster" with an empty domain is ours (RFC 5321 section 4.5.1). Each account at most
 * once. Returns 0, or an error when the directory cannot be read (4xx). */
MUST_CHECK int directory_resolve(struct directory *dir, struct arena *a, struct slice local,
                                 struct slice domain, struct routes *out);

/* ---- login ---- */

/* May the account send as this address? Its own, with any +tag, aliases that lead to it alone, what was
 * granted to it, and any of a domain of others that it has proved (sending_domain.h). 0 or ERR_DENIED with
 * the sentence. */
MUST_CHECK int account_may_send_as(struct directory *dir, const struct account *acc, struct slice local,
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
MUST_CHECK int dkim_keys(struct directory *dir, struct arena *a, struct slice domain, struct dkim_key **out,
                         size_t *n);
/* ERR_EXISTS; ERR_STATE: another of its kind waits already (one waits at a time). */
MUST_CHECK int dkim_key_add(struct directory *dir, struct slice domain, struct slice selector,
                            enum key_kind kind, enum dkim_key_state state);
/* A key that waits signs from now on; those of its kind that signed so far are retired (their selectors,
 * in the arena): all or nothing. ERR_STATE: it does not wait, ERR_NOT_FOUND. */
MUST_CHECK int dkim_key_take_over(struct directory *dir, struct arena *a, struct slice domain,
                                  struct slice selector, struct slice **retired, size_t *n);
MUST_CHECK int dkim_key_remove(struct directory *dir, struct slice domain, struct slice selector);
/* A row of a domain's object as those who use it would read it. ERR_CORRUPT. Does not suspend. */
MUST_CHECK int directory_row_check(struct arena *a, struct slice key, struct slice value);
/* bad() says that nobody has the domain's duties, or that it cannot sign. SUSPENDS. */
MUST_CHECK int domain_check(struct directory *dir, struct slice name,
                            void (*bad)(void *arg, const char *what), void *arg);
/* Changes whenever a domain's keys change: for caches of parsed keys. Does not suspend. */
uint64_t directory_generation(struct directory *dir);

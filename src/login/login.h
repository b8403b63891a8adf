/* login.h - is this person who they say they are, and does that still count? */
#pragma once
#include "directory/directory.h"

/* What a node knows of logins: passwords that were right lately, the secret behind decoys. */
struct login;
/* kv and directory stay the caller's and outlive it. SUSPENDS. */
MUST_CHECK int login_open(struct login **out, struct kv *kv, struct directory *dir);
void login_close(struct login **l);

/* user: the address, also at an alias domain; a bare local part when exactly one domain is here. A person of
 * a directory elsewhere gets an account now. ERR_NOT_FOUND, ERR_DENIED when disabled, temporary errors. For
 * SCRAM: keys are in *out. SUSPENDS. */
MUST_CHECK int login_find(struct login *l, struct arena *a, struct slice user, struct account *out);
/* Somebody tries to log in. */
struct login_try {
    struct slice user, password;
    unsigned protocol; /* to what (LOGIN_SMTP ...): an app password must be for it; 0: none counts */
    uint64_t asker;    /* who waits behind its own tries when many are made (guard_asker()); 0: nobody in
                        * particular */
    int (*allows)(void *arg, struct slice account); /* of who is proved (guard_allows()); NULL: everybody */
    void *allows_arg;
};
/* For PLAIN and LOGIN: the account's password, here or in the directory elsewhere, or one of its app
 * passwords (out->by). Temporary errors: that directory cannot be asked. ERR_DENIED for a wrong password, an
 * unknown user, a disabled account and one that allows() says no to alike; in the same time where the
 * passwords are here, while a person of the directory elsewhere takes the time of a bind more than a name
 * that nobody has there. SUSPENDS (offload; a password that was right within the last ten minutes is
 * remembered as a keyed hash). */
MUST_CHECK int login_password(struct login *l, struct arena *a, const struct login_try *t,
                              struct account *out);
/* The same as one function for guard_prove(); arg: struct login_proof. */
struct login_proof {
    struct login *login;
    struct arena *a;
    const struct login_try *said;
    struct account *out;
};
int login_prove(void *arg);
/* The same after SCRAM has proved the password of `app`, NULL: the account's own: may it be used for that,
 * and it is marked as used. ERR_DENIED. */
MUST_CHECK int login_with(struct login *l, struct account *acc, const struct app_password *app,
                          unsigned protocol);
struct fetch;
/* Who issues tokens that count as logins: it is asked about them (RFC 7662), or publishes the keys that sign
 * them (RFC 7517); slices live as long as the login. */
struct login_issuer {
    const struct fetch *fetch;   /* how */
    struct slice url;            /* of its introspection; empty: there is none */
    struct slice keys;           /* the URL of its keys; empty: it publishes none */
    struct slice name, audience; /* with keys: what a token must say in iss and aud */
    bool clear, clear_keys;      /* url, keys may be http:// */
    struct slice client, secret; /* who asks, by HTTP's Basic; or empty */
    struct slice user;           /* the member of the answer that names the address: "email", "username" */
    struct slice scope;          /* that the token must have, or empty */
};
/* Before anybody logs in. */
void login_set_issuer(struct login *l, const struct login_issuer *issuer);
/* t->password is a token of the issuer, t->user whom the client names, or empty. ERR_DENIED with the reason,
 * for the log; ERR_UNSUPPORTED: there is no issuer; temporary errors when it cannot be asked. SUSPENDS. */
MUST_CHECK int login_token(struct login *l, struct arena *a, const struct login_try *t, struct account *out);
/* A certificate that is believed proves the n addresses: the login of the account that user names, or, when
 * it is empty, of the only account that they are of. ERR_DENIED with the reason, for the log. SUSPENDS. */
MUST_CHECK int login_certified(struct login *l, struct arena *a, const struct slice *address, size_t n,
                               struct slice user, struct account *out);
/* The one name of all spellings of a login, whether there is such an account or not: for counters and decoys.
 */
struct slice login_name(struct login *l, struct arena *a, struct slice user);
/* Runs prove(prove_arg), and gives back what it gave, when a login under that name may be tried:
 * guard_prove().
 */
typedef int login_guard(void *arg, struct slice name, int (*prove)(void *), void *prove_arg);
/* *name: under which the user's failures are counted. That is login_name(), but of a person of a directory
 * elsewhere, who logs in by any of his addresses, the one of his account. Whoever has no account by the name
 * that he gives is looked up inside of what the guard runs: a search costs, and who is shut out gets none. Or
 * what the guard or the search ended with. SUSPENDS. */
MUST_CHECK int login_counted(struct login *l, struct arena *a, struct slice user, login_guard *guard,
                             void *guard_arg, struct slice *name);
/* Keys to go on with for an unknown user, the same for all spellings of the name, and always. */
void login_decoy(struct login *l, struct slice user, struct scram_keys *out);

/* What only this node can say about `what`, always the same: a keyed hash. */
void login_mark(const struct login *l, struct slice what, uint8_t out[32]);

/* What a session may go on doing with: the account as it was when it logged in. It ends with
 * `account passwd`, `disable`, `rename` and `remove`, and with the removal of the app password. Zeroed before
 * the login. */
struct authority {
    struct directory *dir;
    struct kv_watch *watch;
    char id[20], local[LOCAL_PART_MAX + 1], domain[256];
    char app[APP_ID + 1]; /* the app password that was used, or empty */
    uint64_t version, generation;
    int64_t ask_at; /* rt_now() from which the directory elsewhere is asked again; 0: it has no say */
};
struct conn;
/* acc has logged in on c, which such a change wakes when it is parked; c may be NULL. x stays where it is
 * until authority_end(), which comes before the end of c and is called on the same loop. Neither suspends. */
void authority_begin(struct authority *x, struct directory *dir, const struct account *acc, struct conn *c);
void authority_end(struct authority *x); /* also when nobody has logged in */
/* Before each command, and before the session is parked. 0 (also before the login), ERR_DENIED with the
 * sentence when the login counts no more, or why that cannot be told. SUSPENDS only after a change of the
 * directory. */
MUST_CHECK int authority_check(struct authority *x);

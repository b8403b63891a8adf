/* api_key.h - keys of the HTTP API: what a program of an account may do, without its password.
 *
 * A key is an id and a secret. The secret is kept nowhere: it is derived from a secret of the node, which
 * lies in a file of the home (keys.secret) and not in the store, from the key's id and from a salt in the
 * store. So neither the store nor the file alone is of use to a thief, and signatures that need the secret
 * itself (AWS Signature V4) can be checked. Every call reads the rows anew: what is removed or disabled ends
 * at once. Functions SUSPEND unless said otherwise. */
#pragma once
#include "base/ip.h"
#include "directory.h"

/* clang-format off */
#define API_SCOPES(X) \
    X(MAIL_SEND, "mail.send", "send messages as what its account may send as") \
    X(MESSAGES_READ, "messages.read", "see what became of the account's messages") \
    X(EVENTS_READ, "events.read", "read the account's events") \
    X(STATS_READ, "stats.read", "read the account's numbers") \
    X(TEMPLATES, "templates", "read and change templates") \
    X(SUPPRESSION, "suppression", "read and change who gets nothing") \
    X(CAMPAIGNS, "campaigns", "make, watch, pause and cancel campaigns") \
    X(WEBHOOKS, "webhooks", "read and change where events are sent to") \
    X(KEYS, "keys", "make and remove keys of the account, with no more scopes than its own") \
    X(SENDERS, "senders", "claim domains of others to send as, and let them go") \
    X(METRICS, "metrics", "read the figures of the node") \
    X(DOMAINS, "domains", "manage accounts and aliases of the domains that the account administers") \
    X(ADMIN, "admin", "do what the operator's commands do")
/* clang-format on */
enum api_scope_number {
#define X(name, word, meaning) SCOPE_NUMBER_##name,
    API_SCOPES(X)
#undef X
};
enum api_scope {
    SCOPE_NONE = 0,
#define X(name, word, meaning) SCOPE_##name = 1 << SCOPE_NUMBER_##name,
    API_SCOPES(X)
#undef X
};
const char *api_scope_word(unsigned scope); /* of one scope: "mail.send". Does not suspend */
/* "mail.send,events.read" as a set. ERR_USAGE: the sentence names those that there are. Does not suspend. */
MUST_CHECK int api_scopes_parse(struct slice list, unsigned *out);

enum {
    API_KEYS_MAX = 10000,   /* of the node, */
    API_KEYS_ACCOUNT = 100, /* of an account */
    API_KEY_NETS_MAX = 50,  /* networks it may be used from */
    API_KEY_NAME_MAX = 100, /* bytes */
    API_KEY_RATE = 6000,    /* calls a minute, unless it says otherwise */
    API_KEY_RATE_MOST = 1000000,
    API_KEY_ID = 16,     /* characters of an id, */
    API_KEY_SECRET = 43, /* and of a secret */
};
#define API_KEY_NOTED_S 60 /* its last use is noted this often, without a wait */

struct api_key {
    char id[API_KEY_ID + 1];
    char account[20];        /* id of its account, */
    struct slice address;    /* whose address this was when the key was made */
    struct slice name, *net; /* networks, as given */
    size_t nnets;            /* 0: from everywhere */
    unsigned scopes;         /* a set */
    uint32_t rate;           /* calls a minute */
    int64_t created, used;   /* unix seconds; used 0: never */
    struct slice salt, used_from,
        damage; /* damage: of api_key_each(), why its row cannot be read, or empty */
};

struct api_keys; /* usable from every loop */
/* kv and dir stay the caller's and outlive it. Reads keys.secret of the working directory, if it is there.
 * BLOCKS. */
MUST_CHECK int api_keys_open(struct api_keys **out, struct kv *kv, struct directory *dir);
void api_keys_close(struct api_keys **keys);

/* A key for the account of k->address, with k's name, scopes, net, nnets and rate (0: API_KEY_RATE); fills in
 * the rest. *whole: "ID.SECRET", in the arena, which nobody can tell a second time. ERR_NOT_FOUND (account),
 * ERR_USAGE, ERR_LIMIT. */
MUST_CHECK int api_key_add(struct api_keys *keys, struct arena *a, struct api_key *k, struct slice *whole);
MUST_CHECK int api_key_remove(struct api_keys *keys, struct slice id); /* ERR_NOT_FOUND */
/* Another name, and other scopes unless they are 0. ERR_NOT_FOUND: the account has no such key; ERR_USAGE. */
MUST_CHECK int api_key_change(struct api_keys *keys, struct slice id, const char *account, struct slice name,
                              unsigned scopes);
/* All keys of an account that goes. */
MUST_CHECK int api_keys_forget(struct api_keys *keys, const char *account);
/* The account got another address: its keys go on. */
MUST_CHECK int api_keys_renamed(struct api_keys *keys, const char *account, struct slice address);
/* Every key, in the order of ids; valid during the call. What each() returns, unless 0, ends the walk and is
 * returned. */
MUST_CHECK int api_key_each(struct api_keys *keys, int (*each)(void *arg, struct api_key *k), void *arg);

/* ---- whoever calls ---- */

/* The key of this id, in the arena, whoever asks: its secret is still to be proved. ERR_DENIED. */
MUST_CHECK int api_key_read(struct api_keys *keys, struct arena *a, struct slice id, struct api_key *out);
/* Its secret, API_KEY_SECRET characters. ERR_STATE: the node's secret is not there. Does not suspend. */
MUST_CHECK int api_key_secret(struct api_keys *keys, const struct api_key *k, char out[API_KEY_SECRET + 1]);
/* The secret is right: may it call now, from this address? Its account, in the arena. ERR_DENIED, ERR_LIMIT
 * (its rate) with the sentence. Counted, and its use noted. */
MUST_CHECK int api_key_admit(struct api_keys *keys, struct arena *a, const struct api_key *k,
                             const struct ip *from, struct account *out);

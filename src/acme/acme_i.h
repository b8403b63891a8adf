/* acme_i.h - inside acme: one order with the authority; the rows. */
#pragma once
#include "acme.h"
#include "jose.h"
#include "rt/rt.h"

#define ACME_OBJECT SL("_acme")

enum { ACME_CLOCKS_S = 3600 }; /* by so much the authority's clock and ours may differ */

struct token {
    struct slice name, answer; /* one allocation each; empty: free */
};
struct acme {
    struct acme_conf conf;
    acme_changed *changed;
    void *changed_arg;
    acme_served *served; /* or NULL */
    void *served_arg;
    struct tls_ctx *tls; /* where proofs over TLS are shown, or NULL */
    struct lock lock;    /* of the tokens */
    struct token token[ACME_TOKENS_MAX];
    bool under_way;      /* atomic */
    uint64_t waited_for; /* atomic: the hash of the sentence that was told last */
    int64_t keys_at;     /* atomic: when the records of keys are looked at next, by rt_now() */
};

/* ---- rows.c ---- */

struct acme_account {
    struct slice directory, url, key_pem; /* url: empty when there is none yet */
};
MUST_CHECK int acme_account_get(struct kv *kv, struct arena *a, struct acme_account *out); /* SUSPENDS */
MUST_CHECK int acme_account_put(struct kv *kv, const struct acme_account *v);              /* SUSPENDS */
MUST_CHECK int acme_kept_put(struct kv *kv, const struct acme_kept *v);                    /* SUSPENDS */
/* The same, and what fn does, at once. SUSPENDS. */
MUST_CHECK int acme_kept_put_with(struct kv *kv, const struct acme_kept *v, kv_fn *fn, void *arg);
MUST_CHECK int acme_kept_drop(struct kv *kv, struct slice name); /* SUSPENDS */

/* ---- rollover.c: keys change with their records in the DNS ---- */

/* What stands there is looked at, and what is missing put there. 0 or ERR_CANCELED, what is kept cannot be
 * read; all else is noted. SUSPENDS. */
MUST_CHECK int rollover_look(struct acme *x);
/* The key that the next certificate is to have; k has a next one, which is kept. ERR_DNS: none yet.
 * SUSPENDS. */
MUST_CHECK int rollover_key(struct acme *x, struct arena *a, const struct acme_kept *k, bool by_hand,
                            struct es256 **out);
/* The hash of the key that this one takes the place of, or empty. In the arena. SUSPENDS. */
struct slice rollover_replaced(struct acme *x, struct arena *a, const struct acme_kept *k,
                               const struct es256 *key);
/* acme_kept_put(), and the record of that key is to go. SUSPENDS. */
MUST_CHECK int acme_kept_take(struct kv *kv, const struct acme_kept *v, struct slice old);

/* ---- client.c: a session with the authority ---- */

typedef struct json_t json_t;

struct acme_session {
    struct acme *x;
    struct arena *a;
    struct es256 *key; /* the account's */
    struct slice kid, nonce;
    struct slice new_nonce, new_account, new_order, renewal_info;
    const struct slice *name; /* of the order under way */
    size_t nnames;
    enum acme_way way; /* in: the proof that is tried first; out: that was given last */
    int64_t wait_s;    /* out: the authority wants to be left alone for so long; 0: it did not say */
};
/* Reads the directory, and the account, which is made when there is none. SUSPENDS. */
MUST_CHECK int session_open(struct acme_session *s);
void session_close(struct acme_session *s);
/* When the authority advises to renew (RFC 9773 section 4.2): a moment within its window. ERR_UNSUPPORTED,
 * or whatever kept it from answering. SUSPENDS. */
MUST_CHECK int session_advice(struct acme_session *s, struct slice id, int64_t *when);

/* A signed request (section 6.2). *out: the reply, or NULL when it is no JSON; the caller's. SUSPENDS. */
MUST_CHECK int session_post(struct acme_session *s, struct slice url, struct slice payload,
                            struct fetch_answer *r, json_t **out);
/* Asks until the status is none of those that pass (section 7.1.6). *out: the caller's. SUSPENDS. */
MUST_CHECK int session_poll(struct acme_session *s, struct slice url, const char *passes, json_t **out,
                            const char *what);
/* A string within the object, in the arena, empty when it is none; shown: so that no terminal obeys it. */
struct slice session_text(struct acme_session *s, json_t *o, const char *name);
struct slice session_shown(struct acme_session *s, json_t *o, const char *name);
/* The sentences of a problem document, as an error. */
int session_problem(struct acme_session *s, json_t *o, int status);

/* ---- proof.c ---- */

enum { ACME_SECONDARIES_S = 10 }; /* until the other servers of a zone have what was put there */
/* Authorizations from their URLs to their ends (section 7.5). ERR_UNSUPPORTED: nothing that is offered can be
 * done. SUSPENDS. */
MUST_CHECK int session_prove(struct acme_session *s, const struct slice *url, size_t n);

/* ---- order.c ---- */

/* An order from its beginning to the certificate, chain in PEM. replaces: as acme_certificate_id(), or empty.
 * SUSPENDS. */
MUST_CHECK int session_order(struct acme_session *s, const struct slice *names, size_t n,
                             const struct es256 *key, struct slice replaces, struct slice *chain_pem);
/* ---- tokens.c ---- */

void acme_tokens_free(struct acme *x);
/* The answer for a token is ready, or not any more. */
MUST_CHECK int acme_token_add(struct acme *x, struct slice token, struct slice answer);
void acme_token_drop(struct acme *x, struct slice token);

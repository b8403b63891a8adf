/* webhook.h - events of an account told to a URL of its own: batches in order, signed, told again until they
 * are taken, with the same ids.
 *
 * The form is SendGrid's: a list of events, of which each is what JSON.stringify makes of it, joined by a
 * comma and CR LF; X-Twilio-Email-Event-Webhook-Signature holds the ECDSA signature (P-256, SHA-256, DER in
 * base64) over X-Twilio-Email-Event-Webhook-Timestamp and these bytes. Rows w/ and W/ of _sends. */
#pragma once
#include "send.h"

enum {
    WEBHOOKS_MAX = 10,            /* of an account */
    WEBHOOK_NAME_MAX = 40,        /* bytes: letters, digits, - and _ */
    WEBHOOK_BATCH = 100,          /* events of one call */
    WEBHOOK_GIVE_UP_S = 72 * 3600 /* after so long without an answer it is paused; nothing is lost */
};
struct webhook {
    struct slice account, name, url; /* account: its id */
    unsigned kinds;                  /* a bit (1 << enum event_kind) for each; 0: all */
    uint64_t after;                  /* the last event that was taken */
    bool paused;
    int64_t failing,
        next;         /* unix seconds: since when it fails, when it is tried again; 0: it does not fail */
    struct slice why; /* the last failure, in words */
    struct slice public_key; /* DER in base64, as SendGrid's libraries want it */
};
/* From now on; h.name, h.url and h.kinds count. *public_key lies in a. ERR_EXISTS, ERR_LIMIT, ERR_SYNTAX (a
 * name, a URL that is not allowed). SUSPENDS. */
MUST_CHECK int webhook_add(struct sends *s, const struct webhook *h, struct arena *a,
                           struct slice *public_key);
MUST_CHECK int webhook_remove(struct sends *s, struct slice account, struct slice name); /* ERR_NOT_FOUND */
/* Goes on, when after is not 0 from behind that event on (told again). SUSPENDS. ERR_NOT_FOUND. */
MUST_CHECK int webhook_resume(struct sends *s, struct slice account, struct slice name, uint64_t after);
/* account empty: of all. each()'s non-zero value ends the walk. SUSPENDS. */
typedef int webhook_each_fn(void *arg, const struct webhook *h);
MUST_CHECK int webhook_each(struct sends *s, struct slice account, webhook_each_fn *each, void *arg);

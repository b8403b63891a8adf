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
    WEBHOOK_TITLE_MAX = 200,      /* bytes of UTF-8 */
    WEBHOOK_BATCH = 100,          /* events of one call */
    WEBHOOK_GIVE_UP_S = 72 * 3600 /* after so long without an answer it is paused; nothing is lost */
};
/* What it hears: a bit (1 << enum event_kind) for each kind; 0: all. UNSUBSCRIBED is of who left all, a group
 * has a bit of its own. WEBHOOK_CHOSEN says that no other bit means nothing at all. */
#define WEBHOOK_CHOSEN 1u
#define WEBHOOK_LEFT_GROUP (1u << 31)
/* What a call says: events as SendGrid has them, as Mailjet has them (the same list), or one of Mailjet's
 * alone. */
enum webhook_form { WEBHOOK_SENDGRID, WEBHOOK_MAILJET, WEBHOOK_MAILJET_ONE, WEBHOOK_FORMS };
struct webhook {
    struct slice account, name, url; /* account: its id */
    struct slice title;              /* for people, or empty */
    unsigned kinds;
    enum webhook_form form;
    bool off;                 /* it is told nothing; when it goes on, what was meanwhile is not told */
    bool bare;                /* its calls bear no signature */
    int64_t created, changed; /* unix microseconds */
    uint64_t after;           /* the last event that was taken */
    bool paused;
    int64_t failing,
        next;         /* unix seconds: since when it fails, when it is tried again; 0: it does not fail */
    struct slice why; /* the last failure, in words */
    struct slice public_key; /* DER in base64, as SendGrid's libraries want it */
};
/* From now on; name, url, title, kinds, form, off and bare count. *public_key lies in a. ERR_EXISTS (the
 * name; the URL: of one account no two are told to the same), ERR_LIMIT, ERR_SYNTAX (a name, a title),
 * ERR_USAGE (a URL that is not allowed). SUSPENDS. */
MUST_CHECK int webhook_add(struct sends *s, const struct webhook *h, struct arena *a,
                           struct slice *public_key);
MUST_CHECK int webhook_remove(struct sends *s, struct slice account, struct slice name); /* ERR_NOT_FOUND */
/* Goes on, when after is not 0 from behind that event on (told again). SUSPENDS. ERR_NOT_FOUND. */
MUST_CHECK int webhook_resume(struct sends *s, struct slice account, struct slice name, uint64_t after);
/* change() sets url, title, kinds, form, off and bare, within the transaction, once or more; its call is then
 * tried at once. ERR_NOT_FOUND, else as webhook_add(). SUSPENDS. */
typedef void webhook_change_fn(void *arg, struct webhook *h);
MUST_CHECK int webhook_change(struct sends *s, struct slice account, struct slice name,
                              webhook_change_fn *change, void *arg);
/* In Mailjet's forms a kind is told to one URL: those of h->kinds are from now on told to h->url, and to no
 * other webhook of these forms, in one transaction. That is the one of that URL, whose form and off become
 * h's, or a new one of h->name; one that is left without kinds goes. h->url empty: they are told to none.
 * fresh: ERR_EXISTS when one of them is told already. ERR_NOT_FOUND: none was told, and there is no URL; else
 * as webhook_add(). SUSPENDS. */
MUST_CHECK int webhook_tell_only(struct sends *s, const struct webhook *h, bool fresh);
/* In a. ERR_NOT_FOUND. SUSPENDS. */
MUST_CHECK int webhook_get(struct sends *s, struct slice account, struct slice name, struct arena *a,
                           struct webhook *out);
/* One call with an event of each kind that never was; signed as the webhook of that name is, without one not
 * at all. Its failure is that of the receiver, or of the URL (ERR_USAGE), or ERR_NOT_FOUND. SUSPENDS. */
MUST_CHECK int webhook_try(struct sends *s, struct slice account, struct slice name, struct slice url,
                           struct arena *a);
/* account empty: of all. each()'s non-zero value ends the walk. SUSPENDS. */
typedef int webhook_each_fn(void *arg, const struct webhook *h);
MUST_CHECK int webhook_each(struct sends *s, struct slice account, webhook_each_fn *each, void *arg);

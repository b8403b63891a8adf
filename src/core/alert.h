/* alert.h - conditions of the node that somebody has to hear of: each is told once, by a letter to postmaster
 * and by a webhook, and not again before it has been over for ALERT_QUIET_S.
 *
 * Who examines the node hands in what is wrong now; what that is, since when, and who was told of it are rows
 * of the object _alert. What could not be told is told at the next examination. */
#pragma once
#include "fetch/fetch.h"
#include "kv/kv.h"
#include "queue/letter.h"

enum {
    ALERTS_MOST = 500,        /* conditions that are kept; what is beyond waits until others are over */
    ALERT_LINES = 40,         /* of a letter; the rest is counted */
    ALERT_SENTENCE = 500,     /* bytes */
    ALERT_QUIET_S = 6 * 3600, /* what comes back within this time is not told again */
};

struct alert_finding {
    struct slice about;    /* the same as long as the condition is the same: "disk", "DNS one.test" */
    struct slice sentence; /* empty: whether it is so could not be found out, so it stays as it was */
    bool twice;            /* is told when it is found a second time, for it may be a matter of a moment */
};
/* What is known of one. */
struct alert {
    struct slice about, sentence;
    int64_t since, over;        /* over: 0 while it lasts */
    uint64_t seen;              /* examinations that found it */
    bool twice, mailed, posted; /* told */
    bool ended_posted;          /* the webhook knows that it is over */
    bool due;                   /* is to be told now */
};

struct alerts_conf { /* everything is borrowed */
    struct kv *kv;
    letter_take *take; /* NULL: no letters */
    void *take_ctx;
    const struct fetch *fetch;
    struct slice webhook; /* URL, or empty */
    bool private_hosts;   /* the webhook may lie at an address that the world does not route */
    struct slice hostname;
    bool *telling; /* one at a time tells, over all loops: atomic, of the node */
};

/* What an examination found; to: postmaster's address, or empty (no letter can be written). slow: what is
 * about DNS was examined too, else those stay as they were. Who comes while another one tells waits for him.
 * The first error of telling is returned, what could be done is done. SUSPENDS. */
MUST_CHECK int alerts_found(const struct alerts_conf *x, const struct alert_finding *v, size_t n, bool slow,
                            struct slice to);
/* Those that last, the oldest first; in the arena. SUSPENDS. */
MUST_CHECK int alerts_list(struct kv *kv, struct arena *a, struct alert **out, size_t *n);

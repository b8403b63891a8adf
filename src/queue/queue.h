/* queue.h - letters on their way: durable records, schedule, retry, bounces.
 *
 * A queue record is an envelope with a state for each recipient. The legal states
 * and moves are a table in queue_state.c, asserted on every change. */
#pragma once
#include "last_hop.h"
#include "source/source.h"
#include "store/care.h"

struct conversion;
struct item;
struct queue;

/* What became of a recipient of a letter that is made when it leaves. */
enum made_end {
    MADE_TAKEN, /* the letter is in the queue */
    MADE_DELIVERED,
    MADE_DEFERRED, /* the next attempt is at `until` */
    MADE_BOUNCED,
    MADE_DROPPED, /* not wanted any more: `why`, as wanted() said; 0: an operator threw it away */
    MADE_FAILED   /* its letter cannot be made: `reply` says why */
};
struct made_news {
    const struct letter *letter; /* the envelope: id, made, submitter */
    enum made_end what;
    struct slice address; /* that was written to: ORCPT, where it leads to another */
    uint32_t n;           /* its number in the letter */
    int why;
    int code; /* the reply's, or 0 */
    uint32_t attempts;
    int64_t until; /* unix seconds */
    struct slice enhanced, reply, host, class;
    bool expired; /* bounced because its time was over */
};
/* Who makes letters without a body (struct letter's `made`), and hears of them in place of a sender. All but
 * tell() SUSPEND; any loop. */
struct queue_maker {
    void *ctx;
    /* Its bytes, for one attempt. An error that is not temporary: nobody can ever make it. */
    int (*source)(void *ctx, const struct letter *l, struct arena *a, struct letter_source *out);
    /* Is this recipient still to get it? 0: yes; above 0: no, and tell() hears this number; below: not now.
     */
    int (*wanted)(void *ctx, const struct letter *l, struct slice address);
    /* In the transaction that records it, which may run more than once: it touches only tx. */
    void (*tell)(void *ctx, struct kv_tx *tx, const struct made_news *news);
};

struct queue_conf {
    struct slice hostname; /* our name, for reports */
    letter_take *take;     /* for our bounces */
    void *take_ctx;
    queue_deliver *deliver; /* for recipients here */
    void *deliver_ctx;
    int64_t retry_first_s, retry_most_s; /* 0 = 60 s growing to 4 h, with jitter */
    int64_t lifetime_s;                  /* 0 = 5 days */
    int64_t delay_warning_s;             /* 0 = 4 h; -1 = never */
    bool over_quota_is_final;            /* what a full mailbox here does not take comes back at once */
    int shards;                          /* 0 = 256; fixed when the store is made */
    struct queue_maker maker;            /* tell NULL: no letter is made when it leaves */
    struct sources *sources;             /* borrowed; NULL: letters leave as the relay is configured */
};
/* s, conf->take_ctx and conf->deliver_ctx are borrowed, the rest is copied. SUSPENDS. */
MUST_CHECK int queue_open(struct queue **out, struct store *s, const struct queue_conf *conf);
void queue_close(struct queue **q); /* SUSPENDS: lets attempts under way end (bounded) */

/* What a delivery attempt comes to, for one recipient. */
enum attempt {
    ATTEMPT_DELIVERED,
    ATTEMPT_TEMPORARY,
    ATTEMPT_PERMANENT,
    ATTEMPT_UNCERTAIN, /* final dot's answer lost */
    ATTEMPT_DROPPED    /* not made at all: not wanted any more, or the letter cannot be made */
};
struct attempt_rcpt {
    struct slice address; /* in: where to */
    unsigned notify;
    struct slice orcpt;
    enum attempt result;   /* out, and below */
    int code;              /* SMTP reply code or 0 */
    char enhanced[12];     /* "5.1.1" or "" */
    struct slice reply;    /* the reply verbatim, or a sentence of ours; in the arena */
    struct slice host;     /* the MX asked, "mx.two.test [127.0.0.3]:25" */
    struct slice tls;      /* "TLSv1.3 TLS_AES_256_GCM_SHA384, certificate not verified" or empty */
    bool elsewhere, later; /* the relay's own, while it goes from server to server */
    int unwanted;          /* the schedule's own: why it was dropped, 0: its letter cannot be made */
    bool by_taken;         /* and DELIVERBY (RFC 2852) */
    bool dsn_taken;        /* the next server speaks DSN and got notify and orcpt (RFC 3461 section 4) */
};
struct attempt_letter {
    const struct letter *letter; /* the envelope; its rcpt is NULL. The bytes: */
    const struct letter_source *source;
    struct slice domain; /* all recipients are of this domain (next hop) */
    struct attempt_rcpt *rcpt;
    size_t nrcpt;                 /* at most 100 */
    struct slice first_host;      /* try this host first: its answer to the final dot was lost; or empty */
    struct arena *a;              /* results lie in it */
    int64_t until;                /* deadline (rt_now scale) of the attempt */
    struct conversion *converted; /* the relay's own: for servers that take less than the letter holds */
    struct item *item;            /* the schedule's own; NULL: nobody keeps count */
    unsigned families;            /* of the addresses it may leave from: FROM_IPV4, FROM_IPV6; 0: any */
    struct source from; /* the source it leaves from, once placed; name empty: the node's own address */
    struct slice group; /* of its site, as its warm-up counts; in the arena */
    bool routed;  /* set before attempt_place(): it goes where the operator says, from the node's own address
                   * and from none of the sources */
    bool no_room; /* out: attempt_place() or attempt_may_open() said no */
    bool found, asked; /* out: its site was found; a server was asked */
    bool noted;        /* the schedule's own: that it may have been handed over */
};
enum { FROM_IPV4 = 1, FROM_IPV6 = 2 };
/* The relay has found the site: its MX set, the most preferred host, and the families of its addresses;
 * `from` is known from here on. False: it has no room now; the relay returns at once, nothing is recorded,
 * and the letter goes back to the schedule. On the attempt's fiber. */
MUST_CHECK bool attempt_place(struct attempt_letter *at, struct slice mx_set, struct slice host,
                              unsigned families);
/* Before each connection: may it be opened? Then it counts as attempt_asks(). False: as above; but
 * once a server was asked no_room is taken back, and the attempt ends with what was answered. */
MUST_CHECK bool attempt_may_open(struct attempt_letter *at);
/* A server is asked, on a connection that was open: what it comes to is news of the site, and should the
 * machine die meanwhile, the letter may have been handed over. */
void attempt_asks(struct attempt_letter *at);
/* The proxy by which `from` leaves did its part, or did not: then the source rests, and unless some server
 * has answered before (answered), nothing is recorded and the letter goes back to the schedule as with
 * attempt_place(). */
void attempt_source_works(struct attempt_letter *at);
void attempt_source_failed(struct attempt_letter *at, struct slice why, bool answered);
/* A connection by its proxy ended at once, before a word came from the site. True: that is the proxy's doing
 * (source_unheard()), and to be told by attempt_source_failed(). */
bool attempt_source_unheard(struct attempt_letter *at, struct slice site);
/* The relay, called on a fiber for each (letter, domain) that is due. Fills in the
 * results; never fails as a whole. */
typedef void queue_relay(void *ctx, struct attempt_letter *at);
/* Starts the schedule on every loop; returns at once. */
MUST_CHECK int queue_start(struct queue *q, queue_relay *relay, void *ctx);

/* ---- seeing and steering (for the control socket). All SUSPEND. ---- */

struct queue_rcpt_info {
    struct slice address, reply, host;
    struct slice class, rule;   /* what the reply means, by which rule (docs/delivery.md); or empty */
    struct slice source;        /* that the last attempt left from; or empty */
    struct slice way;           /* by which sources the next one leaves, in words; or empty */
    struct slice state;         /* "waiting" "sending" "held" "delivered" "bounced" "dropped" "damaged" */
    int64_t next_try, last_try; /* unix seconds, 0 = none */
    uint32_t attempts;
    bool uncertain;   /* the answer to the end of the letter was lost; the same host is asked first */
    struct slice why; /* a sentence: what it waits for */
};
struct queue_info {
    struct letter_id id;
    struct slice sender, message_id, subject;
    int64_t received, expires;
    uint64_t size;
    struct queue_rcpt_info *rcpt;
    size_t nrcpt;
    struct slice wants;  /* what the sender asks of servers, in words; or empty */
    struct slice damage; /* a sentence: which of its rows cannot be read; or empty */
};
struct queue_filter { /* what is empty, 0 or false fits all */
    struct slice address, domain, sender;
    struct slice class,
        host; /* of the last reply to somebody who still waits: its class; the server, or a domain above it */
    struct slice source; /* the last attempt left from it */
    struct slice campaign;
    bool null_sender; /* reports, ours and others' */
    bool uncertain;   /* the answer to the end of the letter was lost: it may have been taken */
    int64_t before;   /* received before, unix seconds */
    size_t limit;
};
/* Calls each() for the letters that match, at most f->limit, until it returns non-zero; info is valid during
 * the call. 0, each()'s error, or why the walk did not end. */
typedef int queue_each_fn(void *arg, const struct queue_info *info);
MUST_CHECK int queue_list(struct queue *q, const struct queue_filter *f, queue_each_fn *each, void *arg);
MUST_CHECK int queue_show(struct queue *q, const struct letter_id *id, struct arena *a,
                          struct queue_info *out); /* ERR_NOT_FOUND */
enum queue_action { QUEUE_RETRY, QUEUE_HOLD, QUEUE_RELEASE, QUEUE_DROP };
MUST_CHECK int queue_act(struct queue *q, const struct letter_id *id, enum queue_action what);
MUST_CHECK int queue_act_all(struct queue *q, const struct queue_filter *f, enum queue_action what,
                             size_t *n);
/* What of it still waits leaves from that source from now on, whatever servers say; empty: as it is planned.
 * When it is due does not change. ERR_NOT_FOUND: no such letter or source; ERR_STATE: nothing of it waits. */
MUST_CHECK int queue_reroute(struct queue *q, const struct letter_id *id, struct slice source);
MUST_CHECK int queue_reroute_all(struct queue *q, const struct queue_filter *f, struct slice source,
                                 size_t *n);
struct queue_stats {
    uint64_t letters, recipients, due, sending;
    bool due_more;                                    /* more are due than were counted */
    uint64_t delivered, bounced, deferred, uncertain; /* recipients, since the start */
    uint64_t stalled; /* lines that the watchdog had to set going, since the start: a fault of ours each */
    uint64_t reports; /* of failures, delays and successes that were made, since the start; */
    uint64_t reports_withheld; /* not made, for the sender may have been forged or has had its share; */
    uint64_t reports_later;    /* how often one was put off, because many had gone to its sender */
    int64_t oldest;
};
MUST_CHECK int queue_stats(struct queue *q, struct queue_stats *out);

/* The queue at a glance. A delivery is a letter's part to one next hop. */
struct queue_top_source {
    struct slice name; /* empty: the node's own address */
    unsigned under_way, places, rate;
    int64_t heard;
    struct slice said;
};
struct queue_top_row {
    struct slice site, way;    /* of what is neither due nor under way: the domain; as source_way's name */
    uint64_t waiting, later;   /* deliveries that are due and not under way; that are due later */
    size_t domains, under_way; /* domains of those */
    unsigned rate;             /* letters that it took in the last minute */
    int64_t heard;             /* unix seconds: when it last spoke, or did not answer; 0: not known */
    struct slice said;         /* what it said then; empty: it took a letter */
    struct slice why;          /* what keeps the first of those that wait, in a sentence; or empty */
    struct queue_top_source *source; /* of what leaves by this way: each path; none: not known */
    size_t nsource;
};
struct queue_top {
    int64_t now;
    bool running, estimated; /* estimated: the queue is so long that a part of it stands for the rest */
    uint64_t letters, recipients, waiting, later, under_way;
    struct queue_top_row *row; /* the largest first */
    size_t n, others;          /* others: rows that there was no room for */
};
/* At most `limit` rows; all lies in a. */
MUST_CHECK int queue_top(struct queue *q, size_t limit, struct arena *a, struct queue_top *out);
struct care_queue queue_care(struct queue *q); /* for store_sweep and store_backup */
/* What became of a letter that came back from its body, when the index was lost (store/rescue.h). */
struct queue_back {
    struct letter_id id;
    struct slice sender;
    uint64_t delivered; /* recipients here who got it now */
    size_t nheld;       /* recipients who may have it already: it waits for them, held */
    struct slice held;  /* their addresses */
};
struct rescue_letter;
/* Slices lie in the arena, or point into the origin. ERR_CORRUPT: so is the origin. SUSPENDS. */
MUST_CHECK int queue_take_back(struct queue *q, const struct rescue_letter *from, struct arena *a,
                               struct queue_back *out);
/* For store_verify: says of each damaged row of the queue which it is. */
MUST_CHECK int queue_verify(void *queue, struct store *s, verify_bad *bad, void *arg);

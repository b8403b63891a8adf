/* send_i.h - what the files of the sending service share: rows, the service in memory. */
#pragma once
#include "base/map.h"
#include "kv/record.h"
#include "send.h"
#include "store/store.h"
#include "trace/letter_id.h"

enum {
    SEND_PAGE_BYTES = 48000, /* a page of letters is closed above that */
    SEND_ROW_BYTES = 60000,  /* of one row of a page or of the common part */
    SEND_FLUSH_BYTES = 1 << 20,
    SEND_SOON_S = 600, /* sends that are due later than that stay on the disk */
};

#define SENDS_OBJECT "_sends"

/* Who looks when there are news, each on a fiber of loop 0, as long as it takes. */
enum { SENDS_RUNNER = 1, SENDS_HOOKS = 2, SENDS_NUMBERS = 4, SENDS_ALL = 7 };

struct run;
struct sends {
    struct store *store;
    struct signing *signing;
    struct queue *queue;
    struct sources *sources;
    struct replies *replies; /* what receivers' replies mean */
    struct slice hostname, site;
    uint8_t secret[32];
    struct lock lock;
    struct map taking;   /* ids of sends that somebody holds (send_hold()); under the lock */
    uint64_t last_event; /* its id; under the lock */
    unsigned news_for;   /* SENDS_ bits: who has not looked since there were news; atomic */
    /* send_run.c, on loop 0 but for what it says */
    struct map runs;     /* id -> struct run; changed on loop 0 under the lock, read under it anywhere */
    struct run *turn;    /* whose turn is next, in the ring of those that have letters to give */
    struct link over;    /* those that have come to their end */
    struct map accounts; /* id -> struct following */
    /* Tells the runner, from any thread: of a send that is to be run, or (NULL) that events are durable; NULL
     * while none runs. */
    void (*tell)(struct sends *s, const struct letter_id *id);
    struct waitq news, end, hooks, counters;
    struct map fresh;     /* ids of accounts with events that are not counted; under the lock */
    struct numbers *node; /* of all accounts, since the start; under the lock */
    struct map telling;   /* keys of webhooks that are being told something */
    const struct fetch *fetch;
    letter_take *take;
    void *take_ctx;
    struct allowance *allowance; /* or NULL */
    bool webhook_private;
    queue_deliver *file;
    void *file_ctx;
    int64_t inbound_keep;  /* seconds */
    struct map inbounds;   /* tokens of names whose mail is handed to URLs (inbound.c); under the lock */
    uint64_t inbound_turn; /* of who looks a row of them up; under the lock */
    struct inbound_room *inbound_room;
    int64_t started_at; /* unix seconds */
    struct group fibers;
    bool started, stopping;
    int64_t look_again;        /* rt_now(): when sends that are due later are looked for */
    struct contents *contents; /* send_content.c */
    struct send_pages *pages;  /* send_pages.c */
};

/* Asked before it looks: news that come from now on are for the next time. */
static inline void sends_look(struct sends *s, unsigned who)
{
    (void)__atomic_fetch_and(&s->news_for, ~who, __ATOMIC_ACQ_REL);
}
/* Asked before it waits, which nothing suspends in between. */
static inline bool sends_have_news(const struct sends *s, unsigned who)
{
    return __atomic_load_n(&s->news_for, __ATOMIC_ACQUIRE) & who;
}
/* On loop 0. */
static inline void sends_wake(struct sends *s, unsigned who)
{
    (void)__atomic_fetch_or(&s->news_for, who, __ATOMIC_ACQ_REL);
    if (who & SENDS_RUNNER) waitq_wake_all(&s->news);
    if (who & SENDS_HOOKS) waitq_wake_all(&s->hooks);
    if (who & SENDS_NUMBERS) waitq_wake_all(&s->counters);
}

/* The name by which the queue knows a letter: "ID PAGE NUMBER". */
struct send_letter_name {
    struct letter_id send;
    uint64_t page, number;
};

/* ---- rows (send_rows.c) ---- */

enum send_state { SEND_RUNS, SEND_PAUSED, SEND_CANCELED, SEND_FINISHED, SEND_STATES };

/* How far a send is: its row `c`. */
struct send_count {
    uint64_t page, next; /* the page under way, the next letter in it */
    uint64_t seen;       /* the last event that is counted */
    uint64_t queued;     /* recipients of letters that came into the queue */
    uint64_t ended;      /* of these: at an end */
    uint64_t delivered, bounced, dropped, failed, deferred, late, complained, unsubscribed, opened, clicked;
    int64_t begun, over; /* unix seconds; 0: not yet */
};
void send_count_put(struct buf *b, const struct send_count *c);
MUST_CHECK int send_count_get(struct slice row, struct send_count *c);
/* Its row `s`: what an operator or a limit has said. */
struct send_order {
    enum send_state state;
    int64_t since;
    struct slice why;
};
void send_order_put(struct buf *b, const struct send_order *o);
MUST_CHECK int send_order_get(struct slice row, struct send_order *o);

/* What is fixed when a send is taken, but for its content. */
struct send_head {
    struct slice account, address;             /* id and address of the account */
    struct slice key, campaign, batch, digest; /* digest: of a request of which send.digest is a part */
    struct slice claim, claimed; /* SUM of its row i/ACCOUNT/SUM and the digest in it; or empty */
    struct slice category[SEND_CATEGORIES_MAX];
    size_t ncategories;
    enum stream stream;
    unsigned options;
    uint32_t group;
    int64_t taken, send_at; /* unix seconds */
    uint64_t letters, recipients, left_out;
    uint64_t events;  /* its events come behind that one */
    uint64_t numbers; /* letters with those of which everybody was left out: numbers below it are given */
};
void send_head_put(struct buf *b, const struct send_head *h);
/* Slices point into the row. ERR_CORRUPT, ERR_VERSION. */
MUST_CHECK int send_head_get(struct slice row, struct send_head *h);

/* The content: what of a struct send is not in its head. b: without a cap. */
void send_common_put(struct buf *b, const struct send *s);
MUST_CHECK int send_common_get(struct slice blob, struct arena *a, struct send *s);
void send_letter_put(struct buf *b, const struct send_letter *l);
MUST_CHECK int send_letter_get(struct slice field, struct arena *a, struct send_letter *l);

void send_object(const struct letter_id *send, char out[24]); /* "s:ID" */
struct slice send_key_page(struct arena *a, uint64_t first, unsigned row);
struct slice send_key_common(struct arena *a, unsigned row);
/* The row in SENDS_OBJECT that says since when it is over: so it is forgotten in the end. */
struct slice send_key_over(struct arena *a, int64_t when, const struct letter_id *send);
/* The row of a key of idempotency in SENDS_OBJECT. */
struct slice send_key_claim(struct arena *a, struct slice account, struct slice sum);
void send_claim_put(struct buf *b, const struct letter_id *send, struct slice digest, int64_t when);

/* send_take.c: what all sends together know of it: that it is to be run, and where it stands in its account's
 * list. */
void send_tx_list(struct kv_tx *tx, struct arena *a, const struct letter_id *id, const struct send_head *h);
void sends_fresh(struct sends *s, struct slice account); /* events came; any thread */
/* The accounts that have objects "KIND:ACCOUNT", until the service stops. A damaged one is passed over.
 * SUSPENDS. */
typedef int sends_account(struct sends *s, struct slice account);
MUST_CHECK int sends_each_account(struct sends *s, char kind, const char *doing, sends_account *visit);
/* Each row "KIND/..." of the common object, those of one account ("KIND/ACCOUNT/...") or, when that is empty,
 * of all. What is not 0 of visit() ends the walk, and is what it gives. a: is reset at times. SUSPENDS. */
typedef int sends_row(struct sends *s, const struct kv_row *row, struct arena *a, void *arg);
MUST_CHECK int sends_each_row(struct sends *s, const char *kind, struct slice account, sends_row *visit,
                              void *arg);
int event_open(struct sends *s); /* event.c: reads which ids were given. SUSPENDS */

/* ---- reading (send_read.c); all SUSPEND. ERR_NOT_FOUND, ERR_CORRUPT ---- */

MUST_CHECK int send_head_read(struct sends *s, const struct letter_id *id, struct arena *a,
                              struct send_head *out);
MUST_CHECK int send_common_read(struct sends *s, const struct letter_id *id, struct arena *a,
                                struct send *out);
/* Of that the subject alone. */
MUST_CHECK int send_subject_read(struct sends *s, const struct letter_id *id, struct arena *a,
                                 struct slice *out);
/* A page of letters: fields 'L', each a letter. */
MUST_CHECK int send_page_read(struct sends *s, const struct letter_id *id, uint64_t first, struct arena *a,
                              struct slice *out);

/* Letter `number` of that page (send_pages.c); its slices lie in a. ERR_NOT_FOUND: it is not in it. */
MUST_CHECK int send_letter_read(struct sends *s, const struct letter_id *send, uint64_t page, uint64_t number,
                                struct arena *a, struct send_letter *out);
/* The one recipient of a letter, whose links in it are; NULL: there are several. Does not suspend. */
const struct send_addr *send_reader(const struct send_letter *l);

int send_count_read(struct sends *s, const char *object, struct arena *a, struct send_count *out);
MUST_CHECK int send_order_read(struct sends *s, const char *object, struct arena *a, struct send_order *out);

/* send_raw.c: a message handed over whole. Its line ends are made right, in a. Everybody whom From, Sender
 * and the resent fields name must be somebody as whom the account may send: ERR_DENIED; ERR_SYNTAX, with a
 * sentence. SUSPENDS. */
MUST_CHECK int send_raw_fits(struct sends *s, const struct account *acc, struct arena *a, struct slice *raw);

/* send_take.c: only one at a time takes a send, or takes away what was written of it. False: somebody holds
 * it. Given back with send_let_go(). */
bool send_hold(struct sends *s, const struct letter_id *id);
void send_let_go(struct sends *s, const struct letter_id *id);
/* webhook_run.c: a fiber on loop 0 that tells events to webhooks. */
void webhooks_run(void *sends);
void numbers_run(void *sends); /* numbers_count.c: keeps all events counted */
/* send_care.c: forgets what is old. SUSPENDS. */
MUST_CHECK int sends_care(struct sends *s);

/* Can a row be read? For send_verify.c; each beside the reader of the row. ERR_CORRUPT, ERR_VERSION. */
MUST_CHECK int suppression_row_check(struct slice row);
MUST_CHECK int stored_row_check(struct slice key, struct slice row);
MUST_CHECK int send_group_row_check(struct slice key, struct slice row);
MUST_CHECK int send_batch_row_check(struct slice row);
MUST_CHECK int webhook_row_check(struct slice key, struct slice row);
MUST_CHECK int inbound_row_check(struct slice row);

/* queue_i.h - what the files of the queue share: rows, moves, shards, work.
 *
 * Rows of a shard's object (values: kv/record.h, version 1; fields in queue_rows.c):
 *   e<id>                 the envelope of a letter
 *   g<id>/<group>         a group: the recipients of one next hop (domain) or one account here
 *   r<id>/<group>/<rcpt>  a recipient with its state
 *   d<stream><time>/<id>/<group>  the schedule: when a group has something to do (struct q_due)
 *   x<time>/<id>          when a letter is looked at for its age, whatever else it waits for (age.c)
 *   h<id>                 a letter with many recipients is being accepted, page by page (pages.c)
 *   s<id>/<group>         a note that an attempt began; gone with its result
 *   z<id>                 a letter of our own making was accepted (so that it is made once)
 *   c                     counts
 *   _lease/queue          under which number it was used last (queue_owner.c)
 * Group and recipient are five digits, time is unix seconds in twelve. Everything about a
 * letter lies in one shard, chosen by its id. */
#pragma once
#include "base/heap.h"
#include "queue.h"
#include "site.h"

struct replies;
struct tellings;

enum {
    QUEUE_REPLY_MAX = LIMIT_SENTENCE,
    QUEUE_ATTEMPT_RCPTS = 100,
    QUEUE_GROUP_RCPTS = 500, /* of one group; a next hop with more has several */
    QUEUE_SHARDS_MAX = 256,
    QUEUE_LOOPS_MAX = 256
};

/* ---- states and moves (queue_state.c) ---- */

enum q_state { Q_WAITING, Q_HELD, Q_FAILED, Q_DELIVERED, Q_BOUNCED, Q_DROPPED, Q_STATES };
bool q_may_move(enum q_state from, enum q_state to);
bool q_is_end(enum q_state s);
const char *q_state_word(enum q_state s);

/* ---- rows (queue_rows.c) ---- */

struct q_envelope {
    struct letter l; /* without recipients */
    int64_t expires, delay_told;
    int64_t age;           /* when it is looked at for its age: its row x */
    uint32_t groups, open; /* open: groups with recipients that are not at an end */
    uint32_t rcpts;        /* 0: not said */
    struct slice sieve;    /* of its recipients' addresses; empty: an older program took it */
    uint32_t unscheduled;  /* from this group on the schedule has no rows yet (pages.c); 0: it has all */
};
struct q_group {
    uint32_t n;
    bool local, closed;
    char account[20];
    struct slice hop;   /* the domain; for accounts here the account's id */
    int64_t due;        /* the time in its schedule row, 0 = none */
    struct slice bound; /* the source it is to leave from (source/source.h), or empty */
    bool fixed;         /* an operator bound it: what servers say does not undo that */
};
struct q_rcpt {
    uint32_t g, n;
    enum q_state state;
    struct slice address, detail, orcpt;
    unsigned notify;
    uint32_t attempts;
    int64_t next_try, last_try; /* unix seconds */
    int code;
    struct slice enhanced, reply, host, tls;
    struct slice class, rule; /* what the reply means, and which rule says so (shape/reply.h); or empty */
    bool uncertain;           /* an attempt may have delivered it */
    bool expired;             /* failed because its time was over */
    bool barred;              /* held since it came, for the reason in the envelope (hold) */
    struct slice source;      /* that the last attempt left from; or empty */
    bool damaged;             /* its row cannot be read: HELD, and nothing else is known of it but: */
    struct slice key;         /* of that row */
};
/* A row of the schedule knows what its order and its limits need. */
enum { Q_DUE_DOMAIN_MAX = 60 };
struct q_due {
    int64_t due;
    enum stream stream;
    struct letter_id id;
    uint32_t g;
    int8_t priority;      /* MT-PRIORITY of the letter: higher first, within the stream */
    bool local, tell;     /* hop: an account here; nothing is to be sent, only the sender to be told */
    struct slice hop;     /* as in the group */
    struct slice domain;  /* of the sender, cut to Q_DUE_DOMAIN_MAX; may be empty */
    struct slice account; /* who submitted it, or empty */
    struct slice campaign, bound; /* of the letter; as in the group; or empty */
};
/* By which sources it leaves, as the plan says (way.c); *gone: the one it is bound to is not there. */
const struct source_way *queue_way(const struct source_plan *p, const struct q_due *d, bool *gone);
/* The same in words; empty: there are no sources. */
struct slice queue_way_text(struct arena *a, const struct source_plan *p, const struct q_due *d);
void q_move(struct q_rcpt *r, enum q_state to); /* asserts that the move is legal */

struct slice queue_key_envelope(struct arena *a, const struct letter_id *id);
struct slice queue_key_group(struct arena *a, const struct letter_id *id, uint32_t g);
struct slice queue_key_rcpts(struct arena *a, const struct letter_id *id, uint32_t g); /* before them */
struct slice queue_key_rcpt(struct arena *a, const struct letter_id *id, uint32_t g, uint32_t n);
struct slice queue_key_due(struct arena *a, enum stream stream, int64_t due, const struct letter_id *id,
                           uint32_t g);
/* The least key of what is due at that time or later, in that stream. */
struct slice queue_key_due_from(struct arena *a, enum stream stream, int64_t due);
struct slice queue_key_age(struct arena *a, int64_t at, const struct letter_id *id);
bool queue_key_age_parse(struct slice key, int64_t *at, struct letter_id *id);
struct slice queue_key_sending(struct arena *a, const struct letter_id *id, uint32_t g);
struct slice queue_key_once(struct arena *a, const struct letter_id *id);
struct slice queue_key_accepting(struct arena *a, const struct letter_id *id);

/* Most letters have one recipient: its row is asked for by its key, which costs a tenth of a walk. */
static inline bool q_is_single(const struct q_envelope *e) { return e->groups == 1 && e->rcpts == 1; }
void q_envelope_put(struct buf *b, const struct q_envelope *e);
MUST_CHECK int q_envelope_get(struct slice row, const struct letter_id *id, struct q_envelope *e);
/* What a walk over very many passes most of them over by, at a fraction of the work. False: it is to be read
 * whole. */
struct q_front {
    struct slice sieve, sender;
    int64_t received; /* if that is wanted */
};
bool q_envelope_peek(struct slice row, bool received, struct q_front *out);
/* Bits that say of an address that it may be one of those, or is none (a Bloom filter). */
struct slice q_sieve_make(struct arena *a, const struct letter *l);
bool q_sieve_may_hold(struct slice sieve, struct slice address);
bool q_rcpt_peek(struct slice row, struct slice *address);
void q_group_put(struct buf *b, const struct q_group *g);
MUST_CHECK int q_group_get(struct slice row, uint32_t n, struct q_group *g);
void q_due_of(struct q_due *d, const struct q_envelope *e, const struct q_group *g, int64_t due, bool tell);
void q_due_put(struct buf *b, const struct q_due *d);
MUST_CHECK int q_due_get(struct slice key, struct slice row, struct q_due *d);
/* The address that was written to, when it leads to another: of letters that are made when they leave. */
static inline struct slice q_rcpt_asked(const struct q_rcpt *r)
{
    return sl_starts(r->orcpt, SL("rfc822;")) ? sl_from(r->orcpt, 7) : r->address;
}
void q_rcpt_put(struct buf *b, const struct q_rcpt *r);
/* key: "r<id>/<group>/<rcpt>" */
MUST_CHECK int q_rcpt_get(struct slice key, struct slice row, struct q_rcpt *r);

/* ---- changes, inside a transaction (queue_tx.c) ---- */

MUST_CHECK int queue_tx_rcpt(struct kv_tx *tx, struct arena *a, const struct letter_id *id, uint32_t g,
                             uint32_t n, struct q_rcpt *out);
void queue_tx_put_rcpt(struct kv_tx *tx, struct arena *a, const struct letter_id *id, const struct q_rcpt *r);
/* After recipients of group g changed: its schedule row, and the end of the group or the letter. */
MUST_CHECK int queue_tx_settle(struct kv_tx *tx, struct arena *a, const struct letter_id *id, uint32_t g);
/* The same behind an attempt: the note that it began goes with what it came to. */
MUST_CHECK int queue_tx_settle_ended(struct kv_tx *tx, struct arena *a, const struct letter_id *id,
                                     uint32_t g);
/* What has been dropped meanwhile needs no record: ERR_NOT_FOUND is none. */
static inline int queue_gone_is_fine(int e) { return e == ERR_NOT_FOUND ? 0 : e; }
/* The group leaves from that source from now on (empty: from any), unless an operator said otherwise. */
MUST_CHECK int queue_tx_bind(struct kv_tx *tx, struct arena *a, const struct letter_id *id, uint32_t g,
                             struct slice source, bool fixed);
void queue_tx_count(struct kv_tx *tx, int64_t letters, int64_t rcpts);
/* All rows of its recipients, groups and attempts, however many: at its end, when the schedule knows none. */
void queue_tx_erase_rows(struct kv_tx *tx, struct arena *a, const struct letter_id *id);
/* The time of a letter that is whole begins now; its row x is moved, the envelope is the caller's to put. */
void queue_tx_age_begin(struct kv_tx *tx, struct arena *a, const struct queue *q, struct q_envelope *e);
/* Takes the group out of the schedule at that time when its rows cannot be read or are not there; *taken:
 * it stood there. The rows stay for `tram verify` and for who drops the letter. */
MUST_CHECK int queue_tx_quarantine(struct kv_tx *tx, struct arena *a, const struct q_due *d, bool *taken);

/* ---- the queue in memory ---- */

struct schedule; /* schedule.c: of a loop, over all its shards */
struct shard {
    struct queue *q;
    int n, loop;
    char object[16]; /* "q:007" */
    struct schedule *schedule;
    /* all below belongs to the shard's loop: how far its rows have been read (ahead.c) */
    struct heap_node look;    /* rt_now(): when its schedule is to be read next; a wall clock that jumps moves
                                 it not */
    char cursor[STREAMS][48]; /* from which row on; "" = from the first */
    int64_t read_at;          /* the wall clock then: an earlier one lets it be read from the first row */
    char hole[STREAMS][48];   /* from there on rows cannot be read, are tried again at hole_at; "": none */
    int64_t hole_at;          /* rt_now() */
    bool again;               /* there was more than room for it */
    uint64_t claims;          /* kv_claims() when it was ours last; 0: nobody looked */
    int64_t forget_at;        /* rt_now() */
};
struct queue {
    struct store *store;
    letter_take *take;
    void *take_ctx;
    queue_deliver *deliver;
    void *deliver_ctx;
    struct queue_maker maker;
    struct slice hostname;
    struct replies *replies;
    int64_t retry_first_s, retry_most_s, lifetime_s, delay_warning_s;
    bool over_quota_is_final;
    struct sites *sites;
    struct tellings *tellings;        /* how many reports went to whom */
    struct sources *sources;          /* or NULL */
    uint64_t fence;                   /* the number under which this process has it */
    bool lost;                        /* another process has it now; atomic */
    void (*abandon)(struct queue *q); /* schedule_abandon() */
    int nshards, nloops;
    struct shard shard[QUEUE_SHARDS_MAX];
    struct schedule *schedule[QUEUE_LOOPS_MAX];
    queue_relay *relay;
    void *relay_ctx;
    bool started;
    uint64_t delivered, bounced, deferred, uncertain, stalled; /* since the start; atomic */
    uint64_t reports, reports_withheld, reports_later;         /* the same; later: so often one was put off */
};
/* queue_owner.c: the queue becomes this process's; then its shards on that loop, before anything of them is
 * read. SUSPEND. */
MUST_CHECK int queue_owner_take(struct queue *q);
MUST_CHECK int queue_owner_claim(struct queue *q, int loop);
/* As kv_transact() on the shard. ERR_BUSY: another process has taken the queue over; then all of it stops
 * here. What happens to a shard happens in one of these. SUSPEND. */
MUST_CHECK int shard_transact(struct shard *s, kv_fn *fn, void *arg);
MUST_CHECK int shard_transact_large(struct shard *s, kv_fn *fn, void *arg);
/* Before anything is done for a letter: ERR_BUSY as above. SUSPENDS. */
MUST_CHECK int shard_ours(struct shard *s);
bool queue_is_lost(const struct queue *q);
/* once.c: forgets the names of own reports that no step can make again. SUSPENDS. */
MUST_CHECK int queue_forget_names(struct shard *s);
/* queue_shards.c */
uint32_t queue_shard_of(const char *id, int shards); /* in which of so many a letter lies */
/* The number of shards of this store: that of its row, else what the letters tell; `want` for a new one. The
 * row says it from now on. SUSPENDS. */
MUST_CHECK int queue_shards(struct store *s, int want, int *out);
struct shard *queue_shard(struct queue *q, const struct letter_id *id);
static inline struct slice shard_object(const struct shard *s) { return sl_cstr(s->object); }
static inline void queue_tally(uint64_t *n, uint64_t by) { __atomic_add_fetch(n, by, __ATOMIC_RELAXED); }

/* ---- the schedule of a loop (schedule.c) ---- */

/* From any loop: there may be something to do. */
void schedule_offer(struct shard *s, const struct q_due *d);
/* The same, and an operator wants it tried now, also when its site is down. */
void schedule_want(struct shard *s, const struct q_due *d);
MUST_CHECK int schedule_start(struct queue *q, int loop); /* on that loop */
int schedule_loop(const struct schedule *x);
struct ready;
struct ready *schedule_ready(struct schedule *x); /* NULL: it does not run; to be used on its loop */
/* Letters and recipients in the queue, and nothing else. SUSPENDS. */
MUST_CHECK int queue_counts(struct queue *q, struct queue_stats *out);
void schedule_stop(struct schedule *x, int64_t until);                          /* on its loop. SUSPENDS */
bool schedule_sending(struct shard *s, const struct letter_id *id, uint32_t g); /* on its loop */
/* What keeps a group that is due, in a sentence; empty: nothing does. On its loop. */
struct slice schedule_why(struct shard *s, const struct q_due *d, struct arena *a);
void schedule_abandon(struct queue *q);              /* at once, for good, with all attempts; from any loop */
void schedule_replan(void *queue);                   /* the sources are others now; from any loop */
void schedule_source_room(void *queue);              /* one of them may be left from again; from any loop */
size_t schedule_under_way(const struct schedule *x); /* from any loop */
void schedule_site_free(void *queue, int loop, const struct site *site); /* a site_wake */

/* work.c: does what is due for a group. Returns 0 when all that is recorded; ERR_NOT_FOUND,
 * ERR_CORRUPT, ERR_VERSION: its rows are not there or cannot be read; else the group is looked
 * at again later. */
struct item;
struct trip {             /* what one start of a group came to */
    struct item *item;    /* in; see attempt_place() */
    const bool *stopping; /* in: the queue is being closed */
    void (*answered)(
        const struct trip *t); /* in: called when what an attempt came to is about to be recorded */
    int64_t again;             /* it is due again then; 0: nobody says when */
    bool tell;                 /* in: nothing is to be sent, only the sender to be told */
    bool no_room;              /* there was none at its site: it was not tried */
    bool tried;                /* an attempt was made elsewhere: found, asked (attempt_letter) */
    bool found, asked;
    unsigned families; /* in: as in attempt_letter */
    bool same;         /* in: what is put off leaves from the same source again */
    char gone[SOURCE_NAME_MAX +
              1]; /* in: the source that it is bound to, and that is not there any more; or "" */
    struct slice source, group; /* that it left from; of the site (attempt_letter); live while the attempt is
                                   recorded */
    enum site_news news;        /* of the replies; of the site only if it was asked */
    struct slice words;         /* of the site; in room */
    char room[200];
};
static inline void trip_again(struct trip *t, int64_t due) /* it is due again then, if not before */
{
    if (!t->again || due < t->again) t->again = due;
}
MUST_CHECK int work_group(struct shard *s, const struct letter_id *id, uint32_t g, struct trip *trip);
/* age.c. A letter that came while the clock was ahead: its time begins now, else it would wait until then.
 * SUSPENDS. */
MUST_CHECK int age_right(struct shard *s, struct q_envelope *e, int64_t now);
/* No letter is to be looked at later than so many seconds from now. */
int64_t age_latest(const struct queue *q);
/* The letter's row x at that time has come: the sender is told of a delay; when its time is over, *over, in
 * a, are the rows of its groups that are due now, to be told of; or those that the schedule lacked. SUSPENDS.
 */
MUST_CHECK int age_look(struct shard *s, int64_t at, const struct letter_id *id, struct arena *a,
                        struct q_due **over, size_t *n);
/* A letter with its group's rows, in the arena. ERR_NOT_FOUND. */
struct q_loaded {
    struct q_envelope e;
    struct q_group g;
    struct q_rcpt *rcpt;
    size_t n;
    bool pinned; /* the body is; work.c's own */
};
/* Recipients of one group that are worked on at once: at most QUEUE_ATTEMPT_RCPTS. */
struct portion {
    struct shard *s;
    const struct q_loaded *l;
    struct q_rcpt *const *rcpt;
    size_t n;
    struct arena *a; /* scratch */
    struct trip *trip;
};
MUST_CHECK int queue_load_envelope(struct shard *s, const struct letter_id *id, struct arena *a,
                                   struct q_envelope *e);
/* Recipients of one group, or of all when g < 0; those whose rows cannot be read are marked. */
MUST_CHECK int queue_load_rcpts(struct shard *s, const struct letter_id *id, int64_t g, struct arena *a,
                                struct q_rcpt **out, size_t *n);
/* Those of group g of the letter of envelope e. */
MUST_CHECK int queue_load_group_rcpts(struct shard *s, const struct q_envelope *e, uint32_t g,
                                      struct arena *a, struct q_rcpt **out, size_t *n);
/* After so many attempts; first, most: multiples of the configured first wait, 0 = as configured. */
int64_t retry_interval(const struct queue *q, uint32_t attempts, unsigned first, unsigned most);
int64_t retry_longest(const struct queue *q);
/* A time in a row, in unix seconds: one further off than anything waits was written by a clock that was
 * wrong and means now. */
static inline int64_t queue_time(const struct queue *q, int64_t t, int64_t now)
{
    return t > now + retry_longest(q) ? now : t;
}

/* When something is to be done about a letter that is held: at its release, but no later than anything waits
 * (then it goes on waiting); now when it is not held. */
static inline int64_t queue_release(const struct queue *q, const struct letter_wants *w, int64_t now)
{
    if (!letter_is_held(w, now)) return now;
    return w->hold_until < now + retry_longest(q) ? w->hold_until : now + retry_longest(q);
}

/* From when on its sender is kept waiting: its coming, or its release (FUTURERELEASE). */
static inline int64_t queue_waits_since(const struct q_envelope *e)
{
    return e->l.wants.hold_until > e->l.received ? e->l.wants.hold_until : e->l.received;
}
/* The time that it was to be delivered by, of which its sender is still to hear (RFC 2852 section 4.1.3); or
 * 0. */
static inline int64_t queue_late_at(const struct q_envelope *e)
{
    const struct letter_wants *w = &e->l.wants;
    return w->by && w->by_mode == 'N' && e->delay_told < w->by ? w->by : 0;
}
/* When time alone does something to it next, as long as it is tried. */
static inline int64_t queue_next_age(const struct queue *q, const struct q_envelope *e, int64_t now)
{
    int64_t t = e->expires, warn = queue_waits_since(e) + q->delay_warning_s, late = queue_late_at(e);
    if (q->delay_warning_s >= 0 && !e->delay_told && warn > now && warn < t) t = warn;
    return late > now && late < t ? late : t;
}

/* local.c. Words of the results lie in p->a. SUSPENDS. */
void local_attempt(const struct portion *p, struct attempt_rcpt *out);
/* The same of a letter that is made when it leaves: src has its bytes. */
void local_attempt_made(const struct portion *p, const struct letter_source *src, struct attempt_rcpt *out);
/* Gives d its name, of the letter and the recipient's number in it, and has it delivered; as queue_deliver
 * says. SUSPENDS. */
MUST_CHECK int local_deliver(struct queue *q, struct last_hop *d, uint32_t rcpt_n);

/* bounce.c: tells the sender about rcpt (all FAILED, or all delayed). Returns 0 when that is
 * durable or nobody is to be told. ERR_BUSY, and later: so many reports went to it that this one waits. */
struct bounce_told {
    bool told, later;     /* told: a report was made */
    struct slice why_not; /* a sentence; in a. Empty: nobody asked for it, or there is nobody */
};
enum bounce_kind {
    BOUNCE_FAILED,
    BOUNCE_DELAYED,
    BOUNCE_SUCCESS,
    BOUNCE_RELAYED /* RFC 2852 section 4.1.4 */
};
MUST_CHECK int bounce_tell(struct queue *q, const struct q_envelope *e, struct q_rcpt *const *rcpt, size_t n,
                           enum bounce_kind kind, struct arena *a, struct bounce_told *told);

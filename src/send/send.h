/* send.h - sending as a service: one call hands over a letter for one, or for a million, and each recipient's
 * fate is known afterwards.
 *
 *     send_begin    who sends, what all letters share      may this account send so?
 *     send_add      each letter: whom it is for, its data  is the address one, is it suppressed?
 *     send_commit   durable; answered with ids and counts
 *     send_abandon  nothing of it stays
 *
 * A send is kept as what it is: the common part once, of each letter only its addresses and data. A letter is
 * built and signed when an attempt to deliver it begins (send_render.c); its id, and with it Message-ID, and
 * its Date are fixed when the send is taken. The dialects (src/api) and campaigns only translate to this.
 *
 * Object s:ID of a send, object _sends for what all share; docs/format.md has their rows. */
#pragma once
#include "queue/last_hop.h"

struct allowance;
struct fetch;
struct queue;
struct queue_maker;
struct signing;
struct sources;
struct store;

struct sends; /* the sending service of a node */

enum {
    SEND_RCPTS_MAX = 1000,         /* of one letter, to, cc and bcc together */
    SEND_FIELDS_MAX = 100,         /* header fields of its own, of a send and of a letter */
    SEND_FILES_MAX = 500,          /* attachments */
    SEND_CATEGORIES_MAX = 10,      /* of a send */
    SEND_LETTER_MAX = 1 << 20,     /* bytes that one letter takes: addresses, data, arguments */
    SEND_COMMON_MAX = 64 << 20,    /* bytes of the common part */
    SEND_WORD_MAX = 255,           /* a campaign, a category, a key of idempotency */
    SEND_LEFT_OUT_TOLD = 1000,     /* so many of those left out are named in the answer */
    SEND_AHEAD_S = 366 * 86400,    /* so far off may its time be */
    SEND_IDEMPOTENCY_S = 7 * 86400 /* so long a key of idempotency is known */
};

/* Why somebody gets nothing. Named as the dropped event does. */
#define SEND_REASONS(X)                                                                                      \
    X(NONE, "")                                                                                              \
    X(BOUNCED, "bounced")           /* an earlier letter came back for good */                               \
    X(INVALID, "invalid")           /* there is no such address */                                           \
    X(COMPLAINED, "spam")           /* its owner complained */                                               \
    X(UNSUBSCRIBED, "unsubscribed") /* from all */                                                           \
    X(LEFT_GROUP, "group")          /* from the group this is sent under */                                  \
    X(BY_HAND, "by-hand")           /* an operator or the account said so */                                 \
    X(CANCELED, "canceled")         /* the send was, before this left */
enum send_reason {
#define X(name, word) SEND_OUT_##name,
    SEND_REASONS(X)
#undef X
        SEND_OUT_COUNT
};
const char *send_reason_word(enum send_reason r);
bool send_reason_named(struct slice word, enum send_reason *out); /* one that an entry may have */

struct send_addr {
    struct slice name;         /* to be shown, UTF-8; or empty */
    struct slice address;      /* local@domain as given; what is kept is in canonical form (mail_addr_join) */
    enum send_reason left_out; /* of a stored letter: stands in its header section and gets nothing */
};
struct send_addrs {
    struct send_addr *v;
    size_t n;
};
struct send_field { /* of the header section; the value is text, and is encoded and folded when built */
    struct slice name, value;
};
struct send_fields {
    struct send_field *v;
    size_t n;
};
struct send_part {     /* one form of the text */
    struct slice type; /* "text/plain", "text/html", "text/calendar"... */
    struct slice text; /* UTF-8 */
};
struct send_file {
    struct slice name, type; /* file name in UTF-8; media type, or empty */
    struct slice content_id; /* without <>, or empty */
    bool in_text;            /* Content-Disposition: inline */
    struct slice bytes;      /* decoded */
};

/* How subject, fields and parts are read. */
enum send_language {
    SEND_PLAIN,         /* as they are */
    SEND_HANDLEBARS,    /* SendGrid's dynamic templates */
    SEND_MAILJET,       /* {{var:name}} */
    SEND_SUBSTITUTIONS, /* SendGrid's legacy: each key of the data is replaced by its value */
    SEND_SES,           /* Handlebars as SES has it: nothing is escaped, a value that is missing fails */
    SEND_LANGUAGES
};
enum send_option {
    SEND_SANDBOX = 1,                  /* judged and answered, nothing is sent */
    SEND_BYPASS_ALL = 2,               /* also to who is suppressed */
    SEND_BYPASS_BOUNCES = 4,           /* though an earlier letter came back */
    SEND_BYPASS_SPAM = 8,              /* though it complained */
    SEND_BYPASS_UNSUBSCRIBED = 16,     /* though it left all */
    SEND_TRACK_OPENS = 32,             /* */
    SEND_TRACK_CLICKS = 64,            /* */
    SEND_NO_UNSUBSCRIBE = 128,         /* no List-Unsubscribe is added to bulk mail: it has its own */
    SEND_HONOUR_UNSUBSCRIBED = 256,    /* who left all gets no transactional mail either (SendGrid) */
    SEND_TEMPLATE_ERRORS_DELIVER = 512 /* Mailjet's TemplateErrorDeliver: what fails is left out */
};

/* What all letters of a send share. Slices live until send_begin() returns. */
struct send {
    const struct account *account; /* who pays, whose rights count */
    struct slice key;              /* id of the API key, or empty */
    struct slice idempotency;      /* the caller's key, or empty; known for SEND_IDEMPOTENCY_S */
    struct slice digest;           /* of the whole request, to tell another body under the same key */
    enum stream stream;
    struct slice campaign; /* its name, or empty */
    struct slice *category;
    size_t ncategories;
    unsigned options;     /* SEND_ of enum send_option */
    uint32_t group;       /* SendGrid's asm group, 0: none */
    int64_t send_at;      /* unix seconds; 0: now */
    struct slice batch;   /* SendGrid's batch_id, by which it is canceled; or empty */
    struct slice args;    /* custom arguments, a JSON object; or empty */
    struct slice payload; /* Mailjet's EventPayload; or empty */

    struct send_addr from;
    struct send_addr sender; /* the Sender field; or empty */
    struct send_addrs reply_to;
    struct slice subject;
    struct send_fields fields;
    struct send_part *part;
    size_t nparts;
    struct send_file *file;
    size_t nfiles;
    enum send_language language;
    struct slice data; /* for the template, under each letter's own: a JSON object, or empty */
    /* By which the content was found when it was taken (it stands above, so that what was sent can be built
     * again); or empty. */
    struct slice template_id, template_version;
    /* Instead of all from `subject` on: a message, header section and body. Whom it names as its authors and
     * senders the account may send as. */
    struct slice raw;
};

/* One letter: one SendGrid personalization, one recipient of a campaign. */
struct send_letter {
    struct send_addrs to, cc, bcc;
    struct send_addr from; /* its own, or empty */
    struct slice subject;  /* its own, or empty */
    struct send_fields fields;
    struct slice data;   /* for the template: a JSON object, or empty */
    struct slice args;   /* custom arguments, over the send's: a JSON object, or empty */
    struct slice custom; /* one word that comes back with each event (Mailjet's CustomID), or empty */
    int64_t send_at;     /* its own time; 0: the send's */
};

struct send_left_out {
    struct slice address; /* in canonical form */
    enum send_reason reason;
};
/* The answer. */
struct send_taken {
    struct letter_id id;          /* of the send; its letter n (from 0) has send_letter_id() */
    uint64_t letters, recipients; /* that will be written to */
    uint64_t left_out;            /* recipients who get nothing, because of the suppression list */
    struct send_left_out *who;    /* the first SEND_LEFT_OUT_TOLD of them; not known of a repetition */
    size_t nwho;
    bool before; /* it was taken earlier, under the same key of idempotency; with this send_digest(): */
    struct slice digest;
};
void send_letter_id(const struct letter_id *send, uint64_t n, struct letter_id *out);

struct sends_conf {
    struct store *store;
    struct signing *signing; /* NULL: nothing is signed */
    struct slice hostname;
    const struct fetch *fetch; /* for webhooks; NULL: none is told */
    bool webhook_private;      /* they may be in clear, and at addresses that the world does not route */
    struct slice site;         /* host, and port when it is not 443, of our HTTPS server: for links */
    letter_take *take;         /* for what the simulator answers; NULL: it is silent */
    void *take_ctx;
    struct allowance *allowance; /* borrowed; NULL: nobody is limited */
    struct sources *sources;     /* borrowed; hear of complaints; or NULL */
    queue_deliver *file;         /* into a mailbox what no webhook takes; NULL: it stays in the queue */
    void *file_ctx;
    int64_t inbound_keep_s; /* so long it is tried before; 0: INBOUND_KEEP_S */
    uint8_t secret[32];     /* behind addresses that are forgotten, return paths and links */
};
/* Store and signing are borrowed, the rest copied. SUSPENDS. */
MUST_CHECK int sends_open(struct sends **out, const struct sends_conf *conf);
/* What the queue asks of letters that are made when they leave: for queue_open(). */
struct queue_maker sends_maker(struct sends *s);
/* For `verify`: bad() is told of each row of the service that is a record and yet cannot be read; those that
 * are no record store_verify() finds. SUSPENDS. */
MUST_CHECK int sends_verify(struct sends *s, void (*bad)(void *arg, const char *what), void *arg);
/* From now on sends give their letters to the queue, which is borrowed until sends_stop(). SUSPENDS. */
MUST_CHECK int sends_start(struct sends *s, struct queue *q);
void sends_stop(struct sends *s);   /* before the queue is closed. SUSPENDS */
void sends_close(struct sends **s); /* after it. SUSPENDS */

struct send_writer;
/* Judges the sender (ERR_DENIED), the form of what all letters share (ERR_SYNTAX, ERR_TOO_LONG, ERR_LIMIT)
 * and limits. ERR_EXISTS: the key of idempotency was used for another request (another digest); ERR_BUSY: the
 * same request is being taken at this moment. Was it taken before, then *out is NULL, *done is the answer and
 * nothing else is to be called; done lies in a. SUSPENDS. */
MUST_CHECK int send_begin(struct sends *s, const struct send *what, struct arena *a, struct send_writer **out,
                          struct send_taken *done);
/* One more letter; suppressed recipients are left out of it. ERR_SYNTAX, ERR_TOO_LONG, ERR_LIMIT, ERR_DENIED
 * (its own sender) with a sentence: the letter was not added, the others stay and the caller may go on. Other
 * errors end the send. Letters are written page by page while they come: memory does not grow. SUSPENDS. */
MUST_CHECK int send_add(struct send_writer *w, const struct send_letter *l);
/* Of the whole request, where it is known only when all of it has come: it comes back with a repetition
 * (whose struct send is the same), and its caller compares. Copied. */
void send_digest(struct send_writer *w, struct slice digest);
/* Asks the limits of the account for the whole of it: ERR_LIMIT, with the sentence and the time when it ends;
 * a sandbox counts for nothing. All of it is durable, or (but for ERR_UNKNOWN) none. A send of which nobody
 * is left is taken as well. The writer is gone whatever the result. The answer lies in a. SUSPENDS. */
MUST_CHECK int send_commit(struct send_writer **w, struct arena *a, struct send_taken *out);
/* Nothing stays; harmless for NULL. SUSPENDS. */
void send_abandon(struct send_writer **w);
/* The three for letters that are there: all are taken or none. SUSPENDS. */
MUST_CHECK int send_take(struct sends *s, const struct send *what, const struct send_letter *letter, size_t n,
                         struct arena *a, struct send_taken *out);

/* ---- after the loss of the index ---- */

struct send_back {
    struct letter_id id;
    struct slice account, campaign; /* account: its address */
    int64_t when;                   /* it stands as it stood then, unix seconds */
    uint64_t letters, given,
        lost;     /* given to the queue by then; recipients of these, at least, whose letters are lost */
    bool held;    /* whom it reached since, and which orders it got, nobody knows: it is paused, and says why.
                   * Else an order had stopped it, or it was over */
    bool begun;   /* by then */
    bool unknown; /* how far it was cannot be read: given and lost are not known */
    bool over;    /* nothing was left to be done */
    bool gone; /* its head cannot be read: nothing of it is there any more, and only id and when are known */
};
/* A send whose rows came back from an image of that time, before sends_start(). Lies in a. SUSPENDS. */
MUST_CHECK int send_take_back(struct store *s, struct slice object, int64_t when, struct arena *a,
                              struct send_back *out);

/* ---- seeing and steering; all SUSPEND ---- */

enum send_action { SEND_PAUSE, SEND_RESUME, SEND_CANCEL };
/* A canceled send gives nothing more away: what has not left its queue is dropped. ERR_NOT_FOUND; ERR_STATE:
 * it has ended, or is canceled. */
MUST_CHECK int send_act(struct sends *s, const struct letter_id *id, enum send_action what, struct slice why);
struct send_info {
    struct letter_id id;
    struct slice account, campaign, batch, state, why; /* account: its address */
    enum stream stream;
    unsigned options;
    uint64_t events;                     /* those of the account that tell of it come behind this one */
    int64_t taken, send_at, begun, over; /* unix seconds, 0: none */
    uint64_t letters, recipients, left_out;
    uint64_t queued, waiting; /* recipients whose letters came into the queue; and are at no end */
    uint64_t delivered, bounced, dropped, failed, deferred, late, complained, unsubscribed, opened, clicked;
};
/* A number of 53 bits for those who want one, and the send of the account (its id) that has it.
 * ERR_NOT_FOUND. SUSPENDS. */
uint64_t send_number(const struct letter_id *id);
MUST_CHECK int send_numbered(struct sends *s, struct slice account, uint64_t number, struct letter_id *out);
/* In a. ERR_NOT_FOUND. */
MUST_CHECK int send_show(struct sends *s, const struct letter_id *id, struct arena *a, struct send_info *out);
/* The same of the letter that it has first, as it was given. In a. ERR_NOT_FOUND. */
struct send_first {
    struct slice address; /* of its first recipient */
    struct slice custom, subject;
};
MUST_CHECK int send_show_first(struct sends *s, const struct letter_id *id, struct arena *a,
                               struct send_first *out);
/* Sends of an account (by its id; empty: of all) with a campaign or batch, oldest first; as far as they can
 * be read. each()'s non-zero value ends the walk and is returned. */
typedef int send_each_fn(void *arg, const struct send_info *info);
MUST_CHECK int send_each(struct sends *s, struct slice account, send_each_fn *each, void *arg);
/* All sends of an account but sandboxes, of those that were taken from `from` on and before `to` (unix
 * seconds); otherwise the same. It looks at the sends of all accounts of that time: ERR_LIMIT, with a
 * sentence, behind SENDS_LOOKED_MAX of them. */
enum { SENDS_LOOKED_MAX = 100000 };
MUST_CHECK int send_each_taken(struct sends *s, struct slice account, int64_t from, int64_t to,
                               send_each_fn *each, void *arg);

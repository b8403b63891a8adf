/* letter.h - a letter on its way: envelope, recipients with their routes, where its body lies. */
#pragma once
#include "body/body.h"
#include "directory/directory.h"
#include "letter_wants.h"
#include "trace/letter_id.h"

struct mail_head;
struct trace_event;

enum {
    LETTER_RCPTS_MAX = LIMIT_LETTER_RCPTS,
    LETTER_ROWS_MAX = BODY_ORIGIN_MAX - 65536, /* bytes of all recipients: letter_rcpt_rows() */
    LETTER_MADE_MAX = 100,
    LETTER_CAMPAIGN_MAX = 60,
    NOTIFY_DEFAULT = 0,
    NOTIFY_NEVER = 1,
    NOTIFY_SUCCESS = 2,
    NOTIFY_FAILURE = 4,
    NOTIFY_DELAY = 8
};

/* What goes first. Nothing that is sent to many holds up what somebody waits for. */
enum stream {
    STREAM_SYSTEM,        /* our own: bounces, reports */
    STREAM_TRANSACTIONAL, /* from one to one, or nobody said otherwise */
    STREAM_BULK,          /* to many: Precedence: bulk or list, a List-Id */
    STREAMS
};
/* Whose is the return path? Who did not write is not told what became of it. */
enum letter_path {
    PATH_OURS,     /* somebody's here, or nothing was kept of it */
    PATH_PROVEN,   /* SPF says that its domain sends from there */
    PATH_UNPROVEN, /* nothing says that or denies it */
    PATH_FORGED, /* SPF denies it and no signature of its domain speaks for it, or it was judged to be junk */
    LETTER_PATHS
};
struct letter_rcpt {
    struct slice address; /* as in RCPT TO, in canonical form (mail_addr_join) */
    struct route route;   /* where it goes, from directory_resolve (an alias: one letter_rcpt a route) */
    unsigned notify;      /* NOTIFY_ bits (RFC 3461) */
    struct slice orcpt;
};
/* At most so many bytes of rows are made of a recipient: its own, its group's, its schedule's. */
static inline size_t letter_rcpt_rows(const struct letter_rcpt *r)
{
    return 400 + 3 * r->route.address.n + r->orcpt.n + r->route.detail.n;
}
struct letter {
    struct letter_id id;
    struct slice sender; /* return path, in canonical form; empty = null */
    struct letter_rcpt *rcpt;
    size_t nrcpt;
    struct body_ref body; /* pinned; accept_letter takes over the pin, whatever it returns */
    /* Not empty: it has no body; its bytes are made when an attempt begins, by who understands this
     * (queue_maker). At most LETTER_MADE_MAX bytes. */
    struct slice made;  /* ORCPT of its recipients is what was asked for, where that leads to another */
    uint32_t skip;      /* bytes at the start that are for local eyes only (the Return-Path line) */
    uint32_t head_size; /* header section with its empty line, from the start of the body (skip included) */
    int64_t received;   /* unix seconds */
    bool eight_bit, smtputf8; /* there are 8-bit bytes in it; addresses or header need SMTPUTF8 */
    bool binary;              /* its body may hold anything, lines or none (BINARYMIME, RFC 3030 section 3) */
    bool junk;                /* goes to Junk (quarantine) */
    enum stream stream;
    enum letter_path path;
    bool once; /* of our own making, under an id that is always the same for the same cause: the second
                * time nothing happens */
    struct slice submitter;           /* account id of the user who sent it, or empty */
    struct slice campaign;            /* whose letter it is, cut to LETTER_CAMPAIGN_MAX; or empty */
    struct slice message_id, subject; /* for trace and lists, from letter_fields(); may be empty */
    struct slice ret, envid;          /* RFC 3461 */
    struct letter_wants wants;
    struct slice signed_for;          /* the domain of ours whose keys signed it, in A-labels; or empty */
    const struct trace_event *events; /* of its way in: written with the transaction that takes it */
    size_t nevents;                   /* at most TRACE_TOGETHER_MAX */
    struct slice hold; /* not empty: its remote recipients wait for an operator; a sentence that says why */
    bool hold_all;     /* and those here as well */
};
/* What the letter's rows keep of its header section: the Message-ID, and the Subject decoded and cut
 * to LIMIT_SUBJECT. In a. ERR_TOO_LONG with a sentence: a Message-ID above LIMIT_MESSAGE_ID. */
MUST_CHECK int letter_fields(struct arena *a, const struct mail_head *head, struct slice *message_id,
                             struct slice *subject);
/* What somebody else sends: bulk with `Precedence: bulk`, `list` or `junk`, a List-Id (RFC 2919), or a
 * priority below the normal one (RFC 6710 section 4.1). */
enum stream letter_stream(struct arena *a, const struct mail_head *head, const struct letter_wants *w);
/* What the body's record says of it: given to body_finish(), so that a lost index can be made again. All
 * of the letter but its body is known by then. ERR_LIMIT: too many recipients. */
MUST_CHECK int letter_origin(struct buf *b, const struct letter *l);
/* r: from origin_open(). The body stays empty; slices point into the origin, recipients lie in the arena.
 * ERR_CORRUPT. */
struct rec;
MUST_CHECK int letter_origin_get(struct rec *r, struct arena *a, struct letter *l);
/* Has it a recipient that is not here? */
static inline bool letter_leaves(const struct letter *l)
{
    for (size_t i = 0; i < l->nrcpt; i++)
        if (!l->rcpt[i].route.local) return true;
    return false;
}

/* ---- letters of our own: bounces, reports ---- */

struct letter_source;
struct letter_many { /* to whom a list distributes what somebody wrote */
    const struct slice *to;
    size_t n;
    /* Those that cannot be taken are told of, and left out. */
    void (*refused)(void *ctx, struct slice to, struct slice why);
    void *ctx;
    const struct letter_source *rest; /* the body: what follows `text` */
    bool binary;                      /* as the letter's */
    struct slice sign_for;            /* the domain of ours whose keys sign it */
};
struct letter_own {
    struct letter_id id;            /* always the same for the same cause */
    struct slice sender;            /* return path, or empty */
    struct slice to;                /* the one recipient, in canonical form */
    const struct letter_many *many; /* or these; NULL: the one */
    struct slice text;              /* header section, empty line, body */
    struct slice what;              /* what it is, for the trace: "made here: what" */
    struct letter_wants wants;      /* as the letter that it is about */
    bool smtputf8; /* what stands in it may go to none but a server with SMTPUTF8 (RFC 6533 section 3) */
};
/* The way in for them, filled by who stands above (core: intake_take). 0: it is durable, now or since an
 * earlier time with the same id. ERR_DENIED with a sentence: never, nobody of that name for one. Else it is
 * to be tried again under the same id. Outlives who was given it; from any fiber. SUSPENDS. */
typedef int letter_take(void *ctx, const struct letter_own *own);

/* imapd_i.h - inside the IMAP server: the session, its answers, the table of commands.
 *
 * A session is a loop that reads a command, looks it up in one table and runs its function;
 * between commands, and in IDLE, it is parked and holds no stack. A command's memory is
 * session.a; what lives longer is owned by the session and named there. */
#pragma once
#include <stdarg.h>

#include "base/map.h"
#include "imapd.h"
#include "mail/charset.h"
#include "mail/mime.h"
#include "mail/mime_imap.h"
#include "reader/digests.h"
#include "store/acl.h"
#include "wire/imap.h"

enum {
    IMAPD_LINE_MAX = 256 * 1024,     /* a line of a client that has logged in: sets of UIDs */
    IMAPD_LINE_STRANGER = 40 * 1024, /* and of one that has not: RFC 2971 allows an ID of 33 KB */
    IMAPD_COMMAND_MAX = 512 * 1024,  /* a command with its literals */
    IMAPD_COMMAND_STRANGER = 48 * 1024,
    IMAPD_LITERAL_MAX = 64 * 1024, /* one literal (but APPEND's) */
    IMAPD_LITERAL_STRANGER = 4 * 1024,
    IMAPD_MEMORY = 64 << 20,         /* of one command */
    IMAPD_NAMES_MAX = 100000,        /* one's own that a LIST looks through, those above mailboxes included */
    IMAPD_SHARED_MAX = 1000,         /* mailboxes of one other account that a client knows of */
    IMAPD_SHARED_ALL = 10000,        /* and of all others together */
    IMAPD_SWALLOW_MAX = 1024 * 1024, /* a refused {n+} that is read and dropped; beyond it: BYE */
    IMAPD_JUNK_MAX = 20,             /* bad commands in a row */
    IMAPD_LOGINS_MAX = 5,            /* failed logins */
    IMAPD_COST_MAX = 50,             /* of commands before the login; the table says what each costs */
    IMAPD_CHUNK = 32 * 1024,         /* of a body under way to the client */
    IMAPD_NARROW_MAX = 20,           /* texts of a search that the index is asked for */
    IMAPD_KEPT_BYTES = 64 << 20,     /* orders and threads that are kept, of the node */
};
/* RFC 8474 section 4: account and mailbox, since who shares mailboxes sees those of several accounts. */
#define IMAPD_MAILBOX_ID "M%s-%u"
#define IMAPD_KEEPALIVE                                                                                      \
    (3 * 60 * RT_S) /* in IDLE something is sent this often: NATs forget after 4 minutes */
#define IMAPD_AGAIN                                                                                          \
    (2 * RT_S) /* for news that could not be read, while somebody waits for them; then twice as long each    \
                  time */
#define IMAPD_INDEX_PAUSE (RT_S / 1000) /* after each message that is indexed */
#define IMAPD_IDLE (30 * 60 * RT_S)     /* RFC 9051 section 5.4: at least 30 minutes */
#define IMAPD_STRANGER (60 * RT_S)      /* to log in, from the greeting on */
#define IMAPD_READ (60 * RT_S)          /* for the rest of a command that has begun */
#define IMAPD_WRITE (120 * RT_S)        /* for a client to take a piece of a response */

enum imapd_state { IMAPD_LOGGED_OUT = 1, IMAPD_AUTH = 2, IMAPD_SELECTED = 4 };
enum { IMAPD_ANY = IMAPD_LOGGED_OUT | IMAPD_AUTH | IMAPD_SELECTED, IMAPD_IN = IMAPD_AUTH | IMAPD_SELECTED };

/* Messages that this session is the first to be told of (RFC 3501 section 2.3.2). IMAP4rev2 knows no
 * \Recent: its sessions take none. */
struct imapd_recent {
    struct imap_range range[32];
    size_t n;
};

/* By what texts are compared (RFC 5255 section 4.2). */
struct imapd_comparator {
    enum collation how;
    bool reversed; /* "-": SORT tells the other order */
};

struct imapd_session {
    struct imapd *server;
    struct conn *c;
    struct guard_visit *visit; /* or NULL */
    struct group *g;
    struct arena a;   /* of the command at hand */
    struct buf cmd;   /* its text */
    struct buf out;   /* a response that is being put together */
    struct slice tag; /* in cmd */
    enum imapd_state state;
    bool over;        /* the session ends after this command */
    bool counted;     /* among its account's sessions */
    bool uid;         /* the command at hand began with UID */
    bool may_expunge; /* and allows untagged EXPUNGE before it ends */
    unsigned junk, cost, failed_logins;
    int64_t born, until; /* until: when the session times out */
    int64_t still;       /* in IDLE: when it is told that we are there */
    int64_t again;       /* when news that could not be read are tried again, */
    int64_t pause;       /* after this long; 0: there are none */
    int64_t progress;    /* when the client was last told how far the command at hand is */
    char who[64];        /* for the log */

    char account[20];
    char *address;
    struct authority authority;
    bool utf8, rev2, condstore, utf8_accept; /* ENABLEd; utf8: by rev2 or UTF8=ACCEPT */
    bool qresync;                            /* ENABLEd; condstore is as well */
    bool uidonly;                            /* ENABLEd: no sequence numbers either way (RFC 9586) */

    struct imapd_comparator comparator;

    struct view *view; /* selected */
    char *owner;       /* address of its account, when that is another one */
    unsigned rights;   /* there (enum acl_right) */
    bool read_only, examined;
    bool annotates;   /* SELECT (ANNOTATE): hears of which annotations others changed */
    bool cut;         /* others share more than is shown; it was logged */
    struct arena box; /* holds the keywords */
    struct slice *keyword;
    size_t nkeywords;
    uint32_t names; /* of the mailbox, when the keywords were read */
    struct imapd_recent recent;
    size_t told;        /* EXISTS as the client knows it */
    uint32_t told_uid;  /* the highest UID that it was told */
    uint32_t *vanished; /* uids of a VANISHED that is being made, in the command's arena */
    size_t nvanished, vanished_size;
    uint64_t told_modseq; /* it was told of all changes up to this one */
    struct kv_watch *watch;
    bool news;  /* the view may be behind */
    bool retry; /* it is, but could not be read last time */
    bool idling;
    char idle_tag[IMAP_TAG_MAX + 1];
    char
        next_tag[IMAP_TAG_MAX + 1]; /* of the line being read, should it be refused; "*" when there is none */
    uint32_t *saved;                /* "$": uids, ascending (RFC 5182) */
    size_t nsaved;
    struct reader *reader; /* the message last looked into */
    struct imapd_context *contexts;
    struct imapd_dialogue *dialogue; /* NULL: nobody looks on */
    bool tried_login, exchanging;    /* it says its challenges */
    bool notify_annotates;           /* by NOTIFY, too, of the selected mailbox */
    struct imapd_notify *notify;     /* NULL: news come with answers only, and with IDLE */
};

struct imapd {
    struct imapd_conf conf;
    struct lock lock;
    struct map recent;   /* account and mailbox to the first uid nobody was told of */
    struct map sessions; /* account to the number of its sessions */
    bool indexing;       /* a fiber makes parts of a text index */
    struct link kept;    /* of struct imapd_kept, the one that was asked for last first */
    size_t kept_bytes;
    struct reader_tails *tails;
};

/* ---- the table ---- */

enum {
    IMAPD_UID = 1,      /* has a UID form */
    IMAPD_EXPUNGES = 2, /* untagged EXPUNGE may come before its end (RFC 9051 section 7.5.1) */
    IMAPD_EARLY = 4,    /* its capabilities are told before login too */
    IMAPD_NUMBERS = 8,  /* speaks of sequence numbers unless it begins with UID */
    IMAPD_SECRET = 16,  /* its arguments are for nobody's eyes, */
    IMAPD_LOGIN = 48,   /* for it is a login */
};
struct imapd_refusal {
    const char *code, *text; /* text NULL: none; code NULL: BAD instead of NO */
};
struct imapd_command {
    struct slice name;
    unsigned states, flags;
    unsigned cost;                                            /* against IMAPD_COST_MAX */
    void (*run)(struct imapd_session *s, struct imap_in *in); /* arguments begin at in (after the name) */
    const char *capabilities; /* that it serves, with a space between; NULL: none */
    /* Why it is not offered on this connection; NULL: it always is. CAPABILITY and the loop both ask it, so
     * that what is told is what is served. */
    struct imapd_refusal (*closed)(struct imapd_session *s);
};
struct imapd_refusal imapd_starttls_closed(struct imapd_session *s); /* auth.c */
struct imapd_refusal imapd_login_closed(struct imapd_session *s);
struct imapd_refusal imapd_authenticate_closed(struct imapd_session *s);
int imapd_tls_begin(struct imapd_session *s);   /* SUSPENDS */
unsigned imapd_logins(struct imapd_session *s); /* the mechanisms of AUTHENTICATE that are offered */
void imapd_capabilities(struct imapd_session *s, struct buf *out); /* "IMAP4rev1 ..." as true now */
/* Parses and runs the command in s->cmd. */
void imapd_dispatch(struct imapd_session *s);

/* ---- answers ---- */

void imapd_write(struct imapd_session *s, struct slice bytes); /* to the client, at its pace. SUSPENDS */
void imapd_flush(struct imapd_session *s);                     /* s->out to the client; then it is empty */
void imapd_untagged(struct imapd_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3); /* "* ..." CRLF */
/* The tagged answer; OK tells the news first. code: "READ-ONLY" or NULL. */
void imapd_ok(struct imapd_session *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void imapd_no(struct imapd_session *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void imapd_bad(struct imapd_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3); /* counts as junk */
void imapd_bad_code(struct imapd_session *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* BAD [UIDREQUIRED]: a sequence number came after ENABLE UIDONLY (RFC 9586 section 3). */
void imapd_uid_required(struct imapd_session *s);
/* From time to time: how far the command at hand is (RFC 9585); nothing may be waiting in s->out. SUSPENDS.
 */
void imapd_progress(struct imapd_session *s, size_t done, size_t all);
/* "MESSAGELIMIT n uid" in the command's arena when only messages from uid `cut` up were worked on (RFC 9738);
 * NULL when cut is 0: all were. */
const char *imapd_limit_code(struct imapd_session *s, uint32_t cut);
/* "* 7 FETCH (" and, when `uid`, "UID 12 "; without it the caller tells told_uid; after ENABLE UIDONLY "* 12
 * UIDFETCH (". Into s->out. */
void imapd_put_fetch(struct imapd_session *s, size_t i, bool uid);
void imapd_failed(struct imapd_session *s,
                  int e); /* NO with the code that fits, or BAD; the sentence is err_text(e) */
void imapd_bye(struct imapd_session *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A status response (RFC 9051 section 7.1): "tag WORD [code] text". code: or NULL. */
void imapd_put_answer(struct imapd_session *s, struct slice tag, const char *word, const char *code,
                      const char *fmt, va_list ap);
bool imapd_args_bad(struct imapd_session *s, struct imap_in *in); /* true: syntax error, answered */

/* ---- what is said, for who looks on (dialogue.c) ---- */

void imapd_begins(struct imapd_session *s);
void imapd_ends(struct imapd_session *s);
/* The command in s->cmd; c NULL: there is none of that name. */
void imapd_heard(struct imapd_session *s, const struct imapd_command *c, struct slice name);
void imapd_heard_append(struct imapd_session *s); /* an APPEND or REPLACE up to its first literal */
void imapd_heard_mechanism(struct imapd_session *s, struct slice mechanism);
void imapd_heard_line(struct imapd_session *s, struct slice line); /* in the middle of a command */
void imapd_heard_secret(struct imapd_session *s, size_t n);        /* a line of n bytes */
void imapd_got(struct imapd_session *s, struct slice bytes);       /* of a letter, */
void imapd_got_all(struct imapd_session *s, uint64_t n);           /* and so many when it is there */
void imapd_said(struct imapd_session *s, struct slice bytes);

/* ---- the session ---- */

/* Counts the session among its account's; false: it has too many. Undone when it ends. */
bool imapd_count_session(struct imapd_session *s);
void imapd_uncount_session(struct imapd_session *s); /* harmless when it does not count */
/* A line of the client in the middle of a command (AUTHENTICATE, DONE). SUSPENDS. */
MUST_CHECK int imapd_line(struct imapd_session *s, size_t max, struct slice *line);
/* e: what imapd_line() said. 0: BAD was answered to the tag in s->tag; else the connection is of no use. */
MUST_CHECK int imapd_refuse_line(struct imapd_session *s, int e);
/* Reads n bytes and drops them. SUSPENDS. */
MUST_CHECK int imapd_swallow(struct imapd_session *s, uint64_t n);
/* 1: s->cmd holds a command. 0: what came was answered already. An error: the session ends. SUSPENDS. */
MUST_CHECK int imapd_read_command(struct imapd_session *s);
/* In IDLE: news out, DONE in. true: something happened, look again; false: nothing left to do. SUSPENDS. */
bool imapd_idle_turn(struct imapd_session *s);
/* News about the selected mailbox: EXPUNGE when the command allows, EXISTS, FETCH. SUSPENDS. */
void imapd_news(struct imapd_session *s);
/* Only brings the view up to date, and the names of keywords. SUSPENDS. */
void imapd_sync(struct imapd_session *s);
/* Reads what the client may do in the selected mailbox of another account. ERR_DENIED: it may not read it any
 * more, and BYE was said. SUSPENDS. */
MUST_CHECK int imapd_rights_now(struct imapd_session *s);
/* Reads the names of keywords; true: there are new ones, or another name for one. SUSPENDS. */
bool imapd_reload_keywords(struct imapd_session *s);
void imapd_tell_flags(struct imapd_session *s);  /* FLAGS and PERMANENTFLAGS */
void imapd_tell_counts(struct imapd_session *s); /* EXISTS and RECENT, into s->out */
void imapd_unselect(struct imapd_session *s);
/* A CONDSTORE enabling command was given; the first one tells HIGHESTMODSEQ (RFC 7162 section 3.1). */
void imapd_condstore(struct imapd_session *s);
/* "HIGHESTMODSEQ n" for a tagged OK after QRESYNC was enabled, in the command's arena: up to there the client
 * was told of everything; else NULL. SUSPENDS: tells the news first. */
const char *imapd_modseq_code(struct imapd_session *s);

/* ---- resync.c (RFC 7162 section 3.2) ---- */

struct imapd_resync { /* what a client that was away knows */
    bool asked;
    uint32_t uidvalidity;
    uint64_t modseq;
    struct imap_set known;         /* uids; none: all */
    struct imap_set numbers, uids; /* messages that it knows: sequence numbers, and the uid of each */
};
void imapd_take_resync(struct imap_in *in, struct imapd_resync *out); /* after the word QRESYNC */
/* VANISHED (EARLIER) and FETCH, when the mailbox is still that one. SUSPENDS. */
MUST_CHECK int imapd_resync(struct imapd_session *s, struct imapd_resync *r);
/* VANISHED (EARLIER) for those of the uids that went after modseq; the set is fixed. SUSPENDS. */
MUST_CHECK int imapd_tell_vanished_since(struct imapd_session *s, uint64_t modseq,
                                         const struct imap_set *known);
/* Flags with bits for keywords as the session knows them; others are passed over. */
uint64_t imapd_flags(const struct imapd_session *s, const struct imap_flags *f);
/* "(\Seen ...)" of the message at index i of the view, into s->out. */
void imapd_put_flags(struct imapd_session *s, size_t i);
/* Messages below uid `to` that no session was told of become recent here. SUSPENDS. */
void imapd_claim_recent(struct imapd_session *s, uint32_t to);
size_t imapd_recent_shown(const struct imapd_session *s); /* how many messages are recent here */
bool imapd_recent_has(const struct imapd_session *s, uint32_t uid);
/* How many messages of a mailbox no session was told of. SUSPENDS. */
MUST_CHECK int imapd_recent_count(struct imapd_session *s, const char *account, const struct mailbox *m,
                                  uint32_t *out);

/* ---- sets ---- */

struct imapd_picked {
    size_t *at; /* indices into the view, ascending */
    uint32_t *uid;
    size_t n;
    bool missing; /* some that were asked for are gone, which the client cannot know yet */
    uint32_t cut; /* they were too many for one command: those from this uid up; 0: all */
};
/* The messages a sequence set (or, after UID, a UID set) names; those that are gone are among them
 * when `gone`: they are shown as long as the client was not told. false: BAD was answered. SUSPENDS. */
bool imapd_pick(struct imapd_session *s, struct imap_set set, bool gone, struct imapd_picked *out);

struct imapd_fetched {
    int failed;                 /* an error of one that cannot be read */
    bool missing;               /* one is gone for good */
    const uint32_t *downgraded; /* UIDs of those that were shown as surrogates (RFC 6858) */
    size_t ndowngraded;
};
/* FETCH of the messages; kinds: 1 << enum imap_item of what is told of each. SUSPENDS. */
void imapd_fetch_picked(struct imapd_session *s, const struct imap_fetch *args, unsigned kinds,
                        const struct imapd_picked *picked, struct imapd_fetched *out);

/* STORE of a message that is gone but not told: only this session sees it (RFC 2180 section 4.2). */
void imapd_gone_flags(struct imapd_session *s, size_t i, enum flags_op op, uint64_t flags);

/* Bytes of the messages with \Deleted, as far as they can be read (RFC 9208 section 4.1.4). SUSPENDS. */
uint64_t imapd_deleted_storage(struct imapd_session *s, const char *account, const struct mailbox *m);

/* ---- searching ---- */

/* What a search found: indices into the view, in the mailbox's order or in that of SORT. */
struct imapd_found {
    size_t *at;
    size_t n;
    uint32_t cut;   /* only messages from this uid up were looked at; 0: all */
    uint8_t *score; /* how well each matches, 1 to 100 (RFC 6203); NULL: nobody asked */
};
/* Runs the keys over all messages the client knows of; *out lies in the command's arena. false: NO or BAD was
 * answered. SUSPENDS. */
bool imapd_search(struct imapd_session *s, struct imap_search_args *args, struct imapd_found *out);
/* The same without an answer, and when `since` is not 0 over messages that changed after that modseq.
 * What may be refused was asked before. SUSPENDS. */
MUST_CHECK int imapd_search_run(struct imapd_session *s, struct imap_search_args *args, uint64_t since,
                                struct imapd_found *out);
/* Filters filled in, charset and sequence numbers allowed? true: no, and that was answered. SUSPENDS. */
bool imapd_search_refused(struct imapd_session *s, struct imap_search_args *args);
/* Puts them into the order of SORT. SUSPENDS. */
MUST_CHECK int imapd_sort_found(struct imapd_session *s, const struct imap_sort_args *args,
                                struct imapd_found *f);

/* ---- narrow.c: messages that need not be looked into ---- */

struct imapd_narrow;
struct imapd_narrow *imapd_narrow_begin(struct imapd_session *s); /* in the command's arena */
/* A folded text that is looked for, in values of header fields or anywhere; what to ask for it by, or 0:
 * every message may hold it. */
uint64_t imapd_narrow_add(struct imapd_narrow *x, bool fields, struct slice folded);
/* True: the message with the uid does not hold the text. Messages come in ascending order. SUSPENDS. */
bool imapd_narrow_excludes(struct imapd_narrow *x, uint64_t text, uint32_t uid);

/* ---- by_id.c: messages by EMAILID and THREADID ---- */

struct imapd_by_id;
struct imapd_ids { /* what one command knows of them */
    struct imapd_session *s;
    uint64_t since;   /* only messages that changed after that modseq are searched; 0: all */
    bool threads;     /* each message was looked into of which nobody knew its thread */
    bool lost;        /* nobody can find out: that was logged */
    struct map known; /* key -> struct imapd_by_id */
};
void imapd_ids_begin(struct imapd_ids *x, struct imapd_session *s, uint64_t since);
void imapd_ids_end(struct imapd_ids *x);
/* UIDs of the selected mailbox for such a key, in the command's arena; NULL: nobody could find out, each
 * message's record says it. ERR_LIMIT: more than the command's memory; others: the client is gone. SUSPENDS.
 */
MUST_CHECK int imapd_ids_find(struct imapd_ids *x, const struct imap_search *k, struct imapd_by_id **out);
bool imapd_by_id_has(const struct imapd_by_id *x, uint32_t uid);
struct imapd_threads {
    struct message_threading v[MESSAGE_THREADS_MAX];
    size_t n;
};
/* Finds out the threads of some of these messages of the selected mailbox, from uid[*done] on, in one
 * transaction, and moves *done on. SUSPENDS. */
MUST_CHECK int imapd_threads_next(struct imapd_session *s, const uint32_t *uid, size_t n, size_t *done,
                                  struct imapd_threads *t);
/* 0: its thread was not found out just now. */
uint64_t imapd_threads_has(const struct imapd_threads *t, uint32_t uid);

/* ---- context.c: searches whose results are kept up to date (RFC 5267) ---- */

struct imapd_context;
struct imapd_context *imapd_context_find(const struct imapd_session *s, struct slice tag);
/* After the results were told, when args want UPDATE: from here on changes are told. text: the arguments as
 * they came; sort: NULL for SEARCH. SUSPENDS. */
void imapd_context_begin(struct imapd_session *s, const struct imap_search_args *args, struct slice text,
                         const struct imap_sort_args *sort, const struct imapd_found *f);
/* What leaves the results with the messages that are about to be told as gone; then what else changed.
 * SUSPEND. */
void imapd_contexts_gone(struct imapd_session *s);
void imapd_contexts_changed(struct imapd_session *s);
void imapd_contexts_end(struct imapd_session *s);
bool imapd_context_cancel(struct imapd_session *s, struct slice tag); /* false: there is none */

/* In loops that do little each time: looking at the clock would cost more than the rest. */
static inline void imapd_breathe(size_t i)
{
    if (i % 128 == 0) fiber_breathe();
}

/* The message number or, after UID, the uid of what stands at i. */
uint32_t imapd_number(const struct imapd_session *s, size_t i);
/* "* SEARCH n ..." or "* SORT n ...". SUSPENDS. */
void imapd_tell_found(struct imapd_session *s, const char *word, const struct imap_search_args *args,
                      const struct imapd_found *f);
/* "* ESEARCH ..." with what args->wants, and "$" kept. SUSPENDS. */
void imapd_tell_esearch(struct imapd_session *s, const struct imap_search_args *args,
                        const struct imapd_found *f);
/* True: not all messages were looked at, so that no order of them can be told; NO was answered. SUSPENDS. */
bool imapd_found_cut(struct imapd_session *s, const struct imapd_found *f);
void imapd_put_results(struct imapd_session *s, const struct imap_search_args *args,
                       const struct imapd_found *f); /* ... without what stands before them, into s->out */
/* "$" becomes what args->wants of it. SUSPENDS. */
void imapd_save_found(struct imapd_session *s, const struct imap_search_args *args,
                      const struct imapd_found *f);
/* Is the mailbox one of those (RFC 5465 section 6, 7377 section 2.2)? */
struct imapd_visible;
bool imapd_boxes_have(const struct imapd_session *s, const struct imap_boxes *b,
                      const struct imapd_visible *x);
/* May names under that root, or roots under it, be among them? */
bool imapd_boxes_reach(const struct imap_boxes *b, struct slice root);
/* *yes is set when one of those can be another account's. SUSPENDS. */
MUST_CHECK int imapd_boxes_elsewhere(struct imapd_session *s, const struct imap_boxes *b, bool *yes);
bool imapd_is_selected(const struct imapd_session *s, const char *account, uint32_t box);
/* The answer that ends a searching command. SUSPENDS. */
void imapd_searched(struct imapd_session *s, const struct imapd_found *f, const char *what);
/* Looks into each message that was found: its record and, when `heads`, its header section, of which only the
 * fields of reader_digest_has() may be there, and which is empty when it cannot be read; one that is gone for
 * good comes with m NULL. What is made of it must lie in another arena than `head`, which lasts until the
 * next one. Stops when each() returns other than 0 and returns that. What comes of it may be kept unless
 * *whole is false: one could not be read, or has gone. SUSPENDS. */
MUST_CHECK int imapd_each_found(struct imapd_session *s, const struct imapd_found *f, bool heads,
                                int (*each)(void *arg, size_t k, const struct message *m, struct slice head),
                                void *arg, bool *whole);

/* ---- order.c: what messages are put in order by ---- */

struct imapd_sort_key {
    int64_t number;
    struct slice text;
    bool reversed; /* by the comparator */
};
struct imapd_sorted { /* a message that was found */
    size_t k;         /* which of the found ones */
    struct imapd_sort_key key[];
};
/* Their keys into v, not in order yet, in the arena; *whole false: some could not be read. ERR_LIMIT: too
 * many for the arena. SUSPENDS. */
MUST_CHECK int imapd_sort_keys(struct imapd_session *s, const struct imap_sort_args *args,
                               const struct imapd_found *f, struct arena *a, struct imapd_sorted **v,
                               bool *whole);
/* ctx: the args. For order_sort(). */
int imapd_sort_compare(const void *ctx, const void *a, const void *b);
/* imapd_sort_found() by the keys of each. SUSPENDS. */
MUST_CHECK int imapd_sort_by_keys(struct imapd_session *s, const struct imap_sort_args *args,
                                  struct imapd_found *f);

/* ---- kept.c: orders and threads that are known already ---- */

enum { IMAPD_KEPT_LEAST = 1000 }; /* of so many messages and more */
/* An order: of the messages in uid[], ascending, value[i] is the place of uid[i], the same for those that
 * have the same key. Threads: value[] is the answer about just these messages (thread.c). Facts: facts.c. */
struct imapd_kept_key {
    unsigned what; /* an enum imap_sort_key, IMAPD_KEPT_THREADS + an enum imap_threading, IMAPD_KEPT_FACTS */
    enum collation how;
};
enum { IMAPD_KEPT_THREADS = 100, IMAPD_KEPT_FACTS = 200 };
struct imapd_kept {
    struct link link;
    size_t refs;
    struct imapd_kept_key key;
    char account[20];
    uint32_t box, uidvalidity;
    size_t n, nvalues;
    uint32_t *uid, *value; /* on the heap, of this */
};
/* One to be filled, of n messages of the selected mailbox; nobody else knows of it before imapd_kept_keep(),
 * and then it does not change any more. */
struct imapd_kept *imapd_kept_new(struct imapd_session *s, struct imapd_kept_key key, size_t n);
void imapd_kept_keep(struct imapd_session *s, struct imapd_kept *k);
struct imapd_kept *imapd_kept_get(struct imapd_session *s, struct imapd_kept_key key); /* or NULL */
void imapd_kept_put(struct imapd_session *s,
                    struct imapd_kept **k); /* each of new and get; harmless of NULL */
void imapd_kept_end(struct imapd *d);

/* ---- facts.c: dates and sizes ---- */

struct imapd_facts {
    struct imapd_session *s;
    struct imapd_kept *kept; /* or NULL */
    size_t at;
    struct message m;
};
/* many: so many messages will be asked for, in ascending order of UIDs. SUSPENDS. */
void imapd_facts_begin(struct imapd_session *s, struct imapd_facts *x, size_t many);
/* Of its record internal_date, internal_zone, size and save_date, until the next one is asked for; NULL: the
 * record is to be read. */
const struct message *imapd_fact(struct imapd_facts *x, uint32_t uid);
void imapd_facts_end(struct imapd_facts *x);

/* "Sent date" (RFC 5256 section 2.2): of the Date field in UTC, else the internal date; m: its record or
 * NULL. */
struct mail_head;
int64_t imapd_sent_date(struct arena *a, const struct mail_head *h, const struct message *m);

/* The selected mailbox; the id of its account is the view's. */
static inline struct mailbox_ref imapd_box(const struct imapd_session *s)
{
    return (struct mailbox_ref){.account = s->view->acc, .box = s->view->box};
}

/* ---- place.c: where a name leads (RFC 2342), and what may be done there (RFC 4314) ---- */

#define IMAPD_OTHERS "#user/"   /* what others share: #user/ADDRESS/NAME */
#define IMAPD_PUBLIC "#public/" /* mailboxes of the account that imapd_conf names */
struct imapd_place {
    char account[20];
    bool foreign;       /* it is not the client's own */
    unsigned rights;    /* enum acl_right */
    struct slice owner; /* address */
    struct mailbox m;   /* as its owner calls it */
    struct slice shown; /* its name for the client */
};
bool imapd_is_foreign(struct slice name);
/* The account whose mailboxes are the public ones, in the command's arena. ERR_NOT_FOUND: there is none.
 * SUSPENDS. */
MUST_CHECK int imapd_public(struct imapd_session *s, struct account *out);
/* The mailbox of this name, on which all of `need` is allowed. ERR_NOT_FOUND, also for who may not know of
 * it; ERR_DENIED. SUSPENDS. */
MUST_CHECK int imapd_find(struct imapd_session *s, struct slice name, unsigned need, struct imapd_place *out);
/* Whose a name is, of a mailbox that need not exist; *rest: what the owner calls it. In another account
 * rights are none. ERR_NOT_FOUND: nobody's. SUSPENDS. */
MUST_CHECK int imapd_owner(struct imapd_session *s, struct slice name, struct imapd_place *out,
                           struct slice *rest);
MUST_CHECK int imapd_read_rights(struct imapd_session *s, struct mailbox_ref box,
                                 unsigned *out); /* SUSPENDS */
/* The client as a guest who changes a mailbox of the account, in the command's arena: what it needs there,
 * and on a second one, counts at the moment of the change. NULL: the account is its own. */
struct imapd_need {
    uint32_t box;
    unsigned rights;
};
const struct mailbox_guest *imapd_guest(struct imapd_session *s, const char *account, struct imapd_need need,
                                        struct imapd_need also);
/* The same for one mailbox that is changed. */
struct mailbox_ref imapd_acting(struct imapd_session *s, const char *account, uint32_t box, unsigned need);
/* "* LIST" with the name as it is kept; where the client wrote another one that stands in OLDNAME
 * (RFC 9051 section 6.3.9.7). tell: only then, and to who has enabled IMAP4rev2. */
void imapd_put_name(struct imapd_session *s, const char *attributes, struct slice name, struct slice given);
void imapd_tell_changed_name(struct imapd_session *s, const char *attributes, struct slice name,
                             struct slice given);
/* What the client calls a mailbox of another account; in the command's arena. */
struct slice imapd_foreign_name(struct imapd_session *s, struct slice owner, struct slice name);

/* ---- visible.c ---- */

struct imapd_visible {       /* a mailbox that the client may know of, in the command's arena */
    const char *account;     /* whose it is */
    const struct mailbox *m; /* as its owner calls it; m->subscribed is the owner's */
    struct slice shown;      /* its name for the client */
    unsigned rights;
    bool subscribed;
};
/* Accounts that share something with the client, or did once, and the public one, if may() says that names
 * under the root ("#user/ADDRESS/", "#public/"; "#user/" stands for all) are wanted. SUSPENDS. */
MUST_CHECK int imapd_others(struct imapd_session *s, bool (*may)(const void *arg, struct slice root),
                            const void *arg, struct acl_owner **out, size_t *n);
/* The client's own mailboxes, INBOX first, and what the owners let it know of, the oldest first: of each at
 * most IMAPD_SHARED_MAX, of all at most IMAPD_SHARED_ALL and max, the others are left out. ERR_LIMIT: more
 * than max are its own. SUSPENDS. */
MUST_CHECK int imapd_visible(struct imapd_session *s, const struct acl_owner *o, size_t owners, size_t max,
                             struct imapd_visible **out, size_t *n);
/* In another account the client's own \Seen counts. 0 when it cannot be read. SUSPENDS. */
uint32_t imapd_unseen(struct imapd_session *s, const char *account, const struct mailbox *m);

uint64_t imapd_may_flag(unsigned rights); /* the flags that these rights allow to change */
void imapd_tell_rights(struct imapd_session *s, struct slice name, unsigned rights); /* MYRIGHTS. SUSPENDS */

struct imapd_picked;
/* COPY and MOVE into another account. ERR_LIMIT, ERR_QUOTA: of that account. SUSPENDS. */
MUST_CHECK int imapd_copy_across(struct imapd_session *s, const struct imapd_picked *p,
                                 const struct imapd_place *to, bool move, struct message_copied *out);
/* The message with this uid of the selected mailbox; kept until another one is asked for.
 * known: its record, or NULL. ERR_NOT_FOUND: expunged. SUSPENDS. */
MUST_CHECK int imapd_reader(struct imapd_session *s, uint32_t uid, const struct message *known,
                            struct reader **out);
/* What was computed of the selected mailbox's messages; ended with reader_digests_end(). */
void imapd_digests_begin(struct imapd_session *s, struct reader_digests *x, enum reader_digest_kind kind,
                         size_t many);
/* Does the error say that this one message cannot be read? Then what looks through many goes on without its
 * bytes. *n counts them; the first one is logged. */
bool imapd_unreadable(struct imapd_session *s, int e, uint32_t uid, size_t *n);

/* ---- section.c: the bytes that BODY[...] names ---- */

/* Where a section lies; of HEADER.FIELDS the header section. ERR_NOT_FOUND: there is none. SUSPENDS. */
MUST_CHECK int imapd_section_find(struct reader *rd, const struct imap_fetch_item *it,
                                  struct mime_range *out);
/* What <from.count> leaves of it. */
struct mime_range imapd_section_cut(struct mime_range r, const struct imap_fetch_item *it);
/* The bytes of HEADER.FIELDS, cut. ERR_NOT_FOUND. SUSPENDS. */
MUST_CHECK int imapd_section_fields(struct reader *rd, const struct imap_fetch_item *it, struct arena *a,
                                    struct slice *out);
/* Only literal8 may hold NUL (RFC 3501 section 9, CHAR8): elsewhere '?' stands for it. */
void imapd_hide_nuls(char *p, size_t n);

/* ---- url.c: what a URL names (RFC 5092, 4467) ---- */

struct imapd_named {
    struct reader *reader;
    struct mime_range where;
    struct arena a;
    struct slice made; /* the bytes themselves, of HEADER.FIELDS; in `a` */
    bool is_made;
    uint64_t size;
};
/* Opens what the URL names, as the session's client may read it. ERR_NOT_FOUND, ERR_DENIED.
 * SUSPENDS. */
MUST_CHECK int imapd_url_open(struct imapd_session *s, const struct imap_url *u, struct imapd_named *out);
/* Its bytes, piece by piece; stops when each() returns other than 0 and returns that. SUSPENDS. */
MUST_CHECK int imapd_url_read(struct imapd_named *n, int (*each)(void *arg, struct slice piece), void *arg);
void imapd_url_close(struct imapd_named *n);

/* ---- attribute.c ---- */

unsigned imapd_use(struct slice name); /* of "Sent", without the backslash; 0: it is not known */
/* Behind "* LIST (" in s->out. */
void imapd_put_attribute(struct imapd_session *s, const char *name);
void imapd_put_uses(struct imapd_session *s, unsigned use);

/* ---- notify.c: news about any mailbox at any time (RFC 5465) ---- */

struct imapd_notify;
/* What is asked for becomes what is told; the arguments must have been parsed without an error. ERR_LIMIT:
 * too many mailboxes. SUSPENDS. */
MUST_CHECK int imapd_notify_set(struct imapd_session *s, struct slice text);
void imapd_notify_end(struct imapd_session *s);
/* Tells what is new outside of the selected mailbox; false: nothing was. SUSPENDS. */
bool imapd_notify_tell(struct imapd_session *s);
/* Are news about the selected mailbox told at once, and with *expunges those of what went? */
bool imapd_notify_pushes(const struct imapd_session *s, bool *expunges);
/* Are these events (IMAP_EVENT_ bits) of the selected mailbox told? Without NOTIFY all are. */
bool imapd_notify_selected(const struct imapd_session *s, unsigned events);
/* What MessageNew asks of messages that came to the selected mailbox, from index i on. SUSPENDS. */
void imapd_notify_fetch(struct imapd_session *s, size_t i);

/* ---- annotate.c, annotated.c: annotations of messages (RFC 5257) ---- */

/* May the client set these beside the messages? false: NO or BAD was answered. SUSPENDS. */
bool imapd_may_annotate(struct imapd_session *s, const struct imap_annotations *v,
                        const struct imapd_picked *p);
MUST_CHECK int imapd_annotate(struct imapd_session *s, const struct imap_store *args,
                              const struct imapd_picked *p, struct uids *failed); /* SUSPENDS */
void imapd_annotate_failed(struct imapd_session *s, int e); /* the answer, with its code */
/* For a message that is appended, in the command's arena; rights: on the mailbox. */
MUST_CHECK int imapd_annotations_new(struct imapd_session *s, const struct imap_annotations *v,
                                     unsigned rights, struct slice *out);
/* Does it have all the parts that the entries are of? ERR_SYNTAX: no. SUSPENDS. */
MUST_CHECK int imapd_annotated_parts(struct reader *rd, const struct imap_annotations *v);
/* The same of what FETCH asks of a single message. */
MUST_CHECK int imapd_asked_parts(struct imapd_session *s, uint32_t uid, const struct imap_fetch *f);
/* "ANNOTATION (...)" of a message into s->out; false: none of them is there, nothing was put. m: its record.
 * SUSPENDS. */
MUST_CHECK int imapd_put_annotations(struct imapd_session *s, const struct message *m,
                                     const struct imap_annotation_want *w, struct arena *a, bool *put);
/* " ANNOTATION (/comment)" of what changed in the message at i since the client was told last,
 * to who wants to hear of that, into s->out. SUSPENDS. */
void imapd_put_annotated(struct imapd_session *s, size_t i);
/* Of those of a message that are there: is there such text? key: prepared, folded. */
struct remark;
bool imapd_annotation_has(struct arena *a, enum collation how, const struct remark *v, size_t n,
                          const struct imap_search *key);
/* The value that SORT compares, folded, in the arena; empty: there is none. */
MUST_CHECK int imapd_annotation_sort(struct imapd_session *s, const struct message *m,
                                     const struct imap_sort *by, struct arena *a, struct slice *out);
/* A cursor over the text that knows what is offered and enabled. */
static inline struct imap_in imapd_in(const struct imapd_session *s, struct arena *a, struct slice text)
{
    struct imap_in in;
    imap_in_init(&in, a, text, s->utf8);
    in.annotate = s->server->conf.annotate;
    return in;
}

/* ---- metadata.c ---- */

/* The names in the form that entries have. ERR_SYNTAX. */
MUST_CHECK int imapd_clean_entries(struct imapd_session *s, struct imap_entries *entries);
/* "* METADATA ..." of a mailbox. SUSPENDS. */
MUST_CHECK int imapd_list_metadata(struct imapd_session *s, const char *account, const struct mailbox *box,
                                   struct slice shown, const struct imap_entries *entries);
/* The filters in the place of their names (RFC 5466); false: NO or BAD was answered. SUSPENDS. */
bool imapd_fill_filters(struct imapd_session *s, struct imap_search_args *args);

/* ---- commands that need more than the table ---- */

/* The command in s->cmd ends with the announcement of a literal: is it APPEND's message? */
bool imapd_is_append(struct imapd_session *s, const struct imap_literal *l, size_t at);
/* Takes the message and answers; l NULL: the command is there as a whole, and makes one of URLs. An error:
 * the connection is of no use any more. SUSPENDS. */
MUST_CHECK int imapd_append(struct imapd_session *s, const struct imap_literal *l, size_t at);

/* clang-format off */
#define IMAPD_COMMANDS(X) \
    X(append) X(authenticate) X(cancelupdate) X(close) X(comparator) X(copy) X(create) X(delete) X(deleteacl) X(esearch) \
    X(examine) X(expunge) X(fetch) X(genurlauth) X(getacl) X(getmetadata) X(getquota) X(getquotaroot) X(idle) X(list) X(listrights) X(login) X(lsub) X(move) X(myrights) \
    X(namespace) X(notify) X(rename) X(replace) X(resetkey) X(search) X(select) X(setacl) X(setmetadata) X(setquota) X(sort) X(starttls) X(status) X(store) \
    X(subscribe) X(thread) X(uidbatches) X(unauthenticate) X(unselect) X(unsubscribe) X(urlfetch)
/* clang-format on */
/* learn.c: messages were moved, or marked: what that says about junk is learned. SUSPENDS */
void imapd_learn_moved(struct imapd_session *s, const struct mailbox *to, const struct message_copied *c);
void imapd_learn_marked(struct imapd_session *s, const struct imap_flags *f, const uint32_t *uid, size_t n);
#define X(name) void imapd_cmd_##name(struct imapd_session *s, struct imap_in *in);
IMAPD_COMMANDS(X)
#undef X

/* imapd_i.h - inside the IMAP server: the session, its answers, the table of commands.
 *
 * A session is a loop that reads a command, looks it up in one table and runs its function;
 * between commands, and in IDLE, it is parked and holds no stack. A command's memory is
 * session.a; what lives longer is owned by the session and named there. */
#pragma once
#include "base/map.h"
#include "imapd.h"
#include "mail/mime.h"
#include "wire/imap.h"

enum {
    IM_LINE_MAX = 256 * 1024,       /* a line of a client that has logged in: sets of UIDs */
    IM_LINE_STRANGER = 40 * 1024,   /* and of one that has not: RFC 2971 allows an ID of 33 KB */
    IM_COMMAND_MAX = 512 * 1024,    /* a command with its literals */
    IM_COMMAND_STRANGER = 48 * 1024,
    IM_LITERAL_MAX = 64 * 1024,     /* one literal (but APPEND's) */
    IM_LITERAL_STRANGER = 4 * 1024,
    IM_SWALLOW_MAX = 1024 * 1024,   /* a refused {n+} that is read and dropped; beyond it: BYE */
    IM_JUNK_MAX = 20,               /* bad commands in a row */
    IM_LOGINS_MAX = 5,              /* failed logins */
    IM_CHUNK = 32 * 1024,           /* of a body under way to the client */
    IM_HEAD_MAX = 512 * 1024,       /* of a header that is looked into */
};
#define IM_KEEPALIVE (3 * 60 * RT_S)  /* in IDLE something is sent this often: NATs forget after 4 minutes */
#define IM_IDLE (30 * 60 * RT_S)      /* RFC 9051 section 5.4: at least 30 minutes */
#define IM_STRANGER (60 * RT_S)       /* to log in, from the greeting on */
#define IM_READ (60 * RT_S)           /* for the rest of a command that has begun */
#define IM_WRITE (120 * RT_S)         /* for a client to take a piece of a response */

enum im_state { IM_LOGGED_OUT = 1, IM_AUTH = 2, IM_SELECTED = 4 };
enum { IM_ANY = IM_LOGGED_OUT | IM_AUTH | IM_SELECTED, IM_IN = IM_AUTH | IM_SELECTED };

/* Messages that this session is the first to be told of (RFC 3501 section 2.3.2). IMAP4rev2 knows no
 * \Recent: its sessions take none. */
struct im_recent {
    struct imap_range range[32];
    size_t n;
};

struct im {
    struct imapd *server;
    struct conn *c;
    struct group *g;
    struct arena a;   /* of the command at hand */
    struct buf cmd;   /* its text */
    struct buf out;   /* a response that is being put together */
    struct slice tag; /* in cmd */
    enum im_state state;
    bool over;        /* the session ends after this command */
    bool counted;     /* among its account's sessions */
    bool uid;         /* the command at hand began with UID */
    bool may_expunge; /* and allows untagged EXPUNGE before it ends */
    unsigned junk, failed_logins;
    int64_t born, until; /* until: when the session times out */
    int64_t wake;        /* and when it is looked at while parked */
    char who[64];     /* for the log */

    char account[20];
    char *address;
    struct authority authority;
    struct kv_watch *authority_watch;
    bool utf8, rev2, condstore, utf8_accept; /* ENABLEd; utf8: by rev2 or UTF8=ACCEPT */

    struct view *view; /* selected */
    bool read_only;
    struct arena box;  /* holds the keywords */
    struct slice *keyword;
    size_t nkeywords;
    uint32_t names;    /* of the mailbox, when the keywords were read */
    struct im_recent recent;
    size_t told;       /* EXISTS as the client knows it */
    struct kv_watch *watch;
    bool news;         /* the view may be behind */
    bool retry;        /* it is, but could not be read last time */
    bool idling;
    char idle_tag[IMAP_TAG_MAX + 1];
    char next_tag[IMAP_TAG_MAX + 1]; /* of the line being read, should it be refused; "*" when there is none */
    uint32_t *saved;   /* "$": uids, ascending (RFC 5182) */
    size_t nsaved;
    struct im_letter *letter; /* the message last looked into */
};

struct imapd {
    struct imapd_conf conf;
    struct lock lock;
    struct map recent;   /* account and mailbox to the first uid nobody was told of */
    struct map sessions; /* account to the number of its sessions */
};

/* ---- the table ---- */

enum { IM_UID = 1,      /* has a UID form */
       IM_EXPUNGES = 2, /* untagged EXPUNGE may come before its end (RFC 9051 section 7.5.1) */
       IM_CLEAR = 4,    /* only without TLS */
       IM_SECRET = 8 };
struct im_command {
    struct slice name;
    unsigned states, flags;
    void (*run)(struct im *s, struct imap_in *in); /* arguments begin at in (after the name) */
};
const struct im_command *im_command_find(struct slice name);
void im_capabilities(struct im *s, struct buf *out); /* "IMAP4rev1 ..." as true now */
/* Parses and runs the command in s->cmd. */
void im_dispatch(struct im *s);

/* ---- answers ---- */

void im_write(struct im *s, struct slice bytes);      /* to the client, at its pace. SUSPENDS */
void im_flush(struct im *s);                          /* s->out to the client; then it is empty */
void im_untagged(struct im *s, const char *fmt, ...) PRINTF_LIKE(2, 3); /* "* ..." CRLF */
/* The tagged answer; OK tells the news first. code: "READ-ONLY" or NULL. */
void im_ok(struct im *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void im_no(struct im *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
void im_bad(struct im *s, const char *fmt, ...) PRINTF_LIKE(2, 3); /* counts as junk */
void im_failed(struct im *s, int e); /* NO with the code that fits, or BAD; the sentence is err_text(e) */
void im_bye(struct im *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
bool im_args_bad(struct im *s, struct imap_in *in); /* true: syntax error, answered */

/* ---- the session ---- */

/* Counts the session among its account's; false: it has too many. Undone when it ends. */
bool im_count_session(struct im *s);
/* A line of the client in the middle of a command (AUTHENTICATE, DONE). SUSPENDS. */
MUST_CHECK int im_line(struct im *s, size_t max, struct slice *line);
/* News about the selected mailbox: EXPUNGE when the command allows, EXISTS, FETCH. SUSPENDS. */
void im_news(struct im *s);
/* Only brings the view up to date, and the names of keywords. SUSPENDS. */
void im_sync(struct im *s);
void im_unselect(struct im *s);
/* A CONDSTORE enabling command was given; the first one tells HIGHESTMODSEQ (RFC 7162 section 3.1). */
void im_condstore(struct im *s);
/* Flags with bits for keywords as the session knows them; others are passed over. */
uint64_t im_flags(const struct im *s, const struct imap_flags *f);
/* "(\Seen ...)" of the message at index i of the view, into s->out. */
void im_put_flags(struct im *s, size_t i);
bool im_recent_has(const struct im *s, uint32_t uid);
/* How many messages of a mailbox no session was told of. SUSPENDS. */
MUST_CHECK int im_recent_count(struct im *s, const struct mailbox *m, uint32_t *out);
bool im_idle_turn(struct im *s); /* false: parked */

/* ---- sets ---- */

struct im_picked {
    size_t *at;   /* indices into the view, ascending */
    uint32_t *uid;
    size_t n;
    bool missing; /* some that were asked for are gone, which the client cannot know yet */
};
/* The messages a sequence set (or, after UID, a UID set) names; those that are gone are among them
 * when `gone`: they are shown as long as the client was not told. false: BAD was answered. */
bool im_pick(struct im *s, struct imap_set set, bool gone, struct im_picked *out);

/* STORE of a message that is gone but not told: only this session sees it (RFC 2180 section 4.2). */
void im_gone_flags(struct im *s, size_t i, enum flags_op op, uint64_t flags);

/* ---- reading messages ---- */

/* Records of messages that are asked for in ascending order, read in pages. */
struct im_records {
    struct arena a;
    struct message *v;
    size_t n, at;
    uint32_t last; /* the last uid that will be asked for */
    struct message gone; /* one that was expunged lately */
};
void im_records_begin(struct im_records *r, uint32_t last);
void im_records_end(struct im_records *r);
/* One that was expunged is told as it was, while that is remembered (RFC 2180); ERR_NOT_FOUND:
 * it is no more. Valid until the next one is asked for. SUSPENDS. */
MUST_CHECK int im_record(struct im *s, struct im_records *r, uint32_t uid, const struct message **out);

struct im_letter {
    struct store *store;
    struct message m;
    struct arena tree_a, all_a;
    struct mime_tree *tree;  /* when parsed */
    struct slice all;        /* the bytes, when they were read as a whole */
    uint64_t head_size;      /* of its header section, + 1; 0 = not known yet */
};
/* The message with this uid of the selected mailbox; kept until another one is asked for.
 * known: its record, or NULL. ERR_NOT_FOUND: expunged. SUSPENDS. */
MUST_CHECK int im_letter(struct im *s, uint32_t uid, const struct message *known, struct im_letter **out);
void im_letter_forget(struct im *s);
void im_letter_trim(struct im *s); /* keeps no more than a small tree */
MUST_CHECK int im_letter_tree(struct im *s, struct im_letter *l); /* SUSPENDS */
MUST_CHECK int im_letter_head_size(struct im *s, struct im_letter *l, uint64_t *out); /* SUSPENDS */
/* Its header section, but not more of it than IM_HEAD_MAX bytes, in `a`. SUSPENDS. */
MUST_CHECK int im_letter_head(struct im *s, struct im_letter *l, struct arena *a, struct slice *out);
/* Bytes [at, at + n) into p; the number read. SUSPENDS. */
MUST_CHECK int64_t im_letter_read(struct im *s, struct im_letter *l, uint64_t at, void *p, size_t n);
/* The same into the arena, at most IM_HEAD_MAX bytes. SUSPENDS. */
MUST_CHECK int im_letter_range(struct im *s, struct im_letter *l, uint64_t at, uint64_t n, struct arena *a,
                               struct slice *out);

struct im_decoded {
    uint64_t size;
    bool nul; /* it holds a NUL */
};
/* The body of a part with its transfer encoding undone: what it is, and bytes [from, from + n)
 * of it to the client. SUSPENDS. */
MUST_CHECK int im_decoded_size(struct im *s, struct im_letter *l, const struct mime_part *p,
                               struct im_decoded *out);
MUST_CHECK int im_decoded_write(struct im *s, struct im_letter *l, const struct mime_part *p, uint64_t from,
                                uint64_t n);

/* ---- searching texts ---- */

struct im_needle {
    struct slice folded;
    bool in_head, in_body; /* found in the message looked through last */
};
/* Looks for all needles in the header (with those of its parts) and the decoded text parts of
 * a message, stops when all are found. SUSPENDS. */
MUST_CHECK int im_text_search(struct im *s, struct im_letter *l, struct im_needle *v, size_t n);
/* Is there a field of that name that holds the folded text? Decoded and folded first. */
bool im_head_holds(struct slice head, struct slice field, struct slice folded);
/* The same for the addresses in such fields as ENVELOPE tells them, without comments. */
bool im_head_addresses(struct slice head, struct slice field, struct slice folded);

/* ---- commands that need more than the table ---- */

/* The command in s->cmd ends with the announcement of a literal: is it APPEND's message? */
bool im_is_append(struct im *s, const struct imap_literal *l, size_t at);
/* Takes the message and answers. An error: the connection is of no use any more. SUSPENDS. */
MUST_CHECK int im_append(struct im *s, const struct imap_literal *l, size_t at);
/* Reads n bytes and drops them. SUSPENDS. */
MUST_CHECK int im_swallow(struct im *s, uint64_t n);

#define IM_COMMANDS(X)                                                                             \
    X(append) X(authenticate) X(capability) X(check) X(close) X(copy) X(create) X(delete)          \
    X(enable) X(examine) X(expunge) X(fetch) X(id) X(idle) X(list) X(login) X(logout) X(lsub)      \
    X(move) X(namespace) X(noop) X(rename) X(search) X(select) X(starttls) X(status) X(store)      \
    X(subscribe) X(unselect) X(unsubscribe)
#define X(name) void im_cmd_##name(struct im *s, struct imap_in *in);
IM_COMMANDS(X)
#undef X

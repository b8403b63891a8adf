/* mailbox.h - an account's mailboxes and messages (RFC 9051, 7162 semantics).
 *
 * Everything of one account lies in one object and changes in one transaction, so all
 * clients see one order of changes, numbered by MODSEQ. Functions SUSPEND unless said
 * otherwise. `acc` is the account's id. Mailbox names are UTF-8, NFC, hierarchy '/',
 * "INBOX" in any case is the inbox; ERR_SYNTAX for what may not be a name. */
#pragma once
#include "store.h"

/* ---- flags ---- */

/* Bits 0-4 are the system flags, bits 5-63 the mailbox's keywords in order of their coming. When all
 * are taken, a bit that no message has is given to the next name; so who changes keywords gives
 * their names. */
enum {
    FLAG_SEEN = 1,
    FLAG_ANSWERED = 2,
    FLAG_FLAGGED = 4,
    FLAG_DELETED = 8,
    FLAG_DRAFT = 16,
    FLAG_KEYWORD_FIRST = 5,
    MAILBOX_KEYWORDS_MAX = 59
};

enum special_use { /* RFC 6154; a set of bits */
                   USE_DRAFTS = 1,
                   USE_SENT = 2,
                   USE_JUNK = 4,
                   USE_TRASH = 8,
                   USE_ARCHIVE = 16,
                   USE_ALL = 32,
                   USE_FLAGGED = 64,
};

/* ---- mailboxes ---- */

enum { MAILBOX_NAME_MAX = 1000, MAILBOX_DEPTH_MAX = 20, MAILBOXES_MAX = 10000 };

struct mailbox {
    uint32_t id; /* within the account; never used again */
    struct slice name;
    uint32_t uidvalidity, uidnext;
    uint64_t modseq; /* highest */
    uint32_t exists, unseen, deleted;
    uint64_t size; /* bytes of all messages */
    unsigned use;  /* enum special_use bits */
    bool subscribed;
    struct slice *keyword; /* names of bits 5, 6, ... */
    size_t nkeywords;
    uint32_t names; /* how often a bit was given to another name */
};
/* On whose behalf another account is changed: each change is made only if the access lists (acl.h) of these
 * mailboxes give the user all these rights at that moment, else ERR_DENIED. */
struct mailbox_guest {
    const char *id; /* the user's account */
    struct {
        uint32_t box; /* 0: none */
        unsigned need;
    } must[2];
    unsigned keeps; /* which annotations of a message its copy keeps: REMARKS_ */
};
enum { REMARKS_SHARED = 1, REMARKS_OWN = 2 };
/* One mailbox of an account; who keeps it sees that the account's id outlives it. */
struct mailbox_ref {
    const char *account;
    uint32_t box;
    const struct mailbox_guest *guest; /* who changes it; NULL: its owner, or Tram itself */
};
/* INBOX first, then by name. One whose row is damaged is left out, and the log says so. */
MUST_CHECK int mailbox_list(struct store *s, const char *acc, struct arena *a, struct mailbox **out,
                            size_t *n);
MUST_CHECK int mailbox_find(struct store *s, const char *acc, struct slice name, struct arena *a,
                            struct mailbox *out);
MUST_CHECK int mailbox_get(struct store *s, const char *acc, uint32_t id, struct arena *a,
                           struct mailbox *out);
/* A pattern of LIST in the form that names have (NFC). Does not suspend. */
struct slice mailbox_pattern(struct arena *a, struct slice pattern);
/* Creates missing parents as well (RFC 9051 section 6.3.4). use 0: that of its name, when it
 * has one and no other mailbox took it over. ERR_EXISTS, ERR_SYNTAX, ERR_LIMIT. */
MUST_CHECK int mailbox_create(struct store *s, const char *acc, struct slice name, unsigned use,
                              struct arena *a, struct mailbox *out);
/* The same for a guest, who may be NULL; ERR_NOT_FOUND: it would not lie below must[0]. */
MUST_CHECK int mailbox_create_as(struct store *s, const char *acc, const struct mailbox_guest *guest,
                                 struct slice name, unsigned use, struct arena *a, struct mailbox *out);
/* Messages go with it; children stay. ERR_DENIED for INBOX. */
MUST_CHECK int mailbox_delete(struct store *s, const char *acc, struct slice name);
/* The same for a guest, who may be NULL; ERR_NOT_FOUND: the name leads to another mailbox than must[0]. */
MUST_CHECK int mailbox_delete_as(struct store *s, const char *acc, const struct mailbox_guest *guest,
                                 struct slice name);
/* Children move along, also those of a name that is no mailbox itself; ERR_EXISTS when one of them would
 * come upon another mailbox. Renaming INBOX moves its messages into the new mailbox (RFC 9051 6.3.6). */
MUST_CHECK int mailbox_rename(struct store *s, const char *acc, struct slice from, struct slice to);
/* The same for a guest, who may be NULL; ERR_NOT_FOUND: `from` leads to another mailbox than must[0], or `to`
 * would not lie below must[1]. */
MUST_CHECK int mailbox_rename_as(struct store *s, const char *acc, const struct mailbox_guest *guest,
                                 struct slice from, struct slice to);
/* A subscription is a name and may outlive the mailbox (RFC 3501 section 6.3.9). */
MUST_CHECK int mailbox_subscribe(struct store *s, const char *acc, struct slice name, bool yes);
MUST_CHECK int mailbox_subscriptions(struct store *s, const char *acc, struct arena *a, struct slice **names,
                                     size_t *n);
/* INBOX Drafts Sent Junk Trash Archive, subscribed; harmless when they exist. */
MUST_CHECK int mailbox_make_defaults(struct store *s, const char *acc);

/* ---- messages ---- */

enum { EMAIL_ID_MAX = 39 };

struct message {
    uint32_t uid;
    uint64_t modseq;
    uint64_t flags;
    int64_t internal_date; /* unix seconds */
    int internal_zone;     /* the zone it was given in: minutes east */
    int64_t save_date;
    uint64_t size;      /* bytes as served, RFC822.SIZE */
    uint64_t by_lines;  /* what sending it by lines adds (POP3): bare LF or CR, no end of the last line */
    uint32_t head_size; /* bytes up to and with the first empty line; 0 = not known */
    struct body_ref body;
    char email_id[EMAIL_ID_MAX + 1]; /* RFC 8474; nobody else's on the node, the same for copies */
    uint64_t thread;                 /* 0: nobody asked for it yet, see message_thread() */
    struct slice remarks; /* its annotations as they lie (remark.h): how many bytes; p is the store's */
    uint64_t batch;       /* where its row lies, for the store alone: in this batch, */
    uint32_t place;       /* at this place */
};
/* uid exactly. ERR_NOT_FOUND when expunged meanwhile. */
MUST_CHECK int message_get(struct store *s, struct mailbox_ref box, uint32_t uid, struct message *out);
/* Ascending from uid `from`, at most limit (<= 1000), fewer only at the end, into the arena. A damaged record
 * is logged and left out. */
MUST_CHECK int message_list(struct store *s, struct mailbox_ref box, uint32_t from, size_t limit,
                            struct arena *a, struct message **out, size_t *n);

struct message_new {
    uint64_t flags;
    const struct slice *keyword; /* further flags by name; made when missing */
    size_t nkeywords;
    int64_t internal_date;
    int internal_zone; /* minutes east, within a day */
    uint64_t size, by_lines;
    uint32_t head_size;
    struct body_ref body; /* pinned by body_finish; unpin after this returns */
    const char
        *email_id;   /* of a copy of another account's message, and its thread, so that both are one for */
    uint64_t thread; /* who sees both (RFC 8474 sections 5.1 and 5.2); NULL, 0: it is a new one */
    struct slice remarks; /* remark_pack() */
    kv_fn *tell;          /* message_deliver: run at the end of its transaction, to tell others; or NULL */
    void *tell_arg;
};
/* All or none get consecutive uids from *first_uid. ERR_NOT_FOUND no such mailbox, ERR_QUOTA,
 * ERR_LIMIT: every keyword of the mailbox is in use. */
MUST_CHECK int message_append(struct store *s, struct mailbox_ref box, const struct message_new *m, size_t n,
                              uint32_t *uidvalidity, uint32_t *first_uid);
/* One message in the place of another of the account, in one change: `old` of `from` goes when m came into
 * `to` (RFC 8508), and quota counts the difference. ERR_NOT_FOUND: there is no mailbox `to`; ERR_STATE: `old`
 * is gone; nothing has changed then. */
MUST_CHECK int message_replace(struct store *s, struct mailbox_ref from, uint32_t old, uint32_t to,
                               const struct message_new *m, uint32_t *uidvalidity, uint32_t *uid);
/* Delivery exactly once: an account remembers delivery ids for 30 days; the second time nothing
 * happens and *duplicate is set. Keywords that do not fit are dropped: they are hints, the letter is not.
 * box_name: "INBOX", "Junk", ... INBOX when there is none of it. */
MUST_CHECK int message_deliver(struct store *s, const char *acc, struct slice delivery_id,
                               struct slice box_name, const struct message_new *m, uint32_t *uid,
                               bool *duplicate);

/* Uids, ascending. */
struct uids {
    const uint32_t *v;
    size_t n;
};

enum flags_op { FLAGS_ADD, FLAGS_REMOVE, FLAGS_REPLACE };
struct flags_change {
    enum flags_op op;
    uint64_t bits;               /* system flags */
    const struct slice *keyword; /* by name; made when missing, but to remove it */
    size_t n;
    uint64_t unchanged_since; /* 0 = always, else messages with a higher modseq are left (RFC 7162 3.1.3) */
};
/* Changes flags of the uids; those gone are passed over. *failed, in the arena: what was left because of
 * unchanged_since; may be NULL. ERR_LIMIT: every keyword of the mailbox is in use. */
MUST_CHECK int message_flags(struct store *s, struct mailbox_ref box, struct uids uids,
                             const struct flags_change *change, struct arena *a, struct uids *failed);
/* A message that was expunged lately, as it was: sessions that were not told yet go on to see it
 * (RFC 2180). Kept in memory, the latest ones. ERR_NOT_FOUND. Does not suspend. */
MUST_CHECK int message_expunged(struct store *s, struct mailbox_ref box, uint32_t uid, struct message *out);
/* Removes the uids, or all with \Deleted when uids.v is NULL; only_deleted: of the uids just those
 * that have \Deleted (UID EXPUNGE). *gone, in the arena: what was removed; may be NULL. */
MUST_CHECK int message_expunge(struct store *s, struct mailbox_ref box, struct uids uids, bool only_deleted,
                               struct arena *a, struct uids *gone);
struct message_copied {
    uint32_t uidvalidity;      /* of the mailbox they came to */
    const uint32_t *from, *to; /* from[i] became to[i]; in the arena */
    size_t n;
};
/* Copies (moves) in order of uid into the account's mailbox `to`. Copies are seen all at once or not at all,
 * with uids one after the other. A large set is moved some messages at a time, each of them wholly (RFC 6851
 * section 3.3): after an error *out says which. */
MUST_CHECK int message_copy(struct store *s, struct mailbox_ref box, struct uids uids, uint32_t to, bool move,
                            struct arena *a, struct message_copied *out);

enum { MESSAGE_RELATIONS_MAX = 24 };
/* What relates a message to others. */
struct message_relations {
    struct slice id[MESSAGE_RELATIONS_MAX]; /* its Message-ID, then those it refers to, the nearest first */
    size_t n;
    struct slice subject; /* base subject (RFC 5256 section 2.1) */
    bool reply;           /* the subject says that it is a reply or a forward */
};
/* The thread a message belongs to (RFC 8474 section 5.2): that of the first of its relations that is known,
 * by subject only within 30 days, else a new one. Kept: it never changes, and copies have the same.
 * ERR_NOT_FOUND: the message is gone. */
MUST_CHECK int message_thread(struct store *s, struct mailbox_ref box, uint32_t uid,
                              const struct message_relations *r, uint64_t *thread);
enum { MESSAGE_THREADS_MAX = 32 };
struct message_threading {
    uint32_t uid;
    struct message_relations relations;
    uint64_t thread; /* out; 0: it is gone, or cannot be read */
};
/* The same for several of a mailbox, at most MESSAGE_THREADS_MAX, in one transaction. SUSPENDS. */
MUST_CHECK int message_threads(struct store *s, struct mailbox_ref box, struct message_threading *v,
                               size_t n);

/* ---- a selected mailbox ---- */

/* Messages in order of uid; index + 1 is the IMAP sequence number. Expunged ones stay
 * (gone set) until view_drop_gone(), because a client may only hear of them at certain times. All views of a
 * mailbox on a loop share what they have in common. What does not say so does not suspend. */
struct view_msg {
    uint32_t uid;
    bool gone;
    uint64_t flags, modseq;
};
struct view {
    struct store *store;
    char acc[20];
    uint32_t box, uidvalidity, uidnext;
    uint32_t names;            /* as of struct mailbox: when it differs the keywords are to be read again */
    uint64_t modseq;           /* the state shown */
    size_t n, ngone, nchanged; /* n: messages, those gone too */
    bool deleted;              /* the mailbox itself is gone */
};
/* SUSPENDS. */
MUST_CHECK int view_open(struct view **out, struct store *s, const char *acc, uint32_t box);
/* With \Seen as another user has it, an account's id. SUSPENDS. */
MUST_CHECK int view_open_as(struct view **out, struct store *s, const char *acc, uint32_t box,
                            const char *user);
void view_close(struct view **v); /* SUSPENDS */
/* Messages without \Seen. SUSPENDS (breathes). */
size_t view_unseen(const struct view *v);
/* Brings the view up to date: new messages are added at the end, flags changed in place (and marked as
 * changed), expunged ones marked gone. *added: how many are new. SUSPENDS. */
MUST_CHECK int view_sync(struct view *v, size_t *added);
/* Removes the gone ones; calls each(arg, sequence number at that moment) in the order in
 * which untagged EXPUNGEs must be sent. */
void view_drop_gone(struct view *v, void (*each)(void *arg, uint32_t seq, uint32_t uid), void *arg);
struct uid_range {
    uint32_t lo, hi;
};
struct uid_ranges { /* ascending, apart from each other */
    const struct uid_range *v;
    size_t n;
};
/* UIDs below uidnext of messages that went after the modseq and that this view does not show any more, in the
 * arena: as the journal has them, or when it does not reach back, all that are not there. SUSPENDS. */
MUST_CHECK int view_vanished(const struct view *v, uint64_t since, struct arena *a, struct uid_ranges *out);
/* The message at an index below n. */
struct view_msg view_at(const struct view *v, size_t i);
/* Index of uid, or SL_NONE; of the first one that is not lower, or n. */
size_t view_find(const struct view *v, uint32_t uid);
size_t view_rank(const struct view *v, uint32_t uid);
/* Index of the first message without all of the flags, or n. */
size_t view_first_without(const struct view *v, uint64_t flags);
/* All flags that some message has; perhaps some that one had. */
uint64_t view_flags(const struct view *v);

/* Flags that changed and that the client was not told of. */
bool view_changed(const struct view *v, size_t i);
void view_told(struct view *v, size_t i);
void view_told_all(struct view *v);
void view_not_told(struct view *v, size_t i); /* after all */
/* The first such index from `from` on, or SL_NONE. */
size_t view_next_changed(const struct view *v, size_t from);
/* Other flags for a message that is gone, as this view shows it; counts as changed. */
void view_gone_flags(struct view *v, size_t i, uint64_t flags);

/* News about an account (any change): fn runs on this loop, calls are joined; hints only. */
struct kv_watch *mailbox_watch(struct store *s, const char *acc, void (*fn)(void *), void *arg);

/* ---- recent (RFC 3501 section 2.3.2) ---- */

/* The first uid that no session was told of yet; 1 for a mailbox nobody opened. */
MUST_CHECK int mailbox_recent(struct store *s, const char *acc, uint32_t box, uint32_t *first);
/* Kept without a wait: a power cut may undo it. Does not suspend. */
void mailbox_recent_note(struct store *s, const char *acc, uint32_t box, uint32_t first);

/* ---- the account as a whole ---- */

struct quota_load { /* what limits of mailboxes count */
    uint64_t bytes, messages, boxes;
};
struct account_usage {
    uint64_t bytes, messages, quota_bytes, quota_messages; /* a quota of 0: none */
    uint32_t boxes;                                        /* of MAILBOXES_MAX */
};
/* The modseq of an account; 0 when its row is missing or damaged: it is being erased, its rows are read all
 * the same. */
MUST_CHECK int account_modseq(struct store *s, const char *acc, uint64_t *out);
MUST_CHECK int account_usage(struct store *s, const char *acc, struct account_usage *out);
/* Would a message of so many bytes fit into INBOX? ERR_QUOTA with a sentence. */
MUST_CHECK int account_room(struct store *s, const char *acc, uint64_t bytes);
/* In one transaction; NULL: stays as it is; 0: none. */
struct account_quotas {
    const uint64_t *bytes, *messages;
};
MUST_CHECK int account_set_quotas(struct store *s, const char *acc, const struct account_quotas *q);
MUST_CHECK int account_set_quota(struct store *s, const char *acc, uint64_t bytes); /* alone */
/* The account of this id, in the arena, by the address that is noted beside its mailboxes. ERR_NOT_FOUND:
 * that leads to another one: it was renamed, or made before this was noted. */
MUST_CHECK int account_owner(struct store *s, const char *acc, struct arena *a, struct account *out);
/* Notes the address by which account_owner() finds it. */
MUST_CHECK int account_note_address(struct store *s, const char *acc, struct slice address);
/* Removes every record of the account at once; may be repeated. */
MUST_CHECK int account_erase(struct store *s, const char *acc);

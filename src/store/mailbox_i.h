/* mailbox_i.h - the rows of an account's object, and what the mailbox files share.
 *
 * Keys in u:<account> (docs/format.md):
 *   a                      the account: counters
 *   b/<box>                a mailbox
 *   c/<box>                who else may do what with a mailbox
 *   d/<delivery id>        a delivery that was made
 *   f/<box>                INBOX is being renamed to this mailbox
 *   g/<box>/...            a range of uids whose messages came as a batch
 *   h/<box>/<batch>        a batch that nobody sees yet
 *   i/<box>/<part>         image of a mailbox: uid, flags and modseq of each message
 *   j/<modseq>             journal: what a transaction changed, in which mailboxes
 *   k/<kind>/<hash>        what relates messages to a thread
 *   m/<box>/<uid>          a message
 *   n/<sum>/<box>          mailboxes by the checksum of their names
 *   o/<account>            somebody who shared a mailbox with this account once
 *   p/<kind>/<what>/...    where a message is, by its EMAILID and by its thread
 *   q/<hash>               a limit of the mailboxes at a name and below it
 *   r/<box>/0000           first message that no session was told of
 *   s/<sum>                subscribed names with this checksum
 *   t/<box>/<user>/<name>  an annotation of a mailbox, or with box 0 of the account
 *   x/<box>                a mailbox that is deleted, whose rows are still being removed
 *   y/<box>/<batch>/<n>    a message of a batch
 * box, uid: 8 hex digits; modseq: 16; part: 4; sum: 8. */
#pragma once
#include "base/map.h"
#include "base/text.h"
#include "kv/record.h"
#include "mailbox.h"
#include "roll.h"

enum {
    INBOX_ID = 1,
    CHANGE_MAX = 400,        /* messages changed in one transaction: about 2 ms of everybody's time */
    MOVE_MAX = 150,          /* moved in one: each is more than twice the work */
    FLAGS_MAX = 500,         /* of which flags are changed in one: each is less */
    CHANGE_BYTES = 1 << 20,  /* of annotations of messages written in one, and a little more */
    CHANGE_FEW = 30,         /* more than these are a part of something large */
    JOURNAL_MAX = 50000,     /* changes that the journal of an account reaches back */
    JOURNAL_PRUNE = 1000,    /* and more, before older ones are pruned */
    JOURNAL_NOTES_MAX = 100, /* annotations that one transaction changes */
    DELIVERY_DAYS = 30,      /* delivery ids are remembered so long */
    KEYWORD_MAX = 250,       /* bytes of a keyword's name */
    KEY_ROOM = KV_KEY_MAX + 1,
};

struct account_row {
    uint64_t modseq;
    uint32_t next_box, uidvalidity; /* the id of the next mailbox; the last uidvalidity given */
    uint32_t boxes, subscriptions;
    uint64_t bytes, messages, quota, quota_messages;
    uint64_t noted;         /* bytes of all annotations, with their keys */
    uint64_t journal_floor; /* changes up to this modseq are not in the journal any more */
    unsigned warned;        /* the mark of 100 that was passed, quota.c; 0: none */
    uint32_t trees;         /* rows q/ */
    uint64_t threaded;      /* messages whose thread was found out: an image with fewer is out of date */
    unsigned places;        /* rows p/: none, being made, all there (places.c) */
};
struct box_row {
    struct mailbox m; /* name and keywords point into the stored value; subscribed is not known */
    struct slice keyword[MAILBOX_KEYWORDS_MAX];
    uint32_t users[MAILBOX_KEYWORDS_MAX]; /* how many messages have it */
    struct {                              /* as it was read; without a name: it is new */
        struct slice name;
        uint64_t size;
        uint32_t exists;
    } was;
    uint64_t taken; /* keywords that this transaction gave out: bit i for keyword[i]; not stored */
};

/* ---- mailbox_name.c ---- */

/* Checked, in NFC, "INBOX" in capitals; in the arena. ERR_SYNTAX with the sentence. */
MUST_CHECK int mailbox_name(struct arena *a, struct slice name, struct slice *out);
/* The name without its last component; false at the top. */
bool mailbox_parent(struct slice name, struct slice *parent);
bool mailbox_below(struct slice name, struct slice above); /* is it below, in the tree? */

/* ---- mailbox_row.c ---- */

/* "u:<account>" into room. */
struct slice account_object(const char *acc, char room[KEY_ROOM]);
struct slice box_key(char kind, uint32_t box, char room[KEY_ROOM]); /* "b/0000000a" */
struct slice row_key(char kind, uint32_t box, uint64_t n, int digits,
                     char room[KEY_ROOM]);                                 /* "m/0000000a/00000001" */
struct slice row_prefix(char kind, uint32_t box, char room[KEY_ROOM]);     /* "m/0000000a/" */
struct slice row_prefix_end(char kind, uint32_t box, char room[KEY_ROOM]); /* "m/0000000a0" */
/* One component more, behind a key that lies in the same room. */
struct slice row_key_more(struct slice key, uint64_t n, int digits, char room[KEY_ROOM]);
/* Where a message's row lies, plain or in a batch. */
struct slice message_row_key(uint32_t box, const struct message *m, char room[KEY_ROOM]);
/* The number in the last component of a key. */
MUST_CHECK int row_number(struct slice key, uint64_t *out);

MUST_CHECK int account_row_get(struct slice value, struct account_row *out);
void account_row_put(struct kv_tx *tx, const struct account_row *r);
MUST_CHECK int box_row_get(struct slice value, uint32_t id, struct box_row *out);
/* Once for each time it was read; counts for the limits that the mailbox is below. a: with its new modseq;
 * NULL: these are counted again afterwards. */
void box_row_put(struct kv_tx *tx, const struct account_row *a, const struct box_row *r);
/* modseq 0: that of the batch with which it came. */
MUST_CHECK int message_row_get(struct slice value, uint32_t uid, struct message *out);
void message_row_record(struct buf *b, const struct message *m); /* the value */
void message_row_put(struct kv_tx *tx, uint32_t box, const struct message *m);

/* Within a transaction. ERR_NOT_FOUND with a sentence. */
MUST_CHECK int account_tx(struct kv_tx *tx, struct account_row *out);
MUST_CHECK int box_tx(struct kv_tx *tx, uint32_t id, struct box_row *out);
MUST_CHECK int box_tx_named(struct kv_tx *tx, struct slice name, struct box_row *out); /* the name is clean */
/* Runs fn on the account's object; when it changed something watchers hear of it. */
MUST_CHECK int account_transact(struct store *s, const char *acc, kv_fn *fn, void *arg);
/* The same for one that changes so many messages: others go first when they are more than a few. */
MUST_CHECK int account_transact_part(struct store *s, const char *acc, size_t n, kv_fn *fn, void *arg);

/* Bit of a keyword name in a row; -1 when it is missing and cannot be made. When all are taken, one
 * that no message has gives way. */
int box_keyword(struct box_row *b, struct slice name, bool make);
/* The flags with the bits of these keywords; missing ones are made when `make`, else passed over.
 * ERR_LIMIT: some do not fit; *out has the others. */
MUST_CHECK int box_flags(struct box_row *b, uint64_t bits, const struct slice *keyword, size_t n, bool make,
                         uint64_t *out);
/* Rows of an object from one key to before another (empty: the end), page by page,
 * while it changes. SUSPENDS. */
MUST_CHECK int object_range(struct store *s, struct slice object, struct slice from, struct slice to,
                            int (*each)(void *arg, struct slice key, struct slice value), void *arg);
/* The same of an account. */
MUST_CHECK int rows_each(struct store *s, const char *acc, struct slice from, struct slice to,
                         int (*each)(void *arg, struct slice key, struct slice value), void *arg);
/* The rows of an account, of one moment (tx) or page by page while it changes (then it SUSPENDS). */
struct account_rows {
    struct kv_tx *tx; /* or NULL, and: */
    struct store *s;
    const char *acc;
};
MUST_CHECK int account_rows_each(const struct account_rows *r, struct slice from, struct slice to,
                                 kv_visit *each, void *arg);
/* Counts what changed when a message's flags did. */
void count_flags(struct box_row *b, uint64_t old, uint64_t now);
/* Counts a message in or out. */
void count_message(struct account_row *a, struct box_row *b, const struct message *m, int sign);

/* ---- message.c: adding, as a part of a larger change ---- */

struct message_append {
    uint32_t box;
    const struct message_new *m;
    size_t n;
    const char *guest;               /* whose \Seen is meant, an account's id; NULL: the owner's */
    uint32_t uidvalidity, first_uid; /* out */
};
/* arg: struct message_append. ERR_NOT_FOUND no such mailbox, ERR_QUOTA, ERR_LIMIT. */
MUST_CHECK int message_append_tx(struct kv_tx *tx, void *arg);

/* ---- batch.c: rows that are written unseen, in pages, and become seen at once ---- */

struct batch_range { /* uids first to last came as a batch */
    uint64_t batch, modseq;
    uint32_t first, last;
};
struct batch_header { /* a batch that nobody sees yet: when its last page was written, how many rows it has */
    int64_t time;
    uint32_t n;
};
struct batch_rows {
    struct slice from, to;
    char room[2][KEY_ROOM];
};
MUST_CHECK int batch_range_get(struct slice key, uint32_t *box, struct batch_range *out);
MUST_CHECK int batch_header_get(struct slice value, struct batch_header *out);
/* The keys of a batch's rows from a place on. */
void batch_rows(uint32_t box, uint64_t batch, uint32_t place, struct batch_rows *out);
/* A row of a batch; r->first 0: one that nobody sees yet, its uid is 0. */
MUST_CHECK int batch_message_get(struct slice key, struct slice value, const struct batch_range *r,
                                 struct message *out);
/* The first range that ends at or above uid. ERR_NOT_FOUND. find SUSPENDS. */
MUST_CHECK int batch_range_find(struct store *s, struct mailbox_ref box, uint32_t uid,
                                struct batch_range *out);
/* The message with this uid when it came with a batch. near: as for message_tx(), not NULL. ERR_NOT_FOUND.
 * find SUSPENDS. */
MUST_CHECK int batch_message_tx(struct kv_tx *tx, uint32_t box, uint32_t uid, struct batch_range *near,
                                struct message *out);
/* The same for those of these messages that have no uid in `out` yet. uid: ascending. */
MUST_CHECK int batch_messages_tx(struct kv_tx *tx, uint32_t box, const uint32_t *uid, size_t n,
                                 struct batch_range *near, struct message *out);
/* Its annotations lie in the arena. */
MUST_CHECK int batch_message_find(struct store *s, struct mailbox_ref box, uint32_t uid, struct arena *a,
                                  struct message *out);

struct batch { /* one that is being written; nobody but its fiber knows of it */
    struct store *s;
    const char *account;
    const struct mailbox_guest *guest;
    uint32_t box, n, names;
    uint64_t id;
    struct box_row count;                  /* of its messages */
    struct account_row usage, account_row; /* the second: as the page at hand found it */
    uint32_t uidvalidity, first_uid;       /* after batch_see() */
};
/* Then pages, then batch_see() or batch_drop(). SUSPEND. ERR_BUSY: it was given up, or the mailbox's keywords
 * changed, so that it has to be begun anew. */
MUST_CHECK int batch_begin(struct batch *p, struct store *s, struct mailbox_ref to);
/* One transaction in which fill adds messages with batch_add(), at most CHANGE_MAX. `to` is the mailbox's
 * row, for the names of keywords. */
typedef int batch_fill(struct kv_tx *tx, struct batch *p, struct box_row *to, void *arg);
MUST_CHECK int batch_page(struct batch *p, batch_fill *fill, void *arg);
void batch_add(struct kv_tx *tx, struct batch *p, struct message *m);
MUST_CHECK int batch_see(struct batch *p);
void batch_drop(struct batch *p);
/* Erases batches that nobody writes any more, and ranges whose messages all went. SUSPENDS. */
MUST_CHECK int batch_care(struct store *s, const char *acc);

/* ---- places_row.c, places.c, places_check.c ---- */

/* Within a transaction: a message comes, or goes as it is; nothing while the account has no such rows. */
void places_put(struct kv_tx *tx, const struct account_row *a, uint32_t box, const struct message *m);
void places_del(struct kv_tx *tx, const struct account_row *a, uint32_t box, const struct message *m);
/* Within a transaction: rows of messages went as a range, and left theirs: places_care() erases them. */
void places_left(struct kv_tx *tx, const struct account_row *a);
/* Within a transaction: all are made anew when somebody asks. The caller puts the account's row. */
void places_forget(struct kv_tx *tx, struct account_row *a);
/* Erases what leads to nothing. SUSPENDS. */
MUST_CHECK int places_care(struct store *s, const char *acc);
/* Counts messages that would not be found. mend: has all made anew, when there are any. SUSPEND. */
MUST_CHECK int places_check(struct store *s, const char *acc, size_t *faults);
MUST_CHECK int places_mend(struct store *s, const char *acc, size_t *faults);

/* ---- message.c ---- */

/* Within a transaction. near: the range that was looked into last for the same mailbox, zero at first, so
 * that neighbours do not look for it again; or NULL. ERR_NOT_FOUND. */
MUST_CHECK int message_tx(struct kv_tx *tx, uint32_t box, uint32_t uid, struct batch_range *near,
                          struct message *out);

/* The same for many: out[i].uid 0: it is not there. Neighbours are read in one go. near: not NULL. */
MUST_CHECK int messages_tx(struct kv_tx *tx, uint32_t box, const uint32_t *uid, size_t n,
                           struct batch_range *near, struct message *out);
/* Of one of these: reads its annotations too, of which only the length is known so far. Before it is put. */
MUST_CHECK int message_whole_tx(struct kv_tx *tx, uint32_t box, struct batch_range *near, struct message *m);

/* Within a transaction that is going to look at these and met one that is not in memory: all of them are
 * fetched at once. near: as above, not NULL. */
void messages_want(struct kv_tx *tx, uint32_t box, const uint32_t *uid, size_t n,
                   const struct batch_range *near);

/* message_get(), with its annotations in the arena. SUSPENDS. */
MUST_CHECK int message_get_in(struct store *s, struct mailbox_ref box, uint32_t uid, struct arena *a,
                              struct message *out);

/* ---- remark.c ---- */

/* Those of a message's row that its copy keeps; in out, which copied may point into. Does not suspend. */
MUST_CHECK int remarks_copied(struct slice field, const char *user, unsigned keep, struct buf *out,
                              struct slice *copied);

/* ---- message_change.c ---- */

/* UIDs that a change met, on the heap. */
struct gather {
    uint32_t *v;
    size_t n, cap;
};
void gather_add(struct gather *u, uint32_t uid);
/* Into the arena, unless out is NULL; and frees it. */
void gather_hand_out(struct gather *g, struct arena *a, struct uids *out);

/* MOVE within an account, whatever its limits: it was asked before whether all fits. SUSPENDS. */
MUST_CHECK int message_move_promised(struct store *s, struct mailbox_ref box, struct uids uids, uint32_t to);

/* ---- mailbox.c ---- */

/* The row by which a mailbox is found by its name. */
void mailbox_name_put(struct kv_tx *tx, struct slice name, uint32_t id);
void mailbox_name_del(struct kv_tx *tx, struct slice name, uint32_t id);
/* Makes the mailbox, which must not exist, and what is missing above it. */
MUST_CHECK int mailbox_make(struct kv_tx *tx, struct account_row *a, struct slice name, unsigned use,
                            struct box_row *out);

/* The same of a name that is asked for: ERR_EXISTS; use 0: what the name stands for. */
MUST_CHECK int mailbox_create_tx(struct kv_tx *tx, struct account_row *a, struct slice name, unsigned use,
                                 struct box_row *out);

/* Inside a transaction on an account without mailboxes: makes its row and the special-use ones. */
MUST_CHECK int mailbox_defaults(struct kv_tx *tx, void *arg);

/* ---- account.c ---- */

struct account_home account_home(struct store *s);

/* ---- journal.c ---- */

enum journal_kind { JOURNAL_MESSAGES, JOURNAL_MADE, JOURNAL_RENAMED, JOURNAL_DELETED };

/* What a transaction changed in one mailbox, ascending by uid. Packed as LEB128. */
struct journal_box {
    uint32_t box;
    enum journal_kind kind;      /* what became of the mailbox itself */
    uint32_t first_added, added; /* messages that came, with uids one after the other */
    struct buf changes;          /* uid step, flags */
    struct buf gone;             /* step to the first uid, how many more follow it at once */
    struct buf notes;            /* annotations that changed: fields A, each the key behind "t/BOX/" */
    uint32_t last_changed, gone_first, gone_last, gone_before;
};
void journal_flags(struct journal_box *j, uint32_t uid, uint64_t flags);
void journal_gone(struct journal_box *j, uint32_t uid);
void journal_note(struct journal_box *j, struct slice key);
void journal_added(struct journal_box *j, uint32_t first, uint32_t n);
/* Writes the row with the account's modseq, which is a new one, and prunes old ones. No row when nothing was
 * noted. */
void journal_put(struct kv_tx *tx, struct account_row *a, struct journal_box *j, size_t n);
void journal_free(struct journal_box *j); /* what was noted; the mailbox stays */

struct journal_keys {
    struct slice from, to;
    char room[2][KEY_ROOM];
};
/* The keys of rows with modseqs in (after, upto]. */
void journal_range(uint64_t after, uint64_t upto, struct journal_keys *out);
struct journal_reader {
    struct rec rec;
    uint32_t box; /* the one at hand */
    enum journal_kind kind;
    uint32_t first_added, added;
    struct slice changes, gone;
    struct slice note[JOURNAL_NOTES_MAX];
    size_t notes;
    uint32_t changed_uid, gone_uid, gone_more;
};
MUST_CHECK int journal_open(struct slice value, struct journal_reader *r);
bool journal_next_box(struct journal_reader *r); /* false: that was the last one */
bool journal_next_flags(struct journal_reader *r, uint32_t *uid, uint64_t *flags);
bool journal_next_gone(struct journal_reader *r, uint32_t *uid);
void leb_put(struct buf *b, uint64_t v);
bool leb_take(struct slice *s, uint64_t *v); /* false at the end, or when it is damaged */

/* ---- mailbox_tree.c: rows of what is gone ---- */

/* Finishes deletions that a crash interrupted. SUSPENDS. */
MUST_CHECK int mailbox_finish_deletes(struct store *s, const char *acc);

/* ---- inbox_rename.c ---- */

/* SUSPENDS. An error after the mailbox was made: the rest moves later, or stays in INBOX when it cannot ever.
 */
MUST_CHECK int inbox_rename(struct store *s, const char *acc, const struct mailbox_guest *guest,
                            struct slice to);
/* Moves on what a crash left half way; what cannot be moved is logged and stays. SUSPENDS. */
MUST_CHECK int inbox_rename_finish(struct store *s, const char *acc);

/* ---- urlkey.c ---- */

/* The key of the secret that goes with a mailbox of the user's own. */
struct slice url_key_own(uint32_t box, char room[KEY_ROOM]);

/* ---- acl.c ---- */

/* account_transact(), with the rights of the guest (NULL: none is asked) looked at in the same transaction.
 * SUSPENDS. */
MUST_CHECK int guest_transact(struct store *s, const char *acc, const struct mailbox_guest *guest, kv_fn *fn,
                              void *arg);
/* The same for one that changes n messages of the mailbox: as account_transact_part(). SUSPENDS. */
MUST_CHECK int mailbox_transact(struct store *s, struct mailbox_ref box, size_t n, kv_fn *fn, void *arg);
/* Within a transaction: a guest (NULL: nothing is asked) changes by its name the mailbox that was looked at,
 * must[0], not one that has its name now. ERR_NOT_FOUND. */
MUST_CHECK int guest_means_tx(struct kv_tx *tx, const struct mailbox_guest *guest, struct slice name);
/* Within a transaction: a guest (NULL: nothing is asked) makes a mailbox of this name below the one that was
 * looked at, must[i], not below one that has its name now. ERR_NOT_FOUND. */
MUST_CHECK int guest_makes_tx(struct kv_tx *tx, const struct mailbox_guest *guest, size_t i,
                              struct slice name);
/* Within a transaction: the mailbox gets the access list of the one above it. */
MUST_CHECK int acl_inherit_tx(struct kv_tx *tx, uint32_t above, uint32_t box);

/* ---- annotation.c ---- */

/* Within a transaction: those of a mailbox that goes; and a copy of them for another mailbox of the account.
 */
MUST_CHECK int annotations_erase_tx(struct kv_tx *tx, uint32_t box);
MUST_CHECK int annotations_copy_tx(struct kv_tx *tx, uint32_t box, uint32_t to);

/* ---- expunged.c ---- */

struct expunged *expunged_new(void);
void expunged_free(struct expunged *e);
/* As it was before it was expunged. */
void expunged_add(struct expunged *e, const char *acc, uint32_t box, const struct message *m);

/* ---- quota.c ---- */

/* ERR_QUOTA when so many bytes more do not fit. */
MUST_CHECK int quota_check(const struct account_row *a, uint64_t bytes, uint64_t messages);
/* The mark that the account is beyond as its row is now; leaves word when it is a new one. */
unsigned quota_judge(struct kv_tx *tx, const struct account_row *a);
/* The same of any usage; tree: as in struct quota_passed. */
unsigned quota_mark(struct kv_tx *tx, const struct account_usage *u, unsigned warned, uint64_t modseq,
                    uint64_t tree);

/* ---- quota_tree.c ---- */

/* Would so much more fit into the mailbox `into`, which comes from the mailbox `from` (empty: from outside)?
 * ERR_QUOTA. */
MUST_CHECK int quota_tree_fit(struct kv_tx *tx, const struct account_row *a, struct slice from,
                              struct slice into, struct quota_load more);
/* The mailbox is not any more as b->was says, but as b->m, or gone. */
void quota_trees_moved(struct kv_tx *tx, const struct account_row *a, const struct box_row *b, bool gone);
/* Many mailboxes get other names: what each tree holds is read once, asked and put once, however many they
 * are. Each is put with box_row_put(tx, NULL, b). end: ERR_QUOTA. */
struct quota_moves;
MUST_CHECK int quota_moves_begin(struct kv_tx *tx, const struct account_row *a, struct arena *arena,
                                 struct quota_moves **out);
void quota_moves_add(struct quota_moves *m, const struct box_row *b);
MUST_CHECK int quota_moves_end(struct kv_tx *tx, uint64_t modseq, struct quota_moves *m);
bool quota_tree_row_good(struct slice value);

/* ---- quota_trees.c ---- */

/* Counts again, and puts right; a->trees too, which the caller puts. *wrong: how many numbers were. */
MUST_CHECK int quota_trees_settle(struct kv_tx *tx, struct account_row *a, size_t *wrong);
/* The same as a transaction of its own. arg: NULL, or size_t *wrong. */
MUST_CHECK int quota_trees_recount(struct kv_tx *tx, void *arg);
/* bad() for each number that is wrong. */
MUST_CHECK int quota_trees_check(const struct account_rows *rows, const struct account_row *a,
                                 void (*bad)(void *arg, const char *what), void *arg);

/* ---- image.c ---- */

/* *out: the roll that the stored image holds, with clean pages; NULL when none fits the row, or the
 * journal. SUSPENDS. */
MUST_CHECK int image_load(struct store *s, const char *acc, const struct box_row *b, uint64_t journal_floor,
                          struct roll **out);
/* Writes the pages that are not clean, and makes them so. base: modseq of the image that the clean ones are
 * of; 0: there is none, all are written. ERR_BUSY: there is another image than that one: base is of no use
 * any more. SUSPENDS. */
MUST_CHECK int image_save(struct store *s, const char *acc, uint32_t box, struct roll *r, uint64_t base);

/* ---- loop_view.c: a mailbox as all sessions of a loop see it ---- */

struct loop_view {
    struct store *s;
    char acc[20];
    uint32_t box;
    unsigned users;
    struct roll *roll;             /* the newest state that was read; NULL before the first */
    bool deleted, journal_damaged; /* the second: that was logged */
    struct fmutex reading, saving;
    uint64_t image; /* modseq of the stored image that clean pages are of; 0: none is known */
    size_t behind;  /* changes since */
    int loop;
    struct loop_view *next; /* in the list of those that nobody uses */
};
struct loop_views *loop_views_new(void);
void loop_views_free(struct loop_views *v);
/* The one of this loop; put back by loop_view_put(), which may write an image: SUSPENDS. */
struct loop_view *loop_view_get(struct store *s, const char *acc, uint32_t box);
void loop_view_put(struct loop_view **v);
/* Brings it up to date. ERR_NOT_FOUND: the mailbox is not there and never was seen. SUSPENDS. */
MUST_CHECK int loop_view_sync(struct loop_view *v);
/* UIDs, in the arena, that went with modseqs in (after, upto], as they come in the journal; *held false: it
 * does not reach back that far, or is damaged. SUSPENDS. */
MUST_CHECK int loop_view_gone(struct loop_view *v, uint64_t after, uint64_t upto, struct arena *a,
                              uint32_t **uid, size_t *n, bool *held);

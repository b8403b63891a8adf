/* imap.h - the grammar of IMAP commands and the writing of responses (RFC 9051, 3501). Pure.
 *
 * The session gathers a whole command: its lines, each literal in its place after "{n}" CRLF,
 * without the last CRLF. Everything taken from it is a slice of that text or lies in the
 * arena. The cursor is sticky: after the first error every take gives an empty value and
 * imap_done() tells what was wrong and where. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum {
    IMAP_TAG_MAX = 100,
    IMAP_SET_MAX = 20000,   /* ranges in a sequence set */
    IMAP_DEPTH_MAX = 50,    /* search keys inside one another */
    IMAP_KEYS_MAX = 1000,   /* search keys of a command */
    IMAP_ITEMS_MAX = 100,   /* fetch attributes of a command */
    IMAP_FIELDS_MAX = 200,  /* names in HEADER.FIELDS */
    IMAP_PATH_MAX = 60,     /* numbers in a section */
    IMAP_FLAGS_MAX = 100,   /* flags in a list */
    IMAP_KEYWORD_MAX = 100, /* bytes of a keyword */
    IMAP_PATTERNS_MAX = 50, /* LIST patterns */
    IMAP_NAME_MAX = 1000,   /* bytes of a mailbox name or pattern */
    IMAP_SORT_MAX = 20,     /* criteria of a SORT */
    IMAP_SOURCES_MAX = 20,  /* sources of an ESEARCH */
    IMAP_NAMES_MAX = 1000,  /* mailboxes that a source names */
    IMAP_ENTRIES_MAX = 100, /* entries of a GETMETADATA or SETMETADATA */
    IMAP_URL_MAX = 8000,    /* bytes of a URL */
    IMAP_ENTRY_MAX = 100,   /* bytes of an entry of annotations of messages */
};

/* ---- literals at the end of a line ---- */

struct imap_literal {
    uint64_t size;
    bool nonsync; /* {n+}: the client does not wait (RFC 7888) */
    bool binary;  /* ~{n}: literal8 (RFC 3516) */
    size_t at;    /* where the '{' (or '~') is in the line */
};
/* Does the line end with the announcement of a literal? */
bool imap_line_literal(struct slice line, struct imap_literal *out);

/* ---- the cursor ---- */

struct imap_in {
    struct slice s;
    size_t at;
    struct arena *a;
    bool annotate; /* ANNOTATE-EXPERIMENT-1 is offered: its words are known */
    bool utf8;     /* mailbox names are UTF-8 (RFC 6855, IMAP4rev2), not modified UTF-7 */
    int code;      /* the first error, 0 = none */
    size_t wrong;  /* byte where it happened */
    char why[120];
};
void imap_in_init(struct imap_in *in, struct arena *a, struct slice command, bool utf8);
/* Nothing may be left. 0, or the error with a sentence: "byte 17: a mailbox name was expected". */
MUST_CHECK int imap_done(struct imap_in *in);
/* Makes the cursor fail here. */
void imap_fail(struct imap_in *in, int code, const char *why);

bool imap_more(const struct imap_in *in);       /* no error, and something is left */
bool imap_at(const struct imap_in *in, char c); /* the next byte is c */
bool imap_skip(struct imap_in *in,
               char c); /* takes c when it is next; a blank is one blank (RFC 9051 section 9) */
void imap_need(struct imap_in *in, char c); /* c must be next */
static inline void imap_sp(struct imap_in *in) { imap_need(in, ' '); }
bool imap_skip_word(struct imap_in *in, struct slice word); /* takes the atom when it is next, case ignored */

struct slice imap_tag(struct imap_in *in);
struct slice imap_atom(struct imap_in *in);
struct slice imap_string(struct imap_in *in); /* quoted or literal */
struct slice imap_astring(struct imap_in *in);
struct slice imap_nstring(struct imap_in *in); /* p == NULL for NIL */
/* The same, or a literal8, which may hold NUL. */
struct slice imap_nstring8(struct imap_in *in);
uint64_t imap_number(struct imap_in *in, uint64_t max);
/* nz-number: it begins with none of the digits 0. `zero`: what is wrong with it, if it is 0. */
uint64_t imap_nz_number(struct imap_in *in, uint64_t max, const char *zero);
struct slice imap_mailbox(struct imap_in *in); /* as UTF-8; "INBOX" for any case of it */
struct slice imap_pattern(struct imap_in *in); /* list-mailbox, as UTF-8 */
/* quoted date-time: unix seconds, and its zone in minutes east. A day of one digit is taken. */
int64_t imap_date_time(struct imap_in *in, int *zone);
int64_t imap_date(struct imap_in *in); /* its first second, as if the zone were UTC */

/* ---- sequence sets ---- */

struct imap_range {
    uint32_t lo, hi; /* 0 stands for '*' until imap_set_fix() */
};
struct imap_set {
    struct imap_range *v;
    size_t n;
    bool saved; /* "$" (RFC 5182) */
};
struct imap_set imap_set(struct imap_in *in);
/* '*' becomes `star`; ranges are turned the right way, sorted and merged, in place. */
void imap_set_fix(struct imap_set *s, uint32_t star);
/* For a fixed set. */
bool imap_set_has(const struct imap_set *s, uint32_t v);
uint64_t imap_set_count(const struct imap_set *s);

/* ---- annotations of messages (RFC 5257) ---- */

enum {
    IMAP_VALUE_PRIV = 1,
    IMAP_VALUE_SHARED = 2,
    IMAP_SIZE_PRIV = 4,
    IMAP_SIZE_SHARED = 8,
    IMAP_VALUES = 3,
    IMAP_SIZES = 12
};
struct imap_annotation_want { /* of FETCH: "((/comment /1/%) (value size.priv))" */
    struct slice *entry;      /* or patterns */
    size_t n;
    unsigned attributes;
};
struct imap_annotation_want *imap_annotation_want(struct imap_in *in);
struct imap_annotation {
    struct slice entry;
    bool shared;        /* else the user's own */
    struct slice value; /* p NULL: NIL */
};
struct imap_annotations { /* of STORE and APPEND */
    struct imap_annotation *v;
    size_t n;
    bool open; /* after an error: the text ended where a value was to come */
};
struct imap_annotations imap_annotations(struct imap_in *in);
/* Of SEARCH: which values (bits), and the text in them; of SORT. */
void imap_annotation_key(struct imap_in *in, struct slice *entry, unsigned *attribute, struct slice *value);
void imap_annotation_sort(struct imap_in *in, struct slice *entry, bool *shared);
bool imap_entry_has_wild(struct slice pattern);
bool imap_entry_match(struct slice pattern, struct slice name);
/* The numbers of the part that the entry is of ("1.2" of "/1.2/comment"); false: of the whole message. */
bool imap_entry_part(struct slice entry, struct slice *part);
/* "/comment (value.priv "x" ...)" of these attributes; values with p NULL are NIL. */
void imap_put_annotation(struct buf *out, struct slice entry, unsigned want, struct slice own,
                         struct slice shared);

/* ---- flags ---- */

enum { IMAP_SEEN = 1, IMAP_ANSWERED = 2, IMAP_FLAGGED = 4, IMAP_DELETED = 8, IMAP_DRAFT = 16 };
struct imap_flags {
    unsigned system;
    struct slice *keyword; /* unlike one another; flags "\Other" are dropped */
    size_t n;
};

struct imap_store {
    int op; /* '+', '-' or 0 */
    bool silent;
    uint64_t unchanged_since; /* 0: not given (RFC 7162) */
    bool conditional;
    struct imap_flags flags;
    bool annotates; /* ANNOTATION instead of flags */
    struct imap_annotations annotations;
};
struct imap_store imap_store_args(struct imap_in *in);

/* ---- a part of the results ---- */

/* Results from the first-th to the last-th, counted from 1, or from the last one down when `from_end`
 * (RFC 9394). */
struct imap_partial {
    uint32_t first, last; /* first <= last */
    bool from_end;
    struct slice label; /* as the client wrote it */
};
struct imap_partial imap_partial(struct imap_in *in);
/* The part of n results: indices [*from, *to), perhaps none. */
void imap_partial_of(const struct imap_partial *p, size_t n, size_t *from, size_t *to);

/* ---- fetch ---- */

enum imap_item {
    IMAP_UID,
    IMAP_FLAGS,
    IMAP_INTERNALDATE,
    IMAP_SIZE,
    IMAP_ENVELOPE,
    IMAP_BODY,
    IMAP_BODYSTRUCTURE,
    IMAP_MODSEQ,
    IMAP_EMAILID,
    IMAP_THREADID,
    IMAP_SAVEDATE,
    IMAP_SECTION, /* BODY[...], BODY.PEEK[...] */
    IMAP_RFC822,
    IMAP_RFC822_HEADER,
    IMAP_RFC822_TEXT,
    IMAP_BINARY,
    IMAP_BINARY_SIZE,
    IMAP_PREVIEW,
    IMAP_ANNOTATION,
};
enum imap_text { IMAP_WHOLE, IMAP_HEADER, IMAP_HEADER_FIELDS, IMAP_HEADER_FIELDS_NOT, IMAP_TEXT, IMAP_MIME };
struct imap_fetch_item {
    enum imap_item kind;
    enum imap_text text;
    bool peek; /* does not set \Seen */
    bool partial;
    uint64_t from, count; /* of a partial: bytes */
    uint32_t *path;
    size_t npath;
    struct slice *field;
    size_t nfields;
    struct imap_annotation_want *annotation;
    struct slice label; /* what the response says: "BODY[1.HEADER.FIELDS (DATE)]<0>" */
};
struct imap_fetch {
    struct imap_fetch_item *item;
    size_t n;
    unsigned kinds; /* 1 << enum imap_item of all items */
    bool sets_seen;
    uint64_t changed_since; /* RFC 7162; 0 = not given */
    bool conditional;
    bool vanished;            /* RFC 7162 section 3.2.6 */
    struct imap_partial page; /* of the messages named, when `paged` */
    bool paged;
};
struct imap_fetch imap_fetch_args(struct imap_in *in);
struct imap_fetch imap_fetch_items(struct imap_in *in); /* "(UID FLAGS)" alone */

/* ---- search ---- */

enum imap_key {
    IMAP_KEY_ALL,
    IMAP_KEY_AND,
    IMAP_KEY_OR,
    IMAP_KEY_NOT,
    IMAP_KEY_SEQ,
    IMAP_KEY_UID,
    IMAP_KEY_FLAG,    /* flag: one of IMAP_SEEN ... is set */
    IMAP_KEY_KEYWORD, /* text: its name */
    IMAP_KEY_NEW,
    IMAP_KEY_OLD,
    IMAP_KEY_RECENT,
    IMAP_KEY_BEFORE,
    IMAP_KEY_ON,
    IMAP_KEY_SINCE, /* day */
    IMAP_KEY_SENTBEFORE,
    IMAP_KEY_SENTON,
    IMAP_KEY_SENTSINCE,
    IMAP_KEY_SAVEDBEFORE,
    IMAP_KEY_SAVEDON,
    IMAP_KEY_SAVEDSINCE,
    IMAP_KEY_LARGER,
    IMAP_KEY_SMALLER,
    IMAP_KEY_OLDER,
    IMAP_KEY_YOUNGER,
    IMAP_KEY_MODSEQ,  /* number */
    IMAP_KEY_HEADER,  /* field, text; also SUBJECT */
    IMAP_KEY_ADDRESS, /* field, text: FROM TO CC BCC, in the addresses that ENVELOPE tells */
    IMAP_KEY_BODY,
    IMAP_KEY_TEXT,
    IMAP_KEY_EMAILID,
    IMAP_KEY_THREADID,
    IMAP_KEY_FILTER,     /* text: its name (RFC 5466) */
    IMAP_KEY_ANNOTATION, /* field: the entry or a pattern, flag: IMAP_VALUE_ bits, text: p NULL for NIL */
    IMAP_KEY_WORDS, /* made when a FUZZY key is searched: child is the whole text, then each of its words */
    IMAP_KEY_FUZZY, /* child: a key that need not hold to the letter (RFC 6203) */
};
struct imap_search {
    enum imap_key key;
    struct imap_search *child, *next; /* children of AND, OR, NOT in order */
    struct imap_set set;
    unsigned flag;
    uint64_t number;
    int64_t day;
    struct slice field, text;
    void *mark; /* for whoever walks the tree */
};
enum {
    IMAP_RETURN_MIN = 1,
    IMAP_RETURN_MAX = 2,
    IMAP_RETURN_ALL = 4,
    IMAP_RETURN_COUNT = 8,
    IMAP_RETURN_SAVE = 16,
    IMAP_RETURN_PARTIAL = 32,
    IMAP_RETURN_RELEVANCY = 64, /* RFC 6203 */
    IMAP_RETURN_UPDATE = 128,   /* RFC 5267 */
    IMAP_RETURN_CONTEXT = 256
};
struct imap_search_args {
    bool extended;  /* RETURN was given: answer with ESEARCH */
    unsigned wants; /* IMAP_RETURN_*; "RETURN ()" means ALL */
    struct imap_partial partial;
    struct slice charset;    /* empty: not given */
    struct imap_search *key; /* an AND of all */
    bool modseq;             /* some key is MODSEQ */
    bool filters;            /* some key is FILTER */
    bool fuzzy;              /* some key is FUZZY */
    bool saved;              /* some key is "$" */
    bool numbers;            /* some key is a set of sequence numbers */
};
struct imap_search_args imap_search_args(struct imap_in *in);

/* ---- which mailboxes (RFC 5465 section 6, 7377 section 2.2) ---- */

enum imap_boxes_kind {
    IMAP_BOXES_SELECTED,
    IMAP_BOXES_SELECTED_DELAYED,
    IMAP_BOXES_INBOXES,
    IMAP_BOXES_PERSONAL,
    IMAP_BOXES_SUBSCRIBED,
    IMAP_BOXES_SUBTREE,     /* names: these and all below */
    IMAP_BOXES_SUBTREE_ONE, /* and those one level below */
    IMAP_BOXES_MAILBOXES
};
struct imap_boxes {
    enum imap_boxes_kind kind;
    struct slice *name;
    size_t n;
};
struct imap_boxes imap_boxes(struct imap_in *in);

enum {
    IMAP_EVENT_NEW = 1,
    IMAP_EVENT_EXPUNGE = 2,
    IMAP_EVENT_FLAGS = 4,
    IMAP_EVENT_NAME = 8,
    IMAP_EVENT_SUBSCRIPTION = 16,
    IMAP_EVENT_METADATA = 32,
    IMAP_EVENT_SERVER_METADATA = 64,
    IMAP_EVENT_ANNOTATION = 128 /* where annotations of messages are offered */
};
#define IMAP_EVENTS                                                                                          \
    "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange "             \
    "ServerMetadataChange"
struct imap_event_group {
    struct imap_boxes boxes;
    unsigned events;         /* 0: NONE */
    struct imap_fetch items; /* of MessageNew; n 0: none */
};
struct imap_notify { /* NOTIFY (RFC 5465 section 8) */
    bool none, status;
    bool unsupported; /* an event that is not known was asked for */
    struct imap_event_group *group;
    size_t n;
};
struct imap_notify imap_notify_args(struct imap_in *in);

struct imap_esearch_args { /* ESEARCH (RFC 7377) */
    struct imap_boxes in[IMAP_SOURCES_MAX];
    size_t n; /* 0: none were given, the selected one is meant */
    struct imap_search_args search;
};
struct imap_esearch_args imap_esearch_args(struct imap_in *in);
/* Only keys, as a filter has them. */
void imap_search_keys(struct imap_in *in, struct imap_search_args *s);

/* ---- sort and thread (RFC 5256, 5957; RETURN: RFC 5267) ---- */

enum imap_sort_key {
    IMAP_SORT_ARRIVAL,
    IMAP_SORT_CC,
    IMAP_SORT_DATE,
    IMAP_SORT_FROM,
    IMAP_SORT_SIZE,
    IMAP_SORT_SUBJECT,
    IMAP_SORT_TO,
    IMAP_SORT_DISPLAYFROM,
    IMAP_SORT_DISPLAYTO,
    IMAP_SORT_RELEVANCY,
    IMAP_SORT_ANNOTATION /* entry, shared */
};
struct imap_sort {
    enum imap_sort_key key;
    bool reverse, shared;
    struct slice entry;
};
struct imap_sort_args {
    struct imap_sort by[IMAP_SORT_MAX];
    size_t n;
    struct imap_search_args search;
};
struct imap_sort_args imap_sort_args(struct imap_in *in);

enum imap_threading { IMAP_ORDEREDSUBJECT, IMAP_REFERENCES, IMAP_REFS };
struct imap_thread_args {
    enum imap_threading algorithm;
    struct imap_search_args search;
};
struct imap_thread_args imap_thread_args(struct imap_in *in);

/* ---- metadata (RFC 5464) ---- */

struct imap_entries {
    struct slice *entry, *value; /* value: of SETMETADATA, p NULL for NIL */
    size_t n;
};
struct imap_metadata {
    struct slice mailbox; /* empty: the server */
    struct imap_entries entries;
    bool limited;     /* MAXSIZE was given */
    uint64_t maxsize; /* of a value that is told */
    int depth;        /* how many levels below an entry as well; INT_MAX: all */
};
struct imap_metadata imap_getmetadata_args(struct imap_in *in);
struct imap_metadata imap_setmetadata_args(struct imap_in *in);
/* One entry, or several in parentheses. */
struct imap_entries imap_entries(struct imap_in *in);

/* ---- list and status ---- */

enum {
    IMAP_STATUS_MESSAGES = 1,
    IMAP_STATUS_RECENT = 2,
    IMAP_STATUS_UIDNEXT = 4,
    IMAP_STATUS_UIDVALIDITY = 8,
    IMAP_STATUS_UNSEEN = 16,
    IMAP_STATUS_DELETED = 32,
    IMAP_STATUS_SIZE = 64,
    IMAP_STATUS_HIGHESTMODSEQ = 128,
    IMAP_STATUS_MAILBOXID = 256,
    IMAP_STATUS_APPENDLIMIT = 512,
    IMAP_STATUS_DELETED_STORAGE = 1024
};
unsigned imap_status_items(struct imap_in *in); /* "(...)", a set of IMAP_STATUS_ bits */

enum {
    IMAP_LIST_SUBSCRIBED = 1,
    IMAP_LIST_REMOTE = 2,
    IMAP_LIST_RECURSIVE = 4,
    IMAP_LIST_SPECIAL_USE = 8,
    IMAP_LIST_CHILDREN = 16,
    IMAP_LIST_STATUS = 32,
    IMAP_LIST_METADATA = 64,
    IMAP_LIST_MYRIGHTS = 128
};
struct imap_list {
    struct slice reference;
    struct slice *pattern;
    size_t n;
    bool extended;               /* some syntax of RFC 5258 was used */
    unsigned select;             /* IMAP_LIST_ bits asked for before the reference */
    unsigned give;               /* after RETURN */
    unsigned status;             /* IMAP_STATUS_ bits of RETURN (STATUS (...)) */
    struct imap_entries entries; /* of RETURN (METADATA (...)) (RFC 9590) */
};
struct imap_list imap_list_args(struct imap_in *in, bool lsub);
/* '*' matches anything, '%' anything but '/'; the name INBOX matches in any case. */
bool imap_list_match(struct slice pattern, struct slice name);
/* False: it matches neither names that begin with `root` nor names that `root` begins with. */
bool imap_list_reaches(struct slice pattern, struct slice root);

/* ---- append ---- */

struct imap_append {
    struct imap_flags flags;
    bool has_date;
    int64_t date;
    int zone; /* of the date: minutes east */
    struct imap_annotations annotations;
    bool utf8;     /* "UTF8 (": a bracket closes after the literal (RFC 6855 section 4) */
    bool catenate; /* the message is made of pieces (RFC 4469) */
};
/* What stands between the mailbox and SP and a message's literal; the cursor's text ends
 * before the '{' (or "~{"). After CATENATE its pieces come next. */
struct imap_append imap_append_options(struct imap_in *in);
enum imap_piece_kind { IMAP_PIECE_END, IMAP_PIECE_URL, IMAP_PIECE_TEXT };
struct imap_piece {
    enum imap_piece_kind kind;
    struct slice url;
    bool utf8; /* of a TEXT: a bracket closes after the literal */
};
/* The next piece of CATENATE; `first`: the one that stands behind the opening bracket. Of a TEXT the literal
 * follows, before which the cursor's text ends. */
struct imap_piece imap_append_piece(struct imap_in *in, bool first);

/* ---- URLs of messages and parts of them (RFC 5092; URLAUTH: RFC 4467) ---- */

enum imap_access {
    IMAP_ACCESS_NONE, /* it has no URLAUTH */
    IMAP_ACCESS_SUBMIT,
    IMAP_ACCESS_USER,
    IMAP_ACCESS_AUTHUSER,
    IMAP_ACCESS_ANONYMOUS
};
struct imap_url {
    bool absolute;        /* it has a scheme and a server, which is not looked at */
    struct slice user;    /* of the server; empty: not given */
    struct slice mailbox; /* as UTF-8; empty: the one that is selected */
    uint32_t uidvalidity; /* 0: not given */
    uint32_t uid;
    struct imap_fetch_item part; /* a section, as BODY[...] names it */
    bool expires;
    int64_t expire; /* unix seconds: the last in which it counts */
    enum imap_access access;
    struct slice who;              /* of SUBMIT and USER */
    struct slice mechanism, token; /* empty: not authorised yet */
    struct slice rump;             /* the URL without these two, as it came */
};
/* ERR_SYNTAX, also for URLs of whole mailboxes and servers. Slices lie in the URL or in the arena. */
MUST_CHECK int imap_url_parse(struct arena *a, struct slice url, struct imap_url *out);

/* ---- writing ---- */

void imap_put_string(struct buf *out, struct slice s, bool utf8);  /* quoted if possible, else a literal */
void imap_put_nstring(struct buf *out, struct slice s, bool utf8); /* NIL when p == NULL */
void imap_put_nstring8(struct buf *out, struct slice s);           /* a literal8 when it holds NUL */
void imap_put_astring(struct buf *out, struct slice s, bool utf8);
void imap_put_mailbox(struct buf *out, struct slice name, bool utf8);
/* "(\Seen $Junk)"; keyword[i] has bit first + i of flags. extra: put first, or empty. */
void imap_put_flags(struct buf *out, uint64_t flags, const struct slice *keyword, size_t n, unsigned first,
                    struct slice extra);
/* Quoted, as it is written in a zone this many minutes east. */
void imap_put_date_time(struct buf *out, int64_t unix_seconds, int zone);
/* Numbers as "1:3,7"; in any order, only what ascends by one becomes a range (RFC 5267 section 3.2). */
void imap_put_set(struct buf *out, const uint32_t *v, size_t n);
/* Text of a response line: what is not printable ASCII becomes '?'. */
void imap_put_text(struct buf *out, struct slice s);

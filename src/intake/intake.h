/* intake.h - the one way in for a letter, whoever hands it over: another server, a user of ours, a
 * program on this machine, or Tram itself.
 *
 *     intake_begin    origin and sender        may this sender?
 *     intake_rcpt     each recipient           who is that, may it be written to from there?
 *     intake_bytes    header section, body     line ends, size; judged, edited, signed, hashed on the way
 *     intake_end      the verdict, preflight, signatures; body and envelope durable; trace
 *     intake_drop     forgets it
 *
 * Filters of the operator (milter/filter.h) are asked at each of these, but about what we write ourselves.
 *
 * What happens when the header section is complete, and at the end, are the rows of two tables
 * (head.c, end.c), one function each, in the one order that holds for all: what judges or limits a
 * letter (a budget, a filter) is a row there, with a name. A refusal is a value; each front end says
 * it in its own language. Everything is streamed: memory does not grow with the letter. */
#pragma once
#include "allowance/allowance.h"
#include "base/map.h"
#include "mail/lines.h"
#include "mailauth/mailauth.h"
#include "queue/letter.h"

struct dmarc_store;
struct dnslists;
struct filter_talk;
struct filters;
struct greylist;
struct guard_visit;
struct preflight_gate;
struct queue;
struct sends;
struct signing;
struct signing_pass;
struct srs;
struct store;
struct tlsrpt;

enum {
    INTAKE_MEMORY = 8 << 20, /* of a letter: recipients, fields, what is known of them */
    INTAKE_HOPS_MAX = 100,   /* Received fields: more is a loop (RFC 5321 section 6.3) */
    INTAKE_MARKS_MAX = 32,   /* recipients of one letter by which its return is known */
    INTAKE_LINE_MAX = 998,   /* bytes of a line that a user sends (RFC 5322 section 2.1.1) */
    INTAKE_SIZE_DEFAULT = 50 << 20,
    INTAKE_BUFFER = 64 * 1024,    /* kept from one letter to the next */
    INTAKE_TEXT_MAX = 128 * 1024, /* of a letter's decoded texts that are looked at */
};

struct backup_mx;
struct intake { /* what a node's letters meet; everything is borrowed and outlives every letter */
    struct store *store;
    struct queue *queue;
    struct sends *sends;                 /* whose return paths are here; NULL: none */
    struct signing *signing;             /* NULL: nothing is signed */
    const struct mailauth_ctx *mailauth; /* NULL: strangers are not judged */
    const struct srs *srs;               /* whom return paths that we made lead back to; NULL: nobody */
    struct preflight_gate *preflight;    /* NULL: what leaves is not looked at */
    struct dmarc_store *reports;         /* DMARC aggregate reports; NULL: none */
    struct tlsrpt *tls_reports;          /* and TLS reports */
    struct allowance *allowance;         /* how much our people may send; NULL: any */
    letter_take *take;                   /* intake_take(), for notices that a limit is reached; NULL: none */
    struct filters *filters;             /* NULL: none */
    const struct dnslists *dnslists;     /* who sends junk, says the DNS; NULL: nobody is asked */
    struct greylist *greylist;           /* NULL: the doubtful need not come again */
    unsigned junk_from;          /* of 100: letters whose words say so much go into Junk; 0: none is judged */
    struct backup_mx *backup_mx; /* domains of others whose mail is kept here; NULL: none */
    struct slice hostname;
    uint8_t secret[32];          /* behind the marks of letters that were sent on */
    uint64_t size_max;           /* bytes of a letter; 0 = INTAKE_SIZE_DEFAULT */
    struct slice no_soliciting;  /* RFC 3865: classes that are not wanted, with commas between; or empty */
    bool refuse_unknown_domains; /* strangers whose domains are surely not there */
    bool over_quota_is_final;    /* letters to full mailboxes are refused, and not only for now */
    bool arc_seal;               /* letters that aliases send on are sealed */
};
uint64_t intake_size_max(const struct intake *in);

enum intake_origin {
    INTAKE_STRANGER, /* the world: judged by mailauth, goes to accounts here and nowhere else */
    INTAKE_TRUSTED,  /* another server of ours, which has judged it (LMTP): to accounts here and nowhere else
                      */
    INTAKE_USER,     /* logged in: writes under own addresses only */
    INTAKE_PROGRAM,  /* on this machine, by whoever may use the home (`tram send`) */
    INTAKE_OURS,     /* bounces and reports: exempt from limits, never refused by preflight */
};
struct intake_from { /* slices and pointers live until intake_drop() */
    enum intake_origin origin;
    /* A program whose user is neither root nor the node's owner: writes as login@ one of these, and as
     * `account`, which bears that name, may. Empty: as anybody. */
    struct slice login, login_domain;
    struct slice by;       /* a program, ours: who or what it is, for the trace ("root with `tram send`") */
    struct slice sign_for; /* ours: the domain whose keys sign it; empty: the author's */
    bool to_many;          /* ours: it goes to many, as what somebody else sends to them */
    const char *session;   /* as the log names it, or NULL */
    struct slice session_id;
    /* a session: */
    struct ip peer;
    struct slice helo, with;              /* as said; mail_with() */
    struct slice tls_version, tls_cipher; /* empty without TLS */
    const struct account *account;        /* of the user */
    const struct iprev_result *iprev;     /* of an earlier letter of the connection, or NULL */
    struct guard_visit *visit;            /* how the guard knows the connection, or NULL */
    bool hasty;                           /* it did not wait for our answers where it had to */
    struct slice key; /* with which app password or API key, or empty: its share of the limits, */
    struct sender_limits key_limits; /* and its own ones */
    struct filter_talk *filters;     /* what it says to filters; NULL: they are not asked about it */
};
struct intake_sender {
    struct slice local, domain; /* domain in A-labels, or a literal; both empty: the null path */
    struct slice ret, envid;    /* RFC 3461: "FULL" "HDRS" ""; at most 100 bytes */
    bool smtputf8;              /* said to need it (RFC 6531) */
    struct letter_wants wants;
    struct slice solicit; /* RFC 3865: classes with commas between, or empty */
    uint64_t size;        /* bytes that the letter will have about (RFC 1870), or 0 */
    bool binary;          /* BODY=BINARYMIME: behind the header section each byte stays as it is */
};
struct intake_to {
    struct slice local, domain; /* domain as above; empty for the bare Postmaster */
    unsigned notify;            /* NOTIFY_ bits */
    struct slice orcpt;
};

/* Why not: what SMTP would say, and the same as an error of the list. code 0: nothing is wrong. */
struct intake_refusal {
    int code;
    const char *enhanced;
    int error;
    struct slice text;
};

/* Is the body of a letter that was declared BINARYMIME text after all? */
struct intake_lines {
    bool broken; /* it is none: a NUL, half a line end, a line that is too long */
    char last;   /* byte; 0: none yet */
    size_t column;
};

/* A letter on its way in. A session keeps one for all its letters: {0} at first, intake_free() at last. */
struct intake_letter {
    const struct intake *in; /* NULL: none is under way */
    struct intake_from from;
    struct arena a;
    struct letter_id id;
    struct slice sender, ret, envid;
    struct letter_wants wants;
    struct letter_rcpt *rcpt; /* one for each route */
    size_t nrcpt, rcpt_room;
    struct map routes;    /* the number of each, to find the second of two equal ones */
    struct intake_to *to; /* beside `said`, where filters may take some of them away */
    size_t to_room;
    struct slice *said;    /* each recipient that was accepted */
    struct slice *forward; /* those of them that lead elsewhere */
    struct slice *fresh;   /* those that its sender writes to for the first time, or after a long time */
    size_t nsaid, said_room, nforward, forward_room, nfresh, fresh_room;
    uint32_t nnew;              /* of the fresh ones, for the first time */
    bool counted;               /* in what its sender sent */
    struct allowance_held held; /* and in what waits for a time that its sender set, until then */
    size_t list_letters;        /* of its lists, that counted it in what they distribute */
    size_t rows;                /* bytes that the recipients' rows will take */
    bool any_local;

    struct mail_lines lines;
    uint64_t size; /* bytes so far */
    uint64_t size_said;
    struct buf head, edited;
    struct mail_head parsed;
    enum stream stream;
    struct slice message_id, subject; /* within their limits, once the header section is there */
    size_t head_seen;                 /* how far the search for the empty line has come */
    bool head_done, eight_bit, smtputf8, binary;
    struct intake_lines seen;
    bool international; /* the sender or the header section needs SMTPUTF8; a recipient only for itself */
    int edits;
    struct slice from_domain; /* of the first author, in A-labels; empty for strangers */
    struct body_writer *body;
    struct mailauth *auth;
    struct signing_pass *pass;
    bool signing;
    bool sealing; /* it is sent on with an ARC Set */
    struct slice signatures;
    struct slice sealed_for;     /* the domain, once it is sealed */
    struct slice hold;           /* why it may not leave for now, or empty */
    bool hold_all;               /* nor be delivered here */
    struct filter_talk *filters; /* NULL: nobody is asked */
    bool own_filters;            /* the talk is for this letter only */
    bool discarded;              /* a filter wants it taken and thrown away */
    struct slice filtered;       /* what filters did, or empty */
    int listed_score;            /* what lists in the DNS say, */
    struct slice listed;         /* and which */
    bool lists_asked, for_duty;  /* for_duty: it is for postmaster or abuse as well */
    struct slice text;           /* intake_text() */
    bool text_read;
    bool junk_words;              /* its words are those of junk */
    struct slice judged_by_words; /* "97 of 100; cheap 99, pills 98", or empty */
    struct slice why_junk;        /* a sentence for the trace */
    struct mailauth_verdict verdict;
    bool judged;                   /* the verdict is there */
    struct slice preflight_found;  /* what strict receivers would say, or empty */
    struct intake_refusal refusal; /* the first one; certain while the letter still arrives */
    unsigned unwritten;            /* refusals that left no trace, of all letters: there were too many */
};

/* May who hands letters over write under this address? ERR_DENIED. SUSPENDS. */
MUST_CHECK int intake_may_write_as(const struct intake *in, const struct intake_from *from,
                                   struct slice local, struct slice domain);
/* A new letter under a new id. Refused (the text lies in a): none is under way. SUSPENDS. */
MUST_CHECK struct intake_refusal intake_begin(struct intake_letter *l, const struct intake *in,
                                              const struct intake_from *from, const struct intake_sender *s,
                                              struct arena *a);
/* One more recipient, with all that its address stands for. A refused one (the text lies in a) is
 * traced, the others stay. SUSPENDS. */
MUST_CHECK struct intake_refusal intake_rcpt(struct intake_letter *l, const struct intake_to *to,
                                             struct arena *a);
/* The letter's bytes, header section first, SMTP's dots undone. Lines of a stranger end in CR LF (the front
 * end refuses what does not); those of others are made to, but in the body of a binary letter. Once refused
 * the rest is passed over. SUSPENDS. */
void intake_bytes(struct intake_letter *l, struct slice bytes);
/* The front end's own reason against it; the first reason counts. */
void intake_refuse(struct intake_letter *l, int error, int code, const char *enhanced, const char *fmt, ...)
    PRINTF_LIKE(5, 6);
/* All of it is there. 0: durable, answer 250. ERR_UNKNOWN: it may be taken or not, so nothing
 * is answered (RFC 5321 section 4.2.5). Else l->refusal.error, and l->refusal tells. Traced. SUSPENDS. */
MUST_CHECK int intake_end(struct intake_letter *l);
/* Forgets the letter and all it holds, taken or not; harmless when there is none. SUSPENDS. */
void intake_drop(struct intake_letter *l);
void intake_free(struct intake_letter *l); /* and its memory. SUSPENDS */

/* What to say when something of ours failed with error e: 452 full, 421 stopping, 451 else. Logged. */
struct intake_refusal intake_failure(struct arena *a, int e, const char *what);

/* Tells owners that their mailboxes are nearly full, as long as the fiber lives; intake: a struct intake with
 * `take`. A fiber of the node. */
void intake_full_keep(void *intake);

/* A letter_take (queue/letter.h) for who makes letters on floors below; intake: a struct intake. SUSPENDS. */
MUST_CHECK int intake_take(void *intake, const struct letter_own *own);

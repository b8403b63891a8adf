/* smtpd_i.h - inside the SMTP server: the session, its transaction, the table of commands.
 *
 * A session is a loop that reads a line, looks the command up in one table, checks what the
 * table says about it and runs its function, which answers. Three lifetimes: a command's arena,
 * a transaction's (from MAIL to the answer after the final dot), the session's. */
#pragma once
#include "base/log.h"
#include "base/map.h"
#include "mail/head.h"
#include "smtpd.h"
#include "store/sasl.h"
#include "store/trace.h"
#include "wire/smtp.h"

enum {
    SM_ERRORS_MAX = 20,          /* refused commands of a session, recipients apart */
    SM_REFUSED_MAX = 100,        /* recipients refused, */
    SM_REFUSED_TX = 10000,       /* and while some of a letter are accepted, which a 421 would lose */
    SM_JUNK_MAX = 100,           /* commands that lead nowhere, since the last accepted letter */
    SM_LOGINS_MAX = 3,           /* failed logins; RFC 4954 section 4 */
    SM_HOPS_MAX = 100,           /* Received fields: more is a loop (RFC 5321 section 6.3) */
    SM_LINE_MX = 16384,          /* bytes of a line of a letter that are put up with from the world */
    SM_BUFFER = 64 * 1024,
    SM_RATE = 100,               /* bytes a second that a letter must make on average, */
};
#define SM_RATE_GRACE (120 * RT_S) /* after so long */
#define SM_DATA_WAIT (300 * RT_S)  /* between two packets of a letter: RFC 5321 section 4.5.3.2.7 */
#define SM_WORK (60 * RT_S)        /* of ours on one command */
#define SM_WORK_LETTER (300 * RT_S) /* and after the final dot: the client waits 10 minutes (4.5.3.2.6) */

/* An answer that is already certain while the letter still arrives. */
struct sm_answer {
    int code; /* 0: none */
    const char *enhanced;
    struct slice text; /* in the transaction's arena */
};

struct sm_tx { /* RFC 5321 section 3.3 */
    bool open;              /* MAIL was accepted */
    struct arena a;
    struct letter_id id;
    struct smtp_mail_opts opts;
    struct slice sender;    /* in canonical form (mail_addr_join) */
    struct slice sender_path; /* as it is written in SMTP */
    struct letter_rcpt *rcpt; /* one for each route */
    size_t nrcpt, room;
    struct map routes;      /* to find the second of two equal routes */
    struct slice first;     /* the first recipient as written, for "for" */
    struct slice *said;     /* each accepted RCPT */
    struct slice *forward;  /* those of them that lead elsewhere */
    size_t nforward, forward_room;
    size_t nsaid, said_room;
    bool any_local;

    /* the letter while it arrives */
    bool receiving, chunking;
    struct smtp_data data;
    struct buf head, edited;
    struct mail_head parsed;
    size_t head_seen;       /* how far the search for the empty line has come */
    bool head_done, eight_bit;
    bool international;     /* an address or the header section needs SMTPUTF8 */
    int edits;
    struct slice from_domain;
    struct body_writer *body;
    struct mailauth *auth;
    struct signing_pass *pass;
    bool signing;
    bool sealing;           /* it is sent on with an ARC Set */
    struct slice hold;      /* why it may not leave for now, or empty */
    struct sm_answer answer;
};

struct sm {
    struct smtpd *server;
    const struct smtpd_conf *conf;
    enum smtpd_kind kind;
    struct conn *c;
    struct arena a, cmd_a;
    struct buf out;
    struct sm_tx tx;
    char who[64];           /* for the log */
    char helo[256];         /* empty before EHLO or HELO */
    bool extended;          /* EHLO */
    bool tls, logged_in, over, early;
    struct tls_info tls_info;
    struct account account;
    struct authority authority;
    unsigned errors, refused, junk, failed_logins, letters;
    struct iprev_result iprev; /* of the first letter, for the next ones */
    bool has_iprev;
};

struct smtpd {
    struct smtpd_conf conf;
};

/* ---- the table ---- */

enum {
    SM_HELO = 1,   /* only after EHLO or HELO */
    SM_TX = 2,     /* only within a transaction */
    SM_NO_TX = 4,  /* not within one */
    SM_USER = 8,   /* on submission only after login, which needs TLS */
    SM_LAST = 16,  /* nothing may be sent after it before the answer (RFC 2920 section 3.1) */
    SM_JUNK = 32,  /* counts against the junk budget */
};
struct sm_command {
    enum smtp_verb verb;
    unsigned flags;
    void (*run)(struct sm *s, struct smtp_command *c);
    const char *help;
};
const struct sm_command *sm_find(enum smtp_verb v);
const struct sm_command *sm_table(size_t *n);

/* ---- answers (reply.c) ---- */

/* enhanced NULL: none (greeting, EHLO, 354, 334). Codes from 400 on count as errors; 421 ends the session. */
void sm_reply(struct sm *s, int code, const char *enhanced, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* What to say when something of ours failed with error e: 452 full, 421 stopping, 451 else. */
void sm_reply_error(struct sm *s, int e, const char *what);
/* Keeps the answer to the final dot; the first one stays. */
void sm_decide(struct sm *s, int code, const char *enhanced, const char *fmt, ...) PRINTF_LIKE(4, 5);
void sm_decide_error(struct sm *s, int e, const char *what);

/* ---- commands ---- */

void sm_helo(struct sm *s, struct smtp_command *c);     /* hello.c */
void sm_starttls(struct sm *s, struct smtp_command *c);
int sm_tls_begin(struct sm *s);
void sm_noop(struct sm *s, struct smtp_command *c);
void sm_rset(struct sm *s, struct smtp_command *c);
void sm_vrfy(struct sm *s, struct smtp_command *c);
void sm_expn(struct sm *s, struct smtp_command *c);
void sm_help(struct sm *s, struct smtp_command *c);
void sm_quit(struct sm *s, struct smtp_command *c);
void sm_auth(struct sm *s, struct smtp_command *c);     /* auth.c */
void sm_mail(struct sm *s, struct smtp_command *c);     /* envelope.c */
void sm_rcpt(struct sm *s, struct smtp_command *c);
void sm_data(struct sm *s, struct smtp_command *c);     /* data.c */
void sm_bdat(struct sm *s, struct smtp_command *c);

/* ---- the transaction ---- */

void sm_tx_end(struct sm *s);                  /* envelope.c: forgets it and all it holds. SUSPENDS */
void sm_head_complete(struct sm *s);           /* letter.c: the header section is there */
void sm_seal_begin(struct sm *s);              /* seal.c: before the header section is judged */
/* Puts the ARC Set into prefix at `at`, above the fields behind it, when the letter is sent on. SUSPENDS. */
void sm_seal(struct sm *s, const struct mailauth_verdict *v, struct buf *prefix, size_t at);
void sm_letter_complete(struct sm *s);         /* letter.c: after the final dot: judges, commits, answers */
void sm_report_note(
    struct sm *s, const struct mailauth_verdict *v); /* reports.c: counts it for DMARC's aggregate reports */
/* Reads the report in a letter for our report address, once it is kept. SUSPENDS. */
void sm_report_take(struct sm *s, const struct mailauth_verdict *v, const struct body_ref *body);
/* False: the login counts no more, since the password was changed or the account disabled or removed;
 * 421 was answered. SUSPENDS. */
bool sm_may_go_on(struct sm *s);
void sm_trace_refused(struct sm *s, struct slice who, const char *enhanced, int code, struct slice text);
uint64_t sm_size_max(const struct sm *s);
/* A domain as the directory and the DNS know it: A-labels; literals stay. ERR_SYNTAX. */
MUST_CHECK int sm_ascii_domain(struct arena *a, struct slice domain, struct slice *out);

/* smtpd_i.h - inside the SMTP server: the session, its transaction, the table of commands.
 *
 * A session is a loop that reads a line, looks the command up in one table, checks what the
 * table says about it and runs its function, which answers. Three lifetimes: a command's arena,
 * a transaction's (from MAIL to the answer after the final dot), the session's. */
#pragma once
#include "base/log.h"
#include "login/sasl.h"
#include "smtpd.h"
#include "wire/smtp.h"

enum {
    SMTPD_ERRORS_MAX = 20,   /* refused commands of a session, recipients apart */
    SMTPD_REFUSED_MAX = 100, /* recipients refused, */
    SMTPD_REFUSED_TX =
        10000,             /* and while some of a letter are accepted, which a 421 would lose; and put off */
    SMTPD_COST_MAX = 100,  /* of commands (the table says what each costs) since the last accepted letter */
    SMTPD_LOGINS_MAX = 3,  /* failed logins; RFC 4954 section 4 */
    SMTPD_LINE_MX = 16384, /* bytes of a line of a letter that are put up with from the world */
    SMTPD_BUFFER = 64 * 1024,
    SMTPD_RATE = 100,            /* bytes a second that a letter must make on average, */
    SMTPD_SWALLOW_MAX = 1 << 20, /* bytes of a chunk that are read and dropped before EHLO or the login, */
    SMTPD_CHUNK_TIMES = 2,       /* and later: so many times those of a letter */
};
#define SMTPD_RATE_GRACE (120 * RT_S) /* after so long */
#define SMTPD_FRUITLESS (1800 * RT_S) /* of a session without a recipient or a letter that was accepted, */
#define SMTPD_STRANGER (300 * RT_S)   /* and on submission before the login */
#define SMTPD_DATA_WAIT (300 * RT_S)  /* between two packets of a letter: RFC 5321 section 4.5.3.2.7 */
#define SMTPD_WORK (60 * RT_S)        /* of ours on one command */
#define SMTPD_WORK_LETTER                                                                                    \
    (300 * RT_S) /* and after the final dot: the client waits 10 minutes (4.5.3.2.6)                         \
                  */

struct smtpd_tx { /* RFC 5321 section 3.3 */
    bool open;    /* MAIL was accepted */
    bool receiving, chunking;
    bool smtputf8, binary, prdr; /* MAIL said so */
    size_t owed; /* LMTP, after a chunk that was refused: to how many recipients the last one is answered */
    struct smtp_data data;
    struct intake_letter letter;
};

struct smtpd_command;
struct smtpd_session {
    struct smtpd *server;
    const struct smtpd_conf *conf;
    const struct smtpd_command *command; /* the table */
    size_t ncommands;
    enum smtpd_kind kind;
    struct conn *c;
    struct guard_visit *visit;
    struct filter_talk *filters; /* what it says to the operator's filters, or NULL */
    struct arena a, cmd_a;
    struct buf out;
    struct smtpd_tx tx;
    struct letter_id id; /* of the session: in the log, and with its letters in the trace */
    char who[88];        /* for the log */
    char helo[256];      /* empty before EHLO or HELO */
    bool extended;       /* EHLO */
    bool tls, logged_in, over, early;
    bool trusted; /* it may say XCLIENT */
    bool tried_login;
    struct tls_info tls_info;
    struct account account;
    struct authority authority;
    char mechanism[24]; /* of the login */
    unsigned errors, refused, put_off, cost, failed_logins, letters;
    int64_t began, progress;   /* progress: when it last led to something */
    struct group *g;           /* what it is parked in, */
    int64_t until;             /* and how long */
    struct iprev_result iprev; /* of the first letter, for the next ones */
    bool has_iprev;
};

struct smtpd {
    struct smtpd_conf conf;
};

static inline uint32_t smtpd_rcpts_max(const struct smtpd_session *s)
{
    return s->conf->rcpts_max ? s->conf->rcpts_max : 1000;
}

static inline bool smtpd_is_submission(const struct smtpd_session *s)
{
    return s->kind == SMTPD_SUBMISSION || s->kind == SMTPD_SUBMISSIONS;
}

/* ---- the table ---- */

enum {
    SMTPD_HELO = 1,    /* only after EHLO or HELO */
    SMTPD_TX = 2,      /* only within a transaction */
    SMTPD_NO_TX = 4,   /* not within one */
    SMTPD_USER = 8,    /* on submission only after login, which needs TLS */
    SMTPD_LAST = 16,   /* nothing may be sent after it before the answer (RFC 2920 section 3.1) */
    SMTPD_WHOLE = 32,  /* not between the chunks of a letter (RFC 3030 section 2) */
    SMTPD_LETTER = 64, /* takes a letter's time, with deadlines of its own */
};
struct smtpd_refusal {
    int code; /* 0: none */
    const char *enhanced, *text;
};
struct smtpd_command {
    enum smtp_verb verb;
    unsigned flags;
    unsigned cost; /* against SMTPD_COST_MAX */
    void (*run)(struct smtpd_session *s, struct smtp_command *c);
    const char *help;
    const char *keywords; /* of EHLO that it serves, with a space between; NULL: none. See keywords.c */
    /* Why it is not offered to this session at this moment; NULL: it always is. EHLO and the loop both ask
     * it, so that what is told is what is served. */
    struct smtpd_refusal (*closed)(const struct smtpd_session *s);
};
/* Does EHLO offer the keyword to this session at this moment? What it brings is taken only then (keywords.c).
 */
bool smtpd_offers(const struct smtpd_session *s, struct slice keyword);
void smtpd_put_ehlo(struct smtpd_session *s); /* the whole answer */

/* ---- answers (reply.c) ---- */

/* enhanced NULL: none (greeting, EHLO, 354, 334). Codes from 400 on count as errors; 421 ends the session. */
void smtpd_reply(struct smtpd_session *s, int code, const char *enhanced, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* What to say when something of ours failed with error e: 452 full, 421 stopping, 451 else. */
/* Says a refusal of intake's; code 0: says nothing. */
void smtpd_refuse(struct smtpd_session *s, const struct intake_refusal *r);

/* ---- what is said, for who looks on (dialogue.c) ---- */

void smtpd_begins(const struct smtpd_session *s);
void smtpd_heard(struct smtpd_session *s, struct slice line, const struct smtp_command *c);
void smtpd_heard_secret(struct smtpd_session *s, size_t n); /* a line of n bytes */
void smtpd_said(struct smtpd_session *s, struct slice lines);
void smtpd_got(struct smtpd_session *s, struct slice bytes); /* of a letter, */
void smtpd_got_all(struct smtpd_session *s, uint64_t n);     /* and so many when it, or a chunk, is there */

/* ---- the operator's filters (filters.c). SUSPEND ---- */

/* False: a filter is against the client, which was told so. */
bool smtpd_filters_greet(struct smtpd_session *s);
bool smtpd_filters_helo(struct smtpd_session *s, struct slice helo);
bool smtpd_filters_unknown(struct smtpd_session *s, struct slice line);
void smtpd_filters_ready(struct smtpd_session *s); /* for a letter */

/* ---- commands ---- */

void smtpd_helo(struct smtpd_session *s, struct smtp_command *c); /* hello.c */
struct smtpd_refusal smtpd_helo_closed(const struct smtpd_session *s);
struct smtpd_refusal smtpd_lhlo_closed(const struct smtpd_session *s);
void smtpd_greet(struct smtpd_session *s);
void smtpd_name_peer(struct smtpd_session *s);                            /* for the log */
struct smtpd_refusal smtpd_xclient_closed(const struct smtpd_session *s); /* xclient.c */
void smtpd_xclient(struct smtpd_session *s, struct smtp_command *c);
struct smtpd_refusal smtpd_starttls_closed(const struct smtpd_session *s);
void smtpd_starttls(struct smtpd_session *s, struct smtp_command *c);
int smtpd_tls_begin(struct smtpd_session *s);
void smtpd_noop(struct smtpd_session *s, struct smtp_command *c);
void smtpd_rset(struct smtpd_session *s, struct smtp_command *c);
void smtpd_vrfy(struct smtpd_session *s, struct smtp_command *c);
void smtpd_expn(struct smtpd_session *s, struct smtp_command *c);
void smtpd_help(struct smtpd_session *s, struct smtp_command *c);
void smtpd_quit(struct smtpd_session *s, struct smtp_command *c);
struct smtpd_refusal smtpd_auth_closed(const struct smtpd_session *s);
unsigned smtpd_logins(struct smtpd_session *s);                   /* the ways to log in that are offered */
void smtpd_auth(struct smtpd_session *s, struct smtp_command *c); /* auth.c */
void smtpd_mail(struct smtpd_session *s, struct smtp_command *c); /* envelope.c */
void smtpd_rcpt(struct smtpd_session *s, struct smtp_command *c);
void smtpd_data(struct smtpd_session *s, struct smtp_command *c); /* data.c */
void smtpd_bdat(struct smtpd_session *s, struct smtp_command *c);
void smtpd_burl(struct smtpd_session *s, struct smtp_command *c);
struct smtpd_refusal smtpd_burl_closed(const struct smtpd_session *s);
bool smtpd_has_recipients(struct smtpd_session *s); /* false: that was answered */
void smtpd_begin_letter(struct smtpd_session *s);
/* A piece of n bytes of a letter is there: the next one is asked for, or the letter ends and is answered.
 * SUSPENDS. */
void smtpd_end_chunk(struct smtpd_session *s, uint64_t n, bool last);

/* ---- the transaction ---- */

void smtpd_tx_end(struct smtpd_session *s); /* envelope.c: forgets it and all it holds. SUSPENDS */
/* Something came of the session: it goes on, and others give way first. */
static inline void smtpd_fruitful(struct smtpd_session *s)
{
    s->progress = rt_now();
    if (s->visit) s->visit->fruitful = true;
}
/* A recipient was accepted: its place is kept until the letter, or for a while. */
static inline void smtpd_amid_letter(struct smtpd_session *s)
{
    smtpd_fruitful(s);
    if (s->visit) s->visit->letter = rt_now();
}
/* False: the login counts no more, since the password was changed or the account disabled or removed;
 * 421 was answered. SUSPENDS. */
bool smtpd_may_go_on(struct smtpd_session *s);

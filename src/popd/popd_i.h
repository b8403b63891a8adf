/* popd_i.h - inside the POP3 server: the session, its snapshot of the inbox, the table of commands.
 *
 * A session sees the inbox as it was at login (RFC 1939 section 8), alone of all POP3 sessions
 * of the account; only QUIT removes messages. The snapshot holds two numbers a message. */
#pragma once
#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "login/sasl.h"
#include "popd.h"
#include "wire/pop3.h"

enum {
    POPD_MEMORY = 1 << 20,   /* of a command, and of a session besides its list of messages */
    POPD_ERRORS_MAX = 20,    /* before login; */
    POPD_ERRORS_USER = 1000, /* after it: a client that asks for letters which are gone must reach its QUIT */
    POPD_LOGINS_MAX = 3,
    POPD_COST_MAX = 50, /* of commands before the login; the table says what each costs */
    POPD_MESSAGES_MAX = 5000000,
    POPD_CHUNK = 32 * 1024,
    POPD_DELAYED_MAX = 100000, /* accounts whose last login is remembered for LOGIN-DELAY */
};
#define POPD_PATIENCE (120 * RT_S) /* to log in, from the greeting on */
#define POPD_IDLE (600 * RT_S)     /* RFC 1939 section 3: at least 10 minutes */
#define POPD_WORK (60 * RT_S)
#define POPD_CHUNK_WAIT (600 * RT_S) /* for a client to take POPD_CHUNK bytes */

struct popd_message {
    uint32_t uid;
    bool deleted, retrieved;
    uint64_t size;
};

struct popd_session {
    struct popd *server;
    const struct popd_conf *conf;
    struct conn *c;
    struct guard_visit *visit; /* or NULL */
    struct arena a, cmd_a;
    struct buf out;
    char who[64];
    bool tls, in, over; /* in: TRANSACTION state */
    bool utf8;          /* RFC 6856 */
    bool tried_login;
    char *user;   /* between USER and PASS */
    char *folder; /* the mailbox that was asked for; NULL: the inbox */
    unsigned errors, cost, failed_logins;
    int64_t born;
    struct group *g; /* what it is parked in, */
    int64_t until;   /* and how long */
    struct account account;
    struct authority authority;
    bool locked;
    uint32_t box, uidvalidity;
    struct popd_message *m; /* malloced */
    size_t n, room;
};
/* The mailbox; its account's id is the session's. */
static inline struct mailbox_ref popd_box(const struct popd_session *s)
{
    return (struct mailbox_ref){.account = s->account.id, .box = s->box};
}

struct popd {
    struct popd_conf conf;
    struct lock lock;
    struct map open;   /* account ids of the sessions that have logged in */
    struct map logins; /* account ids to the second of the last login, for LOGIN-DELAY */
};

enum {
    POPD_STRANGER = 1,
    POPD_IN = 2,
    POPD_TLS = 4,      /* only over TLS: carries a password */
    POPD_PASSWORD = 8, /* only where passwords in the clear text of TLS are a way to log in */
    POPD_LETTER = 16,  /* takes a letter's time, with deadlines of its own */
};
struct popd_command {
    enum pop3_verb verb;
    unsigned flags;
    unsigned cost; /* against POPD_COST_MAX */
    void (*run)(struct popd_session *s, struct pop3_command *c);
    const char *capability; /* the line of CAPA that it serves, or NULL (RFC 2449 section 6) */
};
unsigned popd_logins(struct popd_session *s); /* the ways to log in that are offered */

/* One line of answer; code as in RFC 2449 section 8, RFC 3206, or NULL. */
void popd_ok(struct popd_session *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void popd_err(struct popd_session *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* dialogue.c: what is said, for who looks on */
void popd_begins(const struct popd_session *s);
void popd_ends(const struct popd_session *s);
void popd_heard(struct popd_session *s, struct slice line, const struct pop3_command *c);
void popd_heard_secret(struct popd_session *s, size_t n);   /* a line of n bytes */
void popd_say(struct popd_session *s);                      /* s->out to the client. SUSPENDS */
void popd_give(struct popd_session *s, struct slice bytes); /* the same of a letter. SUSPENDS */
void popd_gave(struct popd_session *s, uint64_t n);         /* all of it */

/* login.c */
void popd_stls(struct popd_session *s, struct pop3_command *c);
void popd_utf8(struct popd_session *s, struct pop3_command *c);
void popd_lang(struct popd_session *s, struct pop3_command *c);
void popd_user(struct popd_session *s, struct pop3_command *c);
void popd_pass(struct popd_session *s, struct pop3_command *c);
void popd_auth(struct popd_session *s, struct pop3_command *c);
int popd_tls_begin(struct popd_session *s);

/* box.c */
MUST_CHECK int popd_open_box(struct popd_session *s); /* the snapshot. SUSPENDS */
void popd_close_box(struct popd_session *s);
struct popd_message *popd_message(struct popd_session *s,
                                  const struct pop3_command *c); /* answers when there is none */
void popd_stat(struct popd_session *s, struct pop3_command *c);
void popd_list(struct popd_session *s, struct pop3_command *c);
void popd_uidl(struct popd_session *s, struct pop3_command *c);
void popd_dele(struct popd_session *s, struct pop3_command *c);
void popd_rset(struct popd_session *s, struct pop3_command *c);
void popd_quit(struct popd_session *s, struct pop3_command *c);

/* retrieve.c */
void popd_retr(struct popd_session *s, struct pop3_command *c);
void popd_top(struct popd_session *s, struct pop3_command *c);

/* popd.c: one POP3 session an account at a time. False: another one is there. */
bool popd_lock(struct popd_session *s);

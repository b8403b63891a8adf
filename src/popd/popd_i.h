/* popd_i.h - inside the POP3 server: the session, its snapshot of the inbox, the table of commands.
 *
 * A session sees the inbox as it was at login (RFC 1939 section 8), alone of all POP3 sessions
 * of the account; only QUIT removes messages. The snapshot holds two numbers a message. */
#pragma once
#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "popd.h"
#include "store/sasl.h"
#include "wire/pop3.h"

enum {
    PM_ERRORS_MAX = 20, /* before login; */
    PM_ERRORS_USER = 1000, /* after it: a client that asks for letters which are gone must reach its QUIT */
    PM_LOGINS_MAX = 3,
    PM_MESSAGES_MAX = 5000000,
    PM_CHUNK = 32 * 1024,
};
#define PM_IDLE_STRANGER (120 * RT_S)
#define PM_IDLE (600 * RT_S) /* RFC 1939 section 3: at least 10 minutes */
#define PM_WORK (60 * RT_S)
#define PM_CHUNK_WAIT (600 * RT_S) /* for a client to take PM_CHUNK bytes */

struct pm_message {
    uint32_t uid;
    bool deleted, retrieved;
    uint64_t size;
};

struct pm {
    struct popd *server;
    const struct popd_conf *conf;
    struct conn *c;
    struct arena a, cmd_a;
    struct buf out;
    char who[64];
    bool tls, in, over;   /* in: TRANSACTION state */
    char *user;           /* between USER and PASS */
    unsigned errors, failed_logins;
    struct account account;
    struct authority authority;
    bool locked;
    uint32_t box, uidvalidity;
    struct pm_message *m; /* malloced */
    size_t n, room;
};

struct popd {
    struct popd_conf conf;
    struct lock lock;
    struct map open; /* account ids of the sessions that have logged in */
};

enum { PM_STRANGER = 1, PM_IN = 2, PM_TLS = 4 /* only over TLS: carries a password */ };
struct pm_command {
    enum pop3_verb verb;
    unsigned flags;
    void (*run)(struct pm *s, struct pop3_command *c);
};

/* One line of answer; code as in RFC 2449 section 8, RFC 3206, or NULL. */
void pm_ok(struct pm *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void pm_err(struct pm *s, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* login.c */
void pm_capa(struct pm *s, struct pop3_command *c);
void pm_stls(struct pm *s, struct pop3_command *c);
void pm_user(struct pm *s, struct pop3_command *c);
void pm_pass(struct pm *s, struct pop3_command *c);
void pm_auth(struct pm *s, struct pop3_command *c);
int pm_tls_begin(struct pm *s);

/* box.c */
MUST_CHECK int pm_open_box(struct pm *s); /* the snapshot. SUSPENDS */
void pm_close_box(struct pm *s);
struct pm_message *pm_message(struct pm *s, const struct pop3_command *c); /* answers when there is none */
void pm_stat(struct pm *s, struct pop3_command *c);
void pm_list(struct pm *s, struct pop3_command *c);
void pm_uidl(struct pm *s, struct pop3_command *c);
void pm_dele(struct pm *s, struct pop3_command *c);
void pm_rset(struct pm *s, struct pop3_command *c);
void pm_quit(struct pm *s, struct pop3_command *c);

/* retrieve.c */
void pm_retr(struct pm *s, struct pop3_command *c);
void pm_top(struct pm *s, struct pop3_command *c);

/* popd.c: one POP3 session an account at a time. False: another one is there. */
bool pm_lock(struct pm *s);
void pm_unlock(struct pm *s);

/* dialog_test.h - an IMAP server over loopback with one account, and clients that know every answer. */
#pragma once
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "imapd.h"
#include "rt/serve_test.h"
#include "rt/test_rt.h"

extern struct world {
    struct kv *kv;
    struct body_store *body;
    struct store *store;
    struct login *login;
    struct tls_ctx *server_tls, *client_tls;
    struct imapd *imapd;
    struct serving plain, tls;
    char dir[64];
    bool annotate; /* set before start() */
} w;
extern struct buf got;        /* what was read last */
extern const char a_letter[]; /* to alice@x.test, with a subject beyond ASCII */
extern const char mixed[];    /* of two parts */

void start(void); /* alice@x.test, password "secret" */
void stop(void);
struct conn *dial(bool tls);
struct conn *login(void);
void bye(struct conn **c);
/* Lines up to one that begins with `last`, into got. */
void read_until(struct conn *c, struct slice last);
void append(struct conn *c, const char *box, const char *flags, const char *text);
void select_inbox(struct conn *c);
/* What comes is `want`: as many lines as it has, or all up to the tagged one that ends it. '~' stands for any
 * run of bytes within a line. */
void expect_at(const char *file, int line, struct conn *c, const char *want);
#define EXPECT(c, want) expect_at(__FILE__, __LINE__, c, want)
#define TALK(c, line, want) (conn_puts(c, line "\r\n"), conn_flush(c), expect_at(__FILE__, __LINE__, c, want))

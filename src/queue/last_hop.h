/* last_hop.h - the last hop of a letter that stays here: who stands above files it (core: deliver_letter). */
#pragma once
#include "directory/maillist.h"
#include "letter.h"

struct last_hop {                 /* one letter for one recipient here */
    const struct letter *letter;  /* its rcpt is not looked at; its body is pinned */
    const char *account;          /* id */
    struct slice address, detail; /* as the route has them */
    /* Always the same for this recipient of this letter and no other: what was delivered under it is not
     * delivered again. */
    struct slice name;
    kv_fn *tell; /* run in the transaction that files the letter, after `where` is set; or NULL */
    void *tell_arg;
    const char *where; /* out, static: "into the inbox" */
    bool before;       /* out: it was there already */
};
/* The first byte of an account that is none: its letters are handed to elsewhere by a call, which may take
 * long. Only the queue makes it, never who waits for a letter to be taken. The sentences of ERR_BUSY and
 * ERR_TOO_LONG are for the sender too. */
#define LAST_HOP_CALL '^'
static inline bool last_hop_calls(const char *account) { return account[0] == LAST_HOP_CALL; }
/* It goes on from there, by a call or to the members of a list: the queue's to do, however long it takes. */
static inline bool last_hop_goes_on(const char *account)
{
    return last_hop_calls(account) || maillist_is(account);
}
/* 0: it is durable there. ERR_NOT_FOUND: the account is gone. ERR_QUOTA. ERR_UNKNOWN: perhaps it is; to be
 * called again under the same name until it is known. Else temporary or not as err_is_temporary() says. From
 * any loop. SUSPENDS. */
typedef int queue_deliver(void *ctx, struct last_hop *d);

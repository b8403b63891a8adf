/* account.c - what an account has here, all of its mailboxes: made and erased as the directory asks. */
#include <stdio.h>

#include "mailbox_i.h"

static int make_account(struct kv_tx *tx, void *arg)
{
    struct account_row a;
    int e = account_tx(tx, &a);
    if (e != ERR_NOT_FOUND) return e ? e : ERR_EXISTS;
    kv_tx_put(tx, SL("w"), *(struct slice *)arg);
    return mailbox_defaults(tx, NULL);
}

static int account_make(void *store, const char *acc, struct slice mark)
{
    return account_transact(store, acc, make_account, &mark);
}

static int account_made_as(void *store, const char *acc, struct slice mark, bool *yes)
{
    struct store *s = store;
    char room[KEY_ROOM];
    struct arena a;
    struct slice row;
    ar_init(&a, 0);
    int e = kv_get(s->kv, account_object(acc, room), SL("w"), &a, &row);
    *yes = e == 0 && sl_eq(row, mark);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int account_erase(struct store *s, const char *acc)
{
    char room[KEY_ROOM];
    int e = kv_erase(s->kv, account_object(acc, room), SL(""), SL(""));
    if (e == 0) kv_notify(s->kv, account_object(acc, room));
    return e;
}

/* What others keep of it goes with it, by the prefix of their objects: what it has sent (allowance/), the
 * events of its sends and their numbers, who gets nothing from it, its templates and groups (send/), what it
 * taught (junk/), the index of its texts (grams.c). */
static const char *const with_it[] = {"n:", "v:", "m:", "x:", "y:", "j:", "f:"};

static int erase(void *store, const char *acc)
{
    struct store *s = store;
    char room[KEY_ROOM];
    int e = account_erase(s, acc);
    for (size_t i = 0; !e && i < COUNT_OF(with_it); i++) {
        int n = snprintf(room, sizeof room, "%s%s", with_it[i], acc);
        e = kv_erase(s->kv, sl(room, (size_t)n), SL(""), SL(""));
    }
    return e;
}

struct account_home account_home(struct store *s)
{
    return (struct account_home){s, account_make, account_made_as, erase};
}

/* account.c - what an account has here, all of its mailboxes: made and erased as the directory asks. */
#include <stdio.h>

#include "mailbox_i.h"

enum { OWNER_ROW = 1 };

static void put_address(struct kv_tx *tx, struct slice address)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, OWNER_ROW);
    rec_put(&b, 'a', address);
    kv_tx_put_record(tx, SL("u"), &b);
    buf_free(&b);
}

struct make {
    struct slice mark, address;
};

static int make_account(struct kv_tx *tx, void *arg)
{
    const struct make *m = arg;
    struct account_row a;
    int e = account_tx(tx, &a);
    if (e != ERR_NOT_FOUND) return e ? e : ERR_EXISTS;
    kv_tx_put(tx, SL("w"), m->mark);
    put_address(tx, m->address);
    return mailbox_defaults(tx, NULL);
}

static int account_make(void *store, const char *acc, struct slice mark, struct slice address)
{
    return account_transact(store, acc, make_account, &(struct make){mark, address});
}

static int note_address(struct kv_tx *tx, void *arg)
{
    struct account_row a;
    int e = account_tx(tx, &a); /* one that goes gets no row again */
    if (e) return e;
    a.modseq++; /* nothing changes without a change of the account's row */
    account_row_put(tx, &a);
    put_address(tx, *(struct slice *)arg);
    return 0;
}

int account_note_address(struct store *s, const char *acc, struct slice address)
{
    return account_transact(s, acc, note_address, &address);
}

/* The address points into the value. */
static int address_get(struct slice value, struct slice *out)
{
    struct rec r;
    *out = SL("");
    int e = rec_open(&r, value, OWNER_ROW);
    while (e == 0 && rec_next(&r))
        if (r.tag == 'a') *out = r.field;
    return e ? e : rec_error(&r);
}

int account_owner(struct store *s, const char *acc, struct arena *a, struct account *out)
{
    char room[KEY_ROOM];
    struct slice value, address = {0};
    int e = kv_get(s->kv, account_object(acc, room), SL("u"), a, &value);
    if (e == 0) e = address_get(value, &address);
    if (e == 0) e = account_get(s->directory, a, address, out);
    if (e == 0 && strcmp(out->id, acc) == 0) return 0;
    bool other = e == 0 || err_is_damage(e) || e == ERR_SYNTAX;
    return other ? err_set(ERR_NOT_FOUND, "no address of the account %s is known", acc) : e;
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
    if (e == 0 || e == ERR_UNKNOWN) kv_notify(s->kv, account_object(acc, room));
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

static int limit(void *store, const char *acc, uint64_t bytes)
{
    struct account_usage u;
    int e = account_usage(store, acc, &u);
    return e || u.quota_bytes == bytes ? e : account_set_quota(store, acc, bytes);
}

struct account_home account_home(struct store *s)
{
    return (struct account_home){s, account_make, account_made_as, erase, limit};
}

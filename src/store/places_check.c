/* places_check.c - is each message found by its EMAILID and its thread? */
#include "places_i.h"

struct checking {
    struct store *s;
    const char *acc;
    struct slice key; /* of the message's row */
    bool missing;     /* as the transaction found it */
    size_t faults;
};

static int is_missing(struct kv_tx *tx, struct slice key, bool *missing)
{
    struct slice value;
    int e = kv_tx_get(tx, key, &value);
    *missing |= e == ERR_NOT_FOUND;
    return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
}

/* Of one moment. */
static int check_tx(struct kv_tx *tx, void *arg)
{
    struct checking *c = arg;
    struct account_row a;
    struct message m;
    struct slice value;
    uint32_t box;
    char room[KEY_ROOM];
    c->missing = false;
    int e = account_tx(tx, &a);
    if (e == 0) e = kv_tx_get(tx, c->key, &value);
    if (e) return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
    if (a.places != PLACES_ALL || !places_row_take(c->key, value, &box, &m)) return 0;
    e = kv_tx_get(tx, box_key('b', box, room), &value);
    if (e) return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e;
    e = is_missing(tx, places_email_key(box, &m, room), &c->missing);
    return e ? e : is_missing(tx, places_thread_key(box, &m, room), &c->missing);
}

/* ERR_NOT_FOUND: one is missing. */
static int has_rows(struct checking *c, uint32_t box, const struct message *m)
{
    char room[KEY_ROOM], keys[2][KEY_ROOM];
    struct slice key[2] = {places_email_key(box, m, keys[0]), places_thread_key(box, m, keys[1])}, value[2];
    struct arena a;
    ar_init(&a, 0);
    int e = kv_get_many(c->s->kv, account_object(c->acc, room), key, 2, &a, value);
    ar_free(&a);
    return e ? e : value[0].p && value[1].p ? 0 : ERR_NOT_FOUND;
}

static int check_one(void *arg, struct slice key, struct slice value)
{
    struct checking *c = arg;
    struct message m;
    uint32_t box;
    char room[KEY_ROOM];
    if (!places_row_take(key, value, &box, &m)) return 0;
    int e = has_rows(c, box, &m);
    fiber_breathe();
    if (e != ERR_NOT_FOUND) return err_is_damage(e) ? 0 : e;
    c->key = key;
    e = kv_transact(c->s->kv, account_object(c->acc, room), check_tx, c);
    c->faults += e == 0 && c->missing;
    return e;
}

int places_check(struct store *s, const char *acc, size_t *faults)
{
    struct checking c = {.s = s, .acc = acc};
    struct account_row a;
    int e = places_account(s, acc, &a);
    if (e == 0 && a.places == PLACES_ALL) {
        e = rows_each(s, acc, SL("m/"), SL("m0"), check_one, &c);
        if (e == 0) e = rows_each(s, acc, SL("y/"), SL("y0"), check_one, &c);
    }
    *faults = c.faults;
    return e == ERR_NOT_FOUND || err_is_damage(e) ? 0 : e; /* told of elsewhere */
}

static int forget_tx(struct kv_tx *tx, void *arg)
{
    struct account_row a;
    (void)arg;
    int e = account_tx(tx, &a);
    if (e) return e;
    places_forget(tx, &a);
    account_row_put(tx, &a);
    return 0;
}

int places_mend(struct store *s, const char *acc, size_t *faults)
{
    char room[KEY_ROOM];
    int e = places_check(s, acc, faults);
    return e || !*faults ? e : kv_transact(s->kv, account_object(acc, room), forget_tx, NULL);
}

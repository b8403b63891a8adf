/* verify_names.c - are the names of an account's mailboxes its mailboxes? */
#include <stdlib.h>

#include "care_i.h"

struct names {
    struct kv_tx *tx;
    struct arena a;
    struct map by_name;
    void (*bad)(void *arg, const char *what);
    void *arg;
};

static void say(struct names *v, struct slice what) { v->bad(v->arg, what.p); }

static struct slice shown(struct names *v, struct slice name) { return printable(&v->a, name, 100); }

/* A mailbox has a name of its own and a row under it. */
static int look_at_box(void *arg, struct slice key, struct slice value)
{
    struct names *v = arg;
    struct box_row b;
    struct slice row;
    uint64_t id;
    char room[KEY_ROOM];
    if (row_number(key, &id) || box_row_get(value, (uint32_t)id, &b)) return 0; /* told of elsewhere */
    uintptr_t other = (uintptr_t)map_put(&v->by_name, b.m.name, (void *)(uintptr_t)id);
    if (other)
        say(v, ar_printf(&v->a, "mailboxes %llu and %llu have the same name, \"%.*s\"",
                         (unsigned long long)other, (unsigned long long)id, SLF(shown(v, b.m.name))));
    if (id == INBOX_ID) return 0; /* found by its number */
    int e = kv_tx_get(v->tx, row_key('n', crc32c(0, b.m.name.p, b.m.name.n), id, 8, room), &row);
    if (e == ERR_NOT_FOUND)
        say(v, ar_printf(&v->a, "mailbox %llu, \"%.*s\", cannot be found by its name", (unsigned long long)id,
                         SLF(shown(v, b.m.name))));
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* n/SUM/BOX: there is such a mailbox, and its name has this sum. */
static int look_at_name(void *arg, struct slice key, struct slice value)
{
    struct names *v = arg;
    struct box_row b;
    uint64_t sum = 0, id = 0;
    (void)value;
    bool good = key.n == 19 && num_hex64(sl_sub(key, 2, 10), &sum) && num_hex64(sl_from(key, 11), &id);
    int e = good ? box_tx(v->tx, (uint32_t)id, &b) : ERR_NOT_FOUND;
    if (err_is_damage(e)) return 0; /* told of elsewhere */
    if (e == ERR_NOT_FOUND || (e == 0 && crc32c(0, b.m.name.p, b.m.name.n) != sum))
        say(v, ar_printf(&v->a, "the name %.*s leads to no mailbox that bears it", SLF(shown(v, key))));
    return e == ERR_NOT_FOUND ? 0 : e;
}

int verify_names(struct kv_tx *tx, void (*bad)(void *arg, const char *what), void *arg)
{
    struct names v = {.tx = tx, .bad = bad, .arg = arg};
    ar_init(&v.a, 0);
    map_init(&v.by_name, false);
    int e = kv_tx_scan(tx, SL("b/"), SL("b0"), look_at_box, &v);
    if (e == 0) e = kv_tx_scan(tx, SL("n/"), SL("n0"), look_at_name, &v);
    map_free(&v.by_name);
    ar_free(&v.a);
    return e;
}

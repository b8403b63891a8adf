/* verify_names.c - are the names of an account's mailboxes its mailboxes? */
#include <stdlib.h>

#include "care_i.h"

struct names {
    struct arena a;
    struct map by_name; /* id of a mailbox */
    struct map rows;    /* key of a row n/: what became of it */
    struct map damaged; /* 4 bytes of the id of a mailbox whose record is damaged */
    void (*bad)(void *arg, const char *what);
    void *arg;
};
enum { ROW_FOUND = 1, ROW_BORNE };

static void say(struct names *v, struct slice what) { v->bad(v->arg, what.p); }

static struct slice shown(struct names *v, struct slice name) { return printable(&v->a, name, 100); }

static int look_at_row(void *arg, struct slice key, struct slice value)
{
    struct names *v = arg;
    (void)value;
    map_put(&v->rows, ar_dup(&v->a, key), (void *)ROW_FOUND);
    return 0;
}

/* A mailbox has a name of its own and a row under it. */
static int look_at_box(void *arg, struct slice key, struct slice value)
{
    struct names *v = arg;
    struct box_row b;
    uint64_t id;
    char room[KEY_ROOM];
    if (row_number(key, &id)) return 0; /* told of elsewhere, as is: */
    uint32_t number = (uint32_t)id;
    if (box_row_get(value, number, &b)) {
        map_put(&v->damaged, sl(&number, sizeof number), (void *)1);
        return 0;
    }
    uintptr_t other = (uintptr_t)map_put(&v->by_name, ar_dup(&v->a, b.m.name), (void *)(uintptr_t)id);
    if (other)
        say(v, ar_printf(&v->a, "mailboxes %llu and %llu have the same name, \"%.*s\"",
                         (unsigned long long)other, (unsigned long long)id, SLF(shown(v, b.m.name))));
    struct slice row = row_key('n', crc32c(0, b.m.name.p, b.m.name.n), id, 8, room);
    if (map_get(&v->rows, row)) map_put(&v->rows, row, (void *)ROW_BORNE);
    else if (id != INBOX_ID) /* which is found by its number */
        say(v, ar_printf(&v->a, "mailbox %llu, \"%.*s\", cannot be found by its name", (unsigned long long)id,
                         SLF(shown(v, b.m.name))));
    return 0;
}

/* n/SUM/BOX: there is such a mailbox, and its name has this sum. */
static void judge_row(struct names *v, struct slice key, uintptr_t what)
{
    uint64_t sum, id;
    bool good = key.n == 19 && num_hex64(sl_sub(key, 2, 10), &sum) && num_hex64(sl_from(key, 11), &id);
    uint32_t number = good ? (uint32_t)id : 0;
    if (what == ROW_BORNE || (good && map_get(&v->damaged, sl(&number, sizeof number)))) return;
    say(v, ar_printf(&v->a, "the name %.*s leads to no mailbox that bears it", SLF(shown(v, key))));
}

int verify_names(const struct account_rows *rows, void (*bad)(void *arg, const char *what), void *arg)
{
    struct names v = {.bad = bad, .arg = arg};
    struct map_iter it = {0};
    ar_init(&v.a, 0);
    map_init(&v.by_name, false);
    map_init(&v.rows, false);
    map_init(&v.damaged, false);
    int e = account_rows_each(rows, SL("n/"), SL("n0"), look_at_row, &v);
    if (e == 0) e = account_rows_each(rows, SL("b/"), SL("b0"), look_at_box, &v);
    while (e == 0 && map_next(&v.rows, &it)) judge_row(&v, it.key, (uintptr_t)it.value);
    map_free(&v.damaged);
    map_free(&v.rows);
    map_free(&v.by_name);
    ar_free(&v.a);
    return e;
}

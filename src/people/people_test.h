/* people_test.h - for tests: a directory elsewhere that is a table. */
#pragma once
#include <stdio.h>

#include "base/buf.h"
#include "base/text.h"
#include "people.h"

struct table_person {
    const char *dn, *id, *address[3], *password;
};
struct table {
    struct table_person v[4];
    const char *number[4]; /* employeeNumber, or NULL */
    const char *quota[4];  /* the same */
    size_t n, searches, binds;
    int fails;         /* what every question ends with, or 0 */
    const char *hangs; /* what DNs begin with about whose password it does not answer in time, or NULL */
    int64_t slow;      /* how long it thinks about each password */
    void (*on_search)(struct table *t); /* or NULL */
};

static inline bool table_matches(const struct table_person *p, const char *number, struct slice filter)
{
    char f[300];
    snprintf(f, sizeof f, "(entryUUID=%s)", p->id);
    if (sl_eqi(filter, sl_cstr(f))) return true;
    snprintf(f, sizeof f, "(employeeNumber=%s)", number ? number : "none");
    if (sl_eqi(filter, sl_cstr(f))) return true;
    for (size_t i = 0; i < 3 && p->address[i]; i++) {
        snprintf(f, sizeof f, "(mail=%s)", p->address[i]);
        if (sl_eq(filter, sl_cstr(f))) return true;
    }
    return false;
}

static inline int table_search(void *arg, const struct people_conf *c, struct slice filter, struct arena *a,
                               struct people_entry *out)
{
    struct table *t = arg;
    struct buf hex = BUF_INIT;
    t->searches++;
    if (t->on_search) t->on_search(t);
    if (t->fails) return err_set(t->fails, "the table is away");
    for (size_t i = 0; i < t->n; i++) {
        const struct table_person *p = &t->v[i];
        if (!table_matches(p, t->number[i], filter)) continue;
        if (!sl_eq(c->id, SL("employeeNumber"))) hex_encode(&hex, sl_cstr(p->id));
        else if (t->number[i]) hex_encode(&hex, sl_cstr(t->number[i]));
        *out = (struct people_entry){
            .dn = sl_cstr(p->dn), .id = ar_dup(a, buf_slice(&hex)), .address = ar_array(a, struct slice, 3)};
        buf_free(&hex);
        if (t->quota[i]) out->quota = sl_cstr(t->quota[i]);
        while (out->n < 3 && p->address[out->n]) {
            out->address[out->n] = sl_cstr(p->address[out->n]);
            out->n++;
        }
        return 0;
    }
    return ERR_NOT_FOUND;
}

static inline int table_bind(void *arg, const struct people_conf *c, struct slice dn, struct slice password)
{
    struct table *t = arg;
    (void)c;
    t->binds++;
    if (t->slow) rt_pause(t->slow);
    if (t->hangs && sl_starts(dn, sl_cstr(t->hangs))) {
        rt_pause(5 * RT_S);
        return err_set(ERR_IO, "the table did not answer");
    }
    if (t->fails) return err_set(t->fails, "the table is away");
    for (size_t i = 0; i < t->n; i++)
        if (sl_eq(dn, sl_cstr(t->v[i].dn)) && sl_eq(password, sl_cstr(t->v[i].password))) return 0;
    return ERR_DENIED;
}

static inline struct people_conf table_conf(struct table *t)
{
    return (struct people_conf){.server = SL("ldap://127.0.0.1"),
                                .base = SL("dc=one,dc=test"),
                                .filter = SL("(mail=%s)"),
                                .address = SL("mail"),
                                .id = SL("entryUUID"),
                                .search = table_search,
                                .bind = table_bind,
                                .arg = t};
}

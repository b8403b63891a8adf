/* care.c - walks over everything, and the copy of a running store. */
#include "care_i.h"

#include <stdio.h>

#include "rt/file.h"

enum { CARE_LEASE_MS = 10 * 60 * 1000 };

/* ---- one at a time ---- */

int care_begin(struct store *s, struct slice who, uint64_t *fence)
{
    int64_t left;
    return kv_lease(s->kv, SL("_store"), SL("care"), who, CARE_LEASE_MS, fence, &left);
}

int care_renew(struct store *s, struct slice who)
{
    uint64_t fence;
    return care_begin(s, who, &fence);
}

void care_end(struct store *s, struct slice who)
{
    uint64_t fence;
    int64_t left;
    (void)!kv_lease(s->kv, SL("_store"), SL("care"), who, 0, &fence, &left);
}

/* ---- walks ---- */

int accounts_each(struct store *s, int (*each)(void *arg, const char *acc), void *arg)
{
    struct arena a;
    struct slice *name, from = SL("u:");
    size_t n;
    bool more = true;
    int rc = 0;
    ar_init(&a, 0);
    while (rc == 0 && more) {
        rc = kv_objects(s->kv, from, SL("u;"), KV_PAGE_MAX, &a, &name, &n, &more);
        for (size_t i = 0; rc == 0 && i < n; i++) rc = each(arg, ar_cstr(&a, sl_from(name[i], 2)));
        if (rc == 0 && n) from = kv_after(&a, name[n - 1]);
    }
    ar_free(&a);
    return rc;
}

static int give_row(const struct kv_row *row,
                    int (*each)(void *arg, uint32_t box, uint32_t uid, const struct message *m), void *arg)
{
    struct message m;
    uint64_t box = 0, uid = 0;
    struct slice key = row->key; /* m/BBBBBBBB/UUUUUUUU */
    bool good = key.n == 19 && num_hex64(sl_sub(key, 2, 10), &box) && num_hex64(sl_from(key, 11), &uid) &&
                message_row_get(row->value, (uint32_t)uid, &m) == 0;
    return each(arg, (uint32_t)box, (uint32_t)uid, good ? &m : NULL);
}

int messages_each(struct store *s, const char *acc,
                  int (*each)(void *arg, uint32_t box, uint32_t uid, const struct message *m), void *arg)
{
    char room[KEY_ROOM], next[KEY_ROOM];
    struct slice object = account_object(acc, room), from = SL("m/");
    struct kv_page page = {.more = true};
    struct arena a;
    int rc = 0;
    ar_init(&a, 0);
    while (rc == 0 && page.more) {
        rc = kv_scan(s->kv, object, from, SL("m0"), KV_PAGE_MAX, &a, &page);
        for (size_t i = 0; rc == 0 && i < page.n; i++) rc = give_row(&page.row[i], each, arg);
        if (rc == 0 && page.n)
            from = sl(next, (size_t)snprintf(next, sizeof next, "%.*s ", SLF(page.row[page.n - 1].key)));
        ar_reset(&a);
        fiber_breathe();
    }
    ar_free(&a);
    return rc;
}

/* ---- backup ---- */

static int make_folder(void *to) { return path_mkdir(to); }
static int sync_folder(void *to) { return path_sync_dir(to); }

static int copy_all(struct store *s, const char *to)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice index = ar_printf(&a, "%s/index", to), bodies = ar_printf(&a, "%s/bodies", to);
    /* The index first: every body it names is in its pack already. */
    int rc = kv_backup(s->kv, index.p);
    if (rc == 0) rc = body_backup(s->body, bodies.p);
    ar_free(&a);
    return rc;
}

int store_backup(struct store *s, const char *to_dir)
{
    uint64_t fence;
    int rc = care_begin(s, SL("backup"), &fence);
    if (rc) return rc;
    rc = offload(make_folder, (void *)to_dir);
    if (rc) err_set(rc, rc == ERR_EXISTS ? "%s exists already" : "%s cannot be made", to_dir);
    if (rc == 0) rc = copy_all(s, to_dir);
    if (rc == 0) rc = offload(sync_folder, (void *)to_dir);
    care_end(s, SL("backup"));
    return rc;
}

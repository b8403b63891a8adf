/* directory_test.h - for tests: a directory and a trace on kv_mem, whose accounts own a row "a" each. */
#pragma once
#include <stdio.h>

#include "directory.h"
#include "rt/test_rt.h"
#include "trace/trace.h"

struct dir_fixture {
    struct kv *kv;
    struct directory *dir;
    struct trace *trace;
    struct arena a;
};

static inline struct slice test_home_object(const char *id, char room[KV_KEY_MAX])
{
    return sl(room, (size_t)snprintf(room, KV_KEY_MAX, "u:%s", id));
}

static inline int test_home_put(struct kv_tx *tx, void *arg)
{
    kv_tx_put(tx, SL("a"), *(struct slice *)arg);
    return 0;
}

static inline int test_home_make(void *kv, const char *id, struct slice mark, struct slice address)
{
    (void)address;
    char room[KV_KEY_MAX];
    return kv_transact(kv, test_home_object(id, room), test_home_put, &mark);
}

static inline int test_home_made_as(void *kv, const char *id, struct slice mark, bool *yes)
{
    char room[KV_KEY_MAX];
    struct arena a;
    struct slice row;
    ar_init(&a, 0);
    int e = kv_get(kv, test_home_object(id, room), SL("a"), &a, &row);
    *yes = e == 0 && sl_eq(row, mark);
    ar_free(&a);
    return e == ERR_NOT_FOUND ? 0 : e;
}

static inline int test_home_del(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_del(tx, SL("a"));
    return 0;
}

static inline int test_home_erase(void *kv, const char *id)
{
    char room[KV_KEY_MAX];
    return kv_transact(kv, test_home_object(id, room), test_home_del, NULL);
}

static inline int dir_fixture_open(struct dir_fixture *f)
{
    struct account_home home = {
        .ctx = f->kv, .make = test_home_make, .made_as = test_home_made_as, .erase = test_home_erase};
    return directory_open(&f->dir, f->kv, &home);
}

static inline bool dir_fixture_begin(struct dir_fixture *f)
{
    *f = (struct dir_fixture){0};
    ar_init(&f->a, 0);
    int e = kv_mem_open(&f->kv, NULL);
    if (e == 0) f->trace = trace_open(f->kv);
    if (e == 0) e = dir_fixture_open(f);
    CHECK_OK(e);
    return e == 0;
}

static inline void dir_fixture_end(struct dir_fixture *f)
{
    directory_close(&f->dir);
    trace_close(&f->trace);
    kv_close(&f->kv);
    ar_free(&f->a);
}

/* two domains, alice and bob in the first */
static inline bool dir_fixture_people(struct dir_fixture *f)
{
    if (!dir_fixture_begin(f)) return false;
    CHECK_OK(domain_add(f->dir, SL("One.Test")));
    CHECK_OK(domain_add(f->dir, SL("two.test")));
    CHECK_OK(account_add(f->dir, SL("alice@one.test"), SL("secret-a")));
    CHECK_OK(account_add(f->dir, SL("bob@one.test"), SL("secret-b")));
    return true;
}

static inline struct routes resolve(struct dir_fixture *f, const char *local, const char *domain)
{
    struct routes r = {0};
    CHECK_OK(directory_resolve(f->dir, &f->a, sl_cstr(local), sl_cstr(domain), &r));
    return r;
}

static inline bool reaches(struct dir_fixture *f, const char *local, const char *domain, const char *address)
{
    struct routes r = resolve(f, local, domain);
    return r.result == RESOLVED && r.n == 1 && sl_eq(r.v[0].address, sl_cstr(address));
}

/* ---- what a walk finds, as a list ---- */

struct kept {
    struct arena *a;
    void *list;
    size_t n, cap;
};

static inline void *keep(struct kept *k, size_t size)
{
    if (k->n == k->cap) k->list = ar_grow(k->a, k->list, &k->cap, size);
    return (char *)k->list + size * k->n++;
}

static inline int keep_account(void *arg, struct account *acc)
{
    struct kept *k = arg;
    *(struct account *)keep(k, sizeof *acc) =
        (struct account){.address = ar_dup(k->a, acc->address), .damage = ar_dup(k->a, acc->damage)};
    return 0;
}

static inline int account_list(struct directory *dir, struct arena *a, struct slice domain,
                               struct account **out, size_t *n)
{
    struct kept k = {.a = a};
    int e = account_each(dir, domain, keep_account, &k);
    *out = k.list;
    *n = k.n;
    return e;
}

static inline int keep_alias(void *arg, struct alias *x)
{
    struct kept *k = arg;
    *(struct alias *)keep(k, sizeof *x) =
        (struct alias){.address = ar_dup(k->a, x->address), .n = x->n, .damage = ar_dup(k->a, x->damage)};
    return 0;
}

static inline int alias_list(struct directory *dir, struct arena *a, struct slice domain, struct alias **out,
                             size_t *n)
{
    struct kept k = {.a = a};
    int e = alias_each(dir, domain, keep_alias, &k);
    *out = k.list;
    *n = k.n;
    return e;
}

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

static inline int test_home_make(void *kv, const char *id, struct slice mark)
{
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
    struct account_home home = {f->kv, test_home_make, test_home_made_as, test_home_erase};
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

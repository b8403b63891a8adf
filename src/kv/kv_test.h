/* kv_test.h - for tests of the index: a fresh store of each engine, and transactions of one line. */
#pragma once
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "kv.h"
#include "record.h"
#include "rt/file.h"
#include "rt/test_rt.h"

struct suite {
    const char *engine;
    char dir[64], path[96];
    struct kv *kv;
    struct arena a;
};

static inline int engine_open(const char *engine, const char *path, struct kv **out)
{
    return engine[0] == 'r' ? kv_rocks_open(out, path) : kv_mem_open(out, path);
}

static inline void remove_tree(const char *dir)
{
    char cmd[256];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    CHECK(system(cmd) == 0);
}

/* Runs body on a fresh store of each engine. */
static inline void each_engine(void (*body)(struct suite *s))
{
    static const char *const engines[] = {"mem", "rocks"};
    for (size_t i = 0; i < COUNT_OF(engines); i++) {
        struct suite s = {.engine = engines[i], .dir = "/tmp/tram-kv-test-XXXXXX"};
        REQUIRE(mkdtemp(s.dir));
        snprintf(s.path, sizeof s.path, "%s/index", s.dir);
        ar_init(&s.a, 0);
        REQUIRE(engine_open(s.engine, s.path, &s.kv) == 0);
        body(&s);
        kv_close(&s.kv);
        ar_free(&s.a);
        remove_tree(s.dir);
    }
}

#define EACH_ENGINE(id)                                                                                      \
    static void id##_on(struct suite *s);                                                                    \
    TEST(id) { each_engine(id##_on); }                                                                       \
    static void id##_on(struct suite *s)

static inline void reopen(struct suite *s)
{
    kv_close(&s->kv);
    CHECK_OK(engine_open(s->engine, s->path, &s->kv));
}

/* ---- one-line transactions ---- */

struct change {
    struct slice key, value;
};

static inline int put_fn(struct kv_tx *tx, void *arg)
{
    struct change *c = arg;
    if (c->value.n) kv_tx_put(tx, c->key, c->value);
    else kv_tx_del(tx, c->key);
    return 0;
}

static inline int put(struct kv *kv, const char *object, const char *key, const char *value)
{
    struct change c = {sl_cstr(key), sl_cstr(value)};
    return kv_transact(kv, sl_cstr(object), put_fn, &c);
}

static inline struct slice get(struct suite *s, const char *object, const char *key)
{
    struct slice v;
    int e = kv_get(s->kv, sl_cstr(object), sl_cstr(key), &s->a, &v);
    return e ? sl_cstr(err_name(e)) : v;
}

static inline struct slice rows_text(struct arena *a, const struct kv_page *page)
{
    struct slice text = SL("");
    for (size_t i = 0; i < page->n; i++)
        text = ar_printf(a, "%.*s%.*s=%.*s ", SLF(text), SLF(page->row[i].key), SLF(page->row[i].value));
    return page->more ? ar_printf(a, "%.*s...", SLF(text)) : text;
}

static inline struct slice scan(struct suite *s, const char *object, const char *from, const char *to,
                                size_t limit)
{
    struct kv_page page, on;
    int e = kv_scan(s->kv, sl_cstr(object), sl_cstr(from), sl_cstr(to), limit, &s->a, &page);
    int same = kv_scan_on(s->kv, sl_cstr(object), sl_cstr(from), sl_cstr(to), limit, &s->a, &on);
    CHECK(same == e);
    if (e == 0) CHECK_SL(rows_text(&s->a, &on), ar_cstr(&s->a, rows_text(&s->a, &page)));
    return e ? sl_cstr(err_name(e)) : rows_text(&s->a, &page);
}

/* A transaction that adds one to a number in a row. */
struct counter {
    struct kv *kv;
    int done;
};

static inline int add_one(struct kv_tx *tx, void *arg)
{
    (void)arg;
    struct slice v;
    char text[32];
    uint64_t n = 0;
    if (kv_tx_get(tx, SL("n"), &v) == 0) CHECK(num_u64(v, UINT64_MAX, &n));
    snprintf(text, sizeof text, "%llu", (unsigned long long)n + 1);
    kv_tx_put(tx, SL("n"), sl_cstr(text));
    return 0;
}

static inline int fill_fn(struct kv_tx *tx, void *arg)
{
    char key[32];
    for (size_t i = 0; i < *(size_t *)arg; i++) {
        snprintf(key, sizeof key, "k/%04zu", i);
        kv_tx_put(tx, sl_cstr(key), SL("v"));
    }
    kv_tx_put(tx, SL("a"), SL("before"));
    kv_tx_put(tx, SL("z"), SL("behind"));
    return 0;
}

static inline void fill(struct suite *s, const char *object, size_t n)
{
    CHECK_OK(kv_transact(s->kv, sl_cstr(object), fill_fn, &n));
}

static inline int text_row(void *arg, struct slice key, struct slice value)
{
    struct buf *b = arg;
    buf_printf(b, "%.*s=%.*s ", SLF(key), SLF(value));
    return sl_eq(value, SL("stop")) ? 7 : 0;
}

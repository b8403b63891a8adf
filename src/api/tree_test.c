/* tree_test.c - what a tree weighs, against what it takes. */
#include "tree.h"

#include <malloc.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/test.h"

static size_t taken, most;

static void *count_in(size_t n)
{
    void *p = xmalloc(n);
    taken += malloc_usable_size(p) + sizeof(size_t);
    if (taken > most) most = taken;
    return p;
}

static void count_out(void *p)
{
    if (p) taken -= malloc_usable_size(p) + sizeof(size_t);
    free(p);
}

/* A list of so many of these. */
static void list_of(struct buf *b, const char *one, size_t n)
{
    buf_clear(b);
    buf_char(b, '[');
    for (size_t i = 0; i < n; i++) {
        if (i) buf_char(b, ',');
        buf_str(b, one);
    }
    buf_char(b, ']');
}

static void check(struct slice text)
{
    json_t *v;
    size_t weight;
    CHECK_OK(json_weigh(text, &weight));
    taken = most = 0;
    CHECK_OK(json_read(text, weight, &v));
    if (most > weight)
        test_fail(__FILE__, __LINE__, "%zu bytes are weighed as %zu, take %zu: %.40s", text.n, weight, most,
                  text.p);
    json_decref(v);
    CHECK_INT((int64_t)taken, 0);
    CHECK_ERR(json_read(text, weight - 1, &v), ERR_TOO_LONG);
    CHECK(!v);
}

TEST(tree_weighs_no_less_than_it_takes)
{
    static const char *const ones[] = {"[]",
                                       "{}",
                                       "\"\"",
                                       "1",
                                       "1.5",
                                       "true",
                                       "{\"a\":1}",
                                       "[[],[]]",
                                       "\"\\u00e4\\u4e2d\"",
                                       "{\"a\":{\"b\":{\"c\":[1,2,3,4,5,6,7,8,9]}}}",
                                       "\"a string that is a little longer than the others of this list\""};
    struct buf b = BUF_INIT;
    json_set_alloc_funcs(count_in, count_out);
    for (size_t i = 0; i < COUNT_OF(ones); i++)
        for (size_t n = 1; n <= 10000; n = n * 3 + 1) {
            list_of(&b, ones[i], n);
            check(buf_slice(&b));
        }
    for (size_t n = 1; n <= 20000; n = n * 3 + 1) { /* many members of one object */
        buf_clear(&b);
        for (size_t i = 0; i < n; i++) buf_printf(&b, "%c\"%zu\":0", i ? ',' : '{', i);
        buf_char(&b, '}');
        check(buf_slice(&b));
    }
    json_set_alloc_funcs(malloc, free);
    buf_free(&b);
}

TEST(tree_is_not_deep)
{
    struct buf b = BUF_INIT;
    json_t *v;
    for (int n = JSON_DEPTH_MAX; n <= JSON_DEPTH_MAX + 1; n++) {
        buf_clear(&b);
        for (int i = 0; i < n; i++) buf_char(&b, '[');
        for (int i = 0; i < n; i++) buf_char(&b, ']');
        int e = json_read(buf_slice(&b), SIZE_MAX, &v);
        if (n == JSON_DEPTH_MAX) CHECK_OK(e);
        else CHECK_ERR(e, ERR_TOO_LONG);
        json_decref(v);
    }
    buf_free(&b);
    CHECK_OK(json_read(SL("[\"[[[[[\\\"[[[\"]"), 1000, &v));
    json_decref(v);
    CHECK_ERR(json_read(SL(""), 1000, &v), ERR_SYNTAX);
    CHECK_ERR(json_read(SL("]]]"), 1000, &v), ERR_SYNTAX);
    CHECK_ERR(json_read(SL("{\"a\":1,\"a\":2}"), 1000, &v), ERR_SYNTAX);
    CHECK_ERR(json_read(SL("\"\\"), 1000, &v), ERR_SYNTAX);
}

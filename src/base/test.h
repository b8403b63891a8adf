/* test.h - tests beside the code. A file x_test.c holds TEST(name) { ... } blocks;
 * all test files of a folder become one program, build/test/<folder>_test:
 *     build/test/mail_test            runs all, prints "N passed, N failed"
 *     build/test/mail_test -v word    those whose name contains word, naming each
 * A failed CHECK is printed and the test goes on; REQUIRE leaves the test. */
#pragma once
#include <stdio.h>

#include "err.h"
#include "log.h"
#include "slice.h"

struct test {
    const char *name, *file;
    void (*fn)(void);
    struct test *next;
};
void test_register(struct test *t);
void test_fail(const char *file, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Which of many runs is under way (a seed, a step): printed with each failure. fmt "": none. */
void test_run_is(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* How a test body is run: rt's test helper replaces it so that bodies run as fibers. */
extern void (*test_runner)(void (*fn)(void));

#define TEST(id)                                                                                             \
    static void test_##id(void);                                                                             \
    __attribute__((constructor)) static void test_reg_##id(void)                                             \
    {                                                                                                        \
        static struct test t = {#id, __FILE__, test_##id, 0};                                                \
        test_register(&t);                                                                                   \
    }                                                                                                        \
    static void test_##id(void)

#define CHECK(x) ((x) ? (void)0 : test_fail(__FILE__, __LINE__, "%s", #x))
#define REQUIRE(x)                                                                                           \
    do {                                                                                                     \
        if (!(x)) {                                                                                          \
            test_fail(__FILE__, __LINE__, "%s", #x);                                                         \
            return;                                                                                          \
        }                                                                                                    \
    } while (0)
#define CHECK_INT(got, want)                                                                                 \
    do {                                                                                                     \
        long long got_ = (long long)(got), want_ = (long long)(want);                                        \
        if (got_ != want_) test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #got, got_, want_);         \
    } while (0)
/* got: a slice, want: a string literal or C string */
#define CHECK_SL(got, want)                                                                                  \
    do {                                                                                                     \
        struct slice got_ = (got), want_ = sl_cstr(want);                                                    \
        if (!sl_eq(got_, want_))                                                                             \
            test_fail(__FILE__, __LINE__, "%s is \"%.*s\", not \"%.*s\"", #got, SLF(got_), SLF(want_));      \
    } while (0)
#define CHECK_ERR(got, want)                                                                                 \
    do {                                                                                                     \
        int got_ = (got), want_ = (want);                                                                    \
        if (got_ != want_)                                                                                   \
            test_fail(__FILE__, __LINE__, "%s is %s (%s), not %s", #got, err_name(got_), err_text(got_),     \
                      err_name(want_));                                                                      \
    } while (0)
#define CHECK_OK(got) CHECK_ERR(got, 0)

/* test.c - the frame of the test programs: runs what TEST() registered. */
#include "test.h"

#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/types.h>

static struct test *first, **last = &first;
static int failures_now;

static void plainly(void (*fn)(void)) { fn(); }
void (*test_runner)(void (*fn)(void)) = plainly;

void test_register(struct test *t)
{
    *last = t;
    last = &t->next;
}

static char run_is[100];

void test_run_is(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(run_is, sizeof run_is, fmt, ap);
    va_end(ap);
}

void test_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("    %s:%d: ", file, line);
    vprintf(fmt, ap);
    printf(run_is[0] ? " [%s]\n" : "\n", run_is);
    va_end(ap);
    __atomic_add_fetch(&failures_now, 1, __ATOMIC_RELAXED);
}

int main(int argc, char **argv)
{
    bool verbose = false;
    const char *word = NULL;
    int passed = 0, failed = 0;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    log_set_level(LOG_ERROR + 1);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) verbose = true;
        else if (strcmp(argv[i], "-l") == 0) log_set_level(LOG_DEBUG);
        else word = argv[i];
    }
    for (struct test *t = first; t; t = t->next) {
        if (word && !strstr(t->name, word)) continue;
        failures_now = 0;
        if (verbose) printf("  %s\n", t->name);
        test_runner(t->fn);
        if (failures_now) printf("FAILED %s (%s)\n", t->name, t->file);
        if (failures_now) failed++;
        else passed++;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? 1 : 0;
}

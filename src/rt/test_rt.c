/* test_rt.c - runs each test body as the main fiber of a runtime of its own. */
#include "test_rt.h"

static int body(void *arg)
{
    void (**fn)(void) = arg;
    (*fn)();
    return 0;
}

static void run_as_fiber(void (*fn)(void))
{
    struct rt_opts opts = {.loops = 2, .offload_threads = 2};
    CHECK_OK(rt_run(&opts, body, &fn));
}

void test_rt_use(void) { test_runner = run_as_fiber; }

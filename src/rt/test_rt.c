/* test_rt.c - runs each test body as the main fiber of a runtime of its own. */
#include "test_rt.h"

#include <signal.h>

/* rt_run() keeps SIGINT for rt_wait_signal(); whoever runs tests wants to end them with it. */
static void let_interrupt_end_us(void)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &s, NULL);
}

static int body(void *arg)
{
    void (**fn)(void) = arg;
    let_interrupt_end_us();
    (*fn)();
    return 0;
}

static void run_as_fiber(void (*fn)(void))
{
    struct rt_opts opts = {.loops = 2, .disk_threads = 2};
    CHECK_OK(rt_run(&opts, body, &fn));
}

void test_rt_use(void) { test_runner = run_as_fiber; }

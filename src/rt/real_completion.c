/* real_completion.c - who waits for another thread: completions, and calls on another loop. */
#include "real_i.h"

#include <stdio.h>

#include "base/log.h"

void completion_init(struct completion *c)
{
    *c = (struct completion){.fiber = fiber_self(), .loop = rt_loop_id()};
}

void real_signal_thread(struct completion *c)
{
    __atomic_store_n(&c->done, 1, __ATOMIC_RELEASE);
    futex_wake(&c->done, 1);
}

void completion_signal(struct completion *c)
{
    if (c->fiber) real_complete(c->loop, c, c);
    else real_signal_thread(c);
}

void completion_wait(struct completion *c)
{
    if (c->fiber) {
        ASSERT(c->fiber == fiber_self());
        while (!c->done) fiber_block_hard();
        return;
    }
    while (!__atomic_load_n(&c->done, __ATOMIC_ACQUIRE)) futex_wait(&c->done, 0);
}

struct call {
    struct errand errand;
    int64_t deadline;
    struct completion done;
};

static void call_fiber(void *arg)
{
    struct call *c = arg;
    (void)deadline_narrow(c->deadline);
    errand_run(&c->errand);
    completion_signal(&c->done);
}

static void call_start(void *arg)
{
    struct call *c = arg;
    if (fiber_start(NULL, "call", call_fiber, c)) return;
    c->errand.result = ERR_LIMIT;
    snprintf(c->errand.text, sizeof c->errand.text, "there is no memory for one more fiber (call)");
    completion_signal(&c->done);
}

int rt_call(int loop, int (*fn)(void *), void *arg)
{
    struct call c = {.errand = {.fn = fn, .arg = arg}, .deadline = deadline_get()};
    completion_init(&c.done);
    rt_post(loop, call_start, &c);
    completion_wait(&c.done);
    return errand_result(&c.errand);
}

/* self.c - the loop of this thread, and the fiber that runs on it. */
#include "rt_i.h"

static __thread struct loop *self;

__attribute__((noinline)) struct loop *loop_self(void)
{
    __asm__ volatile(""); /* keeps the call from being merged with an earlier one */
    return self;
}

__attribute__((noinline)) void loop_set_self(struct loop *l)
{
    __asm__ volatile("");
    self = l;
}

struct fiber *fiber_self(void)
{
    struct loop *l = loop_self();
    return l ? l->current : NULL;
}

bool fiber_current(void) { return fiber_self() != NULL; }

/* sock.c - a fiber waits for a socket. */
#include "rt_i.h"

static void wake(void *arg) { fiber_wake(arg, 0); }

int sock_wait(struct sock *s, int want)
{
    sock_watch(s, want, wake, fiber_self());
    int e = fiber_block();
    if (e) sock_watch(s, 0, NULL, NULL);
    return e;
}

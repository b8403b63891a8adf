/* real_thread.c - threads, and words on which they sleep. */
#include "real_i.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

void futex_wait(int *word, int while_it_is)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, NULL, NULL, 0);
}

void futex_wait_for(int *word, int while_it_is, int64_t ns)
{
    struct timespec t = {ns / RT_S, ns % RT_S};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_it_is, &t, NULL, 0);
}

void futex_wake(int *word, int most) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0); }

static void all_but_faults(sigset_t *set)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    sigfillset(set);
    for (size_t i = 0; i < COUNT_OF(faults); i++) sigdelset(set, faults[i]);
}

pthread_t real_thread(const char *name, void *(*fn)(void *), void *arg)
{
    sigset_t none, before;
    all_but_faults(&none);
    pthread_t t;
    pthread_sigmask(SIG_BLOCK, &none, &before);
    int e = pthread_create(&t, NULL, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e) {
        log_error("rt", "cannot start the thread %s: %s", name, strerror(e));
        abort();
    }
    pthread_setname_np(t, name);
    return t;
}

/* lock.c - short locks between threads. The word: 0 free, 1 taken, 2 taken and somebody sleeps. */
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rt_i.h"

static __thread int held;

__attribute__((noinline)) int locks_held(void)
{
    __asm__ volatile("");
    return held;
}

__attribute__((noinline)) static void count_held(int by)
{
    __asm__ volatile("");
    held += by;
}

static bool try_lock(struct lock *l)
{
    int free = 0;
    return __atomic_compare_exchange_n(&l->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void lock_slowly(struct lock *l)
{
    for (int i = 0; i < 64; i++)
        if (try_lock(l)) return;
    while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE) != 0)
        syscall(SYS_futex, &l->word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

void lock_take(struct lock *l)
{
    if (!try_lock(l)) lock_slowly(l);
    count_held(1);
}

void lock_release(struct lock *l)
{
    count_held(-1);
    if (__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) == 2)
        syscall(SYS_futex, &l->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

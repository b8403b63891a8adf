/* real_clock.c - clocks and chance. */
#include "real_i.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

int64_t world_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * RT_S + t.tv_nsec;
}

int64_t rt_wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static void from_kernel(char *at, size_t n)
{
    while (n) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR) continue;
        ASSERT(got > 0 && "the system has no randomness");
        at += got;
        n -= (size_t)got;
    }
}

uint64_t rt_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : (uint64_t)1 << 30;
}

/* Small requests share system calls: each thread keeps some random bytes, and wipes them as it gives
 * them away. The process never forks, so no two ever give the same. */
void rt_random(void *p, size_t n)
{
    enum { POOL = 256, SMALL = 32 }; /* up to 256 bytes the kernel gives all at once */
    static __thread char pool[POOL];
    static __thread size_t left;
    if (n > SMALL) {
        from_kernel(p, n);
        return;
    }
    if (left < n) {
        from_kernel(pool, POOL);
        left = POOL;
    }
    left -= n;
    memcpy(p, pool + left, n);
    explicit_bzero(pool + left, n);
}

void rt_pause(int64_t ns)
{
    struct timespec t = {ns / RT_S, ns % RT_S};
    while (nanosleep(&t, &t) != 0) continue;
}

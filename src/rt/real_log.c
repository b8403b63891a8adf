/* real_log.c - log lines go through a bounded ring to a thread that writes them,
 * so that a slow terminal or disk never holds up a loop. What does not fit is
 * dropped and counted. The thread waits a moment for more, so that a busy server
 * pays one write for many lines. */
#include "real_i.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

enum { RING = 1 << 20, MOMENT = 2 * RT_MS };

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    pthread_t thread;
    bool stop;
    size_t head, n; /* first byte, bytes */
    size_t leaving; /* of them, being written now */
    uint64_t dropped;
    char ring[RING];
} out = {.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void to_ring(struct slice line)
{
    pthread_mutex_lock(&out.mutex);
    if (line.n > RING - out.n) {
        out.dropped++;
    } else {
        size_t at = (out.head + out.n) % RING, first = line.n < RING - at ? line.n : RING - at;
        memcpy(out.ring + at, line.p, first);
        memcpy(out.ring, line.p + first, line.n - first);
        if (out.n == 0) pthread_cond_signal(&out.more);
        out.n += line.n;
    }
    pthread_mutex_unlock(&out.mutex);
}

/* Writes the run of bytes at the head of the ring without holding the mutex: writers only append. */
static void write_some(void)
{
    size_t n = out.n < RING - out.head ? out.n : RING - out.head;
    if (!n) return; /* write_rest() was first */
    out.leaving = n;
    pthread_mutex_unlock(&out.mutex);
    ssize_t done = write(STDERR_FILENO, out.ring + out.head, n);
    pthread_mutex_lock(&out.mutex);
    out.leaving = 0;
    if (done <= 0) done = (ssize_t)n; /* nobody reads: lines must not pile up */
    out.head = (out.head + (size_t)done) % RING;
    out.n -= (size_t)done;
}

static void tell_dropped(void)
{
    char line[96];
    int n = snprintf(line, sizeof line, "(%llu log lines were dropped here: too many at once)\n",
                     (unsigned long long)out.dropped);
    out.dropped = 0;
    ssize_t done = write(STDERR_FILENO, line, (size_t)n);
    (void)done;
}

static void wait_for_more(void)
{
    if (out.stop) return;
    pthread_mutex_unlock(&out.mutex);
    rt_pause(MOMENT);
    pthread_mutex_lock(&out.mutex);
}

static void *writer(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&out.mutex);
    while (out.n || !out.stop) {
        if (out.n) {
            wait_for_more();
            write_some();
        } else {
            pthread_cond_wait(&out.more, &out.mutex);
        }
        if (!out.n && out.dropped) tell_dropped();
    }
    pthread_mutex_unlock(&out.mutex);
    return NULL;
}

void real_log_start(void)
{
    out.stop = false;
    out.thread = real_thread("log", writer, NULL);
    log_set_sink(to_ring);
}

void real_log_stop(void)
{
    log_set_sink(NULL);
    pthread_mutex_lock(&out.mutex);
    out.stop = true;
    pthread_cond_signal(&out.more);
    pthread_mutex_unlock(&out.mutex);
    pthread_join(out.thread, NULL);
}

/* Before the process ends at once: what waits is written here, and each line from now on. */
static void write_rest(void)
{
    log_set_sink(NULL);
    pthread_mutex_lock(&out.mutex);
    for (size_t i = out.leaving; i < out.n;) {
        size_t at = (out.head + i) % RING, n = out.n - i < RING - at ? out.n - i : RING - at;
        ssize_t done = write(STDERR_FILENO, out.ring + at, n);
        if (done <= 0) break;
        i += (size_t)done;
    }
    out.n = out.leaving;
    pthread_mutex_unlock(&out.mutex);
}

void rt_die(const char *who, const char *why)
{
    write_rest();
    log_error(who, "the program ends: %s", why);
    _exit(1);
}

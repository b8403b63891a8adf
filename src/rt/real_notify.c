/* real_notify.c - the protocol of systemd's manager, which is that of its documents: a datagram for each
 * state. */
#include "real_i.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "conn.h"
#include "notify.h"

enum { FIRST_SOCKET = 3 }; /* SD_LISTEN_FDS_START */

/* A number of the environment; 0: it is not there. */
static uint64_t number_of(const char *name)
{
    const char *value = getenv(name);
    uint64_t n = 0;
    return value && num_u64(sl_cstr(value), INT64_MAX / 1000, &n) ? n : 0;
}

int notify_sockets(void)
{
    uint64_t n = number_of("LISTEN_PID") == (uint64_t)getpid() ? number_of("LISTEN_FDS") : 0;
    int e = 0;
    for (uint64_t i = 0; !e && i < n; i++) e = listener_inherit(FIRST_SOCKET + (int)i);
    return e;
}

bool notify_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat st;
    if (!stream || fstat(STDERR_FILENO, &st) != 0) return false;
    snprintf(own, sizeof own, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    return strcmp(stream, own) == 0;
}

void notify_say(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof to.sun_path) return;
    memcpy(to.sun_path, path, n);
    if (*path == '@') to.sun_path[0] = 0; /* an abstract name */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size) < 0)
        log_warn("serve", "systemd cannot be told %s", state);
    if (fd >= 0) close(fd);
}

void notify_reloading(void)
{
    struct timespec t;
    char state[80];
    clock_gettime(CLOCK_MONOTONIC, &t);
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)t.tv_sec * 1000000 + t.tv_nsec / 1000);
    notify_say(state);
}

static int answer(void *arg)
{
    (void)arg;
    return 0;
}

void notify_watchdog(void *arg)
{
    (void)arg;
    bool mine = !getenv("WATCHDOG_PID") || number_of("WATCHDOG_PID") == (uint64_t)getpid();
    int64_t limit = mine ? (int64_t)number_of("WATCHDOG_USEC") * RT_US : 0;
    int e = limit <= 0;
    while (!e) {
        for (int i = 0; !e && i < rt_loops(); i++) e = rt_call(i, answer, NULL);
        if (!e) notify_say("WATCHDOG=1");
        if (!e) e = fiber_sleep(limit / 3);
    }
}

/* fence.h - what this process may still do once it serves: the files of its home and a few of the system's,
 * sockets, threads. Should a stranger ever get the upper hand over the program, the rest of the machine is
 * out of his reach, and no other program is started.
 *
 * The kernel keeps the fence: Landlock for files (landlock(7)), seccomp for system calls (seccomp(2)).
 * Nothing of it can be undone. */
#pragma once
#include <limits.h>

#include "base/err.h"

enum fence_right {
    FENCE_READ,  /* what lies there and below, if it is there */
    FENCE_WRITE, /* and make, change, remove; devices and links to anywhere else are not made */
};
struct fence_path {
    const char *path;
    enum fence_right right;
};
enum fence_part {
    FENCE_FILES = 1, /* Landlock */
    FENCE_CALLS = 2, /* seccomp */
    FENCE_NAMES = 4, /* Landlock from version 6: no socket with an abstract name outside is connected to. Left
                        out, too, when NOTIFY_SOCKET (sd_notify(3)) is one */
};
enum { FENCE_NEWEST = INT_MAX };
/* Shuts the calling thread, and every thread it starts, in: before there are others. newest: no later version
 * of Landlock is used than this, as on an older kernel; FENCE_NEWEST: whichever there is. *got: the parts
 * that this kernel has (enum fence_part); the others are left out. An error when one that it has could not be
 * put up: the program ends then. */
MUST_CHECK int fence_up(const struct fence_path *path, size_t n, int newest, unsigned *got);
/* Gives up every capability (capabilities(7)), for good: also that of root over the files of others. */
MUST_CHECK int fence_rights(void);
/* Neither core files nor other programs of the same user show what is in memory (keys, passwords, letters).
 */
MUST_CHECK int fence_memory(void);

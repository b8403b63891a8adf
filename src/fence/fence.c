/* fence.c - the parts of the fence in their order. */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "fence_i.h"

int fence_memory(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0) return 0;
    return err_errno(errno, "core files cannot be switched off");
}

int fence_rights(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    /* Without those of root a program that is started would get none back. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && syscall(SYS_capset, &head, none) == 0) return 0;
    return err_errno(errno, "capabilities cannot be given up");
}

static int put_up(int e, enum fence_part part, unsigned *got)
{
    if (!e) *got |= part;
    return e == ERR_UNSUPPORTED ? 0 : e;
}

int fence_up(const struct fence_path *path, size_t n, int newest, unsigned *got)
{
    ASSERT(path || !n);
    *got = 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return err_errno(errno, "new privileges cannot be ruled out (no_new_privs)");
    int e = put_up(fence_files(path, n, newest, got), FENCE_FILES, got);
    return e ? e : put_up(fence_calls(), FENCE_CALLS, got);
}

/* owner.c - who root is in a home that belongs to somebody else.
 *
 * What root makes there (files of the index, packs, logs) could not be opened by the node's own user
 * any more. So root's commands take that user's identity before they touch anything. */
#include "owner.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of all that root may do. */
static bool keep_ports_only(bool for_all)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    data[0].permitted = data[0].effective = 1u << CAP_NET_BIND_SERVICE;
    if (for_all) data[0].inheritable = data[0].permitted;
    return syscall(SYS_capset, &head, data) == 0 &&
           (!for_all || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0) == 0);
}

static bool take_identity(uid_t uid, gid_t gid)
{
    const struct passwd *pw = getpwuid(uid);
    bool groups = pw ? initgroups(pw->pw_name, pw->pw_gid) == 0 : setgroups(0, NULL) == 0;
    return groups && setgid(pw ? pw->pw_gid : gid) == 0 && setuid(uid) == 0;
}

int become_owner(enum owner_keeps keeps)
{
    struct stat st;
    if (geteuid() != 0) return 0;
    if (stat(".", &st)) return err_errno(errno, "cannot see whose home this is");
    if (st.st_uid == 0) return 0;
    bool ok = (!keeps || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0) && take_identity(st.st_uid, st.st_gid) &&
              (!keeps || keep_ports_only(keeps == OWNER_PORTS_FOR_ALL));
    if (ok) return 0;
    return err_errno(errno,
                     "this home belongs to the user with number %u, whose identity cannot be taken: run the "
                     "command as that user",
                     (unsigned)st.st_uid);
}

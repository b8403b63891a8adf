/* files.c - Landlock: which files can be seen and changed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fence_i.h"

/* Rights that came after the headers of Debian 12 (landlock(7)). */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

static const uint64_t to_read = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
                      to_write = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
                                 LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                                 LANDLOCK_ACCESS_FS_MAKE_SYM,
                      of_files = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                 LANDLOCK_ACCESS_FS_TRUNCATE;

/* All that is known of this version: what no path is given is forbidden everywhere. */
static uint64_t all_rights(long version)
{
    uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    if (version >= 2) all |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3) all |= LANDLOCK_ACCESS_FS_TRUNCATE;
    return all;
}

static int allow(int rules, const struct fence_path *p, uint64_t all)
{
    struct stat st;
    struct landlock_path_beneath_attr rule = {.allowed_access = to_read};
    if (p->right == FENCE_WRITE)
        rule.allowed_access = (to_write | LANDLOCK_ACCESS_FS_REFER | LANDLOCK_ACCESS_FS_TRUNCATE) & all;
    int fd = open(p->path, O_PATH | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : err_errno(errno, "cannot see %s", p->path);
    bool ok = fstat(fd, &st) == 0;
    if (ok && !S_ISDIR(st.st_mode)) rule.allowed_access &= of_files;
    rule.parent_fd = fd;
    ok = ok && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    int e = ok ? 0 : err_errno(errno, "Landlock does not take %s", p->path);
    close(fd);
    return e;
}

/* Sockets with abstract names, which no file right holds, and signals: none to processes outside (since
 * version 6; linux/landlock.h of Debian 12 does not know it). But one may be systemd's, sd_notify(3). */
struct rules {
    uint64_t files, net, scoped;
};
enum { SCOPE_ABSTRACT_SOCKETS = 1, SCOPE_SIGNALS = 2 };

static int make_rules(long version, unsigned *got)
{
    const char *notify = getenv("NOTIFY_SOCKET");
    struct rules all = {.files = all_rights(version), .scoped = SCOPE_SIGNALS};
    if (!notify || *notify != '@') all.scoped |= SCOPE_ABSTRACT_SOCKETS;
    size_t known = version >= 6 ? sizeof all : sizeof all.files;
    if (version >= 6 && all.scoped & SCOPE_ABSTRACT_SOCKETS) *got |= FENCE_NAMES;
    return (int)syscall(SYS_landlock_create_ruleset, &all, known, 0);
}

int fence_files(const struct fence_path *path, size_t n, int newest, unsigned *got)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version > newest) version = newest;
    if (version < 1) return err_set(ERR_UNSUPPORTED, "this kernel has no Landlock");
    int rules = make_rules(version, got);
    if (rules < 0) return err_errno(errno, "Landlock makes no rules");
    int e = 0;
    for (size_t i = 0; !e && i < n; i++) e = allow(rules, &path[i], all_rights(version));
    if (!e && syscall(SYS_landlock_restrict_self, rules, 0)) e = err_errno(errno, "Landlock does not start");
    close(rules);
    return e;
}

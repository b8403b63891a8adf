/* calls.c - seccomp: which system calls are answered. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"
#include "fence_i.h"

/* By what they are for. Any other is answered with EPERM: among them execve, ptrace, mount, setuid, kill. */
static const char *const allowed[] = {
    /* memory and threads */
    "brk",
    "munmap",
    "mremap",
    "madvise",
    "mlock",
    "munlock",
    "futex",
    "set_robust_list",
    "rseq",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "sched_setscheduler",
    "getpriority",
    "setpriority",
    "ioprio_get",
    "ioprio_set",
    "gettid",
    "getpid",
    "getppid",
    "exit",
    "exit_group",
    "membarrier",
    "arch_prctl",
    "getcpu",
    /* time, signals, chance */
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "rt_sigsuspend",
    "sigaltstack",
    "restart_syscall",
    "getrandom",
    "signalfd4",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    /* files */
    "close",
    "close_range",
    "read",
    "readv",
    "pread64",
    "preadv",
    "preadv2", /* what is in the page cache, without a wait */
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "lseek",
    "fstat",
    "stat",
    "lstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "getdents64",
    "getcwd",
    "readlink",
    "readlinkat",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "fallocate",
    "ftruncate",
    "truncate",
    "fadvise64",
    "readahead",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "utimensat",
    "flock",
    "dup",
    "dup2",
    "dup3",
    "umask",
    "copy_file_range",
    "sendfile",
    "getxattr",
    "fgetxattr",
    /* waiting */
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd2",
    "pipe2",
    "pipe",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    /* sockets */
    "socketpair",
    "bind",
    "listen",
    "accept",
    "accept4",
    "connect",
    "shutdown",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    /* who and how much */
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "capget",
    "uname",
    "sysinfo",
    "getrlimit",
    "getrusage",
    "times",
};

/* glibc does without them when the kernel does not know them. */
static const char *const unknown[] = {"clone3", "openat2"};

static bool rule(scmp_filter_ctx f, uint32_t action, const char *name, unsigned n,
                 const struct scmp_arg_cmp *c)
{
    int nr = seccomp_syscall_resolve_name(name);
    /* One that this machine's kernel or processor never had needs no rule. */
    return nr == __NR_SCMP_ERROR || nr < 0 || seccomp_rule_add_array(f, action, nr, n, c) == 0;
}

static bool by_name(scmp_filter_ctx f)
{
    bool ok = true;
    for (size_t i = 0; ok && i < COUNT_OF(allowed); i++) ok = rule(f, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
    for (size_t i = 0; ok && i < COUNT_OF(unknown); i++)
        ok = rule(f, SCMP_ACT_ERRNO(ENOSYS), unknown[i], 0, NULL);
    return ok;
}

/* Threads, and no other processes. */
static bool threads(scmp_filter_ctx f)
{
    struct scmp_arg_cmp c = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD);
    return rule(f, SCMP_ACT_ALLOW, "clone", 1, &c);
}

/* Memory that can be written cannot be run, nor be made so: code comes from files only, which the libraries
 * load (the charset modules of iconv). That may be a file of the home: the kernel has no rule for which file
 * is mapped so. */
static bool code(scmp_filter_ctx f)
{
    struct scmp_arg_cmp plain = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
                        file[] = {SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC),
                                  SCMP_A3(SCMP_CMP_MASKED_EQ, MAP_ANONYMOUS, 0)};
    return rule(f, SCMP_ACT_ALLOW, "mmap", 1, &plain) && rule(f, SCMP_ACT_ALLOW, "mmap", 2, file) &&
           rule(f, SCMP_ACT_ALLOW, "mprotect", 1, &plain);
}

/* No file gets the bits that let it run with the rights of its owner or group: another user of the machine
 * could start it. The mode of open() counts only where a file is made. */
static bool modes(scmp_filter_ctx f)
{
    enum { SPECIAL = S_ISUID | S_ISGID | S_ISVTX, MAKES = O_CREAT | (O_TMPFILE & ~O_DIRECTORY) };
    static const struct {
        const char *name;
        unsigned flags, mode; /* which argument; no flags: 0 */
    } calls[] = {{"chmod", 0, 1}, {"fchmod", 0, 1}, {"fchmodat", 0, 2}, {"open", 1, 2}, {"openat", 2, 3}};
    bool ok = true;
    for (size_t i = 0; ok && i < COUNT_OF(calls); i++) {
        struct scmp_arg_cmp plain = {calls[i].mode, SCMP_CMP_MASKED_EQ, SPECIAL, 0},
                            there = {calls[i].flags, SCMP_CMP_MASKED_EQ, MAKES, 0};
        ok = rule(f, SCMP_ACT_ALLOW, calls[i].name, 1, &plain) &&
             (!calls[i].flags || rule(f, SCMP_ACT_ALLOW, calls[i].name, 1, &there));
    }
    return ok;
}

/* netlink: libraries ask it which addresses the machine has, and nothing else of the kernel. */
static bool sockets(scmp_filter_ctx f)
{
    static const int families[] = {AF_UNIX, AF_INET, AF_INET6};
    struct scmp_arg_cmp routes[] = {SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE)};
    bool ok = rule(f, SCMP_ACT_ALLOW, "socket", 2, routes);
    for (size_t i = 0; ok && i < COUNT_OF(families); i++) {
        struct scmp_arg_cmp c = SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]);
        ok = rule(f, SCMP_ACT_ALLOW, "socket", 1, &c);
    }
    return ok;
}

/* By number of what is asked: the options of a thread, a file, a limit. */
static bool one_of(scmp_filter_ctx f, const char *name, unsigned at, const uint64_t *values, size_t n)
{
    bool ok = true;
    for (size_t i = 0; ok && i < n; i++) {
        struct scmp_arg_cmp c = {.arg = at, .op = SCMP_CMP_EQ, .datum_a = values[i]};
        ok = rule(f, SCMP_ACT_ALLOW, name, 1, &c);
    }
    return ok;
}

static bool questions(scmp_filter_ctx f)
{
    static const uint64_t process[] = {15 /* PR_SET_NAME */, 16 /* PR_GET_NAME */},
                          file[] = {0 /* F_DUPFD */,
                                    1,
                                    2,
                                    3,
                                    4,
                                    5,
                                    6,
                                    7,
                                    36,
                                    37,
                                    38,
                                    1030 /* F_DUPFD_CLOEXEC */,
                                    1033,
                                    1034,
                                    1035,
                                    1036,
                                    1037,
                                    1038 /* F_SET_FILE_RW_HINT */},
                          device[] = {0x5401 /* TCGETS */, 0x5413 /* TIOCGWINSZ */, 0x541b /* FIONREAD */,
                                      0x5421 /* FIONBIO */, 0x5451 /* FIOCLEX */};
    static const uint64_t nothing[] = {0};
    return one_of(f, "prctl", 0, process, COUNT_OF(process)) && one_of(f, "fcntl", 1, file, COUNT_OF(file)) &&
           one_of(f, "ioctl", 1, device, COUNT_OF(device)) &&
           one_of(f, "prlimit64", 2, nothing, COUNT_OF(nothing)); /* limits are read, not changed */
}

/* To itself only: abort(), raise(). */
static bool signals(scmp_filter_ctx f)
{
    uint64_t self = (uint64_t)getpid();
    return one_of(f, "tgkill", 0, &self, 1) && one_of(f, "rt_tgsigqueueinfo", 0, &self, 1);
}

int fence_calls(void)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!f) return err_set(ERR_UNSUPPORTED, "this kernel has no seccomp");
    bool ok = by_name(f) && threads(f) && code(f) && modes(f) && sockets(f) && questions(f) && signals(f);
    int failed = ok ? seccomp_load(f) : -EINVAL;
    seccomp_release(f);
    if (failed == -ENOSYS || failed == -EOPNOTSUPP)
        return err_set(ERR_UNSUPPORTED, "this kernel has no seccomp");
    return failed ? err_errno(-failed, "the filter of system calls is not taken") : 0;
}

/* fence_test.c - what is forbidden is tried from inside, in a process of its own. */
#define _GNU_SOURCE
#include "fence.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/slice.h"
#include "base/test.h"

static char home[32];
static const char readable[] = "/tmp/tram-fence-readable", others[] = "/tmp/tram-fence-others";

/* Each returns 0 when it could be done, else errno. */
static int done(bool ok) { return ok ? 0 : errno; }
static int try_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600), e = fd < 0 ? errno : 0;
    if (fd >= 0) close(fd);
    return e;
}
static int own_file(void) { return try_open("letter", O_RDWR | O_CREAT); }
static int own_rename(void)
{
    return done(rename("letter", "letter.old") == 0 && rename("letter.old", "letter") == 0);
}
/* Every call by which rt reads and waits: one that is refused is done without, and only the clock tells. */
static int read_without_a_wait(void)
{
    char c = 'x';
    struct iovec v = {&c, 1};
    int fd = open("letter", O_RDWR | O_CLOEXEC), e = 0;
    if (fd < 0 || pwrite(fd, &c, 1, 0) != 1 || preadv2(fd, &v, 1, 0, RWF_NOWAIT) != 1) e = errno;
    if (fd >= 0) close(fd);
    return e;
}
static int wait_precisely(void)
{
    struct epoll_event event;
    struct timespec now = {0};
    int fd = epoll_create1(EPOLL_CLOEXEC), e = done(epoll_pwait2(fd, &event, 1, &now, NULL) == 0);
    close(fd);
    return e;
}
/* From one folder of the home to another: before version 2 no rule allows it. */
static int own_move(void)
{
    bool made = mkdir("box", 0700) == 0, ok = made && rename("letter", "box/letter") == 0;
    int e = done(ok);
    return ok && rename("box/letter", "letter") ? errno : rmdir("box") ? errno : e;
}
static int own_folder(void) { return done(mkdir("box", 0700) == 0 && rmdir("box") == 0); }
static int allowed_file(void) { return try_open("/etc/passwd", O_RDONLY); }
static int other_file(void) { return try_open("/etc/shadow", O_RDONLY); }
static int other_place(void) { return try_open("/tmp/tram-fence-outside", O_WRONLY | O_CREAT); }
static int allowed_write(void) { return try_open("/etc/passwd", O_WRONLY | O_APPEND); }
static int other_folder(void) { return try_open("/root", O_RDONLY | O_DIRECTORY); }
static int other_program(void)
{
    char *argv[] = {(char *)"true", NULL};
    execv("/bin/true", argv);
    return errno;
}
static int own_program(void)
{
    char *argv[] = {(char *)"letter", NULL};
    if (chmod("letter", 0700)) return errno;
    execv("letter", argv);
    return errno;
}
static int new_process(void)
{
    pid_t p = fork();
    if (p == 0) _exit(0);
    return done(p > 0);
}
static int traced(void) { return done(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0); }
static int killed(void) { return done(kill(getppid(), SIGCONT) == 0); }
static int mounted(void) { return done(mount("none", home, "tmpfs", 0, NULL) == 0); }
static int other_user(void) { return done(setuid(65534) == 0); }
static int raw_packets(void)
{
    int fd = socket(AF_PACKET, SOCK_RAW, 0);
    return done(fd >= 0);
}
static int tcp_socket(void) { return done(socket(AF_INET6, SOCK_STREAM, 0) >= 0); }
static int written_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return done(p != MAP_FAILED && mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0);
}
static int anonymous_code(void)
{
    return done(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}
static int more_files(void)
{
    struct rlimit more = {1 << 20, 1 << 20};
    return done(setrlimit(RLIMIT_NOFILE, &more) == 0);
}
static int other_rights(void) { return done(chmod("letter", S_ISUID | 0711) == 0); }
static int born_with_rights(void)
{
    int fd = open("tool", O_WRONLY | O_CREAT | O_CLOEXEC, S_ISGID | 0711);
    return done(fd >= 0);
}
static int netlink_routes(void) { return done(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0); }
static int netlink_filters(void) { return done(socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER) >= 0); }
/* Calls that take whoever has the upper hand out of the fence, or to what others hold in memory. */
static int call(long nr, long a, long b) { return done(syscall(nr, a, b, 0, 0, 0, 0) >= 0); }
static int rings(void)
{
    char params[256] = {0}; /* larger than any struct io_uring_params */
    return call(SYS_io_uring_setup, 1, (long)params);
}
static int memory_of_another(void)
{
    char mine[8], theirs[8] = "theirs";
    struct iovec to = {mine, sizeof mine}, from = {theirs, sizeof theirs}; /* where a fork has the same */
    return done(process_vm_readv(getppid(), &to, 1, &from, 1, 0) == sizeof mine);
}
static int proc_of(pid_t p, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)p, name);
    return try_open(path, O_RDONLY);
}
static int proc_of_another(void) { return proc_of(getppid(), "environ"); }
static int proc_memory(void) { return proc_of(getppid(), "mem"); }
static int proc_of_ours(void) { return proc_of(getpid(), "maps"); }
static int all_of_proc(void) { return try_open("/proc", O_RDONLY | O_DIRECTORY); }
static int handle_of_another(void) { return call(SYS_pidfd_open, getppid(), 0); }
static int other_namespace(void) { return done(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0); }
static int other_root(void) { return done(chroot(".") == 0); }
static int kernel_program(void)
{
    char attr[128] = {0};
    return call(SYS_bpf, 0, (long)attr);
}
static int counters(void)
{
    char attr[128] = {0};
    return call(SYS_perf_event_open, (long)attr, 0);
}
static int faults_of_pages(void) { return call(SYS_userfaultfd, 1 /* UFFD_USER_MODE_ONLY */, 0); }
static int keys(void) { return call(SYS_keyctl, 0, -3 /* KEY_SPEC_SESSION_KEYRING */); }
static int other_filter(void) { return done(prctl(PR_SET_SECCOMP, 1, 0, 0, 0) == 0); }
static int shown_memory(void) { return done(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0); }
static int file_in_memory(void) { return call(SYS_memfd_create, (long)"x", 0); }
static int set_clock(void)
{
    struct timespec t = {1, 0};
    return done(clock_settime(CLOCK_REALTIME, &t) == 0);
}
static int device(void) { return done(mknod("device", S_IFIFO | 0600, 0) == 0); }
static int out_of_home(void) { return done(rename("letter", "/tmp/tram-fence-outside") == 0); }
static int link_into_home(void) { return done(link(others, "others") == 0); }
static int emptied(void) { return done(truncate(readable, 0) == 0); }
static int unix_socket_at(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int e = done(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    close(fd);
    unlink(path);
    return e;
}
/* Where it may connect is not the fence's (Landlock knows no rule for it): other servers are its work. */
static const char listens[] = "/tmp/tram-fence-listens";
static int unix_connect(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", listens);
    int e = done(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
    close(fd);
    return e;
}
/* An abstract name, "tram-fence-" and the parent's number behind a NUL; where no fence is around those
 * (FENCE_NAMES) it can be reached. */
static socklen_t abstract_name(struct sockaddr_un *at, pid_t parent)
{
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(at->sun_path + 1, sizeof at->sun_path - 1, "tram-fence-%d", (int)parent);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}
static bool names_are_open;
static int abstract_connect(void)
{
    struct sockaddr_un at;
    socklen_t n = abstract_name(&at, getppid());
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int e = done(fd >= 0 && connect(fd, (struct sockaddr *)&at, n) == 0);
    close(fd);
    return names_are_open && !e ? EPERM : names_are_open ? EINVAL : e;
}
static int own_socket(void) { return unix_socket_at("socket"); }
static int socket_elsewhere(void) { return unix_socket_at("/tmp/tram-fence-socket"); }
static void *in_thread(void *arg)
{
    *(int *)arg = other_file();
    return NULL;
}
static int thread_begins(void)
{
    pthread_t t;
    int got = 0, e = pthread_create(&t, NULL, in_thread, &got);
    if (!e) e = pthread_join(t, NULL);
    return e ? e : got == EACCES ? 0 : EINVAL;
}

static const struct act {
    const char *name;
    int (*act)(void);
    int expect;
} acts[] = {
    {"make a file in the home", own_file, 0},
    {"rename it", own_rename, 0},
    {"read what is in memory, without a wait", read_without_a_wait, 0},
    {"wait to the microsecond", wait_precisely, 0},
    {"make a folder", own_folder, 0},
    {"move it to another folder of the home", own_move, 0},
    {"read a file that is named", allowed_file, 0},
    {"open a socket", tcp_socket, 0},
    {"ask for addresses", netlink_routes, 0},
    {"listen at a socket of the home", own_socket, 0},
    {"connect to a socket of the machine", unix_connect, 0},
    {"start a thread, which is shut in as well", thread_begins, 0},
    {"write a file that may be read", allowed_write, EACCES},
    {"read another file", other_file, EACCES},
    {"look into another folder", other_folder, EACCES},
    {"make a file elsewhere", other_place, EACCES},
    {"listen at a socket elsewhere", socket_elsewhere, EACCES},
    {"read what another process was started with", proc_of_another, EACCES},
    {"read the memory of another process as a file", proc_memory, EACCES},
    {"read where its own memory lies", proc_of_ours, EACCES},
    {"list the processes", all_of_proc, EACCES},
    {"empty a file that may be read", emptied, EACCES},
    {"move a file out of the home", out_of_home, EACCES},
    {"link a file of another into the home", link_into_home, EXDEV},
    {"make a device or pipe", device, EPERM},
    {"connect to a socket with an abstract name", abstract_connect, EPERM},
    {"have the kernel open files by rings", rings, EPERM},
    {"read the memory of another process", memory_of_another, EPERM},
    {"hold another process", handle_of_another, EPERM},
    {"enter another namespace", other_namespace, EPERM},
    {"change the root", other_root, EPERM},
    {"give the kernel a program", kernel_program, EPERM},
    {"read the counters of the processor", counters, EPERM},
    {"answer faults of pages", faults_of_pages, EPERM},
    {"use the keys of the kernel", keys, EPERM},
    {"put up another filter", other_filter, EPERM},
    {"let its memory be shown", shown_memory, EPERM},
    {"make a file in memory alone", file_in_memory, EPERM},
    {"set the clock", set_clock, EPERM},
    {"run a program", other_program, EPERM},
    {"run a file of the home", own_program, EPERM},
    {"make a process", new_process, EPERM},
    {"trace a process", traced, EPERM},
    {"signal another process", killed, EPERM},
    {"mount", mounted, EPERM},
    {"become another user", other_user, EPERM},
    {"open a packet socket", raw_packets, EPERM},
    {"run what was written", written_code, EPERM},
    {"map memory that can be run", anonymous_code, EPERM},
    {"let others run a file with its rights", other_rights, EPERM},
    {"make such a file", born_with_rights, EPERM},
    {"speak to the packet filter", netlink_filters, EPERM},
    {"raise a limit", more_files, EPERM},
};

/* In the child: the number of the first act that went otherwise, plus 1; its errno in *went. */
static int try_all(int say, int newest)
{
    const struct fence_path paths[] = {
        {".", FENCE_WRITE}, {"/etc/passwd", FENCE_READ}, {readable, FENCE_READ}, {"/not/there", FENCE_READ}};
    unsigned got;
    if (chdir(home) || fence_memory() || fence_up(paths, COUNT_OF(paths), newest, &got)) return 1;
    if (write(say, &got, sizeof got) != sizeof got) return 1;
    names_are_open = !(got & FENCE_NAMES);
    for (size_t i = 0; i < COUNT_OF(acts); i++) {
        int went = acts[i].act();
        if (write(say, &went, sizeof went) != sizeof went) return 1;
    }
    return 0;
}

static bool is_kept(const struct act *a, unsigned got)
{
    return a->expect == 0 || (got & (a->expect == EPERM ? FENCE_CALLS : FENCE_FILES));
}

/* What Landlock knows only since a later version than 1 (landlock(7)). */
static int since(const struct act *a) { return a->act == own_move ? 2 : a->act == emptied ? 3 : 1; }

static bool is_right(const struct act *a, int went, unsigned got, int version)
{
    if ((got & FENCE_FILES) && version < since(a)) return a->expect ? went == 0 : went == EXDEV;
    if (a->expect == EACCES && version < 2 && went == EXDEV) return true; /* as it says of moves then */
    return went == a->expect || !is_kept(a, got);
}

static long version_here(void) { return syscall(SYS_landlock_create_ruleset, NULL, 0, 1); }

static void make_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
}

static void refuses(int newest)
{
    int say[2], status, went, version = (int)version_here();
    unsigned got = 0;
    if (version > newest) version = newest;
    snprintf(home, sizeof home, "/tmp/tram-fence-XXXXXX");
    REQUIRE(mkdtemp(home) && pipe(say) == 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof at.sun_path, "%s", listens);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(listens);
    REQUIRE(listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof at) == 0 &&
            listen(listener, 1) == 0);
    struct sockaddr_un abstract;
    socklen_t abstract_n = abstract_name(&abstract, getpid());
    int second = socket(AF_UNIX, SOCK_STREAM, 0);
    REQUIRE(bind(second, (struct sockaddr *)&abstract, abstract_n) == 0 && listen(second, 1) == 0);
    make_file(others);
    make_file(readable);
    pid_t child = fork();
    if (child == 0) {
        close(say[0]);
        _exit(try_all(say[1], newest));
    }
    close(say[1]);
    REQUIRE(read(say[0], &got, sizeof got) == sizeof got);
    CHECK(got != 0); /* a kernel with neither shows nothing here */
    for (size_t i = 0; i < COUNT_OF(acts); i++) {
        if (read(say[0], &went, sizeof went) != sizeof went) went = -1;
        if (!is_right(&acts[i], went, got, version))
            test_fail(__FILE__, __LINE__, "Landlock %d, %s: %d instead of %d", version, acts[i].name, went,
                      acts[i].expect);
    }
    close(say[0]);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    char letter[64];
    snprintf(letter, sizeof letter, "%s/letter", home);
    CHECK(unlink(letter) == 0 && rmdir(home) == 0 && unlink(others) == 0 && unlink(readable) == 0);
    CHECK(close(second) == 0 && close(listener) == 0 && unlink(listens) == 0);
    CHECK(!(got & FENCE_FILES) == (version < 1) && !(got & FENCE_NAMES) == (version < 6));
}

TEST(fence_refuses_what_is_forbidden) { refuses(FENCE_NEWEST); }

/* As on kernels from 5.13 (version 1) to 6.11 (5). */
TEST(fence_on_older_kernels_keeps_what_their_landlock_can)
{
    for (int version = 1; version < version_here(); version++) refuses(version);
}

/* A service manager that listens at an abstract name: those are let through, and whoever asks hears of it. */
TEST(fence_tells_which_part_is_left_out)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        const struct fence_path paths[] = {{"/etc/passwd", FENCE_READ}};
        unsigned got;
        bool ok = setenv("NOTIFY_SOCKET", "@tram-fence-notify", 1) == 0 &&
                  fence_up(paths, COUNT_OF(paths), FENCE_NEWEST, &got) == 0 && !(got & FENCE_NAMES);
        _exit(ok ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    child = fork();
    if (child == 0) {
        const struct fence_path paths[] = {{"/etc/passwd", FENCE_READ}};
        long version = version_here();
        unsigned got;
        bool ok = unsetenv("NOTIFY_SOCKET") == 0 &&
                  fence_up(paths, COUNT_OF(paths), FENCE_NEWEST, &got) == 0 &&
                  !(got & FENCE_NAMES) == (version < 6);
        _exit(ok ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* real_file.c - files and folders of the machine. */
#include "real_i.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/arena.h"
#include "file.h"

enum { PARTS_AT_ONCE = 64, TEMP_MAX = 4096 };

struct file {
    int fd;
    char path[]; /* for messages */
};

static int failed(const char *what, const char *path) { return err_errno(errno, "cannot %s %s", what, path); }

/* A pipe would be waited for, a link leads to what is nobody's business. */
static int open_strange(const char *path, int how)
{
    struct stat st;
    int fd = open(path, how | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))) return fd;
    close(fd);
    errno = ELOOP;
    return -1;
}

int file_open(struct file **out, const char *path, int flags)
{
    int how = O_CLOEXEC | (flags & FILE_WRITE ? O_RDWR : O_RDONLY);
    if (flags & FILE_CREATE) how |= O_CREAT;
    if (flags & FILE_EXCL) how |= O_EXCL;
    if (flags & FILE_TRUNC) how |= O_TRUNC;
    int fd = flags & FILE_STRANGE ? open_strange(path, how) : open(path, how, 0600);
    if (fd < 0 && errno == ELOOP) return err_set(ERR_DENIED, "%s is a link or no plain file", path);
    if (fd < 0) return failed("open", path);
    size_t n = strlen(path) + 1;
    struct file *f = xmalloc(sizeof *f + n);
    f->fd = fd;
    memcpy(f->path, path, n);
    *out = f;
    return 0;
}

void file_close(struct file **out)
{
    struct file *f = *out;
    if (!f) return;
    *out = NULL;
    close(f->fd);
    free(f);
}

int file_size(struct file *f, uint64_t *out)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0) return failed("look at", f->path);
    *out = (uint64_t)st.st_size;
    return 0;
}

int64_t file_pread(struct file *f, void *p, size_t n, uint64_t at)
{
    size_t got = 0;
    while (got < n) {
        ssize_t k = pread(f->fd, (char *)p + got, n - got, (off_t)(at + got));
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return failed("read", f->path);
        if (k == 0) break;
        got += (size_t)k;
    }
    return (int64_t)got;
}

struct read_job {
    struct file *f;
    char *p;
    size_t n;
    uint64_t at;
    int64_t got;
};

static int read_blocking(void *arg)
{
    struct read_job *j = arg;
    j->got = file_pread(j->f, j->p, j->n, j->at);
    return j->got < 0 ? (int)j->got : 0;
}

int64_t file_read(struct file *f, void *p, size_t n, uint64_t at)
{
    size_t now = 0;
    while (now < n) {
        struct iovec v = {(char *)p + now, n - now};
        ssize_t k = preadv2(f->fd, &v, 1, (off_t)(at + now), RWF_NOWAIT);
        if (k == 0) return (int64_t)now;
        if (k < 0) break; /* not in the page cache, or not supported: the slow way tells errors */
        now += (size_t)k;
    }
    if (now == n) return (int64_t)n;
    struct read_job j = {f, (char *)p + now, n - now, at + now, 0};
    int e = offload(read_blocking, &j);
    return e ? e : (int64_t)now + j.got;
}

/* Leaves in v[] what is still to write after `done` bytes; gives the number of parts left. */
static int advance(struct iovec *v, int n, size_t done)
{
    int i = 0;
    while (i < n && done >= v[i].iov_len) done -= v[i++].iov_len;
    if (i == n) return 0;
    memmove(v, v + i, (size_t)(n - i) * sizeof *v);
    v[0].iov_base = (char *)v[0].iov_base + done;
    v[0].iov_len -= done;
    return n - i;
}

static int write_vector(struct file *f, struct iovec *v, int n, uint64_t *at)
{
    while ((n = advance(v, n, 0)) > 0) {
        ssize_t k = pwritev(f->fd, v, n, (off_t)*at);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return failed("write", f->path);
        *at += (uint64_t)k;
        n = advance(v, n, (size_t)k);
    }
    return 0;
}

int file_pwritev(struct file *f, const struct file_part *parts, size_t n, uint64_t at)
{
    struct iovec v[PARTS_AT_ONCE];
    while (n) {
        int k = 0;
        for (; k < PARTS_AT_ONCE && (size_t)k < n; k++) v[k] = (struct iovec){(void *)parts[k].p, parts[k].n};
        int e = write_vector(f, v, k, &at);
        if (e) return e;
        parts += k;
        n -= (size_t)k;
    }
    return 0;
}

int file_pwrite(struct file *f, const void *p, size_t n, uint64_t at)
{
    struct file_part part = {p, n};
    return file_pwritev(f, &part, 1, at);
}

int file_sync(struct file *f) { return fdatasync(f->fd) == 0 ? 0 : failed("sync", f->path); }

int file_truncate(struct file *f, uint64_t size)
{
    return ftruncate(f->fd, (off_t)size) == 0 ? 0 : failed("cut", f->path);
}

/* ---- names ---- */

int path_rename(const char *from, const char *to)
{
    return rename(from, to) == 0 ? 0 : failed("rename", from);
}

int path_unlink(const char *path) { return unlink(path) == 0 ? 0 : failed("remove", path); }
int path_link(const char *from, const char *to) { return link(from, to) == 0 ? 0 : failed("link", to); }
int path_mkdir(const char *path) { return mkdir(path, 0700) == 0 ? 0 : failed("make the folder", path); }

int path_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failed("open", path);
    int e = fsync(fd) == 0 ? 0 : failed("sync", path);
    close(fd);
    return e;
}

bool path_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

int path_info(const char *path, struct path_info *out)
{
    struct stat st;
    if (lstat(path, &st) != 0) return failed("look at", path);
    *out = (struct path_info){.size = (uint64_t)st.st_size, .changed = st.st_mtim.tv_sec};
    out->kind = S_ISREG(st.st_mode) ? PATH_FILE : S_ISDIR(st.st_mode) ? PATH_FOLDER : PATH_OTHER;
    return 0;
}

int path_set_time(const char *path, int64_t changed)
{
    struct timespec t[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)changed}};
    return utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : failed("date", path);
}

int path_lock(const char *folder, int *lock)
{
    *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0) return failed("open", folder);
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0) return 0;
    int e = errno == EWOULDBLOCK ? err_set(ERR_BUSY, "%s is locked by another process", folder)
                                 : failed("lock", folder);
    path_unlock(lock);
    return e;
}

void path_unlock(int *lock)
{
    if (*lock >= 0) close(*lock);
    *lock = -1;
}

int path_unlocked(const char *path)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return errno == ENOENT ? 0 : failed("open", path);
    int e = fcntl(fd, F_GETLK, &l) ? failed("look at the lock of", path) : 0;
    close(fd);
    if (e || l.l_type == F_UNLCK) return e;
    return err_set(ERR_BUSY, "%s is locked: process %d has it open", path, (int)l.l_pid);
}

int path_sync_all(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return failed("open", path);
    int e = syncfs(fd) == 0 ? 0 : failed("sync", path);
    close(fd);
    return e;
}

int path_list(const char *dir, int (*fn)(void *arg, const char *name), void *arg)
{
    DIR *d = opendir(dir);
    if (!d) return failed("read the folder", dir);
    int e = 0;
    for (;;) {
        errno = 0;
        struct dirent *x = readdir(d);
        if (!x && errno) e = failed("read the folder", dir);
        if (!x) break;
        if (strcmp(x->d_name, ".") == 0 || strcmp(x->d_name, "..") == 0) continue;
        e = fn(arg, x->d_name);
        if (e) break;
    }
    closedir(d);
    return e;
}

int path_read(const char *path, size_t max, struct buf *out)
{
    struct file *f;
    int e = file_open(&f, path, FILE_READ);
    if (e) return e;
    uint64_t at = 0;
    int64_t got = 1;
    while (!e && got > 0) {
        size_t want = 16 << 10;
        if (want > max + 1 - at) want = max + 1 - at;
        char *p = buf_space(out, want);
        got = p ? file_pread(f, p, want, at) : ERR_TOO_LONG;
        if (got < 0) e = (int)got;
        else out->n += (size_t)got, at += (uint64_t)got;
        if (at > max) e = ERR_TOO_LONG;
    }
    file_close(&f);
    if (e == ERR_TOO_LONG) return err_set(e, "%s is longer than %zu bytes", path, max);
    return e;
}

static int write_and_sync(int fd, struct slice data, int mode)
{
    while (data.n) {
        ssize_t k = write(fd, data.p, data.n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return -1;
        data = sl_from(data, (size_t)k);
    }
    if (fchmod(fd, (mode_t)mode) != 0) return -1;
    return fsync(fd);
}

static int sync_parent(const char *path)
{
    char dir[TEMP_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof dir) return err_set(ERR_TOO_LONG, "the path is too long: %s", path);
    memcpy(dir, path, n);
    dir[n] = 0;
    return path_sync_dir(!slash ? "." : n ? dir : "/");
}

int path_write(const char *path, struct slice data, int mode)
{
    char temp[TEMP_MAX];
    int n = snprintf(temp, sizeof temp, "%s.XXXXXX", path);
    if (n < 0 || (size_t)n >= sizeof temp) return err_set(ERR_TOO_LONG, "the path is too long: %s", path);
    int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0) return failed("write", path);
    int e = write_and_sync(fd, data, mode) == 0 ? 0 : failed("write", path);
    close(fd);
    if (!e && rename(temp, path) != 0) e = failed("write", path);
    if (e) {
        (void)unlink(temp);
        return e;
    }
    return sync_parent(path);
}

int path_free_space(const char *path, uint64_t *bytes)
{
    struct statvfs v;
    if (statvfs(path, &v) != 0) return failed("look at", path);
    /* a file system without blocks (some tmpfs, some of networks) does not say */
    *bytes = v.f_blocks ? (uint64_t)v.f_bavail * v.f_frsize : (uint64_t)1 << 50;
    return 0;
}

uint64_t path_stamp(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) return 0;
    uint64_t v[4] = {(uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec, (uint64_t)st.st_size,
                     (uint64_t)st.st_ino};
    uint64_t h = sl_hash(sl(v, sizeof v));
    return h ? h : 1;
}

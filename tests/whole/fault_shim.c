/* Loaded into the server by test_disk.py and test_kill.py (LD_PRELOAD): while the file named by TRAM_FAULT
 * exists, calls on files of the store fail with what it says: a word, then a count of failures; the last one
 * removes it.
 *
 *   EIO, ENOSPC  fdatasync and fsync of a file of the index; the bytes are there although an error is told:
 *                what must not be told as "not done"
 *   BODYEIO      the same of a pack of bodies
 *   FULL         a write to any file of the store finds no space
 *   NOROOM       the disk says that it has none
 *   EMFILE       no file of the store can be opened
 *   REOPEN       EIO once, and then EMFILE so often: while the index has to be opened again */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

enum call { SYNC, WRITE, OPEN, ASK };

/* The errno with which the call on this file is to fail, or 0. */
static int meant(const char *word, enum call call, const char *path)
{
    int index = strstr(path, "store/index") != NULL, bodies = strstr(path, "store/bodies") != NULL;
    if (call == SYNC && index && (!strcmp(word, "EIO") || !strcmp(word, "REOPEN"))) return EIO;
    if (call == SYNC && index && !strcmp(word, "ENOSPC")) return ENOSPC;
    if (call == SYNC && bodies && !strcmp(word, "BODYEIO")) return EIO;
    if (call == WRITE && (index || bodies) && !strcmp(word, "FULL")) return ENOSPC;
    if (call == OPEN && (index || bodies) && !strcmp(word, "EMFILE")) return EMFILE;
    if (call == ASK && !strcmp(word, "NOROOM")) return ENOSPC;
    return 0;
}

static int strike(enum call call, const char *path)
{
    char word[16] = "";
    const char *order = getenv("TRAM_FAULT");
    int left = 0;
    if (!order || !strstr(path, "store/")) return 0;
    FILE *f = fopen(order, "r");
    if (!f) return 0;
    int ok = fscanf(f, "%15s %d", word, &left) == 2 && left > 0;
    fclose(f);
    int error = ok ? meant(word, call, path) : 0;
    if (!error) return 0;
    if (!strcmp(word, "REOPEN")) strcpy(word, "EMFILE"), left++;
    if (--left == 0) {
        unlink(order);
    } else if ((f = fopen(order, "w"))) {
        fprintf(f, "%s %d\n", word, left);
        fclose(f);
    }
    errno = error;
    return -1;
}

static int strike_fd(enum call call, int fd)
{
    char link[64], path[4096];
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = 0;
    int struck = strike(call, path);
    if (!struck) errno = before;
    return struck;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fdatasync(int fd)
{
    int done = REAL(fdatasync)(fd);
    return strike_fd(SYNC, fd) ? -1 : done;
}
int fsync(int fd)
{
    int done = REAL(fsync)(fd);
    return strike_fd(SYNC, fd) ? -1 : done;
}

ssize_t write(int fd, const void *p, size_t n) { return strike_fd(WRITE, fd) ? -1 : REAL(write)(fd, p, n); }
ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return strike_fd(WRITE, fd) ? -1 : REAL(pwrite)(fd, p, n, at);
}
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at)
{
    return strike_fd(WRITE, fd) ? -1 : REAL(pwritev)(fd, v, n, at);
}

int open(const char *path, int flags, ...)
{
    va_list v;
    va_start(v, flags);
    mode_t mode = va_arg(v, mode_t);
    va_end(v);
    return strike(OPEN, path) ? -1 : REAL(open)(path, flags, mode);
}

int statvfs(const char *path, struct statvfs *v)
{
    int done = REAL(statvfs)(path, v);
    if (!done && strike(ASK, path)) v->f_bavail = 0;
    return done;
}

/* Loaded into the server by test_disk.py (LD_PRELOAD): while the file named by TRAM_FAULT exists, each
 * fdatasync and fsync of a file of the index fails with what it says: "EIO" or "ENOSPC", then a
 * count of failures. The last one removes it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int strike(int fd)
{
    char link[64], path[4096], word[16] = "";
    const char *order = getenv("TRAM_FAULT");
    int left = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0 || !order) return 0;
    path[n] = 0;
    if (!strstr(path, "/store/index/")) return 0;
    FILE *f = fopen(order, "r");
    if (!f) return 0;
    int ok = fscanf(f, "%15s %d", word, &left) == 2 && left > 0;
    fclose(f);
    if (!ok) return 0;
    if (--left == 0) {
        unlink(order);
    } else if ((f = fopen(order, "w"))) {
        fprintf(f, "%s %d\n", word, left);
        fclose(f);
    }
    errno = !strcmp(word, "ENOSPC") ? ENOSPC : EIO;
    return -1;
}

int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    int done =
        real(fd); /* the bytes are there although an error is told: what must not be told as "not done" */
    return strike(fd) ? -1 : done;
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    int done = real(fd);
    return strike(fd) ? -1 : done;
}

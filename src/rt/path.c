/* path.c - what is said about paths over the calls of file.h, for the machine and for the simulator. */
#include <stdlib.h>

#include "file.h"

enum { COPY_PIECE = 1 << 20 };

int path_make(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *above = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrndup(".", 1);
    int e = path_mkdir(path);
    if (!e || e == ERR_EXISTS) e = path_sync_dir(above);
    free(above);
    return e;
}

static int copy_bytes(struct file *from, struct file *to)
{
    char *piece = xmalloc(COPY_PIECE);
    int64_t got = 0;
    int e = 0;
    for (uint64_t at = 0; !e && (got = file_pread(from, piece, COPY_PIECE, at)) > 0; at += (uint64_t)got)
        e = file_pwrite(to, piece, (size_t)got, at);
    free(piece);
    if (!e && got < 0) e = (int)got;
    return e ? e : file_sync(to);
}

int path_copy(const char *from, const char *to)
{
    struct file *in = NULL, *out = NULL;
    int e = file_open(&in, from, FILE_READ);
    if (!e) e = file_open(&out, to, FILE_WRITE | FILE_CREATE | FILE_EXCL);
    if (!e) e = copy_bytes(in, out);
    file_close(&in);
    file_close(&out);
    return e;
}

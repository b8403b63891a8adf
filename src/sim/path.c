/* path.c - whole small files on the simulated disk. */
#include <stdlib.h>

#include "base/arena.h"
#include "rt/file.h"
#include "sim_i.h"

int path_read(const char *path, size_t max, struct buf *out)
{
    struct file *f;
    uint64_t size;
    int e = file_open(&f, path, FILE_READ);
    if (e) return e;
    e = file_size(f, &size);
    if (!e && size > max) e = err_set(ERR_TOO_LONG, "%s is longer than %zu bytes", path, max);
    char *to = e ? NULL : buf_space(out, (size_t)size);
    if (!e && size && !to) e = err_set(ERR_TOO_LONG, "%s does not fit", path);
    int64_t n = e || !size ? e : file_pread(f, to, (size_t)size, 0);
    if (n > 0) out->n += (size_t)n;
    file_close(&f);
    return n < 0 ? (int)n : 0;
}

static int write_new(const char *path, struct slice data)
{
    struct file *f;
    int e = file_open(&f, path, FILE_WRITE | FILE_CREATE | FILE_TRUNC);
    if (e) return e;
    e = file_pwrite(f, data.p, data.n, 0);
    if (!e) e = file_sync(f);
    file_close(&f);
    return e;
}

int path_write(const char *path, struct slice data, int mode)
{
    (void)mode; /* one user owns the whole disk */
    struct slice dir = sl_cstr(path);
    size_t slash = sl_rchr(dir, '/');
    char *folder = slash == SL_NONE ? xstrndup(".", 1) : xstrndup(path, slash ? slash : 1);
    char *part = xmalloc(dir.n + sizeof ".part");
    memcpy(part, path, dir.n);
    memcpy(part + dir.n, ".part", sizeof ".part");
    int e = write_new(part, data);
    if (!e) e = path_rename(part, path);
    if (!e) e = path_sync_dir(folder);
    free(folder);
    free(part);
    return e;
}

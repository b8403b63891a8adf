/* path.c - what is said about paths over the calls of file.h, for the machine and for the simulator. */
#include <stdlib.h>

#include "file.h"

int path_make(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *above = slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path)) : xstrndup(".", 1);
    int e = path_mkdir(path);
    if (!e || e == ERR_EXISTS) e = path_sync_dir(above);
    free(above);
    return e;
}

/* file_out.c - a file that is written piece by piece. */
#include <stdlib.h>

#include "base/arena.h"
#include "port_i.h"

void port_file_begin(struct port_file *o, struct port_files *files, const char *path)
{
    *o = (struct port_file){.files = files, .path = xstrndup(path, strlen(path))};
}

static int write_out(struct port_file *o)
{
    int e = o->b.n || !o->made ? o->files->write(o->files, o->path, o->at, buf_slice(&o->b)) : 0;
    o->made = true;
    o->at += o->b.n;
    o->b.n = 0;
    return e;
}

int port_file_spill(struct port_file *o) { return o->b.n < PORT_PIECE ? 0 : write_out(o); }

int port_file_back(struct port_file *o, uint64_t size)
{
    if (size >= o->at) {
        o->b.n = (size_t)(size - o->at);
        return 0;
    }
    o->b.n = 0;
    o->at = size;
    return o->files->cut(o->files, o->path, size);
}

static void forget(struct port_file *o)
{
    buf_free(&o->b);
    free(o->path);
    *o = (struct port_file){0};
}

int port_file_end(struct port_file *o, int64_t date, const char *name)
{
    int e = write_out(o);
    if (!e) e = o->files->done(o->files, o->path, date, name);
    if (e) port_file_drop(o);
    else forget(o);
    return e;
}

void port_file_drop(struct port_file *o)
{
    if (!o->path) return;
    if (o->made) (void)!o->files->drop(o->files, o->path);
    forget(o);
}

/* loss.c - the note of an accepted loss: written, found, taken away (loss.h). */
#include "loss.h"

#include <stdio.h>
#include <stdlib.h>

#include "rt/file.h"

enum { NOTE_MAX = 400 };

static char *note_path(const char *path)
{
    size_t n = strlen(path);
    char *p = xmalloc(n + sizeof ".loss");
    memcpy(p, path, n);
    memcpy(p + n, ".loss", sizeof ".loss");
    return p;
}

static int note_read(const char *path, struct buf *out)
{
    char *note = note_path(path);
    int e = path_read(note, NOTE_MAX, out);
    free(note);
    return e;
}

int loss_accept(const char *path, const char *what)
{
    char *note = note_path(path);
    int e = path_write(note, sl_cstr(what), 0600);
    free(note);
    return e;
}

bool loss_accepted(const char *path, const char *what)
{
    struct buf b = BUF_INIT;
    bool yes = note_read(path, &b) == 0 && sl_eq(buf_slice(&b), sl_cstr(what));
    buf_free(&b);
    return yes;
}

int loss_refuse(const char *path, const char *what)
{
    return err_set(
        ERR_CORRUPT,
        "the log of the index is damaged: %s/%s. What was acknowledged from there on would be lost. Put a "
        "backup in the store's place; or go on with what stands before the damage: tram verify "
        "--accept-loss (no message body is swept until you say so)",
        path, what);
}

struct loss_away {
    struct kv *kv;
    struct buf *what;
};

static int read_on_thread(void *arg)
{
    struct loss_away *l = arg;
    return note_read(l->kv->path, l->what);
}

static int remove_on_thread(void *arg)
{
    struct loss_away *l = arg;
    char *note = note_path(l->kv->path);
    int e = path_unlink(note);
    if (e == 0) e = kv_sync_parent(note);
    free(note);
    return e;
}

static int away(int (*fn)(void *), struct loss_away *l) { return fiber_current() ? offload(fn, l) : fn(l); }

int kv_loss(struct kv *kv, struct buf *what)
{
    struct loss_away l = {kv, what};
    return kv->path ? away(read_on_thread, &l) : ERR_NOT_FOUND;
}

int kv_loss_done(struct kv *kv)
{
    struct loss_away l = {.kv = kv};
    return kv->path ? away(remove_on_thread, &l) : 0;
}

/* store.c - a folder of packs, opened and closed. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "body_i.h"

static int load_name(void *arg, const char *name)
{
    struct packs *b = arg;
    enum body_class cls;
    uint64_t number;
    bool part;
    if (!pack_name_parse(sl_cstr(name), &cls, &number, &part)) return 0;
    if (part) {
        char path[BODY_PATH_MAX];
        body_path(b, cls, number, true, path);
        int e = path_unlink(path);
        if (e) log_warn("body", "what a stop left half written stays, and does no harm: %s", err_text(e));
        return 0;
    }
    if (pack_find(b, number)) { /* no program makes that; somebody copied files */
        log_error("body", "%s/%s: another pack has this number; this one is left alone and not read", b->dir,
                  name);
        return 0;
    }
    struct pack *p = xcalloc(1, sizeof *p);
    p->head = (struct pack_head){.number = number, .cls = cls};
    pack_add(b, p);
    return 0;
}

static void store_free(struct packs *b)
{
    for (struct link *l; (l = list_shift(&b->born));) free(CONTAINER_OF(l, struct newborn, link));
    map_free(&b->born_as);
    for (struct link *l; (l = list_shift(&b->packs));) pack_free(b, CONTAINER_OF(l, struct pack, link));
    map_free(&b->by_number);
    free(b->dir);
    free(b);
}

static int close_on_thread(void *arg)
{
    stamps_keep(arg);
    store_free(arg);
    return 0;
}

static void packs_close(struct body_store *base)
{
    struct packs *b = packs_of(base);
    struct append seal = {.kind = APPEND_ROTATE};
    if (writer_append_do(b, &seal)) log_warn("body", "a pack could not be sealed: %s", seal.why);
    worker_free(&b->worker);
    (void)!body_on_thread(POOL_DISK, close_on_thread, b);
}

static const struct body_engine engine = {
    .name = "packs",
    .begin = writer_begin,
    .write = writer_write,
    .small = writer_small,
    .read_back = writer_read_back,
    .finish = writer_finish,
    .abandon = writer_abandon,
    .pin = packs_pin,
    .unpin = packs_unpin,
    .read = packs_read,
    .packs = packs_list,
    .drop_pack = packs_drop,
    .move = packs_move,
    .stamp = packs_stamp,
    .settled = packs_settled,
    .verify = packs_verify,
    .backup = packs_backup,
    .close = packs_close,
};

int body_open(struct body_store **out, const char *dir, uint64_t pack_bytes)
{
    if (strlen(dir) + PACK_NAME_MAX + 2 > BODY_PATH_MAX)
        return err_set(ERR_TOO_LONG, "the path of the bodies is too long");
    struct packs *b = xcalloc(1, sizeof *b);
    b->base.engine = &engine;
    b->dir = xstrndup(dir, strlen(dir));
    b->pack_bytes = pack_bytes ? pack_bytes : PACK_BYTES_DEFAULT;
    b->lock = (struct lock)LOCK_INIT;
    map_init(&b->by_number, false);
    list_init(&b->packs);
    list_init(&b->unread);
    list_init(&b->idle);
    list_init(&b->born);
    map_init(&b->born_as, false);
    int e = path_make(dir);
    if (e == 0) e = path_list(dir, load_name, b);
    if (e == 0) stamps_go_on(b);
    if (e == 0) e = worker_new(&b->worker, "bodies", BODY_GROUP_MAX, writer_append_handle, b);
    if (e == 0) {
        *out = &b->base;
        return 0;
    }
    char why[ERR_TEXT_MAX];
    snprintf(why, sizeof why, "%s", err_text(e));
    store_free(b);
    return err_set(e, "%s", why);
}

/* backup.c - the copy of a running store, and the proof that it is whole. */
#include "care_i.h"

#include <stdlib.h>

#include "rt/file.h"

static int make_folder(void *to) { return path_mkdir(to); }
static int sync_folder(void *to)
{
    int e = path_sync_dir(to);
    return e ? e : path_make(to); /* its own name, durably */
}
static int may_go_on(void *care) { return care_check(care); }

static int copy_all(struct care *c, const char *index, const char *bodies)
{
    /* The index first: every body it names is in its pack already, and no pack goes meanwhile. */
    int e = kv_backup(c->s->kv, index);
    return e ? e : body_backup(c->s->body, bodies, may_go_on, c);
}

/* ---- is each pack there? ---- */

struct proof {
    struct care *care;
    const char *bodies;
    struct map seen; /* 8 bytes of a pack's number */
    struct arena a;
};

static int look(void *path) { return path_exists(path) ? 0 : ERR_NOT_FOUND; }

static int prove(struct proof *p, const struct body_ref *ref)
{
    char name[BODY_FILE_MAX];
    uint64_t pack = body_ref_pack(ref);
    if (map_get(&p->seen, sl(&pack, sizeof pack))) return 0;
    map_put(&p->seen, sl(&pack, sizeof pack), (void *)1);
    body_ref_file(ref, name);
    ar_reset(&p->a);
    int e = care_check(p->care);
    if (e == 0) e = offload_on(POOL_CARE, look, (void *)ar_printf(&p->a, "%s/%s", p->bodies, name).p);
    if (e != ERR_NOT_FOUND) return e;
    return err_set(e, "the copy lacks %s, which its index refers to; see `tram verify`", name);
}

static int prove_letter(void *arg, struct slice letter, struct slice ref)
{
    struct body_ref r;
    (void)letter;
    return ref.n && body_ref_parse(ref, &r) == 0 ? prove(arg, &r)
                                                 : 0; /* a damaged record refers to nothing */
}

static int prove_message(void *arg, uint32_t box, uint32_t uid, const struct message *m)
{
    (void)box, (void)uid;
    return m ? prove(arg, &m->body) : 0;
}

struct proving {
    struct proof *proof;
    struct store *copy;
};

static int prove_account(void *arg, const char *acc)
{
    struct proving *p = arg;
    return messages_each(p->copy, acc, prove_message, p->proof);
}

static int prove_all(struct proof *p, const struct care_queue *queue, struct kv *kv)
{
    struct store copy = {.kv = kv};
    struct proving x = {p, &copy};
    int e = queue ? queue->refs(queue->ctx, &copy, prove_letter, p) : 0;
    return e ? e : accounts_each(&copy, prove_account, &x);
}

static int check_copy(struct care *c, const struct care_queue *queue,
                      int (*open_index)(struct kv **out, const char *dir), const char *index,
                      const char *bodies)
{
    struct proof p = {.care = c, .bodies = bodies};
    struct kv *kv = NULL;
    map_init(&p.seen, false);
    ar_init(&p.a, 0);
    int e = open_index(&kv, index);
    if (e == 0) e = prove_all(&p, queue, kv);
    char why[ERR_TEXT_MAX] = "";
    if (e) memcpy(why, err_text(e), strnlen(err_text(e), sizeof why - 1));
    kv_close(&kv);
    map_free(&p.seen);
    ar_free(&p.a);
    return e ? err_set(e, "%s", why) : 0;
}

int store_backup(struct store *s, const struct care_queue *queue,
                 int (*open_index)(struct kv **out, const char *dir), const char *to_dir)
{
    struct care c;
    struct arena a;
    int e = care_begin(&c, s, "backup");
    if (e) return e;
    ar_init(&a, 0);
    const char *index = ar_printf(&a, "%s/index", to_dir).p, *bodies = ar_printf(&a, "%s/bodies", to_dir).p;
    e = offload_on(POOL_CARE, make_folder, (void *)to_dir);
    if (e) err_set(e, e == ERR_EXISTS ? "%s exists already" : "%s cannot be made", to_dir);
    if (e == 0) e = copy_all(&c, index, bodies);
    if (e == 0) e = care_check(&c); /* up to here nothing was taken away */
    if (e == 0) e = check_copy(&c, queue, open_index, index, bodies);
    if (e == 0) e = offload_on(POOL_CARE, sync_folder, (void *)to_dir);
    char why[ERR_TEXT_MAX] = "";
    if (e) memcpy(why, err_text(e), strnlen(err_text(e), sizeof why - 1));
    care_end(&c);
    ar_free(&a);
    return e ? err_set(e, "%s", why) : 0;
}

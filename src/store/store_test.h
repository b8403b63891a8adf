/* store_test.h - for tests: a store on kv_mem and a folder of bodies, with one account. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "mailbox.h"
#include "rt/file.h"
#include "rt/test_rt.h"

#define ACC "acc1"
#define BOX(id) ((struct mailbox_ref){.account = ACC, .box = id})

struct fixture {
    struct store *s;
    char dir[64];
    struct arena a;
};

static inline bool fixture_begin(struct fixture *f)
{
    struct kv *kv = NULL;
    struct body_store *b = NULL;
    *f = (struct fixture){.dir = "/tmp/tram-store-test-XXXXXX"};
    ar_init(&f->a, 0);
    int e = mkdtemp(f->dir) ? kv_mem_open(&kv, NULL) : ERR_IO;
    if (e == 0) e = body_open(&b, f->dir, 0);
    if (e == 0) e = store_open(&f->s, kv, b);
    if (e == 0) e = mailbox_make_defaults(f->s, ACC);
    CHECK_OK(e);
    return e == 0;
}

static inline int remove_entry(void *dir, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (char *)dir, name);
    if (path_unlink(path) == 0) return 0;
    CHECK_OK(path_list(path, remove_entry, path));
    return rmdir(path);
}

static inline void fixture_end(struct fixture *f)
{
    store_close(&f->s);
    ar_free(&f->a);
    CHECK_OK(path_list(f->dir, remove_entry, f->dir));
    CHECK(rmdir(f->dir) == 0);
}

static inline struct message_new letter(struct fixture *f, const char *text, uint64_t flags)
{
    struct message_new m = {
        .flags = flags, .internal_date = 1700000000, .size = strlen(text), .head_size = 1};
    CHECK_OK(body_put(f->s->body, BODY_MAIL, sl_cstr(text), SL(""), &m.body));
    return m;
}

/* Adds a message; its uid. */
static inline uint32_t add(struct fixture *f, uint32_t box, const char *text, uint64_t flags)
{
    struct message_new m = letter(f, text, flags);
    uint32_t validity, uid = 0;
    CHECK_OK(message_append(f->s, BOX(box), &m, 1, &validity, &uid));
    body_unpin(f->s->body, &m.body);
    return uid;
}

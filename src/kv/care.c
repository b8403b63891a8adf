/* care.c - copying and checking the whole index while it runs. Neither keeps the engine for long:
 * a check goes from page to page and leaves the gate in between. */
#include <stdio.h>

#include "kv_i.h"

enum { STOP = 1, PAGE = 1000 };

struct care {
    struct kv *kv;
    const char *to;
    void (*bad)(void *arg, const char *what);
    void *arg;
    char why[ERR_TEXT_MAX];

    char from_room[KV_FULL_MAX + 1]; /* of a check: where the next page starts */
    struct slice from;
    size_t rows, damaged; /* of this page */
};

static int care_run(int (*fn)(void *), struct care *c)
{
    int rc = fiber_current() ? offload(fn, c) : fn(c);
    return rc < 0 && c->why[0] ? err_set(rc, "%s", c->why) : rc;
}

static int keep_why(struct care *c, int rc)
{
    if (rc < 0) snprintf(c->why, sizeof c->why, "%s", err_text(rc));
    return rc;
}

static int backup_on_thread(void *arg)
{
    struct care *c = arg;
    int rc = kv_gate_enter(c->kv);
    if (rc == 0) {
        rc = c->kv->engine->backup(c->kv, c->to);
        kv_gate_leave(c->kv);
    }
    return keep_why(c, rc);
}

int kv_backup(struct kv *kv, const char *to)
{
    struct care c = {.kv = kv, .to = to};
    return care_run(backup_on_thread, &c);
}

static bool row_ok(struct slice full, struct slice value)
{
    size_t nul = sl_chr(full, 0);
    return nul != SL_NONE && kv_name_ok(sl_sub(full, 0, nul)) && kv_name_ok(sl_from(full, nul + 1)) &&
           value.n > 0 && value.n <= KV_VALUE_MAX;
}

static int check_row(void *arg, struct slice full, struct slice value)
{
    struct care *c = arg;
    if (!row_ok(full, value)) c->damaged++;
    if (full.n > KV_FULL_MAX) return 0; /* no place to go on from */
    memcpy(c->from_room, full.p, full.n);
    c->from_room[full.n] = 0; /* the least key after it */
    c->from = sl(c->from_room, full.n + 1);
    return ++c->rows >= PAGE || kv_gate_wanted(c->kv) ? STOP : 0;
}

static int check_page(struct care *c)
{
    int rc = kv_gate_enter(c->kv);
    if (rc) return rc;
    c->rows = c->damaged = 0;
    rc = c->kv->engine->scan(c->kv, KV_READ_WALK, c->from, SL("\x7f"), check_row, c);
    kv_gate_leave(c->kv);
    for (; c->damaged; c->damaged--)
        c->bad(c->arg, "the index holds a row whose key or value is not allowed");
    return rc;
}

static int verify_on_thread(void *arg)
{
    struct care *c = arg;
    int rc = STOP;
    while (rc == STOP) rc = check_page(c);
    if (rc != ERR_CORRUPT) return keep_why(c, rc);
    c->bad(c->arg, err_text(rc));
    return 0;
}

int kv_verify(struct kv *kv, void (*bad)(void *arg, const char *what), void *arg)
{
    struct care c = {.kv = kv, .bad = bad, .arg = arg, .from = SL(" ")};
    return care_run(verify_on_thread, &c);
}

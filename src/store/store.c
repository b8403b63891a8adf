/* store.c - opening and closing. */
#include "store.h"

#include <stdlib.h>

#include "base/log.h"
#include "care_i.h"
#include "kv/record.h"

struct format_check {
    struct buf fresh;
    uint64_t found;
    bool damaged;
};

/* The first program to open a store writes the format; every later one checks it. */
static int check_format(struct kv_tx *tx, void *arg)
{
    struct format_check *c = arg;
    struct slice row;
    struct rec r;
    uint64_t format = 0;
    int e = kv_tx_get(tx, SL("format"), &row);
    if (e == ERR_NOT_FOUND) {
        kv_tx_put_record(tx, SL("format"), &c->fresh);
        return 0;
    }
    if (!e) e = rec_open(&r, row, 1);
    if (err_is_damage(e)) e = ERR_CORRUPT; /* a later program is told of by `written-by`, and by f */
    if (!e) {
        while (rec_next(&r))
            if (r.tag == 'f') format = rec_u64(&r);
        e = rec_error(&r);
    }
    c->found = format;
    c->damaged = e == ERR_CORRUPT; /* each row says its own version */
    return c->damaged ? 0 : e ? e : format == STORE_FORMAT ? 0 : ERR_VERSION;
}

int store_open(struct store **out, struct kv *kv, struct body_store *body)
{
    ASSERT(kv && body);
    struct store *s = xcalloc(1, sizeof *s);
    s->kv = kv;
    s->body = body;
    s->expunged = expunged_new();
    s->views = loop_views_new();
    struct format_check c = {.fresh = BUF_INIT};
    rec_begin(&c.fresh, 1);
    rec_put_u64(&c.fresh, 'f', STORE_FORMAT);
    int e = kv_transact(kv, SL("_store"), check_format, &c);
    if (e == ERR_VERSION)
        err_set(e, "the store has format %llu, this program knows %d: open it with the Tram that wrote it",
                (unsigned long long)c.found, STORE_FORMAT);
    buf_free(&c.fresh);
    if (!e && c.damaged) log_error("store", "the row format of the object _store is damaged");
    if (!e) e = loss_take_note(s);
    struct account_home home = account_home(s);
    if (!e) e = directory_open(&s->directory, kv, &home);
    s->trace = trace_open(kv);
    if (e) store_close(&s);
    *out = s;
    return e;
}

void store_close(struct store **sp)
{
    struct store *s = *sp;
    if (!s) return;
    trace_close(&s->trace);
    directory_close(&s->directory);
    expunged_free(s->expunged);
    loop_views_free(s->views);
    store_sweep_forget(s);
    kv_close(&s->kv);
    body_close(&s->body);
    free(s);
    *sp = NULL;
}

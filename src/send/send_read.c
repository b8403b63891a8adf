/* send_read.c - a send read back from its rows. */
#include "send_i.h"

#include <string.h>

int send_head_read(struct sends *s, const struct letter_id *id, struct arena *a, struct send_head *out)
{
    char object[24];
    struct slice row;
    send_object(id, object);
    int e = kv_get(s->store->kv, sl_cstr(object), SL("h"), a, &row);
    return e ? e : send_head_get(row, out);
}

/* A blob that lies over the rows from `from` to `to`. */
static int read_blob(struct sends *s, const struct letter_id *id, struct slice from, struct slice to,
                     struct arena *a, struct slice *out)
{
    struct kv_page page = {.more = true};
    struct buf b = BUF_INIT;
    char object[24];
    int e = 0;
    send_object(id, object);
    while (!e && page.more) {
        e = kv_scan(s->store->kv, sl_cstr(object), from, to, 100, a, &page);
        for (size_t i = 0; !e && i < page.n; i++) buf_put(&b, page.row[i].value);
        if (e || !page.n) break;
        from = kv_after(a, page.row[page.n - 1].key);
    }
    *out = ar_dup(a, buf_slice(&b));
    buf_free(&b);
    return e;
}

int send_common_read(struct sends *s, const struct letter_id *id, struct arena *a, struct send *out)
{
    struct slice blob;
    int e = read_blob(s, id, SL("b/"), SL("b0"), a, &blob);
    return e ? e : send_common_get(blob, a, out);
}

/* It stands near the front, and what follows it may be large. */
int send_subject_read(struct sends *s, const struct letter_id *id, struct arena *a, struct slice *out)
{
    char object[24];
    struct send whole;
    struct slice row;
    send_object(id, object);
    int e = kv_get(s->store->kv, sl_cstr(object), send_key_common(a, 0), a, &row);
    if (e) return e;
    struct rec r = {.rest = row};
    while (rec_next(&r))
        if (!strchr("fFeErR", r.tag)) { /* only addresses come before it */
            *out = r.tag == 's' ? r.field : SL("");
            return 0;
        }
    e = send_common_read(s, id, a, &whole);
    *out = e ? SL("") : whole.subject;
    return e;
}

int send_page_read(struct sends *s, const struct letter_id *id, uint64_t first, struct arena *a,
                   struct slice *out)
{
    int e = read_blob(s, id, send_key_page(a, first, 0), send_key_page(a, first, 999), a, out);
    return !e && !out->n ? err_set(ERR_NOT_FOUND, "a page of letters of the send %s is missing", id->s) : e;
}

int send_order_read(struct sends *s, const char *object, struct arena *a, struct send_order *out)
{
    struct slice row;
    *out = (struct send_order){0};
    int e = kv_get(s->store->kv, sl_cstr(object), SL("s"), a, &row);
    if (!e) e = send_order_get(row, out);
    return e == ERR_NOT_FOUND ? 0 : e;
}

int send_count_read(struct sends *s, const char *object, struct arena *a, struct send_count *out)
{
    struct slice row;
    *out = (struct send_count){0};
    int e = kv_get(s->store->kv, sl_cstr(object), SL("c"), a, &row);
    if (!e) e = send_count_get(row, out);
    return e == ERR_NOT_FOUND ? 0 : e;
}

const struct send_addr *send_reader(const struct send_letter *l)
{
    const struct send_addr *one = NULL;
    const struct send_addrs *lists[] = {&l->to, &l->cc, &l->bcc};
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        for (size_t k = 0; k < lists[i]->n; k++) {
            if (lists[i]->v[k].left_out) continue;
            if (one) return NULL;
            one = &lists[i]->v[k];
        }
    return one;
}

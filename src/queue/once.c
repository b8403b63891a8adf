/* once.c - names of letters of our own that were accepted: forgotten when no step can make them again. */
#include <stdio.h>

#include "base/text.h"
#include "queue_i.h"

enum { ONCE_KEEP_S = 7 * 86400 };

static int forget_tx(struct kv_tx *tx, void *arg)
{
    const struct kv_page *page = arg;
    for (size_t i = 0; i < page->n; i++) kv_tx_del(tx, page->row[i].key);
    return 0;
}

int queue_forget_names(struct shard *s)
{
    struct kv *kv = s->q->store->kv;
    struct kv_page page = {.more = true};
    struct arena a = {0};
    int64_t now = rt_wall_seconds();
    char from[KV_KEY_MAX + 2] = "z";
    uint64_t when;
    bool hole;
    int e = 0;
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan_over(kv, shard_object(s), ar_dup(&a, sl_cstr(from)), SL("z~"), KV_PAGE_MAX, &a, &page,
                         &hole);
        if (e || !page.n) break;
        snprintf(from, sizeof from, "%.*s ", SLF(page.row[page.n - 1].key));
        size_t n = 0;
        for (size_t i = 0; i < page.n; i++)
            if (!num_u64(page.row[i].value, INT64_MAX, &when) || (int64_t)when < now - ONCE_KEEP_S)
                page.row[n++] = page.row[i];
        page.n = n;
        if (n) e = shard_transact(s, forget_tx, &page);
    }
    ar_free(&a);
    return e;
}

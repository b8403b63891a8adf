/* dmarc_keys.c - how the rows of the reports are named, written out and deleted. */
#include "base/civil.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "dmarc_store_i.h"
#include "store/store.h"

struct slice dmarc_day_text(struct arena *a, int64_t seconds)
{
    struct civil c = civil_from_unix(seconds);
    return ar_printf(a, "%04d%02d%02d", c.year, c.month, c.day);
}

static int nothing(struct kv_tx *tx, void *arg)
{
    (void)tx, (void)arg;
    return 0;
}

/* Notes that wait are written with the next transaction: this is one. */
int dmarc_flush(struct store *s) { return kv_transact(s->kv, SL("_store"), nothing, NULL); }

struct deleting {
    const struct slice *key;
    size_t n;
};

static int delete_tx(struct kv_tx *tx, void *arg)
{
    const struct deleting *d = arg;
    for (size_t i = 0; i < d->n; i++) kv_tx_del(tx, d->key[i]);
    return 0;
}

int dmarc_delete(struct store *s, struct slice object, const struct slice *key, size_t n)
{
    struct deleting d = {key, n};
    return n ? kv_transact(s->kv, object, delete_tx, &d) : 0;
}

struct slice dmarc_in_object(struct arena *a, struct slice domain)
{
    return ar_cat(a, SL("r:in:"), hash_name(a, domain));
}

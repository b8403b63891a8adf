/* queue_shards.c - the number of shards, fixed when the store is made. A row that is damaged or lost stops no
 * start: the letters there are tell the number, for each lies in the shard that its id and the number say. */
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "queue_i.h"

static const struct slice row_name = SL_INIT("queue-shards");

uint32_t queue_shard_of(const char *id, int shards)
{
    /* the same in every run and program: not the keyed hash */
    return crc32c(0, id, LETTER_ID_LEN) % (uint32_t)shards;
}

/* How many of the letters that were seen lie where they would with so many shards. */
struct learning {
    uint32_t letters, fits[QUEUE_SHARDS_MAX + 1];
    int least; /* one more than the highest shard with rows */
};

static void learn_key(struct learning *x, int shard, struct slice key)
{
    if (key.n <= LETTER_ID_LEN || !letter_id_ok(sl_sub(key, 1, LETTER_ID_LEN + 1))) return;
    x->letters++;
    for (int n = 1; n <= QUEUE_SHARDS_MAX; n++) x->fits[n] += queue_shard_of(key.p + 1, n) == (uint32_t)shard;
}

static int learn_shard(struct store *s, struct slice object, struct arena *a, struct learning *x)
{
    uint64_t shard;
    struct kv_page page;
    if (!num_u64(sl_from(object, 2), QUEUE_SHARDS_MAX - 1, &shard)) return 0;
    if ((int)shard >= x->least) x->least = (int)shard + 1;
    int e = kv_scan(s->kv, object, SL("e"), SL("f"), KV_PAGE_MAX, a, &page);
    for (size_t i = 0; !e && i < page.n; i++) learn_key(x, (int)shard, page.row[i].key);
    return e == ERR_CORRUPT ? 0 : e; /* the others tell */
}

/* The number that fits most letters; of several `want`, then the least. */
static int best(const struct learning *x, int want)
{
    int n = want >= x->least ? want : x->least;
    for (int i = x->least; i <= QUEUE_SHARDS_MAX; i++)
        if (x->fits[i] > x->fits[n]) n = i;
    return n;
}

static int learn(struct store *s, int want, int *out)
{
    struct learning x = {.least = 1};
    struct arena a;
    struct slice *name;
    size_t n;
    bool more;
    ar_init(&a, 0);
    int e = kv_objects(s->kv, SL("q:"), SL("q;"), KV_PAGE_MAX, &a, &name, &n, &more);
    for (size_t i = 0; !e && i < n; i++) e = learn_shard(s, name[i], &a, &x);
    *out = best(&x, want);
    if (!e && n)
        log_error("queue", "the number of the queue's shards was lost or damaged: by the %u letters it is %d",
                  x.letters, *out);
    ar_free(&a);
    return e;
}

struct shards_row {
    int n;
    bool there;
};

static int get_row(struct kv_tx *tx, void *arg)
{
    struct shards_row *x = arg;
    struct slice row;
    uint64_t n = 0;
    int e = kv_tx_get(tx, row_name, &row);
    x->there = !e && num_u64(row, QUEUE_SHARDS_MAX, &n) && n;
    x->n = (int)n;
    return e == ERR_NOT_FOUND ? 0 : e;
}

static int put_row(struct kv_tx *tx, void *arg)
{
    struct shards_row *x = arg;
    char text[16];
    kv_tx_put(tx, row_name, sl(text, (size_t)snprintf(text, sizeof text, "%d", x->n)));
    return 0;
}

int queue_shards(struct store *s, int want, int *out)
{
    struct shards_row x = {0};
    if (want < 1 || want > QUEUE_SHARDS_MAX) return err_set(ERR_USAGE, "1 to %d shards", QUEUE_SHARDS_MAX);
    int e = kv_transact(s->kv, SL("_store"), get_row, &x);
    if (!e && !x.there) {
        e = learn(s, want, &x.n);
        if (!e) e = kv_transact(s->kv, SL("_store"), put_row, &x);
    }
    *out = x.n;
    return e ? err_prefix(e, "cannot open the queue") : 0;
}

/* dmarc_store.c - gathering the rows of DMARC aggregate reports: counts in memory, each new count
 * a note under the same key, so that repeating one or losing one in between does no harm. */
#include "dmarc_store_i.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "kv/record.h"
#include "mailauth/mailauth.h"
#include "store/store.h"

struct dmarc_gathering {
    struct map rows; /* dmarc_row_key -> (void *)count */
};

/* ---- keys ---- */

/* ---- generations ---- */

static void forget(struct map *domains)
{
    struct map_iter it = {0};
    while (map_next(domains, &it)) {
        struct dmarc_gathering *g = it.value;
        map_free(&g->rows);
        free(g);
    }
    map_free(domains);
}

/* With the lock held; the counts so far go to *old. */
static uint64_t begin_generation(struct dmarc_store *ds, struct map *old)
{
    uint64_t last = 0, gen = (uint64_t)rt_wall(), dropped = ds->dropped;
    if (ds->gen[0]) num_hex64(sl_cstr(ds->gen), &last);
    if (gen <= last) gen = last + 1;
    snprintf(ds->gen, sizeof ds->gen, "%014llx", (unsigned long long)gen & 0xffffffffffffff);
    *old = ds->domains;
    map_init(&ds->domains, false);
    ds->day = rt_wall_seconds() / DMARC_DAY_S;
    ds->rows = 0;
    ds->dropped = 0;
    return dropped;
}

static void end_generation(struct map *old, uint64_t dropped)
{
    forget(old);
    if (dropped)
        log_warn("dmarc",
                 "%llu letters are missing in the reports: more than %d different rows of one domain, %d in "
                 "all or %d domains",
                 (unsigned long long)dropped, DMARC_GATHER_ROWS, DMARC_GATHER_ALL, DMARC_GATHER_DOMAINS);
}

void dmarc_store_rotate(struct dmarc_store *ds)
{
    struct map old;
    lock_take(&ds->lock);
    uint64_t dropped = begin_generation(ds, &old);
    lock_release(&ds->lock);
    end_generation(&old, dropped);
}

/* ---- counting ---- */

/* One more of this row; 0 when there is no room for it. With the lock held. */
static uint64_t count(struct dmarc_store *ds, struct slice domain, struct slice row)
{
    struct dmarc_gathering *g = map_get(&ds->domains, domain);
    uint64_t n = g ? (uintptr_t)map_get(&g->rows, row) : 0;
    bool full = g ? g->rows.count >= DMARC_GATHER_ROWS : ds->domains.count >= DMARC_GATHER_DOMAINS;
    if (!n && (full || ds->rows >= DMARC_GATHER_ALL)) {
        ds->dropped++;
        return 0;
    }
    if (!g) {
        g = xcalloc(1, sizeof *g);
        map_init(&g->rows, false);
        map_put(&ds->domains, domain, g);
    }
    if (!n) ds->rows++;
    map_put(&g->rows, row, (void *)(uintptr_t)(n + 1));
    return n + 1;
}

static void put_policy(struct dmarc_store *ds, struct arena *a, struct slice object, struct slice domain,
                       const struct dmarc_published *p, struct slice text)
{
    struct buf b = BUF_INIT, published = BUF_INIT;
    dmarc_published_encode(&published, p);
    rec_begin(&b, DMARC_ROW_VERSION);
    rec_put(&b, 'd', p->domain);
    rec_put(&b, 'p', buf_slice(&published));
    rec_put(&b, 't', text);
    kv_note_record(ds->conf.store->kv, object, ar_cat(a, SL("p/"), domain), &b);
    buf_free(&published);
    buf_free(&b);
}

static void note_row(struct dmarc_store *ds, struct arena *a, const struct dmarc_row *row,
                     const struct dmarc_published *p, struct slice text)
{
    struct slice domain = hash_name(a, p->domain), id = dmarc_row_key(a, row);
    struct buf b = BUF_INIT, bytes = BUF_INIT;
    struct map old = {0};
    uint64_t dropped = 0;
    dmarc_row_encode(&bytes, row);
    rec_begin(&b, DMARC_ROW_VERSION);
    rec_put(&b, 'r', buf_slice(&bytes));
    lock_take(&ds->lock);
    if (rt_wall_seconds() / DMARC_DAY_S != ds->day) dropped = begin_generation(ds, &old);
    uint64_t n = count(ds, domain, id);
    if (n) { /* under the lock: a later note of this key has a higher count */
        struct slice object = ar_cat(a, SL("r:"), dmarc_day_text(a, ds->day * DMARC_DAY_S));
        struct slice key = ar_printf(a, "o/%.*s/%.*s.%s", SLF(domain), SLF(id), ds->gen);
        rec_put_u64(&b, 'n', n);
        kv_note_record(ds->conf.store->kv, object, key, &b);
        if (n == 1) put_policy(ds, a, object, domain, p, text);
    }
    lock_release(&ds->lock);
    end_generation(&old, dropped);
    buf_free(&bytes);
    buf_free(&b);
}

void dmarc_store_note(struct dmarc_store *ds, const struct ip *source, const struct mailauth_verdict *v)
{
    ASSERT(ds && source && v);
    struct arena a;
    struct dmarc_row row;
    struct dmarc_published p;
    if (!ds->conf.gather) return;
    ar_init(&a, 0);
    if (dmarc_row_of(&a, source, v, &row, &p) && p.domain.n && v->dmarc.record->text.n <= DMARC_TEXT_MAX)
        note_row(ds, &a, &row, &p, v->dmarc.record->text);
    ar_free(&a);
}

/* ---- open and close, rows ---- */

int dmarc_store_open(struct dmarc_store **out, const struct dmarc_store_conf *conf)
{
    ASSERT(conf->store);
    struct dmarc_store *ds = xcalloc(1, sizeof *ds);
    ds->conf = *conf;
    ds->conf.hostname = sl(ds->hostname, (size_t)snprintf(ds->hostname, sizeof ds->hostname, "%.*s",
                                                          SLF(sl_sub(conf->hostname, 0, 255))));
    struct map none;
    map_init(&ds->domains, false);
    begin_generation(ds, &none);
    forget(&none);
    int e = worker_new(&ds->reader, "dmarc", 1, dmarc_read_jobs, ds);
    if (e) free(ds);
    *out = e ? NULL : ds;
    return e;
}

void dmarc_store_close(struct dmarc_store **dsp)
{
    struct dmarc_store *ds = *dsp;
    if (!ds) return;
    worker_free(&ds->reader);
    forget(&ds->domains);
    free(ds);
    *dsp = NULL;
}

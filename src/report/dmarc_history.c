/* dmarc_history.c - the reports that were kept: read, summed up, and forgotten in the end. */
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "dmarc_store_i.h"
#include "kv/record.h"
#include "store/store.h"

enum { LINES_MAX = 10000, REPORTERS_MAX = 8, PAGE = 200, CHUNKS_MOST = 1000 };

void dmarc_kept_put(struct buf *b, const struct dmarc_kept *k)
{
    rec_begin(b, DMARC_ROW_VERSION);
    rec_opt(b, 'o', k->org);
    rec_opt(b, 'm', k->email);
    rec_opt(b, 'i', sl_sub(k->report_id, 0, 1000));
    rec_opt(b, 'w', k->author);
    rec_opt(b, 'l', k->letter);
    rec_put_u64(b, 'b', (uint64_t)k->begin);
    rec_put_u64(b, 'e', (uint64_t)k->end);
    rec_put_u64(b, 't', (uint64_t)k->taken);
    rec_opt_u64(b, 'n', k->messages);
    rec_opt_u64(b, 'p', k->passing);
    rec_opt_u64(b, 'x', k->more);
    rec_opt_u64(b, 's', k->bytes);
    rec_opt_u64(b, 'c', k->chunks);
}

static int dmarc_kept_get(struct slice value, struct dmarc_kept *k)
{
    struct rec r;
    int e = rec_open(&r, value, DMARC_ROW_VERSION);
    *k = (struct dmarc_kept){0};
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'o': k->org = r.field; break;
        case 'm': k->email = r.field; break;
        case 'i': k->report_id = r.field; break;
        case 'w': k->author = r.field; break;
        case 'l': k->letter = r.field; break;
        case 'b': k->begin = (int64_t)rec_u64(&r); break;
        case 'e': k->end = (int64_t)rec_u64(&r); break;
        case 't': k->taken = (int64_t)rec_u64(&r); break;
        case 'n': k->messages = rec_u64(&r); break;
        case 'p': k->passing = rec_u64(&r); break;
        case 'x': k->more = rec_u64(&r); break;
        case 's': k->bytes = rec_u64(&r); break;
        case 'c': k->chunks = rec_u64(&r); break;
        }
    return e ? e : rec_error(&r);
}

int64_t dmarc_tx_number(struct kv_tx *tx, struct slice key)
{
    struct slice v;
    struct rec r;
    uint64_t n = 0;
    if (kv_tx_get(tx, key, &v) != 0 || rec_open(&r, v, DMARC_ROW_VERSION) != 0) return 0;
    while (rec_next(&r))
        if (r.tag == 'n') n = rec_u64(&r);
    return (int64_t)n;
}

void dmarc_tx_add(struct kv_tx *tx, struct slice key, int64_t by)
{
    int64_t n = dmarc_tx_number(tx, key) + by;
    struct buf b = BUF_INIT;
    rec_begin(&b, DMARC_ROW_VERSION);
    rec_put_u64(&b, 'n', n > 0 ? (uint64_t)n : 0);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
}

/* ---- reading ---- */

struct reading {
    struct kv *kv;
    struct arena *a;
    struct slice object;
    int64_t since;
    struct dmarc_history *out;
    struct map lines; /* what makes a line -> struct dmarc_line */
    struct dmarc_line **line;
    size_t n, cap;
};

static struct dmarc_line *line_of(struct reading *r, struct arena *tmp, const struct dmarc_row *row)
{
    char ip[IP_TEXT_MAX];
    struct slice key = ar_printf(tmp, "%s %d %d %d %.*s", ip_format(&row->source, ip), (int)row->disposition,
                                 row->dkim_aligned, row->spf_aligned, SLF(row->header_from));
    struct dmarc_line *l = map_get(&r->lines, key);
    if (l || r->n >= LINES_MAX) return l;
    l = ar_new(r->a, struct dmarc_line);
    *l = (struct dmarc_line){.source = row->source,
                             .header_from = ar_lower(r->a, row->header_from),
                             .disposition = row->disposition,
                             .dkim = row->dkim_aligned,
                             .spf = row->spf_aligned};
    l->reporter = ar_array(r->a, struct slice, REPORTERS_MAX);
    map_put(&r->lines, key, l);
    if (r->n == r->cap) r->line = ar_grow(r->a, r->line, &r->cap, sizeof *r->line);
    return r->line[r->n++] = l;
}

static void add_reporter(struct reading *r, struct dmarc_line *l, struct slice name)
{
    for (size_t i = 0; i < l->nreporter; i++)
        if (sl_eq(l->reporter[i], name)) return;
    if (l->nreporter < REPORTERS_MAX) l->reporter[l->nreporter++] = ar_dup(r->a, name);
}

static void read_chunk(struct reading *r, struct arena *tmp, struct slice value, struct slice reporter)
{
    struct rec rec;
    struct dmarc_row row;
    if (rec_open(&rec, value, DMARC_ROW_VERSION) != 0) return;
    while (rec_next(&rec)) {
        if (rec.tag != 'r' || dmarc_row_decode(rec.field, &row) != 0) continue;
        struct dmarc_line *l = line_of(r, tmp, &row);
        if (!l) {
            r->out->not_listed += row.count;
            continue;
        }
        l->count += row.count;
        add_reporter(r, l, reporter);
    }
}

static int read_report(struct reading *r, struct slice key, const struct dmarc_kept *k)
{
    struct arena a;
    struct dmarc_history *h = r->out;
    int e = 0;
    h->reports++;
    h->passing += k->passing;
    h->failing += k->messages - k->passing;
    h->not_listed += k->more;
    if (!h->first || k->begin < h->first) h->first = k->begin;
    if (k->end > h->last) h->last = k->end;
    ar_init(&a, 0);
    for (uint64_t i = 0; !e && i < k->chunks && i < CHUNKS_MOST; i++) {
        struct slice value, at = ar_printf(&a, "c%.*s/%03u", SLF(sl_from(key, 1)), (unsigned)i);
        e = kv_get(r->kv, r->object, at, &a, &value);
        if (!e) read_chunk(r, &a, value, k->author);
        if (e == ERR_NOT_FOUND) e = 0; /* forgotten since */
        fiber_breathe();
    }
    ar_free(&a);
    return e;
}

static int read_page(struct reading *r, const struct kv_page *page)
{
    int e = 0;
    for (size_t i = 0; !e && i < page->n; i++) {
        struct dmarc_kept k;
        if (dmarc_kept_get(page->row[i].value, &k) != 0 || k.end < r->since || k.passing > k.messages)
            continue;
        if (k.author.n) e = read_report(r, page->row[i].key, &k);
        else r->out->unproved++; /* anybody could have written it */
    }
    return e;
}

static int by_count(const void *x, const void *y)
{
    const struct dmarc_line *a = x, *b = y;
    if (a->count != b->count) return a->count < b->count ? 1 : -1;
    int c = memcmp(&a->source, &b->source, sizeof a->source); /* bytes only: no padding */
    return c ? c : sl_cmp(a->header_from, b->header_from);
}

int dmarc_store_read(struct dmarc_store *ds, struct arena *a, struct slice domain, int64_t since,
                     struct dmarc_history *out)
{
    struct domain d;
    struct arena pages;
    struct kv_page page = {.more = true};
    *out = (struct dmarc_history){0};
    int e = domain_get(ds->conf.store->directory, a, domain, &d);
    if (e) return e;
    struct reading r = {
        .kv = ds->conf.store->kv, .a = a, .object = dmarc_in_object(a, d.name), .since = since, .out = out};
    map_init(&r.lines, true);
    ar_init(&pages, 0);
    struct slice from = ar_cat(a, SL("h/"), dmarc_day_text(a, since > 0 ? since : 0));
    while (!e && page.more) {
        ar_reset(&pages);
        e = kv_scan(r.kv, r.object, from, SL("h0"), PAGE, &pages, &page);
        if (!e) e = read_page(&r, &page);
        if (!e && page.n) from = kv_after(a, page.row[page.n - 1].key);
    }
    ar_free(&pages);
    map_free(&r.lines);
    out->line = ar_array(a, struct dmarc_line, r.n);
    for (size_t i = 0; i < r.n; i++) out->line[i] = *r.line[i];
    out->n = r.n;
    if (r.n) qsort(out->line, r.n, sizeof *out->line, by_count);
    return e;
}

/* ---- forgetting ---- */

struct forgetting {
    const struct kv_row *row;
    size_t n;
};

/* Heads with their chunks, and the counts. */
static int forget_tx(struct kv_tx *tx, void *arg)
{
    const struct forgetting *f = arg;
    struct arena a = {0};
    int64_t proved = 0, unproved = 0;
    for (size_t i = 0; i < f->n; i++) {
        struct dmarc_kept k;
        struct slice now;
        if (kv_tx_get(tx, f->row[i].key, &now) != 0) continue; /* it ran before */
        if (dmarc_kept_get(now, &k) == 0) {
            for (uint64_t c = 0; c < k.chunks && c < CHUNKS_MOST; c++)
                kv_tx_del(tx, ar_printf(&a, "c%.*s/%03u", SLF(sl_from(f->row[i].key, 1)), (unsigned)c));
            if (k.author.n) proved++;
            else unproved++;
        }
        kv_tx_del(tx, f->row[i].key);
    }
    if (proved) dmarc_tx_add(tx, SL("np"), -proved);
    if (unproved) dmarc_tx_add(tx, SL("nu"), -unproved);
    ar_free(&a);
    return 0;
}

static int forget_heads(struct dmarc_store *ds, struct slice object, struct slice until)
{
    struct arena a;
    struct kv_page page = {.more = true};
    int e = 0;
    ar_init(&a, 0);
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan(ds->conf.store->kv, object, SL("h/"), until, PAGE, &a, &page);
        if (e || !page.n) break;
        struct forgetting f = {page.row, page.n};
        e = kv_transact(ds->conf.store->kv, object, forget_tx, &f);
    }
    ar_free(&a);
    return e;
}

struct expiring {
    struct dmarc_store *ds;
    struct slice heads, words; /* up to these keys */
};

static int expire_one(void *arg, struct slice object)
{
    const struct expiring *x = arg;
    int e = forget_heads(x->ds, object, x->heads);
    if (!e) e = kv_erase(x->ds->conf.store->kv, object, SL("w/"), x->words);
    return kv_passed_over(object, "rid of old reports", e);
}

int dmarc_store_expire(struct dmarc_store *ds)
{
    struct arena a;
    ar_init(&a, 0);
    struct slice day = dmarc_day_text(&a, rt_wall_seconds() - DMARC_KEEP_DAYS * (int64_t)DMARC_DAY_S);
    struct expiring x = {ds, ar_cat(&a, SL("h/"), day), ar_cat(&a, SL("w/"), day)};
    int e = kv_each_object(ds->conf.store->kv, SL("r:in:"), SL("r:in;"), expire_one, &x);
    ar_free(&a);
    return e;
}

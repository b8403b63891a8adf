/* dmarc_rows.c - the rows of one report: from the index, their generations summed up, to XML. */
#include "base/log.h"
#include "dmarc_send_i.h"
#include "kv/record.h"
#include "store/store.h"

enum { ROWS_PAGE = 500, XML_ROOM = 64 * 1024 };

/* "o/<domain>/<row>.<generation>": is it one of ours? */
static bool covered(const struct sending *s, struct slice key, struct slice *row)
{
    struct slice rest = sl_from(key, 3 + s->domain.n);
    if (rest.n != DMARC_ROWKEY_LEN + 1 + DMARC_GEN_LEN) return false;
    *row = sl_sub(rest, 0, DMARC_ROWKEY_LEN);
    return sl_cmp(sl_from(rest, DMARC_ROWKEY_LEN + 1), s->promise.before) < 0;
}

typedef int row_fn(struct sending *s, const struct kv_row *row, size_t n, void *arg);

/* Covered rows, page by page, in the order of their keys: the same row's generations are neighbours. */
static int each_page(struct sending *s, row_fn *fn, void *arg)
{
    struct kv *kv = s->ds->conf.store->kv;
    struct arena a, b;
    struct kv_page page = {.more = true};
    ar_init(&a, 0);
    ar_init(&b, 0);
    struct slice from = ar_printf(s->a, "o/%.*s/", SLF(s->domain)), to = kv_prefix_end(s->a, from), id;
    int e = 0;
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan(kv, s->object, from, to, ROWS_PAGE, &a, &page);
        if (e || !page.n) break;
        size_t n = 0;
        ar_reset(&b);
        from = kv_after(&b, page.row[page.n - 1].key);
        for (size_t i = 0; i < page.n; i++)
            if (covered(s, page.row[i].key, &id)) page.row[n++] = page.row[i];
        e = n ? fn(s, page.row, n, arg) : 0;
        fiber_breathe();
    }
    ar_free(&a);
    ar_free(&b);
    return e;
}

struct merging {
    char id[DMARC_ROWKEY_LEN + 1];
    struct buf bytes; /* the encoded row at hand */
    uint64_t count;
};

static void write_row(struct sending *s, struct merging *m)
{
    struct dmarc_row row;
    if (!m->count) return;
    if (s->rows >= DMARC_REPORT_ROWS_MAX || s->xml.n + XML_ROOM > DMARC_XML_MAX ||
        dmarc_row_decode(buf_slice(&m->bytes), &row) != 0) {
        s->left_out++;
    } else {
        row.count = m->count;
        dmarc_xml_row(&s->xml, &row);
        s->rows++;
    }
    m->count = 0;
}

static int merge_page(struct sending *s, const struct kv_row *row, size_t n, void *arg)
{
    struct merging *m = arg;
    for (size_t i = 0; i < n; i++) {
        struct slice id = {0}, bytes = {0};
        uint64_t count = 0;
        struct rec r;
        if (!covered(s, row[i].key, &id) || rec_open(&r, row[i].value, DMARC_ROW_VERSION) != 0) continue;
        while (rec_next(&r)) {
            if (r.tag == 'r') bytes = r.field;
            if (r.tag == 'n') count = rec_u64(&r);
        }
        if (rec_error(&r) != 0) continue;
        if (!sl_eq(id, sl_cstr(m->id))) {
            write_row(s, m);
            memcpy(m->id, id.p, DMARC_ROWKEY_LEN);
            buf_clear(&m->bytes);
            buf_put(&m->bytes, bytes);
        }
        m->count += count;
    }
    return 0;
}

static int zip(void *arg)
{
    struct sending *s = arg;
    return dmarc_gzip(&s->gzip, buf_slice(&s->xml));
}

int dmarc_rows_report(struct sending *s)
{
    const struct promise *p = &s->promise;
    struct merging m = {0};
    s->report_id = dmarc_report_id(s->a, s->published.domain, s->ds->conf.hostname, p->begin, p->end);
    struct dmarc_report_meta meta = {
        .org_name = s->round->from_domain,
        .email = ar_cat(s->a, SL("postmaster@"), s->round->from_domain),
        .report_id = s->report_id,
        .begin = p->begin,
        .end = p->end,
        .generator = SL("Tram"),
    };
    buf_init(&s->gzip, DMARC_PACKED_MAX);
    dmarc_xml_begin(&s->xml, &meta, &s->published);
    int e = each_page(s, merge_page, &m);
    write_row(s, &m);
    dmarc_xml_end(&s->xml);
    buf_free(&m.bytes);
    if (s->left_out)
        log_warn("dmarc", "%zu rows are missing in the report to %.*s: it is full", s->left_out,
                 SLF(s->published.domain));
    return e || !s->rows ? e : offload_on(POOL_CARE, zip, s);
}

static int delete_page(struct sending *s, const struct kv_row *row, size_t n, void *arg)
{
    struct slice key[ROWS_PAGE];
    (void)arg;
    for (size_t i = 0; i < n; i++) key[i] = row[i].key;
    return dmarc_delete(s->ds->conf.store, s->object, key, n);
}

int dmarc_rows_delete(struct sending *s) { return each_page(s, delete_page, NULL); }

static int any_row(struct sending *s, const struct kv_row *row, size_t n, void *arg)
{
    (void)s, (void)row, (void)n, (void)arg;
    return 1;
}

int dmarc_rows_any(struct sending *s)
{
    struct slice before = s->promise.before;
    s->promise.before = s->round->cut;
    int e = each_page(s, any_row, NULL);
    s->promise.before = before;
    return e;
}

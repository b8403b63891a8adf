/* tlsrpt_keep.c - TLS reports about our domains that came in: read, kept, summed up, forgotten. */
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "dmarc_report.h"
#include "dmarc_store_i.h"
#include "kv/record.h"
#include "mail/mime.h"
#include "store/store.h"
#include "tlsrpt_i.h"

enum {
    ROW_MAX = 60000,
    FUTURE_S = 2 * TLSRPT_DAY_S,
    OLDEST_DAYS = 30,
    LINES_MAX = 1000,
    REPORTERS_MAX = 20,
    PAGE = 50
};

/* ---- the letter ---- */

static bool looks_like_tlsrpt(struct arena *a, const struct mime_part *p)
{
    if (sl_eqi(p->subtype, SL("tlsrpt+gzip")) || sl_eqi(p->subtype, SL("tlsrpt+json"))) return true;
    struct slice name = mime_param_get(a, p->disposition ? p->disposition->param : NULL,
                                       p->disposition ? p->disposition->n : 0, SL("filename"));
    return sl_endsi(name, SL(".json.gz")) || sl_endsi(name, SL(".json"));
}

struct opening {
    struct arena *a;
    struct slice letter;
    struct tlsrpt_report report;
};

/* On a thread: what a stranger packed costs nobody else's time. */
static int open_report(void *arg)
{
    struct opening *o = arg;
    struct buf json = BUF_INIT;
    buf_init(&json, TLSRPT_JSON_MAX + 1);
    int e = report_in_message(o->a, o->letter, looks_like_tlsrpt, &json);
    if (!e) e = tlsrpt_parse(o->a, buf_slice(&json), &o->report);
    buf_free(&json);
    return e;
}

/* ---- keeping ---- */

static void put_failures(struct buf *b, const struct tlsrpt_report *r)
{
    struct buf one = BUF_INIT;
    for (size_t i = 0; i < r->n; i++) {
        const struct tlsrpt_failure *f = &r->failure[i];
        rec_begin(&one, TLSRPT_VERSION);
        rec_put(&one, 'r', f->result);
        rec_opt(&one, 'k', f->kind);
        rec_opt(&one, 'h', f->host);
        rec_opt(&one, 'w', f->reason);
        rec_opt(&one, 'l', f->sender);
        rec_put_u64(&one, 'n', f->count);
        if (b->n + one.n + 4 > ROW_MAX) break;
        rec_put(b, 'f', buf_slice(&one));
    }
    buf_free(&one);
}

struct keeping {
    struct slice key, reporter;
    struct buf *record;
    bool before;
};

static int keep_tx(struct kv_tx *tx, void *arg)
{
    struct keeping *k = arg;
    struct slice old;
    k->before = kv_tx_get(tx, k->key, &old) == 0;
    if (k->before) return 0;
    int64_t all = dmarc_tx_number(tx, SL("n")), of_one = dmarc_tx_number(tx, k->reporter);
    if (all >= TLSRPT_IN_REPORTS || of_one >= TLSRPT_IN_OF_ONE)
        return err_set(ERR_LIMIT,
                       "%lld reports are kept for the domain already, %lld of this reporter and day",
                       (long long)all, (long long)of_one);
    kv_tx_put_record(tx, k->key, k->record);
    dmarc_tx_add(tx, SL("n"), 1);
    dmarc_tx_add(tx, k->reporter, 1);
    return 0;
}

static struct slice object_of(struct arena *a, struct slice domain)
{
    return ar_cat(a, SL("rt:in:"), hash_name(a, domain));
}

static struct slice key_of(struct arena *a, const struct tlsrpt_report *r, struct slice author)
{
    uint8_t digest[HASH_MAX];
    struct buf hex = BUF_INIT;
    hash_once(HASH_SHA256, ar_printf(a, "%.*s\n%.*s", SLF(author), SLF(r->id)), digest);
    hex_encode(&hex, sl(digest, 16));
    struct slice key = ar_printf(a, "h/%.*s/%.*s", SLF(dmarc_day_text(a, r->end)), SLF(buf_slice(&hex)));
    buf_free(&hex);
    return key;
}

static int keep(struct tlsrpt *t, struct arena *a, const struct tlsrpt_report *r, struct slice id,
                struct slice author)
{
    bool here = false;
    struct buf b = BUF_INIT;
    int64_t now = rt_wall_seconds();
    int e = domain_is_local(t->conf.store->directory, r->domain, &here);
    if (!e && !here) e = err_set(ERR_NOT_FOUND, "%.*s is no domain of ours", SLF(r->domain));
    if (!e &&
        (r->end < r->begin || r->end > now + FUTURE_S || r->end < now - OLDEST_DAYS * (int64_t)TLSRPT_DAY_S))
        e = err_set(ERR_SYNTAX, "its period is impossible, or too long ago");
    if (e) return e;
    rec_begin(&b, TLSRPT_VERSION);
    rec_opt(&b, 'o', sl_sub(r->org, 0, 255));
    rec_opt(&b, 'm', sl_sub(r->contact, 0, 255));
    rec_put(&b, 'i', r->id);
    rec_put(&b, 'w', author);
    rec_put(&b, 'l', id);
    rec_put_u64(&b, 'b', (uint64_t)r->begin);
    rec_put_u64(&b, 'e', (uint64_t)r->end);
    rec_put_u64(&b, 't', (uint64_t)now);
    rec_put_u64(&b, 'g', r->good);
    rec_put_u64(&b, 'x', r->bad);
    put_failures(&b, r);
    struct keeping k = {.key = key_of(a, r, author), .record = &b};
    k.reporter = ar_printf(a, "w/%.*s/%.*s", SLF(dmarc_day_text(a, r->end)), SLF(hash_name(a, author)));
    e = kv_transact(t->conf.store->kv, object_of(a, r->domain), keep_tx, &k);
    buf_free(&b);
    return !e && k.before ? err_set(ERR_EXISTS, "the report was kept before") : e;
}

static int take(struct tlsrpt *t, struct arena *a, const struct letter_id *id, const struct body_ref *body,
                struct slice author)
{
    struct opening o = {.a = a};
    if (!author.n) return err_set(ERR_DENIED, "nothing proves who sent it");
    if (body_ref_size(body) > 2 * (uint64_t)TLSRPT_PACKED_MAX)
        return err_set(ERR_LIMIT, "the letter is too large for a report");
    int e = body_get(t->conf.store->body, body, 2 * (size_t)TLSRPT_PACKED_MAX, a, &o.letter);
    if (!e) e = offload_on(POOL_CARE, open_report, &o);
    return e ? e : keep(t, a, &o.report, sl_cstr(id->s), ar_lower(a, author));
}

void tlsrpt_take(struct tlsrpt *t, const struct letter_id *id, const struct body_ref *body,
                 struct slice author)
{
    struct arena a = {0};
    int e = take(t, &a, id, body, author);
    if (e == ERR_EXISTS) log_debug("tlsrpt", "letter %s: %s", id->s, err_text(e));
    else if (e) log_warn("tlsrpt", "letter %s: its TLS report is not kept: %s", id->s, err_text(e));
    ar_free(&a);
}

/* ---- reading ---- */

struct reading {
    struct arena *a;
    int64_t since;
    struct tlsrpt_history *out;
    size_t bad;       /* rows that cannot be read */
    struct map lines; /* what makes a line -> struct tlsrpt_failure */
};

static void add_reporter(struct reading *r, struct slice name)
{
    struct tlsrpt_history *h = r->out;
    for (size_t i = 0; i < h->nreporter; i++)
        if (sl_eq(h->reporter[i], name)) return;
    if (h->nreporter < REPORTERS_MAX) h->reporter[h->nreporter++] = ar_dup(r->a, name);
}

static struct tlsrpt_failure *line_of(struct reading *r, const struct tlsrpt_failure *f)
{
    struct arena tmp = {0};
    struct slice key =
        ar_printf(&tmp, "%.*s %.*s %.*s %.*s", SLF(f->result), SLF(f->kind), SLF(f->host), SLF(f->reason));
    struct tlsrpt_failure *l = map_get(&r->lines, key);
    if (!l && r->out->n < LINES_MAX) {
        l = &r->out->failure[r->out->n++];
        *l = (struct tlsrpt_failure){.result = ar_dup(r->a, f->result),
                                     .kind = ar_dup(r->a, f->kind),
                                     .host = ar_dup(r->a, f->host),
                                     .reason = ar_dup(r->a, f->reason),
                                     .sender = ar_dup(r->a, f->sender)};
        map_put(&r->lines, key, l);
    }
    ar_free(&tmp);
    return l;
}

static void read_failure(struct reading *r, struct slice field)
{
    struct rec rec;
    struct tlsrpt_failure f = {0};
    if (rec_open(&rec, field, TLSRPT_VERSION) != 0) return;
    while (rec_next(&rec)) switch (rec.tag) {
        case 'r': f.result = rec.field; break;
        case 'k': f.kind = rec.field; break;
        case 'h': f.host = rec.field; break;
        case 'w': f.reason = rec.field; break;
        case 'l': f.sender = rec.field; break;
        case 'n': f.count = rec_u64(&rec); break;
        }
    struct tlsrpt_failure *l = rec_error(&rec) ? NULL : line_of(r, &f);
    if (l) l->count += f.count;
}

static void read_row(struct reading *r, struct slice value)
{
    struct rec rec;
    struct tlsrpt_history *h = r->out;
    struct slice org = {0}, author = {0};
    int64_t begin = 0, end = 0;
    uint64_t good = 0, bad = 0;
    int e = rec_open(&rec, value, TLSRPT_VERSION);
    while (!e && rec_next(&rec)) switch (rec.tag) {
        case 'o': org = rec.field; break;
        case 'w': author = rec.field; break;
        case 'b': begin = (int64_t)rec_u64(&rec); break;
        case 'e': end = (int64_t)rec_u64(&rec); break;
        case 'g': good = rec_u64(&rec); break;
        case 'x': bad = rec_u64(&rec); break;
        }
    if (!e) e = rec_error(&rec);
    r->bad += e != 0;
    if (e || end < r->since) return;
    h->reports++;
    h->good += good;
    h->bad += bad;
    if (!h->first || begin < h->first) h->first = begin;
    if (end > h->last) h->last = end;
    add_reporter(r, org.n ? org : author);
    if (rec_open(&rec, value, TLSRPT_VERSION) != 0) return;
    while (rec_next(&rec))
        if (rec.tag == 'f') read_failure(r, rec.field);
}

static int by_count(const void *x, const void *y)
{
    const struct tlsrpt_failure *a = x, *b = y;
    if (a->count != b->count) return a->count < b->count ? 1 : -1;
    int c = sl_cmp(a->result, b->result);
    return c ? c : sl_cmp(a->host, b->host);
}

int tlsrpt_read(struct tlsrpt *t, struct arena *a, struct slice domain, int64_t since,
                struct tlsrpt_history *out)
{
    struct domain d;
    struct arena pages = {0};
    struct kv_page page = {.more = true};
    struct reading r = {.a = a, .since = since, .out = out};
    *out = (struct tlsrpt_history){.reporter = ar_array(a, struct slice, REPORTERS_MAX),
                                   .failure = ar_array(a, struct tlsrpt_failure, LINES_MAX)};
    int e = domain_get(t->conf.store->directory, a, domain, &d);
    if (e) return e;
    map_init(&r.lines, false);
    struct slice from = ar_cat(a, SL("h/"), dmarc_day_text(a, since > 0 ? since : 0));
    while (!e && page.more) {
        ar_reset(&pages);
        e = kv_scan(t->conf.store->kv, object_of(a, d.name), from, SL("h0"), PAGE, &pages, &page);
        for (size_t i = 0; !e && i < page.n; i++) read_row(&r, page.row[i].value);
        if (!e && page.n) from = kv_after(a, page.row[page.n - 1].key);
        fiber_breathe();
    }
    ar_free(&pages);
    map_free(&r.lines);
    if (r.bad) log_warn("tlsrpt", "%zu of the reports kept about %.*s cannot be read", r.bad, SLF(d.name));
    if (out->n) qsort(out->failure, out->n, sizeof *out->failure, by_count);
    return e;
}

/* ---- forgetting ---- */

static int forget_tx(struct kv_tx *tx, void *arg)
{
    const struct kv_page *p = arg;
    struct slice now;
    int64_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (kv_tx_get(tx, p->row[i].key, &now) != 0) continue; /* it ran before */
        kv_tx_del(tx, p->row[i].key);
        n++;
    }
    if (n) dmarc_tx_add(tx, SL("n"), -n);
    return 0;
}

static int forget_before(struct tlsrpt *t, struct slice object, struct slice day)
{
    struct arena a = {0};
    struct kv_page page = {.more = true};
    struct slice until = ar_cat(&a, SL("h/"), day), from = ar_cat(&a, SL("w/"), day);
    int e = kv_erase(t->conf.store->kv, object, SL("w/"), from);
    while (!e && page.more) {
        struct arena rows = {0};
        e = kv_scan(t->conf.store->kv, object, SL("h/"), until, PAGE, &rows, &page);
        if (!e && page.n) e = kv_transact(t->conf.store->kv, object, forget_tx, &page);
        ar_free(&rows);
    }
    ar_free(&a);
    return e;
}

struct forgetting {
    struct tlsrpt *t;
    struct slice before; /* a day */
};

static int forget_one(void *arg, struct slice object)
{
    const struct forgetting *f = arg;
    return kv_passed_over(object, "rid of old reports", forget_before(f->t, object, f->before));
}

int tlsrpt_expire(struct tlsrpt *t)
{
    struct arena a = {0};
    struct forgetting f = {t,
                           dmarc_day_text(&a, rt_wall_seconds() - TLSRPT_KEEP_DAYS * (int64_t)TLSRPT_DAY_S)};
    int e = kv_each_object(t->conf.store->kv, SL("rt:in:"), SL("rt:in;"), forget_one, &f);
    ar_free(&a);
    return e;
}

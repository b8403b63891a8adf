/* dmarc_send.c - aggregate reports: one for each policy domain and period (RFC 9990).
 *
 * The order of the steps for one domain, each durable before the next:
 *   1. promise   row s/<domain>: the period, the letter's id, the chance in its file name, and
 *                which generations of rows it covers
 *   2. letters   accept_once() under names made of the promise's letter id and the address
 *   3. sent      the row says so
 *   4. rows      the covered rows are deleted; then the row says done
 * A crash after 1 repeats with the same rows, report id and file name (a report that is sent
 * again must have the same one), and 2 takes no letter twice; after 3 only rows are deleted. Were
 * the sending recorded before the letters, a crash would lose the report; were it not promised
 * before, a crash would send it twice under two names. */
#include <stdio.h>

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "dmarc_store_i.h"
#include "kv/record.h"
#include "mail/addr.h"
#include "mail/build.h"
#include "queue_i.h"
#include "signing.h"
#include "store/trace.h"

enum { GIVE_UP_DAYS = 3, ERASE_DAYS = 8, ROWS_PAGE = 500, XML_ROOM = 64 * 1024, AT_ONCE = 16 };
enum promise_state { PROMISE_NONE, PROMISE_MADE, PROMISE_SENT, PROMISE_DONE };

struct promise {
    enum promise_state state;
    int64_t begin, end, made;
    uint64_t random;
    struct letter_id id;
    struct slice before; /* generations below this one are covered */
};

struct round { /* one call of dmarc_store_send() */
    struct dmarc_store *ds;
    struct slice from_domain, cut; /* rows below this generation are reported: all of them are on the disk */
    bool now;
    int64_t today; /* its first second */
    struct dmarc_sent *sent;
    struct fmutex *building; /* many wait for the DNS at once, one report is in memory */
};

struct sending { /* one domain of one day */
    struct dmarc_store *ds;
    struct arena *a;
    const struct round *round;
    struct slice object, domain, key; /* domain as it stands in keys */
    int64_t day;                      /* its first second */
    bool over;
    struct dmarc_published published;
    struct dmarc_record record;
    struct promise promise;
    struct dmarc_destination to[DMARC_DESTINATIONS_MAX];
    int nto;
    struct slice report_id;
    struct buf xml, gzip;
    size_t rows, left_out;
};

/* ---- the promise ---- */

static int promise_get(struct sending *s)
{
    struct promise *p = &s->promise;
    struct slice row;
    struct rec r;
    int e = kv_get(s->ds->conf.store->kv, s->object, s->key, s->a, &row);
    if (e) return e == ERR_NOT_FOUND ? 0 : e;
    e = rec_open(&r, row, DMARC_ROW_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 's': p->state = (enum promise_state)(rec_u64(&r) & 3); break;
        case 'b': p->begin = (int64_t)rec_u64(&r); break;
        case 'e': p->end = (int64_t)rec_u64(&r); break;
        case 't': p->made = (int64_t)rec_u64(&r); break;
        case 'c': p->random = rec_u64(&r); break;
        case 'g': p->before = r.field; break;
        case 'l':
            if (letter_id_ok(r.field)) memcpy(p->id.s, r.field.p, LETTER_ID_LEN);
            break;
        }
    return e ? e : rec_error(&r);
}

struct promising {
    struct slice key, value, gone; /* gone: a key to delete, or empty */
};

static int promise_tx(struct kv_tx *tx, void *arg)
{
    const struct promising *p = arg;
    kv_tx_put(tx, p->key, p->value);
    if (p->gone.n) kv_tx_del(tx, p->gone);
    return 0;
}

static int promise_put(struct sending *s, enum promise_state state)
{
    struct promise *p = &s->promise;
    struct buf b = BUF_INIT;
    p->state = state;
    rec_begin(&b, DMARC_ROW_VERSION);
    rec_put_u64(&b, 's', (uint64_t)state);
    rec_put_u64(&b, 'b', (uint64_t)p->begin);
    rec_put_u64(&b, 'e', (uint64_t)p->end);
    rec_put_u64(&b, 't', (uint64_t)p->made);
    rec_put_u64(&b, 'c', p->random);
    rec_put(&b, 'g', p->before);
    rec_put(&b, 'l', sl_cstr(p->id.s));
    struct promising arg = {.key = s->key, .value = buf_slice(&b)};
    if (state == PROMISE_DONE && s->over) arg.gone = ar_cat(s->a, SL("p/"), s->domain);
    int e = kv_transact(s->ds->conf.store->kv, s->object, promise_tx, &arg);
    buf_free(&b);
    return e;
}

/* Periods do not overlap: the second report of a day begins where the first ended. */
static int promise_make(struct sending *s)
{
    struct promise *p = &s->promise;
    int64_t now = rt_wall_seconds(), begin = p->state == PROMISE_DONE ? p->end + 1 : s->day;
    int64_t end = s->over ? s->day + DMARC_DAY_S - 1 : now;
    *p = (struct promise){.begin = begin, .end = end > begin ? end : begin, .made = now};
    rt_random(&p->random, sizeof p->random);
    letter_id_new(&p->id);
    p->before = s->round->cut;
    return promise_put(s, PROMISE_MADE);
}

/* ---- the rows ---- */

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
    if (s->rows >= DMARC_REPORT_ROWS_MAX || s->xml.n + XML_ROOM > DMARC_XML_MAX || dmarc_row_decode(buf_slice(&m->bytes), &row) != 0) {
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

static int build(struct sending *s)
{
    const struct promise *p = &s->promise;
    struct merging m = {0};
    s->report_id = dmarc_report_id(s->a, s->published.domain, s->ds->conf.hostname, p->begin, p->end);
    struct dmarc_report_meta meta = {
        .org_name = s->round->from_domain, .email = ar_cat(s->a, SL("postmaster@"), s->round->from_domain), .report_id = s->report_id,
        .begin = p->begin, .end = p->end, .generator = SL("Tram"),
    };
    buf_init(&s->gzip, DMARC_PACKED_MAX);
    dmarc_xml_begin(&s->xml, &meta, &s->published);
    int e = each_page(s, merge_page, &m);
    write_row(s, &m);
    dmarc_xml_end(&s->xml);
    buf_free(&m.bytes);
    if (s->left_out) log_warn("dmarc", "%zu rows are missing in the report to %.*s: it is full", s->left_out, SLF(s->published.domain));
    return e || !s->rows ? e : offload(zip, s);
}

static int delete_page(struct sending *s, const struct kv_row *row, size_t n, void *arg)
{
    struct slice key[ROWS_PAGE];
    (void)arg;
    for (size_t i = 0; i < n; i++) key[i] = row[i].key;
    return dmarc_delete(s->ds->conf.store, s->object, key, n);
}

/* ---- the letters ---- */

/* The promise's letter id, with chance made of the address: a repetition has the same one. */
static struct letter_id letter_name(const struct promise *p, struct slice mailbox)
{
    struct letter_id id = p->id;
    uint32_t h = crc32c(crc32c(0, p->id.s, LETTER_ID_LEN), mailbox.p, mailbox.n);
    for (int i = LETTER_ID_LEN - 1; i >= 10; i--, h >>= 5) id.s[i] = "0123456789abcdefghijklmnopqrstuv"[h & 31];
    return id;
}

static int write_letter(struct sending *s, struct slice mailbox, struct slice from, struct slice *out)
{
    const struct promise *p = &s->promise;
    struct buf text = BUF_INIT;
    struct dmarc_mail m = {.from = from, .to = mailbox, .policy_domain = s->published.domain, .submitter = s->ds->conf.hostname,
                           .report_id = s->report_id, .begin = p->begin, .end = p->end, .date = p->made, .random = p->random,
                           .gzip = buf_slice(&s->gzip)};
    dmarc_report_message(&text, &m);
    struct slice plain = buf_slice(&text);
    int e = 0;
    *out = plain;
    if (s->ds->conf.signing) e = signing_letter(s->ds->conf.signing, s->a, s->round->from_domain, plain, out);
    if (!e && out->p == plain.p) *out = ar_dup(s->a, plain);
    buf_free(&text);
    return e;
}

static int hand_over(struct sending *s, struct slice mailbox, const struct routes *routes)
{
    struct store *store = s->ds->conf.store;
    /* A return path that exists, so that SPF passes too (RFC 5321 section 4.5.5 keeps the null path
     * for reports about delivery); nobody wants to hear that a report was not taken. */
    struct slice sender = ar_cat(s->a, SL("postmaster@"), s->round->from_domain), text;
    struct buf path = BUF_INIT;
    bool local = false;
    struct letter l = {.id = letter_name(&s->promise, mailbox), .sender = sender, .received = rt_wall_seconds(), .nrcpt = routes->n};
    l.rcpt = ar_array(s->a, struct letter_rcpt, routes->n);
    for (size_t i = 0; i < routes->n; i++) {
        l.rcpt[i] = (struct letter_rcpt){.address = mailbox, .route = routes->v[i], .notify = NOTIFY_NEVER};
        local |= routes->v[i].local;
    }
    int e = write_letter(s, mailbox, sender, &text);
    if (e) return e;
    if (local) {
        mail_return_path(&path, sender);
        l.skip = (uint32_t)path.n;
        text = ar_cat(s->a, buf_slice(&path), text);
        buf_free(&path);
    }
    size_t end = sl_find(text, SL("\r\n\r\n"));
    l.head_size = (uint32_t)(end == SL_NONE ? text.n : end + 4);
    l.subject = dmarc_report_subject(s->a, s->published.domain, s->ds->conf.hostname, s->report_id);
    e = body_put(store->body, accept_body_class(local), text, &l.body);
    if (e) return e;
    trace_addf(store, &l.id, TRACE_RECEIVED, SL(""), "made here: the DMARC report %.*s with %zu rows, for %.*s", SLF(s->report_id),
               s->rows, SLF(mailbox));
    e = accept_once(s->ds->conf.queue, &l);
    if (e) body_unpin(store->body, &l.body);
    return e;
}

/* Our own DMARC_REPORTS_LOCAL: the report goes where it would be kept, without a letter about
 * letters that would be reported again. */
static int keep_here(struct sending *s)
{
    int e = dmarc_intake(s->ds, buf_slice(&s->xml), true, SL(""), s->round->from_domain);
    if (e == ERR_EXISTS) e = 0;
    if (e && !err_is_temporary(e)) {
        log_warn("dmarc", "the report %.*s about our own domain is not kept: %s", SLF(s->report_id), err_text(e));
        return 0;
    }
    if (!e) s->round->sent->kept++;
    return e;
}

/* Temporary errors only. */
static int deliver(struct sending *s, const struct dmarc_destination *d)
{
    struct slice local, domain, own;
    struct routes routes = {0};
    if (d->max_bytes && s->gzip.n > d->max_bytes) { /* RFC 7489 section 6.2 */
        log_info("dmarc", "the report to %.*s has %zu bytes, it takes %llu: not sent", SLF(d->mailbox), s->gzip.n,
                 (unsigned long long)d->max_bytes);
        return 0;
    }
    bool here = false;
    int e = mail_addr_split(s->a, d->mailbox, &local, &domain);
    if (!e) e = domain_is_local(s->ds->conf.store, domain, &here);
    bool keeps = !e && here && sl_eqi(local, SL(DMARC_REPORTS_LOCAL));
    if (keeps && dmarc_own_domain(s->ds, s->a, s->published.domain, &own) == 0) return keep_here(s);
    if (!e) e = directory_resolve(s->ds->conf.store, s->a, local, domain, &routes);
    if (e == ERR_SYNTAX || e == ERR_TOO_LONG) return 0;
    if (e) return e;
    if (routes.result == RESOLVED_NOT_LOCAL) {
        routes.v = ar_new(s->a, struct route);
        routes.v->address = d->mailbox;
        routes.n = 1;
    } else if (routes.result != RESOLVED) {
        log_info("dmarc", "nobody here takes reports at %.*s", SLF(d->mailbox));
        return 0;
    }
    e = hand_over(s, d->mailbox, &routes);
    if (!e) s->round->sent->letters++;
    return e;
}

/* ---- one domain ---- */

/* 0 and nto destinations; ERR_DNS: not known now. */
static int destinations(struct sending *s)
{
    int n = dmarc_report_destinations(s->ds->conf.dns, s->a, s->published.domain, &s->record, s->to);
    if (n < 0) return n;
    bool last = rt_wall_seconds() > s->day + (1 + GIVE_UP_DAYS) * (int64_t)DMARC_DAY_S;
    for (int i = 0; i < n; i++) {
        if (s->to[i].allowed) {
            s->to[s->nto++] = s->to[i];
            continue;
        }
        if (s->to[i].temporary && !last) return err_set(ERR_DNS, "%.*s", SLF(s->to[i].why));
        log_info("dmarc", "no report about %.*s to %.*s: %.*s", SLF(s->published.domain), SLF(s->to[i].mailbox), SLF(s->to[i].why));
    }
    return 0;
}

static int tell(struct sending *s)
{
    int e = destinations(s);
    if (!e) e = fmutex_lock(s->round->building);
    if (e) return e;
    if (s->promise.state != PROMISE_MADE) e = promise_make(s);
    if (!e && s->nto) e = build(s);
    for (int i = 0; !e && i < s->nto && s->rows; i++) e = deliver(s, &s->to[i]);
    buf_free(&s->xml);
    buf_free(&s->gzip);
    fmutex_unlock(s->round->building);
    return e ? e : promise_put(s, PROMISE_SENT);
}

static int any_row(struct sending *s, const struct kv_row *row, size_t n, void *arg)
{
    (void)s, (void)row, (void)n, (void)arg;
    return 1;
}

/* Is there something that no report has covered? */
static int has_rows(struct sending *s)
{
    struct slice before = s->promise.before;
    s->promise.before = s->round->cut;
    int e = each_page(s, any_row, NULL);
    s->promise.before = before;
    return e;
}

static int read_policy(struct sending *s, struct slice value)
{
    struct rec r;
    struct slice published = {0}, text = {0};
    int e = rec_open(&r, value, DMARC_ROW_VERSION);
    while (!e && rec_next(&r)) {
        if (r.tag == 'p') published = r.field;
        if (r.tag == 't') text = r.field;
    }
    if (!e) e = rec_error(&r);
    if (!e) e = dmarc_published_decode(published, &s->published);
    return e ? e : dmarc_record_parse(s->a, text, &s->record);
}

static int send_domain(struct sending *s, struct slice policy)
{
    s->key = ar_cat(s->a, SL("s/"), s->domain);
    int e = promise_get(s);
    if (!e) e = read_policy(s, policy);
    if (e) return e;
    bool fresh = s->promise.state == PROMISE_NONE || s->promise.state == PROMISE_DONE;
    if (fresh) {
        e = has_rows(s);
        if (e < 0) return e;
        if (!e) { /* all is told */
            struct slice gone = ar_cat(s->a, SL("p/"), s->domain);
            return s->over ? dmarc_delete(s->ds->conf.store, s->object, &gone, 1) : 0;
        }
    }
    e = s->promise.state == PROMISE_SENT ? 0 : tell(s);
    if (!e) e = each_page(s, delete_page, NULL);
    if (!e) e = promise_put(s, PROMISE_DONE);
    if (!e) s->round->sent->domains++;
    return e;
}

static int domain_step(const struct round *r, struct slice object, int64_t day, const struct kv_row *row)
{
    struct arena a;
    ar_init(&a, 0);
    struct sending s = {.ds = r->ds, .a = &a, .round = r, .object = object, .domain = sl_from(row->key, 2), .day = day,
                        .over = day < r->today};
    int e = send_domain(&s, row->value);
    if (e && e != ERR_CANCELED) {
        r->sent->later++;
        log_info("dmarc", "the report about %.*s has to wait: %s", SLF(s.published.domain.n ? s.published.domain : s.domain), err_text(e));
    }
    ar_free(&a);
    return e == ERR_CANCELED ? e : 0;
}

/* ---- one day ---- */

static int erase(struct store *st, struct slice object)
{
    struct arena a;
    struct kv_page page = {.more = true};
    int e = 0;
    ar_init(&a, 0);
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_scan(st->kv, object, SL(""), SL(""), ROWS_PAGE, &a, &page);
        struct slice key[ROWS_PAGE];
        for (size_t i = 0; !e && i < page.n; i++) key[i] = page.row[i].key;
        if (!e) e = dmarc_delete(st, object, key, page.n);
    }
    ar_free(&a);
    return e;
}

/* Domains of one page, each fiber taking the next. */
struct page_work {
    const struct round *round;
    struct slice object;
    int64_t day;
    struct kv_page page;
    size_t next;
    int failed;
};

static void page_fiber(void *arg)
{
    struct page_work *w = arg;
    while (!w->failed && w->next < w->page.n) {
        int e = domain_step(w->round, w->object, w->day, &w->page.row[w->next++]);
        if (e) w->failed = e;
    }
}

static int send_page(struct page_work *w)
{
    struct group g;
    size_t fibers = 0;
    group_init(&g);
    w->next = 0;
    while (fibers < AT_ONCE && fibers < w->page.n && group_go(&g, "dmarc", page_fiber, w) == 0) fibers++;
    if (!fibers) return w->page.n ? err_set(ERR_BUSY, "there is no room for another fiber") : 0;
    int e = group_wait(&g);
    return e ? e : w->failed;
}

static int send_day(const struct round *r, struct slice object, int64_t day)
{
    struct arena a;
    struct page_work w = {.round = r, .object = object, .day = day, .page = {.more = true}};
    struct slice from = SL("p/");
    int e = 0;
    ar_init(&a, 0);
    while (!e && w.page.more) {
        e = kv_scan(r->ds->conf.store->kv, object, from, SL("p0"), 200, &a, &w.page);
        if (!e) e = send_page(&w);
        if (w.page.n) from = kv_after(&a, w.page.row[w.page.n - 1].key);
    }
    ar_free(&a);
    return e;
}

static bool day_of(struct slice object, int64_t *day)
{
    uint64_t n;
    if (object.n != 10 || !num_u64(sl_from(object, 2), 99991231, &n)) return false;
    struct civil c = {.year = (int)(n / 10000), .month = (int)(n / 100 % 100), .day = (int)(n % 100)};
    return civil_to_unix(&c, day);
}

static int send_all(const struct round *r, struct arena *a)
{
    struct store *store = r->ds->conf.store;
    struct slice *name, from = SL("r:0");
    size_t n;
    bool more = true;
    int64_t day;
    int e = dmarc_flush(store);
    while (!e && more) {
        e = kv_objects(store->kv, from, SL("r::"), 100, a, &name, &n, &more);
        for (size_t i = 0; !e && i < n; i++) {
            if (!day_of(name[i], &day) || (day >= r->today && !r->now)) continue;
            if (day + ERASE_DAYS * (int64_t)DMARC_DAY_S < r->today) e = erase(store, name[i]);
            else e = send_day(r, name[i], day);
        }
        if (n) from = kv_after(a, name[n - 1]);
        else more = false;
    }
    return e;
}

int dmarc_store_send(struct dmarc_store *ds, struct slice from_domain, bool now, struct dmarc_sent *out)
{
    struct arena a;
    char gen[DMARC_GEN_LEN + 1];
    int64_t day = rt_wall_seconds() / DMARC_DAY_S;
    *out = (struct dmarc_sent){0};
    lock_take(&ds->lock);
    bool busy = ds->sending, old_day = ds->day != day;
    ds->sending = true;
    lock_release(&ds->lock);
    if (busy) return err_set(ERR_BUSY, "DMARC reports are being sent at this moment");
    if (now || old_day) dmarc_store_rotate(ds);
    lock_take(&ds->lock);
    memcpy(gen, ds->gen, sizeof gen);
    lock_release(&ds->lock);
    ar_init(&a, 0);
    struct fmutex building;
    fmutex_init(&building);
    struct round r = {.building = &building, .ds = ds, .from_domain = ar_lower(&a, from_domain), .cut = sl_cstr(gen), .now = now,
                      .today = day * DMARC_DAY_S, .sent = out};
    int e = send_all(&r, &a);
    ar_free(&a);
    lock_take(&ds->lock);
    ds->sending = false;
    lock_release(&ds->lock);
    return e;
}

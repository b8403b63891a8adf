/* dmarc_send.c - aggregate reports: one for each policy domain and period (RFC 9990).
 *
 * The order of the steps for one domain, each durable before the next:
 *   1. promise   row s/<domain>: the period, the letter's id, the chance in its file name, and
 *                which generations of rows it covers
 *   2. letters   accepted under names made of the promise's letter id and the address
 *   3. sent      the row says so
 *   4. rows      the covered rows are deleted; then the row says done
 * A crash after 1 repeats with the same rows, report id and file name (a report that is sent
 * again must have the same one), and 2 takes no letter twice; after 3 only rows are deleted. Were
 * the sending recorded before the letters, a crash would lose the report; were it not promised
 * before, a crash would send it twice under two names. */
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "dmarc_send_i.h"
#include "kv/record.h"
#include "report_day.h"
#include "store/store.h"

enum { GIVE_UP_DAYS = 3, ERASE_DAYS = 8, AT_ONCE = 16 };

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
    struct slice key, gone; /* gone: a key to delete, or empty */
    struct buf *record;
};

static int promise_tx(struct kv_tx *tx, void *arg)
{
    const struct promising *p = arg;
    kv_tx_put_record(tx, p->key, p->record);
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
    struct promising arg = {.key = s->key, .record = &b};
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
        log_info("dmarc", "no report about %.*s to %.*s: %.*s", SLF(s->published.domain),
                 SLF(s->to[i].mailbox), SLF(s->to[i].why));
    }
    return 0;
}

static int tell(struct sending *s)
{
    int e = destinations(s);
    if (!e) e = fmutex_lock(s->round->building);
    if (e) return e;
    if (s->promise.state != PROMISE_MADE) e = promise_make(s);
    if (!e && s->nto) e = dmarc_rows_report(s);
    for (int i = 0; !e && i < s->nto && s->rows; i++) e = dmarc_letter(s, &s->to[i]);
    buf_free(&s->xml);
    buf_free(&s->gzip);
    fmutex_unlock(s->round->building);
    return e ? e : promise_put(s, PROMISE_SENT);
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
        e = dmarc_rows_any(s);
        if (e < 0) return e;
        if (!e) { /* all is told */
            struct slice gone = ar_cat(s->a, SL("p/"), s->domain);
            return s->over ? dmarc_delete(s->ds->conf.store, s->object, &gone, 1) : 0;
        }
    }
    e = s->promise.state == PROMISE_SENT ? 0 : tell(s);
    if (!e) e = dmarc_rows_delete(s);
    if (!e) e = promise_put(s, PROMISE_DONE);
    if (!e) s->round->sent->domains++;
    return e;
}

static int domain_step(const struct round *r, struct slice object, int64_t day, const struct kv_row *row)
{
    struct arena a;
    ar_init(&a, 0);
    struct sending s = {.ds = r->ds,
                        .a = &a,
                        .round = r,
                        .object = object,
                        .domain = sl_from(row->key, 2),
                        .day = day,
                        .over = day < r->today};
    int e = send_domain(&s, row->value);
    if (e && e != ERR_CANCELED) {
        r->sent->later++;
        log_info("dmarc", "the report about %.*s has to wait: %s",
                 SLF(s.published.domain.n ? s.published.domain : s.domain), err_text(e));
    }
    ar_free(&a);
    return e == ERR_CANCELED ? e : 0;
}

/* ---- one day ---- */

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

static int one_day(void *arg, struct slice object)
{
    const struct round *r = arg;
    struct kv *kv = r->ds->conf.store->kv;
    int64_t day;
    if (!report_day_of(object, SL("r:"), &day)) return 0;
    bool over = day + ERASE_DAYS * (int64_t)DMARC_DAY_S < r->today;
    bool stray = day > r->today + DMARC_DAY_S; /* no report tells of days to come */
    int e = stray ? kv_stray_day(kv, object, ERASE_DAYS * (int64_t)DMARC_DAY_S, &over) : 0;
    bool waits = !over && (stray || (day >= r->today && !r->now));
    if (!e && over) e = report_day_erase(kv, object, "DMARC reports");
    else if (!e && !waits) e = send_day(r, object, day);
    return kv_passed_over(object, "told in DMARC reports", e);
}

static int send_all(struct round *r)
{
    struct store *store = r->ds->conf.store;
    int e = dmarc_flush(store);
    return e ? e : kv_each_object(store->kv, SL("r:0"), SL("r::"), one_day, r);
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
    struct round r = {.building = &building,
                      .ds = ds,
                      .from_domain = ar_lower(&a, from_domain),
                      .cut = sl_cstr(gen),
                      .now = now,
                      .today = day * DMARC_DAY_S,
                      .sent = out};
    int e = send_all(&r);
    ar_free(&a);
    lock_take(&ds->lock);
    ds->sending = false;
    lock_release(&ds->lock);
    return e;
}

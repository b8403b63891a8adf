/* dmarc_intake.c - reports about our domains that came in: unpacked and parsed on a thread of its
 * own, one at a time (hostile ones cost that thread and the memory of one report), then kept. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "crypto/crypto.h"
#include "dmarc_store_i.h"
#include "kv/record.h"
#include "store/store.h"

enum {
    CHUNK_BYTES = 60000,
    CHUNKS_MAX = DMARC_IN_BYTES / CHUNK_BYTES + 2,
    FUTURE_S = 2 * DMARC_DAY_S,
    NAME_MAX_BYTES = 255
};

struct intake {
    struct job job;
    struct slice in;
    bool xml;
    struct arena a;
    struct dmarc_report report;
    struct dmarc_kept kept;
    struct slice chunk[CHUNKS_MAX];
    size_t chunks;
    int result;
    char why[ERR_TEXT_MAX];
};

/* ---- on the thread ---- */

static void end_chunk(struct intake *in, struct buf *b, size_t *rows)
{
    if (*rows) in->chunk[in->chunks++] = ar_dup(&in->a, buf_slice(b));
    rec_begin(b, DMARC_ROW_VERSION);
    *rows = 0;
}

static void pack_rows(struct intake *in)
{
    struct buf b = BUF_INIT, bytes = BUF_INIT;
    struct dmarc_kept *k = &in->kept;
    size_t rows = 0;
    rec_begin(&b, DMARC_ROW_VERSION);
    for (size_t i = 0; i < in->report.n; i++) {
        const struct dmarc_row *row = &in->report.row[i];
        k->messages += row->count;
        if (row->dkim_aligned || row->spf_aligned) k->passing += row->count;
        buf_clear(&bytes);
        dmarc_row_encode(&bytes, row);
        if (i >= DMARC_IN_ROWS || k->bytes + bytes.n > DMARC_IN_BYTES || bytes.n > DMARC_ROW_BYTES_MAX) {
            k->more += row->count;
            continue;
        }
        if (b.n + bytes.n + 4 > CHUNK_BYTES) end_chunk(in, &b, &rows);
        if (in->chunks + 1 >= CHUNKS_MAX) {
            k->more += row->count;
            continue;
        }
        rec_put(&b, 'r', buf_slice(&bytes));
        k->bytes += bytes.n;
        rows++;
    }
    end_chunk(in, &b, &rows);
    k->chunks = in->chunks;
    buf_free(&b);
    buf_free(&bytes);
}

enum { READING_MAX = 128 << 20 }; /* the rows of the longest report, twice, and its letter */

static int read_report(struct intake *in)
{
    struct buf xml = BUF_INIT;
    buf_init(&xml, DMARC_XML_MAX);
    int e = in->xml ? 0 : dmarc_report_in_message(&in->a, in->in, &xml);
    if (!e) e = dmarc_report_parse(&in->a, in->xml ? in->in : buf_slice(&xml), &in->report);
    buf_free(&xml);
    if (e) return e;
    const struct dmarc_report *r = &in->report;
    in->kept.org = sl_sub(r->org_name, 0, NAME_MAX_BYTES);
    in->kept.email = sl_sub(r->email, 0, NAME_MAX_BYTES);
    in->kept.report_id = r->report_id;
    in->kept.begin = r->begin;
    in->kept.end = r->end;
    pack_rows(in);
    return 0;
}

void dmarc_read_jobs(void *ctx, struct job *jobs)
{
    (void)ctx;
    for (struct job *j = jobs; j; j = j->next) {
        struct intake *in = (struct intake *)((char *)j - offsetof(struct intake, job));
        in->result = read_report(in);
        if (in->result) snprintf(in->why, sizeof in->why, "%s", err_text(in->result));
    }
}

/* ---- whom it concerns ---- */

int dmarc_own_domain(struct dmarc_store *ds, struct arena *a, struct slice domain, struct slice *out)
{
    bool here = false;
    int e = 0;
    *out = domain = ar_lower(a, domain);
    for (int labels = 0; domain.n && labels < 128; labels++) {
        e = domain_is_local(ds->conf.store->directory, domain, &here);
        if (e || here) break;
        size_t dot = sl_chr(domain, '.');
        domain = dot == SL_NONE ? SL("") : sl_from(domain, dot + 1);
    }
    if (e) return e;
    if (!here) return err_set(ERR_NOT_FOUND, "%.*s is no domain of ours", SLF(printable(a, *out, 100)));
    *out = domain;
    return 0;
}

/* ---- keeping ---- */

struct keeping {
    const struct intake *in;
    struct buf *head;
    struct slice head_key, chunk_prefix, reporter_key;
    bool before;
};

static int keep_tx(struct kv_tx *tx, void *arg)
{
    struct keeping *k = arg;
    struct slice old, counts = k->in->kept.author.n ? SL("np") : SL("nu");
    int64_t limit = k->in->kept.author.n ? DMARC_IN_REPORTS - DMARC_IN_UNPROVED : DMARC_IN_UNPROVED;
    struct arena a = {0};
    k->before = kv_tx_get(tx, k->head_key, &old) == 0;
    if (k->before) return 0;
    int64_t all = dmarc_tx_number(tx, counts),
            of_one = k->reporter_key.n ? dmarc_tx_number(tx, k->reporter_key) : 0;
    if (all >= limit)
        return err_set(ERR_LIMIT, "%lld reports are kept for the domain already", (long long)all);
    if (of_one >= DMARC_IN_OF_ONE)
        return err_set(ERR_LIMIT, "the reporter has sent %lld reports for this day already",
                       (long long)of_one);
    kv_tx_put_record(tx, k->head_key, k->head);
    for (size_t i = 0; i < k->in->chunks; i++)
        kv_tx_put(tx, ar_printf(&a, "%.*s/%03zu", SLF(k->chunk_prefix), i), k->in->chunk[i]);
    dmarc_tx_add(tx, counts, 1);
    if (k->reporter_key.n) dmarc_tx_add(tx, k->reporter_key, 1);
    ar_free(&a);
    return 0;
}

static struct slice digest_of(struct arena *a, struct slice reporter, struct slice report_id)
{
    uint8_t digest[HASH_MAX];
    struct buf hex = BUF_INIT;
    hash_once(HASH_SHA256, ar_printf(a, "%.*s\n%.*s", SLF(reporter), SLF(report_id)), digest);
    hex_encode(&hex, sl(digest, 16));
    struct slice s = ar_dup(a, buf_slice(&hex));
    buf_free(&hex);
    return s;
}

static int keep(struct dmarc_store *ds, struct intake *in)
{
    struct arena *a = &in->a;
    struct dmarc_kept *k = &in->kept;
    struct slice domain;
    int64_t now = rt_wall_seconds();
    int e = dmarc_own_domain(ds, a, in->report.published.domain, &domain);
    if (e) return e;
    if (k->end < k->begin || k->end > now + FUTURE_S ||
        k->end < now - DMARC_IN_OLDEST_DAYS * (int64_t)DMARC_DAY_S)
        return err_set(ERR_SYNTAX, "its period is impossible, or too long ago");
    k->taken = now;
    struct buf head = BUF_INIT;
    dmarc_kept_put(&head, k);
    struct slice day = dmarc_day_text(a, k->end);
    struct slice id = digest_of(a, k->author.n ? k->author : ar_cat(a, SL("?"), k->org), k->report_id);
    struct keeping arg = {.in = in,
                          .head = &head,
                          .head_key = ar_printf(a, "h/%.*s/%.*s", SLF(day), SLF(id)),
                          .chunk_prefix = ar_printf(a, "c/%.*s/%.*s", SLF(day), SLF(id))};
    if (k->author.n) arg.reporter_key = ar_printf(a, "w/%.*s/%.*s", SLF(day), SLF(hash_name(a, k->author)));
    e = kv_transact(ds->conf.store->kv, dmarc_in_object(a, domain), keep_tx, &arg);
    buf_free(&head);
    if (!e && arg.before)
        return err_set(ERR_EXISTS, "the report %.*s was kept before", SLF(printable(a, k->report_id, 100)));
    return e;
}

int dmarc_intake(struct dmarc_store *ds, struct slice message, bool xml, struct slice id, struct slice author)
{
    struct intake *in = xcalloc(1, sizeof *in);
    ar_init(&in->a, READING_MAX);
    in->in = message;
    in->xml = xml;
    in->kept.letter = id;
    worker_do(ds->reader, &in->job);
    in->kept.author = ar_lower(&in->a, author);
    int e = in->result ? err_set(in->result, "%s", in->why) : keep(ds, in);
    if (!e && in->report.skipped)
        log_info("dmarc", "%zu records of a report could not be understood", in->report.skipped);
    ar_free(&in->a);
    free(in);
    return e;
}

/* Few letters are in memory at a time; who waits long leaves. */
static int enter(struct dmarc_store *ds)
{
    int64_t until = DEADLINE_IN(30 * RT_S);
    for (;;) {
        lock_take(&ds->lock);
        bool room = ds->reading < DMARC_READ_AT_ONCE;
        if (room) ds->reading++;
        lock_release(&ds->lock);
        if (room) return 0;
        if (rt_now() > until) return err_set(ERR_BUSY, "too many reports came at once");
        int e = fiber_sleep(20 * RT_MS);
        if (e) return e;
    }
}

static void leave(struct dmarc_store *ds)
{
    lock_take(&ds->lock);
    ds->reading--;
    lock_release(&ds->lock);
}

static int take(struct dmarc_store *ds, const struct letter_id *id, const struct body_ref *body,
                struct slice author)
{
    struct arena a;
    struct slice message;
    if (body_ref_size(body) > 2 * (uint64_t)DMARC_PACKED_MAX)
        return err_set(ERR_LIMIT, "the letter is too large for a report");
    int e = enter(ds);
    if (e) return e;
    ar_init(&a, 0);
    e = body_get(ds->conf.store->body, body, 2 * (size_t)DMARC_PACKED_MAX, &a, &message);
    if (!e) e = dmarc_intake(ds, message, false, sl_cstr(id->s), author);
    ar_free(&a);
    leave(ds);
    return e;
}

void dmarc_store_take(struct dmarc_store *ds, const struct letter_id *id, const struct body_ref *body,
                      struct slice author)
{
    int e = take(ds, id, body, author);
    if (e == ERR_EXISTS) log_debug("dmarc", "letter %s: %s", id->s, err_text(e));
    else if (e) log_warn("dmarc", "letter %s: its DMARC report is not kept: %s", id->s, err_text(e));
}

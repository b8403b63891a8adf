/* store.c - opening and closing, and the names of letters. */
#include "store.h"

#include <stdlib.h>

#include "base/log.h"
#include "care_i.h"
#include "kv/record.h"
#include "store_i.h"

enum { STORE_FORMAT = 2 };

struct format_check {
    struct buf fresh;
    uint64_t found;
    bool damaged;
};

/* The first program to open a store writes the format; every later one checks it. */
static int check_format(struct kv_tx *tx, void *arg)
{
    struct format_check *c = arg;
    struct slice row;
    struct rec r;
    uint64_t format = 0;
    int e = kv_tx_get(tx, SL("format"), &row);
    if (e == ERR_NOT_FOUND) {
        kv_tx_put_record(tx, SL("format"), &c->fresh);
        return 0;
    }
    if (!e) e = rec_open(&r, row, 1);
    if (!e) {
        while (rec_next(&r))
            if (r.tag == 'f') format = rec_u64(&r);
        e = rec_error(&r);
    }
    c->found = format;
    c->damaged = e == ERR_CORRUPT; /* each row says its own version */
    return c->damaged ? 0 : e ? e : format == STORE_FORMAT ? 0 : ERR_VERSION;
}

int store_open(struct store **out, struct kv *kv, struct body_store *body)
{
    struct store *s = xcalloc(1, sizeof *s);
    s->kv = kv;
    s->body = body;
    s->expunged = expunged_new();
    struct format_check c = {.fresh = BUF_INIT};
    rec_begin(&c.fresh, 1);
    rec_put_u64(&c.fresh, 'f', STORE_FORMAT);
    int e = kv_transact(kv, SL("_store"), check_format, &c);
    if (e == ERR_VERSION)
        err_set(e, "the store has format %llu, this program knows %d: open it with the Tram that wrote it",
                (unsigned long long)c.found, STORE_FORMAT);
    buf_free(&c.fresh);
    if (!e && c.damaged) log_error("store", "the row format of the object _store is damaged");
    if (!e) e = loss_take_note(s);
    if (!e) e = directory_open(s);
    if (!e) e = trace_open(s);
    if (e) store_close(&s);
    *out = s;
    return e;
}

void store_close(struct store **sp)
{
    struct store *s = *sp;
    if (!s) return;
    trace_close(s);
    directory_close(s);
    expunged_free(s->expunged);
    store_sweep_forget(s);
    kv_close(&s->kv);
    body_close(&s->body);
    free(s);
    *sp = NULL;
}

/* ---- days that have not come ---- */

struct stray {
    int64_t now, keep_s;
    bool over;
};

static int stray_tx(struct kv_tx *tx, void *arg)
{
    struct stray *x = arg;
    struct slice row;
    struct rec r;
    int64_t seen = 0;
    int rc = kv_tx_get(tx, SL(STORE_STRAY), &row);
    if (rc == 0) rc = rec_open(&r, row, 1);
    while (rc == 0 && rec_next(&r))
        if (r.tag == 't') seen = (int64_t)rec_u64(&r);
    x->over = seen && seen <= x->now && x->now - seen > x->keep_s;
    if (seen && seen <= x->now) return 0;
    struct buf b = BUF_INIT;
    rec_begin(&b, 1);
    rec_put_u64(&b, 't', (uint64_t)x->now);
    kv_tx_put_record(tx, SL(STORE_STRAY), &b);
    buf_free(&b);
    return 0;
}

int store_stray_day(struct store *s, struct slice object, int64_t keep_s, bool *over)
{
    struct stray x = {.now = rt_wall_seconds(), .keep_s = keep_s};
    int rc = kv_transact(s->kv, object, stray_tx, &x);
    *over = rc == 0 && x.over;
    return rc;
}

/* 50 bits of microseconds since 2020 (they last until 2055) and 30 bits of chance,
 * five bits a character, so that ids sort by time. */
static const char base32hex[] = "0123456789abcdefghijklmnopqrstuv";
static const int64_t id_epoch = INT64_C(1577836800) * 1000000;

void letter_id_new(struct letter_id *out)
{
    int64_t wall = rt_wall() < id_epoch ? id_epoch : rt_wall(); /* a clock that stands before 2020 */
    uint64_t time = (uint64_t)(wall - id_epoch), chance;
    rt_random(&chance, sizeof chance);
    for (int i = 9; i >= 0; i--, time >>= 5) out->s[i] = base32hex[time & 31];
    for (int i = 15; i >= 10; i--, chance >>= 5) out->s[i] = base32hex[chance & 31];
    out->s[LETTER_ID_LEN] = 0;
}

void letter_id_floor(struct letter_id *out, int64_t wall_us)
{
    uint64_t time = wall_us < id_epoch ? 0 : (uint64_t)(wall_us - id_epoch);
    memset(out->s, '0', LETTER_ID_LEN);
    for (int i = 9; i >= 0; i--, time >>= 5) out->s[i] = base32hex[time & 31];
    out->s[LETTER_ID_LEN] = 0;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'v' ? c - 'a' + 10 : -1;
}

bool letter_id_ok(struct slice s)
{
    if (s.n != LETTER_ID_LEN) return false;
    for (size_t i = 0; i < s.n; i++)
        if (digit_of(s.p[i]) < 0) return false;
    return true;
}

int64_t letter_id_time(const struct letter_id *id)
{
    uint64_t time = 0;
    for (int i = 0; i < 10; i++) time = time << 5 | (unsigned)digit_of(id->s[i]);
    return ((int64_t)time + id_epoch) / 1000000;
}

/* audit.c - rows of the object _audit, whose keys are times. */
#include "audit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "kv/record.h"
#include "rt/rt.h"

#define OBJECT SL("_audit")

enum { VERSION = 1, PAGE = 500, TIME_DIGITS = 16 };

struct audit {
    struct kv *kv;
    int64_t keep_s;
    uint32_t since; /* acts since the last care, atomic */
    bool cared_for; /* by one at a time: what is cut is counted before; atomic */
    struct lock lock;
    int64_t day;      /* under the lock: of the refusals, */
    unsigned refused; /* that were noted on it */
};

void audit_open(struct audit **out, struct kv *kv, int64_t keep_s)
{
    struct audit *x = *out = xcalloc(1, sizeof *x);
    x->kv = kv;
    x->keep_s = keep_s;
    x->since = AUDIT_AHEAD / 2; /* what was there before a start is not counted yet */
}

void audit_close(struct audit **x)
{
    free(*x);
    *x = NULL;
}

static void make_record(const struct audit_act *act, struct buf *b)
{
    rec_begin(b, VERSION);
    rec_put(b, 'w', utf8_cut(act->who, AUDIT_WORDS));
    if (act->from.n) rec_put(b, 'i', act->from);
    rec_put(b, 'c', utf8_cut(act->what, AUDIT_WORDS));
    if (act->words.n) rec_put(b, 'a', utf8_cut(act->words, AUDIT_WORDS));
    if (act->error.n) rec_put(b, 'e', utf8_cut(act->error, AUDIT_WORDS));
    if (act->status != AUDIT_BEGUN) rec_put_u64(b, 's', (uint64_t)act->status + 1);
}

static int parse(struct slice key, struct slice row, struct audit_act *out)
{
    struct rec r;
    uint64_t t = 0, status = 0;
    *out = (struct audit_act){.status = AUDIT_BEGUN};
    if (!num_hex64(sl_sub(key, 0, TIME_DIGITS), &t)) return ERR_CORRUPT;
    out->time_us = (int64_t)t;
    int e = rec_open(&r, row, VERSION);
    if (e) return e;
    while (rec_next(&r)) switch (r.tag) {
        case 'w': out->who = r.field; break;
        case 'i': out->from = r.field; break;
        case 'c': out->what = r.field; break;
        case 'a': out->words = r.field; break;
        case 'e': out->error = r.field; break;
        case 's': status = rec_u64(&r); break;
        }
    out->status = status && status < INT32_MAX ? (int)status - 1 : AUDIT_BEGUN;
    return rec_error(&r);
}

struct putting {
    const char *id;
    struct buf row;
};

static int put_act(struct kv_tx *tx, void *arg)
{
    const struct putting *p = arg;
    kv_tx_put_record(tx, sl_cstr(p->id), &p->row);
    return 0;
}

int audit_begin(struct audit *x, struct audit_act *act, char id[AUDIT_ID + 1])
{
    uint32_t chance;
    struct putting p = {.id = id, .row = BUF_INIT};
    rt_random(&chance, sizeof chance);
    act->time_us = rt_wall();
    snprintf(id, AUDIT_ID + 1, "%016llx%08x", (unsigned long long)act->time_us, (unsigned)chance);
    if (__atomic_add_fetch(&x->since, 1, __ATOMIC_RELAXED) > AUDIT_AHEAD) {
        int e = audit_care(x);
        if (e) return e;
    }
    make_record(act, &p.row);
    int e = kv_transact(x->kv, OBJECT, put_act, &p);
    buf_free(&p.row);
    return e;
}

void audit_end(struct audit *x, const char *id, const struct audit_act *act)
{
    struct putting p = {.id = id, .row = BUF_INIT};
    make_record(act, &p.row);
    int e = kv_transact(x->kv, OBJECT, put_act, &p);
    if (e) log_error("audit", "how `%.*s` ended is not noted: %s", SLF(act->what), err_text(e));
    buf_free(&p.row);
}

/* ---- walking ---- */

typedef int row_fn(void *arg, struct slice key, struct slice value);

static int walk(struct audit *x, struct slice from, row_fn *each, void *arg)
{
    struct arena a, place;
    struct kv_page page = {.more = true};
    ar_init(&a, 0);
    ar_init(&place, 0);
    int e = 0;
    while (!e && page.more) {
        e = kv_walk(x->kv, OBJECT, from, SL(""), PAGE, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) e = each(arg, page.row[i].key, page.row[i].value);
        if (!e && page.n) {
            ar_reset(&place);
            from = kv_after(&place, page.row[page.n - 1].key);
        }
        ar_reset(&a);
    }
    ar_free(&a);
    ar_free(&place);
    return e;
}

struct telling {
    int (*each)(void *arg, const struct audit_act *act);
    void *arg;
};

static int tell(void *arg, struct slice key, struct slice value)
{
    const struct telling *t = arg;
    struct audit_act act;
    act.damaged = false;
    int e = parse(key, value, &act);
    if (e) act = (struct audit_act){.time_us = act.time_us, .status = AUDIT_BEGUN, .damaged = true};
    return t->each(t->arg, &act);
}

int audit_each(struct audit *x, int64_t since_us, int (*each)(void *arg, const struct audit_act *act),
               void *arg)
{
    char from[TIME_DIGITS + 1];
    struct telling t = {each, arg};
    snprintf(from, sizeof from, "%016llx", (unsigned long long)(since_us > 0 ? since_us : 0));
    return walk(x, sl_cstr(from), tell, &t);
}

/* ---- care ---- */

/* The clock at the time of an act is not judged: what it dated ahead goes when it is among the oldest. */
struct counting {
    char old[TIME_DIGITS + 1]; /* keys below are too old */
    size_t all, expired, at, cut;
    char last[AUDIT_ID + 1]; /* the last one to go */
};

static int count_row(void *arg, struct slice key, struct slice value)
{
    struct counting *c = arg;
    (void)value;
    c->all++;
    c->expired += sl_cmp(key, sl_cstr(c->old)) < 0;
    return 0;
}

static int find_cut(void *arg, struct slice key, struct slice value)
{
    struct counting *c = arg;
    (void)value;
    if (++c->at < c->cut) return 0;
    snprintf(c->last, sizeof c->last, "%.*s", SLF(key));
    return 1;
}

static int cut_off(struct audit *x)
{
    struct counting c = {0};
    struct arena a;
    int64_t old = rt_wall() - x->keep_s * 1000000;
    snprintf(c.old, sizeof c.old, "%016llx", (unsigned long long)(old > 0 ? old : 0));
    __atomic_store_n(&x->since, 0, __ATOMIC_RELAXED);
    int e = walk(x, SL(""), count_row, &c);
    c.cut = c.all > AUDIT_MOST && c.all - AUDIT_MOST > c.expired ? c.all - AUDIT_MOST : c.expired;
    if (e || !c.cut) return e;
    e = walk(x, SL(""), find_cut, &c);
    if (e != 1) return e;
    ar_init(&a, 0);
    e = kv_erase(x->kv, OBJECT, SL(""), kv_after(&a, sl_cstr(c.last)));
    ar_free(&a);
    return e;
}

bool audit_refusal_fits(struct audit *x)
{
    int64_t day = rt_wall_seconds() / 86400;
    lock_take(&x->lock);
    if (x->day != day) x->day = day, x->refused = 0;
    bool fits = x->refused < AUDIT_REFUSED_MOST;
    x->refused += fits;
    lock_release(&x->lock);
    return fits;
}

int audit_care(struct audit *x)
{
    if (__atomic_exchange_n(&x->cared_for, true, __ATOMIC_ACQ_REL)) return 0;
    int e = cut_off(x);
    __atomic_store_n(&x->cared_for, false, __ATOMIC_RELEASE);
    return e;
}

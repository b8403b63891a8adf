/* standing.c - bounces and complaints of an account in the last days (standing.h). */
#include "standing.h"

#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "numbers_i.h"
#include "simulator.h"

enum { ROW_VERSION = 1, DAY_S = 86400, ROWS = 100 };

struct day {
    uint64_t delivered, bounced, complained; /* people, but for delivered */
};

static int64_t today(void) { return rt_wall_seconds() / DAY_S; }

/* ---- rows ---- */

static int get_day(struct slice row, struct day *d)
{
    struct rec r;
    *d = (struct day){0};
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r)) switch (r.tag) {
        case 'd': d->delivered = rec_u64(&r); break;
        case 'b': d->bounced = rec_u64(&r); break;
        case 'c': d->complained = rec_u64(&r); break;
        }
    if (!e) e = rec_error(&r);
    if (e) *d = (struct day){0};
    return e;
}

static struct slice day_key(struct arena *a, int64_t day) { return ar_printf(a, "q/%06lld", (long long)day); }

/* What cannot be read of a day is lost, and it goes on from there. */
static int add_day(struct kv_tx *tx, struct arena *a, int64_t day, const struct day *more)
{
    struct slice row, key = day_key(a, day);
    struct day d = {0};
    struct buf b = BUF_INIT;
    int e = kv_tx_get(tx, key, &row);
    if (e && e != ERR_NOT_FOUND) return e;
    if (!e && get_day(row, &d) != 0)
        log_error("send", "the bounces and complaints %.*s of %.*s cannot be read: they begin anew", SLF(key),
                  SLF(kv_tx_object(tx)));
    rec_begin(&b, ROW_VERSION);
    rec_opt_u64(&b, 'd', d.delivered + more->delivered);
    rec_opt_u64(&b, 'b', d.bounced + more->bounced);
    rec_opt_u64(&b, 'c', d.complained + more->complained);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
    return 0;
}

/* Is it the first time in these days that it did that? Then it is noted. */
static bool is_first(struct kv_tx *tx, struct arena *a, char what, struct slice address, int64_t day)
{
    struct slice row, who = hash_name(a, ar_lower(a, address));
    int64_t now = today();
    for (int64_t d = now - STANDING_DAYS + 1; d <= now; d++)
        if (kv_tx_get(tx, ar_printf(a, "f/%06lld/%c/%.*s", (long long)d, what, SLF(who)), &row) == 0)
            return false;
    kv_tx_put(tx, ar_printf(a, "f/%06lld/%c/%.*s", (long long)day, what, SLF(who)), SL("1"));
    return true;
}

static void count_one(struct kv_tx *tx, struct arena *a, const struct event *e, int64_t day, struct day *to)
{
    bool bounced = (e->kind == EVENT_BOUNCED && !e->expired) || e->kind == EVENT_LATE_BOUNCE;
    to->delivered += e->kind == EVENT_DELIVERED;
    if (bounced) to->bounced += is_first(tx, a, 'b', e->address, day);
    if (e->kind == EVENT_COMPLAINT) to->complained += is_first(tx, a, 'c', e->address, day);
}

int standing_tx_count(struct sends *s, struct kv_tx *tx, const struct event *v, size_t n)
{
    struct day days[STANDING_DAYS] = {{0}};
    struct arena a = {0};
    int64_t now = today();
    int e = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t day = (int64_t)(v[i].at / 1000000 / DAY_S);
        enum simulated played;
        if (day > now || day <= now - STANDING_DAYS || !v[i].send.s[0]) continue;
        if (!simulator_is_address(s, v[i].address, &played)) count_one(tx, &a, &v[i], day, &days[now - day]);
    }
    for (int k = 0; !e && k < STANDING_DAYS; k++)
        if (days[k].delivered || days[k].bounced || days[k].complained)
            e = add_day(tx, &a, now - k, &days[k]);
    ar_free(&a);
    return e;
}

/* ---- asking ---- */

/* days: today first; those that will be over in so many days are left out. */
static bool is_bad(const struct day days[STANDING_DAYS], int later, struct day *sum)
{
    *sum = (struct day){0};
    for (int k = 0; k + later < STANDING_DAYS; k++) {
        sum->delivered += days[k].delivered;
        sum->bounced += days[k].bounced;
        sum->complained += days[k].complained;
    }
    uint64_t ends = sum->delivered + sum->bounced;
    return (ends >= STANDING_BOUNCES_LEAST && sum->bounced * 100 > ends * STANDING_BOUNCES_PERCENT) ||
           (sum->delivered >= STANDING_COMPLAINTS_LEAST &&
            sum->complained * 1000 > sum->delivered * STANDING_COMPLAINTS_MILLE);
}

static int refuse(const struct day *d, int64_t until)
{
    char when[CIVIL_TEXT_MAX];
    uint64_t ends = d->delivered + d->bounced;
    bool bounces = d->bounced * 100 > ends * STANDING_BOUNCES_PERCENT;
    return err_set(
        ERR_LIMIT,
        "bulk mail of this account is paused until %s: of %llu recipients of the last %d days %llu "
        "%s, more than %d of %d",
        civil_format(until, when), (unsigned long long)(bounces ? ends : d->delivered), STANDING_DAYS,
        (unsigned long long)(bounces ? d->bounced : d->complained), bounces ? "bounced" : "complained",
        bounces ? STANDING_BOUNCES_PERCENT : STANDING_COMPLAINTS_MILLE, bounces ? 100 : 1000);
}

static int read_days(struct sends *s, struct slice account, struct day days[STANDING_DAYS], int64_t now)
{
    struct arena a = {0};
    struct kv_page page = {0};
    int e = kv_scan(s->store->kv, numbers_object(account, &a), day_key(&a, now - STANDING_DAYS + 1), SL("q0"),
                    ROWS, &a, &page);
    for (size_t i = 0; !e && i < page.n; i++) {
        uint64_t day;
        if (!num_u64(sl_from(page.row[i].key, 2), INT64_MAX, &day)) continue;
        int64_t k = now - (int64_t)day;
        if (k < 0 || k >= STANDING_DAYS || get_day(page.row[i].value, &days[k]) == 0) continue;
        log_error("send", "the bounces and complaints %.*s of %.*s cannot be read", SLF(page.row[i].key),
                  SLF(account));
    }
    ar_free(&a);
    return e;
}

int standing_ask(struct sends *s, struct slice account, int64_t *until)
{
    struct day days[STANDING_DAYS] = {{0}}, sum, ignored;
    int64_t now = today();
    int later = 1;
    *until = 0;
    int e = read_days(s, account, days, now);
    if (e || !is_bad(days, 0, &sum)) return e;
    while (later < STANDING_DAYS && is_bad(days, later, &ignored)) later++;
    *until = (now + later) * DAY_S;
    return refuse(&sum, *until);
}

int standing_pardon(struct sends *s, struct slice account)
{
    struct arena a = {0};
    struct slice object = numbers_object(account, &a);
    int e = kv_erase(s->store->kv, object, SL("q/"), SL("q0"));
    if (!e) e = kv_erase(s->store->kv, object, SL("f/"), SL("f0"));
    ar_free(&a);
    return e;
}

int standing_care(struct sends *s, struct slice object)
{
    struct arena a = {0};
    int64_t first = today() - STANDING_DAYS + 1;
    int e = kv_erase(s->store->kv, object, SL("q/"), day_key(&a, first));
    if (!e) e = kv_erase(s->store->kv, object, SL("f/"), ar_printf(&a, "f/%06lld", (long long)first));
    ar_free(&a);
    return e;
}

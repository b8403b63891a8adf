/* numbers_count.c - events of an account into its numbers, a portion in a transaction together with the place
 * in the stream: whatever ends the program in between, each event is counted once. */
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "numbers_i.h"
#include "send_run.h"
#include "standing.h"

enum { READ = 500, ROWS = 400, ROW_VERSION = 1, SITE_MAX = 120 };
#define GATHER RT_S /* events that come within it are counted together */
#define PAUSE_AFTER_ERROR (2 * RT_S)

/* What is added to one row. */
struct sum {
    enum numbers_by by;
    int64_t day;
    struct slice name, key;
    struct numbers n;
};

struct head_seen {
    struct send_head h;
    bool known;
};

struct portion {
    struct sends *s;
    struct arena a;
    struct map sums;  /* by key -> struct sum */
    struct map heads; /* of sends, by id -> struct head_seen */
    uint64_t from, to;
    const struct event *v; /* that are counted */
    size_t n;
};

/* ---- of one event ---- */

static struct sum *sum_of(struct portion *p, enum numbers_by by, int64_t day, struct slice name)
{
    struct slice key = numbers_key(by, day, name, &p->a);
    struct sum *x = map_get(&p->sums, key);
    if (x) return x;
    x = ar_new(&p->a, struct sum);
    *x = (struct sum){.by = by, .day = day, .name = name, .key = key};
    map_put(&p->sums, key, x);
    return x;
}

static void count_bounce(struct numbers *n, const struct event *e)
{
    enum reply_class c;
    n->n[e->kind == EVENT_BOUNCED ? NUMBER_BOUNCED : NUMBER_LATE]++;
    n->bounced[reply_class_named(e->class, &c) ? c : REPLY_UNKNOWN]++;
}

static void count_event(struct numbers *n, const struct event *e)
{
    static const enum number numbers[EVENT_KIND_COUNT] = {[EVENT_PROCESSED] = NUMBER_PROCESSED,
                                                          [EVENT_DEFERRED] = NUMBER_DEFERRED,
                                                          [EVENT_DELIVERED] = NUMBER_DELIVERED,
                                                          [EVENT_COMPLAINT] = NUMBER_COMPLAINTS,
                                                          [EVENT_UNSUBSCRIBED] = NUMBER_UNSUBSCRIBED,
                                                          [EVENT_FAILED] = NUMBER_FAILED,
                                                          [EVENT_OPENED] = NUMBER_OPENS,
                                                          [EVENT_CLICKED] = NUMBER_CLICKS,
                                                          [EVENT_DROPPED] = NUMBER_DROPPED};
    n->n[NUMBER_ACCEPTED] += e->kind == EVENT_PROCESSED || e->outside;
    if (e->kind == EVENT_BOUNCED || e->kind == EVENT_LATE_BOUNCE) count_bounce(n, e);
    else if (numbers[e->kind]) n->n[numbers[e->kind]]++;
    if (e->kind == EVENT_DROPPED) n->dropped[e->reason]++;
    n->n[NUMBER_OPENED] += e->kind == EVENT_OPENED && e->first;
    n->n[NUMBER_MACHINE] += e->machine;
    n->n[NUMBER_CLICKED] += e->kind == EVENT_CLICKED && e->first;
}

/* Since the send was taken, or since it was to leave. */
static uint64_t waited_ms(const struct event *e, const struct head_seen *h)
{
    int64_t since = letter_id_wall(&e->send), due = h->known ? h->h.send_at : 0;
    if (e->until > due) due = e->until; /* its letter's own time */
    if (due * 1000000 > since) since = due * 1000000;
    return (int64_t)e->at > since ? (e->at - (uint64_t)since) / 1000 : 0;
}

/* "mx1.mail.two.test [192.0.2.9]:25" is two.test: names below two labels (three below a short one in a
 * country) belong to one organization. */
static struct slice site_of(struct slice host, struct arena *a)
{
    size_t end = sl_chr(host, ' ');
    struct slice name = sl_sub(host, 0, end == SL_NONE ? host.n : end);
    if (!name.n) return SL("local");
    if (name.p[0] == '[') return sl_sub(name, 0, SITE_MAX);
    size_t dot[3] = {SL_NONE, SL_NONE, SL_NONE};
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '.' && i + 1 < name.n) dot[0] = dot[1], dot[1] = dot[2], dot[2] = i;
    bool country = dot[2] != SL_NONE && name.n - dot[2] == 3 && dot[1] != SL_NONE && dot[2] - dot[1] <= 4;
    size_t cut = country ? dot[0] : dot[1];
    name = sl_sub(sl_from(name, cut == SL_NONE ? 0 : cut + 1), 0, SITE_MAX);
    return ar_lower(a, name);
}

static struct head_seen *head_of(struct portion *p, const struct letter_id *send, int *bad)
{
    struct head_seen *h = map_get(&p->heads, sl_cstr(send->s));
    if (h) return h;
    h = ar_new(&p->a, struct head_seen);
    *h = (struct head_seen){0};
    int e = send_head_read(p->s, send, &p->a, &h->h);
    h->known = !e;
    if (!run_is_damage(e)) *bad = e;
    map_put(&p->heads, sl_cstr(send->s), h);
    return h;
}

/* To all rows that it belongs to. An event without a send, or of one that is forgotten, has fewer of them. */
static int one_event(struct portion *p, const struct event *e)
{
    static const struct head_seen none;
    int bad = 0;
    const struct head_seen *h = e->send.s[0] ? head_of(p, &e->send, &bad) : &none;
    int64_t day = (int64_t)(e->at / 1000000 / 86400);
    struct sum *to[SEND_CATEGORIES_MAX + NUMBERS_BY_COUNT];
    size_t n = 0;
    if (bad) return bad;
    to[n++] = sum_of(p, NUMBERS_BY_ALL, day, SL(""));
    if (h->h.key.n) to[n++] = sum_of(p, NUMBERS_BY_KEY, day, h->h.key);
    if (h->h.campaign.n) to[n++] = sum_of(p, NUMBERS_BY_CAMPAIGN, day, h->h.campaign);
    for (size_t i = 0; i < h->h.ncategories; i++) {
        struct sum *x = sum_of(p, NUMBERS_BY_CATEGORY, day, h->h.category[i]);
        bool twice = false;
        for (size_t k = 0; k < n; k++) twice |= to[k] == x;
        if (!twice) to[n++] = x;
    }
    struct slice domain = sl_from(e->address, sl_rchr(e->address, '@') + 1);
    if (domain.n) to[n++] = sum_of(p, NUMBERS_BY_DOMAIN, day, ar_lower(&p->a, domain));
    bool answered = e->kind == EVENT_DELIVERED || e->host.n;
    if (answered) to[n++] = sum_of(p, NUMBERS_BY_SITE, day, site_of(e->host, &p->a));
    size_t bucket = numbers_bucket(e->kind == EVENT_DELIVERED && e->send.s[0] ? waited_ms(e, h) : 0);
    for (size_t i = 0; i < n; i++) {
        count_event(&to[i]->n, e);
        if (e->kind == EVENT_DELIVERED) to[i]->n.took[bucket]++;
    }
    return 0;
}

/* ---- a portion ---- */

static int get_place(struct slice row, uint64_t *at)
{
    struct rec r;
    *at = 0;
    int e = rec_open(&r, row, ROW_VERSION);
    while (!e && rec_next(&r))
        if (r.tag == 'e') *at = rec_u64(&r);
    return e ? e : rec_error(&r);
}

/* One name more of that kind and day? */
static bool has_room(struct kv_tx *tx, const struct sum *x, struct arena *a)
{
    struct buf b = BUF_INIT;
    struct slice key = ar_cat(a, SL("n/"), numbers_prefix(x->by, x->day, a)), row;
    uint64_t n = 0;
    if (kv_tx_get(tx, key, &row) == 0 && get_place(row, &n) != 0) n = 0;
    if (n >= NUMBERS_NAMES_MAX) return false;
    rec_begin(&b, ROW_VERSION);
    rec_put_u64(&b, 'e', n + 1);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
    return true;
}

/* What cannot be read of a row is lost, and the day goes on from there. */
static int read_row(struct kv_tx *tx, struct slice key, struct numbers *n)
{
    struct slice row, name;
    *n = (struct numbers){0};
    int e = kv_tx_get(tx, key, &row);
    if (e) return e;
    e = numbers_get(row, &name, n);
    if (!e) return 0;
    log_error("send", "the numbers %.*s of %.*s cannot be read: they begin anew", SLF(key),
              SLF(kv_tx_object(tx)));
    *n = (struct numbers){0};
    return 0;
}

static int add_sum(struct kv_tx *tx, const struct sum *x, struct arena *a)
{
    struct buf b = BUF_INIT;
    struct numbers n;
    struct slice key = x->key, name = x->name;
    int e = read_row(tx, key, &n);
    if (e == ERR_NOT_FOUND && name.n && !has_room(tx, x, a)) {
        name = SL("");
        key = numbers_key(x->by, x->day, name, a);
        e = read_row(tx, key, &n);
    }
    if (e && e != ERR_NOT_FOUND) return e;
    numbers_add(&n, &x->n);
    numbers_put(&b, name, &n);
    kv_tx_put_record(tx, key, &b);
    buf_free(&b);
    return 0;
}

static int count_tx(struct kv_tx *tx, void *arg)
{
    struct portion *p = arg;
    struct arena a = {0};
    struct map_iter it = {0};
    struct buf b = BUF_INIT;
    struct slice row;
    uint64_t at = 0;
    int e = kv_tx_get(tx, SL("e"), &row);
    if (!e) e = get_place(row, &at);
    if (e == ERR_NOT_FOUND) e = 0;
    if (!e && at != p->from) e = err_set(ERR_CONFLICT, "somebody else counts the same events");
    while (!e && map_next(&p->sums, &it)) e = add_sum(tx, it.value, &a);
    if (!e) e = standing_tx_count(p->s, tx, p->v, p->n);
    rec_begin(&b, ROW_VERSION);
    rec_put_u64(&b, 'e', p->to);
    if (!e) kv_tx_put_record(tx, SL("e"), &b);
    buf_free(&b);
    ar_free(&a);
    return e;
}

/* A place that cannot be read: what was counted until then is known by its days, the rest is not. */
static int place_lost_tx(struct kv_tx *tx, void *arg)
{
    struct portion *p = arg;
    struct buf b = BUF_INIT;
    rec_begin(&b, ROW_VERSION);
    rec_put_u64(&b, 'e', p->from);
    kv_tx_put_record(tx, SL("e"), &b);
    buf_free(&b);
    return 0;
}

static int read_place(struct portion *p, struct slice object)
{
    struct slice row;
    int e = kv_get(p->s->store->kv, object, SL("e"), &p->a, &row);
    if (e == ERR_NOT_FOUND) return 0;
    if (!e) e = get_place(row, &p->from);
    if (!run_is_damage(e)) return e;
    lock_take(&p->s->lock);
    p->from = p->s->last_event;
    lock_release(&p->s->lock);
    log_error("send", "how far %.*s has counted cannot be read; it goes on with what comes now", SLF(object));
    return kv_transact(p->s->store->kv, object, place_lost_tx, p);
}

static void told(struct sends *s, const struct portion *p)
{
    struct map_iter it = {0};
    while (map_next(&p->sums, &it)) {
        const struct sum *x = it.value;
        if (x->by != NUMBERS_BY_ALL) continue;
        lock_take(&s->lock);
        numbers_add(s->node, &x->n);
        lock_release(&s->lock);
    }
}

int numbers_count(struct sends *s, struct slice account, bool *more)
{
    struct portion p = {.s = s};
    struct event *v;
    size_t n = 0, i = 0;
    map_init(&p.sums, false);
    map_init(&p.heads, false);
    struct slice object = numbers_object(account, &p.a);
    int e = read_place(&p, object);
    if (!e) e = event_read(s, account, p.from, READ, &p.a, &v, &n);
    for (; !e && i < n && p.sums.count < ROWS; i++) e = one_event(&p, &v[i]);
    *more = !e && (i < n || n == READ);
    if (!e && n) {
        p.to = v[i - 1].id;
        p.v = v;
        p.n = i;
        e = kv_transact(s->store->kv, object, count_tx, &p);
        if (!e) told(s, &p);
        if (e == ERR_CONFLICT) e = 0, *more = true;
    }
    map_free(&p.sums);
    map_free(&p.heads);
    ar_free(&p.a);
    return e;
}

/* ---- what is no event ---- */

static int received_tx(struct kv_tx *tx, void *sum)
{
    struct arena a = {0};
    int e = add_sum(tx, sum, &a);
    ar_free(&a);
    return e;
}

int numbers_received(struct sends *s, struct slice account)
{
    struct arena a = {0};
    struct sum x = {.by = NUMBERS_BY_ALL, .day = rt_wall_seconds() / 86400, .n.received = 1};
    x.key = numbers_key(x.by, x.day, x.name, &a);
    int e = kv_transact(s->store->kv, numbers_object(account, &a), received_tx, &x);
    ar_free(&a);
    return e;
}

void numbers_node(struct sends *s, struct numbers *out)
{
    lock_take(&s->lock);
    *out = *s->node;
    lock_release(&s->lock);
}

/* ---- all accounts ---- */

static int count_account(struct sends *s, struct slice account)
{
    bool more = true;
    int e = 0;
    while (!e && more && !s->stopping) e = numbers_count(s, account, &more);
    if (!run_is_damage(e)) return e;
    log_error("send", "the events of the account %.*s cannot be counted: %s", SLF(account), err_text(e));
    return 0; /* those of others are */
}

/* Those of which events may have come while nobody counted. */
static int count_everybody(struct sends *s) { return sends_each_account(s, 'v', "counted", count_account); }

/* One of those that have news; empty: there is none. */
static struct slice next_fresh(struct sends *s, struct arena *a)
{
    struct map_iter it = {0};
    struct slice account = SL("");
    lock_take(&s->lock);
    if (map_next(&s->fresh, &it)) {
        account = ar_dup(a, it.key);
        map_del(&s->fresh, account);
    }
    lock_release(&s->lock);
    return account;
}

static int count_fresh(struct sends *s)
{
    struct arena a = {0};
    int e = 0;
    for (struct slice who; !e && !s->stopping && (who = next_fresh(s, &a)).n; ar_reset(&a))
        if ((e = count_account(s, who)) != 0) sends_fresh(s, who);
    ar_free(&a);
    return e;
}

void numbers_run(void *sends)
{
    struct sends *s = sends;
    bool all = false;
    while (!s->stopping && !fiber_canceled()) {
        sends_look(s, SENDS_NUMBERS);
        int e = all ? 0 : count_everybody(s);
        all |= !e;
        if (!e) e = count_fresh(s);
        if (e && e != ERR_CANCELED) log_warn("send", "numbers cannot be counted now: %s", err_text(e));
        if (fiber_sleep(e ? PAUSE_AFTER_ERROR : GATHER) != 0) break;
        if (e || sends_have_news(s, SENDS_NUMBERS)) continue;
        if (waitq_wait(&s->counters) == ERR_CANCELED) break;
    }
}

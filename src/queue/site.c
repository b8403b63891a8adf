/* site.c - places at receiving systems: the limits of share/shaping, what a site has shown that it can take
 * at once, rests of those that refuse us, one letter at a time for those that do not answer. The rules are
 * published in docs/delivery.md. */
#include "site.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"

enum {
    SITE_LOOPS_MAX = 256,
    WINDOW_FIRST = 5,    /* so many at once before anything is known */
    PATIENCE_FIRST = 50, /* letters taken before what was too much is tried again */
    PATIENCE_MOST = 3200,
    UNREACHED_IN_ROW = 3,
    REFUSED_IN_ROW = 3, /* so many refusals of us, no letter taken between them, and it rests */
    REMEMBERED = 20000, /* above it none is remembered that nobody uses */
};
#define DOWN_FIRST (30 * RT_S)
#define DOWN_MOST (600 * RT_S)
#define REST_FIRST (300 * RT_S)
#define REST_MOST (3600 * RT_S)
#define REMEMBER_FOR (3600 * RT_S)
#define MINUTE (60 * RT_S)

/* So many a minute, in bursts of at most a second's worth (and one for each kind of stream). */
struct rate {
    double left;
    int64_t at;
};
struct site {
    struct sites *all;
    char *name;
    const char *bare; /* the part of the name behind the source */
    struct shape_limits limits;
    unsigned users;
    int64_t used_at;
    unsigned under_way, bulk; /* bulk: of those */
    uint64_t wanted[SITE_LOOPS_MAX / 64];
    /* what it can take at once */
    double window;
    unsigned ceiling;  /* so many at once were too many; 0: never seen */
    unsigned good;     /* letters taken since the window last changed by itself */
    unsigned patience; /* so many, and the ceiling is tried again */
    int64_t shrunk_at; /* what began before it says nothing new */
    struct rate letters, opens;
    /* what it did last; letters taken in this minute and the one before it */
    int64_t heard, minute;
    unsigned taken, taken_before;
    char said[120];
    /* it refuses us */
    unsigned refused;
    int64_t rest, rest_since, rest_until;
    char rest_words[200];
    /* it does not answer */
    unsigned unreached;
    int64_t down, down_since, down_at,
        down_until; /* down: the present pause, begun at down_at; 0: it is up */
    char down_words[200];
};
/* Letters of one sender domain to one site, while it refuses them. */
struct pair {
    unsigned refused;
    bool tried; /* after a rest: one is under way to show whether it is over */
    int64_t rest, since, until, heard;
    char words[200];
};
struct sites {
    struct lock lock; /* over all, and what is in them */
    struct map named, pairs;
    struct shaping *shaping;
    site_wake *wake;
    void *ctx;
    unsigned calls; /* of loops, on their way, each with a site; atomic */
};

struct sites *sites_open(struct shaping *shaping, site_wake *wake, void *ctx)
{
    struct sites *all = xcalloc(1, sizeof *all);
    map_init(&all->named, true);
    map_init(&all->pairs, true);
    all->shaping = shaping;
    all->wake = wake;
    all->ctx = ctx;
    return all;
}

static void forget(struct sites *all, struct site *s)
{
    map_del(&all->named, sl_cstr(s->name));
    free(s->name);
    free(s);
}

void sites_close(struct sites **p)
{
    struct sites *all = *p;
    if (!all) return;
    struct map_iter it = {0};
    while (map_next(&all->named, &it)) {
        struct site *s = it.value;
        ASSERT(!s->users);
        forget(all, s);
    }
    it = (struct map_iter){0};
    while (map_next(&all->pairs, &it)) free(it.value);
    map_free(&all->named);
    map_free(&all->pairs);
    shaping_close(&all->shaping);
    free(all);
    *p = NULL;
}

/* ---- who is who ---- */

static struct site *make(struct sites *all, struct slice source, struct slice name,
                         const struct shape_limits *limits)
{
    struct site *s = xcalloc(1, sizeof *s);
    s->all = all;
    s->name = xstrndup(name.p, name.n);
    s->bare = s->name + (source.n ? source.n + 1 : 0);
    s->limits = *limits;
    s->window = WINDOW_FIRST;
    s->patience = PATIENCE_FIRST;
    map_put(&all->named, name, s);
    return s;
}

struct site *site_get(struct sites *all, struct slice source, struct slice mx_set, struct slice host)
{
    struct shape_limits limits;
    struct arena a = {0};
    shaping_limits(all->shaping, host, &limits);
    struct slice name = limits.apart || sl_eq(limits.site, SL("default")) ? sl_trim(mx_set) : limits.site;
    if (source.n) name = ar_printf(&a, "%.*s|%.*s", SLF(source), SLF(name));
    lock_take(&all->lock);
    struct site *s = map_get(&all->named, name);
    if (!s) s = make(all, source, name, &limits);
    s->users++;
    lock_release(&all->lock);
    ar_free(&a);
    return s;
}

struct site *site_again(struct site *s)
{
    lock_take(&s->all->lock);
    s->users++;
    lock_release(&s->all->lock);
    return s;
}

/* Is there something to be remembered of one that nobody uses? */
static bool has_past(const struct site *s)
{
    return s->ceiling || s->refused || s->rest || s->unreached || s->down || s->under_way;
}

static void forget_old(struct sites *all, int64_t now)
{
    struct map_iter it = {0};
    while (map_next(&all->named, &it)) {
        struct site *s = it.value;
        if (!s->users && !s->under_way && s->used_at + REMEMBER_FOR < now) forget(all, s);
    }
}

void site_put(struct site *s)
{
    struct sites *all = s->all;
    int64_t now = rt_now();
    lock_take(&all->lock);
    s->used_at = now;
    if (--s->users == 0 && !has_past(s)) forget(all, s);
    else if (all->named.count > REMEMBERED) forget_old(all, now);
    lock_release(&all->lock);
}

struct slice site_name(const struct site *s) { return sl_cstr(s->name); }
struct slice site_bare_name(const struct site *s) { return sl_cstr(s->bare); }
struct slice site_group(const struct site *s) { return s->limits.site; }

/* ---- rates ---- */

static void refill(struct rate *r, unsigned a_minute, int64_t now)
{
    double most = (double)a_minute / 60 < 2 ? 2 : (double)a_minute / 60;
    double more = (double)(now - r->at) * a_minute / MINUTE;
    r->left = !r->at || r->left + more > most ? most : r->left + more;
    r->at = now;
}

/* 0: there is one for a stream that leaves `rest` of them to others; else how long until there is. */
static int64_t rate_wait(struct rate *r, unsigned a_minute, double need, int64_t now)
{
    refill(r, a_minute, now);
    if (r->left >= need) return 0;
    return (int64_t)((need - r->left) * MINUTE / a_minute) + RT_MS;
}

/* ---- places ---- */

/* Bulk leaves one place to what somebody waits for, and where it fills the window that takes one more. */
static unsigned places(const struct site *s, enum stream stream, bool *by_window)
{
    unsigned most = s->limits.v[SHAPE_CONNECTIONS].n, window = (unsigned)s->window;
    *by_window = window < most;
    if (window > most) window = most;
    if (stream == STREAM_BULK) return window > 1 ? window - 1 : window;
    if (s->bulk && window < most) return window + 1;
    return window;
}

static enum site_bind binds(struct site *s, enum stream stream, int64_t now, int64_t *again)
{
    bool by_window;
    double need = stream == STREAM_BULK ? 2 : 1;
    *again = RT_NEVER;
    if (s->rest_until > now) return *again = s->rest_until, SITE_RESTS;
    if (s->down && (s->down_until > now || s->under_way)) {
        *again = s->down_until > now ? s->down_until : RT_NEVER;
        return SITE_DOWN;
    }
    if (s->rest && s->under_way) return SITE_RESTS; /* one shows whether it is over */
    if (s->under_way >= places(s, stream, &by_window)) return by_window ? SITE_WINDOW : SITE_PLACES;
    int64_t wait = rate_wait(&s->letters, s->limits.v[SHAPE_RATE].n, need, now);
    if (wait) return *again = now + wait, SITE_LETTERS;
    wait = rate_wait(&s->opens, s->limits.v[SHAPE_OPENS].n, need, now);
    if (wait) return *again = now + wait, SITE_OPENS;
    return SITE_HAS_ROOM;
}

/* ---- sender domains ---- */

/* Twice as long as before, but for the first; given or taken a tenth. */
static int64_t longer(int64_t before, int64_t first, int64_t most)
{
    int64_t t = !before ? first : before * 2 > most ? most : before * 2;
    return t - t / 10 + (int64_t)rt_random_below((uint64_t)(t / 5));
}

static struct slice pair_name(const struct site *s, struct slice domain, char text[400])
{
    int n = snprintf(text, 400, "%.*s %s", SLF(domain), s->name);
    return sl(text, (size_t)(n < 400 ? n : 399));
}

static struct pair *pair_of(const struct site *s, struct slice domain)
{
    char text[400];
    return domain.n ? map_get(&s->all->pairs, pair_name(s, domain, text)) : NULL;
}

static bool pair_rests(const struct pair *p, int64_t now, int64_t *again)
{
    if (!p || !p->rest) return false;
    *again = p->until > now ? p->until : now + RT_S;
    return p->until > now || p->tried;
}

static void forget_pairs(struct sites *all, int64_t now)
{
    struct map_iter it = {0};
    while (map_next(&all->pairs, &it)) {
        struct pair *p = it.value;
        if (p->until > now || p->tried || p->heard + REMEMBER_FOR > now) continue;
        map_del(&all->pairs, it.key);
        free(p);
    }
}

static void spurned(struct site *s, struct slice domain, struct slice words, int64_t now)
{
    char text[400];
    struct pair *p = pair_of(s, domain);
    if (!p && s->all->pairs.count >= REMEMBERED) forget_pairs(s->all, now);
    if (!p && (!domain.n || s->all->pairs.count >= REMEMBERED)) return;
    if (!p) {
        p = xcalloc(1, sizeof *p);
        map_put(&s->all->pairs, pair_name(s, domain, text), p);
    }
    p->heard = now;
    if (p->until > now || ++p->refused < REFUSED_IN_ROW) return;
    p->refused = REFUSED_IN_ROW - 1;
    if (!p->rest) p->since = now;
    p->rest = longer(p->rest, REST_FIRST, REST_MOST);
    p->until = now + p->rest;
    snprintf(p->words, sizeof p->words, "%.*s", SLF(words));
}

static void learn_of_pair(struct site *s, const struct site_report *r, int64_t now)
{
    char text[400];
    struct pair *p = pair_of(s, r->domain);
    if (p) p->tried = false;
    if (r->news == SITE_SPURNED) spurned(s, r->domain, r->words, now);
    if (p && r->news == SITE_GOOD) free(map_del(&s->all->pairs, pair_name(s, r->domain, text)));
}

enum site_bind site_take(struct site *s, enum stream stream, struct slice domain, int64_t *again)
{
    int loop = rt_loop_id();
    lock_take(&s->all->lock);
    enum site_bind b = binds(s, stream, rt_now(), again);
    struct pair *p = pair_of(s, domain);
    if (b == SITE_HAS_ROOM && pair_rests(p, rt_now(), again)) b = SITE_SPURNS;
    if (b == SITE_HAS_ROOM) {
        if (p) p->tried = p->rest > 0;
        s->under_way++;
        s->bulk += stream == STREAM_BULK;
        s->letters.left -= 1;
    } else if (b != SITE_SPURNS) {
        s->wanted[loop / 64] |= UINT64_C(1) << loop % 64;
    }
    lock_release(&s->all->lock);
    return b;
}

bool site_may_open(struct site *s)
{
    lock_take(&s->all->lock);
    bool ok = rate_wait(&s->opens, s->limits.v[SHAPE_OPENS].n, 1, rt_now()) == 0;
    if (ok) s->opens.left -= 1;
    lock_release(&s->all->lock);
    return ok;
}

/* ---- what it shows ---- */

static void grow(struct site *s)
{
    unsigned most = s->limits.v[SHAPE_CONNECTIONS].n;
    s->good++;
    if (s->window >= most || s->under_way + 1 < (unsigned)s->window)
        return; /* less was asked of it than that */
    if (!s->ceiling) {
        s->window += 1;
    } else if (s->window + 1 < s->ceiling) {
        s->window += 1 / s->window;
    } else if (s->good >= s->patience) { /* what was too much then may not be now */
        s->good = 0;
        s->window += 1;
        s->ceiling = (unsigned)s->window + 1;
    }
}

static void shrink(struct site *s, int64_t since, int64_t now)
{
    if (since < s->shrunk_at) return; /* it began with those that were too many */
    unsigned seen = (unsigned)s->window < s->under_way ? (unsigned)s->window : s->under_way;
    s->ceiling = seen > 1 ? seen : 2;
    s->window = seen > 8 ? seen - seen / 4 : seen > 1 ? seen - 1 : 1;
    s->patience = s->good < s->patience && s->patience < PATIENCE_MOST ? s->patience * 2 : s->patience;
    s->good = 0;
    s->shrunk_at = now;
}

static void unreached(struct site *s, struct slice words, int64_t since, int64_t now)
{
    if (s->down && since < s->down_at) return; /* it began before the site was known to be down */
    if (++s->unreached < UNREACHED_IN_ROW && !s->down) return;
    if (!s->down) s->down_since = now;
    s->down = longer(s->down, DOWN_FIRST, DOWN_MOST);
    s->down_at = now;
    s->down_until = now + s->down;
    s->window = 1;
    snprintf(s->down_words, sizeof s->down_words, "%.*s", SLF(words));
}

static void refused(struct site *s, struct slice words, int64_t now)
{
    if (s->rest_until > now || ++s->refused < REFUSED_IN_ROW) return;
    s->refused = REFUSED_IN_ROW - 1; /* after the rest one letter shows whether it is over */
    if (!s->rest) s->rest_since = now;
    s->rest = longer(s->rest, REST_FIRST, REST_MOST);
    s->rest_until = now + s->rest;
    snprintf(s->rest_words, sizeof s->rest_words, "%.*s", SLF(words));
}

static void count_taken(struct site *s, unsigned n, int64_t now)
{
    int64_t passed = now / MINUTE - s->minute;
    if (passed) s->taken_before = passed == 1 ? s->taken : 0, s->taken = 0;
    s->minute = now / MINUTE;
    s->taken += n;
}

static void hear(struct site *s, const struct site_report *r, int64_t now)
{
    if (r->news == SITE_NO_NEWS || r->news == SITE_UNASKED) return;
    s->heard = now;
    snprintf(s->said, sizeof s->said, "%.*s", SLF(r->news == SITE_GOOD ? SL("") : r->words));
    count_taken(s, r->news == SITE_GOOD, now);
}

static void learn(struct site *s, enum site_news news, struct slice words, int64_t since, int64_t now)
{
    if (news == SITE_NO_NEWS) return;
    if (news == SITE_UNREACHED) return unreached(s, words, since, now);
    if (news == SITE_UNASKED) {
        if (s->down && s->down_until < now) s->down_until = now + s->down;
        return;
    }
    if (s->down) s->window = WINDOW_FIRST, s->ceiling = 0; /* it is back */
    s->unreached = 0;
    s->down = s->down_until = 0;
    if (news == SITE_GOOD) s->refused = 0, s->rest = s->rest_until = 0, grow(s);
    if (news == SITE_BUSY || news == SITE_REFUSED) shrink(s, since, now);
    if (news == SITE_REFUSED) refused(s, words, now);
}

struct call {
    struct site *site; /* held */
};

static void call_loop(void *arg)
{
    struct site *s = ((struct call *)arg)->site;
    struct sites *all = s->all;
    free(arg);
    all->wake(all->ctx, rt_loop_id(), s);
    site_put(s);
    __atomic_sub_fetch(&all->calls, 1, __ATOMIC_RELEASE);
}

bool sites_call(const struct sites *all) { return __atomic_load_n(&all->calls, __ATOMIC_ACQUIRE) != 0; }

void site_give(struct site *s, const struct site_report *r)
{
    uint64_t wanted[COUNT_OF(s->wanted)];
    int64_t now = rt_now();
    lock_take(&s->all->lock);
    hear(s, r, now);
    learn(s, r->news, r->words, r->since, now);
    learn_of_pair(s, r, now);
    s->under_way--;
    s->bulk -= r->stream == STREAM_BULK;
    memcpy(wanted, s->wanted, sizeof wanted);
    memset(s->wanted, 0, sizeof s->wanted);
    lock_release(&s->all->lock);
    for (int i = 0; i < SITE_LOOPS_MAX; i++) {
        if (!(wanted[i / 64] >> i % 64 & 1)) continue;
        struct call *c = xmalloc(sizeof *c);
        c->site = site_again(s);
        __atomic_add_fetch(&s->all->calls, 1, __ATOMIC_RELAXED);
        rt_post(i, call_loop, c);
    }
}

void site_miss(struct site *s, struct slice words)
{
    lock_take(&s->all->lock);
    unreached(s, words, rt_now(), rt_now());
    lock_release(&s->all->lock);
}

void site_nudge(struct site *s)
{
    lock_take(&s->all->lock);
    s->down_until = 0;
    lock_release(&s->all->lock);
}

/* ---- seeing ---- */

static int64_t wall_of(int64_t t, int64_t now) { return t ? rt_wall_seconds() + (t - now) / RT_S : 0; }

void site_look(struct site *s, enum stream stream, struct slice domain, struct site_state *out)
{
    bool by_window;
    int64_t again, now = rt_now();
    *out = (struct site_state){0};
    lock_take(&s->all->lock);
    out->bind = binds(s, stream, now, &again);
    const struct pair *p = pair_of(s, domain);
    if (out->bind == SITE_HAS_ROOM && pair_rests(p, now, &again)) {
        out->bind = SITE_SPURNS;
        out->since = wall_of(p->since, now);
    }
    out->until = again == RT_NEVER ? 0 : wall_of(again, now);
    out->under_way = s->under_way;
    out->places = places(s, stream, &by_window);
    out->limits = s->limits;
    count_taken(s, 0, now);
    out->rate = s->taken + (unsigned)((uint64_t)s->taken_before * (uint64_t)(MINUTE - now % MINUTE) / MINUTE);
    out->heard = wall_of(s->heard, now);
    snprintf(out->said, sizeof out->said, "%s", s->said);
    if (out->bind == SITE_DOWN) out->since = wall_of(s->down_since, now);
    if (out->bind == SITE_RESTS) out->since = wall_of(s->rest_since, now);
    snprintf(out->words, sizeof out->words, "%s",
             out->bind == SITE_DOWN     ? s->down_words
             : out->bind == SITE_SPURNS ? p->words
                                        : s->rest_words);
    lock_release(&s->all->lock);
}

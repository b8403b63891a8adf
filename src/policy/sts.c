/* sts.c - the MTA-STS policies of the domains that we write to: found, fetched, kept, refreshed (RFC 8461
 * sections 3.1, 3.3, 5.1).
 *
 * A policy that was fetched holds for its max_age, whatever the DNS says meanwhile; a new id in the TXT
 * record has it fetched anew. While it is fetched all of the loop who ask for it wait for the one fetch; who
 * finds no policy goes on without one, as the RFC wants it (section 3.3). */
#include <stdlib.h>

#include "base/log.h"
#include "sts_i.h"

struct flight { /* a fetch under way, and who waits for it */
    struct waitq q;
    int users;
};

/* ---- fetching ---- */

static int keep_failure(struct sts *s, struct slice domain, struct slice id, struct sts_found *out)
{
    struct sts_failure f = {.id = id, .when = rt_wall_seconds(), .trouble = out->trouble, .why = out->why};
    log_warn("policy", "the MTA-STS policy of %.*s %.*s%s", SLF(domain), SLF(out->why),
             out->known ? "; the one fetched before still holds" : "");
    return sts_row_fail(s, domain, &f);
}

/* out: what is known so far; what was fetched takes its place. */
static int fetch_now(struct sts *s, struct arena *a, struct slice domain, struct slice id, bool used,
                     struct sts_found *out)
{
    struct mta_sts_policy *p = ar_new(a, struct mta_sts_policy);
    int e = sts_fetch(s->conf.fetch, a, domain, p, &out->trouble, &out->why);
    if (e) return e;
    if (out->trouble) return keep_failure(s, domain, id, out);
    *out = (struct sts_found){.known = true, .policy = *p, .id = id, .fetched = rt_wall_seconds()};
    out->expires = out->fetched + (int64_t)p->max_age;
    log_info("policy", "%.*s has an MTA-STS policy: mode %s for %u s", SLF(domain),
             mta_sts_mode_name(p->mode), p->max_age);
    return sts_row_keep(s, domain, out, used);
}

static void leave(struct flight *f)
{
    if (--f->users == 0) free(f);
}

/* Fetches, or waits for who does. *mine: out is as the fetch left it; else what is kept is to be read again.
 */
static int fetch_once(struct sts *s, struct arena *a, struct slice domain, struct slice id,
                      struct sts_found *out, bool *mine)
{
    struct map *flights = &s->loop[rt_loop_id()].flights;
    struct flight *f = map_get(flights, domain);
    if (mine) *mine = !f;
    if (f) {
        f->users++;
        int e = waitq_wait(&f->q);
        leave(f);
        return e;
    }
    f = xcalloc(1, sizeof *f);
    f->users = 1;
    waitq_init(&f->q);
    map_put(flights, domain, f);
    int e = fetch_now(s, a, domain, id, mine != NULL, out);
    map_del(flights, domain);
    waitq_wake_all(&f->q);
    leave(f);
    return e;
}

/* ---- finding ---- */

/* A fetch for this id failed a moment ago: it is not repeated yet. */
static int failed_before(struct sts *s, struct arena *a, struct slice domain, struct slice id,
                         struct sts_found *out, bool *failed)
{
    struct sts_failure f;
    int64_t now = rt_wall_seconds();
    int e = sts_row_failure(s, a, domain, &f);
    *failed = !e && sl_eq(f.id, id) && f.when <= now && now < f.when + STS_AGAIN_S;
    if (*failed) out->trouble = f.trouble, out->why = f.why;
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* Most domains have none: that is asked of the index once. A policy that is written while the row is read
 * counts later than what was read. */
static int kept(struct sts *s, struct arena *a, struct slice domain, struct sts_found *out)
{
    enum { NONE_MOST = 10000 };
    struct sts_loop *l = &s->loop[rt_loop_id()];
    uint64_t written = __atomic_load_n(&s->written, __ATOMIC_ACQUIRE);
    if (l->seen != written || l->none.count >= NONE_MOST) {
        map_free(&l->none);
        map_init(&l->none, true);
        l->seen = written;
    }
    *out = (struct sts_found){0};
    if (map_get(&l->none, domain)) return 0;
    int e = sts_row_policy(s, a, domain, out);
    if (e == ERR_NOT_FOUND && l->seen == written) map_put(&l->none, domain, s);
    if (!e && !sts_holds(out, rt_wall_seconds())) *out = (struct sts_found){0};
    return e == ERR_NOT_FOUND ? 0 : e;
}

/* Who waited for a fetch that ended without a word (its letter was taken away, the index did not answer)
 * fetches himself: nobody goes without a policy because of what befell another. */
static int renew(struct sts *s, struct arena *a, struct slice domain, struct slice id, struct sts_found *out)
{
    for (;;) {
        bool mine, failed;
        int e = failed_before(s, a, domain, id, out, &failed);
        if (e || failed) return e;
        e = fetch_once(s, a, domain, id, out, &mine);
        if (e || mine) return e;
        e = kept(s, a, domain, out);
        if (e || (out->known && sl_eq(out->id, id))) return e;
    }
}

int sts_find(struct sts *s, struct dns *dns, struct arena *a, struct slice domain, struct sts_found *out)
{
    struct dns_answer txt;
    int e = kept(s, a, domain, out);
    if (!e) e = dns_ask(dns, a, ar_cat(a, SL("_mta-sts."), domain), DNS_TXT, &txt);
    if (e) return e;
    struct slice id = sts_announced(&txt);
    if (id.n && !(out->known && sl_eq(id, out->id))) e = renew(s, a, domain, id, out);
    if (!e && out->known) sts_row_used(s, a, domain);
    return e;
}

/* ---- keeping them fresh (section 3.3, 10.2) ---- */

/* The id that goes with what is fetched: the one announced now, else the one before. */
static int refresh_one(struct sts *s, struct slice domain, const struct sts_found *old)
{
    struct arena a = {0};
    struct dns_answer txt;
    struct sts_failure f;
    struct sts_found now = *old;
    int e = sts_row_failure(s, &a, domain, &f);
    bool lately = !e && f.when <= rt_wall_seconds() && rt_wall_seconds() < f.when + 3600;
    if (e == ERR_NOT_FOUND) e = 0;
    if (!e && !lately) e = dns_ask(s->conf.dns, &a, ar_cat(&a, SL("_mta-sts."), domain), DNS_TXT, &txt);
    if (!e && !lately) {
        struct slice id = sts_announced(&txt);
        e = fetch_once(s, &a, domain, id.n ? id : old->id, &now, NULL);
    }
    ar_free(&a);
    return e;
}

/* Half of a short time is over when it is fetched again: there is time left to try once more. */
static bool is_old(const struct sts_found *p)
{
    int64_t half = p->policy.max_age / 2;
    return p->fetched + (half < STS_REFRESH_S ? half : STS_REFRESH_S) <= rt_wall_seconds();
}

/* Nothing more is read for a policy that is young: there may be a million of them. */
static int care_for(struct sts *s, const struct kv_row *row)
{
    struct arena a = {0};
    struct sts_found p;
    struct slice domain = sts_row_domain(row->value);
    int64_t unused;
    bool good = domain.n && sts_policy_read(&a, row->value, &p) == 0, old = good && is_old(&p);
    int e = good ? 0 : sts_row_clear(s, row);
    if (old) e = sts_row_unused(s, &a, domain, &unused);
    if (old && !e)
        e = unused > STS_UNUSED_DAYS ? sts_row_forget(s, domain, p.fetched) : refresh_one(s, domain, &p);
    ar_free(&a);
    return e;
}

/* Fetches that failed are remembered for a day. */
static int forget_failure(struct sts *s, const struct kv_row *row)
{
    struct arena a = {0};
    struct sts_failure f;
    struct slice domain = sts_row_domain(row->value);
    struct sts_found p;
    int e = 0;
    if (!domain.n || sts_failure_read(row->value, &f) != 0) {
        e = sts_row_clear(s, row);
    } else if (f.when + STS_REFRESH_S < rt_wall_seconds()) {
        e = sts_row_policy(s, &a, domain, &p);
        if (e == ERR_NOT_FOUND) e = sts_row_forget(s, domain, 0);
    }
    ar_free(&a);
    return e;
}

static int each_row(struct sts *s, struct slice from, struct slice to,
                    int (*fn)(struct sts *, const struct kv_row *row))
{
    struct arena a, next;
    struct kv_page page = {.more = true};
    int e = 0;
    ar_init(&a, 0);
    ar_init(&next, 0);
    while (!e && page.more) {
        ar_reset(&a);
        e = kv_walk(s->conf.kv, STS_OBJECT, from, to, 100, &a, &page);
        for (size_t i = 0; !e && i < page.n; i++) e = fn(s, &page.row[i]);
        if (e || !page.n) break;
        ar_reset(&next);
        from = kv_after(&next, page.row[page.n - 1].key);
    }
    ar_free(&a);
    ar_free(&next);
    return e;
}

int sts_refresh(struct sts *s)
{
    int e = each_row(s, SL("p/"), SL("p0"), care_for);
    return e ? e : each_row(s, SL("f/"), SL("f0"), forget_failure);
}

/* ---- open and close ---- */

void sts_open(struct sts **out, const struct sts_conf *conf)
{
    ASSERT(conf->kv && conf->fetch);
    struct sts *s = xcalloc(1, sizeof *s);
    s->conf = *conf;
    s->loops = rt_loops();
    s->loop = xcalloc((size_t)s->loops, sizeof *s->loop);
    for (int i = 0; i < s->loops; i++) {
        map_init(&s->loop[i].flights, false);
        map_init(&s->loop[i].none, true);
    }
    *out = s;
}

void sts_close(struct sts **sp)
{
    struct sts *s = *sp;
    if (!s) return;
    for (int i = 0; i < s->loops; i++) {
        map_free(&s->loop[i].flights);
        map_free(&s->loop[i].none);
    }
    free(s->loop);
    free(s);
    *sp = NULL;
}

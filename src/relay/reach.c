/* reach.c - what is remembered of each address of other servers: that it does not answer, that
 * TLS with it fails, that it loses count. A site is down when none of its addresses answers. All on one loop.
 */
#include <stdio.h>
#include <stdlib.h>

#include "relay_i.h"

enum { DOWN_AFTER = 3, REACH_MAX = 10000 };
#define DOWN_FOR (10 * RT_S)
#define NO_TLS_FOR (600 * RT_S)
#define FORGET_AFTER (600 * RT_S)
#define LATE_FOR (600 * RT_S)
#define ASTRAY_FOR (600 * RT_S)

struct reach {
    unsigned failures;                                                  /* in a row, without a session */
    int64_t failed, down_until, no_tls_until, late_until, astray_until; /* rt_now() scale */
    char why[300];
};

static struct slice key_of(const struct reach_path *p) { return sl(p, sizeof *p); }

static struct reach *find(struct relay_loop *l, const struct reach_path *p)
{
    return map_get(&l->reach, key_of(p));
}

static bool idle(const struct reach *r, int64_t now)
{
    return r->no_tls_until <= now && r->late_until <= now && r->astray_until <= now &&
           (!r->failures || r->failed + FORGET_AFTER <= now);
}

/* Forgets what no longer matters; all of it when the relay closes. */
static void forget(struct relay_loop *l, bool all)
{
    struct map_iter it = {0};
    int64_t now = rt_now();
    while (map_next(&l->reach, &it))
        if (all || idle(it.value, now)) free(map_del(&l->reach, it.key));
}

void reach_free(struct relay_loop *l)
{
    forget(l, true);
    map_free(&l->reach);
}

/* NULL when there are too many that matter: then nothing is remembered of this one. */
static struct reach *make(struct relay_loop *l, const struct reach_path *p)
{
    struct reach *r = find(l, p);
    if (r) return r;
    if (l->reach.count >= l->reach_forget_at) {
        forget(l, false);
        l->reach_forget_at = l->reach.count + REACH_MAX / 10;
    }
    if (l->reach.count >= REACH_MAX) return NULL;
    r = xcalloc(1, sizeof *r);
    map_put(&l->reach, key_of(p), r);
    return r;
}

const char *reach_down(struct relay_loop *l, const struct reach_path *p)
{
    const struct reach *r = find(l, p);
    return r && r->down_until > rt_now() ? r->why : NULL;
}

void reach_failed(struct relay_loop *l, const struct reach_path *p, const struct verdict *v)
{
    struct reach *r = make(l, p);
    if (!r) return;
    snprintf(r->why, sizeof r->why, "%.*s", (int)(v->text.n > 250 ? 250 : v->text.n), v->text.p);
    r->failed = rt_now();
    if (++r->failures >= DOWN_AFTER) r->down_until = r->failed + DOWN_FOR;
}

void reach_good(struct relay_loop *l, const struct reach_path *p)
{
    struct reach *r = find(l, p);
    if (!r) return;
    r->failures = 0;
    r->down_until = 0;
}

bool reach_tls(struct relay_loop *l, const struct reach_path *p)
{
    const struct reach *r = find(l, p);
    return !r || r->no_tls_until <= rt_now();
}

void reach_set_tls(struct relay_loop *l, const struct reach_path *p, bool works)
{
    struct reach *r = works ? find(l, p) : make(l, p);
    if (r) r->no_tls_until = works ? 0 : rt_now() + NO_TLS_FOR;
}

bool reach_pipelines(struct relay_loop *l, const struct reach_path *p)
{
    const struct reach *r = find(l, p);
    return !r || r->astray_until <= rt_now();
}

void reach_astray(struct relay_loop *l, const struct reach_path *p)
{
    struct reach *r = make(l, p);
    if (r) r->astray_until = rt_now() + ASTRAY_FOR;
}

void reach_late(struct relay_loop *l, const struct reach_path *p)
{
    struct reach *r = make(l, p);
    if (r) r->late_until = rt_now() + LATE_FOR;
}

bool reach_was_late(struct relay_loop *l, const struct reach_path *p)
{
    const struct reach *r = find(l, p);
    return r && r->late_until > rt_now();
}

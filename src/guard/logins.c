/* logins.c - logins that fail: counted once they are proved wrong, bounded while they are not. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "guard_i.h"

/* ---- names ---- */

/* Who names nobody (a token alone) is counted by the network only. */
static struct slice account_key(struct key *k, struct slice user) { return guard_key(k, 'a', user); }

/* An account seen from a network. */
static struct slice pair_key(struct key *k, const struct guard_visit *v, struct slice user)
{
    char net[IP_TEXT_MAX + 4], both[GUARD_NAME_MAX + 1];
    guard_net_text(&v->ip, net);
    size_t n = (size_t)snprintf(both, sizeof both, "%s ", net), rest = GUARD_NAME_MAX - n;
    memcpy(both + n, user.p, user.n < rest ? user.n : rest);
    return guard_key(k, 'k', sl(both, n + (user.n < rest ? user.n : rest)));
}

uint64_t guard_asker(const struct guard_visit *v) { return v ? ip_network_hash(&v->ip) : 0; }

/* ---- under way ---- */

static int64_t under_way(const struct guard *g, struct slice key)
{
    const int64_t *n = map_get(&g->under_way, key);
    return n ? *n : 0;
}

static void count_under_way(struct guard *g, struct slice key, int by)
{
    int64_t *n = map_get(&g->under_way, key);
    if (!n) map_put(&g->under_way, key, n = xcalloc(1, sizeof *n));
    *n += by;
    if (*n) return;
    map_del(&g->under_way, key);
    free(n);
}

/* May one more begin? Should all that are under way fail, the last of them is the one that shuts out. */
static bool has_room(struct guard *g, struct slice key, int64_t most, int64_t fades)
{
    return score_now(table_find(&g->wrong, key), fades) / 1000 + under_way(g, key) <= most;
}

/* The owner's networks are only slowed down: one try after the other then, GUARD_SLOW apart. */
static bool known_may(struct guard *g, struct slice pair)
{
    struct entry *e = table_find(&g->wrong, pair);
    if (has_room(g, pair, GUARD_LOGINS_MAX - 1, GUARD_LOGIN_FADES)) return true;
    return !under_way(g, pair) && e && rt_now() - e->n.at >= GUARD_SLOW;
}

static void count_try(const struct guard_try *t, int by)
{
    struct key k;
    struct guard *g = t->v->g;
    if (t->known) {
        count_under_way(g, pair_key(&k, t->v, t->user), by);
        return;
    }
    count_under_way(g, net_key(&k, 'n', &t->v->ip), by);
    if (t->user.n) count_under_way(g, account_key(&k, t->user), by);
}

/* ---- may it begin? ---- */

static int refuse_try(void)
{
    return err_set(ERR_BUSY, "too many logins have failed; try again in %d minutes", GUARD_SHUT_MINUTES);
}

/* 0, or ERR_BUSY; *wait: others that are under way decide. */
static int judge_known(struct guard *g, struct slice pair, bool *wait)
{
    if (known_may(g, pair)) return 0;
    *wait = under_way(g, pair) > 0;
    return *wait ? 0 : refuse_try();
}

/* Nothing is ever counted for the account "": it has room, and is not shut. */
static int judge_unknown(struct guard *g, const struct guard_try *t, bool *wait)
{
    struct key nk, ak;
    struct slice net = net_key(&nk, 'n', &t->v->ip), account = account_key(&ak, t->user);
    if (is_shut(table_find(&g->wrong, net)) || is_shut(table_find(&g->wrong, account))) return refuse_try();
    if (has_room(g, net, GUARD_LOGINS_MAX, GUARD_LOGIN_FADES) &&
        has_room(g, account, GUARD_LOGINS_ACCOUNT, GUARD_ACCOUNT_FADES))
        return 0;
    *wait = under_way(g, net) || under_way(g, account);
    return *wait ? 0 : refuse_try();
}

/* Asked anew after each wait, for the network may have become known or shut meanwhile. */
static int judge(struct guard_try *t, bool *wait)
{
    struct key k;
    struct guard *g = t->v->g;
    *wait = false;
    if (is_shut(table_find(&g->hand, guard_key(&k, 'h', t->user))))
        return err_set(ERR_BUSY, "logins are not taken at this moment; try again later");
    struct slice pair = pair_key(&k, t->v, t->user);
    t->known = t->user.n && table_find(&g->known, pair);
    return t->known ? judge_known(g, pair, wait) : judge_unknown(g, t, wait);
}

/* Those who wait are on several loops, and each gives up by its own clock: they look again, ever more seldom.
 */
int try_begin(struct guard_try *t, struct guard_visit *v, struct slice user)
{
    int64_t until = DEADLINE_IN(GUARD_WAIT), pause = RT_MS;
    bool wait = true;
    int e = 0;
    *t = (struct guard_try){.v = v, .user = user};
    for (;;) {
        lock_take(&v->g->lock);
        e = judge(t, &wait);
        if (!e && !wait) count_try(t, 1);
        lock_release(&v->g->lock);
        if (e || !wait) return e;
        if (rt_now() >= until)
            return err_set(ERR_BUSY, "too many logins are under way from your network or to this account; "
                                     "try again later");
        e = fiber_sleep(pause);
        if (e) return e;
        if (pause < RT_S / 4) pause *= 2;
    }
}

/* ---- what came of it ---- */

static void failed(const struct guard_try *t)
{
    struct key k;
    struct guard *g = t->v->g;
    if (t->known) {
        score_add(&g->wrong, pair_key(&k, t->v, t->user), 1, GUARD_LOGIN_FADES);
        return;
    }
    struct slice key = net_key(&k, 'n', &t->v->ip);
    if (score_add(&g->wrong, key, 1, GUARD_LOGIN_FADES) > GUARD_LOGINS_MAX)
        shut_out(g, key, GUARD_WHY_LOGINS);
    if (!t->user.n) return;
    key = account_key(&k, t->user);
    if (score_add(&g->wrong, key, 1, GUARD_ACCOUNT_FADES) > GUARD_LOGINS_ACCOUNT)
        shut_out(g, key, GUARD_WHY_ACCOUNT);
}

static int64_t delay(const struct guard_try *t)
{
    struct key k;
    struct slice key = t->known ? pair_key(&k, t->v, t->user) : net_key(&k, 'n', &t->v->ip);
    return slowness(score_now(table_find(&t->v->g->wrong, key), GUARD_LOGIN_FADES), GUARD_LOGINS_FREE, RT_S);
}

static void succeeded(const struct guard_try *t)
{
    struct key k;
    struct guard *g = t->v->g;
    if (t->user.n) keep_known(g, table_touch(&g->known, pair_key(&k, t->v, t->user)));
    visit_known(t->v);
}

/* What could not be judged (the store is out of order) is no failure. */
int64_t try_end(struct guard_try *t, int result)
{
    bool wrong = result == ERR_DENIED || result == ERR_SYNTAX || result == ERR_NOT_FOUND;
    lock_take(&t->v->g->lock);
    count_try(t, -1);
    if (wrong) failed(t);
    else if (!result) succeeded(t);
    int64_t wait = wrong ? delay(t) : 0;
    lock_release(&t->v->g->lock);
    return wait;
}

int guard_prove(void *visit, struct slice user, int (*prove)(void *arg), void *arg)
{
    struct guard_try t;
    char sentence[ERR_TEXT_MAX];
    if (!visit) return prove(arg);
    int e = try_begin(&t, visit, user);
    if (e) return e;
    e = prove(arg);
    if (e < 0) snprintf(sentence, sizeof sentence, "%s", err_text(e));
    int64_t wait = try_end(&t, e);
    if (wait) (void)!fiber_sleep(wait);
    return e < 0 ? err_set(e, "%s", sentence) : e;
}

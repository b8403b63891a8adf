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

/* ---- lines; under the lock ---- */

static struct line *find_line(const struct guard *g, struct slice key) { return map_get(&g->lines, key); }

static struct line *get_line(struct guard *g, struct slice key)
{
    struct line *l = find_line(g, key);
    if (l) return l;
    map_put(&g->lines, key, l = xcalloc(1, sizeof *l));
    list_init(&l->waiting);
    return l;
}

/* After something has left it: the first of those who wait looks again, or nothing is left of it. */
static void line_moved(struct guard *g, struct slice key)
{
    struct line *l = find_line(g, key);
    if (!l) return;
    if (!list_empty(&l->waiting)) {
        nudge_wake(CONTAINER_OF(l->waiting.next, struct place, link)->t->nudge);
    } else if (!l->under_way) {
        map_del(&g->lines, key);
        free(l);
    }
}

static int64_t under_way(const struct guard *g, struct slice key)
{
    const struct line *l = find_line(g, key);
    return l ? l->under_way : 0;
}

/* Does nobody wait who came before? */
static bool is_next(const struct guard *g, struct slice key, const struct place *p)
{
    const struct line *l = find_line(g, key);
    return !l || list_empty(&l->waiting) || l->waiting.next == &p->link;
}

/* Behind those who came before, whenever it is that it must wait here. */
static void stand_in(struct guard *g, struct slice key, struct place *p)
{
    struct line *l = get_line(g, key);
    if (!list_empty(&p->link)) return;
    struct link *before = l->waiting.prev;
    while (before != &l->waiting && CONTAINER_OF(before, struct place, link)->t->number > p->t->number)
        before = before->prev;
    list_push(before->next, &p->link); /* in front of what follows */
}

static void step_out(struct guard *g, struct slice key, struct place *p)
{
    if (list_empty(&p->link)) return;
    list_remove(&p->link);
    line_moved(g, key);
}

static void count_under_way(struct guard *g, struct slice key, int by)
{
    get_line(g, key)->under_way += by;
    if (by < 0) line_moved(g, key);
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

/* In one line: 0 with *wait or not; ERR_BUSY: there is no room, and nobody whose end could make some. */
static int judge_line(struct guard *g, struct slice key, struct place *p, bool room, bool *wait)
{
    if (room && is_next(g, key, p)) {
        step_out(g, key, p);
        return 0;
    }
    if (!room && !under_way(g, key)) return refuse_try();
    *wait = true;
    stand_in(g, key, p);
    return 0;
}

/* Nothing is ever counted for the account "": it has room, and is not shut. */
static int judge_unknown(struct guard *g, struct guard_try *t, bool *wait)
{
    struct key nk, ak;
    struct slice net = net_key(&nk, 'n', &t->v->ip), account = account_key(&ak, t->user);
    if (is_shut(table_find(&g->wrong, net)) || is_shut(table_find(&g->wrong, account))) return refuse_try();
    int e = judge_line(g, net, &t->at[0], has_room(g, net, GUARD_LOGINS_MAX, GUARD_LOGIN_FADES), wait);
    if (!e && t->user.n)
        e = judge_line(g, account, &t->at[1], has_room(g, account, GUARD_LOGINS_ACCOUNT, GUARD_ACCOUNT_FADES),
                       wait);
    return e;
}

static void leave_lines(struct guard_try *t)
{
    struct key k;
    struct guard *g = t->v->g;
    step_out(g, t->known ? pair_key(&k, t->v, t->user) : net_key(&k, 'n', &t->v->ip), &t->at[0]);
    step_out(g, account_key(&k, t->user), &t->at[1]);
}

static int shut_by_hand(struct guard *g, struct slice account)
{
    struct key k;
    if (!is_shut(table_find(&g->hand, guard_key(&k, 'h', account)))) return 0;
    return err_set(ERR_BUSY, "logins are not taken at this moment; try again later");
}

/* Asked anew after each wait, for the network may have become known or shut meanwhile. */
static int judge(struct guard_try *t, bool *wait)
{
    struct key k;
    struct guard *g = t->v->g;
    *wait = false;
    int e = shut_by_hand(g, t->user);
    if (e) return e;
    struct slice pair = pair_key(&k, t->v, t->user);
    bool known = t->user.n && table_find(&g->known, pair);
    if (known != t->known) leave_lines(t);
    t->known = known;
    return known ? judge_line(g, pair, &t->at[0], known_may(g, pair), wait) : judge_unknown(g, t, wait);
}

/* Under the lock once: 0 and *wait, or it counts as under way from now on. */
static int look(struct guard_try *t, bool *wait)
{
    struct guard *g = t->v->g;
    lock_take(&g->lock);
    if (!t->number) t->number = ++g->came;
    int e = judge(t, wait);
    if (e) leave_lines(t);
    else if (!*wait) count_try(t, 1);
    lock_release(&g->lock);
    return e;
}

static void give_up(struct guard_try *t)
{
    lock_take(&t->v->g->lock);
    leave_lines(t);
    lock_release(&t->v->g->lock);
}

/* Until something has moved, or for a quarter of a second: counts fade as well. */
static int wait_a_little(struct guard_try *t)
{
    int64_t before = deadline_narrow(DEADLINE_IN(RT_S / 4));
    int e = nudge_wait(t->nudge);
    deadline_restore(before);
    return e == ERR_TIMEOUT && rt_now() < before ? 0 : e;
}

int try_begin(struct guard_try *t, struct guard_visit *v, struct slice user)
{
    int64_t until = DEADLINE_IN(GUARD_WAIT);
    bool wait = true;
    int e = 0;
    *t = (struct guard_try){.v = v, .user = user, .nudge = nudge_new()};
    for (size_t i = 0; i < COUNT_OF(t->at); i++) {
        t->at[i].t = t;
        list_init(&t->at[i].link);
    }
    while (!e && wait) {
        e = look(t, &wait);
        if (e || !wait) break;
        if (rt_now() >= until)
            e = err_set(ERR_BUSY, "too many logins are under way from your network or to this account; "
                                  "try again later");
        else e = wait_a_little(t);
        if (e) give_up(t);
    }
    nudge_drop(t->nudge);
    t->nudge = NULL;
    return e;
}

int guard_allows(void *visit, struct slice account)
{
    const struct guard_visit *v = visit;
    if (!v) return 0;
    lock_take(&v->g->lock);
    int e = shut_by_hand(v->g, account);
    lock_release(&v->g->lock);
    return e;
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

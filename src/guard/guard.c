/* guard.c - counts that fade, and what follows from them. */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/map.h"
#include "base/text.h"
#include "rt/rt.h"

enum { KEY_MAX = 256 };

struct count { /* in thousandths, as it was at `at` */
    int64_t score, at;
};
struct entry {
    struct link link; /* the one touched longest ago comes first */
    struct count n;
    int64_t shut; /* until then; 0: not */
    const char *why;
    char key[];
};
struct table {
    struct map map;
    struct link oldest;
    size_t max;
};
struct share { /* the connections of a network */
    size_t all, strangers;
};
struct guard {
    struct guard_conf conf;
    struct lock lock;
    struct table wrong, known;
    struct map shares;
    size_t all, world, strangers;
    struct count evidence;
};

/* ---- tables ---- */

static void table_open(struct table *t, size_t max)
{
    map_init(&t->map, false);
    list_init(&t->oldest);
    t->max = max;
}

static void drop(struct table *t, struct entry *e)
{
    list_remove(&e->link);
    map_del(&t->map, sl_cstr(e->key));
    free(e);
}

static void table_close(struct table *t)
{
    LIST_EACH(struct entry, e, &t->oldest, link) drop(t, e);
    map_free(&t->map);
}

static struct entry *find(struct table *t, struct slice key) { return map_get(&t->map, key); }

static struct entry *touch(struct table *t, struct slice key)
{
    struct entry *e = find(t, key);
    if (e) {
        list_remove(&e->link);
    } else {
        if (t->map.count >= t->max) drop(t, CONTAINER_OF(t->oldest.next, struct entry, link));
        e = xcalloc(1, sizeof *e + key.n + 1);
        memcpy(e->key, key.p, key.n);
        list_init(&e->link);
        map_put(&t->map, key, e);
    }
    list_push(&t->oldest, &e->link);
    return e;
}

/* ---- counts ---- */

static int64_t faded(const struct count *c, int64_t fades)
{
    int64_t left = c->score - (rt_now() - c->at) / (fades / 1000);
    return left > 0 ? left : 0;
}

static void add_to(struct count *c, int n, int64_t fades)
{
    int64_t score = faded(c, fades) + n * 1000;
    *c = (struct count){score > 0 ? score : 0, rt_now()};
}

static int64_t score_now(const struct entry *e, int64_t fades) { return e ? faded(&e->n, fades) : 0; }

/* Adds n to the count; what it is then. */
static int64_t add(struct table *t, struct slice key, int n, int64_t fades)
{
    struct entry *e = touch(t, key);
    add_to(&e->n, n, fades);
    return e->n.score / 1000;
}

static bool is_shut(const struct entry *e) { return e && e->shut > rt_now(); }

static void shut(struct table *t, struct slice key, const char *why, int64_t ns)
{
    struct entry *e = touch(t, key);
    int64_t until = ns > RT_NEVER - rt_now() ? RT_NEVER : rt_now() + ns;
    if (e->shut < until) e->shut = until;
    e->why = why;
}

/* ---- names of networks and accounts ---- */

struct key {
    char text[KEY_MAX];
};

/* "192.0.2.1", "2001:db8::/64" */
static void net_text(const struct ip *ip, char out[IP_TEXT_MAX + 4])
{
    struct ip net = *ip;
    if (net.family == 6) memset(net.b + 8, 0, 8);
    ip_format(&net, out);
    if (net.family == 6) snprintf(out + strlen(out), 4, "/64");
}

static struct slice net_key(struct key *k, char kind, const struct ip *ip)
{
    char net[IP_TEXT_MAX + 4];
    net_text(ip, net);
    return sl(k->text, (size_t)snprintf(k->text, sizeof k->text, "%c%s", kind, net));
}

uint64_t guard_asker(const struct guard_visit *v)
{
    struct key k;
    return v ? sl_hash(net_key(&k, 'n', &v->ip)) | 1 : 0;
}

static struct slice fold(char *to, size_t room, struct slice user)
{
    size_t n = user.n < room ? user.n : room;
    for (size_t i = 0; i < n; i++) to[i] = user.p[i] ? sl_lower(user.p[i]) : '?';
    return sl(to, n);
}

static struct slice account_key(struct key *k, struct slice user)
{
    k->text[0] = 'a';
    return sl(k->text, 1 + fold(k->text + 1, 180, user).n);
}

/* An account seen from a network. */
static struct slice pair_key(struct key *k, const struct guard_visit *v, struct slice user)
{
    char net[IP_TEXT_MAX + 4];
    net_text(&v->ip, net);
    size_t n = (size_t)snprintf(k->text, sizeof k->text, "k%s ", net);
    return sl(k->text, n + fold(k->text + n, 180, user).n);
}

/* ---- life ---- */

void guard_open(struct guard **out, const struct guard_conf *conf)
{
    struct guard *g = *out = xcalloc(1, sizeof *g);
    g->conf = *conf;
    table_open(&g->wrong, GUARD_ENTRIES_MAX);
    table_open(&g->known, GUARD_KNOWN_MAX);
    map_init(&g->shares, false);
}

void guard_close(struct guard **out)
{
    struct guard *g = *out;
    if (!g) return;
    *out = NULL;
    table_close(&g->wrong);
    table_close(&g->known);
    struct map_iter it = {0};
    while (map_next(&g->shares, &it)) free(it.value);
    map_free(&g->shares);
    free(g);
}

/* ---- connections ---- */

static bool speaks_for_many(const struct ip *ip)
{
    static const struct ip here[] = {{.family = 4, .b = {127, 0, 0, 1}}, {.family = 6, .b = {[15] = 1}}};
    return ip_eq(ip, &here[0]) || ip_eq(ip, &here[1]);
}

static int has_room(const struct guard *g, const struct share *s, enum guard_door door)
{
    const struct guard_conf *c = &g->conf;
    if (g->all >= c->connections || g->strangers >= c->connections - c->connections / 4 ||
        (door == GUARD_WORLD && g->world >= c->connections - c->connections / 2))
        return err_set(ERR_LIMIT, "too many connections at this moment: try again later");
    if (s && (s->all >= c->per_network || s->strangers >= GUARD_STRANGERS))
        return err_set(ERR_LIMIT, "too many connections from your address at this moment: try again later");
    return 0;
}

static void count(struct guard *g, const struct guard_visit *v, int by)
{
    struct key k;
    struct slice key = net_key(&k, 'c', &v->ip);
    struct share *s = map_get(&g->shares, key);
    size_t n = (size_t)by;
    if (!s) map_put(&g->shares, key, s = xcalloc(1, sizeof *s));
    g->all += n;
    s->all += n;
    if (v->door == GUARD_WORLD) g->world += n;
    if (!v->known) {
        g->strangers += n;
        s->strangers += n;
    }
    if (s->all) return;
    map_del(&g->shares, key);
    free(s);
}

int guard_enter(struct guard *g, struct guard_visit *v, const struct ip *ip, enum guard_door door)
{
    struct key k;
    *v = (struct guard_visit){.g = g, .ip = *ip, .door = door};
    lock_take(&g->lock);
    int e = 0;
    if (is_shut(find(&g->wrong, net_key(&k, 'b', ip))) ||
        (door == GUARD_WORLD && is_shut(find(&g->wrong, net_key(&k, 'p', ip)))))
        e = err_set(ERR_DENIED, "your address is shut out for some time: try again later");
    struct share *s = speaks_for_many(ip) ? NULL : map_get(&g->shares, net_key(&k, 'c', ip));
    if (!e) e = has_room(g, s, door);
    if (!e) count(g, v, 1);
    v->inside = !e;
    lock_release(&g->lock);
    return e;
}

void guard_leave(struct guard_visit *v)
{
    if (!v || !v->inside) return;
    lock_take(&v->g->lock);
    count(v->g, v, -1);
    v->inside = false;
    lock_release(&v->g->lock);
}

static void becomes_known(struct guard_visit *v)
{
    if (!v->inside || v->known || v->door == GUARD_WORLD) return;
    count(v->g, v, -1);
    v->known = true;
    count(v->g, v, 1);
}

/* ---- logins ---- */

static int refuse_try(void)
{
    return err_set(ERR_BUSY, "too many logins have failed; try again in %d minutes",
                   (int)(GUARD_SHUT / 60 / RT_S));
}

/* The owner's networks are only slowed down. */
static int try_known(struct guard *g, struct slice pair)
{
    struct entry *e = find(&g->wrong, pair);
    if (score_now(e, GUARD_LOGIN_FADES) >= GUARD_LOGINS_MAX * 1000 && rt_now() - e->n.at < GUARD_SLOW)
        return refuse_try();
    add(&g->wrong, pair, 1, GUARD_LOGIN_FADES);
    return 0;
}

static int try_unknown(struct guard *g, const struct guard_visit *v, struct slice user)
{
    struct key nk, ak;
    struct slice net = net_key(&nk, 'n', &v->ip), account = account_key(&ak, user);
    if (is_shut(find(&g->wrong, net)) || is_shut(find(&g->wrong, account))) return refuse_try();
    if (add(&g->wrong, net, 1, GUARD_LOGIN_FADES) > GUARD_LOGINS_MAX)
        shut(&g->wrong, net, "too many failed logins", GUARD_SHUT);
    if (add(&g->wrong, account, 1, GUARD_ACCOUNT_FADES) > GUARD_LOGINS_ACCOUNT)
        shut(&g->wrong, account, "too many failed logins from networks that it does not know", GUARD_SHUT);
    return 0;
}

int guard_try(struct guard_visit *v, struct slice user)
{
    struct key k;
    if (!v) return 0;
    struct slice pair = pair_key(&k, v, user);
    lock_take(&v->g->lock);
    int e = find(&v->g->known, pair) ? try_known(v->g, pair) : try_unknown(v->g, v, user);
    lock_release(&v->g->lock);
    return e;
}

int guard_gate(void *visit, struct slice user) { return guard_try(visit, user); }

/* The try that was counted was no failure. */
static void take_back(struct guard *g, const struct guard_visit *v, struct slice user)
{
    struct key k;
    if (find(&g->known, pair_key(&k, v, user))) {
        add(&g->wrong, pair_key(&k, v, user), -1, GUARD_LOGIN_FADES);
        return;
    }
    add(&g->wrong, net_key(&k, 'n', &v->ip), -1, GUARD_LOGIN_FADES);
    add(&g->wrong, account_key(&k, user), -1, GUARD_ACCOUNT_FADES);
}

void guard_untried(struct guard_visit *v, struct slice user)
{
    if (!v) return;
    lock_take(&v->g->lock);
    take_back(v->g, v, user);
    lock_release(&v->g->lock);
}

void guard_logged_in(struct guard_visit *v, struct slice user)
{
    struct key k;
    if (!v) return;
    lock_take(&v->g->lock);
    take_back(v->g, v, user);
    touch(&v->g->known, pair_key(&k, v, user));
    becomes_known(v);
    lock_release(&v->g->lock);
}

static int64_t slowness(int64_t score, int64_t free, int64_t each)
{
    int64_t wait = (score - free * 1000) / 1000 * each;
    return wait < 0 ? 0 : wait < GUARD_SLOW ? wait : GUARD_SLOW;
}

int64_t guard_login_delay(struct guard_visit *v, struct slice user)
{
    struct key k;
    if (!v) return 0;
    lock_take(&v->g->lock);
    struct slice pair = pair_key(&k, v, user);
    struct entry *e = find(&v->g->wrong, find(&v->g->known, pair) ? pair : net_key(&k, 'n', &v->ip));
    int64_t wait = slowness(score_now(e, GUARD_LOGIN_FADES), GUARD_LOGINS_FREE, RT_S);
    lock_release(&v->g->lock);
    return wait;
}

void guard_tried(struct guard_visit *v, struct slice user, int result)
{
    if (!v || !user.n || result == ERR_BUSY) return; /* what was not let through was not counted */
    if (result == 0) guard_logged_in(v, user);
    else if (result != ERR_DENIED && result != ERR_SYNTAX && result != ERR_NOT_FOUND) guard_untried(v, user);
    else (void)!fiber_sleep(guard_login_delay(v, user));
}

/* ---- recipients ---- */

int guard_probe(struct guard_visit *v, int64_t *delay)
{
    struct key k;
    *delay = 0;
    if (!v) return 0;
    struct slice net = net_key(&k, 'p', &v->ip);
    lock_take(&v->g->lock);
    int64_t n = add(&v->g->wrong, net, 1, GUARD_PROBE_FADES);
    if (n > GUARD_PROBES_MAX) shut(&v->g->wrong, net, "too many recipients that do not exist", GUARD_SHUT);
    bool out = is_shut(find(&v->g->wrong, net));
    lock_release(&v->g->lock);
    *delay = slowness(n * 1000, GUARD_PROBES_FREE, RT_S / 10);
    return out ? err_set(ERR_DENIED, "too many recipients that do not exist; try again later") : 0;
}

bool guard_evidence(struct guard_visit *v)
{
    struct key k;
    if (!v) return true;
    struct guard *g = v->g;
    struct slice net = net_key(&k, 'e', &v->ip);
    lock_take(&g->lock);
    bool yes = faded(&g->evidence, GUARD_EVIDENCE_ALL_FADES) < GUARD_EVIDENCE_ALL * 1000 &&
               score_now(find(&g->wrong, net), GUARD_EVIDENCE_FADES) < GUARD_EVIDENCE * 1000;
    if (yes) add(&g->wrong, net, 1, GUARD_EVIDENCE_FADES);
    if (yes) add_to(&g->evidence, 1, GUARD_EVIDENCE_ALL_FADES);
    lock_release(&g->lock);
    return yes;
}

/* ---- for the operator ---- */

size_t guard_blocks(struct guard *g, struct guard_block *v, size_t max)
{
    size_t n = 0;
    lock_take(&g->lock);
    LIST_EACH(struct entry, e, &g->wrong.oldest, link)
    {
        if (!is_shut(e)) continue;
        if (n < max) {
            v[n] = (struct guard_block){.why = e->why, .left = e->shut - rt_now()};
            snprintf(v[n].who, sizeof v[n].who, "%s", e->key + 1);
        }
        n++;
    }
    lock_release(&g->lock);
    return n;
}

size_t guard_entries(struct guard *g)
{
    lock_take(&g->lock);
    size_t n = g->wrong.map.count;
    lock_release(&g->lock);
    return n;
}

int guard_block(struct guard *g, struct slice who, int64_t ns)
{
    struct key k;
    struct ip ip;
    size_t slash = sl_chr(who, '/');
    if (!ip_parse(sl_sub(who, 0, slash), &ip) ||
        (slash != SL_NONE && !(ip.family == 6 && sl_eq(sl_from(who, slash), SL("/64")))))
        return err_set(ERR_SYNTAX, "%.*s is no IP address and no IPv6 network /64", SLF(who));
    lock_take(&g->lock);
    shut(&g->wrong, net_key(&k, 'b', &ip), "blocked by hand", ns);
    lock_release(&g->lock);
    return 0;
}

int guard_unblock(struct guard *g, struct slice who)
{
    struct key k;
    char net[IP_TEXT_MAX + 4];
    struct ip ip;
    bool found = false;
    if (ip_parse(sl_sub(who, 0, sl_chr(who, '/')), &ip)) {
        net_text(&ip, net);
        who = sl_cstr(net);
    }
    lock_take(&g->lock);
    LIST_EACH(struct entry, e, &g->wrong.oldest, link)
    {
        if (!is_shut(e) || !sl_eqi(sl_cstr(e->key + 1), fold(k.text, sizeof k.text, who))) continue;
        found = true;
        drop(&g->wrong, e);
    }
    lock_release(&g->lock);
    return found ? 0 : err_set(ERR_NOT_FOUND, "%.*s is not shut out", SLF(who));
}

/* cmd_source.c - source add, login, list, show, remove, warm, pool, use, forget: the addresses that letters
 * leave from. */
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/config.h"
#include "core/core.h"
#include "outgoing/preflight.h"
#include "relay/probe.h"
#include "source/source.h"

/* ---- which letters go by a pool ---- */

/* The selector that stands on the command line; an account by its id. */
static int use_of(struct request *r, struct source_use *out)
{
    struct account acc;
    for (int by = 0; by < SOURCE_BYS; by++) {
        struct slice v = arg_slice(r->args, source_by_word((enum source_by)by));
        if (v.n) *out = (struct source_use){.by = (enum source_by)by, .value = v};
    }
    if (out->by == SOURCE_DOMAIN) return dns_to_ascii(r->a, out->value, &out->value);
    if (out->by == SOURCE_CAMPAIGN) out->value = utf8_cut(out->value, LETTER_CAMPAIGN_MAX);
    if (out->by != SOURCE_ACCOUNT) return 0;
    int e = account_get(r->core->store->directory, r->a, out->value, &acc);
    if (!e) out->value = ar_dup(r->a, sl_cstr(acc.id)), out->shown = acc.address;
    return e;
}

int run_source_use(struct request *r)
{
    struct source_use use = {.by = SOURCE_STREAM};
    struct source_plan *p = source_plan_now(r->core->sources);
    int e = use_of(r, &use);
    use.pool = arg_slice(r->args, "pool");
    if (!e && !source_way_named(p, use.pool))
        e = err_set(ERR_NOT_FOUND, "the pool %.*s has no sources: `tram source add NAME --ip IP --pool %.*s`",
                    SLF(use.pool), SLF(use.pool));
    if (!e) e = source_set_use(r->core->sources, &use);
    source_plan_drop(&p);
    return e;
}

int run_source_forget(struct request *r)
{
    struct source_use use = {.by = SOURCE_STREAM};
    int e = use_of(r, &use);
    return e ? e : source_set_use(r->core->sources, &use);
}

static json_t *uses_json(const struct source_plan *p, struct slice pool)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->nuse; i++) {
        const struct source_use *u = &p->use[i];
        if (!sl_eq(u->pool, pool)) continue;
        json_t *o = json_object();
        reply_text(o, "by", sl_cstr(source_by_word(u->by)));
        reply_text(o, "value", u->shown.n ? u->shown : u->value);
        json_array_append_new(list, o);
    }
    return list;
}

/* ---- sources ---- */

int run_source_add(struct request *r)
{
    struct source s = {.name = arg_slice(r->args, "name"),
                       .pool = arg_slice(r->args, "pool"),
                       .helo = arg_slice(r->args, "helo"),
                       .added = rt_wall_seconds()};
    if (!s.pool.n) s.pool = SL(SOURCE_MAIN);
    if (!ip_parse(arg_slice(r->args, "ip"), &s.ip)) return err_set(ERR_USAGE, "--ip takes an address");
    if (s.helo.n && !dns_name_ok(s.helo)) return err_set(ERR_USAGE, "--helo takes the full name of a host");
    struct slice via = arg_slice(r->args, "via");
    int e = via.n ? source_via_parse(via, &s) : 0;
    if (e) return err_set(ERR_USAGE, "--via: %s", err_text(e));
    e = source_add(r->core->sources, &s);
    reply_text(r->reply, "name", s.name);
    reply_text(r->reply, "pool", s.pool);
    return e;
}

void print_source_add(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    buf_printf(out,
               "%s is a source of the pool %s. `tram source show %s` says what the DNS must show of it.\n",
               arg_text(reply, "name"), arg_text(reply, "pool"), arg_text(reply, "name"));
}

int run_source_login(struct request *r)
{
    struct source_plan *p = source_plan_now(r->core->sources);
    const struct source *s = source_find(p, arg_slice(r->args, "name"));
    int e = s && s->via != VIA_SOCKS5 ? err_set(ERR_STATE, "the source %.*s leaves by no SOCKS5 proxy",
                                                SLF(arg_slice(r->args, "name")))
                                      : 0;
    source_plan_drop(&p);
    if (e) return e;
    return source_set_login(r->core->sources, arg_slice(r->args, "name"), arg_slice(r->args, "user"),
                            arg_slice(r->args, "password"));
}

int run_source_remove(struct request *r)
{
    return source_remove(r->core->sources, arg_slice(r->args, "name"));
}

int run_source_warm(struct request *r)
{
    struct warm_curve c = {.first = (unsigned)arg_number(r->args, "first"),
                           .growth = (unsigned)arg_number(r->args, "growth"),
                           .most = (unsigned)arg_number(r->args, "most"),
                           .begun = rt_wall_seconds()};
    if (c.most < c.first) return err_set(ERR_USAGE, "--most is less than --first");
    return source_warm(r->core->sources, arg_slice(r->args, "name"), arg_flag(r->args, "done") ? NULL : &c);
}

/* The pool that takes over, as it stands on the command line; it has sources. */
static int take_overflow(struct request *r, const struct source_plan *p, struct source_pool *pool)
{
    struct slice to = arg_slice(r->args, "overflow");
    if (!json_object_get(r->args, "overflow")) return 0;
    if (to.n && (sl_eq(to, pool->name) || !source_way_named(p, to)))
        return err_set(ERR_NOT_FOUND, "the pool %.*s has no sources, or is this one", SLF(to));
    pool->overflow = to;
    return 0;
}

int run_source_pool(struct request *r)
{
    struct source_plan *p = source_plan_now(r->core->sources);
    struct source_pool pool = {.name = arg_slice(r->args, "pool")};
    for (size_t i = 0; i < p->npool; i++)
        if (sl_eq(p->pool[i].name, pool.name)) pool = p->pool[i];
    if (arg_slice(r->args, "retries").n) pool.same = sl_eq(arg_slice(r->args, "retries"), SL("same"));
    int e = take_overflow(r, p, &pool);
    if (!e) e = source_set_pool(r->core->sources, &pool);
    source_plan_drop(&p);
    return e;
}

static void say_done(json_t *args, json_t *reply, struct buf *out)
{
    (void)args, (void)reply;
    buf_str(out, "Done; what waits is planned anew.\n");
}
void print_source_login(json_t *args, json_t *reply, struct buf *out) { say_done(args, reply, out); }
void print_source_remove(json_t *args, json_t *reply, struct buf *out) { say_done(args, reply, out); }
void print_source_pool(json_t *args, json_t *reply, struct buf *out) { say_done(args, reply, out); }
void print_source_warm(json_t *args, json_t *reply, struct buf *out) { say_done(args, reply, out); }
void print_source_use(json_t *args, json_t *reply, struct buf *out) { say_done(args, reply, out); }
void print_source_forget(json_t *args, json_t *reply, struct buf *out) { say_done(args, reply, out); }

static struct slice helo_of(struct request *r, const struct source *s)
{
    return s->helo.n ? s->helo : r->core->conf->hostname;
}

static json_t *source_json(struct request *r, const struct source *s)
{
    char ip[IP_TEXT_MAX], why[SOURCE_TROUBLE_MAX];
    int64_t until;
    json_t *o = json_object();
    reply_text(o, "name", s->name);
    reply_text(o, "ip", sl_cstr(ip_format(&s->ip, ip)));
    reply_text(o, "helo", helo_of(r, s));
    reply_text(o, "pool", s->pool);
    reply_int(o, "added", s->added);
    if (s->via != VIA_NONE) reply_text(o, "via", source_via_text(r->a, s));
    if (s->user.n) reply_text(o, "user", s->user);
    if (source_out(r->core->sources, s->name, &until, why)) {
        reply_int(o, "rests_until", rt_wall_seconds() + (until - rt_now()) / RT_S);
        reply_text(o, "trouble", sl_cstr(why));
    }
    return o;
}

int run_source_list(struct request *r)
{
    struct source_plan *p = source_plan_now(r->core->sources);
    json_t *pools = json_array();
    int e = 0;
    for (size_t i = 0; !e && i < p->nsource; i++) e = reply_row(r, source_json(r, &p->source[i]));
    for (size_t i = 0; i < p->npool; i++) {
        json_t *o = json_object();
        reply_text(o, "name", p->pool[i].name);
        reply_text(o, "retries", p->pool[i].same ? SL("same") : SL("any"));
        if (p->pool[i].overflow.n) reply_text(o, "overflow", p->pool[i].overflow);
        json_object_set_new(o, "uses", uses_json(p, p->pool[i].name));
        json_array_append_new(pools, o);
    }
    json_object_set_new(r->reply, "pools", pools);
    source_plan_drop(&p);
    return e;
}

void print_row_source_list(json_t *args, json_t *o, size_t i, struct buf *out)
{
    (void)args, (void)i;
    char when[CIVIL_TEXT_MAX];
    buf_printf(out, "%-16s %-40s pool %-16s HELO %s", arg_text(o, "name"), arg_text(o, "ip"),
               arg_text(o, "pool"), arg_text(o, "helo"));
    if (*arg_text(o, "via")) buf_printf(out, " via %s", arg_text(o, "via"));
    if (*arg_text(o, "trouble"))
        buf_printf(out, "\n    left alone until %s: %s", civil_format(arg_number(o, "rests_until"), when),
                   arg_text(o, "trouble"));
    buf_char(out, '\n');
}

static void print_uses(json_t *uses, struct buf *out)
{
    size_t i;
    json_t *u;
    json_array_foreach(uses, i, u)
        buf_printf(out, "%s%s %s", i ? ", " : "", arg_text(u, "by"), arg_text(u, "value"));
}

void print_source_list(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *o, *pools = json_object_get(reply, "pools");
    (void)args;
    if (!json_array_size(pools))
        buf_str(out, "There are no sources: letters leave from the node's own address.\n");
    json_array_foreach(pools, i, o) {
        buf_printf(out, "pool %s: what is put off leaves from %s again; by it goes ", arg_text(o, "name"),
                   strcmp(arg_text(o, "retries"), "same") ? "any source" : "the same source");
        if (strcmp(arg_text(o, "name"), SOURCE_MAIN) == 0) buf_str(out, "what no other pool is named for");
        if (json_array_size(json_object_get(o, "uses")) && strcmp(arg_text(o, "name"), SOURCE_MAIN) == 0)
            buf_str(out, ", ");
        print_uses(json_object_get(o, "uses"), out);
        if (*arg_text(o, "overflow"))
            buf_printf(out, "; what its sources may not send yet leaves by the pool %s",
                       arg_text(o, "overflow"));
        buf_char(out, '\n');
    }
}

/* ---- warm-up ---- */

static struct slice warm_sentence(struct request *r, const struct warm_group *g)
{
    static const char *const words[] = {[WARM_BEGAN] = "it begins",
                                        [WARM_ROSE] = "it rose",
                                        [WARM_UNUSED] = "it stayed: less than half of it was used",
                                        [WARM_PUT_OFF] = "it stayed: more than one in twenty was put off",
                                        [WARM_FELL] = "it fell: receivers put off or refused too much, or "
                                                      "people complained",
                                        [WARM_BLAMED] = "it stayed: more than one in a thousand complained"};
    if (g->why == WARM_BEGAN) return sl_cstr(words[WARM_BEGAN]);
    return ar_printf(r->a, "%s (before: %u of %u, %u put off, %u complaints)", words[g->why], g->was_sent,
                     g->was, g->was_put_off, g->was_blamed);
}

static json_t *warm_group_json(struct request *r, const struct warm_curve *c, const struct warm_group *g)
{
    json_t *o = json_object();
    uint64_t more = (uint64_t)g->allowance * c->growth / 100, next = g->allowance + (more ? more : 1);
    reply_text(o, "group", sl_eq(g->group, SL("default")) ? SL("others") : g->group);
    reply_int(o, "allowance", g->allowance);
    reply_int(o, "used", g->sent);
    reply_int(o, "put_off", g->put_off);
    reply_int(o, "refused", g->refused);
    reply_int(o, "complaints", g->blamed);
    reply_text(o, "why", warm_sentence(r, g));
    json_object_set_new(o, "warm", json_boolean(g->allowance >= c->most));
    reply_int(o, "next", (int64_t)(next < c->most ? next : c->most));
    return o;
}

static json_t *warm_json(struct request *r, const struct source *s)
{
    struct warm_curve c;
    struct warm_group *g;
    size_t n;
    if (!source_warm_look(r->core->sources, s->name, r->a, &c, &g, &n)) return NULL;
    json_t *o = json_object(), *groups = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(groups, warm_group_json(r, &c, &g[i]));
    reply_int(o, "first", c.first);
    reply_int(o, "growth", c.growth);
    reply_int(o, "most", c.most);
    reply_int(o, "begun", c.begun);
    reply_int(o, "rises", warm_next_day());
    json_object_set_new(o, "groups", groups);
    return o;
}

static void print_warm(json_t *o, struct buf *out)
{
    char when[CIVIL_TEXT_MAX];
    size_t i;
    json_t *g;
    if (!o) return;
    buf_printf(out,
               "warms up: from %lld deliveries a day to each group of sites to %lld, %lld %% more a day\n",
               (long long)arg_number(o, "first"), (long long)arg_number(o, "most"),
               (long long)arg_number(o, "growth"));
    json_array_foreach(json_object_get(o, "groups"), i, g) {
        buf_printf(out, "  %s: %lld of %lld of today are used, %lld put off; %s", arg_text(g, "group"),
                   (long long)arg_number(g, "used"), (long long)arg_number(g, "allowance"),
                   (long long)arg_number(g, "put_off"), arg_text(g, "why"));
        if (json_is_true(json_object_get(g, "warm"))) buf_str(out, "; it is warm, and none binds\n");
        else
            buf_printf(out,
                       "; %lld from %s on, if half of it is used by then and at most one in twenty put off\n",
                       (long long)arg_number(g, "next"), civil_format(arg_number(o, "rises"), when));
    }
}

/* ---- what the world sees of a source ---- */

static json_t *item_json(const struct preflight_item *it, struct slice domain)
{
    json_t *o = json_object();
    reply_text(o, "what", sl_cstr(it->what));
    if (domain.n) reply_text(o, "domain", domain);
    reply_text(o, "state", sl_cstr(preflight_state_name(it->state)));
    reply_text(o, "sentence", it->sentence);
    if (it->line.n) reply_text(o, "publish", it->line);
    return o;
}

/* Of what a strict receiver judges, that which depends on the address: once its names, SPF for each domain.
 */
static int judge(struct request *r, const struct source *s, struct slice domain, bool names, json_t *list,
                 bool *wrong)
{
    struct preflight_result found;
    struct preflight_query q = {.ip = s->ip,
                                .helo = helo_of(r, s),
                                .mail_from = ar_cat(r->a, SL("postmaster@"), domain),
                                .author = domain};
    int e = preflight_check(r->core->dns, r->a, &q, &found);
    for (size_t i = 0; !e && i < found.n; i++) {
        bool spf = strcmp(found.item[i].what, "spf") == 0;
        bool of_ip = strcmp(found.item[i].what, "ptr") == 0 || strcmp(found.item[i].what, "helo") == 0;
        if (!spf && !(of_ip && names)) continue;
        *wrong |= found.item[i].state == PREFLIGHT_WRONG;
        json_array_append_new(list, item_json(&found.item[i], spf ? domain : SL("")));
    }
    return e;
}

/* Whether its proxy lets us in. */
static void judge_proxy(const struct source *s, json_t *list, bool *wrong)
{
    if (s->via == VIA_NONE) return;
    int e = relay_try_proxy(s);
    json_t *o = json_object();
    *wrong |= e != 0;
    reply_text(o, "what", SL("proxy"));
    reply_text(o, "state", sl_cstr(preflight_state_name(e ? PREFLIGHT_WRONG : PREFLIGHT_RIGHT)));
    reply_text(o, "sentence", sl_cstr(e ? err_text(e) : "its proxy answers"));
    json_array_append_new(list, o);
}

int run_source_show(struct request *r)
{
    struct source_plan *p = source_plan_now(r->core->sources);
    const struct source *s = source_find(p, arg_slice(r->args, "name"));
    json_t *checks = json_array();
    struct domain *d;
    size_t n = 0;
    bool wrong = false;
    int e = s ? domain_list(r->core->store->directory, r->a, &d, &n)
              : err_set(ERR_NOT_FOUND, "there is no source %.*s", SLF(arg_slice(r->args, "name")));
    if (!e) {
        json_t *o = source_json(r, s);
        json_object_update(r->reply, o);
        json_decref(o);
        json_object_set_new(r->reply, "uses", uses_json(p, s->pool));
        json_t *warm = warm_json(r, s);
        if (warm) json_object_set_new(r->reply, "warm_up", warm);
        judge_proxy(s, checks, &wrong);
    }
    for (size_t i = 0; !e && i < n; i++) e = judge(r, s, d[i].name, i == 0, checks, &wrong);
    json_object_set_new(r->reply, "checks", checks);
    source_plan_drop(&p);
    return e ? e : wrong ? NO : 0;
}

void print_source_show(json_t *args, json_t *reply, struct buf *out)
{
    size_t i;
    json_t *o;
    print_row_source_list(args, reply, 0, out);
    if (json_array_size(json_object_get(reply, "uses"))) {
        buf_str(out, "by its pool goes ");
        print_uses(json_object_get(reply, "uses"), out);
        buf_char(out, '\n');
    }
    print_warm(json_object_get(reply, "warm_up"), out);
    json_array_foreach(json_object_get(reply, "checks"), i, o) {
        buf_printf(out, "  %-5s %-7s %s\n", arg_text(o, "what"), arg_text(o, "state"),
                   arg_text(o, "sentence"));
        if (*arg_text(o, "publish")) buf_printf(out, "        publish: %s\n", arg_text(o, "publish"));
    }
}

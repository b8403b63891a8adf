/* people.c - what the directory elsewhere said lately, and asking it again. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "people_i.h"

static const int64_t there_for = 60 * RT_S, absent_for = 15 * RT_S, silent_for = 5 * RT_S;
/* A question that took this long, and got no answer: the person's password is not asked about for a while. */
static const int64_t slow_is = 4 * RT_S, slow_for = 30 * RT_S;
/* What lies between forgets a connection that says nothing for long. */
static const struct links_times times = {
    .patience = 5 * RT_S, .kept_for = 60 * RT_S, .first_after = 60 * RT_S};
#define PATIENCE (20 * RT_S) /* with those who ask about passwords */

/* What was said of an address: NUL between DN, id, quota and the addresses; none of them has one. */
struct known {
    int64_t until;
    bool there;
    size_t n;
    char text[];
};

struct people {
    struct people_conf conf;
    struct links *links; /* of libldap */
    struct lock lock;
    struct map known;
    int64_t silent_until; /* nobody asks before */
    struct map proofs;    /* DN -> struct proof * */
    size_t proving;
};

/* About whose password it is asked just now, or was not answered lately. */
struct proof {
    bool asking;
    int64_t until; /* nobody asks before */
};

void people_open(struct people **out, const struct people_conf *c)
{
    struct people *p = *out = xcalloc(1, sizeof *p);
    p->conf = *c;
    if (!c->search) {
        p->links = links_new(&times);
        p->conf.search = ldap_ask;
        p->conf.bind = ldap_prove;
        p->conf.arg = p->links;
    }
    map_init(&p->known, false);
    map_init(&p->proofs, false);
}

static void forget(struct map *m)
{
    struct map_iter it = {0};
    while (map_next(m, &it)) free(it.value);
    map_free(m);
}

void people_close(struct people **p)
{
    if (!*p) return;
    forget(&(*p)->known);
    forget(&(*p)->proofs);
    links_free(&(*p)->links);
    free(*p);
    *p = NULL;
}

/* ---- what is known ---- */

static void unpack(struct arena *a, struct slice text, struct people_entry *out)
{
    struct slice rest = ar_dup(a, text);
    size_t cap = 0;
    *out = (struct people_entry){0};
    (void)sl_next(&rest, 0, &out->dn);
    (void)sl_next(&rest, 0, &out->id);
    (void)sl_next(&rest, 0, &out->quota);
    for (struct slice one; rest.n && sl_next(&rest, 0, &one);) {
        if (out->n == cap) out->address = ar_grow(a, out->address, &cap, sizeof one);
        out->address[out->n++] = one;
    }
}

/* false: it must be asked. *e: 0 or ERR_NOT_FOUND. */
static bool recall(struct people *p, struct arena *a, struct slice address, struct people_entry *out, int *e)
{
    struct slice text = {0};
    lock_take(&p->lock);
    struct known *k = map_get(&p->known, address);
    bool told = k && k->until > rt_now();
    if (told) *e = k->there ? 0 : ERR_NOT_FOUND;
    if (told && k->there) text = ar_dup(a, sl(k->text, k->n));
    lock_release(&p->lock);
    if (text.n) unpack(a, text, out);
    return told;
}

static void keep(struct people *p, struct slice address, const struct people_entry *who, bool there)
{
    struct buf b = BUF_INIT;
    if (there) {
        buf_put(&b, who->dn);
        buf_char(&b, 0);
        buf_put(&b, who->id);
        buf_char(&b, 0);
        buf_put(&b, who->quota);
        for (size_t i = 0; i < who->n; i++) {
            buf_char(&b, 0);
            buf_put(&b, who->address[i]);
        }
    }
    struct known *k = xmalloc(sizeof *k + b.n);
    *k = (struct known){rt_now() + (there ? there_for : absent_for), there, b.n};
    if (b.n) memcpy(k->text, b.p, b.n);
    buf_free(&b);
    lock_take(&p->lock);
    if (p->known.count >= PEOPLE_KNOWN_MAX) forget(&p->known);
    free(map_put(&p->known, address, k));
    lock_release(&p->lock);
}

/* ---- asking ---- */

struct question {
    struct people *p;
    struct slice filter, dn, password; /* one or the others */
    struct arena *a;
    struct people_entry *out;
    int64_t until;
    bool slow; /* it was asked, and long not answered */
};

static bool is_silent(struct people *p)
{
    lock_take(&p->lock);
    bool yes = p->silent_until > rt_now();
    lock_release(&p->lock);
    return yes;
}

static void note_silence(struct people *p)
{
    lock_take(&p->lock);
    p->silent_until = rt_now() + silent_for;
    lock_release(&p->lock);
}

/* Who had to wait for a thread asks only whom others could ask meanwhile. */
static int ask_on_thread(void *arg)
{
    struct question *q = arg;
    struct people_conf *c = &q->p->conf;
    if (is_silent(q->p)) return err_set(ERR_UNREACHABLE, "the directory of people was silent just now");
    if (rt_now() > q->until) return err_set(ERR_TIMEOUT, "the directory of people is slow");
    int64_t begun = rt_now();
    int e = q->out ? c->search(c->arg, c, q->filter, q->a, q->out) : c->bind(c->arg, c, q->dn, q->password);
    if (!e || e == (q->out ? ERR_NOT_FOUND : ERR_DENIED)) return e;
    q->slow = rt_now() - begun >= slow_is;
    if (e == ERR_UNREACHABLE) note_silence(q->p);
    log_warn("people", "%s", err_text(e));
    return e;
}

static int ask(struct people *p, uint64_t asker, struct question *q)
{
    q->p = p;
    q->until = deadline_get();
    return offload_for(POOL_PEOPLE, asker, ask_on_thread, q);
}

bool people_cover(const struct people *p, struct slice domain)
{
    const struct people_conf *c = &p->conf;
    bool yes = !c->ndomains;
    for (size_t i = 0; !yes && i < c->ndomains; i++) yes = sl_eqi(c->domain[i], domain);
    return yes;
}

static struct slice attribute_of(struct slice id)
{
    size_t equals = sl_chr(id, '=');
    return equals == SL_NONE ? (struct slice){0} : sl_sub(id, 0, equals);
}

bool people_id_counts(const struct people *p, struct slice id)
{
    return sl_eqi(attribute_of(id), p->conf.id);
}

static int search(struct people *p, uint64_t asker, struct question *q)
{
    int e = ask(p, asker, q);
    q->out->fresh = !e;
    if (!e && q->out->id.n)
        q->out->id = ar_printf(q->a, "%.*s=%.*s", SLF(ar_lower(q->a, p->conf.id)), SLF(q->out->id));
    return e;
}

int people_find(struct people *p, struct arena *a, struct slice local, struct slice domain, uint64_t asker,
                struct people_entry *out)
{
    struct question q = {.a = a, .out = out};
    int e;
    *out = (struct people_entry){0};
    if (!people_cover(p, domain)) return ERR_NOT_FOUND;
    struct slice address = ar_printf(a, "%.*s@%.*s", SLF(local), SLF(domain));
    if (recall(p, a, address, out, &e)) return e;
    e = people_filter(a, p->conf.filter, local, domain, &q.filter);
    if (e) return ERR_NOT_FOUND; /* so long an address nobody has */
    e = search(p, asker, &q);
    if (!e && !p->conf.address.n) {
        out->address = ar_new(a, struct slice);
        *out->address = address;
        out->n = 1;
    }
    if (!e || e == ERR_NOT_FOUND) keep(p, address, out, !e);
    return e;
}

static struct slice filter_of_id(struct arena *a, struct slice attribute, struct slice value)
{
    struct buf f = BUF_INIT;
    buf_printf(&f, "(%.*s=", SLF(attribute));
    people_escape(&f, value);
    buf_char(&f, ')');
    struct slice filter = ar_dup(a, buf_slice(&f));
    buf_free(&f);
    return filter;
}

int people_find_id(struct people *p, struct arena *a, struct slice id, uint64_t asker,
                   struct people_entry *out)
{
    struct question q = {.a = a, .out = out};
    struct buf raw = BUF_INIT;
    struct slice key = ar_cat(a, SL("="), id), attribute = attribute_of(id); /* no address */
    *out = (struct people_entry){0};
    bool good = attribute.n && people_is_attribute(attribute);
    int e = good && !hex_decode(&raw, sl_from(id, attribute.n + 1)) && raw.n ? 0 : ERR_NOT_FOUND;
    if (!e && !recall(p, a, key, out, &e)) {
        q.filter = filter_of_id(a, attribute, buf_slice(&raw));
        e = search(p, asker, &q);
        if (!e || e == ERR_NOT_FOUND) keep(p, key, out, !e);
    }
    buf_free(&raw);
    return e;
}

/* ---- passwords: one that hangs there holds up nobody else ---- */

/* Room for an entry: those that are over, or, when there are too many, all that nobody asks about. */
static void tidy_proofs(struct people *p)
{
    struct map_iter it = {0};
    bool many = p->proofs.count >= PEOPLE_SLOW_MAX;
    while (many && map_next(&p->proofs, &it)) {
        struct proof *x = it.value;
        if (x->asking) continue;
        map_del(&p->proofs, it.key);
        free(x);
    }
}

/* 0, or why it is not asked; *wait: others are asked about. */
static int try_to_begin(struct people *p, struct slice dn, bool *wait)
{
    struct proof *x = map_get(&p->proofs, dn);
    *wait = false;
    if (x && !x->asking && x->until > rt_now())
        return err_set(ERR_TIMEOUT, "the directory of people did not answer about this password just now");
    *wait = p->proving >= PEOPLE_PROOFS || (x && x->asking);
    if (*wait) return 0;
    if (!x) {
        tidy_proofs(p);
        map_put(&p->proofs, dn, x = xcalloc(1, sizeof *x));
    }
    x->asking = true;
    p->proving++;
    return 0;
}

static int begin_proof(struct people *p, struct slice dn)
{
    int64_t until = DEADLINE_IN(PATIENCE), pause = RT_MS;
    for (;;) {
        bool wait;
        lock_take(&p->lock);
        int e = try_to_begin(p, dn, &wait);
        lock_release(&p->lock);
        if (e || !wait) return e;
        if (rt_now() >= until) return err_set(ERR_TIMEOUT, "the directory of people is slow");
        e = fiber_sleep(pause);
        if (e) return e;
        if (pause < RT_S / 10) pause *= 2;
    }
}

static void end_proof(struct people *p, struct slice dn, bool slow)
{
    lock_take(&p->lock);
    struct proof *x = map_get(&p->proofs, dn);
    ASSERT(x && x->asking && p->proving);
    p->proving--;
    *x = (struct proof){.until = rt_now() + slow_for};
    if (!slow) {
        map_del(&p->proofs, dn);
        free(x);
    }
    lock_release(&p->lock);
}

int people_prove(struct people *p, struct slice dn, struct slice password, uint64_t asker)
{
    if (!dn.n || !password.n) return ERR_DENIED;
    struct question q = {.dn = dn, .password = password};
    int e = begin_proof(p, dn);
    if (e) return e;
    e = ask(p, asker, &q);
    end_proof(p, dn, q.slow && e != ERR_UNREACHABLE);
    return e;
}

/* people.c - what the directory elsewhere said lately, and asking it again. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "people_i.h"

static const int64_t there_for = 60 * RT_S, absent_for = 15 * RT_S, silent_for = 5 * RT_S;
/* A question that took this long, and got no answer: the person's password is not asked about for a while by
 * who asked then, twice as long each time. */
static const int64_t slow_is = 4 * RT_S, slow_for = 30 * RT_S;
enum { SLOW_DOUBLED = 4 }; /* so often at most: 480 s */
/* What lies between forgets a connection that says nothing for long. */
static const struct links_times times = {.patience = 5 * RT_S,
                                         .alive = 2 * RT_S,
                                         .whole = 15 * RT_S,
                                         .kept_for = 60 * RT_S,
                                         .first_after = 60 * RT_S};
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
    int64_t silent_until;        /* nobody asks before */
    struct map slow;             /* DN, and DN with who asked -> struct slow * */
    struct link asking, waiting; /* struct proof; those who wait in order of their turns */
    size_t proving, suspects;    /* who asks, and of these whose password was not answered about lately */
    uint64_t turn;               /* of who began last */
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
    map_init(&p->slow, false);
    list_init(&p->asking);
    list_init(&p->waiting);
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
    ASSERT(list_empty(&(*p)->asking) && list_empty(&(*p)->waiting));
    forget(&(*p)->slow);
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

/* ---- passwords: those that hang there hold up few others, and not for long ---- */

/* A password that is asked about, or waits for that; of one person one is asked about at a time. Lies on the
 * stack of who wants to know. */
enum proof_state { PROOF_WAITS, PROOF_ASKS, PROOF_REFUSED };
struct proof {
    struct link link; /* in asking or waiting */
    struct slice dn;
    uint64_t asker, turn;
    enum proof_state state;
    bool suspect;        /* while it asks: it counts as one */
    struct nudge *nudge; /* NULL: it did not have to wait */
};

/* Of a person, and of a person and who asked: no answer came in time lately. */
struct slow {
    unsigned times;
    int64_t until;     /* nobody who asked then asks before, */
    int64_t forgotten; /* and then all is as if it had answered */
};

/* A DN has no NUL. */
static struct slice pair_key(struct buf *b, const struct proof *x)
{
    buf_put(b, x->dn);
    buf_char(b, 0);
    buf_bytes(b, &x->asker, sizeof x->asker);
    return buf_slice(b);
}

static struct slow *find_slow(struct people *p, struct slice key)
{
    struct slow *s = map_get(&p->slow, key);
    return s && s->forgotten > rt_now() ? s : NULL;
}

static void drop_slow(struct people *p, struct slice key)
{
    struct slow *s = map_get(&p->slow, key);
    if (!s) return;
    map_del(&p->slow, key);
    free(s);
}

/* Room for an entry: those that are over go, or, when none is, all. */
static void tidy_slow(struct people *p)
{
    struct map_iter it = {0};
    if (p->slow.count < PEOPLE_SLOW_MAX) return;
    while (map_next(&p->slow, &it)) {
        struct slow *s = it.value;
        if (s->forgotten > rt_now()) continue;
        map_del(&p->slow, it.key);
        free(s);
    }
    if (p->slow.count >= PEOPLE_SLOW_MAX) forget(&p->slow);
}

/* Twice as long each time. */
static void note_slow(struct people *p, struct slice key)
{
    struct slow *s = map_get(&p->slow, key);
    if (!s) {
        tidy_slow(p);
        map_put(&p->slow, key, s = xcalloc(1, sizeof *s));
    }
    if (s->forgotten <= rt_now()) s->times = 0;
    int64_t span = slow_for << (s->times < SLOW_DOUBLED ? s->times : SLOW_DOUBLED);
    s->times++;
    s->until = rt_now() + span;
    s->forgotten = s->until + span;
}

static bool is_refused(struct people *p, const struct proof *x)
{
    struct buf b = BUF_INIT;
    const struct slow *s = find_slow(p, pair_key(&b, x));
    buf_free(&b);
    return s && s->until > rt_now();
}

static bool is_asked_about(const struct people *p, struct slice dn)
{
    for (const struct link *l = p->asking.next; l != &p->asking; l = l->next)
        if (sl_eq(CONTAINER_OF(l, struct proof, link)->dn, dn)) return true;
    return false;
}

/* Those whose password was not answered about lately leave places for others. */
static bool has_place(struct people *p, struct proof *x)
{
    if (p->proving >= PEOPLE_PROOFS || is_asked_about(p, x->dn)) return false;
    x->suspect = find_slow(p, x->dn) != NULL;
    return !x->suspect || p->suspects < PEOPLE_SUSPECTS;
}

static void let_ask(struct people *p, struct proof *x)
{
    list_remove(&x->link);
    list_push(&p->asking, &x->link);
    x->state = PROOF_ASKS;
    if (p->turn < x->turn) p->turn = x->turn;
    p->proving++;
    p->suspects += x->suspect;
}

/* It asks, or need not any more; or it goes on to wait. */
static void look_at(struct people *p, struct proof *x)
{
    if (is_refused(p, x)) {
        list_remove(&x->link);
        x->state = PROOF_REFUSED;
    } else if (has_place(p, x)) {
        let_ask(p, x);
    }
    if (x->state != PROOF_WAITS && x->nudge) nudge_wake(x->nudge);
}

static void look_at_all(struct people *p)
{
    for (struct link *l = p->waiting.next, *next; l != &p->waiting; l = next) {
        next = l->next;
        look_at(p, CONTAINER_OF(l, struct proof, link));
    }
}

/* Askers in turns, each one's own in order of coming: a turn behind its last, or behind who asks now. */
static void stand_in(struct people *p, struct proof *x)
{
    struct link *behind = p->waiting.prev;
    x->turn = p->turn;
    for (struct link *l = p->waiting.next; l != &p->waiting; l = l->next) {
        const struct proof *other = CONTAINER_OF(l, struct proof, link);
        if (other->asker == x->asker) x->turn = other->turn;
    }
    x->turn++;
    while (behind != &p->waiting && CONTAINER_OF(behind, struct proof, link)->turn > x->turn)
        behind = behind->prev;
    list_push(behind->next, &x->link); /* in front of what follows */
}

/* Until its state is told, or e says why not. */
static int wait_for_turn(struct people *p, struct proof *x)
{
    int64_t before = deadline_narrow(DEADLINE_IN(PATIENCE));
    int e = 0;
    for (bool waits = true; waits;) {
        lock_take(&p->lock);
        waits = x->state == PROOF_WAITS && !e;
        if (x->state != PROOF_WAITS) e = 0;
        else if (e) list_remove(&x->link);
        lock_release(&p->lock);
        if (waits) e = nudge_wait(x->nudge);
    }
    deadline_restore(before);
    return e == ERR_TIMEOUT ? err_set(e, "the directory of people is slow") : e;
}

static int begin_proof(struct people *p, struct proof *x)
{
    lock_take(&p->lock);
    stand_in(p, x);
    look_at(p, x); /* the others were looked at when the last one ended */
    bool waits = x->state == PROOF_WAITS;
    if (waits) x->nudge = nudge_new();
    lock_release(&p->lock);
    int e = waits ? wait_for_turn(p, x) : 0;
    nudge_drop(x->nudge);
    if (!e && x->state == PROOF_REFUSED)
        e = err_set(ERR_TIMEOUT, "the directory of people did not answer about this password just now");
    return e;
}

/* Slowness is held against the person as asked about by that asker: who makes it hang with wrong passwords
 * shuts out nobody elsewhere. */
static void end_proof(struct people *p, struct proof *x, bool slow, bool answered)
{
    struct buf b = BUF_INIT;
    struct slice pair = pair_key(&b, x);
    lock_take(&p->lock);
    list_remove(&x->link);
    p->proving--;
    p->suspects -= x->suspect;
    if (slow) note_slow(p, x->dn), note_slow(p, pair);
    else if (answered) drop_slow(p, pair);
    look_at_all(p);
    lock_release(&p->lock);
    buf_free(&b);
}

int people_prove(struct people *p, struct slice dn, struct slice password, uint64_t asker)
{
    if (!dn.n || !password.n) return ERR_DENIED;
    struct question q = {.dn = dn, .password = password};
    struct proof x = {.dn = dn, .asker = asker};
    list_init(&x.link);
    int e = begin_proof(p, &x);
    if (e) return e;
    e = ask(p, asker, &q);
    end_proof(p, &x, q.slow && e == ERR_IO, !e || e == ERR_DENIED);
    return e;
}

/* acme.c - when a certificate is asked for, and what becomes of it. */
#include "acme.h"

#include <stdio.h>
#include <stdlib.h>

#include "acme_i.h"
#include "base/civil.h"
#include "base/log.h"
#include "crypto/cert.h"
#include "crypto/crypto.h"

void acme_open(struct acme **out, const struct acme_conf *conf)
{
    ASSERT(conf->kv && conf->fetch && conf->names);
    *out = xcalloc(1, sizeof **out);
    (*out)->conf = *conf;
}

void acme_close(struct acme **x)
{
    if (!*x) return;
    acme_tokens_free(*x);
    free(*x);
    *x = NULL;
}

void acme_on_change(struct acme *x, acme_changed *fn, void *arg)
{
    x->changed = fn;
    x->changed_arg = arg;
}

void acme_on_first(struct acme *x, acme_served *fn, void *arg)
{
    x->served = fn;
    x->served_arg = arg;
}

void acme_serve_tls(struct acme *x, struct tls_ctx *tls) { x->tls = tls; }

/* What is kept. What is damaged counts as nothing: it is asked for anew. What a later version wrote is no
 * damage, and nothing is written over it. */
static int kept(struct acme *x, struct arena *a, struct slice name, struct acme_kept *k)
{
    int e = acme_kept(x->conf.kv, a, name, k);
    if (e != ERR_CORRUPT) return e;
    log_error("acme", "what is kept of the certificate%s%.*s cannot be read, and it is asked for anew: %s",
              name.n ? " for " : "", SLF(name), err_text(e));
    *k = (struct acme_kept){.name = name};
    return 0;
}

/* ---- one renewal ---- */

static struct slice pem_of(struct arena *a, const struct es256 *key)
{
    struct buf b = BUF_INIT;
    es256_pem(key, &b);
    struct slice s = ar_dup(a, buf_slice(&b));
    wipe(b.p, b.n);
    buf_free(&b);
    return s;
}

/* The key of the certificate after the present one is there long before, so that its TLSA record can be. */
static int have_next_key(struct arena *a, struct acme_kept *k)
{
    struct es256 *key;
    int e = k->next_key_pem.n ? es256_from_pem(k->next_key_pem, &key) : ERR_NOT_FOUND;
    if (e) {
        e = es256_new(&key);
        if (e) return e;
        k->next_key_pem = pem_of(a, key);
    }
    es256_free(&key);
    return 0;
}

/* An authority certifies from now on, or an hour ago: clocks differ. */
static int check_time(struct slice chain)
{
    char text[CIVIL_TEXT_MAX];
    int64_t from, until, now = rt_wall_seconds();
    int e = cert_validity(chain, &from, &until);
    if (e) return err_prefix(e, "what the authority sent");
    if (from > now + ACME_CLOCKS_S)
        return err_set(ERR_DENIED, "the authority's certificate is not valid before %s: is the clock right?",
                       civil_format(from, text));
    if (until <= now)
        return err_set(ERR_DENIED, "the authority's certificate ended on %s: is the clock right?",
                       civil_format(until, text));
    return 0;
}

/* Is what came a certificate for the key and the names, and for now? Then it may replace the old one. */
static int check(struct slice chain, const struct es256 *key, const struct slice *names, size_t n)
{
    uint8_t got[32], own[32];
    int e = cert_spki_sha256(chain, got);
    if (e) return err_prefix(e, "what the authority sent");
    e = check_time(chain);
    if (e) return e;
    es256_spki_sha256(key, own);
    if (memcmp(got, own, sizeof own) != 0)
        return err_set(ERR_DENIED, "the authority's certificate is for another key");
    for (size_t i = 0; i < n; i++)
        if (!cert_is_for(chain, names[i]))
            return err_set(ERR_DENIED, "the authority's certificate is not for %.*s", SLF(names[i]));
    return 0;
}

/* A third of the validity is left, or up to a twentieth of it more, so that not all nodes ask at the same
 * time. */
static int64_t earliest_renewal(int64_t from, int64_t until)
{
    int64_t whole = until - from;
    return until - whole / 3 - whole / 20;
}

static int64_t renewal(int64_t from, int64_t until)
{
    return earliest_renewal(from, until) + (int64_t)rt_random_below((uint64_t)((until - from) / 20 + 1));
}

static int take(struct acme *x, struct arena *a, const struct acme_kept *old, struct acme_kept k,
                const struct es256 *key)
{
    k.key_pem = pem_of(a, key);
    if (sl_eq(k.key_pem, k.next_key_pem)) k.next_key_pem = SL("");
    int e = cert_validity(k.chain_pem, &k.from, &k.until);
    if (!e) e = have_next_key(a, &k);
    if (e) return e;
    k.renew_at = renewal(k.from, k.until);
    e = acme_kept_take(x->conf.kv, &k, rollover_replaced(x, a, old, key));
    if (!e && !k.name.n) __atomic_store_n(&x->keys_at, 0, __ATOMIC_SEQ_CST);
    if (!e && x->changed) x->changed(x->changed_arg, k.name, k.chain_pem, k.key_pem);
    return e;
}

/* Of one for others: itself. */
static int names_of(struct acme *x, struct arena *a, const struct acme_kept *k, struct acme_names *out)
{
    *out = (struct acme_names){0};
    if (!k->name.n) return x->conf.names(x->conf.ctx, a, out);
    out->v = ar_array(a, struct slice, 1);
    out->v[0] = k->name;
    out->n = 1;
    return 0;
}

static bool has_new_name(const struct acme_kept *k, const struct acme_names *names)
{
    bool any = false;
    for (size_t i = 0; i < names->n; i++) any |= !cert_is_for(k->chain_pem, names->v[i]);
    return any;
}

/* A name of the present certificate of which the DNS does not say now where it leads; empty: none. */
static struct slice silent_name(const struct acme_kept *k, const struct acme_names *names)
{
    for (size_t i = 0; k->chain_pem.n && i < names->nsilent; i++)
        if (cert_is_for(k->chain_pem, names->silent[i])) return names->silent[i];
    return (struct slice){0};
}

/* While the DNS is half silent no certificate is asked for that would lack a name of the present one, for a
 * few days, and as long as that has a sixth of its time left: half of what was left when it was first to be
 * renewed. One silent name keeps nothing from the others: neither a new name, nor what the authority advises
 * (it may be about to revoke), waits for it. ERR_DNS, and since when is noted; that is no failure. */
static int wait_for_dns(struct acme *x, struct acme_kept *k, const struct acme_names *names)
{
    char text[CIVIL_TEXT_MAX];
    struct slice name = silent_name(k, names);
    int64_t now = rt_wall_seconds(), last = k->until - (k->until - k->from) / 6;
    if (!name.n) k->silent_since = 0;
    if (!name.n || k->advised || has_new_name(k, names)) return 0;
    if (!k->silent_since || k->silent_since > now) k->silent_since = now;
    if (last > k->silent_since + ACME_SILENT_S) last = k->silent_since + ACME_SILENT_S;
    if (now >= last) {
        log_warn(
            "acme",
            "the certificate is renewed without %.*s: the DNS does not say since %s where that leads; as "
            "soon as it does, another one is asked for",
            SLF(name), civil_format(k->silent_since, text));
        return 0;
    }
    k->renew_at = now + ACME_LOOK_S;
    int put = acme_kept_put(x->conf.kv, k);
    if (put) return err_prefix(put, "since when the DNS is silent cannot be noted");
    return err_set(ERR_DNS,
                   "the DNS does not say now where %.*s leads, which the present certificate is for: "
                   "until %s none is asked for without it",
                   SLF(name), civil_format(last, text));
}

/* k: the promise, which counts this attempt. */
static int order(struct acme *x, struct arena *a, const struct acme_kept *k, const struct acme_names *names,
                 const struct es256 *key, int64_t *wait_s)
{
    struct acme_session s = {.x = x, .a = a, .way = (k->way + k->failures - 1) % ACME_WAYS};
    struct slice chain = {0}, replaces = SL("");
    int e = session_open(&s);
    if (!e && k->chain_pem.n && s.renewal_info.n) (void)!cert_renewal_id(a, k->chain_pem, &replaces);
    if (!e) e = session_order(&s, names->v, names->n, key, replaces, &chain);
    if (e && replaces.n && e == ERR_DENIED) /* it may be replaced already (RFC 9773 section 5) */
        e = session_order(&s, names->v, names->n, key, SL(""), &chain);
    if (!e) e = check(chain, key, names->v, names->n);
    struct acme_kept got = {
        .name = k->name, .chain_pem = chain, .next_key_pem = k->next_key_pem, .way = s.way};
    if (!e) e = take(x, a, k, got, key);
    *wait_s = s.wait_s;
    session_close(&s);
    return e;
}

/* Later and later. */
static int64_t wait_after(uint32_t failures)
{
    int64_t wait = ACME_WAIT_FIRST_S;
    for (uint32_t i = 0; i < failures && wait < ACME_WAIT_MOST_S; i++) wait *= 2;
    return wait < ACME_WAIT_MOST_S ? wait : ACME_WAIT_MOST_S;
}

/* Before anything is asked: what could not be kept is not asked for (an authority certifies a name a few
 * times a week), and when the disk is full, or the program or the machine dies before the end, this was a
 * failure: the next attempt is later. */
static int promise(struct acme *x, struct acme_kept *k)
{
    if (k->failures && !k->why.n) k->why = SL("the program ended before the attempt did");
    k->renew_at = rt_wall_seconds() + wait_after(k->failures++);
    int e = acme_kept_put(x->conf.kv, k);
    return e ? err_prefix(e, "no certificate is asked for, since it could not be kept") : 0;
}

/* It is counted already. Not before the authority wants to hear from us. */
static void note_failure(struct acme *x, struct acme_kept *k, int e, int64_t wait_s)
{
    int64_t now = rt_wall_seconds(), wait = wait_after(k->failures - 1);
    k->why = sl_cstr(err_text(e));
    if (wait_s > wait) wait = wait_s;
    k->failed_at = now;
    k->renew_at = now + wait + (int64_t)rt_random_below((uint64_t)wait / 8 + 1);
    int put = acme_kept_put(x->conf.kv, k);
    if (put && put != ERR_CANCELED) log_warn("acme", "the failure cannot be noted: %s", err_text(put));
}

/* A new next key is kept before its record is shown to anybody. */
static int choose_key(struct acme *x, struct arena *a, struct acme_kept *k, bool by_hand, struct es256 **out)
{
    struct slice before = k->next_key_pem;
    int e = have_next_key(a, k);
    if (!e && !sl_eq(before, k->next_key_pem) && x->conf.keys && !k->name.n) {
        e = acme_kept_put(x->conf.kv, k);
        if (e) return err_prefix(e, "no certificate is asked for, since its key could not be kept");
    }
    return e ? e : rollover_key(x, a, k, by_hand, out);
}

static int attempt(struct acme *x, struct arena *a, struct acme_kept *k, bool by_hand)
{
    struct acme_names names;
    struct es256 *key = NULL;
    int64_t wait_s = 0;
    char why[ERR_TEXT_MAX] = "";
    int e = names_of(x, a, k, &names);
    if (!e && !by_hand) {
        e = wait_for_dns(x, k, &names);
        if (e) return e;
    }
    if (!e) {
        e = choose_key(x, a, k, by_hand, &key);
        if (e == ERR_DNS) return e; /* not yet, which is no failure */
    }
    if (e) k->failures++;
    if (!e) e = promise(x, k);
    if (!e) e = order(x, a, k, &names, key, &wait_s);
    es256_free(&key);
    if (!e) return 0;
    snprintf(why, sizeof why, "%s", err_text(e));
    if (e != ERR_CANCELED) note_failure(x, k, e, wait_s);
    return err_set(e, "%s", why);
}

/* One at a time changes what is kept. */
static bool enter(struct acme *x) { return !__atomic_exchange_n(&x->under_way, true, __ATOMIC_SEQ_CST); }
static void leave(struct acme *x) { __atomic_store_n(&x->under_way, false, __ATOMIC_SEQ_CST); }

static int renew(struct acme *x, struct slice name, bool by_hand)
{
    struct arena a;
    struct acme_kept k;
    if (!enter(x)) return err_set(ERR_BUSY, "a certificate is being asked for already");
    ar_init(&a, 8 << 20);
    int e = kept(x, &a, name, &k);
    if (!e) e = attempt(x, &a, &k, by_hand);
    ar_free(&a);
    leave(x);
    return e;
}

/* ---- in good time ---- */

/* While it was asked somebody may have renewed it by hand. */
static int take_advice(struct acme *x, struct arena *a, struct acme_kept *k, int64_t when)
{
    struct acme_kept now;
    if (!enter(x)) return ERR_BUSY;
    int e = acme_kept(x->conf.kv, a, k->name, &now);
    if (!e && sl_eq(now.chain_pem, k->chain_pem)) {
        now.renew_at = when;
        now.advised |= when < earliest_renewal(now.from, now.until);
        e = acme_kept_put(x->conf.kv, &now);
        if (!e) *k = now;
    }
    leave(x);
    return e;
}

/* The authority may want it earlier than we do: a certificate that it revokes, a flood that it spreads. */
static int ask_advice(struct acme *x, struct arena *a, struct acme_kept *k)
{
    struct acme_session s = {.x = x, .a = a};
    struct slice id;
    int64_t when;
    int e = session_open(&s);
    if (!e) e = cert_renewal_id(a, k->chain_pem, &id);
    if (!e) e = session_advice(&s, id, &when);
    session_close(&s);
    return e || when >= k->renew_at ? e : take_advice(x, a, k, when);
}

static bool names_are_missing(struct acme *x, struct arena *a, const struct acme_kept *k)
{
    struct acme_names names;
    return names_of(x, a, k, &names) == 0 && has_new_name(k, &names);
}

/* A time of the future that cannot be was written by a clock that was ahead. */
static bool is_due(struct acme *x, struct arena *a, const struct acme_kept *k)
{
    int64_t now = rt_wall_seconds(), most = k->failures ? 2 * ACME_WAIT_MOST_S : k->until - k->from;
    if (k->renew_at <= now || k->renew_at > now + most) return true;
    return !k->failures && (!k->chain_pem.n || names_are_missing(x, a, k));
}

/* How long until there may be something to do, seconds. */
static int64_t next_look(struct acme *x, struct arena *a)
{
    struct acme_kept k;
    if (acme_kept(x->conf.kv, a, SL(""), &k)) return ACME_LOOK_S;
    int64_t now = rt_wall_seconds(), wait = k.renew_at - now;
    bool young = k.chain_pem.n && !k.failures && now >= k.from && now - k.from < ACME_YOUNG_S;
    int64_t most = young ? ACME_LOOK_YOUNG_S : ACME_LOOK_S;
    return !k.renew_at || wait < 1 ? ACME_WAIT_FIRST_S : wait < most ? wait : most;
}

/* For what the DNS shows of the node's names it is looked often, and waited in the same words. */
static bool is_news(struct acme *x, struct slice name, int e)
{
    if (name.n) return true; /* failures, later and later */
    uint64_t hash = e == ERR_DNS ? sl_hash(sl_cstr(err_text(e))) : 0;
    return __atomic_exchange_n(&x->waited_for, hash, __ATOMIC_SEQ_CST) != hash || !hash;
}

/* ERR_CANCELED, ERR_BUSY (the authority wants to be left alone); else it is told. */
static int look_at(struct acme *x, struct slice name, bool advice)
{
    struct arena a;
    struct acme_kept k;
    ar_init(&a, 8 << 20);
    const char *whose = name.n ? ar_printf(&a, " for %.*s", SLF(name)).p : "";
    int e = kept(x, &a, name, &k);
    if (e && e != ERR_CANCELED)
        log_error("acme", "what is kept of the certificate%s cannot be read: %s", whose, err_text(e));
    if (!e && advice && k.chain_pem.n && !k.failures) (void)!ask_advice(x, &a, &k); /* only advice */
    if (!e && is_due(x, &a, &k)) {
        e = renew(x, name, false);
        if (!e) log_info("acme", "there is a new certificate%s", whose);
        else if (e != ERR_CANCELED && e != ERR_BUSY && is_news(x, name, e))
            log_warn("acme", "no new certificate%s: %s", whose, err_text(e));
    }
    ar_free(&a);
    return e;
}

/* ---- those of others ---- */

struct wanted {
    struct acme *x;
    const struct slice *name;
    size_t n;
};

/* Nobody wants it any more, and it is over; what a later version wrote tells nobody here whether it is. */
static int drop_old(void *arg, const struct acme_kept *k)
{
    const struct wanted *w = arg;
    for (size_t i = 0; i < w->n; i++)
        if (sl_eq(w->name[i], k->name)) return 0;
    return k->damage != ERR_VERSION && k->until < rt_wall_seconds() ? acme_kept_drop(w->x->conf.kv, k->name)
                                                                    : 0;
}

static void look_at_others(struct acme *x)
{
    struct arena a = {0};
    struct slice *name;
    size_t n = 0;
    int e = x->conf.others(x->conf.ctx, &a, &name, &n);
    for (size_t i = 0; !e && i < n; i++) {
        e = look_at(x, name[i], false);
        if (e != ERR_CANCELED && e != ERR_BUSY) e = 0;
    }
    if (!e) e = acme_each(x->conf.kv, drop_old, &(struct wanted){x, name, n});
    if (e && e != ERR_CANCELED && e != ERR_BUSY)
        log_warn("acme", "certificates for names of others: %s", err_text(e));
    ar_free(&a);
}

int acme_renew(struct acme *x)
{
    int e = renew(x, SL(""), true);
    if (!e) (void)!rollover_look(x); /* it is told */
    if (!e && x->conf.others) look_at_others(x);
    return e;
}

static int64_t look(struct acme *x, bool advice)
{
    struct arena a = {0};
    (void)!look_at(x, SL(""), advice); /* it is told */
    if (rt_now() >= __atomic_load_n(&x->keys_at, __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&x->keys_at, rt_now() + ACME_LOOK_S * RT_S, __ATOMIC_SEQ_CST);
        (void)!rollover_look(x); /* so is that */
    }
    int64_t wait = next_look(x, &a);
    ar_free(&a);
    return wait;
}

void acme_keep(void *arg)
{
    enum { ADVICE_EACH_S = 5 * ACME_LOOK_S };
    int64_t waited = 0, wait;
    do {
        bool advice = waited >= ADVICE_EACH_S;
        wait = look(arg, advice);
        waited = advice ? wait : waited + wait;
    } while (fiber_sleep(wait * RT_S) == 0);
}

void acme_keep_others(void *arg)
{
    while (fiber_sleep(ACME_LOOK_OTHERS_S * RT_S) == 0) look_at_others(arg);
}

/* certified_sim.c - names of thousands of domains: asked at the same time, silent ones left alone, and always
 * the same ones in the node's certificate. */
#include <stdlib.h>

#include "acme/acme.h"
#include "base/test.h"
#include "base/text.h"
#include "body/body.h"
#include "certificate.h"
#include "config.h"
#include "directory/directory.h"
#include "kv/kv.h"
#include "kv/record.h"
#include "rt/tls.h"
#include "sim/sim.h"
#include "store/store.h"

enum { DOMAINS = 1500, EACH = 3, SILENT_EACH = 100 };

struct world {
    struct config conf;
    struct core core;
    struct arena a;
    unsigned asked, under_way, most;
    bool silent;       /* each SILENT_EACH-th domain is, */
    bool dead;         /* or all are */
    size_t each;       /* or so many of them, not SILENT_EACH */
    size_t from, here; /* domains from this to before that lead here */
    size_t domains;
};

static size_t number_of(struct slice name)
{
    uint64_t n = 0;
    size_t at = sl_find(name, SL(".d"));
    if (at != SL_NONE) CHECK(num_u64(sl_sub(name, at + 2, at + 6), 9999, &n));
    return (size_t)n;
}

static int ask(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    struct world *w = arg;
    size_t n = number_of(name);
    size_t each = w->each ? w->each : SILENT_EACH;
    bool silent = w->dead || (w->silent && n % each == each - 1);
    *out = (struct dns_answer){.status = DNS_NXDOMAIN};
    w->asked++;
    if (++w->under_way > w->most) w->most = w->under_way;
    int e = fiber_sleep(silent ? 15 * RT_S : 20 * RT_MS);
    w->under_way--;
    if (e) return e;
    if (silent) out->status = DNS_TEMPFAIL;
    if (silent || n < w->from || n >= w->here || type != DNS_A) return 0;
    out->status = DNS_FOUND;
    out->rr = ar_new(a, struct dns_rr);
    out->n = 1;
    CHECK(ip_parse(SL("192.0.2.1"), &out->rr->ip));
    return 0;
}

static void begin(struct world *w)
{
    struct kv *kv;
    struct body_store *body;
    config_defaults(&w->conf);
    w->conf.hostname = SL("mail.one.test");
    w->conf.acme = SL("https://ca.test/dir");
    w->conf.npublic = 1;
    CHECK(ip_parse(SL("192.0.2.1"), &w->conf.public_address[0]));
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK_OK(body_open(&body, "bodies", 0));
    CHECK_OK(core_open_on(&w->core, &w->conf, dns_open_func(ask, w), kv, body));
    for (size_t i = 0; i < w->domains; i++)
        CHECK_OK(domain_add(w->core.store->directory, ar_printf(&w->a, "d%04zu.test", i)));
}

static void end(struct world *w)
{
    core_close(&w->core);
    ar_free(&w->a);
}

/* One after the other these would take three minutes, and 22 more with the silent ones. */
static int run_many(void *arg)
{
    struct world *w = arg;
    struct acme_names names;
    begin(w);
    int64_t before = rt_now();
    CHECK_OK(core_certificate_names(&w->core, &w->a, &names));
    CHECK(rt_now() - before < 70 * RT_S);
    CHECK_INT(w->asked, 2 * EACH * DOMAINS);
    CHECK_INT(w->most, CERTIFICATE_ASKED);
    CHECK(names.n == ACME_NAMES_MAX && names.nsilent == EACH * DOMAINS / SILENT_EACH);
    w->asked = 0;
    before = rt_now();
    CHECK_OK(core_certificate_names(&w->core, &w->a, &names));
    CHECK(rt_now() - before < 10 * RT_S); /* those that are silent are left alone */
    CHECK_INT(w->asked, 2 * EACH * (DOMAINS - DOMAINS / SILENT_EACH));
    CHECK(names.n == ACME_NAMES_MAX && names.nsilent == EACH * DOMAINS / SILENT_EACH);
    w->silent = false;
    CHECK_OK(fiber_sleep(CERTIFICATE_SILENT_S * RT_S));
    CHECK_OK(core_certificate_names(&w->core, &w->a, &names));
    CHECK_INT(names.nsilent, 0);
    end(w);
    return 0;
}

static bool is_among(const struct slice *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (sl_eq(v[i], sl_cstr(name))) return true;
    return false;
}

/* What does not fit into one certificate gets one of its own. */
static int run_more(void *arg)
{
    struct world *w = arg;
    struct acme_names names;
    struct slice *others;
    size_t n;
    begin(w);
    CHECK_OK(core_certificate_names(&w->core, &w->a, &names));
    CHECK(names.n == ACME_NAMES_MAX && sl_eq(names.v[0], SL("mail.one.test")));
    CHECK(sl_eq(names.v[99], SL("autodiscover.d0032.test"))); /* in this order after each start */
    CHECK_OK(core_certificate_others(&w->core, &w->a, &others, &n));
    CHECK_INT(n, EACH * w->here - (ACME_NAMES_MAX - 1));
    CHECK(is_among(others, n, "mta-sts.d0033.test") && is_among(others, n, "autoconfig.d0039.test"));
    CHECK(!is_among(others, n, "mta-sts.d0040.test") && !is_among(others, n, "mta-sts.d0032.test"));
    end(w);
    return 0;
}

/* A DNS that is silent of everything, and ten thousand names: it comes to an end, and to the same one when it
 * is canceled. */
static int run_dead(void *arg)
{
    struct world *w = arg;
    struct acme_names names;
    begin(w);
    int64_t before = rt_now();
    CHECK_OK(core_certificate_names(&w->core, &w->a, &names));
    CHECK(rt_now() - before < 2 * CERTIFICATE_ASKING_S * RT_S);
    CHECK(names.n == 1 && names.nsilent == EACH * w->domains);
    int64_t deadline = deadline_narrow(DEADLINE_IN(5 * RT_S));
    before = rt_now();
    CHECK_ERR(core_certificate_names(&w->core, &w->a, &names), ERR_TIMEOUT);
    CHECK(rt_now() - before < 40 * RT_S);
    deadline_restore(deadline);
    end(w);
    return 0;
}

/* The time is too short for all, since a hundred domains are dead: they keep the last ones from nothing. */
static int run_last(void *arg)
{
    struct world *w = arg;
    struct acme_names names;
    size_t looks = 0;
    begin(w);
    do {
        int64_t before = rt_now();
        CHECK_OK(core_certificate_names(&w->core, &w->a, &names));
        CHECK(rt_now() - before < 2 * CERTIFICATE_ASKING_S * RT_S);
        CHECK_OK(fiber_sleep(ACME_LOOK_S * RT_S));
    } while (names.n == 1 && ++looks < 10);
    CHECK(looks && looks < 6);
    CHECK(is_among(names.v, names.n, "mta-sts.d1498.test"));
    CHECK_OK(
        core_certificate_names(&w->core, &w->a, &names)); /* what was heard is known while others are asked */
    CHECK_INT(names.n, 1 + EACH * 2);
    CHECK_INT(names.nsilent, EACH * (DOMAINS / 15));
    end(w);
    return 0;
}

static int certify_tx(struct kv_tx *tx, void *chain)
{
    struct buf b = BUF_INIT;
    rec_begin(&b, 1);
    rec_put(&b, 'c', buf_slice(chain));
    kv_tx_put_record(tx, SL("c"), &b);
    buf_free(&b);
    return 0;
}

/* One of the hundred is silent for a while: it has its place when it is back, and nobody had it. */
static int run_place(void *arg)
{
    struct world *w = arg;
    struct acme_names names, then;
    struct buf chain = BUF_INIT, key = BUF_INIT;
    struct slice *others;
    size_t n;
    begin(w);
    CHECK_OK(core_certificate_names(&w->core, &w->a, &names));
    CHECK_OK(tls_self_signed(names.v, names.n, 30, &chain, &key));
    CHECK_OK(kv_transact(w->core.store->kv, SL("_acme"), certify_tx, &chain));
    w->silent = true;
    CHECK_OK(core_certificate_names(&w->core, &w->a, &then));
    CHECK_INT(then.n, ACME_NAMES_MAX - EACH);
    CHECK(sl_eq(then.v[then.n - 1], SL("autodiscover.d0032.test")));
    CHECK(is_among(then.silent, then.nsilent, "mta-sts.d0029.test"));
    CHECK_OK(core_certificate_others(&w->core, &w->a, &others, &n));
    CHECK(is_among(others, n, "mta-sts.d0033.test"));
    w->silent = false;
    CHECK_OK(fiber_sleep(CERTIFICATE_SILENT_S * RT_S));
    CHECK_OK(core_certificate_names(&w->core, &w->a, &then));
    CHECK_INT(then.n, names.n);
    for (size_t i = 0; i < then.n; i++) CHECK(sl_eq(then.v[i], names.v[i]));
    buf_free(&chain);
    buf_free(&key);
    end(w);
    return 0;
}

static void play(const struct world *as, int (*fn)(void *))
{
    struct world *w = xcalloc(1, sizeof *w);
    struct sim *s = sim_new(7);
    *w = *as;
    struct sim_node *node = sim_node(s, "one.test", "192.0.2.1");
    sim_node_start(node, fn, w);
    sim_run(s, 86400 * RT_S);
    CHECK(!sim_node_running(node));
    sim_free(&s);
    free(w);
}

TEST(names_of_thousands_of_domains_are_asked_for_at_the_same_time)
{
    play(&(struct world){.domains = DOMAINS, .silent = true, .here = DOMAINS}, run_many);
}
TEST(names_that_do_not_fit_into_one_certificate_get_their_own)
{
    play(&(struct world){.domains = 100, .here = 40}, run_more);
}
TEST(names_of_which_nobody_tells_anything_come_to_an_end)
{
    play(&(struct world){.domains = DOMAINS, .dead = true}, run_dead);
}
TEST(names_behind_many_dead_ones_have_their_turn)
{
    play(&(struct world){.domains = DOMAINS, .silent = true, .each = 15, .from = 1497, .here = DOMAINS},
         run_last);
}
TEST(a_silent_name_keeps_its_place_in_the_certificate)
{
    play(&(struct world){.domains = 100, .each = 30, .here = 40}, run_place);
}

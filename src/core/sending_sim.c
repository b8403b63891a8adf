/* sending_sim.c - a customer's domain over weeks: proved when its records come, kept through silence of its
 * DNS, lost some days after its key is gone. */
#include "config.h"
#include "sending.h"

#include "base/test.h"
#include "body/body.h"
#include "certificate.h"
#include "kv/record.h"
#include "sim/sim.h"
#include "store/store.h"

enum shown { NOTHING, ALL, NO_KEY, SILENT, OTHER_SPF, BROKEN };
struct world {
    struct config conf;
    struct core core;
    struct arena a;
    const char *account;
    struct sending_domain d;
    enum shown shown;
    size_t asked;
    int64_t slow; /* its DNS answers after so long */
};

static int found(struct dns_answer *out, struct arena *a, struct dns_rr rr)
{
    out->status = DNS_FOUND;
    out->rr = ar_new(a, struct dns_rr);
    *out->rr = rr;
    out->n = 1;
    return 0;
}

/* As CNAMEs to the host would lead to what it has. */
static int ask(void *arg, struct arena *a, struct slice name, enum dns_type type, struct dns_answer *out)
{
    struct world *w = arg;
    struct dns_rr rr = {0};
    w->asked++;
    if (w->slow) CHECK_OK(fiber_sleep(w->slow));
    struct sending_record r[SENDING_RECORDS];
    *out = (struct dns_answer){.status = w->shown == SILENT ? DNS_TEMPFAIL : DNS_NXDOMAIN};
    if (w->shown == NOTHING || w->shown == SILENT) return 0;
    CHECK_OK(sending_records(&w->core, a, &w->d, r));
    bool host = sl_eq(name, r[1].name) || sl_eq(name, r[2].name);
    if (w->shown == BROKEN && host) return err_set(ERR_IO, "the resolver is broken");
    if (type == DNS_A && host) {
        CHECK(ip_parse(SL("192.0.2.1"), &rr.ip));
        return found(out, a, rr);
    }
    if (type == DNS_TXT && host) {
        rr.txt = w->shown == OTHER_SPF ? SL("v=spf1 -all") : SL("v=spf1 ip4:192.0.2.1 -all");
        return found(out, a, rr);
    }
    rr.txt = r[0].value;
    if (type == DNS_TXT && sl_eq(name, r[0].name) && w->shown != NO_KEY && w->shown != BROKEN)
        return found(out, a, rr);
    return 0;
}

static void open_world(struct world *w)
{
    struct kv *kv;
    struct body_store *body;
    struct account acc;
    CHECK_OK(kv_mem_open(&kv, "index.log"));
    CHECK_OK(body_open(&body, "bodies", 0));
    CHECK_OK(core_open_on(&w->core, &w->conf, dns_open_func(ask, w), kv, body));
    struct directory *dir = w->core.store->directory;
    CHECK_OK(domain_add(dir, SL("one.test")));
    CHECK_OK(account_add(dir, SL("alice@one.test"), SL("secret")));
    CHECK_OK(account_get(dir, &w->a, SL("alice@one.test"), &acc));
    w->account = ar_cstr(&w->a, sl_cstr(acc.id));
    CHECK_OK(sending_domain_add(dir, &w->a, w->account, SL("shop.example"), SL(""), SL(""), &w->d));
}

static struct sending_domain after(struct world *w, enum shown shown, int64_t seconds)
{
    struct sending_domain d;
    w->shown = shown;
    CHECK_OK(fiber_sleep(seconds * RT_S));
    CHECK_OK(sending_domain_get(w->core.store->directory, &w->a, w->account, SL("shop.example"), &d));
    return d;
}

static bool has_it(struct world *w)
{
    struct sending_domain d;
    int e = sending_domain_of(w->core.store->directory, &w->a, SL("shop.example"), &d);
    CHECK(!e || e == ERR_NOT_FOUND);
    return !e;
}

static void weeks(struct world *w)
{
    const int64_t day = 86400;
    struct sending_domain d = after(w, NOTHING, 3600);
    CHECK(d.looked && !d.verified && !d.found && !has_it(w));
    d = after(w, OTHER_SPF, 3600);
    CHECK(d.verified && d.found == (SENDING_KEY | SENDING_LINKS) && has_it(w));
    CHECK(sl_find(d.why, SL("SPF does not let")) != SL_NONE);
    d = after(w, ALL, day);
    CHECK(d.found == (SENDING_KEY | SENDING_RETURN | SENDING_LINKS));
    d = after(w, SILENT, 10 * day);
    CHECK(d.found == (SENDING_KEY | SENDING_RETURN | SENDING_LINKS) && d.failing && has_it(w));
    d = after(w, ALL, day);
    CHECK(!d.failing && has_it(w));
    d = after(w, NO_KEY, 2 * day);
    CHECK(d.failing && d.verified && has_it(w));
    d = after(w, NO_KEY, 2 * day);
    CHECK(!d.verified && d.lost && !has_it(w));
    d = after(w, ALL, 2 * day);
    CHECK(d.verified && !d.lost && has_it(w));
    (void)after(w, SILENT, 12 * day);
    CHECK(has_it(w));
    (void)after(w, SILENT, 3 * day);
    CHECK(!has_it(w));
}

/* What says nothing of the key neither shortens nor lengthens the days after it is gone. */
static void other_faults(struct world *w)
{
    const int64_t day = 86400;
    (void)after(w, ALL, 2 * day);
    (void)after(w, SILENT, 4 * day);
    struct sending_domain d = after(w, NO_KEY, 2 * day);
    CHECK(d.failing && d.missing && has_it(w));
    d = after(w, BROKEN, 2 * day);
    CHECK(d.lost && !has_it(w));
    CHECK(d.found & SENDING_LINKS);
}

/* Who asks again and again has the DNS asked once. */
static void asked_often(struct world *w)
{
    struct sending_domain d;
    CHECK_OK(fiber_sleep(60 * RT_S));
    CHECK_OK(sending_look(&w->core, &w->a, w->account, SL("shop.example"), &d));
    size_t before = w->asked;
    for (int i = 0; i < 5; i++) CHECK_OK(sending_verify(&w->core, &w->a, w->account, SL("shop.example"), &d));
    CHECK(w->asked == before && d.looked);
    CHECK_OK(fiber_sleep(SENDING_AGAIN_S * RT_S));
    CHECK_OK(sending_verify(&w->core, &w->a, w->account, SL("shop.example"), &d));
    CHECK(w->asked > before);
}

static void ask_slowly(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct sending_domain d;
    CHECK_OK(sending_verify(&w->core, &a, w->account, SL("shop.example"), &d));
    CHECK(d.looked && sl_eq(d.links, SL("go")));
    ar_free(&a);
}

static void look_slowly(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct sending_domain d;
    CHECK_OK(sending_look(&w->core, &a, w->account, SL("shop.example"), &d));
    CHECK(d.looked == 0 && sl_eq(d.links, SL("go")));
    ar_free(&a);
}

/* Who asks while somebody looks gets what that finds; of names that change meanwhile another look is made. */
static void asked_at_once(struct world *w)
{
    struct group fibers;
    struct directory *dir = w->core.store->directory;
    CHECK_OK(sending_domain_hosts(dir, w->account, SL("shop.example"), SL(""), SL("go")));
    CHECK_OK(sending_domain_get(dir, &w->a, w->account, SL("shop.example"), &w->d));
    CHECK_OK(fiber_sleep(60 * RT_S));
    size_t before = w->asked;
    struct sending_domain d;
    CHECK_OK(sending_look(&w->core, &w->a, w->account, SL("shop.example"), &d));
    size_t one = w->asked - before;
    CHECK_OK(fiber_sleep(60 * RT_S));
    w->slow = RT_S;
    before = w->asked;
    group_init(&fibers);
    for (int i = 0; i < 5; i++) CHECK_OK(group_go(&fibers, "asks", ask_slowly, w));
    CHECK_OK(group_wait(&fibers));
    CHECK_INT(w->asked - before, one);
    CHECK_OK(fiber_sleep(60 * RT_S));
    CHECK_OK(sending_domain_hosts(dir, w->account, SL("shop.example"), SL(""), SL("links")));
    CHECK_OK(group_go(&fibers, "asks", look_slowly, w));
    CHECK_OK(fiber_sleep(RT_S / 2)); /* amid the look, whose answers take a second */
    CHECK_OK(sending_domain_hosts(dir, w->account, SL("shop.example"), SL(""), SL("go")));
    CHECK_OK(group_wait(&fibers));
    before = w->asked;
    ask_slowly(w);
    CHECK_INT(w->asked - before, one);
    w->slow = 0;
}

static void look_long(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct sending_domain d;
    CHECK_OK(sending_look(&w->core, &a, w->account, SL("shop.example"), &d));
    ar_free(&a);
}

/* Who waits has a bound, and who comes later does not pass him; who only sees it does not wait at all. */
static void ask_in_vain(void *arg)
{
    struct world *w = arg;
    struct arena a = {0};
    struct sending_domain d;
    int64_t at = rt_now();
    CHECK_ERR(sending_verify(&w->core, &a, w->account, SL("shop.example"), &d), ERR_BUSY);
    CHECK_INT((rt_now() - at) / RT_S, SENDING_WAIT_S);
    ar_free(&a);
}

static void seen_meanwhile(struct world *w)
{
    struct group fibers;
    struct sending_domain d;
    CHECK_OK(fiber_sleep(60 * RT_S));
    w->slow = 12 * RT_S;
    group_init(&fibers);
    CHECK_OK(group_go(&fibers, "looks", look_long, w));
    CHECK_OK(fiber_sleep(RT_S));
    size_t before = w->asked;
    int64_t at = rt_now();
    CHECK_OK(sending_glance(&w->core, &w->a, w->account, SL("shop.example"), &d));
    CHECK(d.looked && rt_now() == at && w->asked == before);
    CHECK_OK(group_go(&fibers, "asks", ask_in_vain, w));
    CHECK_OK(group_wait(&fibers));
    w->slow = 0;
    CHECK_OK(fiber_sleep(60 * RT_S));
    before = w->asked;
    CHECK_OK(sending_glance(&w->core, &w->a, w->account, SL("shop.example"), &d));
    CHECK(w->asked > before);
}

static int put_row(struct kv_tx *tx, void *arg)
{
    struct slice *key_value = arg;
    kv_tx_put(tx, key_value[0], key_value[1]);
    return 0;
}

static void put(struct world *w, struct slice object, struct slice key, struct buf *row)
{
    struct slice key_value[] = {key, buf_slice(row)};
    CHECK_OK(kv_transact(w->core.store->kv, object, put_row, key_value));
    buf_free(row);
}

/* Of an account with many hosts, that comes first which has a certificate. */
static void many_hosts(struct world *w)
{
    struct slice *name;
    size_t n;
    struct buf b = BUF_INIT;
    for (int i = 0; i < CERTIFICATE_HOSTS_EACH + 50; i++) {
        rec_begin(&b, 1);
        rec_put(&b, 's', SL("t1"));
        rec_put(&b, 'k', SL("none"));
        rec_put(&b, 'r', SL("bounce"));
        rec_put(&b, 'l', SL("links"));
        rec_put_u64(&b, 'm', SENDING_LINKS);
        rec_put_u64(&b, 'v', 1);
        put(w, SL("_senders"), ar_printf(&w->a, "c/aaaa/s%03d.example", i), &b);
    }
    rec_begin(&b, 1);
    rec_put(&b, 'c', SL("a chain"));
    rec_put_u64(&b, 'u', (uint64_t)rt_wall_seconds() + 86400);
    put(w, SL("_acme"), SL("n/links.s140.example"), &b);
    CHECK_OK(core_certificate_others(&w->core, &w->a, &name, &n));
    CHECK_INT(n, CERTIFICATE_HOSTS_EACH);
    CHECK_SL(name[0], "links.s140.example");
    CHECK_SL(name[1], "links.s000.example");
    CHECK_INT(w->core.hosts_left_out, 50);
}

/* Half an hour mends what letters ask for, not the look that would be due in six hours; a damaged claim of
 * another account is in nobody's way. */
static void damaged(struct world *w)
{
    struct sending_domain d = after(w, ALL, 2 * 86400);
    struct buf torn = BUF_INIT;
    const char *why;
    CHECK(d.verified && has_it(w));
    CHECK_OK(sending_look(&w->core, &w->a, w->account, SL("shop.example"), &d));
    buf_str(&torn, "\1 torn");
    put(w, SL("_senders"), SL("c/aaaa/shop.example"), &torn);
    buf_str(&torn, "\1 torn");
    put(w, SL("_senders"), SL("d/shop.example"), &torn);
    CHECK_OK(sending_stands(&w->core, &d, &why));
    CHECK(why != NULL);
    CHECK_OK(fiber_sleep(2100 * RT_S));
    CHECK(has_it(w));
    CHECK_OK(sending_stands(&w->core, &d, &why));
    CHECK(!why);
    CHECK_OK(sending_domain_remove(w->core.store->directory, "aaaa", SL("shop.example")));
}

/* A claim that is left over, as one that was made while its account was removed. */
static void account_goes(struct world *w)
{
    struct directory *dir = w->core.store->directory;
    struct sending_domain d;
    CHECK_OK(account_remove(dir, SL("alice@one.test")));
    CHECK_OK(fiber_sleep(2 * 86400 * RT_S));
    CHECK_ERR(sending_domain_get(dir, &w->a, w->account, SL("shop.example"), &d), ERR_NOT_FOUND);
}

static int run(void *arg)
{
    struct world *w = arg;
    struct group care;
    open_world(w);
    group_init(&care);
    CHECK_OK(group_go(&care, "sending", sending_keep, &w->core));
    weeks(w);
    other_faults(w);
    asked_often(w);
    asked_at_once(w);
    seen_meanwhile(w);
    damaged(w);
    account_goes(w);
    many_hosts(w);
    group_cancel(&care);
    (void)group_wait(&care);
    core_close(&w->core);
    ar_free(&w->a);
    return 0;
}

TEST(a_customers_domain_is_proved_kept_and_lost)
{
    struct world w = {0};
    struct sim *s = sim_new(7);
    config_defaults(&w.conf);
    w.conf.hostname = SL("mail.one.test");
    CHECK(ip_parse(SL("192.0.2.1"), &w.conf.public_address[0]));
    w.conf.npublic = 1;
    struct sim_node *n = sim_node(s, "one.test", "192.0.2.1");
    sim_node_start(n, run, &w);
    sim_run(s, 90 * 86400 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}

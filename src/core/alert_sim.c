/* alert_sim.c - what somebody has to hear of is told once, whatever fails or dies meanwhile. */
#include "alert.h"

#include <stdio.h>

#include "base/test.h"
#include "dns/dns.h"
#include "rt/file.h"
#include "sim/sim.h"

struct world {
    struct kv *kv;
    struct dns *dns;
    struct fetch fetch;
    struct alerts_conf conf;
    size_t letters, posts;
    int take_fails, post_status;
    bool telling;
    char text[4000], body[4000];
};

static int take(void *ctx, const struct letter_own *own)
{
    struct world *w = ctx;
    CHECK_OK(fiber_sleep(RT_S)); /* a body is made durable */
    if (w->take_fails) return err_set(w->take_fails, "no room");
    w->letters++;
    snprintf(w->text, sizeof w->text, "%.*s", SLF(own->text));
    return 0;
}

static int transfer(void *ctx, const struct fetch_call *c, struct fetch_answer *out)
{
    struct world *w = ctx;
    out->status = w->post_status;
    w->posts += w->post_status == 200;
    snprintf(w->body, sizeof w->body, "%.*s", SLF(c->request->body));
    return 0;
}

static void begin(struct world *w)
{
    static const char zone[] = "hook.test. IN A 127.0.0.9\n";
    *w = (struct world){.post_status = 200};
    REQUIRE(kv_mem_open(&w->kv, "index") == 0);
    CHECK_OK(path_write("zone", sl_cstr(zone), 0600));
    REQUIRE(dns_open_zone(&w->dns, "zone") == 0);
    w->fetch.conf =
        (struct fetch_conf){.dns = w->dns, .private_hosts = true, .transfer = transfer, .transfer_arg = w};
    w->conf = (struct alerts_conf){.kv = w->kv,
                                   .take = take,
                                   .take_ctx = w,
                                   .fetch = &w->fetch,
                                   .webhook = SL("https://hook.test/x"),
                                   .hostname = SL("mail.one.test"),
                                   .telling = &w->telling};
}

static void end(struct world *w)
{
    kv_close(&w->kv);
    dns_close(&w->dns);
}

static int look(struct world *w, const struct alert_finding *v, size_t n, bool slow)
{
    CHECK_OK(fiber_sleep(600 * RT_S));
    return alerts_found(&w->conf, v, n, slow, SL("postmaster@one.test"));
}

static bool has(const char *text, const char *what) { return strstr(text, what) != NULL; }

static int told_once(void *arg)
{
    struct world w;
    struct alert_finding disk = {SL("disk"), SL("7 MB are free\x1b[2J"), false};
    struct alert_finding later = {SL("disk"), SL("6 MB are free"), false};
    struct alert_finding dns = {SL("DNS one.test"), SL("MX is wrong"), true};
    struct alert_finding unsure = {SL("DNS one.test"), SL(""), true};
    (void)arg;
    begin(&w);
    CHECK_OK(look(&w, NULL, 0, true));
    CHECK(!w.letters && !w.posts);
    CHECK_OK(look(&w, &disk, 1, false));
    CHECK(w.letters == 1 && w.posts == 1 && has(w.text, "7 MB") && has(w.text, "1 new alert\r\n") &&
          !has(w.text, "\x1b") && has(w.body, "\"state\":\"begun\""));
    for (int i = 0; i < 200; i++) CHECK_OK(look(&w, &later, 1, true));
    CHECK(w.letters == 1 && w.posts == 1);
    CHECK_OK(look(&w, NULL, 0, false)); /* over: the webhook hears it */
    CHECK(w.letters == 1 && w.posts == 2 && has(w.body, "\"state\":\"over\""));
    CHECK_OK(look(&w, &disk, 1, false)); /* back within hours: no second letter */
    CHECK(w.letters == 1);
    CHECK_OK(look(&w, NULL, 0, false));
    for (int i = 0; i < 50; i++) CHECK_OK(look(&w, NULL, 0, false));
    CHECK_OK(look(&w, &disk, 1, false)); /* after a night it is new */
    CHECK_INT(w.letters, 2);
    /* what the DNS shows is told when it is so twice, and stays as it was while nobody can say */
    CHECK_OK(look(&w, &dns, 1, true));
    CHECK_INT(w.letters, 2);
    CHECK_OK(look(&w, NULL, 0, true));
    CHECK_OK(look(&w, &dns, 1, true));
    CHECK_INT(w.letters, 2);
    CHECK_OK(look(&w, &unsure, 1, true));
    CHECK_OK(look(&w, NULL, 0, false));
    CHECK_OK(look(&w, &dns, 1, true));
    CHECK(w.letters == 3 && has(w.text, "MX is wrong"));
    end(&w);
    return 0;
}

static int told_at_last(void *arg)
{
    struct world w;
    struct alert_finding disk = {SL("disk"), SL("7 MB are free"), false};
    struct alert *v;
    struct arena a;
    size_t n;
    (void)arg;
    begin(&w);
    ar_init(&a, 0);
    w.take_fails = ERR_FULL;
    w.post_status = 500;
    CHECK(look(&w, &disk, 1, false) < 0);
    CHECK(look(&w, &disk, 1, false) < 0);
    w.post_status = 200;
    CHECK_ERR(look(&w, &disk, 1, false), ERR_FULL);
    CHECK(w.posts == 1 && !w.letters);
    w.take_fails = 0;
    CHECK_OK(look(&w, &disk, 1, false));
    CHECK_OK(look(&w, &disk, 1, false));
    CHECK(w.posts == 1 && w.letters == 1);
    CHECK_OK(alerts_list(w.kv, &a, &v, &n));
    CHECK(n == 1 && v[0].mailed && v[0].posted && v[0].seen == 5);
    end(&w);
    begin(&w); /* after a restart it is known who was told */
    CHECK_OK(look(&w, &disk, 1, false));
    CHECK(!w.posts && !w.letters);
    ar_free(&a);
    end(&w);
    return 0;
}

static void look_too(void *arg)
{
    struct alert_finding disk = {SL("disk"), SL("7 MB are free"), false};
    CHECK_OK(look(arg, &disk, 1, true));
}

/* The server's own look, and operators' at the same moment. */
static int told_once_by_many(void *arg)
{
    struct world w;
    struct group g;
    (void)arg;
    begin(&w);
    group_init(&g);
    for (int i = 0; i < 5; i++) CHECK_OK(group_go(&g, "look", look_too, &w));
    CHECK_OK(group_wait(&g));
    CHECK(w.letters == 1 && w.posts == 1);
    end(&w);
    return 0;
}

static int put_damage(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("disk/0"), SL("\xff"));
    return 0;
}

static int very_many(void *arg)
{
    struct world w;
    static struct alert_finding v[ALERTS_MOST + 50];
    static char name[ALERTS_MOST + 50][20];
    (void)arg;
    begin(&w);
    CHECK_OK(kv_transact(w.kv, SL("_alert"), put_damage, NULL));
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        snprintf(name[i], sizeof name[i], "DNS d%zu.test", i);
        v[i] = (struct alert_finding){sl_cstr(name[i]), SL("is wrong"), false};
    }
    CHECK_OK(look(&w, v, COUNT_OF(v), true));
    CHECK(w.letters == 1 && has(w.text, "500 new alerts") && has(w.text, "and 460 more"));
    CHECK_OK(look(&w, v, COUNT_OF(v), true));
    CHECK_INT(w.letters, 1);
    end(&w);
    return 0;
}

static void run(int (*body)(void *))
{
    struct sim *s = sim_new(3);
    struct sim_node *n = sim_node(s, "one.test", "127.0.0.2");
    sim_node_start(n, body, NULL);
    sim_run(s, 90 * 86400 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}

TEST(each_condition_is_told_once) { run(told_once); }
TEST(each_condition_is_told_once_whoever_looks_at_the_same_time) { run(told_once_by_many); }
TEST(what_could_not_be_told_is_told_at_the_next_look) { run(told_at_last); }
TEST(very_many_conditions_are_one_letter) { run(very_many); }

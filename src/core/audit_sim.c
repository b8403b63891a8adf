/* audit_sim.c - what the audit keeps: an act before its outcome, also through a power cut; for how long, how
 * much. */
#include "audit.h"

#include <stdio.h>

#include "base/test.h"
#include "kv/record.h"
#include "sim/sim.h"

enum { KEEP_S = 30 * 86400 };

struct seen {
    size_t n, damaged, begun;
    char last[60];
    int status;
    int64_t first_us;
};

static int see(void *arg, const struct audit_act *act)
{
    struct seen *s = arg;
    if (!s->n++) s->first_us = act->time_us;
    s->damaged += act->damaged;
    s->begun += !act->damaged && act->status == AUDIT_BEGUN;
    s->status = act->status;
    snprintf(s->last, sizeof s->last, "%.*s|%.*s|%.*s", SLF(act->who), SLF(act->what), SLF(act->error));
    return 0;
}

static struct seen look(struct audit *x, int64_t since)
{
    struct seen s = {0};
    CHECK_OK(audit_each(x, since, see, &s));
    return s;
}

static struct audit_act act_of(const char *what)
{
    return (struct audit_act){
        .who = SL("operator"), .what = sl_cstr(what), .words = SL("{}"), .status = AUDIT_BEGUN};
}

static int one_life(void *arg)
{
    struct kv *kv;
    struct audit *x;
    char id[AUDIT_ID + 1];
    (void)arg;
    CHECK_OK(kv_mem_open(&kv, "index"));
    audit_open(&x, kv, KEEP_S);
    struct audit_act act = act_of("account add");
    CHECK_OK(audit_begin(x, &act, id));
    act.status = 1;
    act.error = SL("it exists");
    audit_end(x, id, &act);
    act = act_of("account remove");
    CHECK_OK(audit_begin(x, &act, id));
    sim_kill(sim_self());
    audit_close(&x);
    kv_close(&kv);
    return 0;
}

static int damage(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("0000000000000001deadbeef"), SL("\xff\xff"));
    return 0;
}

static int second_life(void *arg)
{
    struct kv *kv;
    struct audit *x;
    char id[AUDIT_ID + 1];
    (void)arg;
    CHECK_OK(kv_mem_open(&kv, "index"));
    audit_open(&x, kv, KEEP_S);
    struct seen s = look(x, 0);
    CHECK(s.n == 2 && s.begun == 1 && strcmp(s.last, "operator|account remove|") == 0);
    CHECK_OK(kv_transact(kv, SL("_audit"), damage, NULL));
    s = look(x, 0);
    CHECK(s.n == 3 && s.damaged == 1 && s.first_us == 1); /* told, and hides nothing */
    CHECK_OK(audit_care(x));
    CHECK_INT(look(x, 0).n, 2); /* it was dated long ago */
    CHECK_OK(fiber_sleep((KEEP_S - 60) * RT_S));
    struct audit_act act = act_of("late");
    CHECK_OK(audit_begin(x, &act, id));
    CHECK_OK(audit_care(x));
    CHECK_INT(look(x, 0).n, 3);
    CHECK_INT(look(x, rt_wall() - 3600 * 1000000ll).n, 1);
    CHECK_OK(fiber_sleep(3600 * RT_S));
    CHECK_OK(audit_care(x));
    s = look(x, 0);
    CHECK(s.n == 1 && strcmp(s.last, "operator|late|") == 0);
    audit_close(&x);
    kv_close(&kv);
    return 0;
}

TEST(an_act_is_noted_before_it_is_done_and_kept_for_its_time)
{
    struct sim *s = sim_new(7);
    struct sim_node *n = sim_node(s, "one.test", "127.0.0.2");
    sim_node_start(n, one_life, NULL);
    sim_run(s, 60 * RT_S);
    sim_node_start(n, second_life, NULL);
    sim_run(s, 2ll * KEEP_S * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}

/* Rows that were written long before, many in a transaction. */
static int fill(struct kv_tx *tx, void *arg)
{
    size_t *at = arg;
    for (size_t i = 0; i < 10000; i++) {
        char key[AUDIT_ID + 1];
        struct buf row = BUF_INIT;
        snprintf(key, sizeof key, "%016llx%08zx", (unsigned long long)rt_wall(), *at + i);
        rec_begin(&row, 1);
        rec_put(&row, 'w', SL("somebody"));
        kv_tx_put_record(tx, sl_cstr(key), &row);
        buf_free(&row);
    }
    return 0;
}

/* Who asks in vain all day long is noted only so often, and the next day again. */
static int in_vain(void *arg)
{
    struct kv *kv;
    struct audit *x;
    (void)arg;
    CHECK_OK(kv_mem_open(&kv, "index"));
    audit_open(&x, kv, KEEP_S);
    for (int i = 0; i < AUDIT_REFUSED_MOST; i++) CHECK(audit_refusal_fits(x));
    CHECK(!audit_refusal_fits(x));
    CHECK_OK(fiber_sleep(86400 * RT_S));
    CHECK(audit_refusal_fits(x));
    audit_close(&x);
    kv_close(&kv);
    return 0;
}

TEST(refusals_in_the_audit_are_bounded)
{
    struct sim *s = sim_new(8);
    struct sim_node *n = sim_node(s, "one.test", "127.0.0.2");
    sim_node_start(n, in_vain, NULL);
    sim_run(s, 2 * 86400 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}

static int too_many(void *arg)
{
    struct kv *kv;
    struct audit *x;
    char id[AUDIT_ID + 1];
    (void)arg;
    CHECK_OK(kv_mem_open(&kv, "index"));
    audit_open(&x, kv, KEEP_S);
    for (size_t at = 0; at < AUDIT_MOST + 10000; at += 10000)
        CHECK_OK(kv_transact(kv, SL("_audit"), fill, &at));
    CHECK_OK(fiber_sleep(RT_S));
    for (int i = 0; i <= AUDIT_AHEAD; i++) { /* whoever acts so often pays for the care */
        struct audit_act act = act_of("flood");
        CHECK_OK(audit_begin(x, &act, id));
    }
    struct seen s = look(x, 0);
    CHECK(s.n <= AUDIT_MOST + AUDIT_AHEAD && strcmp(s.last, "operator|flood|") == 0);
    audit_close(&x);
    kv_close(&kv);
    return 0;
}

TEST(the_audit_is_bounded_however_much_is_done)
{
    struct sim *s = sim_new(8);
    struct sim_node *n = sim_node(s, "one.test", "127.0.0.2");
    sim_node_start(n, too_many, NULL);
    sim_run(s, 86400 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}

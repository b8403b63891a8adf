/* greylist_sim.c - coming once, coming again, over days. */
#include <stdio.h>

#include "base/test.h"
#include "greylist.h"
#include "sim/sim.h"

static int visits(void *arg)
{
    bool *done = arg;
    struct greylist *g = greylist_new();
    struct ip one, near, far;
    CHECK(ip_parse(SL("192.0.2.1"), &one) && ip_parse(SL("192.0.2.77"), &near) &&
          ip_parse(SL("198.51.100.1"), &far));
    CHECK_INT(greylist_ask(g, &one, SL("one.test")), GREYLIST_WAIT);
    CHECK_OK(fiber_sleep(60 * RT_S));
    int64_t left = greylist_ask(g, &near, SL("One.test"));
    CHECK(left > 239 * RT_S && left <= 240 * RT_S);
    CHECK_INT(greylist_ask(g, &one, SL("two.test")), GREYLIST_WAIT);
    CHECK_OK(fiber_sleep(240 * RT_S));
    CHECK_INT(greylist_ask(g, &near, SL("one.test")), 0);
    CHECK_INT(greylist_ask(g, &far, SL("one.test")), GREYLIST_WAIT);
    CHECK_OK(fiber_sleep(30 * 86400 * RT_S));
    CHECK_INT(greylist_ask(g, &one, SL("one.test")), 0);             /* known, and from now on anew */
    CHECK_INT(greylist_ask(g, &far, SL("one.test")), GREYLIST_WAIT); /* came again too late */
    CHECK_OK(fiber_sleep(37 * 86400 * RT_S));
    CHECK_INT(greylist_ask(g, &one, SL("one.test")), GREYLIST_WAIT);
    CHECK_INT(greylist_ask(g, &one, SL("kept.test")), GREYLIST_WAIT);
    CHECK_OK(fiber_sleep(GREYLIST_WAIT));
    CHECK_INT(greylist_ask(g, &one, SL("kept.test")), 0);
    for (uint32_t i = 0; i < GREYLIST_MAX + 10; i++) {
        far.b[1] = (uint8_t)(i >> 8), far.b[2] = (uint8_t)i, far.b[0] = (uint8_t)(i >> 16);
        CHECK(greylist_ask(g, &far, SL("flood.test")) > 0);
    }
    CHECK_INT(greylist_ask(g, &one, SL("kept.test")), 0); /* who came again is known in spite of them */
    CHECK_INT(greylist_ask(g, &one, SL("one.test")), GREYLIST_WAIT); /* who waits is pushed out */
    for (unsigned i = 0; i < GREYLIST_MAX + 10; i++) {
        char name[30];
        snprintf(name, sizeof name, "d%u.test", i);
        CHECK(greylist_ask(g, &far, sl_cstr(name)) > 0);
    }
    CHECK_OK(fiber_sleep(GREYLIST_WAIT));
    CHECK_INT(greylist_ask(g, &one, SL("one.test")), 0); /* but not by one network with many names */
    greylist_free(&g);
    *done = true;
    return 0;
}

static void all_come(struct greylist *g)
{
    struct ip ip;
    CHECK(ip_parse(SL("198.51.100.1"), &ip));
    for (unsigned i = 0; i < GREYLIST_MAX; i++) {
        char name[30];
        ip.b[1] = (uint8_t)(i / 100 >> 8), ip.b[2] = (uint8_t)(i / 100);
        snprintf(name, sizeof name, "d%u.test", i % 100);
        (void)greylist_ask(g, &ip, sl_cstr(name));
    }
}

/* As many came again as are kept: somebody new is let in all the same, though others are new too. */
static int full_house(void *arg)
{
    bool *done = arg;
    struct greylist *g = greylist_new();
    struct ip one, two;
    CHECK(ip_parse(SL("192.0.2.1"), &one) && ip_parse(SL("203.0.113.1"), &two));
    all_come(g);
    CHECK_OK(fiber_sleep(GREYLIST_WAIT));
    all_come(g);
    CHECK_INT(greylist_ask(g, &one, SL("one.test")), GREYLIST_WAIT);
    CHECK_INT(greylist_ask(g, &two, SL("two.test")), GREYLIST_WAIT);
    CHECK_OK(fiber_sleep(GREYLIST_WAIT));
    CHECK_INT(greylist_ask(g, &one, SL("one.test")), 0);
    CHECK_INT(greylist_ask(g, &two, SL("two.test")), 0);
    greylist_free(&g);
    *done = true;
    return 0;
}

TEST(greylist_lets_in_who_is_new_when_it_is_full)
{
    bool done = false;
    struct sim *s = sim_new(4);
    sim_node_start(sim_node(s, "mail", "192.0.2.9"), full_house, &done);
    sim_run(s, 86400 * RT_S);
    CHECK(done);
    sim_free(&s);
}

TEST(greylist_lets_in_who_comes_again)
{
    bool done = false;
    struct sim *s = sim_new(3);
    sim_node_start(sim_node(s, "mail", "192.0.2.9"), visits, &done);
    sim_run(s, 100 * 86400 * RT_S);
    CHECK(done);
    sim_free(&s);
}

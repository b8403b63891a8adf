/* guard_sim.c - counts and blocks as time goes by. */
#include "guard_sim.h"

#include <stdio.h>

#include "base/log.h"
#include "base/test.h"
#include "kv/kv.h"
#include "kv/record.h"
#include "sim/sim.h"

static int networks(void *arg)
{
    enum { MANY = 400 };
    static struct guard_visit v[MANY];
    struct guard *g = make(MANY, 60);
    char text[64];
    size_t in = 0;
    (void)arg;
    for (int i = 0; i < MANY; i++) { /* one household's addresses are one network */
        snprintf(text, sizeof text, "2001:db8::%x", i + 1);
        struct ip ip = at(text);
        in += guard_enter(g, &v[i], &ip, GUARD_USERS) == 0;
    }
    CHECK_INT(in, GUARD_STRANGERS);
    struct ip other = at("2001:db8:0:1::1");
    struct guard_visit w;
    CHECK_OK(guard_enter(g, &w, &other, GUARD_WORLD));
    guard_leave(&w);
    for (int i = 0; i < 20; i++) CHECK_OK(right(&v[i], "alice@x.test"));
    for (int i = GUARD_STRANGERS; i < MANY; i++) in += guard_enter(g, &v[i], &v[0].ip, GUARD_USERS) == 0;
    CHECK_INT(in, 60); /* users and strangers together */
    for (int i = 0; i < MANY; i++) guard_leave(&v[i]);
    for (int i = 0; i < GUARD_STRANGERS; i++) CHECK_OK(guard_enter(g, &v[i], &v[0].ip, GUARD_USERS));
    for (int i = 0; i < GUARD_STRANGERS; i++) guard_leave(&v[i]);
    guard_close(&g);
    return 0;
}

TEST(connections_are_counted_by_network) { in_world(networks, NULL); }

static int neighbours(void *arg)
{
    enum { MANY = 256 };
    static struct guard_visit v[MANY], w;
    struct guard *g = make(10000, 500);
    struct ip ip = at("192.0.2.0"), other = at("192.0.3.1"), here = at("127.0.0.1");
    size_t in = 0;
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        ip.b[3] = (uint8_t)i;
        in += guard_enter(g, &v[i], &ip, i % 2 ? GUARD_WORLD : GUARD_USERS) == 0;
    }
    CHECK_INT(in, GUARD_STRANGERS_WIDE);
    CHECK_OK(guard_enter(g, &w, &other, GUARD_WORLD));
    guard_leave(&w);
    CHECK_OK(right(&v[0], "alice@x.test")); /* users are no strangers: there is a place again */
    CHECK_OK(guard_enter(g, &v[MANY - 1], &ip, GUARD_USERS));
    CHECK_ERR(guard_enter(g, &w, &ip, GUARD_USERS), ERR_LIMIT);
    CHECK_OK(guard_enter(g, &w, &here, GUARD_WORLD));
    guard_leave(&w);
    for (int i = 0; i < MANY; i++) guard_leave(&v[i]);
    CHECK_OK(guard_enter(g, &w, &ip, GUARD_USERS));
    guard_leave(&w);
    guard_close(&g);
    return 0;
}

TEST(neighbours_in_a_24_have_a_share_together) { in_world(neighbours, NULL); }

static int reserve(void *arg)
{
    enum { PLACES = 40 };
    static struct guard_visit v[PLACES], w[PLACES];
    struct guard *g = make(PLACES, 100);
    char text[32];
    size_t world = 0, strangers = 0;
    (void)arg;
    for (int i = 0; i < PLACES; i++) {
        snprintf(text, sizeof text, "192.0.2.%d", i + 1);
        struct ip ip = at(text);
        world += guard_enter(g, &v[i], &ip, GUARD_WORLD) == 0;
    }
    CHECK_INT(world, PLACES / 2);
    CHECK(v[PLACES - 1].full == GUARD_FULL_DOOR); /* nobody who logs in would make room by going */
    for (int i = 0; i < PLACES; i++) {
        snprintf(text, sizeof text, "203.0.113.%d", i + 1);
        struct ip ip = at(text);
        strangers += guard_enter(g, &w[i], &ip, GUARD_USERS) == 0;
    }
    CHECK(w[PLACES - 1].full == GUARD_FULL_DOOR); /* nor would they be right to turn out port 25 */
    CHECK_INT(strangers, PLACES / 4);             /* the last quarter is for those who log in */
    for (int i = 0; i < PLACES; i++)
        if (w[i].inside) CHECK_OK(right(&w[i], "alice@x.test"));
    struct guard_visit more;
    struct ip ip = at("198.51.100.1");
    CHECK_OK(guard_enter(g, &more, &ip, GUARD_USERS));
    guard_leave(&more);
    for (int i = 0; i < PLACES; i++) guard_leave(&v[i]), guard_leave(&w[i]);
    guard_close(&g);
    return 0;
}

TEST(users_have_a_reserve_of_places) { in_world(reserve, NULL); }

/* The next n of v come to a door, from networks of their own; how many came in. */
static size_t come(struct guard *g, struct guard_visit *v, size_t n, enum guard_door door)
{
    static int network;
    size_t in = 0;
    char text[32];
    for (size_t i = 0; i < n; i++, network++) {
        snprintf(text, sizeof text, "192.%d.%d.1", network / 200, network % 200);
        struct ip ip = at(text);
        in += guard_enter(g, &v[i], &ip, door) == 0;
    }
    return in;
}

static int doors(void *arg)
{
    enum { PLACES = 40 };
    static struct guard_visit v[2 * PLACES];
    struct guard *g = make(PLACES, 100);
    (void)arg;
    CHECK_INT(come(g, v, 1, GUARD_WORLD), 1);
    CHECK_INT(come(g, v + 1, PLACES, GUARD_USERS), PLACES / 4 * 3 - 1);
    CHECK(v[PLACES].full == GUARD_FULL_DOOR); /* a flood of them turns out none at port 25 */
    CHECK_INT(come(g, v + PLACES + 1, 1, GUARD_WORLD), 0);
    CHECK(v[PLACES + 1].full == GUARD_FULL_ALL); /* which has not what it may claim */
    for (int i = 1; i < PLACES; i++)
        if (v[i].inside) CHECK_OK(right(&v[i], "alice@x.test"));
    CHECK_INT(come(g, v + PLACES + 2, 20, GUARD_WORLD), 10); /* all places are taken */
    CHECK_INT(come(g, v + PLACES + 22, 1, GUARD_USERS), 0);
    CHECK(v[PLACES + 22].full == GUARD_FULL_ALL); /* of those about to log in there is none yet */
    for (int i = 0; i < 2 * PLACES; i++) guard_leave(&v[i]);
    guard_close(&g);
    return 0;
}

TEST(a_door_claims_no_more_than_the_other_cannot_fill) { in_world(doors, NULL); }

static int guesses(void *arg)
{
    struct guard *g = make(100, 100);
    struct guard_visit bad, home, elsewhere;
    struct ip a = at("192.0.2.1"), b = at("192.0.2.2"), c = at("192.0.2.3");
    (void)arg;
    CHECK_OK(guard_enter(g, &bad, &a, GUARD_USERS));
    CHECK_OK(guard_enter(g, &home, &b, GUARD_USERS));
    CHECK_OK(guard_enter(g, &elsewhere, &c, GUARD_USERS));
    CHECK_OK(right(&home, "Alice@x.test"));
    size_t tried = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t delay;
        if (decided(&bad, "alice@x.test", ERR_DENIED, &delay) != 0) continue;
        tried++;
        CHECK_INT(delay, tried <= GUARD_LOGINS_FREE ? 0
                         : tried >= 15              ? GUARD_SLOW
                                                    : (int64_t)(tried - 5) * RT_S);
    }
    CHECK_INT(tried, GUARD_LOGINS_MAX + 1);
    CHECK_ERR(wrong(&bad, "bob@x.test"), ERR_BUSY);              /* the network is shut out */
    CHECK_OK(decided(&elsewhere, "alice@x.test", ERR_IO, NULL)); /* others are not */
    struct guard_block block[4];
    CHECK_INT(guard_blocks(g, block, 4), 1);
    CHECK_SL(sl_cstr(block[0].who), "192.0.2.1");
    fiber_sleep(GUARD_SHUT + RT_S);
    CHECK_INT(guard_blocks(g, block, 4), 0);
    CHECK_OK(wrong(&bad, "bob@x.test"));
    guard_leave(&bad), guard_leave(&home), guard_leave(&elsewhere);
    guard_close(&g);
    return 0;
}

TEST(guesses_of_a_network_are_slowed_and_shut_out) { in_world(guesses, NULL); }

static int many_networks(void *arg)
{
    struct guard *g = make(100, 100);
    struct guard_visit home, v;
    struct ip b = at("203.0.113.9");
    size_t tried = 0;
    char text[32];
    (void)arg;
    CHECK_OK(guard_enter(g, &home, &b, GUARD_USERS));
    CHECK_OK(right(&home, "alice@x.test"));
    for (int i = 0; i < 250; i++) {
        snprintf(text, sizeof text, "192.0.2.%d", i + 1);
        struct ip ip = at(text);
        CHECK_OK(guard_enter(g, &v, &ip, GUARD_USERS));
        for (int k = 0; k < 4; k++) tried += wrong(&v, "alice@x.test") == 0;
        guard_leave(&v);
    }
    CHECK_INT(tried, GUARD_LOGINS_ACCOUNT + 1);
    for (int i = 0; i < 10; i++) { /* the owner is known there, and goes on */
        CHECK_OK(right(&home, "alice@x.test"));
    }
    guard_leave(&home);
    guard_close(&g);
    return 0;
}

TEST(an_account_is_shut_to_networks_that_it_does_not_know) { in_world(many_networks, NULL); }

/* Tokens that name no user: what fails from many networks shuts out none of the others. */
static int without_a_name(void *arg)
{
    struct guard *g = make(100, 100);
    struct guard_visit v;
    struct guard_block block[4];
    size_t tried = 0;
    char text[32];
    (void)arg;
    for (int i = 0; i < 8; i++) {
        snprintf(text, sizeof text, "192.0.%d.1", i);
        struct ip ip = at(text);
        CHECK_OK(guard_enter(g, &v, &ip, GUARD_USERS));
        CHECK_OK(right(&v, "")); /* makes no network known to all */
        for (int k = 0; k < 2 * GUARD_LOGINS_MAX; k++) tried += wrong(&v, "") == 0;
        guard_leave(&v);
    }
    CHECK_INT(tried, 8 * (GUARD_LOGINS_MAX + 1));
    CHECK_INT(guard_blocks(g, block, 4), 8); /* the networks */
    guard_close(&g);
    return 0;
}

TEST(logins_that_name_nobody_are_counted_by_their_network) { in_world(without_a_name, NULL); }

static int hasty(void *arg)
{
    struct guard *g = make(100, 100);
    struct guard_visit v;
    struct ip a = at("192.0.2.1"), home = at("127.0.0.1");
    struct guard_block b[3];
    int n = 0;
    (void)arg;
    while (n < 100 && guard_enter(g, &v, &a, GUARD_WORLD) == 0) {
        guard_hasty(&v);
        guard_leave(&v);
        n++;
    }
    CHECK_INT(n, GUARD_PROBES_MAX / GUARD_HASTY + 1);
    CHECK_ERR(guard_enter(g, &v, &a, GUARD_WORLD), ERR_DENIED);
    CHECK_OK(guard_enter(g, &v, &a, GUARD_USERS)); /* there it is another program that speaks */
    guard_leave(&v);
    CHECK_INT(guard_blocks(g, b, 3), 1);
    CHECK_SL(sl_cstr(b[0].why), GUARD_WHY_PROBES);
    for (int i = 0; i < 100; i++) { /* this host speaks for many */
        CHECK_OK(guard_enter(g, &v, &home, GUARD_WORLD));
        guard_hasty(&v);
        guard_leave(&v);
    }
    guard_close(&g);
    return 0;
}

TEST(a_network_that_speaks_before_the_greeting_is_shut_out) { in_world(hasty, NULL); }

static int probes(void *arg)
{
    struct guard *g = make(100, 100);
    struct guard_visit v;
    struct ip a = at("192.0.2.1");
    int64_t delay, whole = 0;
    size_t n = 0;
    (void)arg;
    CHECK_OK(guard_enter(g, &v, &a, GUARD_WORLD));
    for (; guard_probe(&v, &delay) == 0; n++) whole += delay;
    CHECK_INT(n, GUARD_PROBES_MAX);
    CHECK(whole > 1000 * RT_S);
    guard_leave(&v);
    CHECK_ERR(guard_enter(g, &v, &a, GUARD_WORLD), ERR_DENIED);
    CHECK_OK(guard_enter(g, &v, &a, GUARD_USERS)); /* a user there may still read mail */
    guard_leave(&v);
    CHECK_OK(guard_unblock(g, SL("192.0.2.1")));
    CHECK_ERR(guard_unblock(g, SL("192.0.2.1")), ERR_NOT_FOUND);
    CHECK_OK(guard_enter(g, &v, &a, GUARD_WORLD));
    guard_leave(&v);
    CHECK_OK(guard_block(g, SL("192.0.2.1"), 60 * RT_S));
    CHECK_ERR(guard_enter(g, &v, &a, GUARD_USERS), ERR_DENIED);
    fiber_sleep(61 * RT_S);
    CHECK_OK(guard_enter(g, &v, &a, GUARD_USERS));
    guard_leave(&v);
    guard_close(&g);
    return 0;
}

TEST(probes_of_recipients_are_braked) { in_world(probes, NULL); }

static int evidence(void *arg)
{
    struct guard *g = make(100, 100);
    struct guard_visit v;
    struct ip a = at("192.0.2.1");
    int n = 0;
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        a.b[1] = (uint8_t)(i / 200);
        CHECK_OK(guard_enter(g, &v, &a, GUARD_WORLD));
        n += guard_evidence(&v);
        guard_leave(&v);
    }
    CHECK_INT(n, 5 * GUARD_EVIDENCE);
    for (int i = 0; i < 100000; i++) {
        a.b[1] = (uint8_t)(i >> 8), a.b[2] = (uint8_t)i;
        CHECK_OK(guard_enter(g, &v, &a, GUARD_WORLD));
        n += guard_evidence(&v);
        guard_leave(&v);
    }
    CHECK_INT(n, GUARD_EVIDENCE_ALL);
    guard_close(&g);
    return 0;
}

TEST(evidence_of_refusals_is_bounded) { in_world(evidence, NULL); }

static int memory(void *arg)
{
    struct guard *g = make(100, 100);
    struct guard_visit v;
    struct ip a = at("192.0.2.1");
    char user[32];
    (void)arg;
    for (int i = 0; i < 3 * GUARD_ENTRIES_MAX; i++) {
        a.b[1] = (uint8_t)(i >> 16), a.b[2] = (uint8_t)(i >> 8), a.b[3] = (uint8_t)i;
        CHECK_OK(guard_enter(g, &v, &a, GUARD_USERS));
        snprintf(user, sizeof user, "user%d@x.test", i);
        CHECK_OK(wrong(&v, user));
        guard_leave(&v);
    }
    CHECK_INT(guard_entries(g), GUARD_ENTRIES_MAX);
    guard_close(&g);
    return 0;
}

TEST(what_is_remembered_is_bounded) { in_world(memory, NULL); }

/* ---- what the operator does, and what outlives a restart ---- */

static bool enters(struct guard *g, const char *address, enum guard_door door)
{
    struct guard_visit v;
    struct ip ip = at(address);
    bool yes = guard_enter(g, &v, &ip, door) == 0;
    guard_leave(&v);
    return yes;
}

static int by_hand(void *arg)
{
    struct guard *g = make(100, 100);
    struct guard_visit v;
    struct guard_block b[4];
    struct ip home = at("203.0.113.1");
    (void)arg;
    CHECK_OK(guard_block(g, SL("192.0.2.7/24"), RT_NEVER));
    CHECK_OK(guard_block(g, SL("2001:db8:ff::/40"), 3600 * RT_S));
    CHECK_OK(guard_block(g, SL("2001:db9::1"), RT_NEVER)); /* its /64 */
    CHECK(!enters(g, "192.0.2.255", GUARD_WORLD) && !enters(g, "192.0.2.0", GUARD_USERS));
    CHECK(enters(g, "192.0.3.0", GUARD_WORLD) && enters(g, "192.0.1.255", GUARD_WORLD));
    CHECK(!enters(g, "2001:db8:ff::9", GUARD_WORLD) && enters(g, "2001:db8:100::", GUARD_WORLD));
    CHECK(!enters(g, "2001:db9::ffff", GUARD_WORLD) && enters(g, "2001:db9:0:1::", GUARD_WORLD));
    CHECK_INT(guard_blocks(g, b, 4), 3);
    CHECK_SL(sl_cstr(b[0].who), "192.0.2.0/24");
    CHECK(b[0].by_hand && b[0].left == RT_NEVER && b[1].left == 3600 * RT_S);
    CHECK_OK(guard_enter(g, &v, &home, GUARD_USERS));
    CHECK_OK(right(&v, "alice@x.test"));
    CHECK_OK(guard_block(g, SL("alice@x.test"), RT_NEVER));
    CHECK_ERR(wrong(&v, "alice@x.test"), ERR_BUSY);            /* the owner too */
    CHECK_ERR(guard_allows(&v, SL("alice@x.test")), ERR_BUSY); /* also one who did not name her */
    CHECK_OK(guard_allows(&v, SL("bob@x.test")));
    CHECK_OK(guard_allows(NULL, SL("alice@x.test")));
    CHECK_OK(wrong(&v, "bob@x.test"));
    guard_leave(&v);
    static const char *const wrong[] = {"192.0.2.0/33", "192.0.2", "2001:db8::/129", "alice", "", "a@b/8"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK_ERR(guard_block(g, sl_cstr(wrong[i]), RT_NEVER), ERR_SYNTAX);
        CHECK_ERR(guard_unblock(g, sl_cstr(wrong[i])), ERR_SYNTAX);
    }
    CHECK_ERR(guard_unblock(g, SL("192.0.2.0/25")), ERR_NOT_FOUND);
    CHECK_OK(guard_unblock(g, SL("192.0.2.255/24")));
    CHECK_OK(guard_unblock(g, SL("Alice@x.test")));
    CHECK(enters(g, "192.0.2.255", GUARD_WORLD));
    fiber_sleep(3601 * RT_S);
    CHECK(enters(g, "2001:db8:ff::9", GUARD_WORLD));
    guard_close(&g);
    return 0;
}

TEST(networks_of_any_length_and_accounts_are_shut_out_by_hand) { in_world(by_hand, NULL); }

/* Who is shut out stays so under another name, as long as it was meant, also after a restart. */
static int renamed(void *arg)
{
    struct kv *kv;
    struct guard *g = make(100, 100);
    struct guard_visit v;
    struct guard_block b[4];
    struct ip home = at("203.0.113.1");
    const struct slice alice = SL("alice@x.test"), anna = SL("anna@x.test"), bob = SL("bob@x.test");
    (void)arg;
    CHECK_OK(kv_mem_open(&kv, "index.log"));
    CHECK_OK(guard_load(g, kv));
    CHECK_OK(guard_follow(g, alice, anna)); /* nobody is shut out */
    CHECK_INT(guard_blocks(g, b, 4), 0);
    CHECK_OK(guard_block(g, alice, 3600 * RT_S));
    CHECK_OK(fiber_sleep(600 * RT_S));
    CHECK_INT(guard_follow(g, alice, anna), 1);
    CHECK_OK(guard_follow(g, alice, anna));
    CHECK_OK(guard_unblock(g, alice));
    CHECK_OK(guard_block(g, bob, RT_NEVER));
    CHECK_OK(guard_follow(g, anna, bob)); /* who is shut out for longer stays so */
    guard_close(&g);
    g = make(100, 100);
    CHECK_OK(guard_load(g, kv));
    CHECK_INT(guard_blocks(g, b, 4), 2);
    CHECK(b[0].left / RT_S <= 3001 && b[0].left / RT_S >= 2999 && b[1].left == RT_NEVER);
    CHECK_OK(guard_enter(g, &v, &home, GUARD_USERS));
    CHECK_ERR(guard_allows(&v, anna), ERR_BUSY);
    CHECK_OK(guard_allows(&v, alice));
    guard_leave(&v);
    guard_close(&g);
    kv_close(&kv);
    return 0;
}

TEST(a_block_by_hand_follows_its_account_to_another_name) { in_world(renamed, NULL); }

static int hand_is_bounded(void *arg)
{
    struct guard *g = make(100, 100);
    char who[32];
    (void)arg;
    for (int i = 0; i < GUARD_BLOCKS_MAX; i++) {
        snprintf(who, sizeof who, "10.%d.%d.%d", i >> 16, i >> 8 & 255, i & 255);
        CHECK_OK(guard_block(g, sl_cstr(who), RT_NEVER));
    }
    CHECK_ERR(guard_block(g, SL("192.0.2.1"), RT_NEVER), ERR_LIMIT); /* none makes room for it */
    CHECK(!enters(g, "10.0.0.0", GUARD_WORLD));
    CHECK_OK(guard_block(g, SL("10.0.0.0"), RT_NEVER)); /* one that is there can be changed */
    CHECK_OK(guard_unblock(g, SL("10.0.0.0")));
    CHECK_OK(guard_block(g, SL("192.0.2.1"), RT_NEVER));
    guard_close(&g);
    return 0;
}

TEST(blocks_by_hand_are_bounded_and_push_out_none) { in_world(hand_is_bounded, NULL); }

static void restart(struct guard **g, struct kv **kv)
{
    guard_close(g);
    kv_close(kv);
    CHECK_OK(kv_mem_open(kv, "index.log"));
    *g = make(100, 100);
    CHECK_OK(guard_load(*g, *kv));
}

static int restarts(void *arg)
{
    struct kv *kv;
    struct guard_visit home, bad, other;
    struct guard_block b[8];
    struct ip h = at("203.0.113.1"), a = at("192.0.2.1"), o = at("198.51.100.1");
    (void)arg;
    log_set_level(LOG_ERROR);
    CHECK_OK(kv_mem_open(&kv, "index.log"));
    struct guard *g = make(100, 100);
    CHECK_OK(guard_load(g, kv));
    CHECK_OK(guard_block(g, SL("2001:db8::/48"), RT_NEVER));
    CHECK_OK(guard_block(g, SL("10.1.1.1"), 3600 * RT_S));
    CHECK_OK(guard_block(g, SL("10.1.1.2"), RT_NEVER));
    CHECK_OK(guard_unblock(g, SL("10.1.1.2")));
    CHECK_OK(guard_enter(g, &home, &h, GUARD_USERS));
    CHECK_OK(guard_enter(g, &bad, &a, GUARD_USERS));
    CHECK_OK(right(&home, "alice@x.test"));
    for (int i = 0; i < GUARD_LOGINS_MAX + 1; i++) CHECK_OK(wrong(&bad, "bob@x.test"));
    guard_leave(&home), guard_leave(&bad);
    fiber_sleep(60 * RT_S);
    restart(&g, &kv);
    CHECK_INT(guard_blocks(g, b, 8), 3);
    CHECK(!enters(g, "2001:db8::1", GUARD_WORLD) && !enters(g, "10.1.1.1", GUARD_USERS));
    CHECK(enters(g, "10.1.1.2", GUARD_USERS));
    CHECK_OK(guard_enter(g, &bad, &a, GUARD_USERS));
    CHECK_ERR(wrong(&bad, "bob@x.test"), ERR_BUSY);
    CHECK_SL(sl_cstr(b[2].why), GUARD_WHY_LOGINS);
    CHECK(b[2].left > GUARD_SHUT - 70 * RT_S && b[2].left <= GUARD_SHUT - 50 * RT_S);
    CHECK_OK(
        guard_enter(g, &other, &o, GUARD_USERS)); /* the account is shut, but not to its owner's network */
    CHECK_OK(guard_enter(g, &home, &h, GUARD_USERS));
    for (int i = 0; i < 300; i++) {
        struct ip ip = at("100.64.0.0");
        struct guard_visit v;
        ip.b[2] = (uint8_t)(i >> 4), ip.b[3] = (uint8_t)i;
        CHECK_OK(guard_enter(g, &v, &ip, GUARD_USERS));
        (void)!wrong(&v, "alice@x.test");
        guard_leave(&v);
    }
    CHECK_ERR(wrong(&other, "alice@x.test"), ERR_BUSY);
    CHECK_OK(right(&home, "alice@x.test"));
    guard_leave(&home), guard_leave(&other), guard_leave(&bad);
    fiber_sleep(3600 * RT_S);
    CHECK_OK(guard_care(g));
    restart(&g, &kv);
    CHECK_INT(guard_blocks(g, b, 8), 1); /* what ended meanwhile is over, and its rows are gone */
    struct kv_page page;
    struct arena mem;
    ar_init(&mem, 0);
    CHECK_OK(kv_scan(kv, SL("_guard"), SL("a"), SL(""), 10, &mem, &page));
    CHECK_INT(page.n, 2);
    CHECK_SL(page.row[0].key, "h/2001:db8::/48");
    CHECK_SL(page.row[1].key, "k/203.0.113.1%20alice@x.test");
    ar_free(&mem);
    fiber_sleep((GUARD_KNOWN_DAYS + 1) * 86400 * RT_S);
    restart(&g, &kv);
    CHECK_OK(guard_enter(g, &home, &h, GUARD_USERS));
    for (int i = 0; i < GUARD_LOGINS_MAX + 1; i++) CHECK_OK(wrong(&home, "alice@x.test"));
    CHECK_ERR(wrong(&home, "alice@x.test"), ERR_BUSY); /* shut: it is known there no more */
    CHECK_INT(guard_blocks(g, b, 8), 2);
    guard_leave(&home);
    guard_close(&g);
    kv_close(&kv);
    return 0;
}

TEST(blocks_and_known_networks_outlive_a_restart)
{
    struct sim *s = sim_new(1);
    struct sim_node *n = sim_node(s, "x.test", "127.0.0.2");
    sim_node_start(n, restarts, NULL);
    sim_run(s, 100 * 86400 * RT_S);
    CHECK(!sim_node_running(n));
    sim_free(&s);
}

struct put {
    const char *key;
    struct buf value;
};

static int put_row(struct kv_tx *tx, void *arg)
{
    struct put *p = arg;
    kv_tx_put(tx, sl_cstr(p->key), buf_slice(&p->value));
    return 0;
}

static void one_fault(void *arg, const char *what)
{
    (void)what;
    ++*(int *)arg;
}

/* A clock that was wrong, and damage: no row hides another. */
static int damaged(void *arg)
{
    struct kv *kv;
    struct guard *g = make(100, 100);
    struct guard_block b[4];
    int faults = 0;
    (void)arg;
    log_set_level(LOG_ERROR);
    CHECK_OK(kv_mem_open(&kv, NULL));
    struct put p = {"a/junk", BUF_INIT};
    buf_bytes(&p.value, "\1n\377", 3);
    CHECK_OK(kv_transact(kv, SL("_guard"), put_row, &p));
    p.key = "unknown";
    CHECK_OK(kv_transact(kv, SL("_guard"), put_row, &p));
    p.key = "h/noname";
    rec_begin(&p.value, 1);
    CHECK_OK(kv_transact(kv, SL("_guard"), put_row, &p));
    p.key = "n/192.0.2.1";
    rec_begin(&p.value, 1);
    rec_put(&p.value, 'n', SL("192.0.2.1"));
    rec_put_u64(&p.value, 'u', (uint64_t)rt_wall_seconds() + 1000000000);
    CHECK_OK(kv_transact(kv, SL("_guard"), put_row, &p));
    buf_free(&p.value);
    CHECK_OK(guard_load(g, kv));
    CHECK_INT(guard_blocks(g, b, 4), 1);
    CHECK_SL(sl_cstr(b[0].who), "192.0.2.1");
    CHECK_INT(b[0].left, GUARD_SHUT);
    CHECK_OK(guard_check(kv, one_fault, &faults));
    CHECK_INT(faults, 3);
    guard_close(&g);
    kv_close(&kv);
    return 0;
}

TEST(rows_of_the_guard_that_are_damaged_hide_no_other) { in_world(damaged, NULL); }

static int floods(void *arg)
{
    struct guard *g = make(100, 100);
    struct guard_visit v, here;
    struct ip ip = at("192.0.2.1"), own = at("127.0.0.1");
    (void)arg;
    CHECK_OK(guard_enter(g, &v, &ip, GUARD_WORLD));
    CHECK_OK(guard_enter(g, &here, &own, GUARD_WORLD));
    for (int i = 0; i < GUARD_FLOOD; i++) {
        CHECK(!guard_flooded(&v, SL("alice")));
        guard_received(&v, SL("alice"));
        guard_received(&here, SL("bob"));
    }
    CHECK(guard_flooded(&v, SL("alice")));
    CHECK(!guard_flooded(&here, SL("alice"))); /* this machine speaks for many */
    CHECK(!guard_flooded(&v, SL("bob")) && !guard_flooded(NULL, SL("alice")));
    CHECK_OK(fiber_sleep(GUARD_FLOOD_FADES));
    CHECK(!guard_flooded(&v, SL("alice"))); /* one more may come */
    guard_received(&v, SL("alice"));
    CHECK(guard_flooded(&v, SL("alice")));
    guard_leave(&v);
    guard_leave(&here);
    guard_close(&g);
    return 0;
}

TEST(a_flood_of_letters_is_slowed_for_its_account_only) { in_world(floods, NULL); }

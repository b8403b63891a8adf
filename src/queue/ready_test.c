/* ready_test.c - whose turn it is, without a schedule: a turn that nobody takes goes to another, and what a
 * fault left standing is found. */
#include "base/test.h"
#include "dock.h"
#include "line.h"

enum { MOST = 3000, ROOM = 5 /* of a site of which nothing is known */ };
struct row {
    struct ready r;
    struct sites *sites;
    struct shard shard;
    struct letter_id id[MOST];
    struct item *on[MOST]; /* under way, in order of their start */
    size_t n;
    bool deaf; /* the wake of a site comes to nothing */
};

static void wake(void *ctx, int loop, const struct site *s)
{
    struct row *x = ctx;
    (void)loop;
    if (!x->deaf) ready_site_free(&x->r, s);
}

static void begin(struct row *x)
{
    static struct queue one_loop = {.nloops = 1, .nshards = 1};
    struct shaping *shaping = NULL;
    *x = (struct row){.shard = {.q = &one_loop}};
    CHECK_OK(shaping_open(&shaping));
    x->sites = sites_open(shaping, wake, x);
    ready_init(&x->r, x->sites, NULL, source_plan_now(NULL), 1);
}

static void stop(struct item *it, struct row *x, enum site_news news)
{
    ready_end(&x->r, it,
              &(struct trip){.item = it, .tried = true, .found = true, .asked = true, .news = news});
    CHECK_OK(fiber_sleep(RT_MS)); /* the site's wake comes */
}

static void end(struct row *x)
{
    for (size_t i = 0; i < x->n; i++)
        if (x->on[i]) stop(x->on[i], x, SITE_GOOD);
    ready_free(&x->r);
    sites_close(&x->sites);
}

/* A letter of a sender of its own, to an address at hop. */
static void add_one(struct row *x, int i, const char *hop, int8_t priority, enum added want)
{
    char sender[32];
    struct arena a = {0};
    letter_id_new(&x->id[i]);
    snprintf(sender, sizeof sender, "s%d.test", i);
    struct q_due d = {.due = rt_wall_seconds(),
                      .stream = STREAM_TRANSACTIONAL,
                      .id = x->id[i],
                      .priority = priority,
                      .hop = sl_cstr(hop),
                      .domain = sl_cstr(sender)};
    CHECK_INT(ready_add(&x->r, &x->shard, &d, queue_key_due(&a, d.stream, d.due, &d.id, 0)), want);
    ar_free(&a);
}

static void add(struct row *x, int i, const char *hop) { add_one(x, i, hop, 0, ADDED); }

static const struct ready_site site_of_two = {SL_INIT("mx.two.test"), SL_INIT("mx.two.test"), FROM_IPV4,
                                              false};

/* What can be started is; the number of those under way. */
static size_t go(struct row *x)
{
    struct item *it;
    while ((it = ready_next(&x->r)) != NULL) {
        if (!ready_place(&x->r, it, &site_of_two)) ready_back(&x->r, it);
        else x->on[x->n++] = it;
    }
    return x->n;
}

static void drop(struct row *x, int i) { ready_drop(&x->r, ready_find(&x->r, &x->id[i], 0)); }

/* Five are under way, and all others wait for room. */
static void fill(struct row *x, int letters, const char *hop)
{
    for (int i = 0; i < letters; i++) add(x, i, hop);
    CHECK_INT(go(x), ROOM);
}

TEST(ready_a_turn_that_nobody_takes_is_anothers)
{
    static struct row x;
    begin(&x);
    fill(&x, ROOM + 2, "two.test");
    stop(x.on[0], &x, SITE_ANSWERED);
    x.on[0] = NULL;
    drop(&x, ROOM); /* it had the turn, and an operator takes it away */
    CHECK_INT(go(&x), ROOM + 1);
    end(&x);
}

TEST(ready_a_turn_goes_to_another_when_the_domain_moves_to_another_site)
{
    static struct row x;
    begin(&x);
    for (int i = 0; i < ROOM + 1; i++) add(&x, i, "two.test");
    CHECK_INT(go(&x), ROOM);
    add(&x, ROOM + 1, "three.test");
    CHECK_INT(go(&x), ROOM); /* the other domain has found the site by now, and waits there as well */
    stop(x.on[0], &x, SITE_ANSWERED);
    x.on[0] = NULL;
    CHECK(ready_place(&x.r, x.on[1],
                      &(struct ready_site){SL("mx.new.test"), SL("mx.new.test"), FROM_IPV4, false}));
    size_t before = x.n;
    struct item *it;
    bool three = false;
    while ((it = ready_next(&x.r)) != NULL) {
        three |= sl_eq(it->line->like.hop, SL("three.test"));
        x.on[x.n++] = it;
    }
    CHECK(x.n > before && three);
    end(&x);
}

TEST(ready_what_stands_for_no_reason_is_found_and_goes)
{
    static struct row x;
    struct arena a = {0};
    struct slice where = SL(""), hop = SL("");
    begin(&x);
    fill(&x, ROOM + 2, "two.test");
    CHECK_INT(ready_stalled(&x.r, 0, &a, &where, &hop), 0); /* its site has no room */
    x.deaf = true;
    stop(x.on[0], &x, SITE_ANSWERED);
    x.on[0] = NULL;
    CHECK_INT(go(&x), ROOM); /* nobody was told that there is room */
    CHECK_INT(ready_stalled(&x.r, 60 * RT_S, &a, &where, &hop), 0);
    CHECK_INT(ready_stalled(&x.r, 0, &a, &where, &hop), 0); /* perhaps there is since a moment ago */
    CHECK_INT(ready_stalled(&x.r, 0, &a, &where, &hop), 1);
    CHECK(sl_eq(where, SL("it waits for its site")) && sl_eq(hop, SL("two.test")));
    CHECK_INT(go(&x), ROOM + 1);
    CHECK_INT(ready_stalled(&x.r, 0, &a, &where, &hop), 0);
    ar_free(&a);
    x.deaf = false;
    end(&x);
}

/* One that has its turn may just have been given it: it is looked at twice, and not for want of stacks. */
TEST(ready_a_turn_that_nobody_takes_is_found_the_second_time)
{
    static struct row x;
    struct arena a = {0};
    struct slice where = SL(""), hop = SL("");
    begin(&x);
    add(&x, 0, "two.test");
    x.r.no_stack = true;
    CHECK_INT(ready_stalled(&x.r, 0, &a, &where, &hop), 0);
    CHECK_INT(ready_stalled(&x.r, 0, &a, &where, &hop), 0);
    x.r.no_stack = false;
    CHECK_INT(ready_stalled(&x.r, 0, &a, &where, &hop), 0);
    CHECK_INT(ready_stalled(&x.r, 0, &a, &where, &hop), 1);
    CHECK_INT(go(&x), 1);
    ar_free(&a);
    end(&x);
}

/* However a line comes to stand where nothing holds it. */
TEST(ready_a_line_that_stands_wrongly_is_found_and_goes)
{
    static const enum where all[] = {NOWHERE, AT_HOP, AT_SHARE, AT_REST};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        static struct row x;
        struct arena a = {0};
        struct slice where = SL(""), hop = SL("");
        begin(&x);
        add(&x, 0, "two.test");
        struct line *l = ready_find(&x.r, &x.id[0], 0)->line;
        line_away(&x.r, l);
        if (all[i] == AT_HOP) line_waits(l, AT_HOP, &l->hop->waiting);
        if (all[i] == AT_SHARE) line_waits(l, AT_SHARE, &l->share->waiting);
        if (all[i] == AT_REST) line_rests(&x.r, l);
        CHECK_INT(go(&x), 0);
        CHECK_INT(ready_stalled(&x.r, 60 * RT_S, &a, &where, &hop), 0);
        CHECK_INT(ready_stalled(&x.r, 0, &a, &where, &hop), 1);
        CHECK(where.n > 0);
        CHECK_INT(go(&x), 1);
        ar_free(&a);
        end(&x);
    }
}

/* Of a hop of which few are in memory more may be, as soon as more of it is under way. */
TEST(ready_a_hop_that_keeps_few_is_read_for_when_its_letters_start)
{
    enum { LETTERS = 30 };
    static struct row x;
    struct queue q = {.nloops = 1, .nshards = 1};
    struct letter_id id[LETTERS];
    begin(&x);
    x.shard.q = &q;
    for (int i = 0; i < LETTERS; i++) {
        struct arena a = {0};
        letter_id_new(&id[i]);
        struct q_due d = {.due = rt_wall_seconds(), .stream = STREAM_BULK, .id = id[i]};
        d.hop = SL("two.test"), d.domain = SL("one.test");
        CHECK_INT(ready_add(&x.r, &x.shard, &d, queue_key_due(&a, d.stream, d.due, &d.id, 0)), ADDED);
        ar_free(&a);
    }
    size_t before = go(&x);
    struct hop *h = x.on[0]->line->hop;
    h->dock->seen = true;
    CHECK(ready_weigh(&x.r)); /* it takes few: the rest goes back to the disk */
    CHECK(h->crowd.left && h->n[STREAM_BULK] == before + 10);
    for (int i = 0; i < LETTERS && h->crowd.n > h->under_way + 3; i++) {
        struct item *it = ready_find(&x.r, &id[i], 0);
        if (it && it->pace == WAITS) ready_drop(&x.r, it);
    }
    CHECK(!heap_least(&x.r.hungry));
    stop(x.on[0], &x, SITE_ANSWERED);
    x.on[0] = NULL;
    CHECK(!heap_least(&x.r.hungry));
    CHECK(go(&x) > before);
    CHECK(heap_least(&x.r.hungry) == &h->crowd.hungry);
    end(&x);
}

/* RFC 6710 section 5.1: of those that wait for one site, or for a domain whose site is not known, the highest
 * first. */
TEST(ready_a_higher_priority_goes_before_a_lower_one)
{
    static const int8_t said[] = {0, -4, 3, 9, 3, 0}, order[] = {9, 3, 3, 0, 0, -4};
    static struct row x;
    begin(&x);
    fill(&x, ROOM, "two.test");
    for (size_t i = 0; i < COUNT_OF(said); i++) add_one(&x, ROOM + (int)i, "two.test", said[i], ADDED);
    CHECK_INT(go(&x), ROOM);
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        stop(x.on[i], &x, SITE_ANSWERED);
        x.on[i] = NULL;
        CHECK_INT(go(&x), ROOM + i + 1);
        CHECK_INT(x.on[ROOM + i]->line->like.priority, order[i]);
    }
    end(&x);
    begin(&x);
    for (size_t i = 0; i < COUNT_OF(said); i++) add_one(&x, (int)i, "new.test", i ? said[i] : 1, ADDED);
    struct item *it = ready_next(&x.r); /* it goes ahead to find the site */
    CHECK(it && it->line->like.priority == 9 && !ready_next(&x.r));
    ready_back(&x.r, it);
    it = ready_next(&x.r);
    CHECK(it && it->line->like.priority == 9 && ready_place(&x.r, it, &site_of_two));
    x.on[x.n++] = it;
    end(&x);
}

/* Others of its domain wait on the disk, it does not. */
TEST(ready_a_higher_priority_finds_room_in_memory)
{
    static struct row x;
    int i = 0;
    begin(&x);
    for (; i < 2000; i++) add(&x, i, "two.test");
    add_one(&x, i++, "two.test", 0, LEFT);
    add_one(&x, i++, "two.test", -1, LEFT);
    for (; i < 2502; i++) add_one(&x, i, "two.test", 1, ADDED);
    add_one(&x, i++, "two.test", 9, LEFT); /* that has an end, too */
    struct item *it = ready_next(&x.r);
    CHECK(it && it->line->like.priority == 1 && ready_place(&x.r, it, &site_of_two));
    x.on[x.n++] = it;
    end(&x);
}

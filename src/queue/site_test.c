/* site_test.c - places at sites: limits, what a site shows, rests. */
#include "base/test.h"
#include "rt/rt.h"
#include "site.h"

static int called;

static void wake(void *ctx, int loop, const struct site *s)
{
    (void)ctx, (void)loop, (void)s;
    called++;
}

/* So many places are free for the stream; they are taken. */
static int take_all(struct site *s, enum stream stream)
{
    int64_t again;
    int n = 0;
    while (n < 10000 && site_take(s, stream, SL(""), &again) == SITE_HAS_ROOM) n++;
    return n;
}

static int64_t began;

static void give(struct site *s, enum stream stream, int n, enum site_news news)
{
    for (int i = 0; i < n; i++) site_give(s, &(struct site_report){stream, SL(""), news, SL("words"), began});
}

static struct sites *open_shaped(struct shaping *shaping)
{
    struct sites *all = sites_open(shaping, wake, NULL);
    began = rt_now();
    CHECK_OK(fiber_sleep(RT_MS));
    return all;
}

static struct sites *open_sites(void)
{
    struct shaping *shaping;
    CHECK_OK(shaping_open(&shaping));
    return open_shaped(shaping);
}

static void end(struct sites *all)
{
    CHECK_OK(fiber_sleep(RT_MS)); /* calls to loops arrive */
    sites_close(&all);
}

TEST(site_takes_more_as_it_shows_that_it_can)
{
    struct sites *all = open_sites();
    struct site_state st;
    struct site *s = site_get(all, SL(""), SL("mx.two.test"), SL("mx.two.test"));
    int n = take_all(s, STREAM_TRANSACTIONAL);
    CHECK_INT(n, 5);
    for (int i = 0; i < 40 && n < 20; i++) {
        give(s, STREAM_TRANSACTIONAL, 1, SITE_GOOD);
        n += take_all(s, STREAM_TRANSACTIONAL) - 1;
    }
    CHECK_INT(n, 20); /* as the shaping says */
    give(s, STREAM_TRANSACTIONAL, 1, SITE_BUSY);
    CHECK_INT(take_all(s, STREAM_TRANSACTIONAL), 0);
    site_look(s, STREAM_TRANSACTIONAL, SL(""), &st);
    CHECK(st.bind == SITE_WINDOW && st.places == 15 && st.under_way == 19);
    give(s, STREAM_TRANSACTIONAL, 19, SITE_NO_NEWS);
    for (int i = 0; i < 20000 && !called; i++) CHECK_OK(fiber_sleep(RT_MS)); /* another loop may be busy */
    CHECK(called > 0);                                                       /* who was refused */
    site_put(s);
    end(all);
}

TEST(site_keeps_a_place_for_what_somebody_waits_for)
{
    struct sites *all = open_sites();
    struct site *s = site_get(all, SL(""), SL("mx.two.test"), SL("mx.two.test"));
    CHECK_INT(take_all(s, STREAM_BULK), 4);
    CHECK_INT(take_all(s, STREAM_TRANSACTIONAL), 2); /* its place, and one above what was found out */
    give(s, STREAM_TRANSACTIONAL, 2, SITE_NO_NEWS);
    give(s, STREAM_BULK, 4, SITE_NO_NEWS);
    CHECK_OK(fiber_sleep(RT_MS));
    site_put(s);
    end(all);
}

TEST(site_that_does_not_answer_gets_one_letter)
{
    struct sites *all = open_sites();
    struct site_state st;
    int64_t again;
    struct site *s = site_get(all, SL(""), SL("mx.two.test"), SL("mx.two.test"));
    CHECK_INT(take_all(s, STREAM_SYSTEM), 5);
    give(s, STREAM_SYSTEM, 5, SITE_UNREACHED);
    CHECK_INT(site_take(s, STREAM_SYSTEM, SL(""), &again), SITE_DOWN);
    CHECK(again > rt_now() + 20 * RT_S && again < rt_now() + 40 * RT_S); /* five at once are one pause */
    site_look(s, STREAM_SYSTEM, SL(""), &st);
    CHECK(st.bind == SITE_DOWN && st.since && st.until && !strcmp(st.words, "words"));
    site_put(s); /* it is remembered while nobody uses it */
    s = site_get(all, SL(""), SL("mx.two.test"), SL("mx.two.test"));
    CHECK_INT(site_take(s, STREAM_SYSTEM, SL(""), &again), SITE_DOWN);
    site_put(s);
    end(all);
}

/* An attempt in which no server was asked takes none down, and brings none back. */
TEST(site_learns_nothing_when_no_server_was_asked)
{
    struct sites *all = open_sites();
    int64_t again;
    struct site *s = site_get(all, SL(""), SL("mx.two.test"), SL("mx.two.test"));
    CHECK_INT(take_all(s, STREAM_SYSTEM), 5);
    give(s, STREAM_SYSTEM, 5, SITE_UNASKED);
    CHECK_INT(take_all(s, STREAM_SYSTEM), 5);
    give(s, STREAM_SYSTEM, 5, SITE_UNREACHED);
    site_nudge(s);
    CHECK_INT(site_take(s, STREAM_SYSTEM, SL(""), &again), SITE_HAS_ROOM);
    give(s, STREAM_SYSTEM, 1, SITE_UNASKED);
    CHECK_INT(site_take(s, STREAM_SYSTEM, SL(""), &again), SITE_DOWN);
    CHECK(again > rt_now() + 20 * RT_S && again < rt_now() + 40 * RT_S); /* as long as before */
    site_put(s);
    end(all);
}

TEST(site_that_the_shaping_names_is_one_for_all_its_hosts)
{
    struct sites *all = open_sites();
    struct site *a = site_get(all, SL(""), SL("alt1.google.com"), SL("alt1.google.com")),
                *b = site_get(all, SL(""), SL("aspmx.google.com"), SL("aspmx.google.com")),
                *c = site_get(all, SL(""), SL("mx.two.test"), SL("mx.two.test"));
    CHECK(a == b && a != c);
    CHECK_SL(site_name(a), "google");
    site_put(a);
    site_put(b);
    site_put(c);
    end(all);
}

TEST(site_gets_so_many_letters_and_connections_a_minute)
{
    struct shaping *shaping;
    int64_t again;
    CHECK_OK(shaping_read(
        &shaping, SL("default\nconnections 20 guessed\nletters 9 guessed\nrecipients 9 guessed\n"
                     "rate 120 guessed\nopens 60 guessed\nsite few\nhost few.test\nrate 1000 guessed\n")));
    struct sites *all = open_shaped(shaping);
    struct site *s = site_get(all, SL(""), SL("mx.two.test"), SL("mx.two.test")),
                *few = site_get(all, SL(""), SL("mx.few.test"), SL("mx.few.test"));
    CHECK_INT(take_all(s, STREAM_BULK), 1); /* the last of a burst is for others */
    CHECK_INT(take_all(s, STREAM_TRANSACTIONAL), 1);
    CHECK_INT(site_take(s, STREAM_TRANSACTIONAL, SL(""), &again), SITE_LETTERS);
    CHECK(again > rt_now() && again < rt_now() + RT_S); /* two a second */
    CHECK(site_may_open(few) && site_may_open(few) && !site_may_open(few));
    CHECK_INT(site_take(few, STREAM_TRANSACTIONAL, SL(""), &again), SITE_OPENS);
    give(s, STREAM_BULK, 1, SITE_NO_NEWS);
    give(s, STREAM_TRANSACTIONAL, 1, SITE_NO_NEWS);
    site_put(s);
    site_put(few);
    end(all);
}

/* source_test.c - plans: which sources a letter leaves by; rows, damage, limits. */
#include <stdio.h>
#include <string.h>

#include "base/test.h"
#include "source.h"

static struct ip ip_of(const char *text)
{
    struct ip ip = {0};
    CHECK(ip_parse(sl_cstr(text), &ip));
    return ip;
}

static int add(struct sources *s, const char *name, const char *pool, const char *ip)
{
    return source_add(s, &(struct source){.name = sl_cstr(name), .pool = sl_cstr(pool), .ip = ip_of(ip)});
}

static int use(struct sources *s, enum source_by by, const char *value, const char *pool)
{
    return source_set_use(s, &(struct source_use){.by = by, .value = sl_cstr(value), .pool = sl_cstr(pool)});
}

/* "main: one two" */
static const char *way_for(struct sources *s, struct source_query q)
{
    static char text[200];
    bool gone;
    struct source_plan *p = source_plan_now(s);
    const struct source_way *w = source_choose(p, &q, &gone);
    int n = snprintf(text, sizeof text, "%.*s%s", SLF(w->name), gone ? " gone" : "");
    for (size_t i = 0; i < w->n; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%.*s", i ? " " : ": ", SLF(w->v[i]->name));
    source_plan_drop(&p);
    return text;
}

TEST(source_letters_go_by_the_pool_that_is_named_for_them)
{
    struct kv *kv;
    struct sources *s;
    struct source_query all = {
        .by = {SL_INIT("spring"), SL_INIT("acc1"), SL_INIT("one.test"), SL_INIT("bulk")}};
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK_OK(sources_open(&s, kv));
    CHECK(!strcmp(way_for(s, all), ""));
    CHECK_OK(add(s, "one", "main", "192.0.2.1"));
    CHECK_OK(add(s, "two", "main", "2001:db8::2"));
    CHECK_OK(add(s, "three", "letters", "192.0.2.3"));
    CHECK_OK(add(s, "four", "paying", "192.0.2.4"));
    CHECK(!strcmp(way_for(s, all), "main: one two"));
    CHECK_OK(use(s, SOURCE_STREAM, "bulk", "letters"));
    CHECK(!strcmp(way_for(s, all), "letters: three"));
    CHECK_OK(use(s, SOURCE_DOMAIN, "one.test", "main"));
    CHECK(!strcmp(way_for(s, all), "main: one two"));
    CHECK_OK(use(s, SOURCE_ACCOUNT, "acc1", "letters"));
    CHECK(!strcmp(way_for(s, all), "letters: three"));
    CHECK_OK(use(s, SOURCE_CAMPAIGN, "spring", "paying"));
    CHECK(!strcmp(way_for(s, all), "paying: four"));
    sources_close(&s); /* as the rows say */
    CHECK_OK(sources_open(&s, kv));
    CHECK(!strcmp(way_for(s, all), "paying: four"));
    CHECK_OK(use(s, SOURCE_CAMPAIGN, "spring", ""));
    CHECK_ERR(use(s, SOURCE_CAMPAIGN, "spring", ""), ERR_NOT_FOUND);
    CHECK(!strcmp(way_for(s, all), "letters: three"));
    CHECK_OK(source_remove(s, SL("three"))); /* a pool without sources stands for main */
    CHECK(!strcmp(way_for(s, all), "main: one two"));
    all.bound = SL("two");
    CHECK(!strcmp(way_for(s, all), "main/two: two"));
    CHECK_OK(source_remove(s, SL("two")));
    CHECK(!strcmp(way_for(s, all), "main gone: one"));
    CHECK_OK(source_remove(s, SL("one")));
    CHECK(!strcmp(way_for(s, all), " gone")); /* the node's own address */
    sources_close(&s);
    kv_close(&kv);
}

TEST(source_names_and_addresses_are_judged)
{
    struct kv *kv;
    struct sources *s;
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK_OK(sources_open(&s, kv));
    CHECK_OK(add(s, "one", "main", "192.0.2.1"));
    CHECK_ERR(add(s, "two", "main", "192.0.2.1"), ERR_EXISTS);
    CHECK_OK(add(s, "one", "other", "192.0.2.1")); /* into another pool */
    CHECK_ERR(add(s, "Two", "main", "192.0.2.2"), ERR_SYNTAX);
    CHECK_ERR(add(s, "a/b", "main", "192.0.2.2"), ERR_SYNTAX);
    CHECK_ERR(add(s, "two", "a|b", "192.0.2.2"), ERR_SYNTAX);
    CHECK_ERR(add(s, "two", "main", "0.0.0.0"), ERR_SYNTAX);
    CHECK_ERR(add(s, "a-name-that-is-longer-than-any-may-be", "main", "192.0.2.2"), ERR_SYNTAX);
    CHECK_ERR(source_remove(s, SL("two")), ERR_NOT_FOUND);
    CHECK_ERR(use(s, SOURCE_DOMAIN, "", "main"), ERR_SYNTAX);
    sources_close(&s);
    kv_close(&kv);
}

static int spoil_tx(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("s/one"), SL("\001i"));
    kv_tx_put(tx, SL("s/three"), SL("\001i\0019"));
    kv_tx_put(tx, SL("u/d/x"), SL("\377"));
    return 0;
}

static void count(void *n, const char *what)
{
    (void)what;
    ++*(int *)n;
}

TEST(source_a_damaged_row_hides_no_other)
{
    struct kv *kv;
    struct sources *s;
    int bad = 0;
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK_OK(sources_open(&s, kv));
    CHECK_OK(add(s, "one", "main", "192.0.2.1"));
    CHECK_OK(add(s, "two", "main", "192.0.2.2"));
    CHECK_OK(kv_transact(kv, SL("_source"), spoil_tx, NULL));
    sources_close(&s);
    CHECK_OK(sources_open(&s, kv));
    CHECK(!strcmp(way_for(s, (struct source_query){0}), "main: two"));
    CHECK_OK(sources_verify(kv, count, &bad));
    CHECK_INT(bad, 3);
    CHECK_OK(source_remove(s, SL("three")));
    CHECK_OK(add(s, "one", "main", "192.0.2.1"));
    CHECK(!strcmp(way_for(s, (struct source_query){0}), "main: one two"));
    sources_close(&s);
    kv_close(&kv);
}

static int spoil_curve_tx(struct kv_tx *tx, void *arg)
{
    (void)arg;
    kv_tx_put(tx, SL("w/one"), SL("\377"));
    kv_tx_put(tx, SL("w/one/google"), SL("\001d"));
    kv_tx_put(tx, SL("w/gone/google"), SL("\377"));
    return 0;
}

static unsigned used(struct sources *s, const char *group)
{
    struct arena a = {0};
    struct warm_curve c;
    struct warm_group *g;
    size_t n;
    unsigned sent = 0;
    (void)source_warm_look(s, SL("one"), &a, &c, &g, &n);
    for (size_t i = 0; i < n; i++)
        if (sl_eq(g[i].group, sl_cstr(group))) sent = g[i].sent;
    ar_free(&a);
    return sent;
}

static int put_row_tx(struct kv_tx *tx, void *value)
{
    kv_tx_put(tx, SL("w/one/google"), *(struct slice *)value);
    return 0;
}

/* What was noted under the beginning before comes to the disk behind the new one. */
TEST(source_warm_up_begins_anew_whatever_comes_late)
{
    struct kv *kv;
    struct sources *s;
    struct arena a = {0};
    struct slice late = {0};
    struct warm_curve c = {.first = 10, .growth = 100, .most = 1000};
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK_OK(sources_open(&s, kv));
    CHECK_OK(add(s, "one", "main", "192.0.2.1"));
    CHECK_OK(source_warm(s, SL("one"), &c));
    for (int i = 0; i < 9; i++) {
        CHECK(source_warm_take(s, SL("one"), SL("google"), false));
        source_warm_give(s, SL("one"), SL("google"), WARM_LEFT);
    }
    CHECK_OK(add(s, "two", "main", "192.0.2.2")); /* notes go with the next change */
    CHECK_OK(kv_get(kv, SL("_source"), SL("w/one/google"), &a, &late));
    CHECK_OK(source_warm(s, SL("one"), &c));
    CHECK_OK(kv_transact(kv, SL("_source"), put_row_tx, &late));
    sources_close(&s);
    CHECK_OK(sources_open(&s, kv));
    CHECK_INT(used(s, "google"), 0);
    sources_close(&s);
    kv_close(&kv);
    ar_free(&a);
}

/* Counts outlive a restart; a row that cannot be read neither hides others nor lets everything go. */
TEST(source_warm_up_is_read_again)
{
    struct kv *kv;
    struct sources *s;
    struct warm_curve c = {.first = 10, .growth = 100, .most = 1000};
    int bad = 0, may = 0;
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK_OK(sources_open(&s, kv));
    CHECK_OK(add(s, "one", "main", "192.0.2.1"));
    CHECK_ERR(source_warm(s, SL("two"), &c), ERR_NOT_FOUND);
    CHECK(source_warm_take(s, SL("one"), SL("google"), true));
    CHECK_OK(source_warm(s, SL("one"), &c));
    for (int i = 0; i < 20; i++) {
        if (!source_warm_take(s, SL("one"), SL("google"), false)) continue;
        source_warm_give(s, SL("one"), SL("google"), may++ == 3 ? WARM_NOTHING : WARM_LEFT);
    }
    CHECK_INT(may, 11); /* one of them did not leave */
    CHECK(source_warm_take(s, SL("one"), SL("yahoo"), true));
    source_warm_give(s, SL("one"), SL("yahoo"), WARM_LEFT);
    CHECK_OK(add(s, "two", "main", "192.0.2.2")); /* notes go with the next change */
    sources_close(&s);
    CHECK_OK(sources_open(&s, kv));
    CHECK(used(s, "google") == 10 && used(s, "yahoo") == 1);
    CHECK(!source_warm_take(s, SL("one"), SL("google"), false));
    CHECK_OK(kv_transact(kv, SL("_source"), spoil_curve_tx, NULL));
    sources_close(&s);
    CHECK_OK(sources_open(&s, kv));
    CHECK_OK(sources_verify(kv, count, &bad));
    CHECK_INT(bad, 3);
    CHECK(used(s, "google") == 0 && used(s, "yahoo") == 1);
    for (may = 0; may < 100 && source_warm_take(s, SL("one"), SL("google"), false); may++) continue;
    CHECK_INT(may, SOURCE_WARM_FIRST);
    CHECK_OK(source_warm(s, SL("one"), NULL));
    CHECK(source_warm_take(s, SL("one"), SL("google"), false));
    CHECK_OK(source_warm(s, SL("one"), &c));
    CHECK_OK(source_remove(s, SL("one")));
    CHECK_OK(add(s, "one", "main", "192.0.2.1"));
    sources_close(&s);
    CHECK_OK(sources_open(&s, kv));
    for (may = 0; may < 100 && source_warm_take(s, SL("one"), SL("google"), false); may++) continue;
    CHECK_INT(may, 100); /* it went with its source */
    sources_close(&s);
    kv_close(&kv);
}

static const struct source *far_of(struct source_plan *p) { return source_find(p, SL("far")); }

TEST(source_leaves_by_a_proxy)
{
    static const char *const bad[] = {"socks4://192.0.2.9:1080", "socks5://proxy.test:1080",
                                      "socks5://192.0.2.9",      "proxy://192.0.2.9:0",
                                      "proxy://0.0.0.0:1",       ""};
    struct arena a = {0};
    struct kv *kv;
    struct sources *s;
    struct source far = {.name = SL("far"), .pool = SL("main"), .ip = ip_of("198.51.100.1")}, x;
    char long_one[SOURCE_LOGIN_MAX + 2] = {0}, why[SOURCE_TROUBLE_MAX];
    int64_t until;
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK_OK(sources_open(&s, kv));
    for (size_t i = 0; i < COUNT_OF(bad); i++) CHECK_ERR(source_via_parse(sl_cstr(bad[i]), &x), ERR_SYNTAX);
    CHECK_OK(source_via_parse(SL("socks5://[2001:db8::9]:1080"), &far));
    CHECK_ERR(source_set_login(s, SL("far"), SL("me"), SL("secret")), ERR_NOT_FOUND);
    CHECK_OK(source_add(s, &far));
    memset(long_one, 'x', sizeof long_one - 1);
    CHECK_ERR(source_set_login(s, SL("far"), sl_cstr(long_one), SL("secret")), ERR_SYNTAX);
    CHECK_OK(source_set_login(s, SL("far"), SL("me"), SL("secret")));
    CHECK_OK(source_add(s, &far)); /* the login stays */
    source_failed(s, SL("far"), SL("its proxy does not answer"));
    CHECK(source_out(s, SL("far"), &until, why) && until > rt_now() + 29 * RT_S);
    CHECK(!strcmp(why, "its proxy does not answer"));
    source_failed(s, SL("far"), SL("once more")); /* as long as it rests that says nothing new */
    CHECK(source_out(s, SL("far"), &until, why) && until < rt_now() + 31 * RT_S);
    CHECK(!source_out(s, SL("near"), &until, why));
    source_works(s, SL("far"));
    CHECK(!source_out(s, SL("far"), &until, why));
    sources_close(&s);
    CHECK_OK(sources_open(&s, kv));
    struct source_plan *p = source_plan_now(s);
    CHECK(far_of(p) && far_of(p)->via == VIA_SOCKS5 && sl_eq(far_of(p)->user, SL("me")) &&
          sl_eq(far_of(p)->password, SL("secret")));
    CHECK_SL(source_via_text(&a, far_of(p)), "socks5://[2001:db8::9]:1080");
    source_plan_drop(&p);
    CHECK_OK(source_remove(s, SL("far")));
    far.via = VIA_NONE;
    CHECK_OK(source_add(s, &far));
    p = source_plan_now(s);
    CHECK(far_of(p) && far_of(p)->via == VIA_NONE && !far_of(p)->user.n); /* it went with its source */
    source_plan_drop(&p);
    sources_close(&s);
    kv_close(&kv);
    ar_free(&a);
}

/* What people complain of counts on the day on which they do, of what was sent on it or the day before. */
TEST(source_complaints_slow_a_warm_up)
{
    struct warm_curve c = {.first = 100, .growth = 100, .most = 10000};
    struct warm_group *g;
    struct arena a = {0};
    struct kv *kv;
    struct sources *s;
    size_t n;
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK_OK(sources_open(&s, kv));
    CHECK_OK(add(s, "new", "main", "192.0.2.1"));
    source_warm_blame(s, SL("new"), SL("google")); /* it is warm */
    CHECK_OK(source_warm(s, SL("new"), &c));
    source_warm_blame(NULL, SL("new"), SL("google"));
    source_warm_blame(s, SL("new"), SL("google"));
    source_warm_blame(s, SL("new"), SL("google"));
    CHECK_OK(add(s, "two", "main", "192.0.2.2")); /* notes go with the next change */
    sources_close(&s);
    CHECK_OK(sources_open(&s, kv));
    CHECK(source_warm_look(s, SL("new"), &a, &c, &g, &n));
    CHECK(n == 1 && g[0].blamed == 2 && g[0].sent == 0);
    sources_close(&s);
    kv_close(&kv);
    ar_free(&a);
}

static int room;

static void has_room(void *ctx)
{
    (void)ctx;
    room++;
}

/* Who was refused a source is told when it can be left from before the time that he heard of; nobody else is.
 */
TEST(source_who_was_refused_hears_of_room)
{
    struct warm_curve c = {.first = 2, .growth = 100, .most = 10000};
    struct slice name = SL("new"), group = SL("google");
    struct kv *kv;
    struct sources *s;
    int64_t until;
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK_OK(sources_open(&s, kv));
    CHECK_OK(add(s, "new", "main", "192.0.2.1"));
    CHECK_OK(source_warm(s, name, &c));
    sources_watch(s, NULL, has_room, NULL);
    room = 0;
    CHECK(source_warm_take(s, name, group, false) && source_warm_take(s, name, group, false));
    source_warm_give(s, name, group, WARM_NOTHING);
    CHECK_INT(room, 0); /* nobody was refused */
    CHECK(source_warm_take(s, name, group, false) && !source_warm_take(s, name, group, false));
    source_warm_give(s, name, group, WARM_LEFT);
    CHECK_INT(room, 0); /* it was used */
    source_warm_give(s, name, group, WARM_UNASKED);
    CHECK(source_warm_take(s, name, group, false));
    CHECK_INT(room,
              0); /* it was taken to ask alone, or two who may not leave would wake each other for ever */
    source_warm_give(s, name, group, WARM_NOTHING);
    CHECK_INT(room, 1);
    source_warm_give(s, name, group, WARM_NOTHING);
    CHECK_INT(room, 1);
    source_works(s, name);
    source_failed(s, name, SL("its proxy does not answer"));
    CHECK_INT(room, 1);
    source_works(s, name);
    CHECK_INT(room, 2);
    CHECK(!source_out(s, name, &until, NULL));
    sources_close(&s);
    kv_close(&kv);
}

/* A proxy that ends every connection: what one site says, however often, is that one's. */
TEST(source_a_proxy_that_no_word_comes_from_is_found_out)
{
    struct kv *kv;
    struct sources *s;
    char site[] = "site0";
    CHECK_OK(kv_mem_open(&kv, NULL));
    CHECK_OK(sources_open(&s, kv));
    for (int i = 0; i < 20; i++) CHECK(!source_unheard(s, SL("far"), SL("one")));
    for (int i = 0; i < SOURCE_UNHEARD - 2; i++, site[4]++)
        CHECK(!source_unheard(s, SL("far"), sl_cstr(site)));
    source_works(s, SL("far")); /* a word came */
    for (int i = 0; i < SOURCE_UNHEARD - 1; i++, site[4]++)
        CHECK(!source_unheard(s, SL("far"), sl_cstr(site)));
    CHECK(!source_unheard(s, SL("near"), SL("another")));
    CHECK(source_unheard(s, SL("far"), SL("another")));
    source_failed(s, SL("far"), SL("it ends every connection"));
    CHECK(source_unheard(s, SL("far"), SL("one"))); /* after the rest one shows whether it is over */
    source_works(s, SL("far"));
    CHECK(!source_unheard(s, SL("far"), SL("one")));
    CHECK(!source_unheard(NULL, SL("far"), SL("one")));
    sources_close(&s);
    kv_close(&kv);
}

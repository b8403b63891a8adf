/* engine_test.c - what every engine of bodies promises those above, run on each of them. */
#include <stdio.h>
#include <stdlib.h>

#include "engine.h"
#include "rt/test_rt.h"

struct suite {
    char dir[64];
    struct body_store *b;
    struct arena a;
};

static void each_engine(void (*test)(struct suite *s))
{
    for (int i = 0; i < 2; i++) {
        struct suite s = {.dir = "/tmp/tram-engine-test-XXXXXX"};
        char cmd[128];
        REQUIRE(mkdtemp(s.dir) != NULL);
        REQUIRE((i ? body_mem_open(&s.b, 6000) : body_open(&s.b, s.dir, 6000)) == 0);
        test(&s);
        body_close(&s.b);
        CHECK(!s.b);
        ar_free(&s.a);
        snprintf(cmd, sizeof cmd, "rm -rf '%s'", s.dir);
        CHECK(system(cmd) == 0);
    }
}

#define EACH_ENGINE(id)                                                                                      \
    static void id##_on(struct suite *s);                                                                    \
    TEST(id) { each_engine(id##_on); }                                                                       \
    static void id##_on(struct suite *s)

static struct slice many(struct suite *s, size_t n, char c)
{
    char *p = ar_alloc(&s->a, n);
    memset(p, c, n);
    return sl(p, n);
}

static struct body_ref put(struct suite *s, enum body_class cls, struct slice bytes)
{
    struct body_ref ref = {0};
    CHECK_OK(body_put(s->b, cls, bytes, SL("whence"), &ref));
    return ref;
}

static void check_body(struct suite *s, const struct body_ref *ref, struct slice want)
{
    struct slice got = {0};
    struct body_ref again;
    CHECK_OK(body_get(s->b, ref, SIZE_MAX, &s->a, &got));
    CHECK(sl_eq(got, want));
    CHECK_INT(body_ref_size(ref), want.n);
    CHECK_OK(body_ref_parse(body_ref_slice(ref), &again));
    CHECK(!strcmp(again.s, ref->s));
}

static struct body_pack pack_of(struct suite *s, const struct body_ref *ref)
{
    struct body_pack *p;
    size_t n = 0;
    CHECK_OK(body_packs(s->b, &s->a, &p, &n));
    for (size_t i = 0; i < n; i++)
        if (p[i].number == body_ref_pack(ref)) return p[i];
    return (struct body_pack){0};
}

EACH_ENGINE(what_is_written_comes_back_whole_and_in_ranges)
{
    struct body_writer *w;
    struct body_ref ref;
    char room[10];
    CHECK_OK(body_begin(s->b, BODY_QUEUE, &w));
    CHECK_OK(body_write(w, SL("some ")));
    CHECK_OK(body_write(w, SL("words")));
    CHECK_INT(body_written(w), 10);
    CHECK_SL(body_small(w), "some words");
    CHECK_INT(body_read_back(w, 5, room, sizeof room), 5);
    CHECK_SL(sl(room, 5), "words");
    CHECK_OK(body_finish(&w, SL("first: "), SL(""), &ref));
    CHECK(!w);
    check_body(s, &ref, SL("first: some words"));
    CHECK_INT(body_read(s->b, &ref, 7, room, 4), 4);
    CHECK_SL(sl(room, 4), "some");
    CHECK_INT(body_read(s->b, &ref, 12, room, sizeof room), 5);
    CHECK_INT(body_read(s->b, &ref, 100, room, sizeof room), 0);
    CHECK_INT(pack_of(s, &ref).cls, BODY_QUEUE);
}

EACH_ENGINE(a_large_one_is_as_good_as_a_small_one)
{
    struct body_writer *w;
    struct body_ref ref;
    struct slice all = many(s, 3 * BODY_SMALL, 'x');
    CHECK_OK(body_begin(s->b, BODY_MAIL, &w));
    CHECK_OK(body_write(w, all));
    CHECK_INT(body_small(w).n, 0);
    CHECK_OK(body_finish(&w, SL(""), SL(""), &ref));
    check_body(s, &ref, all);
    CHECK_OK(body_begin(s->b, BODY_MAIL, &w));
    body_abandon(&w);
    CHECK(!w);
}

EACH_ENGINE(what_is_put_beside_a_body_has_limits)
{
    struct body_writer *w;
    struct body_ref ref;
    CHECK_OK(body_begin(s->b, BODY_MAIL, &w));
    CHECK_ERR(body_finish(&w, many(s, BODY_PREFIX_MAX + 1, 'p'), SL(""), &ref), ERR_TOO_LONG);
    CHECK_ERR(body_put(s->b, BODY_MAIL, SL("x"), many(s, BODY_ORIGIN_MAX + 1, 'o'), &ref), ERR_LIMIT);
}

EACH_ENGINE(a_pack_is_dropped_when_nothing_in_it_is_pinned)
{
    struct slice got, text = many(s, 900, 'a');
    struct body_ref a = put(s, BODY_MAIL, text), b = put(s, BODY_MAIL, text), c = put(s, BODY_MAIL, text), to;
    CHECK(body_ref_pack(&c) > body_ref_pack(&a)); /* the first is full */
    CHECK_ERR(body_drop_pack(s->b, body_ref_pack(&c)), ERR_BUSY);
    body_unpin(s->b, &a);
    CHECK_INT(pack_of(s, &a).open, true);
    body_unpin(s->b, &b);
    CHECK_OK(body_pin(s->b, &a));
    CHECK_ERR(body_drop_pack(s->b, body_ref_pack(&a)), ERR_BUSY);
    body_unpin(s->b, &a);
    CHECK_INT(pack_of(s, &a).open, false);
    CHECK_OK(body_move(s->b, &a, BODY_MAIL, &to));
    CHECK_OK(body_drop_pack(s->b, body_ref_pack(&a)));
    CHECK_ERR(body_get(s->b, &a, SIZE_MAX, &s->a, &got), ERR_NOT_FOUND);
    CHECK_ERR(body_pin(s->b, &a), ERR_NOT_FOUND);
    CHECK_ERR(body_move(s->b, &a, BODY_MAIL, &to), ERR_NOT_FOUND);
    CHECK_ERR(body_drop_pack(s->b, body_ref_pack(&a)), ERR_NOT_FOUND);
    check_body(s, &c, text);
}

struct seen {
    const struct body_ref *ref;
    uint64_t stamp;
    int found;
};

static void see(void *arg, const struct body_seen *one)
{
    struct seen *x = arg;
    if (strcmp(one->ref.s, x->ref->s) || one->status || !sl_eq(one->origin, SL("whence"))) return;
    x->found++;
    x->stamp = one->stamp;
}

EACH_ENGINE(a_body_that_moves_keeps_stamp_and_origin)
{
    struct body_ref ref = put(s, BODY_QUEUE, SL("letter")), to;
    struct seen was = {.ref = &ref}, is = {.ref = &to};
    CHECK_OK(body_verify(s->b, 0, see, &was));
    CHECK_OK(body_move(s->b, &ref, BODY_MAIL, &to));
    CHECK_OK(body_verify(s->b, body_ref_pack(&to), see, &is));
    CHECK(was.found == 1 && is.found == 1 && was.stamp == is.stamp && was.stamp);
    CHECK(sl_eq(body_ref_content(&ref), body_ref_content(&to)));
    check_body(s, &to, SL("letter"));
}

EACH_ENGINE(nothing_is_settled_above_a_body_that_waits)
{
    struct body_ref ref = put(s, BODY_MAIL, SL("letter"));
    uint64_t after = body_stamp(s->b);
    CHECK(body_settled(s->b) <= after);
    body_unpin(s->b, &ref);
    CHECK(body_settled(s->b) >= after);
}

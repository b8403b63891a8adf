/* body_test.c - bodies are written, named, read, checked, moved and dropped. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "body_i.h"
#include "rt/test_rt.h"

struct place_for_tests {
    char dir[64];
    struct body_store *b;
    struct arena a;
};

static bool begin(struct place_for_tests *t, uint64_t pack_bytes)
{
    *t = (struct place_for_tests){.dir = "/tmp/tram-body-test-XXXXXX"};
    ar_init(&t->a, 0);
    int e = mkdtemp(t->dir) ? body_open(&t->b, t->dir, pack_bytes) : ERR_IO;
    CHECK_OK(e);
    return e == 0;
}

static void end(struct place_for_tests *t)
{
    char cmd[128];
    body_close(&t->b);
    ar_free(&t->a);
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", t->dir);
    CHECK(system(cmd) == 0);
}

static void reopen(struct place_for_tests *t, uint64_t pack_bytes)
{
    body_close(&t->b);
    CHECK_OK(body_open(&t->b, t->dir, pack_bytes));
}

/* n bytes that depend on seed and place. */
static struct slice bytes_of(struct arena *a, size_t n, unsigned seed)
{
    char *p = ar_alloc(a, n + 1);
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (char)(x >> 24);
    }
    return sl(p, n);
}

static struct body_ref put(struct place_for_tests *t, enum body_class cls, struct slice s)
{
    struct body_ref ref = {0};
    CHECK_OK(body_put(t->b, cls, s, SL(""), &ref));
    return ref;
}

static void check_body(struct place_for_tests *t, const struct body_ref *ref, struct slice want)
{
    struct slice got = {0};
    CHECK_OK(body_get(t->b, ref, SIZE_MAX, &t->a, &got));
    CHECK(sl_eq(got, want));
    CHECK_INT(body_ref_size(ref), want.n);
}

static struct body_pack pack_of(struct place_for_tests *t, const struct body_ref *ref)
{
    struct body_pack *p;
    size_t n;
    CHECK_OK(body_packs(t->b, &t->a, &p, &n));
    for (size_t i = 0; i < n; i++)
        if (p[i].number == body_ref_pack(ref)) return p[i];
    return (struct body_pack){0};
}

/* Changes one byte of the pack a body lies in. */
static void spoil(struct place_for_tests *t, const struct body_ref *ref, uint64_t at)
{
    struct place pl;
    char path[BODY_PATH_MAX], c;
    struct file *f = NULL;
    CHECK_OK(place_get(ref, &pl));
    body_path(packs_of(t->b), pl.cls, pl.pack, false, path);
    CHECK_OK(file_open(&f, path, FILE_WRITE));
    CHECK_INT(file_pread(f, &c, 1, at), 1);
    c ^= 1;
    CHECK_OK(file_pwrite(f, &c, 1, at));
    file_close(&f);
}

TEST(small_bodies_come_back)
{
    struct place_for_tests t;
    REQUIRE(begin(&t, 0));
    struct body_ref one = put(&t, BODY_QUEUE, SL("a letter\r\n")), none = put(&t, BODY_QUEUE, SL(""));
    struct slice big = bytes_of(&t.a, BODY_SMALL, 1), got;
    struct body_ref two = put(&t, BODY_MAIL, big);
    char part[8];
    check_body(&t, &one, SL("a letter\r\n"));
    check_body(&t, &none, SL(""));
    check_body(&t, &two, big);
    CHECK(body_ref_pack(&one) == body_ref_pack(&none) && body_ref_pack(&one) != body_ref_pack(&two));
    CHECK_INT(body_read(t.b, &one, 2, part, 6), 6);
    CHECK_SL(sl(part, 6), "letter");
    CHECK_INT(body_read(t.b, &one, 8, part, 6), 2);
    CHECK_INT(body_read(t.b, &one, 100, part, 6), 0);
    CHECK_OK(body_get(t.b, &one, 3, &t.a, &got));
    CHECK_SL(got, "a l");
    reopen(&t, 0);
    check_body(&t, &one, SL("a letter\r\n"));
    check_body(&t, &two, big);
    end(&t);
}

/* Sizes around every border, with and without a prefix, written in pieces. */
TEST(bodies_of_all_sizes_with_a_prefix)
{
    static const size_t sizes[] = {0,
                                   1,
                                   65536,
                                   BODY_SMALL - 1,
                                   BODY_SMALL,
                                   BODY_SMALL + 1,
                                   BODY_SMALL + 65536,
                                   2 * BODY_SMALL,
                                   2 * BODY_SMALL + 7,
                                   1500000};
    static const size_t prefixes[] = {0, 1, 300, 65535, 65536, 65537, BODY_PREFIX_MAX};
    struct place_for_tests t;
    REQUIRE(begin(&t, 0));
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        for (size_t j = 0; j < COUNT_OF(prefixes); j++) {
            struct slice body = bytes_of(&t.a, sizes[i], 1), prefix = bytes_of(&t.a, prefixes[j], 2),
                         rest = body;
            struct body_writer *w;
            struct body_ref ref;
            CHECK_OK(body_begin(t.b, BODY_MAIL, &w));
            for (size_t n = 100000; rest.n; rest = sl_from(rest, n))
                CHECK_OK(body_write(w, sl_sub(rest, 0, n)));
            CHECK_INT(body_written(w), sizes[i]);
            CHECK_INT(body_small(w).n, sizes[i] > BODY_SMALL ? 0 : sizes[i]);
            CHECK_OK(body_finish(&w, prefix, SL(""), &ref));
            CHECK(!w);
            check_body(&t, &ref, ar_cat(&t.a, prefix, body));
            char piece[1000];
            struct slice whole = ar_cat(&t.a, prefix, body);
            for (size_t at = 0; at < whole.n; at += 99991) {
                int64_t got = body_read(t.b, &ref, at, piece, sizeof piece);
                CHECK(got > 0 && sl_eq(sl(piece, (size_t)got), sl_sub(whole, at, at + sizeof piece)));
            }
            body_unpin(t.b, &ref);
        }
        ar_reset(&t.a);
    }
    end(&t);
}

TEST(a_prefix_has_a_limit_and_writers_can_be_given_up)
{
    struct place_for_tests t;
    struct body_writer *w;
    struct body_ref ref;
    REQUIRE(begin(&t, 0));
    CHECK_OK(body_begin(t.b, BODY_MAIL, &w));
    CHECK_OK(body_write(w, SL("x")));
    CHECK_ERR(body_finish(&w, bytes_of(&t.a, BODY_PREFIX_MAX + 1, 1), SL(""), &ref), ERR_TOO_LONG);
    CHECK(!w);
    CHECK_OK(body_begin(t.b, BODY_MAIL, &w));
    CHECK_OK(body_write(w, bytes_of(&t.a, 3 * BODY_SMALL, 1)));
    body_abandon(&w);
    body_abandon(&w);
    struct body_pack *p;
    size_t n;
    CHECK_OK(body_packs(t.b, &t.a, &p, &n));
    CHECK_INT(n, 0);
    end(&t);
}

/* ---- many at once ---- */

struct writer_fiber {
    struct place_for_tests *t;
    unsigned seed;
    struct body_ref ref[20];
    struct slice bytes[20];
};

static void write_twenty(void *arg)
{
    struct writer_fiber *f = arg;
    for (unsigned i = 0; i < 20; i++) {
        struct slice s = f->bytes[i];
        CHECK_OK(body_put(f->t->b, i % 2 ? BODY_MAIL : BODY_QUEUE, s, SL(""), &f->ref[i]));
        fiber_breathe();
    }
}

TEST(fibers_share_groups_and_packs_follow_each_other)
{
    enum { FIBERS = 20 };
    struct place_for_tests t;
    struct group g;
    REQUIRE(begin(&t, 300000));
    struct writer_fiber *f = xcalloc(FIBERS, sizeof *f);
    group_init(&g);
    for (unsigned i = 0; i < FIBERS; i++) {
        f[i].t = &t;
        for (unsigned k = 0; k < 20; k++)
            f[i].bytes[k] = bytes_of(&t.a, (i * 20 + k) * 37 % 9000, i * 20 + k);
        CHECK_OK(group_go(&g, "writer", write_twenty, &f[i]));
    }
    CHECK_OK(group_wait(&g));
    struct body_pack *p;
    size_t n;
    CHECK_OK(body_packs(t.b, &t.a, &p, &n));
    CHECK(n >= 4); /* 400 bodies of 4500 bytes on average */
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < FIBERS; i++)
            for (unsigned k = 0; k < 20; k++) check_body(&t, &f[i].ref[k], f[i].bytes[k]);
        reopen(&t, 300000);
    }
    free(f);
    end(&t);
}

/* A pack of its own for each: far more than descriptors. */
TEST(few_files_are_open_whatever_is_written_and_read)
{
    enum { LARGE = BODY_FILES_MAX + 40 };
    struct place_for_tests t;
    REQUIRE(begin(&t, 0));
    struct body_ref *ref = ar_array(&t.a, struct body_ref, LARGE);
    struct slice s = bytes_of(&t.a, BODY_SMALL + 1, 7);
    for (size_t i = 0; i < LARGE; i++) ref[i] = put(&t, BODY_MAIL, s);
    CHECK(packs_of(t.b)->files <= BODY_FILES_MAX);
    for (int round = 0; round < 2; round++) {
        char c;
        for (size_t i = 0; i < LARGE; i++) {
            CHECK_INT(body_read(t.b, &ref[i], i, &c, 1), 1);
            CHECK(c == s.p[i]);
        }
        CHECK(packs_of(t.b)->files <= BODY_FILES_MAX);
        reopen(&t, 0);
        CHECK_INT(packs_of(t.b)->files, 0);
    }
    end(&t);
}

/* ---- damage ---- */

static void count_bad(void *arg, const struct body_seen *seen)
{
    size_t *n = arg;
    CHECK(body_ref_pack(&seen->ref) != 0);
    n[seen->status ? 1 : 0]++;
}

TEST(damage_is_seen_and_hides_nothing_else)
{
    struct place_for_tests t;
    struct slice got;
    char c;
    size_t seen[2] = {0, 0};
    REQUIRE(begin(&t, 0));
    struct body_ref r[3] = {put(&t, BODY_MAIL, SL("one")), put(&t, BODY_MAIL, SL("two")),
                            put(&t, BODY_MAIL, SL("three"))};
    struct body_ref large = put(&t, BODY_MAIL, bytes_of(&t.a, 10 * PACK_CHUNK, 1));
    struct place pl;
    CHECK_OK(place_get(&r[1], &pl));
    spoil(&t, &r[1], pl.at + RECORD_HEADER + 1);
    CHECK_ERR(body_get(t.b, &r[1], 10, &t.a, &got), ERR_CORRUPT);
    CHECK_ERR((int)body_read(t.b, &r[1], 0, &c, 1), ERR_CORRUPT); /* a range is not shown unchecked either */
    check_body(&t, &r[0], SL("one"));
    check_body(&t, &r[2], SL("three"));
    spoil(&t, &large, PACK_CONTENT + 3 * PACK_CHUNK + 5);
    CHECK_ERR(body_get(t.b, &large, SIZE_MAX, &t.a, &got), ERR_CORRUPT);
    CHECK_INT(body_read(t.b, &large, 2 * PACK_CHUNK + 9, &c, 1), 1);
    CHECK_ERR((int)body_read(t.b, &large, 3 * PACK_CHUNK + 9, &c, 1), ERR_CORRUPT);
    CHECK_OK(body_verify(t.b, 0, count_bad, seen));
    CHECK_INT(seen[0], 2);
    CHECK_INT(seen[1], 2);
    reopen(&t, 0);
    CHECK_ERR(body_get(t.b, &r[1], 10, &t.a, &got), ERR_CORRUPT);
    check_body(&t, &r[2], SL("three"));
    end(&t);
}

TEST(the_header_of_a_pack_lies_there_twice)
{
    struct place_for_tests t;
    struct slice got;
    REQUIRE(begin(&t, 0));
    struct body_ref r = put(&t, BODY_MAIL, SL("one")), other;
    spoil(&t, &r, 20);
    reopen(&t, 0);
    check_body(&t, &r, SL("one"));
    spoil(&t, &r, PACK_COPY + 20);
    reopen(&t, 0);
    CHECK_OK(body_get(t.b, &r, 10, &t.a, &got)); /* the reference says all that reading takes */
    CHECK_SL(got, "one");
    other = put(&t, BODY_MAIL, SL("goes on"));
    check_body(&t, &other, SL("goes on"));
    size_t seen[2] = {0, 0};
    CHECK_ERR(body_verify(t.b, 0, count_bad, seen), ERR_CORRUPT);
    CHECK_INT(seen[0], 1);
    end(&t);
}

TEST(a_damaged_header_at_the_end_costs_no_body)
{
    struct place_for_tests t;
    struct place pl;
    struct file *f = NULL;
    uint64_t size;
    size_t seen[2] = {0, 0};
    REQUIRE(begin(&t, 0));
    struct body_ref r[2] = {put(&t, BODY_MAIL, SL("one")), put(&t, BODY_MAIL, SL("two"))};
    CHECK_OK(place_get(&r[1], &pl));
    char path[BODY_PATH_MAX];
    body_path(packs_of(t.b), pl.cls, pl.pack, false, path);
    body_close(&t.b);
    CHECK_OK(file_open(&f, path, FILE_WRITE)); /* as after kill -9: no seal */
    CHECK_OK(file_size(f, &size));
    CHECK_OK(file_truncate(f, size - RECORD_HEADER));
    CHECK_OK(file_pwrite(f, "X", 1, pl.at + 9));
    file_close(&f);
    CHECK_OK(body_open(&t.b, t.dir, 0));
    CHECK_OK(body_verify(t.b, 0, count_bad, seen)); /* looks at the pack and seals it */
    check_body(&t, &r[0], SL("one"));
    check_body(&t, &r[1], SL("two"));
    reopen(&t, 0);
    check_body(&t, &r[1], SL("two"));
    end(&t);
}

TEST(a_torn_tail_is_sealed_and_the_rest_stays)
{
    struct place_for_tests t;
    struct body_ref r[2];
    struct place pl;
    struct file *f = NULL;
    char path[BODY_PATH_MAX];
    REQUIRE(begin(&t, 0));
    r[0] = put(&t, BODY_MAIL, SL("one"));
    r[1] = put(&t, BODY_MAIL, bytes_of(&t.a, 5000, 1));
    CHECK_OK(place_get(&r[1], &pl));
    body_path(packs_of(t.b), pl.cls, pl.pack, false, path);
    body_close(&t.b);
    CHECK_OK(file_open(&f, path, FILE_WRITE)); /* as after a power cut: no seal, the last record not whole */
    CHECK_OK(file_truncate(f, pl.at + 3000));
    CHECK_OK(file_truncate(f, 64 << 20));
    file_close(&f);
    CHECK_OK(body_open(&t.b, t.dir, 0));
    check_body(&t, &r[0], SL("one"));
    size_t seen[2] = {0, 0};
    CHECK_OK(body_verify(t.b, pl.pack, count_bad, seen));
    CHECK_INT(seen[0], 1);
    uint64_t size;
    CHECK_OK(file_open(&f, path, FILE_READ));
    CHECK_OK(file_size(f, &size));
    CHECK(size < 20000);
    file_close(&f);
    struct body_ref next = put(&t, BODY_MAIL, SL("next"));
    check_body(&t, &next, SL("next"));
    end(&t);
}

/* ---- care ---- */

TEST(packs_are_pinned_dropped_and_moved_out_of)
{
    struct place_for_tests t;
    struct slice got;
    REQUIRE(begin(&t, 1000));
    struct body_ref a = put(&t, BODY_MAIL, bytes_of(&t.a, 900, 1)), b = put(&t, BODY_MAIL, SL("b")), moved;
    struct body_ref c = put(&t, BODY_MAIL, SL("c")); /* the first pack is full, this is in the next */
    struct body_ref large = put(&t, BODY_QUEUE, bytes_of(&t.a, 900000, 3)), large2;
    CHECK(body_ref_pack(&a) != body_ref_pack(&c));
    CHECK(pack_of(&t, &a).open);
    CHECK_ERR(body_drop_pack(t.b, body_ref_pack(&a)), ERR_BUSY);
    body_unpin(t.b, &a);
    if (body_ref_pack(&b) == body_ref_pack(&a)) body_unpin(t.b, &b);
    CHECK(!pack_of(&t, &a).open);
    CHECK_OK(body_move(t.b, &a, BODY_MAIL, &moved));
    check_body(&t, &moved, bytes_of(&t.a, 900, 1));
    CHECK_OK(body_drop_pack(t.b, body_ref_pack(&a)));
    CHECK_ERR(body_get(t.b, &a, 10, &t.a, &got), ERR_NOT_FOUND);
    CHECK_ERR(body_drop_pack(t.b, body_ref_pack(&a)), ERR_NOT_FOUND);
    CHECK_OK(body_move(t.b, &large, BODY_MAIL, &large2));
    check_body(&t, &large2, bytes_of(&t.a, 900000, 3));
    body_unpin(t.b, &large);
    CHECK_OK(body_drop_pack(t.b, body_ref_pack(&large)));
    reopen(&t, 1000);
    check_body(&t, &moved, bytes_of(&t.a, 900, 1));
    check_body(&t, &large2, bytes_of(&t.a, 900000, 3));
    CHECK_ERR(body_get(t.b, &a, 10, &t.a, &got), ERR_NOT_FOUND);
    end(&t);
}

TEST(a_backup_holds_what_was_there)
{
    struct place_for_tests t, copy = {0};
    struct slice got;
    char to[96];
    REQUIRE(begin(&t, 0));
    struct body_ref a = put(&t, BODY_MAIL, SL("one")), large = put(&t, BODY_QUEUE, bytes_of(&t.a, 900000, 3));
    snprintf(to, sizeof to, "%s/copy", t.dir);
    CHECK_OK(body_backup(t.b, to, NULL, NULL));
    struct body_ref later = put(&t, BODY_MAIL, SL("later"));
    CHECK_ERR(body_backup(t.b, to, NULL, NULL), ERR_EXISTS);
    ar_init(&copy.a, 0);
    REQUIRE(body_open(&copy.b, to, 0) == 0);
    check_body(&copy, &a, SL("one"));
    check_body(&copy, &large, bytes_of(&t.a, 900000, 3));
    CHECK_ERR(body_get(copy.b, &later, 10, &copy.a, &got), ERR_NOT_FOUND);
    body_close(&copy.b);
    ar_free(&copy.a);
    check_body(&t, &later, SL("later"));
    end(&t);
}

TEST(files_of_many_packs_are_closed_again)
{
    enum { PACKS = BODY_FILES_MAX + 60 };
    struct place_for_tests t;
    REQUIRE(begin(&t, 100));
    struct body_ref *r = xcalloc(PACKS, sizeof *r);
    for (unsigned i = 0; i < PACKS; i++) r[i] = put(&t, BODY_MAIL, bytes_of(&t.a, 200, i));
    reopen(&t, 100);
    for (unsigned i = 0; i < PACKS; i++) check_body(&t, &r[i], bytes_of(&t.a, 200, i));
    lock_take(&packs_of(t.b)->lock);
    size_t files = packs_of(t.b)->files;
    lock_release(&packs_of(t.b)->lock);
    CHECK(files > BODY_FILES_MAX / 2 && files <= BODY_FILES_MAX + 1);
    check_body(&t, &r[0], bytes_of(&t.a, 200, 0));
    free(r);
    end(&t);
}

struct seen_origin {
    struct body_ref ref;
    struct slice want;
    uint64_t stamp;
    int found, damaged;
};

static void look_at_origin(void *arg, const struct body_seen *seen)
{
    struct seen_origin *x = arg;
    if (strcmp(seen->ref.s, x->ref.s)) return;
    x->found += sl_eq(seen->origin, x->want);
    x->damaged += seen->origin_damaged && !seen->origin.n && !seen->status;
    x->stamp = seen->stamp;
}

static struct seen_origin origin_seen(struct place_for_tests *t, const struct body_ref *ref,
                                      struct slice want)
{
    struct seen_origin x = {.ref = *ref, .want = want};
    CHECK_OK(body_verify(t->b, body_ref_pack(ref), look_at_origin, &x));
    return x;
}

/* Beside small and large bodies, through a move and a reopening; the body is not touched by it. */
TEST(origins_stay_with_their_bodies)
{
    struct place_for_tests t;
    REQUIRE(begin(&t, 0));
    struct slice bytes[] = {SL(""), SL("a letter\r\n"), bytes_of(&t.a, 900000, 3)};
    struct slice origin[] = {SL("whence"), bytes_of(&t.a, 70000, 4), bytes_of(&t.a, BODY_ORIGIN_MAX, 5)};
    for (size_t i = 0; i < COUNT_OF(bytes); i++) {
        struct body_ref ref, moved;
        CHECK_OK(body_put(t.b, BODY_QUEUE, bytes[i], origin[i], &ref));
        struct seen_origin one = origin_seen(&t, &ref, origin[i]);
        CHECK(one.found == 1 && !one.damaged && one.stamp >= body_ref_pack(&ref) - 1000000);
        check_body(&t, &ref, bytes[i]);
        CHECK_OK(body_move(t.b, &ref, BODY_MAIL, &moved));
        body_unpin(t.b, &ref);
        body_unpin(t.b, &moved);
        reopen(&t, 0);
        struct seen_origin two = origin_seen(&t, &moved, origin[i]);
        CHECK(two.found == 1 && two.stamp == one.stamp);
        check_body(&t, &moved, bytes[i]);
        CHECK(pack_of(&t, &moved).origins >= origin[i].n);
        struct place pl;
        struct large l;
        CHECK_OK(place_get(&moved, &pl));
        l = place_large(&pl);
        spoil(&t, &moved, pl.kind == PACK_LARGE ? large_origin(&l) : pl.at + RECORD_HEADER + pl.size);
        CHECK_INT(origin_seen(&t, &moved, origin[i]).damaged, 1);
        check_body(&t, &moved, bytes[i]);
    }
    CHECK_ERR(
        body_put(t.b, BODY_MAIL, SL("x"), bytes_of(&t.a, BODY_ORIGIN_MAX + 1, 6), &(struct body_ref){0}),
        ERR_LIMIT);
    end(&t);
}

TEST(nothing_is_settled_above_a_body_that_still_waits)
{
    struct place_for_tests t;
    struct body_ref first, second;
    if (!begin(&t, 0)) return;
    CHECK_OK(body_put(t.b, BODY_MAIL, SL("one"), SL(""), &first));
    uint64_t between = body_stamp(t.b);
    CHECK_OK(body_put(t.b, BODY_MAIL, SL("two"), SL(""), &second));
    uint64_t waits = body_settled(t.b);
    CHECK(waits <= between && waits <= body_settled(t.b));
    body_unpin(t.b, &first);
    CHECK(body_settled(t.b) >= between); /* the second one waits */
    uint64_t before = body_stamp(t.b);
    CHECK(body_settled(t.b) <= before);
    body_unpin(t.b, &second);
    CHECK(body_settled(t.b) >= before);
    end(&t);
}

/* From the buffer, from the file, and across the two. */
TEST(what_is_written_can_be_read_back_before_the_end)
{
    struct place_for_tests t;
    REQUIRE(begin(&t, 0));
    static const size_t sizes[] = {0, 1, 70000, BODY_SMALL, BODY_SMALL + 1, 3 * BODY_SMALL + 777};
    char *p = xmalloc(50000);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct slice all = bytes_of(&t.a, sizes[i], (unsigned)i);
        struct body_writer *w;
        CHECK_OK(body_begin(t.b, BODY_MAIL, &w));
        for (size_t at = 0; at < all.n; at += 30001) CHECK_OK(body_write(w, sl_sub(all, at, at + 30001)));
        int64_t n;
        uint64_t at = 0;
        for (; (n = body_read_back(w, at, p, 50000)) > 0; at += (uint64_t)n)
            CHECK(sl_eq(sl(p, (size_t)n), sl_sub(all, (size_t)at, (size_t)(at + (uint64_t)n))));
        CHECK_INT(n, 0);
        CHECK_INT(at, all.n);
        struct body_ref ref;
        CHECK_OK(body_finish(&w, SL("prefix"), SL(""), &ref));
        check_body(&t, &ref, ar_cat(&t.a, SL("prefix"), all));
        body_unpin(t.b, &ref);
    }
    free(p);
    end(&t);
}

/* As after a restore by a machine whose clock was wrong: stamps go on from there, one by one, and nothing
 * else minds. A time that no clock has is none. */
TEST(packs_of_times_that_have_not_come_let_stamps_go_on)
{
    static const int64_t ahead[] = {4102444800, 253402300799, 1099511627776000};
    for (size_t i = 0; i < COUNT_OF(ahead); i++) {
        struct place_for_tests t;
        char path[300];
        REQUIRE(begin(&t, 0));
        struct body_ref old = put(&t, BODY_MAIL, SL("a letter"));
        body_unpin(t.b, &old);
        body_close(&t.b);
        snprintf(path, sizeof path, "%s/mail-%016llx.pack", t.dir, (unsigned long long)body_ref_pack(&old));
        int set = path_set_time(path, ahead[i]); /* a file system may have less room for it */
        CHECK_OK(body_open(&t.b, t.dir, 0));
        uint64_t last = body_stamp(t.b);
        CHECK(set || i || last / 1000000 >= (uint64_t)ahead[i]);
        for (int k = 0; k < 100; k++) {
            struct body_ref ref = put(&t, BODY_MAIL, SL("another"));
            CHECK(body_settled(t.b) > last);
            body_unpin(t.b, &ref);
            uint64_t stamp = body_stamp(t.b);
            CHECK(stamp > last && stamp < UINT64_MAX / 2);
            last = stamp;
        }
        check_body(&t, &old, SL("a letter"));
        end(&t);
    }
}

/* thread_test.c - threads by the rules of RFC 5256 section 3, each rule by itself. */
#include "thread.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/test.h"
#include "order.h"
#include "rt/test_rt.h"

static struct thread_message v[64];
static struct slice refs[64][8];
static size_t n;

/* refs: separated by spaces, or NULL. */
static void letter(const char *id, const char *ref, const char *subject, bool reply, int64_t sent)
{
    struct thread_message *m = &v[n];
    struct slice rest = sl_cstr(ref), one;
    *m = (struct thread_message){sl_cstr(id), refs[n], 0, sl_cstr(subject), reply, sent};
    while (ref && sl_next(&rest, ' ', &one)) m->ref[m->nref++] = one;
    n++;
}

static void put(struct buf *b, const struct thread_node *t)
{
    for (; t; t = t->next) {
        buf_char(b, '(');
        if (t->message == THREAD_NOBODY) buf_char(b, '-');
        else buf_printf(b, "%lld", (long long)t->message);
        put(b, t->child);
        buf_char(b, ')');
    }
}

static void expect_at(int line, enum thread_order order, const char *want)
{
    struct arena a;
    struct thread_node *root;
    struct buf b = BUF_INIT;
    ar_init(&a, 0);
    CHECK_OK(thread_build(&a, order, v, n, &root));
    put(&b, root);
    if (!sl_eq(buf_slice(&b), sl_cstr(want)))
        test_fail(__FILE__, line, "%.*s instead of %s", SLF(buf_slice(&b)), want);
    buf_free(&b);
    ar_free(&a);
    n = 0;
}
#define EXPECT(order, want) expect_at(__LINE__, order, want)

TEST(thread_nothing)
{
    EXPECT(THREAD_REFERENCES, "");
    EXPECT(THREAD_ORDEREDSUBJECT, "");
}

TEST(thread_ordered_subject)
{
    letter("a", NULL, "B", false, 30);
    letter("b", NULL, "A", false, 20);
    letter("c", NULL, "B", true, 10);
    letter("d", NULL, "A", true, 40);
    letter("e", NULL, "B", true, 50);
    EXPECT(THREAD_ORDEREDSUBJECT, "(2(0)(4))(1(3))");
}

TEST(thread_ancestry)
{
    letter("a", NULL, "", false, 1);
    letter("c", "a b", "", true, 3);
    letter("b", "a", "", true, 2);
    letter("d", "a", "", true, 4);
    EXPECT(THREAD_REFERENCES, "(0(2(1))(3))");
}

/* The last reference is the parent, though an earlier one was thought to be. */
TEST(thread_last_reference_decides)
{
    letter("a", NULL, "", false, 1);
    letter("b", "a", "", true, 2);
    letter("x", "a c", "", true, 3); /* c after a */
    letter("c", "b", "", true, 4);   /* it says b */
    EXPECT(THREAD_REFERENCES, "(0(1(3(2))))");
}

TEST(thread_missing_ancestors)
{
    letter("b", "gone", "", true, 2);
    EXPECT(THREAD_REFERENCES, "(0)"); /* an only child takes the place */
    letter("b", "gone", "", true, 3);
    letter("c", "gone", "", true, 2);
    letter("d", "gone lost", "", true, 1);
    EXPECT(THREAD_REFERENCES, "(-(2)(1)(0))"); /* the only child of `lost` as well */
    letter("a", NULL, "", false, 1);
    letter("b", "a lost", "", true, 2);
    letter("c", "a lost", "", true, 3);
    EXPECT(THREAD_REFERENCES, "(0(1)(2))"); /* below a message they are put up */
}

TEST(thread_loops_and_doubles)
{
    letter("a", "b", "", true, 1);
    letter("b", "a", "", true, 2);
    letter("c", "c", "", true, 3);
    letter("a", NULL, "", false, 4); /* the same identifier again: one of its own */
    letter("", NULL, "", false, 5);
    EXPECT(THREAD_REFERENCES, "(1(0))(2)(3)(4)");
}

TEST(thread_same_subject)
{
    letter("a", NULL, "S", false, 1);
    letter("b", NULL, "S", true, 2); /* a reply to one that is none */
    EXPECT(THREAD_REFERENCES, "(0(1))");
    letter("b", NULL, "S", true, 1);
    letter("a", NULL, "S", false, 2); /* the one that is no reply stands for the subject */
    EXPECT(THREAD_REFERENCES, "(1(0))");
    letter("a", NULL, "S", false, 1);
    letter("b", NULL, "S", false, 2);
    letter("c", NULL, "S", false, 3);
    EXPECT(THREAD_REFERENCES, "(-(0)(1)(2))");
    letter("a", NULL, "", false, 1);
    letter("b", NULL, "", false, 2); /* no subject brings nobody together */
    EXPECT(THREAD_REFERENCES, "(0)(1)");
    letter("b", "gone", "S", true, 1);
    letter("c", "gone", "S", true, 2);
    letter("d", "lost", "S", true, 3);
    letter("e", "lost", "S", true, 4);
    letter("f", NULL, "S", false, 5);
    EXPECT(THREAD_REFERENCES, "(-(0)(1)(2)(3)(4))");
}

TEST(thread_refs_by_the_latest)
{
    letter("a", NULL, "S", false, 1);
    letter("b", NULL, "S", false, 2);
    letter("c", "a", "S", true, 3);
    EXPECT(THREAD_REFS, "(1)(0(2))");
    letter("a", NULL, "S", false, 1);
    letter("b", NULL, "S", false, 2);
    letter("c", "a", "S", true, 3);
    EXPECT(THREAD_REFERENCES, "(-(0(2))(1))");
}

/* A thread as deep as there are messages, in the order and against it; nothing recurses, nothing is squared.
 */
TEST(thread_deep)
{
    enum { DEEP = 100000 };
    struct thread_message *m = calloc(DEEP, sizeof *m);
    struct slice *ref = calloc(DEEP, sizeof *ref);
    char(*id)[12] = calloc(DEEP, sizeof *id);
    for (int i = 0; i < DEEP; i++) snprintf(id[i], sizeof id[i], "%d", i);
    for (int backwards = 0; backwards < 2; backwards++) {
        struct arena a;
        struct thread_node *root;
        size_t depth = 0;
        ar_init(&a, 0);
        for (int i = 0; i < DEEP; i++) {
            int me = backwards ? DEEP - 1 - i : i;
            ref[i] = me ? sl_cstr(id[me - 1]) : SL("");
            m[i] = (struct thread_message){.id = sl_cstr(id[me]), .ref = &ref[i], .nref = me > 0, .sent = me};
        }
        CHECK_OK(thread_build(&a, THREAD_REFERENCES, m, DEEP, &root));
        for (const struct thread_node *t = root; t; t = t->child) depth++;
        CHECK_INT(depth, DEEP);
        ar_free(&a);
    }
    free(id);
    free(ref);
    free(m);
}

struct turns {
    bool over;
    int n;
};

static void take_turns(void *arg)
{
    for (struct turns *t = arg; !t->over; t->n++) fiber_yield();
}

/* One message can ask for a long way many times: others have their turn meanwhile. */
TEST(thread_of_a_message_with_many_long_ways_breathes)
{
    enum { DEEP = 20000, ASKED = 2000, ALL = ASKED + 2 };
    struct thread_message *m = calloc(ALL, sizeof *m);
    struct slice *id = calloc(DEEP, sizeof *id), *ref = calloc(2 * ASKED, sizeof *ref);
    struct turns turns = {0};
    struct group others;
    struct thread_node *root;
    struct arena a;
    ar_init(&a, 0);
    for (int i = 0; i < DEEP; i++) id[i] = ar_printf(&a, "%d", i);
    m[0] = (struct thread_message){.id = SL("deep"), .ref = id, .nref = DEEP};
    for (int i = 0; i < ASKED; i++) { /* each has an answer: may it stand below all of the others? */
        ref[2 * i] = id[DEEP - 1];
        ref[2 * i + 1] = ar_printf(&a, "top %d", i);
        m[1 + i] =
            (struct thread_message){.id = ar_printf(&a, "answer %d", i), .ref = &ref[2 * i + 1], .nref = 1};
    }
    m[ALL - 1] = (struct thread_message){.id = SL("asks"), .ref = ref, .nref = 2 * ASKED};
    group_init(&others);
    CHECK_OK(group_go(&others, "turns", take_turns, &turns));
    CHECK_OK(thread_build(&a, THREAD_REFS, m, ALL, &root));
    turns.over = true;
    CHECK_OK(group_wait(&others));
    CHECK(turns.n > 40); /* others have the turn after 256 breaths at the latest */
    ar_free(&a);
    free(m);
    free(id);
    free(ref);
}

static int by_tens(const void *ctx, const void *a, const void *b)
{
    (void)ctx;
    return *(const int *)a / 10 - *(const int *)b / 10;
}

TEST(order_is_stable)
{
    static int number[10000];
    static void *p[COUNT_OF(number)];
    uint32_t x = 1;
    for (size_t i = 0; i < COUNT_OF(number); i++) {
        x = x * 1664525 + 1013904223;
        number[i] = (int)(x >> 20) / 10 * 10 + (int)(i % 10);
        p[i] = &number[i];
    }
    order_sort(p, COUNT_OF(p), by_tens, NULL);
    for (size_t i = 1; i < COUNT_OF(p); i++) {
        int order = by_tens(NULL, p[i - 1], p[i]);
        CHECK(order < 0 || (order == 0 && p[i - 1] < p[i]));
    }
}

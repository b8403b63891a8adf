/* send_pages_test.c - pages are kept while their letters are made, and no more of them than is said. */
#include "base/test.h"
#include "send_pages.h"
#include "send_test.h"

enum { LETTERS = 1600, EACH = 10000 /* 16 MB: twice what is kept */ };

struct kept_test {
    struct send_fixture x;
    struct arena a;
    struct send_taken t;
};

static bool begin(struct kept_test *t, int letters, int bytes)
{
    struct send_writer *w;
    *t = (struct kept_test){0};
    if (!send_fixture_begin(&t->x)) return false;
    struct send s = test_send(&t->x);
    CHECK_OK(send_begin(t->x.s, &s, &t->x.f.a, &w, &t->t));
    for (int i = 0; i < letters; i++) {
        ar_reset(&t->a);
        struct send_letter l = test_letter(&t->a, ar_printf(&t->a, "r%d@two.test", i));
        l.data = ar_printf(&t->a, "{\"long\":\"%0*d\"}", bytes, 1);
        CHECK_OK(send_add(w, &l));
    }
    CHECK_OK(send_commit(&w, &t->x.f.a, &t->t));
    return true;
}

static void end(struct kept_test *t)
{
    ar_free(&t->a);
    send_fixture_end(&t->x);
}

static int read_letter(struct kept_test *t, uint64_t page, uint64_t number)
{
    struct send_letter l;
    ar_reset(&t->a);
    int e = send_letter_read(t->x.s, &t->t.id, page, number, &t->a, &l);
    if (!e) CHECK(sl_eq(l.to.v[0].address, ar_printf(&t->a, "r%llu@two.test", (unsigned long long)number)));
    return e;
}

/* How many letters the page holds that begins with this one. */
static uint64_t count(struct kept_test *t, uint64_t first)
{
    struct slice page;
    uint64_t n = 0;
    ar_reset(&t->a);
    CHECK_OK(send_page_read(t->x.s, &t->t.id, first, &t->a, &page));
    for (struct rec r = {.rest = page}; rec_next(&r);) n++;
    return n;
}

static void erase(struct kept_test *t, uint64_t page)
{
    char object[24];
    send_object(&t->t.id, object);
    CHECK_OK(kv_erase(t->x.f.s->kv, sl_cstr(object), send_key_page(&t->a, page, 0),
                      send_key_page(&t->a, page, 999)));
}

TEST(send_pages_are_kept_and_the_longest_unused_go)
{
    struct kept_test t;
    if (!begin(&t, LETTERS, EACH)) return;
    uint64_t in_first = count(&t, 0);
    CHECK(in_first > 2);
    CHECK_OK(read_letter(&t, 0, 0));
    CHECK_INT(read_letter(&t, 0, in_first), ERR_NOT_FOUND);
    erase(&t, 0);
    for (uint64_t n = 0; n < in_first; n++) CHECK_OK(read_letter(&t, 0, n));
    for (uint64_t page = in_first, n; page < LETTERS; page += n) {
        n = count(&t, page);
        REQUIRE(n);
        for (uint64_t i = page; i < page + n; i++) CHECK_OK(read_letter(&t, page, i));
    }
    CHECK_INT(read_letter(&t, 0, 0), ERR_NOT_FOUND); /* it made room */
    end(&t);
}

TEST(a_page_of_one_large_letter_is_not_kept)
{
    struct kept_test t;
    if (!begin(&t, 1, 300000)) return;
    CHECK_OK(read_letter(&t, 0, 0));
    erase(&t, 0);
    CHECK_INT(read_letter(&t, 0, 0), ERR_NOT_FOUND);
    end(&t);
}

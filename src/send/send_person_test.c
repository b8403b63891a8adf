/* send_person_test.c - a person in the pages of sends: found, and erased without touching anybody else. */
#include "send_person.h"

#include "base/test.h"
#include "base/text.h"
#include "send_test.h"

static bool is_bob(void *arg, struct slice text)
{
    (void)arg;
    return sl_findi(text, SL("bob@two.test")) != SL_NONE;
}
static const struct send_person bob = {is_bob, NULL};
static const struct letter_id id = {"0123456789abcdef"};

struct sowing {
    size_t cut; /* the page's first row has so many bytes */
    bool over;
};

static void put_letter(struct buf *page, struct slice to, const char *data)
{
    struct buf one = BUF_INIT;
    struct send_addr who[] = {{SL("Somebody"), to, 0}, {SL("Eve"), SL("eve@two.test"), 0}};
    const struct send_letter l = {.to = {who, 1},
                                  .cc = {who + 1, 1},
                                  .subject = SL("Yours"),
                                  .data = sl_cstr(data),
                                  .custom = SL("customer 7")};
    send_letter_put(&one, &l);
    rec_put(page, 'L', buf_slice(&one));
    buf_free(&one);
}

static int sow(struct kv_tx *tx, void *arg)
{
    const struct sowing *x = arg;
    struct arena a = {0};
    struct buf page = BUF_INIT, count = BUF_INIT;
    put_letter(&page, SL("Bob@two.test"), "{\"shoes\":43}");
    put_letter(&page, SL("ann@two.test"), "{\"shoes\":37}");
    put_letter(&page, SL("x@two.test"), "{\"friend\":\"bob@two.test\"}");
    kv_tx_put(tx, send_key_page(&a, 5, 0), sl_sub(buf_slice(&page), 0, x->cut));
    kv_tx_put(tx, send_key_page(&a, 5, 1), sl_from(buf_slice(&page), x->cut));
    send_count_put(&count, &(struct send_count){.over = x->over ? 1000 : 0});
    kv_tx_put_record(tx, SL("c"), &count);
    buf_free(&page);
    buf_free(&count);
    ar_free(&a);
    return 0;
}

static int see(void *arg, const struct send_about *x)
{
    *(uint64_t *)arg = *(uint64_t *)arg * 10 + x->number;
    return 0;
}

/* Numbers of the letters that name bob, as digits. */
static uint64_t named(struct send_fixture *x)
{
    uint64_t seen = 0, damaged = 0;
    CHECK_OK(send_person_each(x->s, &id, &bob, see, &seen, &damaged));
    CHECK_INT(damaged, 0);
    return seen;
}

static struct send_letter stored(struct send_fixture *x, uint64_t number)
{
    struct send_letter l = {0};
    CHECK_OK(send_letter_read(x->s, &id, 5, number, &x->f.a, &l));
    return l;
}

static void check_erased(struct send_fixture *x)
{
    struct send_letter l = stored(x, 5), other = stored(x, 6), third = stored(x, 7);
    REQUIRE(l.to.n == 1 && l.cc.n == 1 && other.to.n == 1 && third.to.n == 1);
    CHECK_SL(l.to.v[0].address, "************");
    CHECK_SL(l.to.v[0].name, "********");
    CHECK_SL(l.cc.v[0].address, "eve@two.test");
    CHECK_SL(l.cc.v[0].name, "Eve");
    CHECK_SL(sl_trim(l.data), "{}");
    CHECK_SL(l.custom, "**********");
    CHECK_SL(other.to.v[0].address, "ann@two.test");
    CHECK_SL(other.data, "{\"shoes\":37}");
    CHECK_SL(third.to.v[0].address, "x@two.test");
    CHECK_SL(sl_trim(third.data), "{}");
}

TEST(send_person_is_erased_from_a_page_wherever_its_rows_are_cut)
{
    for (size_t cut = 1; cut < 60; cut++) {
        struct send_fixture x;
        uint64_t erased = 0, left = 0;
        REQUIRE(send_fixture_begin(&x));
        struct sowing s = {cut, true};
        CHECK_OK(kv_transact(x.f.s->kv, SL("s:0123456789abcdef"), sow, &s));
        CHECK_INT(named(&x), 57);
        (void)stored(&x, 5); /* from now on there is a copy in memory */
        CHECK_OK(send_person_erase(x.s, &id, &bob, &erased, &left));
        CHECK_INT(erased, 2);
        CHECK_INT(left, 0);
        CHECK_INT(named(&x), 0);
        check_erased(&x);
        send_fixture_end(&x);
    }
}

TEST(send_person_stays_while_the_send_is_under_way)
{
    struct send_fixture x;
    uint64_t erased = 0, left = 0;
    REQUIRE(send_fixture_begin(&x));
    struct sowing s = {30, false};
    CHECK_OK(kv_transact(x.f.s->kv, SL("s:0123456789abcdef"), sow, &s));
    CHECK_OK(send_person_erase(x.s, &id, &bob, &erased, &left));
    CHECK_INT(erased, 0);
    CHECK_INT(left, 2);
    CHECK_INT(named(&x), 57);
    send_fixture_end(&x);
}

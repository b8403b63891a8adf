/* send_group_test.c - unsubscribe groups. */
#include "send_group.h"
#include "send_test.h"

static int rename_it(void *name, struct send_group *g)
{
    g->name = sl_cstr(name);
    return 0;
}

static int describe(void *words, struct send_group *g)
{
    if (!words) return err_set(ERR_USAGE, "no words");
    g->description = sl_cstr(words);
    return 0;
}

/* Each changes what he names, and leaves what another changed. */
TEST(send_groups_are_changed_as_they_are_at_that_moment)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct slice account = sl_cstr(x.account.id);
    struct send_group g = {.name = SL("News"), .is_default = true}, got;
    CHECK_OK(send_group_put(x.s, account, &g));
    CHECK_OK(send_group_change(x.s, account, 1, rename_it, (void *)(uintptr_t) "Deals", &x.f.a, &got));
    CHECK_OK(send_group_change(x.s, account, 1, describe, (void *)(uintptr_t) "Weekly", &x.f.a, &got));
    CHECK_SL(got.name, "Deals");
    CHECK_ERR(send_group_change(x.s, account, 1, describe, NULL, &x.f.a, &got), ERR_USAGE);
    CHECK_ERR(send_group_change(x.s, account, 1, rename_it, (void *)(uintptr_t) "", &x.f.a, &got),
              ERR_SYNTAX);
    CHECK_OK(send_group_get(x.s, account, 1, &x.f.a, &got));
    CHECK_SL(got.name, "Deals");
    CHECK_SL(got.description, "Weekly");
    CHECK(got.is_default);
    CHECK_OK(send_group_remove(x.s, account, 1));
    CHECK_ERR(send_group_change(x.s, account, 1, rename_it, (void *)(uintptr_t) "x", &x.f.a, &got),
              ERR_NOT_FOUND);
    send_fixture_end(&x);
}

TEST(send_groups)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct slice account = sl_cstr(x.account.id);
    struct send_group g = {.name = SL("News"), .description = SL("Once a month")},
                      other = {.name = SL("Offers"), .is_default = true}, got, *all;
    size_t n;
    CHECK_OK(send_group_put(x.s, account, &g));
    CHECK_OK(send_group_put(x.s, account, &other));
    CHECK_INT(g.id, 1);
    CHECK_INT(other.id, 2);
    other.name = SL("Deals");
    CHECK_OK(send_group_put(x.s, account, &other));
    CHECK_OK(send_group_get(x.s, account, 2, &x.f.a, &got));
    CHECK_SL(got.name, "Deals");
    CHECK(got.is_default);
    CHECK_OK(send_group_remove(x.s, account, 2));
    CHECK_ERR(send_group_get(x.s, account, 2, &x.f.a, &got), ERR_NOT_FOUND);
    CHECK_ERR(send_group_remove(x.s, account, 2), ERR_NOT_FOUND);
    other.id = 0;
    CHECK_OK(send_group_put(x.s, account, &other));
    CHECK_INT(other.id, 3); /* no id is given twice */
    CHECK_OK(send_group_list(x.s, account, &x.f.a, &all, &n));
    REQUIRE(n == 2);
    CHECK_SL(all[0].description, "Once a month");
    CHECK_INT(all[1].id, 3);
    g.name = SL("a\nb");
    CHECK_ERR(send_group_put(x.s, account, &g), ERR_SYNTAX);
    g = (struct send_group){.id = 77, .name = SL("x")};
    CHECK_ERR(send_group_put(x.s, account, &g), ERR_NOT_FOUND);
    send_fixture_end(&x);
}

struct spoilt {
    const char *key;
    struct slice row;
};

static int spoil_tx(struct kv_tx *tx, void *arg)
{
    const struct spoilt *p = arg;
    kv_tx_put(tx, sl_cstr(p->key), p->row);
    return 0;
}

static void spoil(struct send_fixture *x, struct slice object, const char *key, struct slice row)
{
    CHECK_OK(kv_transact(x->s->store->kv, object, spoil_tx, &(struct spoilt){key, row}));
}

TEST(send_groups_a_damaged_one_hides_no_other_and_can_be_removed)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    struct slice account = sl_cstr(x.account.id), object = ar_printf(&x.f.a, "y:%s", x.account.id);
    static const struct slice rows[] = {SL("\1n"), SL("\x09n\1x"), SL("\1n\1\xff"), SL("\1n\1xD\1\xff")};
    struct send_group g = {.name = SL("News")}, other = {.name = SL("Offers")}, *all;
    size_t n;
    CHECK_OK(send_group_put(x.s, account, &g));
    CHECK_OK(send_group_put(x.s, account, &other));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        spoil(&x, object, "g/00000001", rows[i]);
        CHECK_OK(send_group_list(x.s, account, &x.f.a, &all, &n));
        REQUIRE(n == 2 && all[0].id == 1 && all[0].damaged && !all[1].damaged);
        CHECK_SL(all[1].name, "Offers");
    }
    CHECK_OK(send_group_remove(x.s, account, 1));
    CHECK_OK(send_group_list(x.s, account, &x.f.a, &all, &n));
    CHECK_INT(n, 1);
    send_fixture_end(&x);
}

struct told {
    struct buf text;
    size_t n;
};

static void note(void *arg, const char *what)
{
    struct told *t = arg;
    buf_printf(&t->text, "%s\n", what);
    t->n++;
}

/* Whole records, in each of which a field is not what it is to be. */
TEST(sends_verify_names_what_its_readers_cannot_read)
{
    struct send_fixture x;
    if (!send_fixture_begin(&x)) return;
    static const struct {
        const char *object, *key;
        struct slice row;
    } rows[] = {
        {"_sends", "b/0123456789abcdef", SL("\1n\1x")},
        {"_sends", "w/a/1", SL("\1u\1xe\1\xff")},
        {"_sends", "W/a/1", SL("\1a\1\xff")},
        {"x:a", "a/0123456789abcdef0123456789abcdef", SL("\1e\1\1")},
        {"y:a", "t/1", SL("\1u\1\xff")},
        {"y:a", "v/1/1", SL("\1n\1\xff")},
        {"y:a", "b/1", SL("\1t\1\xff")},
        {"y:a", "g/00000001", SL("\1n\1xD\1\xff")},
        {"s:0123456789abcdef", "h", SL("\1t\1\1")},
        {"s:0123456789abcdef", "c", SL("\1p\1\xff")},
        {"s:0123456789abcdef", "s", SL("\1s\1\x09")},
    };
    struct told said = {.text = BUF_INIT};
    CHECK_OK(sends_verify(x.s, note, &said));
    CHECK_INT(said.n, 0);
    for (size_t i = 0; i < COUNT_OF(rows); i++) spoil(&x, sl_cstr(rows[i].object), rows[i].key, rows[i].row);
    CHECK_OK(sends_verify(x.s, note, &said));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct slice want =
            ar_printf(&x.f.a, "object %s: the row %s is damaged\n", rows[i].object, rows[i].key);
        if (sl_find(buf_slice(&said.text), want) == SL_NONE)
            test_fail(__FILE__, __LINE__, "not said: %.*s", SLF(want));
    }
    CHECK_INT(said.n, COUNT_OF(rows));
    buf_free(&said.text);
    send_fixture_end(&x);
}

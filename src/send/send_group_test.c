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

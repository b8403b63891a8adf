/* tally_test.c - counts pass slot by slot, whatever the clock does. */
#include "tally.h"

#include "base/test.h"

enum { SLOT = 10 };

TEST(a_count_passes_after_so_many_slots)
{
    struct tally t = {0};
    for (int i = 0; i < TALLY_SLOTS; i++) {
        tally_turn(&t, 1000000 + i * SLOT, SLOT);
        tally_add(&t, 2);
    }
    CHECK_INT(tally_sum(&t), 2 * TALLY_SLOTS);
    CHECK_INT(tally_free_at(&t, SLOT, 2 * TALLY_SLOTS, 1), 1000000 + TALLY_SLOTS * SLOT);
    CHECK_INT(tally_free_at(&t, SLOT, 2 * TALLY_SLOTS, 3), 1000000 + (TALLY_SLOTS + 1) * SLOT);
    CHECK_INT(tally_free_at(&t, SLOT, 2 * TALLY_SLOTS, 2 * TALLY_SLOTS + 1), -1);
    CHECK_INT(tally_free_at(&t, SLOT, 2 * TALLY_SLOTS + 1, 1), 0);
    tally_turn(&t, 1000000 + TALLY_SLOTS * SLOT - 1, SLOT);
    CHECK_INT(tally_sum(&t), 2 * TALLY_SLOTS);
    tally_turn(&t, 1000000 + TALLY_SLOTS * SLOT, SLOT);
    CHECK_INT(tally_sum(&t), 2 * TALLY_SLOTS - 2);
    CHECK_INT(tally_free_at(&t, SLOT, 2 * TALLY_SLOTS, 2), 0);
    tally_turn(&t, 2000000, SLOT);
    CHECK_INT(tally_sum(&t), 0);
}

TEST(what_comes_back_comes_from_the_newest_slots)
{
    struct tally t = {0};
    tally_turn(&t, 500, SLOT);
    tally_add(&t, 5);
    tally_turn(&t, 510, SLOT);
    tally_add(&t, 3);
    tally_back(&t, 4);
    CHECK_INT(tally_sum(&t), 4);
    CHECK_INT(t.n[51 % TALLY_SLOTS], 0);
    tally_back(&t, 100);
    CHECK_INT(tally_sum(&t), 0);
}

/* Nobody gets a second allowance from a clock that was put back, nor waits longer than the count lasts. */
TEST(a_clock_that_is_put_back_makes_no_counts_go_and_none_stay)
{
    struct tally t = {0};
    tally_turn(&t, 900000, SLOT);
    tally_add(&t, 7);
    tally_turn(&t, 900010, SLOT);
    tally_add(&t, 1);
    tally_turn(&t, 500000, SLOT);
    CHECK_INT(tally_sum(&t), 8);
    tally_turn(&t, 500000 + (TALLY_SLOTS - 1) * SLOT, SLOT);
    CHECK_INT(tally_sum(&t), 1);
    tally_turn(&t, 500000 + TALLY_SLOTS * SLOT, SLOT);
    CHECK_INT(tally_sum(&t), 0);
}

TEST(a_count_does_not_turn_over)
{
    struct tally t = {0};
    tally_turn(&t, 100, SLOT);
    tally_add(&t, UINT32_MAX);
    tally_add(&t, 5);
    CHECK_INT(tally_sum(&t), UINT32_MAX);
    CHECK_INT(tally_free_at(&t, SLOT, UINT32_MAX - 1, 1), (10 + TALLY_SLOTS) * SLOT);
}

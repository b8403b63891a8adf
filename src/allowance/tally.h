/* tally.h - how many within the last hour, or day: counted in slots that pass one after the other. Pure.
 *
 * A count of the last 24 slots, the present one with it: so a limit holds for any hour, not for those of the
 * clock, to within a slot. Times are unix seconds, slot_s the seconds of one slot. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { TALLY_SLOTS = 24 };
struct tally {
    int64_t at;              /* number of the newest slot: unix seconds divided by slot_s */
    uint32_t n[TALLY_SLOTS]; /* the slot with number k lies in n[k % TALLY_SLOTS] */
};
/* What lies in slots that have not come (the clock was wrong) counts as of now. */
void tally_turn(struct tally *t, int64_t now, int64_t slot_s);
/* These ask and change a tally that was turned to now. A count that would go past its range stays there. */
uint64_t tally_sum(const struct tally *t);
void tally_add(struct tally *t, uint32_t n);
void tally_back(struct tally *t, uint32_t n); /* n that were added are taken back, from the newest slots */
/* From when on `want` more are within `limit`: 0 now; -1 never, for want is above it. */
int64_t tally_free_at(const struct tally *t, int64_t slot_s, uint32_t limit, uint32_t want);

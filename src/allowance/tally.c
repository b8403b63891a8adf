/* tally.c - counts that pass, slot by slot. */
#include "tally.h"
#include "base/log.h"

#include <string.h>

static uint32_t *slot(struct tally *t, int64_t number) { return &t->n[number % TALLY_SLOTS]; }

/* Every slot keeps its distance from the newest one. */
static void move_newest(struct tally *t, int64_t to)
{
    struct tally was = *t;
    for (int64_t i = 0; i < TALLY_SLOTS; i++)
        *slot(t, to + TALLY_SLOTS - i) = was.n[(was.at + TALLY_SLOTS - i) % TALLY_SLOTS];
    t->at = to;
}

void tally_turn(struct tally *t, int64_t now, int64_t slot_s)
{
    ASSERT(slot_s > 0);
    int64_t to = now / slot_s;
    if (t->at > to) move_newest(t, to);
    if (to - t->at >= TALLY_SLOTS) memset(t->n, 0, sizeof t->n);
    else
        while (t->at < to) *slot(t, ++t->at) = 0;
    t->at = to;
}

uint64_t tally_sum(const struct tally *t)
{
    uint64_t sum = 0;
    for (int i = 0; i < TALLY_SLOTS; i++) sum += t->n[i];
    return sum;
}

void tally_add(struct tally *t, uint32_t n)
{
    uint32_t *to = slot(t, t->at);
    *to = n > UINT32_MAX - *to ? UINT32_MAX : *to + n;
}

void tally_back(struct tally *t, uint32_t n)
{
    for (int64_t i = 0; n && i < TALLY_SLOTS; i++) {
        uint32_t *from = slot(t, t->at + TALLY_SLOTS - i), k = n < *from ? n : *from;
        *from -= k;
        n -= k;
    }
}

int64_t tally_free_at(const struct tally *t, int64_t slot_s, uint32_t limit, uint32_t want)
{
    uint64_t sum = tally_sum(t);
    if (want > limit) return -1;
    if (sum + want <= limit) return 0;
    int64_t number = t->at - TALLY_SLOTS;
    while (sum + want > limit) sum -= t->n[(++number + TALLY_SLOTS) % TALLY_SLOTS];
    return (number + TALLY_SLOTS) * slot_s; /* then that slot has passed */
}

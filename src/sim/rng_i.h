/* rng_i.h - the simulator's numbers: a generator whose whole run follows from one
 * seed (xoshiro256**, Blackman and Vigna; seeded through splitmix64). Scheduling, network,
 * disk and the programs' own randomness draw from generators of their own, so that a
 * change in one leaves the others' choices where they were. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_rng {
    uint64_t s[4];
};
void rng_init(struct sim_rng *r, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct sim_rng *r);
uint64_t rng_below(struct sim_rng *r, uint64_t n);                   /* 0 ... n - 1; 0 when n is 0 */
int64_t rng_between(struct sim_rng *r, int64_t least, int64_t most); /* both ends included */
void rng_fill(struct sim_rng *r, void *p, size_t n);
/* True in ppm of 1,000,000 cases. Draws nothing when ppm is 0. */
bool rng_chance(struct sim_rng *r, uint32_t ppm);

/* Gives every random number of OpenSSL from *r; NULL: OpenSSL's own again. */
void sim_openssl_random(struct sim_rng *r);

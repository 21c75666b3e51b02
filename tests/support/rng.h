/*
 * Seeded randomness for tests (xoshiro256**, D. Blackman and S. Vigna, 2018).  The seed is printed,
 * so that a failure can be repeated: AVJ_TEST_SEED=N makes every test_rng_seed() give N. Threading:
 * one thread a generator.
 */
#ifndef TEST_RNG_H
#define TEST_RNG_H

#include <stddef.h>
#include <stdint.h>

struct test_rng {
    uint64_t state[4];
};

/* AVJ_TEST_SEED where that is set, else one that differs every time.  Prints it on stdout with
 * `what`. */
uint64_t test_rng_seed(const char *what);
void test_rng_init(struct test_rng *rng, uint64_t seed);
uint64_t test_rng_next(struct test_rng *rng);
/* Even over 0 .. limit-1; limit must not be 0. */
uint64_t test_rng_below(struct test_rng *rng, uint64_t limit);
/* Even over [0, 1), and standard normal. */
double test_rng_unit(struct test_rng *rng);
double test_rng_normal(struct test_rng *rng);
void test_rng_fill(struct test_rng *rng, void *data, size_t len);

#endif

/* Seeded randomness for tests: see rng.h. */
#include "tests/support/rng.h"

#include "journal/io.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t rotated(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

uint64_t test_rng_seed(const char *what)
{
    const char *set = getenv("AVJ_TEST_SEED");
    uint64_t seed = 0;

    if (set)
        seed = strtoull(set, NULL, 0);
    else if (avj_io_posix()->random(avj_io_posix()->ctx, &seed, sizeof seed) < 0)
        abort();
    printf("%s: AVJ_TEST_SEED=%llu\n", what, (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

/* SplitMix64 spreads the seed over the state, as the generator's authors advise. */
void test_rng_init(struct test_rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        rng->state[i] = z ^ z >> 31;
    }
}

uint64_t test_rng_next(struct test_rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotated(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotated(s[3], 45);
    return result;
}

uint64_t test_rng_below(struct test_rng *rng, uint64_t limit)
{
    uint64_t bound = UINT64_MAX - UINT64_MAX % limit, x;

    do
        x = test_rng_next(rng);
    while (x >= bound);
    return x % limit;
}

double test_rng_unit(struct test_rng *rng)
{
    return (double)(test_rng_next(rng) >> 11) * 0x1p-53;
}

/* Box and Muller's transform. */
double test_rng_normal(struct test_rng *rng)
{
    double radius = sqrt(-2.0 * log(1.0 - test_rng_unit(rng)));

    return radius * cos(6.283185307179586 * test_rng_unit(rng));
}

void test_rng_fill(struct test_rng *rng, void *data, size_t len)
{
    uint8_t *out = data;

    while (len > 0) {
        uint64_t x = test_rng_next(rng);
        size_t n = len < sizeof x ? len : sizeof x;
        memcpy(out, &x, n);
        out += n;
        len -= n;
    }
}

/* Random numbers for tests, the same everywhere for the same seed. */
#ifndef ER_TESTS_UNIT_RANDOM_H
#define ER_TESTS_UNIT_RANDOM_H

#include <inttypes.h>
#include <time.h>
#include "tests/unit/test.h"

/* A new one for each run, or what ER_TEST_SEED says; printed, so that a failure can be had again. */
static inline uint64_t random_seed(void)
{
    const char *text = getenv("ER_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);

    print_message("ER_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* 0 to n - 1. */
static inline uint32_t random_below(uint64_t *seed, uint32_t n)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)((*seed >> 33) % n);
}

#endif

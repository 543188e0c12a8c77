/* Hashing for the engine: XXH3 with the rule set's random seed, so that nobody outside can aim at a collision. */
#ifndef ER_RULES_ENGINE_HASH_H
#define ER_RULES_ENGINE_HASH_H

#include <stdint.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "rules/base/str.h"

/* "No such id": no element of any table has it. */
#define ER_NONE UINT32_MAX

static inline uint64_t er_hash(struct er_str s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.p, s.n, seed);
}

/* Folds an id into a hash, so that equal keys of different owners fall apart. */
static inline uint64_t er_hash_with(uint64_t hash, uint64_t id)
{
    return (hash ^ (id * UINT64_C(0x9E3779B97F4A7C15))) * UINT64_C(0xD6E8FEB86659FD93);
}

/* The 32 bits that er_table keeps: the well mixed half. */
static inline uint32_t er_hash_tag(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

#endif

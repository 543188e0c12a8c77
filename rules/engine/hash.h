/* Hashing for the engine, with the rule set's random seed, so that nobody outside can aim at a collision. */
#ifndef ER_RULES_ENGINE_HASH_H
#define ER_RULES_ENGINE_HASH_H

#include <stdint.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "rules/base/str.h"

/* "No such id": no element of any table has it. */
#define ER_NONE UINT32_MAX

static inline uint64_t er_hash_load(const char *p, size_t n)
{
    uint64_t word = 0;

    memcpy(&word, p, n);
    return word;
}

/* Up to 16 bytes, as nearly all keys are, by the folded 128-bit product of wyhash; longer ones by XXH3. */
static inline uint64_t er_hash(struct er_str s, uint64_t seed)
{
    uint64_t first, last;
    __extension__ unsigned __int128 product;

    if (s.n > 16) {
        return XXH3_64bits_withSeed(s.p, s.n, seed);
    }
    if (s.n >= 8) {
        first = er_hash_load(s.p, 8);
        last = er_hash_load(s.p + s.n - 8, 8);
    } else if (s.n >= 4) {
        first = er_hash_load(s.p, 4);
        last = er_hash_load(s.p + s.n - 4, 4);
    } else {
        first = s.n > 0 ? (uint64_t)(unsigned char)s.p[0] << 8 | (unsigned char)s.p[s.n / 2] : 0;
        last = s.n > 0 ? (unsigned char)s.p[s.n - 1] : 0;
    }
    /* The length tells apart texts whose first and last bytes overlap in different ways. */
    product = first ^ seed ^ (uint64_t)s.n << 56;
    product *= last ^ (seed << 32 | seed >> 32);
    /* Short texts that are alike leave a pattern that another multiplication breaks. */
    first = (uint64_t)product ^ (uint64_t)(product >> 64);
    return (first ^ first >> 32) * UINT64_C(0x9FB21C651E98DF25);
}

/* Folds an id into a hash, so that equal keys of different owners fall apart. */
static inline uint64_t er_hash_with(uint64_t hash, uint64_t id)
{
    return hash + id * UINT64_C(0x9E3779B97F4A7C15);
}

/* The 32 bits that tables keep. */
static inline uint32_t er_hash_tag(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

#endif

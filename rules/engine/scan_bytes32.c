/* Blocks of 32 bytes, for processors with AVX2. */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>

#define WALK_NAME er_scan_walk_bytes32
#define WALK_BYTES 32
#define WALK_TARGET __attribute__((target("avx2,bmi,bmi2")))

WALK_TARGET static inline __m256i load(const char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

WALK_TARGET static inline uint32_t walk_special(const char *p)
{
    __m256i v = load(p);
    __m256i special = _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')), _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\')));

    /* Signed: what is not ASCII is below the blank, as the controls are. */
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(special, _mm256_cmpgt_epi8(_mm256_set1_epi8(' '), v)));
}

WALK_TARGET static inline uint32_t walk_digits(const char *p)
{
    __m256i v = _mm256_sub_epi8(load(p), _mm256_set1_epi8('0'));

    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(9)), v));
}

WALK_TARGET static inline uint32_t walk_equal(const char *p, const char *q)
{
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(load(p), load(q)));
}

#include "rules/engine/scan_walk.h"

#else

#include "rules/engine/scan_impl.h"

er_scan_walk *const er_scan_walk_bytes32 = NULL;

#endif

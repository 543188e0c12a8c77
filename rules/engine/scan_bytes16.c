/* Blocks of 16 bytes, for processors with SSE2. */
#if defined(__SSE2__)

#include <emmintrin.h>
#include "rules/base/json_lex.h"

#define WALK_NAME er_scan_walk_bytes16
#define WALK_BYTES 16
#define WALK_TARGET

static inline __m128i load(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline uint32_t walk_special(const char *p)
{
    return er_lex_special(p);
}

static inline uint32_t walk_digits(const char *p)
{
    __m128i v = _mm_sub_epi8(load(p), _mm_set1_epi8('0'));

    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(9)), v));
}

static inline uint32_t walk_equal(const char *p, const char *q)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(load(p), load(q)));
}

#include "rules/engine/scan_walk.h"

#else

#include "rules/engine/scan_impl.h"

er_scan_walk *const er_scan_walk_bytes16 = NULL;

#endif

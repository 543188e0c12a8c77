/* Blocks of 8 bytes in a plain register, for every processor. */
#include <stdint.h>
#include <string.h>

#define WALK_NAME er_scan_walk_bytes8
#define WALK_BYTES 8
#define WALK_TARGET

#define EACH UINT64_C(0x0101010101010101) /* times a byte: that byte everywhere */
#define LOW7 (EACH * 0x7F)
#define HIGH (EACH * 0x80)

/* The first byte is the lowest one. */
static inline uint64_t load(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* The high bit of each byte that is zero, exactly. */
static inline uint64_t zeros(uint64_t v)
{
    return ~(((v & LOW7) + LOW7) | v | LOW7);
}

/* High bits to a bit per byte. */
static inline uint32_t gather(uint64_t high)
{
    return (uint32_t)((high >> 7) * UINT64_C(0x0102040810204080) >> 56);
}

static inline uint32_t walk_special(const char *p)
{
    uint64_t v = load(p);

    return gather(zeros(v ^ EACH * '"') | zeros(v ^ EACH * '\\') | zeros(v & EACH * 0xE0) | (v & HIGH));
}

static inline uint32_t walk_digits(const char *p)
{
    uint64_t v = load(p) ^ EACH * '0';

    return gather(~(((v & LOW7) + EACH * (0x7F - 9)) | v) & HIGH);
}

static inline uint32_t walk_equal(const char *p, const char *q)
{
    return gather(zeros(load(p) ^ load(q)));
}

#include "rules/engine/scan_walk.h"

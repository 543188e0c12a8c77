/* UTF-8 (RFC 3629): strict, no overlong forms, no surrogates, at most U+10FFFF. */
#ifndef ER_RULES_BASE_UTF8_H
#define ER_RULES_BASE_UTF8_H

#include <stdint.h>
#include "rules/base/str.h"

/* Length (1 to 4) of the valid sequence at p, 0 when the bytes at p are none. p < end. */
static inline size_t er_utf8_sequence(const char *p, const char *end)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t left = (size_t)(end - p);

    if (s[0] < 0x80) {
        return 1;
    }
    if (s[0] < 0xE0) {
        return s[0] >= 0xC2 && left >= 2 && (s[1] & 0xC0) == 0x80 ? 2 : 0;
    }
    if (left < 3 || (s[1] & 0xC0) != 0x80 || (s[2] & 0xC0) != 0x80) {
        return 0;
    }
    if (s[0] < 0xF0) {
        /* E0 starts no overlong form, ED no surrogate. */
        return (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ? 0 : 3;
    }
    if (s[0] > 0xF4 || left < 4 || (s[3] & 0xC0) != 0x80) {
        return 0;
    }
    return (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F) ? 0 : 4;
}

/* Offset of the first byte that is not part of a valid sequence; s.n when all is valid. */
size_t er_utf8_check(struct er_str s);

/* Writes c (a scalar value) into out; returns 1 to 4. */
size_t er_utf8_encode(uint32_t c, char out[4]);

/* Longest prefix of s of at most max bytes that ends on a character boundary. s is valid UTF-8. */
struct er_str er_utf8_cut(struct er_str s, size_t max);

#endif

/* UTF-8 (RFC 3629): strict, no overlong forms, no surrogates, at most U+10FFFF. */
#ifndef ER_RULES_BASE_UTF8_H
#define ER_RULES_BASE_UTF8_H

#include <stdint.h>
#include "rules/base/str.h"

/* Offset of the first byte that is not part of a valid sequence; s.n when all is valid. */
size_t er_utf8_check(struct er_str s);

/* Writes c (a scalar value) into out; returns 1 to 4. */
size_t er_utf8_encode(uint32_t c, char out[4]);

/* Longest prefix of s of at most max bytes that ends on a character boundary. s is valid UTF-8. */
struct er_str er_utf8_cut(struct er_str s, size_t max);

#endif

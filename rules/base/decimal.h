/* Exact decimal numbers: any number that JSON can say, compared by value, never rounded. 300 = 300.0 = 3.0e2; -0 = 0.
 *
 * A number borrows its literal and must not outlive it; nothing is allocated; any thread. Literals and exponents may be of any length
 * below 2^56 bytes.
 *
 * DESIGN  value = sign * 0.DIGITS * 10^scale, the first digit is not 0. The first 19 digits are kept as an integer, so two numbers as
 * events usually have them are compared without looking at their text again.
 *
 *     -0.00123450 :  sign -1, scale -2, head 1234500000000000000, no rest
 */
#ifndef ER_RULES_BASE_DECIMAL_H
#define ER_RULES_BASE_DECIMAL_H

#include <stdint.h>
#include "rules/base/str.h"

/* The members are decimal.c's own, except sign. */
struct er_decimal {
    struct er_str rest;     /* digits after the 19th, up to the last that is not 0; a decimal point may be among them */
    struct er_str exponent; /* when scale does not fit: its magnitude is this number plus shift; else n = 0 */
    int64_t scale;          /* INT64_MAX or -INT64_MAX when it does not fit */
    int64_t shift;
    uint64_t head; /* 19 digits */
    int sign;      /* -1, 0, 1 */
};

/* literal: a valid JSON number (the lexer checked it). */
struct er_decimal er_decimal_of(struct er_str literal);

/* < 0, 0, > 0, exactly. */
int er_decimal_compare(const struct er_decimal *a, const struct er_decimal *b);

/* Writes the key, which two numbers share exactly if they are equal, and returns its length. out has room for er_decimal_key_max bytes.
 * The key is binary, 9 bytes for numbers with up to 19 digits and a point near them, and means nothing outside of this process. */
size_t er_decimal_key(const struct er_decimal *number, char *out);

static inline size_t er_decimal_key_max(size_t literal_bytes)
{
    return literal_bytes + 20;
}

#define ER_DECIMAL_RANK_SCALE 511

/* Approximates the order: a < b implies rank(a) <= rank(b). Numbers with up to 15 digits between 1e-500 and 1e500 have the same rank only
 * when they are equal. INT64_MIN, -INT64_MAX and INT64_MAX are the rank of no number. */
static inline int64_t er_decimal_rank(const struct er_decimal *number)
{
    int64_t scale = number->scale;
    uint64_t rank = number->head >> 11; /* 53 bits; 10 more for the scale */

    if (scale > ER_DECIMAL_RANK_SCALE - 1) {
        rank = INT64_MAX - 1;
    } else if (scale < -ER_DECIMAL_RANK_SCALE) {
        rank = 0;
    } else {
        rank |= (uint64_t)(scale + ER_DECIMAL_RANK_SCALE) << 53;
    }
    return number->sign * (int64_t)rank;
}

#endif

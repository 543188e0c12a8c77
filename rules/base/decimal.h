/* Exact decimal numbers: any number that JSON can say, compared by value, never rounded. 300 = 300.0 = 3.0e2; -0 = 0.
 *
 * A number keeps borrowing its literal; nothing is allocated. The key is a text that two literals share exactly if they have the same
 * value, so that equal numbers can be found by hash.
 */
#ifndef ER_RULES_BASE_DECIMAL_H
#define ER_RULES_BASE_DECIMAL_H

#include <stdint.h>
#include "rules/base/str.h"

/* value = sign * 0.DIGITS * 10^exponent, DIGITS without zeros at either end; sign 0: zero. Borrows the literal. */
struct er_decimal {
    struct er_str digits;   /* slice of the literal from its first to its last digit that is not 0; a decimal point may be inside */
    struct er_str exponent; /* only when it does not fit int64: the literal's exponent digits, else n = 0 */
    int64_t scale;          /* the exponent; saturated when `exponent` is used */
    int sign;               /* -1, 0, 1 */
};

/* literal: a valid JSON number (the lexer checked it). */
struct er_decimal er_decimal_of(struct er_str literal);

/* < 0, 0, > 0, exactly. */
int er_decimal_compare(const struct er_decimal *a, const struct er_decimal *b);

/* Writes the key (at most er_decimal_key_max(literal.n) bytes) and returns its length: sign, exponent, digits. Equal keys: equal values. */
size_t er_decimal_key(const struct er_decimal *number, char *out);
size_t er_decimal_key_max(size_t literal_bytes);

/* The nearest double or one beside it, and monotone: a < b implies approximation(a) <= approximation(b). May be infinite. */
double er_decimal_approximate(const struct er_decimal *number);

#endif

/* A range of exact decimals: a lower bound, an upper one or both, each included or not.
 *
 * Borrows the literals of its bounds and must not outlive them; nothing is allocated; any thread. Where a bound is missing the range goes
 * on for ever; a range without numbers is allowed and contains none.
 */
#ifndef ER_RULES_BASE_RANGE_H
#define ER_RULES_BASE_RANGE_H

#include "rules/base/decimal.h"

struct er_range {
    struct er_decimal low, high;
    int64_t low_rank, high_rank; /* er_decimal_rank of the bounds; INT64_MIN, INT64_MAX: there is none */
    bool low_included, high_included;
};

/* low, high: valid JSON numbers; n = 0: no such bound. */
struct er_range er_range_of(struct er_str low, bool low_included, struct er_str high, bool high_included);

bool er_range_contains(const struct er_range *range, const struct er_decimal *number);

/* The two halves of the question: is the number not below the lower bound, not above the upper one? */
bool er_range_begins_by(const struct er_range *range, const struct er_decimal *number);
bool er_range_lasts_to(const struct er_range *range, const struct er_decimal *number);

/* < 0, 0, > 0: which one begins first, which one ends first. */
int er_range_compare_low(const struct er_range *a, const struct er_range *b);
int er_range_compare_high(const struct er_range *a, const struct er_range *b);

/* How wide the range is next to its numbers: 1.0 is about from 1 to 10 or from 200 to 2000, 0.005 from 100 to 109. Very large with a bound
 * missing or 0 inside. */
double er_range_decades(const struct er_range *range);

#endif

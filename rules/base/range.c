#include "rules/base/range.h"

#define DECADE 9007199254740992.0 /* how much a rank grows when a number grows tenfold */

struct er_range er_range_of(struct er_str low, bool low_included, struct er_str high, bool high_included)
{
    struct er_range range = {
        .low_rank = INT64_MIN, .high_rank = INT64_MAX, .low_included = low_included, .high_included = high_included
    };

    if (low.n > 0) {
        range.low = er_decimal_of(low);
        range.low_rank = er_decimal_rank(&range.low);
    }
    if (high.n > 0) {
        range.high = er_decimal_of(high);
        range.high_rank = er_decimal_rank(&range.high);
    }
    return range;
}

/* A missing bound has the rank of no number, so its decimal is never looked at. */

bool er_range_begins_by(const struct er_range *range, const struct er_decimal *number)
{
    int64_t rank = er_decimal_rank(number);

    return range->low_rank != rank ? range->low_rank < rank
                                   : er_decimal_compare(&range->low, number) < (range->low_included ? 1 : 0);
}

bool er_range_lasts_to(const struct er_range *range, const struct er_decimal *number)
{
    int64_t rank = er_decimal_rank(number);

    return range->high_rank != rank ? range->high_rank > rank
                                    : er_decimal_compare(&range->high, number) > (range->high_included ? -1 : 0);
}

bool er_range_contains(const struct er_range *range, const struct er_decimal *number)
{
    return er_range_begins_by(range, number) && er_range_lasts_to(range, number);
}

/* Between ranges both may be without a bound; these are equal, whatever is included. */

int er_range_compare_low(const struct er_range *a, const struct er_range *b)
{
    int order = 0;

    if (a->low_rank != b->low_rank) {
        return a->low_rank > b->low_rank ? 1 : -1;
    }
    if (a->low_rank != INT64_MIN) {
        order = er_decimal_compare(&a->low, &b->low);
        order = order != 0 ? order : b->low_included - a->low_included;
    }
    return order;
}

int er_range_compare_high(const struct er_range *a, const struct er_range *b)
{
    int order = 0;

    if (a->high_rank != b->high_rank) {
        return a->high_rank > b->high_rank ? 1 : -1;
    }
    if (a->high_rank != INT64_MAX) {
        order = er_decimal_compare(&a->high, &b->high);
        order = order != 0 ? order : a->high_included - b->high_included;
    }
    return order;
}

double er_range_decades(const struct er_range *range)
{
    return ((double)range->high_rank - (double)range->low_rank) / DECADE;
}

/* A set of ranges that says which of them contain a number.
 *
 * DESIGN  a B+ tree over the lower bounds; every entry of an inner node knows where its part begins and how far up it reaches. A question
 * goes where the number lies between the two.
 *
 *     inner    [-inf .. 90]           [20 .. 400]
 *                   |                      |
 *     leaf   (-inf,9] [3,7] (5,90]    [20,30) [40,400] (41,60)
 *
 * Bounds are compared by their 64-bit ranks, exactly only where these are equal. With n ranges of which k contain the number, a question
 * costs O((1 + k) log n), or O(log n + k) where they lie side by side; adding and removing cost O(log n). Nothing is rebuilt as a whole.
 * One writer while nobody reads, or many readers.
 */
#ifndef ER_RULES_ENGINE_RANGES_H
#define ER_RULES_ENGINE_RANGES_H

#include <stddef.h>
#include "rules/base/range.h"

struct er_ranges_node;

/* Initialise with {0}; holds no memory while it is empty. */
struct er_ranges {
    struct er_ranges_node *root; /* NULL: empty */
    size_t bytes;
};

void er_ranges_fini(struct er_ranges *ranges); /* does not look at the ranges any more */

/* Borrows the range, which stays where and as it is until it is removed: its address says which one it is, so it cannot be in twice. Equal
 * ranges can. false without memory: nothing has changed. */
bool er_ranges_add(struct er_ranges *ranges, const struct er_range *range, uint32_t id);
void er_ranges_remove(struct er_ranges *ranges, const struct er_range *range); /* must be there */

/* Calls found for each range that contains the number, with its id, in no certain order. */
void er_ranges_find(const struct er_ranges *ranges, const struct er_decimal *number, void (*found)(void *context, uint32_t id),
                    void *context);

static inline bool er_ranges_is_empty(const struct er_ranges *ranges)
{
    return ranges->root == NULL;
}

/* Memory of the set, without the ranges. */
static inline size_t er_ranges_bytes(const struct er_ranges *ranges)
{
    return ranges->bytes;
}

#endif

/* Under which tests a term is posted: a cover, that is tests of which one holds whenever the term does.
 *
 * DESIGN  no expansion of branches. A leaf covers itself; ALL is covered by its cheapest child, ANY by the covers of all its children
 * together, WITHIN by its child's; under NOT it is the other way round (De Morgan), but not across an array, and a negated test or an
 * absent field covers nothing.
 *
 * Cheapest: the fewest events are expected to reach the term. Exact values, then rare texts, then ranges, then presence; each test counts
 * as often as terms read it, since what many rules ask for, many events have; among equals the one under which fewer terms are posted. A
 * cover with a test that no index knows (a regex without literal, an anything-but) makes the term "unindexed"; a term without any cover
 * goes to the scan list of its side and is unindexed too.
 */
#ifndef ER_RULES_ENGINE_COVER_H
#define ER_RULES_ENGINE_COVER_H

#include "rules/engine/side.h"

/* Writer, once per term, before it is published: sets pivot, unindexed, placed, and the grams of its tests. False without memory. */
bool er_cover_choose(const struct er_side *side, struct er_term *term);

/* Writer: a pivot that is expected to cost at most half of the one that the term has by now, or ER_NONE: there is none, or no memory.
 * Adds the number of tests looked at to *looked. */
uint32_t er_cover_better(const struct er_side *side, const struct er_term *term, size_t *looked);

/* How many terms read a test. A SET's members do not know who reads the SET, but who is posted under them. */
static inline uint32_t er_cover_users(const struct er_side *side, uint32_t id)
{
    uint32_t refs = er_catalog_test(side->catalog, id)->refs, posted = er_side_posted(side, id);

    return refs > posted ? refs : posted;
}

/* The same in steps of 2: for struct er_test.level. */
static inline uint8_t er_cover_level(uint32_t users)
{
    return (uint8_t)(32 - __builtin_clz(users | 1));
}

#endif

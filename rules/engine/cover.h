/* Under which tests a term is posted: a cover, that is tests of which one holds whenever the term does.
 *
 * DESIGN  no expansion of branches. A leaf covers itself; ALL is covered by its cheapest child, ANY by the covers of all its children
 * together, WITHIN by its child's; under NOT it is the other way round (De Morgan), but not across an array, and a negated test or an
 * absent field covers nothing.
 *
 * Cheapest: the fewest events are expected to reach the term. Exact values, then rare texts, then ranges, then presence; each test counts
 * as often as terms are posted under it already. A cover with a test that no index knows (a regex without literal, an anything-but) makes
 * the term "unindexed"; a term without any cover goes to the scan list of its side and is unindexed too.
 */
#ifndef ER_RULES_ENGINE_COVER_H
#define ER_RULES_ENGINE_COVER_H

#include "rules/engine/side.h"

/* Writer, once per term, before it is published: sets pivot, several, unindexed, placed, and the grams of its tests. False without
 * memory. */
bool er_cover_choose(const struct er_side *side, struct er_term *term);

#endif

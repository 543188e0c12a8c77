/* A matcher from inside; shared by match.c and near.c. */
#ifndef ER_RULES_ENGINE_MATCH_IMPL_H
#define ER_RULES_ENGINE_MATCH_IMPL_H

#include "rules/engine/answers.h"
#include "rules/engine/collect.h"
#include "rules/engine/counters.h"
#include "rules/engine/event.h"
#include "rules/engine/match.h"
#include "rules/engine/ruleset_sides.h"
#include "rules/engine/verify.h"

struct er_matcher {
    struct er_reader reader; /* first: the rule set finds the counters from it */
    struct er_counters counters;
    struct er_ruleset *ruleset;
    struct er_side *side; /* while pinned */
    struct er_event event;
    struct er_answers answers;
    struct er_verifier verifier;
    struct er_collector collector;
    struct er_pages considered; /* uint32_t per term, for those that are posted under several tests: stamp of the answers */
    struct er_near *near;
    uint32_t near_capacity;
};

#endif

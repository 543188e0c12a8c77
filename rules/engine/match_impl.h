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

/* How far an event has come. */
enum er_reading_step {
    ER_READING_EXPECTED, /* it was only said that it will come */
    ER_READING_READ,     /* and its values were hashed */
    ER_READING_FOUND,
    ER_READING_HIT,
    ER_READING_FETCHED,
    ER_READING_FETCHED_MORE,
    ER_READING_READY /* or it cannot be read: err says why */
};

/* One event on its way. */
struct er_reading {
    const struct er_record *record;
    enum er_reading_step step;
    struct er_event event;
    struct er_answers answers;
    enum er_code code;
    struct er_err err;
};

#define ER_READINGS 8u /* a power of 2 above ER_MATCHER_AHEAD */

struct er_matcher {
    struct er_reader reader; /* first: the rule set finds the counters from it */
    struct er_counters counters;
    struct er_ruleset *ruleset;
    struct er_side *side; /* while pinned */
    struct er_scanner *scanner;
    struct er_reading readings[ER_READINGS]; /* a ring */
    uint32_t current;                        /* the one that was matched last */
    uint32_t n_expected;                     /* how many follow it */
    struct er_asker asker;
    struct er_verifier verifier;
    struct er_collector collector;
    struct er_pages considered; /* uint32_t per term, for those that are posted under several tests: number of the event */
    uint32_t event;             /* its number */
    struct er_near *near;
    uint32_t near_capacity;
};

/* The event decided last; or one that was expected so many after it. */
static inline struct er_reading *er_matcher_reading(struct er_matcher *matcher, uint32_t ahead)
{
    return &matcher->readings[(matcher->current + ahead) % ER_READINGS];
}

#endif

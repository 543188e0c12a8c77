/* What the tests say about the current event: each is asked at most once, three-valued.
 *
 * DESIGN  an answer is about the event as a whole: does the test hold on any value at its path, in whatever element of an array that
 * stands? Probing asks the tests that the index names for some value; those indexed that were not named are false. Tests that have no
 * terms posted under them are not in the index; they are asked over all values of their path when a candidate needs them.
 * All asking is charged to the event's time budget. Once that is spent, every answer that would need more is undecided.
 */
#ifndef ER_RULES_ENGINE_ANSWERS_H
#define ER_RULES_ENGINE_ANSWERS_H

#include "rules/engine/counters.h"
#include "rules/engine/fields.h"
#include "rules/engine/side.h"

#define ER_REASONS 16

/* Initialise with er_answers_init. */
struct er_answers {
    struct er_asking asking;
    struct er_counters *counters; /* borrowed, may be NULL: where runs of regexes are counted */
    struct er_scalar value;       /* the one looked at */
    struct er_pages items;        /* struct er_answer per test id */
    uint32_t stamp;
    uint32_t *hits; /* tests that probing asked */
    uint32_t n_hits, hits_capacity;
    uint32_t *marks; /* for er_hits */
    uint32_t marks_capacity;
    uint32_t number;                 /* of the last value probed */
    uint32_t runs;                   /* of regexes */
    const char *reasons[ER_REASONS]; /* static texts seen so far */
    bool budget_started;
    bool no_memory;
    /* The current event. */
    const struct er_side *side;
    const struct er_fields *fields;
};

enum er_code er_answers_init(struct er_answers *answers, const struct er_regex_limits *limits, struct er_err *err) ER_MUST_CHECK;
void er_answers_fini(struct er_answers *answers);

/* Probes all fields. False without memory. */
bool er_answers_begin(struct er_answers *answers, const struct er_side *side, const struct er_fields *fields);

/* The answer of any test of the side. After er_answers_begin, no_memory says that an answer may be wrong. */
enum er_truth er_answers_of(struct er_answers *answers, uint32_t test);

/* Why it was undecided: static text. */
const char *er_answers_reason(const struct er_answers *answers, uint32_t test);

/* Of one value, not remembered; *reason is set when it is undecided. */
enum er_truth er_answers_value(struct er_answers *answers, uint32_t test, uint32_t field, const char **reason);

/* Charges work to the event. True when its time is spent; *reason is set then. */
bool er_answers_charge(struct er_answers *answers, size_t bytes, const char **reason);

#endif

/* What the tests say about one event: each is asked at most once, three-valued.
 *
 * DESIGN  an answer is about the event as a whole: does the test hold on any value at its path, in whatever element of an array that
 * stands? Probing finds the tests that the index names for some value (the hits); those indexed that were not named are false. Tests that
 * have no terms posted under them are not in the index; they are asked over all values of their path when a candidate needs them.
 *
 * Large indexes do not fit into caches, and what a value leads to is a chain of places in memory. So an event is probed in steps; each
 * asks for the memory that the next one will look at, and whoever has other events to work on does that meanwhile:
 *
 *     begin        values --hash--> slots of tables
 *     steps        slots --> tests, postings --> terms, subscriptions --> subscribers
 *     finish       what takes longer: searching literals in texts, running regexes
 *
 * All asking is charged to the event's time budget. Once that is spent, every answer that would need more is undecided.
 */
#ifndef ER_RULES_ENGINE_ANSWERS_H
#define ER_RULES_ENGINE_ANSWERS_H

#include "rules/engine/counters.h"
#include "rules/engine/fields.h"
#include "rules/engine/side.h"

#define ER_REASONS 16
#define ER_CANDIDATES 16u

/* What a thread needs to ask tests, whatever the event. Initialise with er_asker_init. */
struct er_asker {
    struct er_asking asking;
    struct er_counters *counters; /* borrowed, may be NULL: where runs of regexes are counted */
    struct er_scalar value;       /* the one looked at */
    uint32_t *marks;              /* for er_hits */
    uint32_t marks_capacity;
    uint32_t number;                 /* of the last value probed */
    uint32_t runs;                   /* of regexes */
    const char *reasons[ER_REASONS]; /* static texts seen so far */
    size_t uncharged;                /* bytes looked at since the budget was last asked */
    bool budget_started;             /* of the current event */
};

enum er_code er_asker_init(struct er_asker *asker, const struct er_regex_limits *limits, struct er_err *err) ER_MUST_CHECK;
void er_asker_fini(struct er_asker *asker);

/* What a test says. */
struct er_answer {
    uint32_t stamp; /* of the event; another one: the slot is free */
    uint32_t test;
    uint32_t field; /* the last value it was asked for */
    uint8_t truth;  /* enum er_truth; for probed tests final only after the probing */
    uint8_t reason; /* index into reasons, when undecided */
};

/* A test to be asked about a value; ER_NONE: those that are found by searching it, or have no key. */
struct er_pending {
    uint32_t test, field;
};

/* Initialise with {0}. */
struct er_answers {
    struct er_asker *asker;  /* borrowed */
    struct er_answer *items; /* open addressing by test: as small as the event; NULL before the first */
    uint32_t items_bits;     /* log2 of their number */
    uint32_t n_items;
    uint32_t stamp;
    uint32_t *hits; /* tests that probing named */
    uint32_t n_hits, hits_capacity;
    struct er_pending *pending; /* to be asked */
    uint32_t n_pending, pending_capacity;
    struct er_lookups lookups;
    uint32_t candidates[ER_CANDIDATES]; /* terms whose memory was asked for */
    uint32_t n_candidates, n_single;    /* the first ones are alone under their test */
    bool several;                       /* a hit has more than one term */
    bool no_memory;
    uint64_t spent_ns; /* CPU time of a large event until here, otherwise 0 */
    const struct er_side *side;
    const struct er_fields *fields;
};

void er_answers_fini(struct er_answers *answers);

/* A new event; hashes its values. asker: of the thread. False without memory. */
bool er_answers_begin(struct er_answers *answers, struct er_asker *asker, const struct er_side *side,
                      const struct er_fields *fields);

/* The steps, in this order. */
void er_answers_find(struct er_answers *answers);
void er_answers_hit(struct er_answers *answers);
void er_answers_fetch(struct er_answers *answers);
void er_answers_fetch_more(struct er_answers *answers);
void er_answers_fetch_last(struct er_answers *answers);

/* The rest of the probing. From here on it is the asker's current event, the only one that may be asked. False without memory. */
bool er_answers_finish(struct er_answers *answers);

/* Where the test's answer is or would be. */
static inline struct er_answer *er_answers_at(const struct er_answers *answers, uint32_t test)
{
    uint32_t at = (uint32_t)(test * answers->fields->spread >> (64 - answers->items_bits));

    while (answers->items[at].stamp == answers->stamp && answers->items[at].test != test) {
        at = (at + 1) & ((1u << answers->items_bits) - 1);
    }
    return &answers->items[at];
}

/* For er_answers_of: a test that probing did not name and nobody has asked yet. */
enum er_truth er_answers_ask(struct er_answers *answers, uint32_t test);

/* The answer of any test of the side. After er_answers_finish, no_memory says that an answer may be wrong. */
static inline enum er_truth er_answers_of(struct er_answers *answers, uint32_t test)
{
    const struct er_answer *answer = er_answers_at(answers, test);

    return answer->stamp == answers->stamp ? (enum er_truth)answer->truth : er_answers_ask(answers, test);
}

/* Why it was undecided: static text. */
const char *er_answers_reason(const struct er_answers *answers, uint32_t test);

/* Of one value, not remembered; *reason is set when it is undecided. */
enum er_truth er_answers_value(struct er_answers *answers, uint32_t test, uint32_t field, const char **reason);

#define ER_CHARGE_WEIGHT 64u  /* what a piece of work counts beside its bytes */
#define ER_CHARGE_BYTES 1024u /* until the budget is asked */

/* For er_answers_charge: asks the budget. */
bool er_answers_is_over(struct er_answers *answers, const char **reason);

/* Charges work to the event, which adds up until it pays to look at the clock. True when its time is spent; *reason is set then. */
static inline bool er_answers_charge(struct er_answers *answers, size_t bytes, const char **reason)
{
    answers->asker->uncharged += bytes + ER_CHARGE_WEIGHT;
    return __builtin_expect(answers->asker->uncharged >= ER_CHARGE_BYTES, 0) && er_answers_is_over(answers, reason);
}

#endif

/* One instance of the rule set's structures: an ordinary, single-threaded index. The rule set has two (see ruleset.h).
 *
 * DESIGN  a term is posted under tests one of which must hold when it does, those that the fewest events are expected to pass (its
 * pivot, see cover.h). An event's values hit tests in the index, tests lead to the terms posted under them, terms to their subscriptions.
 *
 *     value --index--> test --posting--> term --(verify)--> subscriptions
 */
#ifndef ER_RULES_ENGINE_SIDE_H
#define ER_RULES_ENGINE_SIDE_H

#include "rules/engine/catalog.h"
#include "rules/engine/idlist.h"
#include "rules/engine/index.h"
#include "rules/engine/trie.h"

struct er_side_test {
    struct er_idlist terms; /* posted under the test */
    uint32_t users;         /* places in terms that read it */
};

/* Initialise with er_side_init. */
struct er_side {
    uint64_t revision;
    struct er_catalog *catalog;
    struct er_trie trie;
    struct er_index index;
    struct er_side_test *tests; /* per test id */
    uint32_t tests_capacity;
    struct er_idlist *terms; /* per term id: its subscriptions */
    uint32_t terms_capacity;
    uint32_t *positions; /* per subscription id: where it stands in its term's list */
    uint32_t positions_capacity;
    struct er_subscriber **subscribers; /* per slot; one reference each */
    uint32_t subscribers_capacity;
    uint32_t every_event;  /* the term without conditions, or ER_NONE */
    struct er_idlist scan; /* terms that nothing in an event leads to: asked for every event */
    uint32_t several;      /* terms that are posted under more than one test */
};

void er_side_init(struct er_side *side, struct er_catalog *catalog);
void er_side_fini(struct er_side *side);

/* False without memory: nothing has changed. The first side that gets a term also chooses its pivot. */
bool er_side_add(struct er_side *side, uint32_t sub);
void er_side_remove(struct er_side *side, uint32_t sub);

/* Puts a subscriber (or NULL) in a slot whose room was reserved; takes over no reference, makes its own. */
bool er_side_reserve_slot(struct er_side *side, uint32_t slot);
void er_side_set_subscriber(struct er_side *side, uint32_t slot, struct er_subscriber *subscriber);

size_t er_side_bytes(const struct er_side *side);

#endif

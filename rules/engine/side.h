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
#include "rules/engine/index.h"
#include "rules/engine/pages.h"
#include "rules/engine/places.h"
#include "rules/engine/trie.h"

/* An entry of a posting: the term's id, and whether it is posted under other tests too. */
#define ER_POSTED_TERM UINT32_C(0x7FFFFFFF)
#define ER_POSTED_SEVERAL UINT32_C(0x80000000)

/* Initialise with er_side_init. */
struct er_side {
    uint64_t revision;
    struct er_catalog *catalog;
    struct er_trie trie;
    struct er_index index;
    struct er_pages postings;      /* struct er_idlist per test id: terms posted under it, see ER_POSTED_TERM */
    struct er_pages terms;         /* struct er_idlist per term id: its subscriptions */
    struct er_pages subscribers;   /* struct er_subscriber * per slot; one reference each */
    uint32_t tests_top, terms_top; /* ids that may come are below */
    uint32_t every_event;          /* the term without conditions, or ER_NONE */
    struct er_idlist scan;         /* terms that nothing in an event leads to: asked for every event */
    struct er_places places;       /* of postings, subscriptions and scan */
    uint32_t several;              /* entries of terms that are posted under more than one test */
};

void er_side_init(struct er_side *side, struct er_catalog *catalog);
void er_side_fini(struct er_side *side);

static inline struct er_idlist *er_side_posting(const struct er_side *side, uint32_t test)
{
    return er_pages_at(&side->postings, test, struct er_idlist);
}

/* How many terms are posted under any test of the catalog. */
static inline uint32_t er_side_posted(const struct er_side *side, uint32_t test)
{
    return er_pages_has(&side->postings, test) ? er_idlist_n(er_side_posting(side, test)) : 0;
}

static inline struct er_idlist *er_side_subs(const struct er_side *side, uint32_t term)
{
    return er_pages_at(&side->terms, term, struct er_idlist);
}

static inline struct er_subscriber *er_side_subscriber(const struct er_side *side, uint32_t slot)
{
    return *er_pages_at(&side->subscribers, slot, struct er_subscriber *);
}

/* False without memory: nothing has changed. The first side that gets a term also chooses its pivot. */
bool er_side_add(struct er_side *side, uint32_t sub);
void er_side_remove(struct er_side *side, uint32_t sub);

/* Of a term that the side has: posts it under the tests of a pivot too, which is not ER_NONE; takes one posting back. Between the two it is
 * found twice, which only the writer may see. post: false without memory. */
bool er_side_post(struct er_side *side, uint32_t term, uint32_t pivot);
void er_side_unpost(struct er_side *side, uint32_t term, uint32_t pivot);

/* Puts a subscriber (or NULL) in a slot whose room was reserved; takes over no reference, makes its own. */
bool er_side_reserve_slot(struct er_side *side, uint32_t slot);
void er_side_set_subscriber(struct er_side *side, uint32_t slot, struct er_subscriber *subscriber);

size_t er_side_bytes(const struct er_side *side);

#endif

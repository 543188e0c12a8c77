/* What each rule has cost and brought on one matching thread. Counted by that thread alone, read by any, in relaxed order.
 *
 * DESIGN  by id of the term, and of the test for runs of a regex: pages made when something in them is first counted. They hang in a
 * root of fixed size, so that a reader never sees one move. Who frees an id of the catalog forgets what was counted for it: no side that
 * a reader may be on knows the id then.
 */
#ifndef ER_RULES_ENGINE_COUNTERS_H
#define ER_RULES_ENGINE_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ER_COUNT_PAGE_BITS 11u
#define ER_COUNT_PAGES 8192u

/* Of a term: candidates and hits; of a regex test: runs and nanoseconds. */
struct er_count {
    atomic_uint_fast64_t a, b;
};

struct er_count_root {
    _Atomic(struct er_count *) pages[ER_COUNT_PAGES];
};

/* Initialise with er_counters_init. */
struct er_counters {
    struct er_count_root *terms, *tests;
    atomic_size_t *quarantined; /* borrowed: regexes that are run no more, of the whole rule set */
    bool observer;              /* what is counted here is no activity of the rules */
};

bool er_counters_init(struct er_counters *counters); /* false without memory */
void er_counters_fini(struct er_counters *counters);

/* For er_count_at: makes the page that it did not find. */
struct er_count *er_count_new(struct er_count_root *root, uint32_t id);

/* The element to count in, or NULL: without memory, or past the last page, nothing is counted. Owner's thread. */
static inline struct er_count *er_count_at(struct er_count_root *root, uint32_t id)
{
    uint32_t number = id >> ER_COUNT_PAGE_BITS;
    struct er_count *page = number < ER_COUNT_PAGES ? atomic_load_explicit(&root->pages[number], memory_order_relaxed) : NULL;

    return __builtin_expect(page != NULL, 1) ? &page[id & ((1u << ER_COUNT_PAGE_BITS) - 1)] : er_count_new(root, id);
}

static inline void er_count_add(struct er_count *count, uint64_t a, uint64_t b)
{
    if (count != NULL) {
        atomic_store_explicit(&count->a, atomic_load_explicit(&count->a, memory_order_relaxed) + a, memory_order_relaxed);
        atomic_store_explicit(&count->b, atomic_load_explicit(&count->b, memory_order_relaxed) + b, memory_order_relaxed);
    }
}

/* Any thread. */
void er_count_read(const struct er_count_root *root, uint32_t id, uint64_t *a, uint64_t *b); /* adds to both */
void er_count_forget(struct er_count_root *root, uint32_t id);

#endif

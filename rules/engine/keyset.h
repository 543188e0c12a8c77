/* The keys of all objects of one event, to find duplicates: also in parts that no rule reads.
 *
 * DESIGN  one open-addressing table for the event, keyed (object, key). Object numbers are never reused, so entries of earlier events
 * are seen to be stale and nothing is cleared between events. A table that gets half full moves into the next, four times larger one;
 * all stay for the next event, which starts in the small one again.
 */
#ifndef ER_RULES_ENGINE_KEYSET_H
#define ER_RULES_ENGINE_KEYSET_H

#include <stdbool.h>
#include <stdint.h>
#include "rules/base/str.h"
#include "rules/engine/hash.h"

#define ER_KEYSET_FIRST 128u
#define ER_KEYSET_TABLES 13

struct er_key {
    const char *p; /* decoded */
    uint32_t n;
    uint32_t object;
    uint32_t tag;
    uint32_t member; /* the user's; ER_NONE in a new entry */
};

/* Initialise with {0}. */
struct er_keyset {
    struct er_key *tables[ER_KEYSET_TABLES];
    unsigned current;
    uint32_t n;
    uint32_t base; /* lowest object number of this event */
    uint32_t last; /* highest so far */
};

void er_keyset_fini(struct er_keyset *set);
bool er_keyset_begin(struct er_keyset *set); /* a new event; false without memory */

/* Number of a new object. */
static inline uint32_t er_keyset_object(struct er_keyset *set)
{
    return ++set->last;
}

/* Moves to the next larger table; false without memory. */
bool er_keyset_grow(struct er_keyset *set);

/* The entry of a key, new or (*found) not; valid until the next put. NULL without memory. hash: er_hash of the key. */
static inline struct er_key *er_keyset_put(struct er_keyset *set, uint32_t object, struct er_str key, uint64_t hash, bool *found)
{
    uint32_t tag = er_hash_tag(er_hash_with(hash, object));
    uint32_t mask;

    *found = false;
    if (set->n >= (ER_KEYSET_FIRST << (2 * set->current)) / 2 && !er_keyset_grow(set)) {
        return NULL;
    }
    mask = (ER_KEYSET_FIRST << (2 * set->current)) - 1;
    for (uint32_t at = tag & mask;; at = (at + 1) & mask) {
        struct er_key *entry = &set->tables[set->current][at];

        if (entry->object < set->base) {
            *entry = (struct er_key){ key.p, (uint32_t)key.n, object, tag, ER_NONE };
            set->n++;
            return entry;
        }
        if (entry->tag == tag && entry->object == object && entry->n == key.n && memcmp(entry->p, key.p, key.n) == 0) {
            *found = true;
            return entry;
        }
    }
}

#endif

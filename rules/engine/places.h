/* Where ids stand in long lists, so that taking one out of 50,000 costs what taking one out of 5 does.
 *
 * DESIGN  a list of up to ER_LIST_SHORT ids is searched. The places in all longer ones are in one hash table, keyed (owner of the list,
 * id); the entry is the place, and the list itself says whose entry it is.
 *
 *     table: (owner 7, id 300) -> 2        list of owner 7: [ 12 | 41 | 300 | ... ]
 *
 * A list that gets long or short again moves ER_LIST_SHORT entries; apart from that, and from growing, one addition or removal costs O(1).
 */
#ifndef ER_RULES_ENGINE_PLACES_H
#define ER_RULES_ENGINE_PLACES_H

#include "rules/engine/idlist.h"
#include "rules/engine/table.h"

#define ER_LIST_SHORT 128u

/* Initialise with {0}. */
struct er_places {
    struct er_table table;
};

void er_places_fini(struct er_places *places); /* of lists that are gone with it */

/* The lists of one er_places have different owners, and all their ids come and go through these. false without memory: nothing has
 * changed. An id may be in a list more than once; then it does not matter which one is taken out. */
bool er_places_add(struct er_places *places, struct er_idlist *list, uint64_t owner, uint32_t id);
void er_places_remove(struct er_places *places, struct er_idlist *list, uint64_t owner, uint32_t id); /* must be there */

static inline size_t er_places_bytes(const struct er_places *places)
{
    return places->table.bytes;
}

#endif

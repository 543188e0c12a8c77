/* Hash table from a 32-bit tag to ids; the keys live with whoever owns the ids, and he compares them.
 *
 * DESIGN  open addressing, linear probing, at most half full; a slot is tag and id + 1 in 64 bits, 0 is empty. A removal shifts the
 * run behind it back, so there are no tombstones and no maintenance.
 *
 *     for (size_t at = 0; (id = er_table_next(&table, tag, &at)) != ER_NONE;) { if (key of id is mine) ... }
 */
#ifndef ER_RULES_ENGINE_TABLE_H
#define ER_RULES_ENGINE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rules/engine/hash.h"

/* Initialise with {0}. */
struct er_table {
    uint64_t *slots;
    size_t capacity; /* a power of two, or 0 */
    size_t n;
};

void er_table_fini(struct er_table *table);

/* Room for n more entries; false without memory. */
bool er_table_reserve(struct er_table *table, size_t n);

/* The room must have been reserved. */
void er_table_add(struct er_table *table, uint32_t tag, uint32_t id);
void er_table_remove(struct er_table *table, uint32_t tag, uint32_t id); /* must be there */
void er_table_replace(struct er_table *table, uint32_t tag, uint32_t id, uint32_t other);

/* The next id with that tag, ER_NONE at the end. *step starts at 0. */
static inline uint32_t er_table_next(const struct er_table *table, uint32_t tag, size_t *step)
{
    if (table->capacity == 0) {
        return ER_NONE;
    }
    for (;;) {
        uint64_t slot = table->slots[(tag + (*step)++) & (table->capacity - 1)];

        if (slot == 0) {
            return ER_NONE;
        }
        if ((uint32_t)(slot >> 32) == tag) {
            return (uint32_t)slot - 1;
        }
    }
}

#endif

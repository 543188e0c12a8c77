/* Hash table from a 32-bit tag to ids; the keys live with whoever owns the ids, and he compares them.
 *
 * DESIGN  open addressing at most 7/10 full; a slot is tag and id in 64 bits, in the order of tags, all ones is empty. Behind the slots
 * where tags belong are some more for those that are pushed over the end; the very last one is empty. So a search ends at the first slot
 * that is not below what it looks for, whether that is there or not. A removal shifts what follows back: no tombstones, no maintenance. A
 * large table is cut into parts by the low bits of the tag; each part grows alone and by a quarter, so no addition ever moves more than a
 * small piece of it.
 *
 *     for (size_t step = 0; (id = er_table_next(&table, tag, &step)) != ER_NONE;) { if (key of id is mine) ... }
 */
#ifndef ER_RULES_ENGINE_TABLE_H
#define ER_RULES_ENGINE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "rules/engine/hash.h"

struct er_table_part {
    uint64_t *slots;   /* NULL: none yet */
    uint32_t capacity; /* without those behind them */
    uint32_t n;
};

/* Initialise with {0}. */
struct er_table {
    struct er_table_part *parts; /* one, or er_table_parts; NULL while it was never used */
    uint32_t mask;               /* number of parts - 1 */
    size_t n;
    size_t bytes; /* held */
};

void er_table_fini(struct er_table *table);

/* Room for n more entries with that tag, or in its part; false without memory. Other additions may use it up. */
bool er_table_reserve(struct er_table *table, uint32_t tag, uint32_t n);

/* The room must have been reserved. */
void er_table_add(struct er_table *table, uint32_t tag, uint32_t id);
void er_table_remove(struct er_table *table, uint32_t tag, uint32_t id); /* must be there */
void er_table_replace(struct er_table *table, uint32_t tag, uint32_t id, uint32_t other);

/* All ids, in no certain order: *at starts at 0. ER_NONE at the end. The table must not change meanwhile. */
uint32_t er_table_each(const struct er_table *table, uint64_t *at);

/* Where a tag's run begins in its part. The low bits have chosen the part. */
static inline uint32_t er_table_home(uint32_t tag, uint32_t capacity)
{
    return (uint32_t)((uint64_t)(tag >> 10) * capacity >> 22);
}

/* Asks for the memory that er_table_next will look at first. (Where gcc does not inline such a function, it takes it for one without effect and
 * drops the call.) */
static inline __attribute__((always_inline)) void er_table_prefetch(const struct er_table *table, uint32_t tag)
{
    if (table->n > 0) {
        const struct er_table_part *part = &table->parts[tag & table->mask];

        __builtin_prefetch(part->slots + er_table_home(tag, part->capacity));
    }
}

/* The next id with that tag, ER_NONE at the end. *step starts at 0. */
static inline uint32_t er_table_next(const struct er_table *table, uint32_t tag, size_t *step)
{
    const struct er_table_part *part;
    const uint64_t *slot;

    if (table->n == 0) {
        return ER_NONE;
    }
    part = &table->parts[tag & table->mask];
    if (part->n == 0) {
        return ER_NONE;
    }
    for (slot = part->slots + er_table_home(tag, part->capacity) + *step; *slot < (uint64_t)tag << 32; slot++) {
        ++*step;
    }
    ++*step;
    return (uint32_t)(*slot >> 32) == tag ? (uint32_t)*slot : ER_NONE; /* that of an empty slot, too */
}

#endif

#include "rules/engine/table.h"

#include <stdlib.h>

#define FIRST_CAPACITY 16

void er_table_fini(struct er_table *table)
{
    free(table->slots);
    *table = (struct er_table){ 0 };
}

static uint32_t slot_tag(uint64_t slot)
{
    return (uint32_t)(slot >> 32);
}

static void insert(struct er_table *table, uint64_t slot)
{
    size_t mask = table->capacity - 1;
    size_t at = slot_tag(slot) & mask;

    while (table->slots[at] != 0) {
        at = (at + 1) & mask;
    }
    table->slots[at] = slot;
}

bool er_table_reserve(struct er_table *table, size_t n)
{
    struct er_table grown = { .capacity = table->capacity == 0 ? FIRST_CAPACITY : table->capacity, .n = table->n };

    if (n > SIZE_MAX / 32 - table->n) {
        return false;
    }
    while (grown.capacity < (table->n + n) * 2) {
        grown.capacity *= 2;
    }
    if (grown.capacity == table->capacity) {
        return true;
    }
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (table->slots[i] != 0) {
            insert(&grown, table->slots[i]);
        }
    }
    free(table->slots);
    *table = grown;
    return true;
}

static uint64_t make_slot(uint32_t tag, uint32_t id)
{
    return (uint64_t)tag << 32 | ((uint64_t)id + 1);
}

void er_table_add(struct er_table *table, uint32_t tag, uint32_t id)
{
    insert(table, make_slot(tag, id));
    table->n++;
}

static size_t find(const struct er_table *table, uint32_t tag, uint32_t id)
{
    size_t at = tag & (table->capacity - 1);

    while (table->slots[at] != make_slot(tag, id)) {
        at = (at + 1) & (table->capacity - 1);
    }
    return at;
}

void er_table_remove(struct er_table *table, uint32_t tag, uint32_t id)
{
    size_t mask = table->capacity - 1;
    size_t hole = find(table, tag, id);

    for (size_t at = (hole + 1) & mask; table->slots[at] != 0; at = (at + 1) & mask) {
        size_t home = slot_tag(table->slots[at]) & mask;

        /* It may fill the hole only if its home is not behind the hole. */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole] = 0;
    table->n--;
}

void er_table_replace(struct er_table *table, uint32_t tag, uint32_t id, uint32_t other)
{
    table->slots[find(table, tag, id)] = make_slot(tag, other);
}

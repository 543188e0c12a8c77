#include "rules/engine/table.h"

#include <stdlib.h>

#define PARTS 1024u
#define CUT_AT 4096u /* entries of a table in one part */
#define FIRST_CAPACITY 8u

void er_table_fini(struct er_table *table)
{
    for (uint32_t i = 0; table->parts != NULL && i <= table->mask; i++) {
        free(table->parts[i].slots);
    }
    free(table->parts);
    *table = (struct er_table){ 0 };
}

static uint32_t slot_tag(uint64_t slot)
{
    return (uint32_t)(slot >> 32);
}

static uint64_t make_slot(uint32_t tag, uint32_t id)
{
    return (uint64_t)tag << 32 | ((uint64_t)id + 1);
}

static void insert(struct er_table_part *part, uint64_t slot)
{
    uint32_t at = er_table_home(slot_tag(slot), part->capacity);

    while (part->slots[at] != 0) {
        at = at + 1 < part->capacity ? at + 1 : 0;
    }
    part->slots[at] = slot;
    part->n++;
}

/* Capacity for so many entries. */
static uint32_t capacity_for(uint64_t n)
{
    uint64_t capacity = n * 10 / 7 + 1;

    return capacity < FIRST_CAPACITY ? FIRST_CAPACITY : (uint32_t)capacity;
}

static bool part_grow(struct er_table *table, struct er_table_part *part, uint64_t n)
{
    struct er_table_part grown = { .capacity = capacity_for(n) };

    if (n > UINT32_MAX / 4) {
        return false;
    }
    if (grown.capacity < part->capacity + part->capacity / 4) {
        grown.capacity = part->capacity + part->capacity / 4;
    }
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < part->capacity; i++) {
        if (part->slots[i] != 0) {
            insert(&grown, part->slots[i]);
        }
    }
    table->bytes += (grown.capacity - part->capacity) * sizeof *grown.slots;
    free(part->slots);
    *part = grown;
    return true;
}

/* From one part to many. */
static bool cut(struct er_table *table)
{
    struct er_table many = { .parts = calloc(PARTS, sizeof *many.parts), .mask = PARTS - 1 };
    const struct er_table_part *whole = table->parts;

    if (many.parts == NULL) {
        return false;
    }
    many.bytes = PARTS * sizeof *many.parts;
    for (uint32_t i = 0; i < whole->capacity; i++) {
        uint32_t tag = slot_tag(whole->slots[i]);

        if (whole->slots[i] == 0) {
            continue;
        }
        if (!er_table_reserve(&many, tag, 1)) {
            er_table_fini(&many);
            return false;
        }
        insert(&many.parts[tag & many.mask], whole->slots[i]);
    }
    many.n = table->n;
    er_table_fini(table);
    *table = many;
    return true;
}

bool er_table_reserve(struct er_table *table, uint32_t tag, uint32_t n)
{
    struct er_table_part *part;
    uint64_t wanted;

    if (table->parts == NULL) {
        table->parts = calloc(1, sizeof *table->parts);
        if (table->parts == NULL) {
            return false;
        }
        table->bytes = sizeof *table->parts;
    }
    if (table->mask == 0 && table->n >= CUT_AT && !cut(table)) {
        return false;
    }
    part = &table->parts[tag & table->mask];
    wanted = (uint64_t)part->n + n;
    return wanted * 10 <= (uint64_t)part->capacity * 7 || part_grow(table, part, wanted);
}

void er_table_add(struct er_table *table, uint32_t tag, uint32_t id)
{
    insert(&table->parts[tag & table->mask], make_slot(tag, id));
    table->n++;
}

static uint32_t find(const struct er_table_part *part, uint32_t tag, uint32_t id)
{
    uint32_t at = er_table_home(tag, part->capacity);

    while (part->slots[at] != make_slot(tag, id)) {
        at = at + 1 < part->capacity ? at + 1 : 0;
    }
    return at;
}

/* How far `at` is behind `from`. */
static uint32_t distance(const struct er_table_part *part, uint32_t from, uint32_t at)
{
    return at >= from ? at - from : at + part->capacity - from;
}

/* Gives memory back when most of it is not needed any more; goes on with what it has if there is none for that. */
static void part_shrink(struct er_table *table, struct er_table_part *part)
{
    struct er_table_part smaller = { .capacity = capacity_for((uint64_t)part->n * 2) };

    if (part->capacity <= 4 * FIRST_CAPACITY || part->n >= part->capacity / 8) {
        return;
    }
    smaller.slots = calloc(smaller.capacity, sizeof *smaller.slots);
    if (smaller.slots == NULL) {
        return;
    }
    for (uint32_t i = 0; i < part->capacity; i++) {
        if (part->slots[i] != 0) {
            insert(&smaller, part->slots[i]);
        }
    }
    table->bytes -= (part->capacity - smaller.capacity) * sizeof *part->slots;
    free(part->slots);
    *part = smaller;
}

void er_table_remove(struct er_table *table, uint32_t tag, uint32_t id)
{
    struct er_table_part *part = &table->parts[tag & table->mask];
    uint32_t hole = find(part, tag, id);

    for (uint32_t at = hole + 1 < part->capacity ? hole + 1 : 0; part->slots[at] != 0; at = at + 1 < part->capacity ? at + 1 : 0) {
        uint32_t home = er_table_home(slot_tag(part->slots[at]), part->capacity);

        /* It may fill the hole only if its home is not behind the hole. */
        if (distance(part, home, at) >= distance(part, hole, at)) {
            part->slots[hole] = part->slots[at];
            hole = at;
        }
    }
    part->slots[hole] = 0;
    part->n--;
    table->n--;
    part_shrink(table, part);
}

void er_table_replace(struct er_table *table, uint32_t tag, uint32_t id, uint32_t other)
{
    struct er_table_part *part = &table->parts[tag & table->mask];

    part->slots[find(part, tag, id)] = make_slot(tag, other);
}

uint32_t er_table_each(const struct er_table *table, uint64_t *at)
{
    uint32_t number = (uint32_t)(*at >> 32);
    uint32_t slot = (uint32_t)*at;

    for (; table->parts != NULL && number <= table->mask; number++, slot = 0) {
        const struct er_table_part *part = &table->parts[number];

        for (; slot < part->capacity; slot++) {
            if (part->slots[slot] != 0) {
                *at = (uint64_t)number << 32 | (slot + 1);
                return (uint32_t)part->slots[slot] - 1;
            }
        }
    }
    return ER_NONE;
}

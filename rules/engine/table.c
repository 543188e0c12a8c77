#include "rules/engine/table.h"

#include <stdlib.h>

#define PARTS 1024u
#define CUT_AT 4096u /* entries of a table in one part */
#define FIRST_CAPACITY 8u
#define FIRST_BEHIND 2u /* slots behind the others */
#define EMPTY UINT64_MAX

/* All slots of a part; the number stands in front of them. */
static uint32_t size_of(const struct er_table_part *part)
{
    return part->slots != NULL ? (uint32_t)part->slots[-1] : 0;
}

static size_t bytes_of(const struct er_table_part *part)
{
    return part->slots != NULL ? ((size_t)size_of(part) + 1) * sizeof *part->slots : 0;
}

static void part_free(struct er_table_part *part)
{
    if (part->slots != NULL) {
        free(part->slots - 1);
    }
}

static bool part_make(struct er_table_part *part, uint32_t capacity, uint32_t behind)
{
    size_t size = (size_t)capacity + behind;
    uint64_t *slots = malloc((size + 1) * sizeof *slots);

    if (slots == NULL) {
        return false;
    }
    memset(slots, 0xFF, (size + 1) * sizeof *slots);
    slots[0] = size;
    *part = (struct er_table_part){ .slots = slots + 1, .capacity = capacity };
    return true;
}

void er_table_fini(struct er_table *table)
{
    for (uint32_t i = 0; table->parts != NULL && i <= table->mask; i++) {
        part_free(&table->parts[i]);
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
    return (uint64_t)tag << 32 | id;
}

/* Are so many of the last slots empty? So many additions cannot reach the very last one. */
static bool has_room_behind(const struct er_table_part *part, uint32_t n)
{
    return size_of(part) - part->capacity > n && part->slots[size_of(part) - 1 - n] == EMPTY;
}

/* Behind those of its tag. */
static void insert(struct er_table_part *part, uint64_t slot)
{
    uint64_t *at = part->slots + er_table_home(slot_tag(slot), part->capacity);
    uint64_t *end;

    while (*at != EMPTY && slot_tag(*at) <= slot_tag(slot)) {
        at++;
    }
    for (end = at; *end != EMPTY; end++) {
    }
    memmove(at + 1, at, (size_t)(end - at) * sizeof *at);
    *at = slot;
    part->n++;
}

/* Capacity for so many entries. */
static uint32_t capacity_for(uint64_t n)
{
    uint64_t capacity = n * 10 / 7 + 1;

    return capacity < FIRST_CAPACITY ? FIRST_CAPACITY : (uint32_t)capacity;
}

/* Fills an empty part with the entries of another one, which are in order. False if they do not fit. */
static bool part_fill(struct er_table_part *part, const struct er_table_part *from)
{
    uint32_t next = 0, size = size_of(part);

    for (uint32_t i = 0, n = size_of(from); i < n; i++) {
        if (from->slots[i] != EMPTY) {
            uint32_t home = er_table_home(slot_tag(from->slots[i]), part->capacity);

            next = next < home ? home : next;
            if (next + 1 >= size) {
                return false;
            }
            part->slots[next++] = from->slots[i];
        }
    }
    part->n = from->n;
    return true;
}

/* All entries go into one of that capacity, with room for n more. */
static bool part_move(struct er_table *table, struct er_table_part *part, uint32_t capacity, uint32_t n)
{
    for (uint64_t behind = FIRST_BEHIND + n; behind <= UINT32_MAX / 4; behind *= 2) {
        struct er_table_part moved;

        if (!part_make(&moved, capacity, (uint32_t)behind)) {
            return false;
        }
        if (part_fill(&moved, part) && has_room_behind(&moved, n)) {
            table->bytes += bytes_of(&moved) - bytes_of(part);
            part_free(part);
            *part = moved;
            return true;
        }
        part_free(&moved);
    }
    return false;
}

static bool part_reserve(struct er_table *table, struct er_table_part *part, uint32_t n)
{
    uint64_t wanted = (uint64_t)part->n + n;
    uint32_t capacity = part->capacity;

    if (wanted > UINT32_MAX / 4) {
        return false;
    }
    if (wanted * 10 > (uint64_t)capacity * 7) {
        capacity = capacity_for(wanted);
        capacity = capacity < part->capacity + part->capacity / 4 ? part->capacity + part->capacity / 4 : capacity;
    } else if (has_room_behind(part, n)) {
        return true;
    }
    return part_move(table, part, capacity, n);
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
    for (uint32_t i = 0; i < size_of(whole); i++) {
        uint32_t tag = slot_tag(whole->slots[i]);

        if (whole->slots[i] == EMPTY) {
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
    return part_reserve(table, &table->parts[tag & table->mask], n);
}

void er_table_add(struct er_table *table, uint32_t tag, uint32_t id)
{
    insert(&table->parts[tag & table->mask], make_slot(tag, id));
    table->n++;
}

static uint64_t *find(const struct er_table_part *part, uint32_t tag, uint32_t id)
{
    uint64_t *at = part->slots + er_table_home(tag, part->capacity);

    while (*at != make_slot(tag, id)) {
        at++;
    }
    return at;
}

/* Gives memory back when most of it is not needed any more; goes on with what it has if there is none for that. */
static void part_shrink(struct er_table *table, struct er_table_part *part)
{
    if (part->capacity > 4 * FIRST_CAPACITY && part->n < part->capacity / 8) {
        (void)part_move(table, part, capacity_for((uint64_t)part->n * 2), 1);
    }
}

void er_table_remove(struct er_table *table, uint32_t tag, uint32_t id)
{
    struct er_table_part *part = &table->parts[tag & table->mask];
    uint64_t *hole = find(part, tag, id);

    /* What stands where it belongs stays, and all behind it. */
    while (hole[1] != EMPTY && part->slots + er_table_home(slot_tag(hole[1]), part->capacity) <= hole) {
        hole[0] = hole[1];
        hole++;
    }
    *hole = EMPTY;
    part->n--;
    table->n--;
    part_shrink(table, part);
}

void er_table_replace(struct er_table *table, uint32_t tag, uint32_t id, uint32_t other)
{
    *find(&table->parts[tag & table->mask], tag, id) = make_slot(tag, other);
}

uint32_t er_table_each(const struct er_table *table, uint64_t *at)
{
    uint32_t number = (uint32_t)(*at >> 32);
    uint32_t slot = (uint32_t)*at;

    for (; table->parts != NULL && number <= table->mask; number++, slot = 0) {
        const struct er_table_part *part = &table->parts[number];

        for (; slot < size_of(part); slot++) {
            if (part->slots[slot] != EMPTY) {
                *at = (uint64_t)number << 32 | (slot + 1);
                return (uint32_t)part->slots[slot];
            }
        }
    }
    return ER_NONE;
}

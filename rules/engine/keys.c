#include "rules/engine/keys.h"

#include <stdlib.h>

#define TABLE_FIRST 256u
#define KEEP_TABLES 4u /* up to 16384 slots; larger ones are given back */
#define KEEP_KEYS 16384u

static uint32_t capacity_of(unsigned table)
{
    return TABLE_FIRST << (2 * table);
}

void er_keys_fini(struct er_keys *keys)
{
    for (unsigned i = 0; i < ER_KEY_TABLES; i++) {
        free(keys->tables[i]);
    }
    free(keys->items);
    *keys = (struct er_keys){ 0 };
}

void er_keys_begin(struct er_keys *keys)
{
    if (keys->last > UINT32_MAX / 2 || keys->capacity > KEEP_KEYS) {
        er_keys_fini(keys);
    }
    if (keys->table >= KEEP_TABLES) {
        for (unsigned i = KEEP_TABLES; i < ER_KEY_TABLES; i++) {
            free(keys->tables[i]);
            keys->tables[i] = NULL;
        }
    }
    keys->n = 0;
    keys->table = 0;
    keys->n_slots = 0;
    keys->base = keys->last + 1;
}

static bool is_key(const struct er_key *key, struct er_str name, uint32_t tag)
{
    return key->tag == tag && key->n == name.n && memcmp(key->p, name.p, name.n) == 0;
}

static uint32_t place_of(uint32_t number, uint32_t tag, uint32_t mask)
{
    return (tag ^ number * UINT32_C(0x9E3779B1)) & mask;
}

uint32_t er_keys_find(const struct er_keys *keys, const struct er_key_frame *frame, struct er_str key, uint32_t tag)
{
    const struct er_key_slot *slots = keys->tables[keys->table];
    uint32_t mask = capacity_of(keys->table) - 1;

    if (frame->number == 0) {
        for (uint32_t i = frame->first; i < keys->n; i++) {
            if (is_key(&keys->items[i], key, tag)) {
                return i;
            }
        }
        return ER_NONE;
    }
    for (uint32_t at = place_of(frame->number, tag, mask); slots[at].number >= keys->base; at = (at + 1) & mask) {
        if (slots[at].number == frame->number && slots[at].tag == tag && is_key(&keys->items[slots[at].key], key, tag)) {
            return slots[at].key;
        }
    }
    return ER_NONE;
}

static void insert(const struct er_keys *keys, struct er_key_slot slot)
{
    struct er_key_slot *slots = keys->tables[keys->table];
    uint32_t mask = capacity_of(keys->table) - 1;
    uint32_t at = place_of(slot.number, slot.tag, mask);

    while (slots[at].number >= keys->base) {
        at = (at + 1) & mask;
    }
    slots[at] = slot;
}

static bool open_table(struct er_keys *keys, unsigned table)
{
    if (table < ER_KEY_TABLES && keys->tables[table] == NULL) {
        keys->tables[table] = calloc(capacity_of(table), sizeof *keys->tables[table]);
    }
    return table < ER_KEY_TABLES && keys->tables[table] != NULL;
}

static bool reserve_slot(struct er_keys *keys)
{
    const struct er_key_slot *old;
    uint32_t capacity = capacity_of(keys->table);

    if (keys->n_slots < capacity / 2) {
        return open_table(keys, keys->table);
    }
    if (!open_table(keys, keys->table + 1)) {
        return false;
    }
    old = keys->tables[keys->table++];
    for (uint32_t i = 0; i < capacity; i++) {
        if (old[i].number >= keys->base) {
            insert(keys, old[i]);
        }
    }
    return true;
}

static bool index_key(struct er_keys *keys, const struct er_key_frame *frame, uint32_t key)
{
    if (!reserve_slot(keys)) {
        return false;
    }
    insert(keys, (struct er_key_slot){ frame->number, keys->items[key].tag, key });
    keys->n_slots++;
    return true;
}

/* Makes the keys from index `from` on known to the table. */
static bool index_keys(struct er_keys *keys, const struct er_key_frame *frame, uint32_t from)
{
    for (uint32_t i = from; i < keys->n; i++) {
        if (!index_key(keys, frame, i)) {
            return false;
        }
    }
    return true;
}

uint32_t er_keys_put_many(struct er_keys *keys, struct er_key_frame *frame, struct er_str key, uint32_t tag)
{
    uint32_t index = keys->n;
    uint32_t from = index;

    if (!er_grow(&keys->items, &keys->capacity, sizeof *keys->items, index)) {
        return ER_NONE;
    }
    keys->items[index] = (struct er_key){ .p = key.p, .n = (uint32_t)key.n, .tag = tag };
    keys->n++;
    if (frame->number == 0) { /* the object has just become a large one */
        frame->number = ++keys->last;
        from = frame->first;
    }
    return index_keys(keys, frame, from) ? index : ER_NONE;
}

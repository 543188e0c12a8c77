#include "rules/engine/keyset.h"

#include <stdlib.h>

#define KEEP_TABLES 4u /* 8192 entries; larger ones are given back */

static uint32_t capacity_of(unsigned table)
{
    return ER_KEYSET_FIRST << (2 * table);
}

void er_keyset_fini(struct er_keyset *set)
{
    for (unsigned i = 0; i < ER_KEYSET_TABLES; i++) {
        free(set->tables[i]);
    }
    *set = (struct er_keyset){ 0 };
}

bool er_keyset_begin(struct er_keyset *set)
{
    if (set->last > UINT32_MAX / 2) {
        er_keyset_fini(set);
    }
    if (set->current >= KEEP_TABLES) {
        for (unsigned i = KEEP_TABLES; i < ER_KEYSET_TABLES; i++) {
            free(set->tables[i]);
            set->tables[i] = NULL;
        }
    }
    set->current = 0;
    set->n = 0;
    set->base = set->last + 1;
    if (set->tables[0] == NULL) {
        set->tables[0] = calloc(capacity_of(0), sizeof *set->tables[0]);
    }
    return set->tables[0] != NULL;
}

bool er_keyset_grow(struct er_keyset *set)
{
    const struct er_key *old = set->tables[set->current];
    unsigned next = set->current + 1;
    uint32_t mask;

    if (next == ER_KEYSET_TABLES) {
        return false;
    }
    if (set->tables[next] == NULL) {
        set->tables[next] = calloc(capacity_of(next), sizeof *set->tables[next]);
    }
    if (set->tables[next] == NULL) {
        return false;
    }
    mask = capacity_of(next) - 1;
    for (uint32_t i = 0; i < capacity_of(set->current); i++) {
        uint32_t at = old[i].tag & mask;

        if (old[i].object < set->base) {
            continue;
        }
        while (set->tables[next][at].object >= set->base) {
            at = (at + 1) & mask;
        }
        set->tables[next][at] = old[i];
    }
    set->current = next;
    return true;
}

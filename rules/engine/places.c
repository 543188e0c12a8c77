#include "rules/engine/places.h"

#include "rules/engine/hash.h"

static uint32_t tag_of(uint64_t owner, uint32_t id)
{
    uint64_t mixed = er_hash_with((uint64_t)id << 32 | id, owner) * UINT64_C(0xD6E8FEB86659FD93);

    return er_hash_tag(mixed ^ mixed >> 29);
}

void er_places_fini(struct er_places *places)
{
    er_table_fini(&places->table);
}

/* Of the first n ids of a list. */
static void forget(struct er_places *places, const struct er_idlist *list, uint64_t owner, uint32_t n)
{
    while (n-- > 0) {
        er_table_remove(&places->table, tag_of(owner, er_idlist_ids(list)[n]), n);
    }
}

static bool remember(struct er_places *places, const struct er_idlist *list, uint64_t owner)
{
    for (uint32_t i = 0, n = er_idlist_n(list); i < n; i++) {
        uint32_t tag = tag_of(owner, er_idlist_ids(list)[i]);

        if (!er_table_reserve(&places->table, tag, 1)) {
            forget(places, list, owner, i);
            return false;
        }
        er_table_add(&places->table, tag, i);
    }
    return true;
}

bool er_places_add(struct er_places *places, struct er_idlist *list, uint64_t owner, uint32_t id)
{
    uint32_t n = er_idlist_n(list), tag = tag_of(owner, id);

    if (n < ER_LIST_SHORT) {
        return er_idlist_add(list, id);
    }
    if (n == ER_LIST_SHORT && !remember(places, list, owner)) {
        return false;
    }
    if (!er_table_reserve(&places->table, tag, 1) || !er_idlist_add(list, id)) {
        if (n == ER_LIST_SHORT) {
            forget(places, list, owner, n);
        }
        return false;
    }
    er_table_add(&places->table, tag, n);
    return true;
}

/* Entries of other lists have other ids at their place, or none; one that has the same serves as well. */
static uint32_t find(const struct er_places *places, const struct er_idlist *list, uint32_t tag, uint32_t id)
{
    uint32_t at;

    for (size_t step = 0; (at = er_table_next(&places->table, tag, &step)) != ER_NONE;) {
        if (at < er_idlist_n(list) && er_idlist_ids(list)[at] == id) {
            break;
        }
    }
    return at;
}

void er_places_remove(struct er_places *places, struct er_idlist *list, uint64_t owner, uint32_t id)
{
    uint32_t n = er_idlist_n(list), tag = tag_of(owner, id);
    uint32_t at;

    if (n <= ER_LIST_SHORT) {
        er_idlist_remove(list, id);
        return;
    }
    at = find(places, list, tag, id);
    er_table_remove(&places->table, tag, at);
    if (at != n - 1) {
        er_table_replace(&places->table, tag_of(owner, er_idlist_ids(list)[n - 1]), n - 1, at);
    }
    er_idlist_remove_at(list, at);
    if (n - 1 == ER_LIST_SHORT) {
        forget(places, list, owner, ER_LIST_SHORT);
    }
}

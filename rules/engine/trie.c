#include "rules/engine/trie.h"

void er_trie_fini(struct er_trie *trie)
{
    er_pages_fini(&trie->nodes);
    er_table_fini(&trie->table);
}

static bool is_live(const struct er_trie_node *node)
{
    return node->readers > 0 || node->children > 0;
}

/* Everything that may fail comes first, so that the change itself is whole. */
static bool reserve(struct er_trie *trie, uint32_t node)
{
    uint32_t depth = 0;

    for (uint32_t id = node; id != ER_NONE; id = er_catalog_node(trie->catalog, id)->parent) {
        if (!er_pages_reserve(&trie->nodes, sizeof(struct er_trie_node), id) ||
            !er_table_reserve(&trie->table, er_catalog_node(trie->catalog, id)->tag, ++depth)) {
            return false;
        }
    }
    return true;
}

bool er_trie_add(struct er_trie *trie, uint32_t id)
{
    bool was_live;

    if (!reserve(trie, id)) {
        return false;
    }
    trie->capacity = id < trie->capacity ? trie->capacity : id + 1;
    was_live = is_live(er_trie_node(trie, id));
    er_trie_node(trie, id)->readers++;
    for (uint32_t parent; !was_live && (parent = er_catalog_node(trie->catalog, id)->parent) != ER_NONE; id = parent) {
        const struct er_node *node = er_catalog_node(trie->catalog, id);
        struct er_trie_node *above = er_trie_node(trie, parent);

        trie->capacity = parent < trie->capacity ? trie->capacity : parent + 1;
        was_live = is_live(above);
        above->children++;
        above->filter |= UINT64_C(1) << (er_hash(node->key, trie->catalog->seed) & 63);
        er_table_add(&trie->table, node->tag, id);
        trie->version++;
    }
    return true;
}

void er_trie_remove(struct er_trie *trie, uint32_t id)
{
    er_trie_node(trie, id)->readers--;
    for (uint32_t parent; !is_live(er_trie_node(trie, id)) && (parent = er_catalog_node(trie->catalog, id)->parent) != ER_NONE;
         id = parent) {
        struct er_trie_node *above = er_trie_node(trie, parent);

        er_table_remove(&trie->table, er_catalog_node(trie->catalog, id)->tag, id);
        trie->version++;
        if (--above->children == 0) {
            above->filter = 0;
        }
    }
}

size_t er_trie_bytes(const struct er_trie *trie)
{
    return er_pages_bytes(&trie->nodes, sizeof(struct er_trie_node)) + trie->table.bytes;
}

#include "rules/engine/trie.h"

#include <stdlib.h>
#include "rules/engine/grow.h"

void er_trie_fini(struct er_trie *trie)
{
    free(trie->nodes);
    er_table_fini(&trie->table);
}

static bool is_live(const struct er_trie_node *node)
{
    return node->readers > 0 || node->children > 0;
}

/* Everything that may fail comes first, so that the change itself is whole. */
static bool reserve(struct er_trie *trie, uint32_t node)
{
    size_t depth = 0;

    for (uint32_t id = node; id != ER_NONE; id = er_catalog_node(trie->catalog, id)->parent) {
        if (!er_grow(&trie->nodes, &trie->capacity, sizeof *trie->nodes, id)) {
            return false;
        }
        depth++;
    }
    return er_table_reserve(&trie->table, depth);
}

bool er_trie_add(struct er_trie *trie, uint32_t id)
{
    bool was_live;

    if (!reserve(trie, id)) {
        return false;
    }
    was_live = is_live(&trie->nodes[id]);
    trie->nodes[id].readers++;
    for (uint32_t parent; !was_live && (parent = er_catalog_node(trie->catalog, id)->parent) != ER_NONE; id = parent) {
        const struct er_node *node = er_catalog_node(trie->catalog, id);

        was_live = is_live(&trie->nodes[parent]);
        trie->nodes[parent].children++;
        trie->nodes[parent].filter |= UINT64_C(1) << (er_hash(node->key, trie->catalog->seed) & 63);
        er_table_add(&trie->table, node->tag, id);
    }
    return true;
}

void er_trie_remove(struct er_trie *trie, uint32_t id)
{
    trie->nodes[id].readers--;
    for (uint32_t parent; !is_live(&trie->nodes[id]) && (parent = er_catalog_node(trie->catalog, id)->parent) != ER_NONE;
         id = parent) {
        er_table_remove(&trie->table, er_catalog_node(trie->catalog, id)->tag, id);
        if (--trie->nodes[parent].children == 0) {
            trie->nodes[parent].filter = 0;
        }
    }
}

size_t er_trie_bytes(const struct er_trie *trie)
{
    return trie->capacity * sizeof *trie->nodes + trie->table.capacity * sizeof(uint64_t);
}

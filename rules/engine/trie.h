/* Which path nodes are live on one side: the tree that the scanner walks.
 *
 * DESIGN  nodes belong to the catalog; a side only knows how many readers and live children stand at each. A node is found from
 * its parent and the hash of a key, after a one-word filter that says no for most keys nobody reads.
 */
#ifndef ER_RULES_ENGINE_TRIE_H
#define ER_RULES_ENGINE_TRIE_H

#include "rules/engine/catalog.h"
#include "rules/engine/pages.h"

struct er_trie_node {
    uint32_t readers;  /* places in terms whose tests read values here */
    uint32_t children; /* live child nodes */
    uint64_t filter;   /* bit per hash of a live child's key (may hold bits of past ones) */
};

/* Initialise with {0} and the catalog. */
struct er_trie {
    const struct er_catalog *catalog;
    struct er_pages nodes; /* struct er_trie_node */
    struct er_table table;
    uint32_t capacity; /* ids of nodes that were ever live are below it */
    uint64_t version;  /* another one whenever a node became live or stopped being it */
};

void er_trie_fini(struct er_trie *trie);

/* One reader more or less at a node. add: false without memory. */
bool er_trie_add(struct er_trie *trie, uint32_t node);
void er_trie_remove(struct er_trie *trie, uint32_t node);

size_t er_trie_bytes(const struct er_trie *trie);

static inline struct er_trie_node *er_trie_node(const struct er_trie *trie, uint32_t node)
{
    return er_pages_at(&trie->nodes, node, struct er_trie_node);
}

/* The live child of a live node with that key, or ER_NONE. hash: er_hash of key with the catalog's seed. */
static inline uint32_t er_trie_child(const struct er_trie *trie, uint32_t parent, struct er_str key, uint64_t hash)
{
    uint32_t tag, id;

    if ((er_trie_node(trie, parent)->filter >> (hash & 63) & 1) == 0) {
        return ER_NONE;
    }
    tag = er_node_tag(parent, hash);
    for (size_t step = 0; (id = er_table_next(&trie->table, tag, &step)) != ER_NONE;) {
        const struct er_node *node = er_catalog_node(trie->catalog, id);

        if (node->parent == parent && er_str_eq(node->key, key)) {
            break;
        }
    }
    return id;
}

static inline bool er_trie_is_read(const struct er_trie *trie, uint32_t node)
{
    return er_trie_node(trie, node)->readers > 0;
}

static inline bool er_trie_has_children(const struct er_trie *trie, uint32_t node)
{
    return er_trie_node(trie, node)->children > 0;
}

#endif

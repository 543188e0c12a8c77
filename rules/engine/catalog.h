/* Everything rules are made of, each thing once: path nodes, tests, terms, subscriptions, subscribers.
 *
 * DESIGN  a term is what a rule asks, without who asks; equal rules share it.
 *
 *     subscription --> term: what must hold --> test: (node, operator, operand) --> node: (parent, key)
 *            \--> subscriber
 *
 * Objects are immutable once they are published, have ids that never move, and are shared by both sides of the rule set. Only the
 * writer adds and releases; a reader follows ids that its side gave it.
 */
#ifndef ER_RULES_ENGINE_CATALOG_H
#define ER_RULES_ENGINE_CATALOG_H

#include "rules/engine/ruleset.h"
#include "rules/engine/stable.h"
#include "rules/engine/table.h"
#include "rules/engine/term.h"
#include "rules/engine/test.h"

/* Nodes that always exist. */
enum er_fixed_node {
    ER_NODE_EVENT, /* root of the event's keys */
    ER_NODE_TYPE,  /* the event's type, whatever form said it */
    ER_NODE_TOPIC, /* $kafka.topic and so on */
    ER_NODE_PARTITION,
    ER_NODE_KEY,
    ER_NODE_TIMESTAMP,
    ER_NODE_HEADERS, /* root of $kafka.headers.NAME */
    ER_NODES_FIXED
};

struct er_node {
    uint32_t parent; /* ER_NONE for a fixed node */
    uint32_t refs;   /* children and tests; writer only */
    uint32_t tag;
    struct er_str key; /* owned */
};

#define ER_SUB_SMALL 16u
#define ER_COVER_BYTES 16u

struct er_sub {
    union {
        char few[ER_SUB_SMALL];
        char *many; /* owned */
    } u;            /* its id */
    uint32_t term;
    uint32_t subscriber; /* slot */
    uint32_t tag;        /* of its id; writer only */
    uint8_t n;           /* bytes of the id */
    bool doomed;         /* leaves with the change that is being prepared; writer only */
};

static inline struct er_str er_sub_id(const struct er_sub *sub)
{
    return (struct er_str){ sub->n <= ER_SUB_SMALL ? sub->u.few : sub->u.many, sub->n };
}

/* A subscriber's slot. Who stands in it is each side's matter. */
struct er_slot {
    struct er_subscriber *first; /* who came first: has the id; one reference */
    uint32_t tag;
    uint32_t subs; /* subscriptions when the prepared change is through; writer only */
    bool doomed;   /* leaves with the change that is being prepared; writer only */
};

struct er_catalog {
    uint64_t seed;
    struct er_stable nodes;  /* struct er_node */
    struct er_stable tests;  /* struct er_test */
    struct er_stable terms;  /* struct er_term */
    struct er_stable subs;   /* struct er_sub */
    struct er_stable slots;  /* struct er_slot */
    struct er_stable covers; /* of ER_COVER_BYTES, see term.c */
    struct er_table node_table, test_table, term_table, sub_table, slot_table;
    size_t text_bytes;        /* keys, operands, terms */
    struct er_arena *scratch; /* of one draft */
    /* Called with the ids of terms (test NULL) and of regex tests that go; may be NULL. */
    void (*freed)(void *context, uint32_t id, const struct er_test *test);
    void *freed_context;
};

bool er_catalog_init(struct er_catalog *catalog);
void er_catalog_fini(struct er_catalog *catalog);

static inline struct er_node *er_catalog_node(const struct er_catalog *catalog, uint32_t id)
{
    return er_stable_at(&catalog->nodes, id);
}
static inline struct er_test *er_catalog_test(const struct er_catalog *catalog, uint32_t id)
{
    return er_stable_at(&catalog->tests, id);
}
static inline struct er_term *er_catalog_term(const struct er_catalog *catalog, uint32_t id)
{
    return er_stable_at(&catalog->terms, id);
}
static inline struct er_sub *er_catalog_sub(const struct er_catalog *catalog, uint32_t id)
{
    return er_stable_at(&catalog->subs, id);
}
static inline struct er_slot *er_catalog_slot(const struct er_catalog *catalog, uint32_t id)
{
    return er_stable_at(&catalog->slots, id);
}

/* Tag of the child `key` (whose hash is given) of a node: the same in the catalog and in each side's trie. */
static inline uint32_t er_node_tag(uint32_t parent, uint64_t key_hash)
{
    return er_hash_tag(er_hash_with(key_hash, parent));
}

/* The path's node with one reference more, or ER_NONE without memory. */
uint32_t er_catalog_path(struct er_catalog *catalog, const struct er_path *path);
void er_catalog_node_unref(struct er_catalog *catalog, uint32_t id);

/* Where a leaf of a pattern that stands at `parent` reads: one reference more, or ER_NONE without memory. */
uint32_t er_catalog_child(struct er_catalog *catalog, uint32_t parent, enum er_path_root root, struct er_str key);

/* The test that asks this, with one reference more, or ER_NONE without memory. */
uint32_t er_catalog_test_intern(struct er_catalog *catalog, const struct er_question *question);
void er_catalog_test_unref(struct er_catalog *catalog, uint32_t id);

/* The hash of an operand or a value in a set. */
static inline uint64_t er_catalog_hash(const struct er_catalog *catalog, struct er_str text)
{
    return er_hash(text, catalog->seed);
}

/* A new subscription of the rule, with its term, tests and paths; not yet known by its id. ER_NONE without memory. */
uint32_t er_catalog_sub_new(struct er_catalog *catalog, const struct er_rule *rule, uint32_t slot);
void er_catalog_sub_free(struct er_catalog *catalog, uint32_t id);

/* The subscription that an id stands for, or ER_NONE. Naming: set replaces; the room for a new name must have been reserved. */
uint32_t er_catalog_sub_find(const struct er_catalog *catalog, struct er_str id);
bool er_catalog_sub_reserve(struct er_catalog *catalog, struct er_str id);
void er_catalog_sub_name(struct er_catalog *catalog, uint32_t sub, uint32_t instead_of);
void er_catalog_sub_unname(struct er_catalog *catalog, uint32_t sub, uint32_t gives_way_to);

/* The slot of a subscriber id, or ER_NONE. */
uint32_t er_catalog_slot_find(const struct er_catalog *catalog, struct er_str id);
uint32_t er_catalog_slot_new(struct er_catalog *catalog, struct er_subscriber *first);
void er_catalog_slot_unname(struct er_catalog *catalog, uint32_t slot);
void er_catalog_slot_free(struct er_catalog *catalog, uint32_t slot); /* unnamed, without subscriptions */

size_t er_catalog_bytes(const struct er_catalog *catalog);

#endif

/* The values of one event that live rules read, by path node; reused from event to event.
 *
 * DESIGN  every value at a live node is a field, in the order of the text: scalars, nulls, objects, and one mark for an array without
 * elements (nested arrays are flattened first). Arrays are looked through: their elements stand where the array stands. `parent` says in
 * which object a value stands, so "the same element of an array" is "the same parent"; the values of one node with one parent are
 * neighbours in the node's list, which is in ascending order, and so are the parents along it.
 *
 *     {"items": [{"sku": "A"}, {"sku": "B"}], "tags": []}      with the paths items.sku and tags live
 *
 *     0: items OBJECT   1: items.sku "A" parent 0   2: items OBJECT   3: items.sku "B" parent 2   4: tags NONE
 */
#ifndef ER_RULES_ENGINE_FIELDS_H
#define ER_RULES_ENGINE_FIELDS_H

#include <stdint.h>
#include "rules/base/str.h"
#include "rules/engine/grow.h"
#include "rules/engine/hash.h"

enum er_field_kind {
    ER_FIELD_STRING,
    ER_FIELD_NUMBER,
    ER_FIELD_BOOL,
    ER_FIELD_NULL,
    ER_FIELD_OBJECT,
    ER_FIELD_NONE /* an array without elements: the node is present and has no value */
};

struct er_field {
    struct er_str text; /* decoded characters, or the literal; an object's and a mark's is empty */
    uint32_t node;
    uint32_t next;   /* the next value of the node, or ER_NONE */
    uint32_t parent; /* the field of the object that it stands in, or ER_NONE: the event itself, the envelope */
    uint8_t kind;
    bool in_array; /* an array stands somewhere above it */
    bool dead;     /* replaced by a later duplicate key */
};

/* What is known of a node in the current event. */
struct er_field_head {
    uint32_t stamp; /* of the event; another one: the slot is free */
    uint32_t node;
    uint32_t first; /* value, or ER_NONE */
};

/* Initialise with {0}. */
struct er_fields {
    struct er_field *items;
    uint32_t n;
    uint32_t capacity;
    struct er_field_head
        *heads;          /* open addressing by node: as small as the event, whatever the number of nodes; NULL before the first */
    uint32_t heads_bits; /* log2 of their number */
    uint32_t n_heads;
    uint32_t stamp;
    uint32_t idle;   /* events since one that had very many values, at most */
    uint64_t spread; /* odd and random: nobody outside can choose nodes that collide */
    bool structured; /* an array stands at a live node that has live children: which element a value stands in matters */
};

void er_fields_fini(struct er_fields *fields);

/* Forgets the last event. seed: of the catalog. False without memory. */
bool er_fields_begin(struct er_fields *fields, uint64_t seed);

/* Makes the values from index `from` on, dead ones left out, known to er_fields_first. False without memory. */
bool er_fields_link(struct er_fields *fields, uint32_t from);

/* Says that the node has no value, unless one was linked. False without memory. */
bool er_fields_close(struct er_fields *fields, uint32_t node);

/* Where the node is or would be. */
static inline struct er_field_head *er_fields_head(const struct er_fields *fields, uint32_t node)
{
    uint32_t at = (uint32_t)(node * fields->spread >> (64 - fields->heads_bits));

    while (fields->heads[at].stamp == fields->stamp && fields->heads[at].node != node) {
        at = (at + 1) & ((1u << fields->heads_bits) - 1);
    }
    return &fields->heads[at];
}

static inline bool er_fields_known(const struct er_fields *fields, uint32_t node)
{
    return er_fields_head(fields, node)->stamp == fields->stamp;
}

static inline uint32_t er_fields_first(const struct er_fields *fields, uint32_t node)
{
    const struct er_field_head *head = er_fields_head(fields, node);

    return head->stamp == fields->stamp ? head->first : ER_NONE;
}

static inline bool er_fields_add(struct er_fields *fields, uint32_t node, struct er_str text, enum er_field_kind kind,
                                 bool in_array)
{
    if (fields->n == fields->capacity && !er_grow_unset(&fields->items, &fields->capacity, sizeof *fields->items, fields->n)) {
        return false;
    }
    fields->items[fields->n++] = (struct er_field){
        .text = text, .node = node, .next = ER_NONE, .parent = ER_NONE, .kind = (uint8_t)kind, .in_array = in_array
    };
    return true;
}

#endif

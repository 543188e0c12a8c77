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

struct er_field_head {
    uint32_t stamp; /* of the event that it belongs to */
    uint32_t first;
};

/* Initialise with {0}. */
struct er_fields {
    struct er_field *items;
    uint32_t n;
    uint32_t capacity;
    struct er_field_head *heads; /* per node */
    uint32_t heads_capacity;
    uint32_t stamp;
    bool structured; /* an array stands at a live node that has live children: which element a value stands in matters */
};

void er_fields_fini(struct er_fields *fields);

/* Forgets the last event; nodes: ids that may come are below it. False without memory. */
bool er_fields_begin(struct er_fields *fields, uint32_t nodes);

/* Makes the values from index `from` on, dead ones left out, known to er_fields_first. */
void er_fields_link(struct er_fields *fields, uint32_t from);

/* Says that the node has no value, unless one was linked. */
void er_fields_close(struct er_fields *fields, uint32_t node);

static inline bool er_fields_known(const struct er_fields *fields, uint32_t node)
{
    return node < fields->heads_capacity && fields->heads[node].stamp == fields->stamp;
}

static inline uint32_t er_fields_first(const struct er_fields *fields, uint32_t node)
{
    return er_fields_known(fields, node) ? fields->heads[node].first : ER_NONE;
}

static inline bool er_fields_add(struct er_fields *fields, uint32_t node, struct er_str text, enum er_field_kind kind,
                                 bool in_array)
{
    if (fields->n == fields->capacity && !er_grow(&fields->items, &fields->capacity, sizeof *fields->items, fields->n)) {
        return false;
    }
    fields->items[fields->n++] = (struct er_field){
        .text = text, .node = node, .next = ER_NONE, .parent = ER_NONE, .kind = (uint8_t)kind, .in_array = in_array
    };
    return true;
}

#endif

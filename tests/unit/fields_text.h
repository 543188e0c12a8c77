/* The fields of an event as text, for the tests of the scanner and of the event. */
#ifndef ER_TESTS_UNIT_FIELDS_TEXT_H
#define ER_TESTS_UNIT_FIELDS_TEXT_H

#include <stdio.h>
#include "rules/engine/catalog.h"
#include "rules/engine/fields.h"
#include "tests/unit/test.h"

/* Live fields, "INDEX:KEY.KIND" with a star in arrays and ^PARENT in objects, then "structured" if they are. KIND is one of s n b z(null)
 * o(bject) -(no elements). Fixed nodes are #ID. Valid until the next call. */
static inline const char *fields_text(const struct er_fields *fields, const struct er_catalog *catalog)
{
    static char out[4096];
    size_t n = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < fields->n; i++) {
        const struct er_field *field = &fields->items[i];
        struct er_str key = er_catalog_node(catalog, field->node)->key;
        char id[16], parent[16] = "";

        if (field->dead) {
            continue;
        }
        snprintf(id, sizeof id, "#%u", field->node);
        if (field->parent != ER_NONE) {
            snprintf(parent, sizeof parent, "^%u", field->parent);
        }
        key = field->node < ER_NODES_FIXED ? er_str_of(id) : key;
        n += (size_t)snprintf(out + n, sizeof out - n, "%s%u:%.*s.%c%s%s", n > 0 ? " " : "", i, ER_STR_ARG(key),
                              "snbzo-"[field->kind], field -> in_array ? "*" : "", parent);
        assert_in_range(n, 0, sizeof out - 1);
    }
    if (fields->structured) {
        snprintf(out + n, sizeof out - n, "%sstructured", n > 0 ? " " : "");
    }
    return out;
}

/* The list of every node is in ascending order, so are the parents along it, and it has the node's live fields, all of them. */
static inline void assert_lists(const struct er_fields *fields)
{
    uint32_t live = 0, listed = 0;

    for (uint32_t i = 0; i < fields->n; i++) {
        live += fields->items[i].dead ? 0 : 1;
    }
    for (uint32_t slot = 0; slot < 1u << fields->heads_bits; slot++) {
        uint32_t node = fields->heads[slot].node;
        uint32_t last = ER_NONE;

        if (fields->heads[slot].stamp != fields->stamp) {
            continue;
        }
        for (uint32_t i = er_fields_first(fields, node); i != ER_NONE; last = i, i = fields->items[i].next) {
            assert_int_equal(fields->items[i].node, node);
            assert_false(fields->items[i].dead);
            if (last != ER_NONE) {
                assert_true(last < i);
                assert_true(fields->items[last].parent == ER_NONE || fields->items[i].parent >= fields->items[last].parent);
            }
            listed++;
        }
    }
    assert_int_equal(listed, live);
}

#endif

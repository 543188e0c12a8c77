#include "rules/engine/fields.h"

#include <stdlib.h>

#define KEEP_FIELDS 16384u

void er_fields_fini(struct er_fields *fields)
{
    free(fields->items);
    free(fields->heads);
    *fields = (struct er_fields){ 0 };
}

bool er_fields_begin(struct er_fields *fields, uint32_t nodes)
{
    if (fields->capacity > KEEP_FIELDS) {
        free(fields->items); /* one event of very many values is no reason to keep the room for ever */
        fields->items = NULL;
        fields->capacity = 0;
    }
    fields->n = 0;
    fields->structured = false;
    if (nodes > 0 && !er_grow(&fields->heads, &fields->heads_capacity, sizeof *fields->heads, nodes - 1)) {
        return false;
    }
    if (++fields->stamp == 0) {
        memset(fields->heads, 0, fields->heads_capacity * sizeof *fields->heads);
        fields->stamp = 1;
    }
    return true;
}

void er_fields_close(struct er_fields *fields, uint32_t node)
{
    if (!er_fields_known(fields, node)) {
        fields->heads[node] = (struct er_field_head){ fields->stamp, ER_NONE };
    }
}

void er_fields_link(struct er_fields *fields, uint32_t from)
{
    for (uint32_t i = fields->n; i-- > from;) { /* each goes in front, so the list ascends */
        struct er_field *field = &fields->items[i];

        if (!field->dead) {
            er_fields_close(fields, field->node);
            field->next = fields->heads[field->node].first;
            fields->heads[field->node].first = i;
        }
    }
}

#include "rules/engine/fields.h"

#include <stdlib.h>

#define KEEP_FIELDS 16384u
#define KEEP_EVENTS 64u
#define HEADS_FIRST 6u /* log2 */
#define HEADS_KEEP 14u

void er_fields_fini(struct er_fields *fields)
{
    free(fields->items);
    free(fields->heads);
    *fields = (struct er_fields){ 0 };
}

/* A table of that size without heads in it. */
static bool make_heads(struct er_fields *fields, uint32_t bits)
{
    struct er_field_head *heads = calloc((size_t)1 << bits, sizeof *heads);

    if (heads == NULL) {
        return false;
    }
    free(fields->heads);
    fields->heads = heads;
    fields->heads_bits = bits;
    fields->stamp = 1;
    return true;
}

/* One event of very many values is no reason to keep the room for ever: only as long as such events come again. */
static void give_back(struct er_fields *fields)
{
    fields->idle = fields->n > KEEP_FIELDS / 2 ? 0 : fields->idle + 1;
    if (fields->idle < KEEP_EVENTS) {
        return;
    }
    fields->idle = 0;
    if (fields->capacity > KEEP_FIELDS) {
        free(fields->items);
        fields->items = NULL;
        fields->capacity = 0;
    }
    if (fields->heads_bits > HEADS_KEEP) {
        free(fields->heads);
        fields->heads = NULL;
        fields->heads_bits = 0;
    }
}

bool er_fields_begin(struct er_fields *fields, uint64_t seed)
{
    give_back(fields);
    fields->n = 0;
    fields->n_heads = 0;
    fields->structured = false;
    fields->spread = seed | 1;
    if (fields->heads == NULL) {
        return make_heads(fields, HEADS_FIRST);
    }
    if (++fields->stamp == 0) {
        memset(fields->heads, 0, sizeof *fields->heads << fields->heads_bits);
        fields->stamp = 1;
    }
    return true;
}

/* Moves the heads into a table four times as large. */
static bool grow_heads(struct er_fields *fields)
{
    struct er_fields old = *fields;

    fields->heads = NULL;
    if (!make_heads(fields, old.heads_bits + 2)) {
        *fields = old;
        return false;
    }
    for (uint32_t i = 0; i < 1u << old.heads_bits; i++) {
        if (old.heads[i].stamp == old.stamp) {
            *er_fields_head(fields, old.heads[i].node) =
                (struct er_field_head){ fields->stamp, old.heads[i].node, old.heads[i].first };
        }
    }
    free(old.heads);
    return true;
}

/* The head of a node that gets one now if it has none. NULL without memory. */
static inline struct er_field_head *open_head(struct er_fields *fields, uint32_t node)
{
    struct er_field_head *head = er_fields_head(fields, node);

    if (head->stamp == fields->stamp) {
        return head;
    }
    if (__builtin_expect(fields->n_heads >= 1u << (fields->heads_bits - 1), 0)) {
        if (!grow_heads(fields)) {
            return NULL;
        }
        head = er_fields_head(fields, node);
    }
    *head = (struct er_field_head){ fields->stamp, node, ER_NONE };
    fields->n_heads++;
    return head;
}

bool er_fields_close(struct er_fields *fields, uint32_t node)
{
    return open_head(fields, node) != NULL;
}

bool er_fields_link(struct er_fields *fields, uint32_t from)
{
    for (uint32_t i = fields->n; i-- > from;) { /* each goes in front, so the list ascends */
        struct er_field *field = &fields->items[i];
        struct er_field_head *head;

        if (!field->dead) {
            head = open_head(fields, field->node);
            if (head == NULL) {
                return false;
            }
            field->next = head->first;
            head->first = i;
        }
    }
    return true;
}

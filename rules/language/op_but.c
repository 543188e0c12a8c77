/* anything-but: a plain value, a list of them, or one operator with a value or a list of values. */
#include "rules/language/pattern_impl.h"

static void refuse_element(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place)
{
    struct er_problems *problems = reader->source->problems;

    if (value->type == ER_JSON_OBJECT) {
        er_problems_add(problems, ER_E_PATTERN_SHAPE, er_place_pointer(problems, place), ER_NO_OFFSET,
                        "put the list inside the operator: {\"anything-but\": {\"prefix\": [\"a\", \"b\"]}}",
                        "an operator cannot stand inside the list of anything-but");
    } else {
        (void)er_pattern_expect(reader, value, ER_JSON_STRING, place, "a string, number, boolean or null",
                                "take the inner brackets away");
    }
}

static void read_values(struct er_pattern_reader *reader, const struct er_json *first, size_t n, const struct er_place *place,
                        struct er_entry *entry)
{
    struct er_operand *operands = er_pattern_array(reader, n, sizeof *operands);

    if (operands == NULL) {
        return;
    }
    entry->op = ER_OPERATOR_EQUALS;
    entry->operands = operands;
    for (const struct er_json *value = first; entry->n < n; value = value->next) {
        struct er_place at = er_place_index(place, entry->n);

        if (er_json_is_scalar(value)) {
            (void)er_read_plain_value(reader, value, &at, entry, &operands[entry->n]);
        } else {
            refuse_element(reader, value, &at);
        }
        entry->n++;
    }
}

void er_read_but(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                 struct er_entry *entry)
{
    entry->but = true;
    if (er_json_is_scalar(value)) {
        read_values(reader, value, 1, place, entry);
    } else if (value->type == ER_JSON_OBJECT) {
        er_read_operator(reader, value, place, entry);
    } else if (er_pattern_not_empty(reader, value, place, "anything-but has an empty list",
                                    "name what is not accepted; to accept any value write {\"exists\": true}")) {
        read_values(reader, value->first, value->n, place, entry);
    }
}

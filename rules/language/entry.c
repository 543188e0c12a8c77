/* The list of a leaf: plain values and operator objects. */
#include "rules/language/pattern_impl.h"

#include <stdio.h>
#include "rules/base/suggest.h"
#include "rules/base/utf8.h"

static const struct er_operator_row operators[] = {
    { "prefix", ER_OPERATOR_PREFIX, er_read_string, er_read_string },
    { "suffix", ER_OPERATOR_SUFFIX, er_read_string, er_read_string },
    { "equals-ignore-case", ER_OPERATOR_EQUALS_IGNORE_CASE, er_read_string, er_read_string },
    { "wildcard", ER_OPERATOR_WILDCARD, er_read_wildcard, er_read_wildcard },
    { "regex", ER_OPERATOR_REGEX, er_read_regex, er_read_regex },
    { "regexp", ER_OPERATOR_REGEX, er_read_regex, er_read_regex },
    { "numeric", ER_OPERATOR_NUMERIC, er_read_numeric, er_read_number },
    { "exists", ER_OPERATOR_EXISTS, er_read_exists, NULL },
    { "cidr", ER_OPERATOR_CIDR, er_read_cidr, er_read_cidr },
    { "anything-but", ER_OPERATOR_EQUALS, NULL, NULL },
};
enum { OPERATORS = sizeof operators / sizeof operators[0] };

static void unknown_operator(struct er_pattern_reader *reader, const struct er_json *member, const struct er_place *place)
{
    struct er_problems *problems = reader->source->problems;
    const char *names[OPERATORS];
    const char *nearest;
    char hint[64];

    for (size_t i = 0; i < OPERATORS; i++) {
        names[i] = operators[i].name;
    }
    nearest = er_suggest(member->key, names, OPERATORS);
    if (nearest != NULL) {
        (void)snprintf(hint, sizeof hint, "did you mean \"%s\"?", nearest);
    }
    er_problems_add(problems, ER_E_PATTERN_OPERATOR, er_place_pointer(problems, place), ER_NO_OFFSET,
                    nearest != NULL
                        ? hint
                        : "the operators are prefix, suffix, equals-ignore-case, wildcard, regex, numeric, exists, cidr and "
                          "anything-but; $or, $and and $not stand beside fields",
                    "unknown operator \"%.*s\"", ER_STR_ARG(er_utf8_cut(member->key, 120)));
}

static const struct er_operator_row *find_row(struct er_pattern_reader *reader, const struct er_json *member,
                                              const struct er_place *place, bool but)
{
    struct er_problems *problems = reader->source->problems;

    for (size_t i = 0; i < OPERATORS; i++) {
        if (!er_str_eq(member->key, er_str_of(operators[i].name))) {
            continue;
        }
        if (but && operators[i].read_but == NULL) {
            er_problems_add(problems, ER_E_PATTERN_OPERATOR, er_place_pointer(problems, place), ER_NO_OFFSET,
                            "put the field into $not, or ask for the opposite directly", "%s cannot stand inside anything-but",
                            operators[i].name);
            return NULL;
        }
        return &operators[i];
    }
    unknown_operator(reader, member, place);
    return NULL;
}

/* {"prefix": {"equals-ignore-case": X}}: returns X with *place for it, or NULL after a problem. */
static const struct er_json *ignore_case(struct er_pattern_reader *reader, const struct er_json *object,
                                         const struct er_place *place, struct er_entry *entry)
{
    static const char name[] = "equals-ignore-case";
    struct er_problems *problems = reader->source->problems;
    const struct er_json *member = object->first;

    if (member == NULL || member->next != NULL || !er_str_eq(member->key, er_str_of(name))) {
        er_problems_add(problems, ER_E_PATTERN_SHAPE, er_place_pointer(problems, place), ER_NO_OFFSET,
                        "write a string, or {\"equals-ignore-case\": \"x\"} and nothing else",
                        "only equals-ignore-case can stand inside %s", entry->op == ER_OPERATOR_PREFIX ? "prefix" : "suffix");
        return NULL;
    }
    entry->op = entry->op == ER_OPERATOR_PREFIX ? ER_OPERATOR_PREFIX_IGNORE_CASE : ER_OPERATOR_SUFFIX_IGNORE_CASE;
    return member;
}

static void read_list(struct er_pattern_reader *reader, er_operand_read *read, const struct er_json *list,
                      const struct er_place *place, struct er_entry *entry)
{
    struct er_operand *operands;

    if (!er_pattern_not_empty(reader, list, place, "the list is empty", "name at least one value")) {
        return;
    }
    operands = er_pattern_array(reader, list->n, sizeof *operands);
    entry->operands = operands;
    for (const struct er_json *value = list->first; value != NULL && !reader->no_memory; value = value->next, entry->n++) {
        struct er_place at = er_place_index(place, entry->n);

        (void)read(reader, value, &at, entry, &operands[entry->n]);
    }
}

/* The value of the operator row, or (inside anything-but) a list of them. */
static void read_operands(struct er_pattern_reader *reader, const struct er_operator_row *row, const struct er_json *value,
                          const struct er_place *place, struct er_entry *entry)
{
    struct er_place below = er_place_key(place, ER_STR("equals-ignore-case"));
    er_operand_read *read = entry->but ? row->read_but : row->read;
    struct er_operand *operand;

    entry->op = row->op;
    if (value->type == ER_JSON_OBJECT && (row->op == ER_OPERATOR_PREFIX || row->op == ER_OPERATOR_SUFFIX)) {
        value = ignore_case(reader, value, place, entry);
        place = &below;
        if (value == NULL) {
            return;
        }
    }
    if (value->type == ER_JSON_ARRAY && entry->but) {
        read_list(reader, read, value, place, entry);
        return;
    }
    if (value->type == ER_JSON_ARRAY && row->op != ER_OPERATOR_NUMERIC && row->op != ER_OPERATOR_EXISTS) {
        (void)er_pattern_expect(reader, value, ER_JSON_STRING, place, "a string",
                                "write one object for each value: any entry of the field's list is enough");
        return;
    }
    if (row->op == ER_OPERATOR_EXISTS) {
        (void)read(reader, value, place, entry, NULL);
        return;
    }
    operand = er_pattern_array(reader, 1, sizeof *operand);
    entry->operands = operand;
    entry->n = 1;
    if (operand != NULL) {
        (void)read(reader, value, place, entry, operand);
    }
}

bool er_read_exists(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                    struct er_entry *entry, struct er_operand *out)
{
    (void)out;
    entry->exists = value->type == ER_JSON_TRUE;
    return entry->exists || er_pattern_expect(reader, value, ER_JSON_FALSE, place, "true or false",
                                              "write true or false, without quotes or brackets");
}

bool er_read_plain_value(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                         struct er_entry *entry, struct er_operand *out)
{
    (void)place;
    (void)entry;
    out->type = value->type;
    if (value->type == ER_JSON_STRING || value->type == ER_JSON_NUMBER) {
        out->text = er_pattern_keep(reader, value->text);
    }
    return true;
}

void er_read_operator(struct er_pattern_reader *reader, const struct er_json *object, const struct er_place *place,
                      struct er_entry *entry)
{
    struct er_problems *problems = reader->source->problems;
    bool but = entry->but;
    size_t n = 0;

    if (!er_pattern_not_empty(reader, object, place, "{} names no operator",
                              "name one, for example {\"prefix\": \"x\"}; to accept any value write {\"exists\": true}")) {
        return;
    }
    for (const struct er_json *member = object->first; member != NULL; member = member->next) {
        struct er_place at = er_place_key(place, member->key);
        const struct er_operator_row *row = member->duplicate ? NULL : find_row(reader, member, &at, but);

        n += !member->duplicate;
        *entry = (struct er_entry){ .but = but };
        if (row != NULL && row->read == NULL) {
            er_read_but(reader, member, &at, entry);
        } else if (row != NULL) {
            read_operands(reader, row, member, &at, entry);
        }
    }
    if (n > 1) {
        er_problems_add(problems, ER_E_PATTERN_SHAPE, er_place_pointer(problems, place), ER_NO_OFFSET,
                        "write one object for each, any of which is enough; for both at once use $and",
                        "an object takes one operator, this one has %zu", n);
    }
}

/* All plain values of the list are one entry, at the place of the first of them. */
struct plain {
    struct er_entry *entry; /* NULL: none yet */
    struct er_operand *operands;
    size_t n; /* in the list */
};

static void add_plain(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                      struct plain *plain)
{
    if (plain->operands == NULL) {
        plain->operands = er_pattern_array(reader, plain->n, sizeof *plain->operands);
        if (plain->operands == NULL) {
            return;
        }
        plain->entry->operands = plain->operands;
        reader->result->tests++;
    }
    (void)er_read_plain_value(reader, value, place, plain->entry, &plain->operands[plain->entry->n++]);
}

void er_read_leaf(struct er_pattern_reader *reader, const struct er_json *list, const struct er_place *place,
                  struct er_pattern *node)
{
    struct er_problems *problems = reader->source->problems;
    struct plain plain = { 0 };
    struct er_entry *entries;
    size_t index = 0;

    for (const struct er_json *value = list->first; value != NULL; value = value->next) {
        plain.n += er_json_is_scalar(value);
    }
    entries = er_pattern_array(reader, list->n - plain.n + (plain.n > 0), sizeof *entries);
    if (entries == NULL) {
        return;
    }
    node->entries = entries;
    for (const struct er_json *value = list->first; value != NULL && !reader->no_memory; value = value->next, index++) {
        struct er_place at = er_place_index(place, index);

        if (er_json_is_scalar(value)) {
            plain.entry = plain.entry == NULL ? &entries[node->n_entries++] : plain.entry;
            add_plain(reader, value, &at, &plain);
        } else if (value->type == ER_JSON_OBJECT) {
            reader->result->tests++;
            er_read_operator(reader, value, &at, &entries[node->n_entries++]);
        } else {
            node->n_entries++;
            er_problems_add(problems, ER_E_RULE_TYPE, er_place_pointer(problems, &at), ER_NO_OFFSET,
                            "take the inner brackets away: arrays of the event are looked through",
                            "a list inside the list of a field accepts nothing");
        }
    }
}

/* numeric: bounds of a number, compared exactly. */
#include "rules/language/pattern_impl.h"

#include "rules/base/decimal.h"
#include <stdio.h>
#include "rules/base/suggest.h"
#include "rules/base/utf8.h"

enum relation { EQUAL, DIFFERENT, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL };

static const struct {
    const char *name;
    enum relation relation;
    bool other; /* as other languages write it: only for the hint */
} relations[] = {
    { "=", EQUAL, false },     { "!=", DIFFERENT, false },     { "<", LESS, false },       { "<=", LESS_EQUAL, false },
    { ">", GREATER, false },   { ">=", GREATER_EQUAL, false }, { "==", EQUAL, true },      { "===", EQUAL, true },
    { "<>", DIFFERENT, true }, { "!==", DIFFERENT, true },     { "=<", LESS_EQUAL, true }, { "=>", GREATER_EQUAL, true },
    { "eq", EQUAL, true },     { "ne", DIFFERENT, true },      { "lt", LESS, true },       { "lte", LESS_EQUAL, true },
    { "gt", GREATER, true },   { "gte", GREATER_EQUAL, true },
};

enum { RELATIONS = sizeof relations / sizeof relations[0] };

/* What has been read of the list. */
struct bounds {
    size_t pairs;
    bool low, high, alone; /* alone: = or != */
};

static void refuse(struct er_pattern_reader *reader, const struct er_place *place, const char *hint, const char *what)
{
    struct er_problems *problems = reader->source->problems;

    er_problems_add(problems, ER_E_PATTERN_NUMERIC, er_place_pointer(problems, place), ER_NO_OFFSET, hint, "%s", what);
}

static bool find_relation(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                          enum relation *out)
{
    static const char usual[] = "a comparison is one of = != < <= > >=";
    struct er_problems *problems = reader->source->problems;
    const char *meant = NULL;
    char hint[64];

    if (!er_pattern_expect(reader, value, ER_JSON_STRING, place, "a comparison in a string, such as \">=\"", usual)) {
        return false;
    }
    for (size_t i = 0; i < RELATIONS; i++) {
        if (er_str_eq(value->text, er_str_of(relations[i].name))) {
            *out = relations[i].relation;
            if (!relations[i].other) {
                return true;
            }
            meant = relations[*out].name;
        }
    }
    if (meant != NULL) {
        (void)snprintf(hint, sizeof hint, "did you mean \"%s\"?", meant);
    }
    er_problems_add(problems, ER_E_PATTERN_OPERATOR, er_place_pointer(problems, place), ER_NO_OFFSET, meant != NULL ? hint : usual,
                    "unknown comparison \"%.*s\"", ER_STR_ARG(er_utf8_cut(value->text, 120)));
    return false;
}

/* Adds one comparison to what is there; false when the two cannot stand together. */
static bool add(struct er_numeric *numeric, struct bounds *bounds, enum relation relation, struct er_str literal)
{
    bool low = relation == GREATER || relation == GREATER_EQUAL;
    bool alone = relation == EQUAL || relation == DIFFERENT;

    if (bounds->alone || (alone && bounds->pairs > 0) || (low && bounds->low) || (!low && !alone && bounds->high)) {
        return false;
    }
    bounds->pairs++;
    if (low || alone) {
        numeric->low = literal;
        numeric->low_included = relation != GREATER;
        numeric->different = relation == DIFFERENT;
    } else {
        numeric->high = literal;
        numeric->high_included = relation == LESS_EQUAL;
    }
    bounds->low = bounds->low || low;
    bounds->high = bounds->high || (!low && !alone);
    bounds->alone = alone;
    return true;
}

static bool is_empty(const struct er_numeric *numeric)
{
    struct er_decimal low = er_decimal_of(numeric->low), high = er_decimal_of(numeric->high);
    int order = er_decimal_compare(&low, &high);

    return order > 0 || (order == 0 && !(numeric->low_included && numeric->high_included));
}

/* Reads the pairs of the list; false after a problem. */
static bool read_pairs(struct er_pattern_reader *reader, const struct er_json *list, const struct er_place *place,
                       struct er_numeric *numeric, struct bounds *bounds)
{
    bool good = true, together = true;
    size_t index = 0;

    for (const struct er_json *name = list->first; name != NULL; name = name->next->next, index += 2) {
        struct er_place at = er_place_index(place, index), next = er_place_index(place, index + 1);
        enum relation relation = EQUAL;
        bool known = find_relation(reader, name, &at, &relation);

        if (name->next == NULL) {
            refuse(reader, place, "write pairs: [\">\", 0, \"<=\", 5]", "a comparison has no number after it");
            return false;
        }
        if (!er_pattern_expect(reader, name->next, ER_JSON_NUMBER, &next, "a number", "write it without quotes") || !known) {
            good = false;
        } else {
            together = add(numeric, bounds, relation, name->next->text) && together;
        }
    }
    if (!together) {
        refuse(reader, place, "give at most one lower bound (> >=) and one upper bound (< <=), or = or != alone",
               "these comparisons cannot stand together");
    }
    return good && together;
}

bool er_read_numeric(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                     struct er_entry *entry, struct er_operand *out)
{
    static const char usual[] = "write comparisons and numbers in turn: [\">\", 0, \"<=\", 5]";
    struct er_numeric numeric = { 0 };
    struct bounds bounds = { 0 };

    if (!er_pattern_expect(reader, value, ER_JSON_ARRAY, place, "a list", usual) ||
        !er_pattern_not_empty(reader, value, place, "numeric has an empty list", usual) ||
        !read_pairs(reader, value, place, &numeric, &bounds)) {
        return false;
    }
    if (bounds.low && bounds.high && is_empty(&numeric)) {
        refuse(reader, place, "correct the bounds", "no number lies between these bounds");
        return false;
    }
    numeric.low = numeric.low.n > 0 ? er_pattern_keep(reader, numeric.low) : numeric.low;
    numeric.high = numeric.high.n > 0 ? er_pattern_keep(reader, numeric.high) : numeric.high;
    out->type = ER_JSON_NUMBER;
    if (bounds.alone && !numeric.different) {
        entry->op = ER_OPERATOR_EQUALS;
        out->text = numeric.low;
    } else {
        out->numeric = numeric;
    }
    return true;
}

bool er_read_number(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                    struct er_entry *entry, struct er_operand *out)
{
    if (!er_pattern_expect(reader, value, ER_JSON_NUMBER, place, "a number",
                           "numeric inside anything-but takes a number or a list of numbers; for a range use $not")) {
        return false;
    }
    entry->op = ER_OPERATOR_EQUALS;
    out->type = ER_JSON_NUMBER;
    out->text = er_pattern_keep(reader, value->text);
    return true;
}

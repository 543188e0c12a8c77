/* prefix, suffix, equals-ignore-case, wildcard: one string. */
#include "rules/language/pattern_impl.h"

#include "rules/base/utf8.h"

bool er_read_string(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                    struct er_entry *entry, struct er_operand *out)
{
    bool affix = entry->op != ER_OPERATOR_EQUALS_IGNORE_CASE && entry->op != ER_OPERATOR_WILDCARD;

    if (!er_pattern_expect(reader, value, ER_JSON_STRING, place, "a string", NULL)) {
        return false;
    }
    out->type = ER_JSON_STRING;
    out->text = er_pattern_keep(reader, value->text);
    if (affix && value->text.n == 0 && reader->source->warnings != NULL) {
        er_problems_add(reader->source->warnings, ER_E_LINT_ALWAYS, er_place_pointer(reader->source->warnings, place), ER_NO_OFFSET,
                        "to ask whether the field is there, write {\"exists\": true}", "every string has the empty %s",
                        entry->op == ER_OPERATOR_PREFIX || entry->op == ER_OPERATOR_PREFIX_IGNORE_CASE ? "prefix" : "suffix");
    }
    return true;
}

bool er_read_wildcard(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                      struct er_entry *entry, struct er_operand *out)
{
    struct er_problems *problems = reader->source->problems;
    struct er_err err;
    enum er_code code;

    if (!er_read_string(reader, value, place, entry, out)) {
        return false;
    }
    code = er_wildcard_parse(reader->source->arena, value->text, &out->wildcard, &err);
    if (code == ER_E_NOMEM) {
        reader->no_memory = true;
    } else if (code != ER_OK) {
        er_problems_add(problems, code, er_place_pointer(problems, place), err.offset,
                        "write * for any run of characters, \\* for a star and \\\\ for a backslash; JSON doubles every backslash",
                        "%s", err.text);
    }
    return code == ER_OK;
}

/* regex, regexp: one PCRE2 pattern. The entries of a rule's member `regex` are compiled here too. */
#include "rules/language/pattern_impl.h"

static const char *hint_of(enum er_code code)
{
    switch ((int)code) {
    case ER_E_REGEX_FORBIDDEN:
        return "rewrite the regex without it; to match the text itself, escape it or put it between \\Q and \\E";
    case ER_E_REGEX_TOO_LONG:
        return "split the regex into several subscriptions";
    default:
        return "the syntax is PCRE2's; in JSON every backslash is written twice";
    }
}

struct er_regex *er_rule_regex(struct er_problems *problems, const struct er_rule_limits *limits, struct er_str text,
                               const struct er_place *place, bool *no_memory)
{
    struct er_regex *regex = NULL;
    struct er_err err;
    enum er_code code;

    if (text.n > limits->regex_bytes) {
        er_problems_add(problems, ER_E_REGEX_TOO_LONG, er_place_pointer(problems, place), ER_NO_OFFSET,
                        hint_of(ER_E_REGEX_TOO_LONG), "the regex has %zu bytes, at most %zu are allowed", text.n,
                        limits->regex_bytes);
        return NULL;
    }
    code = er_regex_compile(text, &regex, &err);
    if (code == ER_E_NOMEM) {
        *no_memory = true;
    } else if (code != ER_OK) {
        er_problems_add(problems, code, er_place_pointer(problems, place), err.offset, hint_of(code), "%s", err.text);
    }
    return regex;
}

/* Room for the reference of a rule's regex, doubled when full: the arena keeps what was outgrown, no more than the last one. */
static bool make_room(struct er_pattern_reader *reader)
{
    struct er_pattern_result *result = reader->result;
    size_t room = reader->regex_room == 0 ? 4 : reader->regex_room * 2;
    struct er_regex **regexes;

    if (result->n_regexes < reader->regex_room) {
        return true;
    }
    regexes = er_pattern_array(reader, room, sizeof(struct er_regex *));
    if (regexes == NULL) {
        return false;
    }
    if (result->n_regexes > 0) {
        memcpy(regexes, result->regexes, result->n_regexes * sizeof(struct er_regex *));
    }
    result->regexes = regexes;
    reader->regex_room = room;
    return true;
}

bool er_read_regex(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                   struct er_entry *entry, struct er_operand *out)
{
    const struct er_rule_limits *limits = reader->source->limits;

    (void)entry;
    if (!er_pattern_expect(reader, value, ER_JSON_STRING, place, "a regex in a string", NULL)) {
        return false;
    }
    /* A rule that is refused for its number of tests need not cost their compilation. */
    if (reader->result->tests > limits->tests || !make_room(reader)) {
        return false;
    }
    out->regex = er_rule_regex(reader->source->problems, limits, value->text, place, &reader->no_memory);
    if (out->regex == NULL) {
        return false;
    }
    reader->result->regexes[reader->result->n_regexes++] = out->regex;
    out->type = ER_JSON_STRING;
    out->text = er_regex_text(out->regex);
    return true;
}

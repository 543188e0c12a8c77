/* Rules of Amazon EventBridge: {"Name", "EventPattern", "State", ...} as put-rule and list-rules have them, or bare patterns. The dialect is
 * ours, but for what is noted. */
#include "admin/ctl_convert.h"

#include "rules/language/problem.h"

static bool has_plain_number(const struct er_json *value)
{
    for (const struct er_json *child = value->first; child != NULL; child = child->next) {
        if ((value->type == ER_JSON_ARRAY && child->type == ER_JSON_NUMBER && !er_str_eq(value->key, ER_STR("numeric"))) ||
            has_plain_number(child)) {
            return true;
        }
    }
    return false;
}

/* depth: of the keys above the value's members. */
static void note_exists(struct er_convert *convert, const struct er_json *value, struct er_str pointer, size_t depth)
{
    size_t index = 0;

    for (const struct er_json *child = value->first; child != NULL; child = child->next, index++) {
        if (value->type == ER_JSON_OBJECT) {
            note_exists(convert, child, er_pointer_push(convert->arena, pointer, child->key),
                        depth + !er_str_eq(child->key, ER_STR("$or")));
        } else if (er_json_member(child, ER_STR("exists")) != NULL) {
            er_convert_note(convert, ER_CONVERT_DIFFERS, pointer,
                            "\"exists\" also looks at objects and arrays here; EventBridge only at single values");
            if (er_json_member(child, ER_STR("exists"))->type == ER_JSON_FALSE && depth > 1) {
                er_convert_note(convert, ER_CONVERT_DIFFERS, pointer,
                                "of an array of objects, one without the field is enough here; EventBridge wants all without it");
            }
        } else if (child->type == ER_JSON_OBJECT) {
            note_exists(convert, child, er_pointer_push_index(convert->arena, pointer, index), depth); /* an alternative of $or */
        }
    }
}

/* EventPattern is JSON, or JSON in a string. */
static const struct er_json *read_pattern(struct er_convert *convert, const struct er_json *value)
{
    struct er_json *pattern;
    struct er_err err;

    if (value->type != ER_JSON_STRING) {
        return value;
    }
    if (er_json_parse(convert->arena, value->text, 200, &pattern, &err) != ER_OK) {
        er_convert_note(convert, ER_CONVERT_LOST, ER_STR("/EventPattern"), "%s", err.text);
        return NULL;
    }
    return pattern;
}

static void add_rule(struct er_convert *convert, const struct er_json *pattern, struct er_convert_rule *rule)
{
    struct er_buf text = { 0 };
    struct er_json_writer w;

    note_exists(convert, pattern, ER_STR("/pattern"), 0);
    if (has_plain_number(pattern)) {
        er_convert_note(convert, ER_CONVERT_DIFFERS, ER_STR("/pattern"),
                        "numbers are equal by value here (300 is 300.0); EventBridge compares how they are written");
    }
    er_jw_init(&w, &text);
    er_jw_json(&w, pattern);
    rule->pattern = er_convert_keep(convert, &text);
    er_convert_end(convert, rule);
}

static void convert_rule(struct er_convert *convert, const struct er_json *value, const char *place)
{
    const struct er_json *pattern = er_json_member(value, ER_STR("EventPattern"));
    struct er_str state = er_convert_text(value, "State");
    struct er_convert_rule rule = { .description = er_convert_text(value, "Description") };

    er_convert_begin(convert, place, er_convert_text(value, "Name"));
    rule.disabled = er_str_eq(state, ER_STR("DISABLED"));
    if (er_json_member(value, ER_STR("ScheduleExpression")) != NULL) {
        er_convert_note(convert, ER_CONVERT_LOST, ER_STR("/ScheduleExpression"),
                        "there are no schedules here: only events are routed");
    }
    if (pattern == NULL) {
        er_convert_note(convert, ER_CONVERT_LOST, ER_STR(""), "the rule has no EventPattern, so there is nothing to convert");
        return;
    }
    pattern = read_pattern(convert, pattern);
    if (pattern != NULL) {
        convert->lost_here = false; /* a schedule beside a pattern is a rule of its own */
        add_rule(convert, pattern, &rule);
    }
}

void er_convert_eventbridge(struct er_convert *convert, const struct er_json *value, const char *place)
{
    const struct er_json *rules = er_json_member(value, ER_STR("Rules"));

    if (rules != NULL && rules->type == ER_JSON_ARRAY && rules->n > 0 && rules->first->type == ER_JSON_OBJECT &&
        er_json_member(rules->first, ER_STR("Name")) != NULL) {
        for (const struct er_json *rule = rules->first; rule != NULL; rule = rule->next) {
            convert_rule(convert, rule, place);
        }
    } else if (er_json_member(value, ER_STR("EventPattern")) != NULL ||
               er_json_member(value, ER_STR("ScheduleExpression")) != NULL) {
        convert_rule(convert, value, place);
    } else {
        struct er_convert_rule rule = { .disabled = false };

        er_convert_begin(convert, place, ER_STR("rule"));
        add_rule(convert, value, &rule);
    }
}

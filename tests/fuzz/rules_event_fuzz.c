/* One event against a fixed rule set, in three forms. Whether it can be read, where it is wrong, its duplicate keys, its type and every
 * rule's answer must be what the document reader and a walk over its tree say. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "rules/base/json.h"
#include "rules/engine/match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_DEPTH 16

static const struct {
    const char *type; /* exact, or NULL */
    const char *path; /* keys joined by dots, or NULL */
    const char *regex;
} rules[] = {
    { "order", NULL, NULL },
    { NULL, "a", "^x1$" },
    { NULL, "a", "x" },
    { NULL, "a", "b$" },
    { NULL, "a.b", "[0-9]+z" },
    { NULL, "a.b", "^true$" },
    { NULL, "c.d.e", "long text" },
    { "order", "c.d", "lit[ae]ral" },
    { NULL, "type", "^o.*r" },
    { NULL, "a.a", "." },
    { "", "a", "^$" },
    { NULL, "b", "\xC3\xA9|\xE2\x82\xAC" },
};
#define RULES (sizeof rules / sizeof rules[0])

static struct er_ruleset *ruleset;
static struct er_matcher *matcher;
static struct er_regex *regexes[RULES];
static struct er_regex_scratch *scratch;

static void die(const char *what)
{
    (void)fprintf(stderr, "rules_event_fuzz: %s\n", what);
    abort();
}

static void write_rule(struct er_buf *buf, size_t i)
{
    struct er_json_writer w;
    char id[8];

    (void)snprintf(id, sizeof id, "r%02zu", i);
    er_jw_init(&w, buf);
    er_jw_object(&w);
    er_jw_member_string(&w, "id", er_str_of(id));
    er_jw_member_string(&w, "subscriber", ER_STR("s"));
    if (rules[i].type != NULL) {
        er_jw_key(&w, ER_STR("types"));
        er_jw_array(&w);
        er_jw_string(&w, er_str_of(rules[i].type));
        er_jw_end(&w);
    }
    if (rules[i].path != NULL) {
        er_jw_key(&w, ER_STR("regex"));
        er_jw_object(&w);
        er_jw_member_string(&w, rules[i].path, er_str_of(rules[i].regex));
        er_jw_end(&w);
    }
    er_jw_end(&w);
}

static struct er_rule *make_rule(struct er_arena *arena, size_t i)
{
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_problems problems;
    struct er_rule_source source = { 0 };
    struct er_buf buf = { 0 };
    struct er_json *tree;
    struct er_rule *rule;
    struct er_err err;

    er_problems_init(&problems, arena);
    write_rule(&buf, i);
    if (er_json_parse(arena, er_buf_str(&buf), 8, &tree, &err) != ER_OK) {
        die(err.text);
    }
    source.document = tree;
    if (er_rule_read(&source, &limits, &rule, &problems, NULL) != ER_OK) {
        die("bad rule");
    }
    er_buf_free(&buf);
    return rule;
}

/* Once, for all inputs. */
static void set_up(void)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_subscriber *subscriber = er_subscriber_new(ER_STR("s"), ER_STR("t"));
    struct er_rule *made[RULES];
    struct er_ruleset_change change = {
        .revision = 1, .put = made, .n_put = RULES, .put_subscribers = &subscriber, .n_put_subscribers = 1
    };
    struct er_arena *arena = er_arena_new(0);
    struct er_err err;

    options.max_depth = MAX_DEPTH;
    scratch = er_regex_scratch_new(&options.regex);
    for (size_t i = 0; i < RULES; i++) {
        made[i] = make_rule(arena, i);
        if (rules[i].regex != NULL && er_regex_compile(er_str_of(rules[i].regex), &regexes[i], &err) != ER_OK) {
            die(err.text);
        }
    }
    if (er_ruleset_new(&options, &ruleset, &err) != ER_OK || er_ruleset_prepare(ruleset, &change, &err) != ER_OK) {
        die(err.text);
    }
    er_ruleset_publish(ruleset);
    if (er_matcher_new(ruleset, &matcher, &err) != ER_OK) {
        die(err.text);
    }
    for (size_t i = 0; i < RULES; i++) {
        er_rule_unref(made[i]);
    }
    er_subscriber_unref(subscriber);
    er_arena_free(arena);
}

static size_t count_duplicates(const struct er_json *value)
{
    size_t n = value->duplicate;

    for (const struct er_json *child = value->first; child != NULL; child = child->next) {
        n += count_duplicates(child);
    }
    return n;
}

/* Does any scalar at the path match? keys: what is left of it. */
static bool any_matches(const struct er_json *value, const char *keys, struct er_regex *regex)
{
    if (value == NULL) {
        return false;
    }
    if (value->type == ER_JSON_ARRAY) {
        for (const struct er_json *child = value->first; child != NULL; child = child->next) {
            if (any_matches(child, keys, regex)) {
                return true;
            }
        }
        return false;
    }
    if (*keys != '\0') {
        const char *dot = strchr(keys, '.');
        size_t n = dot != NULL ? (size_t)(dot - keys) : strlen(keys);

        return any_matches(er_json_member(value, (struct er_str){ keys, n }), keys + n + (dot != NULL), regex);
    }
    switch (value->type) {
    case ER_JSON_STRING:
    case ER_JSON_NUMBER:
        return er_regex_search(regex, scratch, value->text) == ER_TRUE;
    case ER_JSON_TRUE:
        return er_regex_search(regex, scratch, ER_STR("true")) == ER_TRUE;
    case ER_JSON_FALSE:
        return er_regex_search(regex, scratch, ER_STR("false")) == ER_TRUE;
    case ER_JSON_NULL:
    case ER_JSON_ARRAY:
    case ER_JSON_OBJECT:
    default:
        return false;
    }
}

static struct er_str type_of(const struct er_json *event)
{
    const struct er_json *type = er_json_member(event, ER_STR("type"));

    return type != NULL && type->type == ER_JSON_STRING ? type->text : (struct er_str){ NULL, 0 };
}

static bool accepts(size_t i, const struct er_json *event, struct er_str type)
{
    er_regex_scratch_begin_event(scratch);
    return (rules[i].type == NULL || (type.p != NULL && er_str_eq(type, er_str_of(rules[i].type)))) &&
           (rules[i].path == NULL || any_matches(event, rules[i].path, regexes[i]));
}

static void compare_ids(const struct er_json *event, struct er_str type)
{
    size_t n, k = 0;
    const struct er_str *ids = er_matcher_matched_ids(matcher, &n);

    for (size_t i = 0; i < RULES; i++) {
        char id[8];

        (void)snprintf(id, sizeof id, "r%02zu", i);
        if (accepts(i, event, type)) {
            if (k == n || !er_str_eq(ids[k++], er_str_of(id))) {
                die("a rule that accepts the event is missing");
            }
        }
    }
    if (k != n) {
        die("a rule too many");
    }
}

static void compare(const struct er_record *record, const struct er_json *tree, enum er_code code, size_t offset)
{
    bool binary = record->n_headers > 0;
    struct er_match match;
    struct er_err err;

    er_matcher_pin(matcher);
    if (er_matcher_match(matcher, record, &match, &err) != code) {
        die("the readers do not agree whether it can be read");
    }
    if (code != ER_OK && err.offset != offset) {
        die("the readers do not agree where it is wrong");
    }
    if (code == ER_OK && match.duplicate_keys != count_duplicates(tree)) {
        die("duplicate keys are not counted right");
    }
    if (code == ER_OK && !binary) {
        struct er_str type = type_of(tree);

        if ((match.type.p == NULL) != (type.p == NULL) || !er_str_eq(match.type, type)) {
            die("another type");
        }
        compare_ids(tree, type);
    }
    er_matcher_unpin(matcher);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct er_header headers[] = { { .name = ER_STR("ce_specversion"), .value = ER_STR("1.0") },
                                         { .name = ER_STR("ce_type"), .value = ER_STR("order") },
                                         { .name = ER_STR("ce_a"), .value = ER_STR("x1") } };
    struct er_record record = { .topic = ER_STR("raw"), .value = { (const char *)data, size }, .has_value = true };
    struct er_arena *arena = er_arena_new(0);
    struct er_json *tree = NULL;
    struct er_err err = { .offset = ER_NO_OFFSET };
    enum er_code code;

    if (ruleset == NULL) {
        set_up();
    }
    code = er_json_parse(arena, record.value, MAX_DEPTH, &tree, &err);
    if (code == ER_OK && tree->type != ER_JSON_OBJECT) {
        code = ER_E_EVENT_NOT_OBJECT;
        err.offset = tree->offset;
    }
    compare(&record, tree, code, err.offset);
    record.headers = headers;
    record.n_headers = sizeof headers / sizeof headers[0];
    compare(&record, tree, code, err.offset);
    er_arena_free(arena);
    return 0;
}

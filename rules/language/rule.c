#define _GNU_SOURCE /* memmem: linear in the text */
#include "rules/language/rule.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "rules/base/suggest.h"
#include "rules/base/utf8.h"
#include "rules/language/pattern_impl.h"

/* What two rules that differ only in their id share. */
struct body {
    atomic_size_t refs;
    struct er_arena *arena;
    struct er_rule_regex *regexes;
    size_t n_regexes; /* that hold a reference */
    struct er_regex **pattern_regexes;
    size_t n_pattern_regexes;
};

struct rule {
    struct er_rule rule; /* first: a struct er_rule * is a struct rule * */
    atomic_size_t refs;
    struct body *body;
    char id[];
};

struct reader {
    const struct er_rule_source *source;
    const struct er_rule_limits *limits;
    struct er_problems *problems;
    struct er_problems *warnings;
    struct body *body;
    struct er_rule rule;  /* as far as read */
    bool has_subscriber;  /* the member is there, right or wrong */
    size_t regex_tests;   /* of `regex` */
    size_t pattern_tests; /* of `pattern` */
    bool no_memory;
};

typedef void read_member(struct reader *reader, const struct er_json *value, const struct er_place *at);

static read_member read_id, read_subscriber, read_description, read_types, read_regex, read_pattern, read_labels, read_enabled;

static const struct {
    const char *name;
    read_member *read; /* NULL: the server's own */
} members[] = {
    { "id", read_id },
    { "subscriber", read_subscriber },
    { "description", read_description },
    { "types", read_types },
    { "regex", read_regex },
    { "pattern", read_pattern },
    { "labels", read_labels },
    { "enabled", read_enabled },
    { "revision", NULL },
    { "created_at", NULL },
    { "updated_at", NULL },
    { "status", NULL },
};
enum { MEMBERS = sizeof members / sizeof members[0], WRITABLE = 8 };

/* Levels of a document that an event does not have: the subscription, and below a field its list, an operator, anything-but's operator
 * and its list; $or and $and add two each. */
enum { OWN_LEVELS = 6, NESTING = 64 };

struct er_rule_limits er_rule_default_limits(void)
{
    struct er_rule_limits limits = {
        .document_bytes = 65536, .nesting = NESTING, .branches = 1024, .tests = 256, .regex_bytes = ER_REGEX_MAX_BYTES
    };

    er_rule_limits_set_event_depth(&limits, 128);
    return limits;
}

void er_rule_limits_set_event_depth(struct er_rule_limits *limits, size_t event_depth)
{
    limits->event_depth = event_depth;
    limits->max_depth = event_depth + 2 * limits->nesting + OWN_LEVELS;
}

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool name_valid(struct er_str name, bool upper_allowed)
{
    if (name.n == 0 || name.n > 100) {
        return false;
    }
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!is_lower_or_digit(c) && !(upper_allowed && c >= 'A' && c <= 'Z') && !(i > 0 && (c == '.' || c == '_' || c == '-'))) {
            return false;
        }
    }
    return true;
}

bool er_rule_id_valid(struct er_str id)
{
    return name_valid(id, false);
}

bool er_subscriber_id_valid(struct er_str id)
{
    return name_valid(id, true);
}

/* For a problem. */
static struct er_str pointer_of(const struct reader *reader, const struct er_place *at)
{
    return er_place_pointer(reader->problems, at);
}

static struct er_str keep(struct reader *reader, struct er_str s)
{
    struct er_str copy = er_arena_dup(reader->body->arena, s);

    reader->no_memory = reader->no_memory || copy.p == NULL;
    return copy;
}

static void *keep_array(struct reader *reader, size_t count, size_t size)
{
    void *p = er_arena_calloc(reader->body->arena, count, size);

    reader->no_memory = reader->no_memory || p == NULL;
    return p;
}

/* Is value of that type? Otherwise says so. */
static bool expect(struct reader *reader, const struct er_json *value, enum er_json_type type, const struct er_place *at,
                   const char *what)
{
    if (value->type == type) {
        return true;
    }
    if (value->type == ER_JSON_NULL) {
        er_problems_add(reader->problems, ER_E_RULE_TYPE, pointer_of(reader, at), ER_NO_OFFSET, "leave the member out instead",
                        "null is not allowed here, expected %s", what);
    } else {
        er_problems_add(reader->problems, ER_E_RULE_TYPE, pointer_of(reader, at), ER_NO_OFFSET, NULL, "expected %s, found %s", what,
                        er_json_kind(value));
    }
    return false;
}

static void read_name(struct reader *reader, const struct er_json *value, const struct er_place *at, bool upper_allowed,
                      struct er_str *out)
{
    if (!expect(reader, value, ER_JSON_STRING, at, "a string")) {
        return;
    }
    if (!name_valid(value->text, upper_allowed)) {
        er_problems_add(reader->problems, ER_E_RULE_ID, pointer_of(reader, at), ER_NO_OFFSET,
                        upper_allowed ? "use 1 to 100 letters, digits, '.', '_', '-', starting with a letter or digit"
                                      : "use 1 to 100 lower-case letters, digits, '.', '_', '-', starting with a letter or digit",
                        "\"%.*s\" is not a legal %s", ER_STR_ARG(er_utf8_cut(value->text, 120)),
                        upper_allowed ? "subscriber" : "id");
        return;
    }
    *out = keep(reader, value->text);
}

static void read_id(struct reader *reader, const struct er_json *value, const struct er_place *at)
{
    read_name(reader, value, at, false, &reader->rule.id);
}

static void read_subscriber(struct reader *reader, const struct er_json *value, const struct er_place *at)
{
    reader->has_subscriber = true;
    read_name(reader, value, at, true, &reader->rule.subscriber);
}

static void read_description(struct reader *reader, const struct er_json *value, const struct er_place *at)
{
    if (expect(reader, value, ER_JSON_STRING, at, "a string")) {
        reader->rule.description = keep(reader, value->text);
        reader->rule.has_description = true;
    }
}

static void read_enabled(struct reader *reader, const struct er_json *value, const struct er_place *at)
{
    if (value->type == ER_JSON_TRUE || expect(reader, value, ER_JSON_FALSE, at, "true or false")) {
        reader->rule.enabled = value->type == ER_JSON_TRUE;
    }
}

static bool not_empty(struct reader *reader, const struct er_json *value, const struct er_place *at, const char *what)
{
    if (value->n == 0) {
        er_problems_add(reader->problems, ER_E_RULE_EMPTY, pointer_of(reader, at), ER_NO_OFFSET,
                        "leave the member out to accept every event", "%s is empty", what);
    }
    return value->n > 0;
}

static void read_types(struct reader *reader, const struct er_json *value, const struct er_place *at)
{
    struct er_str *types;
    size_t i = 0;

    if (!expect(reader, value, ER_JSON_ARRAY, at, "an array of strings") || !not_empty(reader, value, at, "types")) {
        return;
    }
    types = keep_array(reader, value->n, sizeof *types);
    if (types == NULL) {
        return;
    }
    for (const struct er_json *entry = value->first; entry != NULL; entry = entry->next, i++) {
        if (entry->type == ER_JSON_STRING) {
            types[i] = keep(reader, entry->text);
        } else {
            struct er_place place = er_place_index(at, i);

            (void)expect(reader, entry, ER_JSON_STRING, &place, "a string");
        }
    }
    reader->rule.has_types = true;
    reader->rule.types = types;
    reader->rule.n_types = value->n;
}

static const char path_hint[] = "join keys with dots, and put a key that holds a dot or a quote in quotes";

static void read_one_regex(struct reader *reader, const struct er_json *value, const struct er_place *at)
{
    struct er_rule_regex *entry = &reader->body->regexes[reader->body->n_regexes];
    struct er_err err;
    enum er_code code = er_path_parse(reader->body->arena, value->key, &entry->path, &err);

    if (code == ER_E_NOMEM) {
        reader->no_memory = true;
    } else if (code != ER_OK) {
        er_problems_add(reader->problems, code, pointer_of(reader, at), ER_NO_OFFSET, code == ER_E_PATH_SYNTAX ? path_hint : NULL,
                        "%s", err.text);
    }
    if (!expect(reader, value, ER_JSON_STRING, at, "a regex in a string")) {
        return;
    }
    entry->regex = er_rule_regex(reader->problems, reader->limits, value->text, at, &reader->no_memory);
    if (entry->regex != NULL && code == ER_OK) {
        entry->path_text = keep(reader, value->key);
        reader->body->n_regexes++;
    } else {
        er_regex_unref(entry->regex);
    }
}

static int compare_regexes(const void *a, const void *b)
{
    return er_str_cmp(((const struct er_rule_regex *)a)->path_text, ((const struct er_rule_regex *)b)->path_text);
}

static void read_regex(struct reader *reader, const struct er_json *value, const struct er_place *at)
{
    if (!expect(reader, value, ER_JSON_OBJECT, at, "an object of path and regex") || !not_empty(reader, value, at, "regex")) {
        return;
    }
    reader->regex_tests = value->n;
    if (value->n > reader->limits->tests) {
        er_problems_add(reader->problems, ER_E_RULE_LIMIT, pointer_of(reader, at), ER_NO_OFFSET,
                        "split the rule into several subscriptions", "the rule has %zu tests, at most %zu are allowed", value->n,
                        reader->limits->tests);
        return;
    }
    reader->body->regexes = keep_array(reader, value->n, sizeof *reader->body->regexes);
    if (reader->body->regexes == NULL) {
        return;
    }
    for (const struct er_json *entry = value->first; entry != NULL; entry = entry->next) {
        struct er_place place = er_place_key(at, entry->key);

        if (!entry->duplicate) {
            read_one_regex(reader, entry, &place);
        }
    }
    qsort(reader->body->regexes, reader->body->n_regexes, sizeof *reader->body->regexes, compare_regexes);
    reader->rule.regexes = reader->body->regexes;
    reader->rule.n_regexes = reader->body->n_regexes;
}

static void read_pattern(struct reader *reader, const struct er_json *value, const struct er_place *at)
{
    struct er_pattern_source source = {
        value, at, reader->limits, reader->body->arena, reader->problems, reader->warnings, reader->source->for_matching
    };
    struct er_pattern_result result;

    if (!expect(reader, value, ER_JSON_OBJECT, at, "an object") || !not_empty(reader, value, at, "pattern")) {
        return;
    }
    if (er_pattern_read(&source, &result) == ER_E_NOMEM) {
        reader->no_memory = true;
    }
    reader->body->pattern_regexes = result.regexes;
    reader->body->n_pattern_regexes = result.n_regexes;
    reader->pattern_tests = result.tests;
    reader->rule.pattern = result.pattern;
    reader->rule.pattern_text = result.text;
}

static int compare_labels(const void *a, const void *b)
{
    return er_str_cmp(((const struct er_label *)a)->key, ((const struct er_label *)b)->key);
}

static void read_labels(struct reader *reader, const struct er_json *value, const struct er_place *at)
{
    struct er_label *labels;
    size_t n = 0;

    if (!expect(reader, value, ER_JSON_OBJECT, at, "an object of strings")) {
        return;
    }
    labels = keep_array(reader, value->n, sizeof *labels);
    if (labels == NULL) {
        return;
    }
    for (const struct er_json *entry = value->first; entry != NULL; entry = entry->next) {
        struct er_place place = er_place_key(at, entry->key);

        if (!entry->duplicate && expect(reader, entry, ER_JSON_STRING, &place, "a string")) {
            labels[n++] = (struct er_label){ keep(reader, entry->key), keep(reader, entry->text) };
        }
    }
    if (n > 0) {
        qsort(labels, n, sizeof *labels, compare_labels);
    }
    reader->rule.labels = labels;
    reader->rule.n_labels = n;
}

/* Depth is bounded by the parser. */
static void report_duplicates(struct reader *reader, const struct er_json *value, const struct er_place *place)
{
    size_t index = 0;

    for (const struct er_json *child = value->first; child != NULL; child = child->next, index++) {
        struct er_place at = value->type == ER_JSON_OBJECT ? er_place_key(place, child->key) : er_place_index(place, index);

        if (child->duplicate) {
            er_problems_add(reader->problems, ER_E_JSON_DUPLICATE_KEY, er_place_pointer(reader->problems, &at), ER_NO_OFFSET,
                            "keep one of them", "the key \"%.*s\" is there twice", ER_STR_ARG(er_utf8_cut(child->key, 120)));
        }
        report_duplicates(reader, child, &at);
    }
}

static void unknown_member(struct reader *reader, const struct er_json *value, const struct er_place *at)
{
    const char *names[WRITABLE];
    const char *nearest;
    char hint[64];

    for (size_t i = 0; i < WRITABLE; i++) {
        names[i] = members[i].name;
    }
    nearest = er_suggest(value->key, names, WRITABLE);
    if (nearest != NULL) {
        (void)snprintf(hint, sizeof hint, "did you mean \"%s\"?", nearest);
    }
    er_problems_add(reader->problems, ER_E_RULE_UNKNOWN_MEMBER, pointer_of(reader, at), ER_NO_OFFSET,
                    nearest != NULL ? hint
                                    : "a subscription has id, subscriber, description, types, regex, pattern, labels and enabled",
                    "unknown member \"%.*s\"", ER_STR_ARG(er_utf8_cut(value->key, 120)));
}

static void read_one_member(struct reader *reader, const struct er_json *value)
{
    struct er_place document = er_place_of(reader->source->pointer), place = er_place_key(&document, value->key);
    const struct er_place *at = &place;
    size_t i = 0;

    while (i < MEMBERS && !er_str_eq(value->key, er_str_of(members[i].name))) {
        i++;
    }
    if (value->duplicate) {
        er_problems_add(reader->problems, ER_E_JSON_DUPLICATE_KEY, pointer_of(reader, at), ER_NO_OFFSET, "keep one of them",
                        "the key \"%.*s\" is there twice", ER_STR_ARG(er_utf8_cut(value->key, 120)));
        return;
    }
    if (i < WRITABLE) {
        members[i].read(reader, value, at);
    } else if (i == MEMBERS) {
        unknown_member(reader, value, at);
    } else if (reader->warnings != NULL) {
        er_problems_add(reader->warnings, ER_E_RULE_READ_ONLY, er_place_pointer(reader->warnings, at), ER_NO_OFFSET, "leave it out",
                        "\"%s\" is set by the server and was ignored", members[i].name);
    }
    if (i < WRITABLE || i == MEMBERS) {
        report_duplicates(reader, value, at);
    }
}

/* Each part alone was checked when it was read. */
static void check_tests(struct reader *reader)
{
    size_t most = reader->limits->tests;

    if (reader->regex_tests <= most && reader->pattern_tests <= most && reader->regex_tests + reader->pattern_tests > most) {
        er_problems_add(reader->problems, ER_E_RULE_LIMIT, reader->source->pointer, ER_NO_OFFSET,
                        "split the rule into several subscriptions",
                        "the rule has %zu tests (%zu in regex, %zu in pattern), at most %zu are allowed",
                        reader->regex_tests + reader->pattern_tests, reader->regex_tests, reader->pattern_tests, most);
    }
}

static void read_document(struct reader *reader)
{
    const struct er_json *document = reader->source->document;
    struct er_str pointer = reader->source->pointer;

    if (reader->source->document_bytes > reader->limits->document_bytes) {
        er_problems_add(reader->problems, ER_E_RULE_TOO_LARGE, pointer, ER_NO_OFFSET, "split it into several subscriptions",
                        "the document has %zu bytes, at most %zu are allowed", reader->source->document_bytes,
                        reader->limits->document_bytes);
        return;
    }
    if (document->type != ER_JSON_OBJECT) {
        er_problems_add(reader->problems, ER_E_RULE_NOT_OBJECT, pointer, ER_NO_OFFSET, NULL,
                        "a subscription is a JSON object, found %s", er_json_type_name(document->type));
        return;
    }
    for (const struct er_json *member = document->first; member != NULL; member = member->next) {
        read_one_member(reader, member);
    }
    check_tests(reader);
    if (!reader->has_subscriber && reader->source->default_subscriber.n > 0) {
        reader->rule.subscriber = keep(reader, reader->source->default_subscriber);
    } else if (!reader->has_subscriber) {
        er_problems_add(reader->problems, ER_E_RULE_REQUIRED, pointer, ER_NO_OFFSET, "add \"subscriber\": the name of the receiver",
                        "the member \"subscriber\" is missing");
    }
    if (reader->rule.id.n == 0) {
        reader->rule.id = reader->source->default_id;
    }
}

static void body_unref(struct body *body)
{
    if (atomic_fetch_sub_explicit(&body->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < body->n_regexes; i++) {
        er_regex_unref(body->regexes[i].regex);
    }
    for (size_t i = 0; i < body->n_pattern_regexes; i++) {
        er_regex_unref(body->pattern_regexes[i]);
    }
    er_arena_free(body->arena);
    free(body);
}

static struct body *body_new(void)
{
    struct body *body = calloc(1, sizeof *body);

    if (body == NULL) {
        return NULL;
    }
    body->arena = er_arena_new(512);
    if (body->arena == NULL) {
        free(body);
        return NULL;
    }
    atomic_init(&body->refs, 1);
    return body;
}

/* Takes the reference on body, also when there is no memory. */
static struct er_rule *rule_new(struct body *body, const struct er_rule *content, struct er_str id)
{
    struct rule *rule = malloc(sizeof *rule + id.n + 1);

    if (rule == NULL) {
        body_unref(body);
        return NULL;
    }
    rule->rule = *content;
    atomic_init(&rule->refs, 1);
    rule->body = body;
    if (id.n > 0) {
        memcpy(rule->id, id.p, id.n);
    }
    rule->id[id.n] = '\0';
    rule->rule.id = (struct er_str){ rule->id, id.n };
    return &rule->rule;
}

enum er_code er_rule_read(const struct er_rule_source *source, const struct er_rule_limits *limits, struct er_rule **out,
                          struct er_problems *problems, struct er_problems *warnings)
{
    struct reader reader = { .source = source, .limits = limits, .problems = problems, .warnings = warnings };
    struct er_problem **first_problem = problems->end;
    size_t total_before = problems->total;

    *out = NULL;
    reader.body = body_new();
    if (reader.body == NULL) {
        return ER_E_NOMEM;
    }
    reader.rule.enabled = true;
    read_document(&reader);
    if (reader.no_memory || problems->no_memory) {
        body_unref(reader.body);
        return ER_E_NOMEM;
    }
    if (problems->total > total_before) {
        body_unref(reader.body);
        return *first_problem != NULL ? (*first_problem)->code : ER_E_RULE_LIMIT;
    }
    *out = rule_new(reader.body, &reader.rule, reader.rule.id);
    return *out == NULL ? ER_E_NOMEM : ER_OK;
}

struct er_rule *er_rule_with_id(const struct er_rule *rule, struct er_str id)
{
    struct body *body = ((const struct rule *)(const void *)rule)->body;

    atomic_fetch_add_explicit(&body->refs, 1, memory_order_relaxed);
    return rule_new(body, rule, id);
}

struct er_rule *er_rule_ref(struct er_rule *rule)
{
    atomic_fetch_add_explicit(&((struct rule *)(void *)rule)->refs, 1, memory_order_relaxed);
    return rule;
}

void er_rule_unref(struct er_rule *rule)
{
    struct rule *whole = (struct rule *)(void *)rule;

    if (whole != NULL && atomic_fetch_sub_explicit(&whole->refs, 1, memory_order_acq_rel) == 1) {
        body_unref(whole->body);
        free(whole);
    }
}

void er_rule_write_members(const struct er_rule *rule, struct er_json_writer *w)
{
    er_jw_member_string(w, "id", rule->id);
    er_jw_member_string(w, "subscriber", rule->subscriber);
    if (rule->has_description) {
        er_jw_member_string(w, "description", rule->description);
    }
    if (rule->has_types) {
        er_jw_member_strings(w, "types", rule->types, rule->n_types);
    }
    if (rule->n_regexes > 0) {
        er_jw_key(w, ER_STR("regex"));
        er_jw_object(w);
        for (size_t i = 0; i < rule->n_regexes; i++) {
            er_jw_key(w, rule->regexes[i].path_text);
            er_jw_string(w, er_regex_text(rule->regexes[i].regex));
        }
        er_jw_end(w);
    }
    if (rule->pattern != NULL) {
        er_jw_key(w, ER_STR("pattern"));
        er_jw_raw(w, rule->pattern_text);
    }
    if (rule->n_labels > 0) {
        er_jw_key(w, ER_STR("labels"));
        er_jw_object(w);
        for (size_t i = 0; i < rule->n_labels; i++) {
            er_jw_key(w, rule->labels[i].key);
            er_jw_string(w, rule->labels[i].value);
        }
        er_jw_end(w);
    }
    er_jw_member_bool(w, "enabled", rule->enabled);
}

/* Is type what is left of the glob after its first star? The parts between stars are looked for from left to right: the leftmost
 * place leaves most room for the rest. The last part must end the type. */
static bool match_after_star(struct er_str glob, struct er_str type)
{
    while (glob.n > 0) {
        const char *star = memchr(glob.p, '*', glob.n);
        size_t part = star == NULL ? glob.n : (size_t)(star - glob.p);
        const char *found;

        if (star == NULL) {
            return type.n >= part && memcmp(type.p + (type.n - part), glob.p, part) == 0;
        }
        if (part > 0) {
            found = type.n == 0 ? NULL : memmem(type.p, type.n, glob.p, part);
            if (found == NULL) {
                return false;
            }
            type = (struct er_str){ found + part, type.n - part - (size_t)(found - type.p) };
        }
        glob = (struct er_str){ star + 1, glob.n - part - 1 };
    }
    return true;
}

bool er_type_glob_match(struct er_str glob, struct er_str type)
{
    const char *star = glob.n == 0 ? NULL : memchr(glob.p, '*', glob.n);
    size_t prefix = star == NULL ? glob.n : (size_t)(star - glob.p);

    if (star == NULL) {
        return er_str_eq(glob, type);
    }
    if (type.n < prefix || (prefix > 0 && memcmp(type.p, glob.p, prefix) != 0)) {
        return false;
    }
    return match_after_star((struct er_str){ star + 1, glob.n - prefix - 1 },
                            (struct er_str){ type.n == 0 ? "" : type.p + prefix, type.n - prefix });
}

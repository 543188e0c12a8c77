#include "rules/language/pattern.h"

#include <stdio.h>
#include "rules/base/suggest.h"
#include "rules/base/utf8.h"
#include "rules/language/pattern_impl.h"

/* Where the keys of an object lead. */
enum where {
    AT_EVENT,  /* the event itself: $kafka is reserved */
    IN_EVENT,  /* an object below it */
    IN_KAFKA,  /* the fields of the envelope */
    IN_HEADERS /* names of headers */
};

/* One object of the pattern. */
struct scope {
    enum where where;
    size_t depth;   /* of the event's object that it mirrors; the event is 1 */
    size_t nesting; /* $or, $and and $not around it */
    const struct er_place *place;
};

/* How many branches a node has in disjunctive normal form: as it stands, and negated. */
struct branches {
    size_t yes, no;
};

enum { MOST = 1 << 30 }; /* where counting stops */

static const struct branches one_branch = { 1, 1 };

static size_t add_up(size_t a, size_t b)
{
    return a + b < MOST ? a + b : MOST;
}

static size_t multiply(size_t a, size_t b)
{
    return a > MOST / b ? MOST : a * b;
}

/* De Morgan: what multiplies as it stands adds up when negated. */
static struct branches all_of(struct branches a, struct branches b)
{
    return (struct branches){ multiply(a.yes, b.yes), add_up(a.no, b.no) };
}

static struct branches any_of(struct branches a, struct branches b)
{
    return (struct branches){ add_up(a.yes, b.yes), multiply(a.no, b.no) };
}

/* ---- helpers */

const char *er_json_kind(const struct er_json *value)
{
    return value->type == ER_JSON_TRUE    ? "the boolean true"
           : value->type == ER_JSON_FALSE ? "the boolean false"
                                          : er_json_type_name(value->type);
}

bool er_pattern_expect(struct er_pattern_reader *reader, const struct er_json *value, enum er_json_type type,
                       const struct er_place *place, const char *what, const char *hint)
{
    struct er_problems *problems = reader->source->problems;

    if (value->type != type) {
        er_problems_add(problems, ER_E_RULE_TYPE, er_place_pointer(problems, place), ER_NO_OFFSET, hint, "expected %s, found %s",
                        what, er_json_kind(value));
    }
    return value->type == type;
}

bool er_pattern_not_empty(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                          const char *detail, const char *hint)
{
    struct er_problems *problems = reader->source->problems;

    if (value->n == 0) {
        er_problems_add(problems, ER_E_RULE_EMPTY, er_place_pointer(problems, place), ER_NO_OFFSET, hint, "%s", detail);
    }
    return value->n > 0;
}

struct er_str er_pattern_keep(struct er_pattern_reader *reader, struct er_str s)
{
    struct er_str copy = er_arena_dup(reader->source->arena, s);

    reader->no_memory = reader->no_memory || copy.p == NULL;
    return copy;
}

void *er_pattern_array(struct er_pattern_reader *reader, size_t count, size_t size)
{
    void *p = er_arena_calloc(reader->source->arena, count, size);

    reader->no_memory = reader->no_memory || p == NULL;
    return p;
}

/* "/key"; *decoded gets the key, sharing its bytes where it can. */
static struct er_str step_of(struct er_pattern_reader *reader, struct er_str key, struct er_str *decoded)
{
    struct er_str step = er_pointer_push(reader->source->arena, (struct er_str){ "", 0 }, key);

    reader->no_memory = reader->no_memory || step.n == 0;
    if (step.n == key.n + 1) {
        *decoded = (struct er_str){ step.p + 1, key.n };
    } else {
        *decoded = er_pattern_keep(reader, key);
    }
    return step;
}

static struct er_pattern *new_children(struct er_pattern_reader *reader, struct er_pattern *parent, size_t n)
{
    struct er_pattern *children = er_pattern_array(reader, n, sizeof *children);

    for (size_t i = 0; children != NULL && i < n; i++) {
        children[i].parent = parent;
    }
    parent->children = children;
    parent->n_children = children == NULL ? 0 : n;
    return children;
}

static void limit(struct er_pattern_reader *reader, const struct er_place *place, const char *hint, const char *what, size_t most)
{
    struct er_problems *problems = reader->source->problems;

    er_problems_add(problems, ER_E_RULE_LIMIT, er_place_pointer(problems, place), ER_NO_OFFSET, hint, "%s, at most %zu are allowed",
                    what, most);
}

/* ---- the tree */

static struct branches read_object(struct er_pattern_reader *reader, const struct er_json *value, const struct scope *scope,
                                   struct er_pattern *node);

static const char leaf_hint[] =
    "a field takes a list of what it may be, [\"x\"], or an object that goes further down, {\"key\": [\"x\"]}";

/* A field that can only be a leaf: of the envelope. */
static void read_list(struct er_pattern_reader *reader, const struct er_json *value, const struct er_place *place,
                      struct er_pattern *node)
{
    node->kind = ER_PATTERN_LEAF;
    if (er_pattern_not_empty(
            reader, value, place, "the list of the field is empty, so it accepts nothing",
            "name a value, or {\"exists\": false} for an absent field; to accept everything leave the field out")) {
        er_read_leaf(reader, value, place, node);
    }
}

static struct branches read_field(struct er_pattern_reader *reader, const struct er_json *value, const struct scope *scope,
                                  struct er_pattern *node)
{
    struct scope below = { IN_EVENT, scope->depth + 1, scope->nesting, scope->place };
    struct er_pattern *child;

    node->step = step_of(reader, value->key, &node->key);
    if (value->type == ER_JSON_ARRAY) {
        read_list(reader, value, scope->place, node);
        return one_branch;
    }
    if (value->type == ER_JSON_NULL) {
        (void)er_pattern_expect(reader, value, ER_JSON_ARRAY, scope->place, "a list or an object",
                                "for a field that is null write [null], for an absent one [{\"exists\": false}]");
        return one_branch;
    }
    if (value->type != ER_JSON_OBJECT) {
        (void)er_pattern_expect(reader, value, ER_JSON_ARRAY, scope->place, "a list or an object", leaf_hint);
        return one_branch;
    }
    node->kind = ER_PATTERN_WITHIN;
    child = new_children(reader, node, 1);
    if (child == NULL) {
        return one_branch;
    }
    if (value->n > 0 && below.depth > reader->source->limits->event_depth) {
        limit(reader, scope->place, "no event can be that deep, see event.max_depth", "the pattern is nested too deep for an event",
              reader->source->limits->event_depth);
        return one_branch;
    }
    return read_object(reader, value, &below, child);
}

/* ---- the envelope */

static const struct {
    const char *name;
    enum er_path_root root;
} envelope_fields[] = {
    { "topic", ER_PATH_KAFKA_TOPIC },         { "partition", ER_PATH_KAFKA_PARTITION }, { "key", ER_PATH_KAFKA_KEY },
    { "timestamp", ER_PATH_KAFKA_TIMESTAMP }, { "headers", ER_PATH_KAFKA_HEADER },
};
enum { ENVELOPE_FIELDS = sizeof envelope_fields / sizeof envelope_fields[0] };

static void unknown_envelope_field(struct er_pattern_reader *reader, struct er_str key, const struct er_place *place)
{
    struct er_problems *problems = reader->source->problems;
    const char *names[ENVELOPE_FIELDS];
    const char *nearest;
    char hint[64];

    for (size_t i = 0; i < ENVELOPE_FIELDS; i++) {
        names[i] = envelope_fields[i].name;
    }
    nearest = er_suggest(key, names, ENVELOPE_FIELDS);
    if (nearest != NULL) {
        (void)snprintf(hint, sizeof hint, "did you mean \"%s\"?", nearest);
    }
    er_problems_add(problems, ER_E_PATH_RESERVED, er_place_pointer(problems, place), ER_NO_OFFSET,
                    nearest != NULL ? hint : "$kafka has topic, partition, key, timestamp and headers",
                    "unknown field \"%.*s\" of $kafka", ER_STR_ARG(er_utf8_cut(key, 120)));
}

/* topic, partition, key, timestamp, or the value of one header: nothing is below them. */
static struct branches read_envelope_leaf(struct er_pattern_reader *reader, const struct er_json *value,
                                          const struct er_place *place, struct er_pattern *node)
{
    struct er_problems *problems = reader->source->problems;

    if (value->type == ER_JSON_OBJECT) {
        er_problems_add(problems, ER_E_PATH_RESERVED, er_place_pointer(problems, place), ER_NO_OFFSET,
                        "write a list of what it may be, [\"x\"]", "a field of $kafka has no fields below it");
    } else if (er_pattern_expect(reader, value, ER_JSON_ARRAY, place, "a list", "write a list of what it may be, [\"x\"]")) {
        read_list(reader, value, place, node);
    }
    return one_branch;
}

/* "$kafka" and "headers": an object of fields, read as part of the object around it. */
static struct branches read_group(struct er_pattern_reader *reader, const struct er_json *value, const struct scope *scope,
                                  struct er_pattern *node)
{
    struct er_problems *problems = reader->source->problems;
    bool kafka = scope->where == IN_KAFKA;
    struct er_str key;

    node->step = step_of(reader, value->key, &key);
    if (value->type != ER_JSON_OBJECT) {
        er_problems_add(
            problems, ER_E_PATH_RESERVED, er_place_pointer(problems, scope->place), ER_NO_OFFSET,
            kafka ? "name a field: {\"$kafka\": {\"topic\": [\"x\"]}}; it has topic, partition, key, timestamp and headers"
                  : "name a header: {\"headers\": {\"NAME\": [\"x\"]}}",
            "%s alone is no field", kafka ? "$kafka" : "headers");
        return one_branch;
    }
    return read_object(reader, value, scope, node);
}

static struct branches read_envelope_field(struct er_pattern_reader *reader, const struct er_json *value, const struct scope *scope,
                                           struct er_pattern *node)
{
    struct scope headers = { IN_HEADERS, scope->depth, scope->nesting, scope->place };
    struct er_str key;

    for (size_t i = 0; i < ENVELOPE_FIELDS; i++) {
        if (!er_str_eq(value->key, er_str_of(envelope_fields[i].name))) {
            continue;
        }
        if (envelope_fields[i].root == ER_PATH_KAFKA_HEADER) {
            return read_group(reader, value, &headers, node);
        }
        node->root = envelope_fields[i].root;
        node->step = step_of(reader, value->key, &key);
        return read_envelope_leaf(reader, value, scope->place, node);
    }
    unknown_envelope_field(reader, value->key, scope->place);
    return one_branch;
}

/* ---- $or, $and, $not */

/* One element of the list of $or or $and, or the object of $not. */
static struct branches read_part(struct er_pattern_reader *reader, const struct er_json *value, const struct scope *scope,
                                 struct er_pattern *node)
{
    static const char hint[] = "write a pattern in braces: {\"field\": [\"x\"]}";

    if (!er_pattern_expect(reader, value, ER_JSON_OBJECT, scope->place, "a pattern", hint)) {
        return one_branch;
    }
    return read_object(reader, value, scope, node);
}

static struct branches read_parts(struct er_pattern_reader *reader, const struct er_json *list, const struct scope *scope,
                                  struct er_pattern *node)
{
    struct er_problems *problems = reader->source->problems;
    struct branches sum = one_branch;
    struct er_pattern *children;
    bool any = node->kind == ER_PATTERN_ANY;
    size_t i = 0;

    if (!er_pattern_expect(reader, list, ER_JSON_ARRAY, scope->place, "a list of patterns", "write [{...}, {...}]") ||
        !er_pattern_not_empty(reader, list, scope->place, "the list of patterns is empty", "write [{...}, {...}]")) {
        return one_branch;
    }
    if (any && list->n == 1) {
        er_problems_add(problems, ER_E_PATTERN_SHAPE, er_place_pointer(problems, scope->place), ER_NO_OFFSET,
                        "add another pattern, or write the only one without $or", "$or takes two or more patterns");
    }
    children = new_children(reader, node, list->n);
    if (children == NULL) {
        return one_branch;
    }
    for (const struct er_json *value = list->first; value != NULL && !reader->no_memory; value = value->next, i++) {
        struct er_place at = er_place_index(scope->place, i);
        struct scope part = { scope->where, scope->depth, scope->nesting, &at };
        struct branches branches;
        char number[24];
        struct er_str token = { number, (size_t)snprintf(number, sizeof number, "%zu", i) };
        struct er_str unused;

        children[i].step = step_of(reader, token, &unused);
        branches = read_part(reader, value, &part, &children[i]);
        sum = i == 0 ? branches : any ? any_of(sum, branches) : all_of(sum, branches);
    }
    return sum;
}

static bool logic_of(struct er_str key, enum er_pattern_kind *kind)
{
    static const struct {
        const char *name;
        enum er_pattern_kind kind;
    } words[] = { { "$or", ER_PATTERN_ANY }, { "$and", ER_PATTERN_ALL }, { "$not", ER_PATTERN_NOT } };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (er_str_eq(key, er_str_of(words[i].name))) {
            *kind = words[i].kind;
            return true;
        }
    }
    return false;
}

static struct branches read_logic(struct er_pattern_reader *reader, const struct er_json *value, const struct scope *scope,
                                  struct er_pattern *node)
{
    struct scope inner = { scope->where, scope->depth, scope->nesting + 1, scope->place };
    struct branches branches;
    struct er_pattern *child;
    struct er_str unused;

    node->step = step_of(reader, value->key, &unused);
    if (inner.nesting > reader->source->limits->nesting) {
        limit(reader, scope->place, "split the rule into several subscriptions", "$or, $and and $not are nested too deep",
              reader->source->limits->nesting);
        return one_branch;
    }
    if (node->kind != ER_PATTERN_NOT) {
        return read_parts(reader, value, &inner, node);
    }
    child = new_children(reader, node, 1);
    if (child == NULL) {
        return one_branch;
    }
    branches = read_part(reader, value, &inner, child);
    return (struct branches){ branches.no, branches.yes };
}

/* ---- objects */

static struct branches read_member(struct er_pattern_reader *reader, const struct er_json *member, const struct scope *scope,
                                   struct er_pattern *node)
{
    struct er_place at = er_place_key(scope->place, member->key);
    struct scope here = { scope->where, scope->depth, scope->nesting, &at };

    if (logic_of(member->key, &node->kind)) {
        return read_logic(reader, member, &here, node);
    }
    switch (scope->where) {
    case AT_EVENT:
        if (er_str_eq(member->key, ER_STR("$kafka"))) {
            here.where = IN_KAFKA;
            return read_group(reader, member, &here, node);
        }
        return read_field(reader, member, &here, node);
    case IN_EVENT:
        return read_field(reader, member, &here, node);
    case IN_KAFKA:
        return read_envelope_field(reader, member, &here, node);
    case IN_HEADERS:
        break;
    }
    node->root = ER_PATH_KAFKA_HEADER;
    node->step = step_of(reader, member->key, &node->key);
    return read_envelope_leaf(reader, member, &at, node);
}

static struct branches read_object(struct er_pattern_reader *reader, const struct er_json *value, const struct scope *scope,
                                   struct er_pattern *node)
{
    struct branches product = one_branch;
    struct er_pattern *children;
    size_t n = 0, i = 0;

    if (!er_pattern_not_empty(reader, value, scope->place, "{} is no condition",
                              "name a field, or leave this out; for a field that is there write [{\"exists\": true}]")) {
        return one_branch;
    }
    for (const struct er_json *member = value->first; member != NULL; member = member->next) {
        n += !member->duplicate;
    }
    node->kind = ER_PATTERN_ALL;
    children = new_children(reader, node, n);
    if (children == NULL) {
        return one_branch;
    }
    for (const struct er_json *member = value->first; member != NULL && !reader->no_memory; member = member->next) {
        struct branches branches;

        if (member->duplicate) {
            continue;
        }
        branches = read_member(reader, member, scope, &children[i]);
        product = i == 0 ? branches : all_of(product, branches);
        i++;
    }
    return product;
}

/* ---- the whole */

static void check_limits(struct er_pattern_reader *reader, struct branches branches, const struct er_place *place)
{
    const struct er_rule_limits *limits = reader->source->limits;
    char what[64];

    if (reader->result->tests > limits->tests) {
        (void)snprintf(what, sizeof what, "the pattern has %zu tests", reader->result->tests);
        limit(reader, place, "split the rule into several subscriptions", what, limits->tests);
    }
    if (branches.yes > limits->branches) {
        (void)snprintf(what, sizeof what, "the pattern has %s%zu branches", branches.yes == MOST ? "more than " : "", branches.yes);
        limit(reader, place,
              "put values of one field into one list instead of an $or, or split the rule into several subscriptions", what,
              limits->branches);
    }
}

static struct er_str write_text(struct er_pattern_reader *reader)
{
    struct er_buf buf = { 0 };
    struct er_json_writer w;
    struct er_str text = { NULL, 0 };

    er_jw_init(&w, &buf);
    er_jw_json(&w, reader->source->value);
    reader->no_memory = reader->no_memory || buf.failed;
    if (!buf.failed) {
        text = er_pattern_keep(reader, er_buf_str(&buf));
    }
    er_buf_free(&buf);
    return text;
}

enum er_code er_pattern_read(const struct er_pattern_source *source, struct er_pattern_result *out)
{
    struct er_pattern_reader reader = { .source = source, .result = out };
    struct scope scope = { AT_EVENT, 1, 0, source->place };
    struct er_problem **first_problem = source->problems->end;
    size_t before = source->problems->total;
    struct er_pattern *root;

    *out = (struct er_pattern_result){ 0 };
    root = er_pattern_array(&reader, 1, sizeof *root);
    if (root == NULL) {
        return ER_E_NOMEM;
    }
    if (er_pattern_expect(&reader, source->value, ER_JSON_OBJECT, source->place, "an object", NULL)) {
        check_limits(&reader, read_object(&reader, source->value, &scope, root), source->place);
    }
    root->step = ER_STR("/pattern");
    if (source->problems->total == before && !reader.no_memory && !source->without_text) {
        out->text = write_text(&reader);
    }
    if (reader.no_memory || source->problems->no_memory) {
        return ER_E_NOMEM;
    }
    if (source->problems->total > before) {
        return *first_problem != NULL ? (*first_problem)->code : ER_E_RULE_LIMIT;
    }
    out->pattern = root;
    return ER_OK;
}

struct er_str er_pattern_pointer(const struct er_pattern *node, struct er_arena *arena)
{
    size_t n = 0;
    char *p;

    for (const struct er_pattern *at = node; at != NULL; at = at->parent) {
        n += at->step.n;
    }
    p = er_arena_alloc(arena, n + 1);
    if (p == NULL) {
        return (struct er_str){ NULL, 0 };
    }
    p += n;
    *p = '\0';
    for (; node != NULL; node = node->parent) {
        p -= node->step.n;
        if (node->step.n > 0) {
            memcpy(p, node->step.p, node->step.n);
        }
    }
    return (struct er_str){ p, n };
}

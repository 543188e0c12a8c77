#include "admin/ctl_yaml.h"

#include <yaml.h>
#include "rules/base/json_lex.h"

enum { MAX_DEPTH = 100, MAX_VALUES = 1000000 };

struct reader {
    struct er_arena *arena;
    yaml_document_t *document;
    struct er_err *err;
    size_t values;
};

static enum er_code no_memory(struct er_err *err)
{
    return er_err_set(err, ER_E_NOMEM, "out of memory");
}

static bool is_one_of(struct er_str text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (er_str_eq(text, er_str_of(*words))) {
            return true;
        }
    }
    return false;
}

/* What a scalar without quotes stands for. */
static enum er_json_type plain_type(struct er_str text)
{
    static const char *const null_words[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const true_words[] = { "true", "True", "TRUE", NULL };
    static const char *const false_words[] = { "false", "False", "FALSE", NULL };
    struct er_lex_fault fault;

    if (is_one_of(text, null_words)) {
        return ER_JSON_NULL;
    }
    if (is_one_of(text, true_words) || is_one_of(text, false_words)) {
        return is_one_of(text, true_words) ? ER_JSON_TRUE : ER_JSON_FALSE;
    }
    if ((text.p[0] == '-' || (text.p[0] >= '0' && text.p[0] <= '9')) &&
        er_lex_number(text.p, text.p + text.n, &fault) == text.p + text.n) {
        return ER_JSON_NUMBER;
    }
    return ER_JSON_STRING;
}

static enum er_code read_scalar(struct reader *reader, const yaml_node_t *node, struct er_json *out)
{
    struct er_str text = { (const char *)node->data.scalar.value, node->data.scalar.length };
    bool tagged_string = node->tag != NULL && strcmp((const char *)node->tag, YAML_STR_TAG) == 0;

    text = er_arena_dup(reader->arena, text);
    if (text.p == NULL) {
        return no_memory(reader->err);
    }
    out->type = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && tagged_string ? plain_type(text) : ER_JSON_STRING;
    if (out->type == ER_JSON_STRING || out->type == ER_JSON_NUMBER) {
        out->text = text;
    }
    return ER_OK;
}

static enum er_code read_node(struct reader *reader, int index, size_t depth, struct er_json *out);

static struct er_json *add_child(struct reader *reader, struct er_json *parent, struct er_json **last)
{
    struct er_json *child = er_arena_calloc(reader->arena, 1, sizeof *child);

    if (child != NULL) {
        *(*last == NULL ? &parent->first : &(*last)->next) = child;
        *last = child;
        parent->n++;
    }
    return child;
}

static enum er_code read_mapping(struct reader *reader, const yaml_node_t *node, size_t depth, struct er_json *out)
{
    struct er_json *last = NULL;
    enum er_code code = ER_OK;

    out->type = ER_JSON_OBJECT;
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top && code == ER_OK;
         pair++) {
        const yaml_node_t *key = yaml_document_get_node(reader->document, pair->key);
        struct er_json *child;

        if (key == NULL || key->type != YAML_SCALAR_NODE) {
            return er_err_set(reader->err, ER_E_JSON_SYNTAX, "line %zu: a key that is no text",
                              key == NULL ? (size_t)0 : key->start_mark.line + 1);
        }
        child = add_child(reader, out, &last);
        if (child == NULL) {
            return no_memory(reader->err);
        }
        code = read_node(reader, pair->value, depth + 1, child);
        child->key = er_arena_dup(reader->arena, (struct er_str){ (const char *)key->data.scalar.value, key->data.scalar.length });
        if (child->key.p == NULL) {
            return no_memory(reader->err);
        }
    }
    return code;
}

static enum er_code read_sequence(struct reader *reader, const yaml_node_t *node, size_t depth, struct er_json *out)
{
    struct er_json *last = NULL;
    enum er_code code = ER_OK;

    out->type = ER_JSON_ARRAY;
    for (const yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top && code == ER_OK;
         item++) {
        struct er_json *child = add_child(reader, out, &last);

        code = child == NULL ? no_memory(reader->err) : read_node(reader, *item, depth + 1, child);
    }
    return code;
}

static enum er_code too_deep(const yaml_mark_t *mark, struct er_err *err)
{
    return er_err_set(err, ER_E_JSON_DEPTH, "line %zu: more than %d levels", mark->line + 1, MAX_DEPTH);
}

static enum er_code read_node(struct reader *reader, int index, size_t depth, struct er_json *out)
{
    const yaml_node_t *node = yaml_document_get_node(reader->document, index);

    if (node == NULL) {
        out->type = ER_JSON_NULL;
        return ER_OK;
    }
    if (depth > MAX_DEPTH) {
        return too_deep(&node->start_mark, reader->err);
    }
    if (++reader->values > MAX_VALUES) {
        return er_err_set(reader->err, ER_E_TOO_LARGE, "more than %d values", MAX_VALUES);
    }
    switch (node->type) {
    case YAML_SCALAR_NODE:
        return read_scalar(reader, node, out);
    case YAML_MAPPING_NODE:
        return read_mapping(reader, node, depth, out);
    case YAML_SEQUENCE_NODE:
        return read_sequence(reader, node, depth, out);
    case YAML_NO_NODE:
        break;
    }
    out->type = ER_JSON_NULL;
    return ER_OK;
}

/* One document; *more: there was one. */
static enum er_code load(struct reader *reader, yaml_parser_t *parser, struct er_json *array, struct er_json **last, bool *more)
{
    yaml_document_t document;
    const yaml_node_t *root;
    struct er_json *child;
    enum er_code code = ER_OK;

    if (yaml_parser_load(parser, &document) == 0) {
        if (parser->error == YAML_MEMORY_ERROR) {
            return no_memory(reader->err);
        }
        return er_err_set(reader->err, ER_E_JSON_SYNTAX, "line %zu column %zu: %s", parser->problem_mark.line + 1,
                          parser->problem_mark.column + 1, parser->problem == NULL ? "malformed YAML" : parser->problem);
    }
    root = yaml_document_get_root_node(&document);
    *more = root != NULL;
    if (root != NULL) {
        reader->document = &document;
        child = add_child(reader, array, last);
        code = child == NULL ? no_memory(reader->err) : read_node(reader, 1, 1, child);
    }
    yaml_document_delete(&document);
    return code;
}

/* Of a text that is nested without end the library builds the whole document first, in a time that grows with its square. Errors of other
 * kinds are for those who read the documents. */
static enum er_code check_depth(yaml_parser_t *parser, struct er_err *err)
{
    enum er_code code = ER_OK;
    size_t depth = 0;
    bool more = true;

    while (code == ER_OK && more) {
        yaml_event_t event;

        if (yaml_parser_parse(parser, &event) == 0) {
            return ER_OK;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        depth += event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
        depth -= event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        if (depth > MAX_DEPTH) {
            code = too_deep(&event.start_mark, err);
        }
        yaml_event_delete(&event);
    }
    return code;
}

static bool begin(yaml_parser_t *parser, struct er_str text)
{
    if (yaml_parser_initialize(parser) == 0) {
        return false;
    }
    yaml_parser_set_input_string(parser, (const unsigned char *)(text.n == 0 ? "" : text.p), text.n);
    return true;
}

enum er_code er_ctl_yaml_parse(struct er_arena *arena, struct er_str text, struct er_json **out, struct er_err *err)
{
    struct reader reader = { .arena = arena, .err = err };
    struct er_json *array = er_arena_calloc(arena, 1, sizeof *array), *last = NULL;
    yaml_parser_t parser;
    bool more = true;
    enum er_code code = ER_OK;

    if (array == NULL || !begin(&parser, text)) {
        return no_memory(err);
    }
    array->type = ER_JSON_ARRAY;
    code = check_depth(&parser, err);
    yaml_parser_delete(&parser);
    if (code != ER_OK) {
        return code;
    }
    if (!begin(&parser, text)) {
        return no_memory(err);
    }
    while (code == ER_OK && more) {
        code = load(&reader, &parser, array, &last, &more);
    }
    yaml_parser_delete(&parser);
    *out = array;
    return code;
}

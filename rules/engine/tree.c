#include "rules/engine/tree.h"

#include <inttypes.h>
#include <stdlib.h>
#include "rules/engine/form.h"
#include "rules/engine/grow.h"
#include "rules/engine/hash.h"

/* Objects with more members are looked up by hash. */
#define FEW_MEMBERS 8u

struct slot {
    const struct er_json *object; /* NULL: free */
    const struct er_json *member;
};

/* A field of the envelope that somebody asked for. */
struct known {
    enum er_path_root root;
    struct er_str name;
    const struct er_json *value;
    struct known *next;
};

struct er_tree {
    struct known *known;
    struct er_arena *settings; /* type_path */
    struct er_arena *arena;    /* of the event */
    struct er_ruleset_options options;
    struct er_path type_path;
    const struct er_record *record;
    const struct er_json *root, *type;
    struct er_json *body; /* the value as read */
    struct slot *slots;
    uint32_t capacity; /* of slots: a power of 2, or 0 */
    uint32_t large;    /* members of large objects */
    bool no_memory;
};

struct er_tree *er_tree_new(const struct er_ruleset_options *options)
{
    struct er_tree *tree = calloc(1, sizeof *tree);
    struct er_err err;

    if (tree == NULL) {
        return NULL;
    }
    tree->options = *options;
    tree->settings = er_arena_new(256);
    tree->arena = er_arena_new(0);
    if (tree->settings == NULL || tree->arena == NULL ||
        er_path_parse(tree->settings, options->type_path, &tree->type_path, &err) != ER_OK) {
        er_tree_free(tree);
        return NULL;
    }
    return tree;
}

void er_tree_free(struct er_tree *tree)
{
    if (tree != NULL) {
        er_arena_free(tree->settings);
        er_arena_free(tree->arena);
        free(tree->slots);
        free(tree);
    }
}

const struct er_json *er_tree_type(const struct er_tree *tree)
{
    return tree->type;
}

const struct er_json *er_tree_root(const struct er_tree *tree)
{
    return tree->root;
}

bool er_tree_no_memory(const struct er_tree *tree)
{
    return tree->no_memory;
}

struct er_str er_tree_text(const struct er_tree *tree, const struct er_json *value)
{
    return (struct er_str){ tree->record->value.p + value->offset, value->end - value->offset };
}

/* ---- members ---- */

static uint32_t place_of(const struct er_tree *tree, const struct er_json *object, struct er_str key)
{
    return (uint32_t)er_hash_with(er_hash(key, (uint64_t)(uintptr_t)object), 1) & (tree->capacity - 1);
}

const struct er_json *er_tree_member(const struct er_tree *tree, const struct er_json *object, struct er_str key)
{
    if (object == NULL || object->type != ER_JSON_OBJECT || object->n <= FEW_MEMBERS) {
        return er_json_member(object, key);
    }
    for (uint32_t i = place_of(tree, object, key); tree->slots[i].object != NULL; i = (i + 1) & (tree->capacity - 1)) {
        if (tree->slots[i].object == object && er_str_eq(tree->slots[i].member->key, key)) {
            return tree->slots[i].member;
        }
    }
    return NULL;
}

/* Later members of the same key replace the earlier ones. */
static void put_members(struct er_tree *tree, const struct er_json *object)
{
    for (const struct er_json *member = object->first; member != NULL; member = member->next) {
        uint32_t i = place_of(tree, object, member->key);

        while (tree->slots[i].object != NULL &&
               !(tree->slots[i].object == object && er_str_eq(tree->slots[i].member->key, member->key))) {
            i = (i + 1) & (tree->capacity - 1);
        }
        tree->slots[i] = (struct slot){ object, member };
    }
}

/* Depth is bounded by the parser. `put` false: only counts. */
static void index_large(struct er_tree *tree, const struct er_json *value, bool put)
{
    if (value->type == ER_JSON_OBJECT && value->n > FEW_MEMBERS) {
        tree->large += put ? 0 : (uint32_t)value->n;
        if (put) {
            put_members(tree, value);
        }
    }
    for (const struct er_json *child = value->first; child != NULL; child = child->next) {
        if (child->n > 0) {
            index_large(tree, child, put);
        }
    }
}

static bool index_members(struct er_tree *tree)
{
    uint32_t capacity = 64;

    tree->large = 0;
    index_large(tree, tree->root, false);
    while (capacity < tree->large * 2) {
        capacity *= 2;
    }
    if (capacity > tree->capacity) {
        free(tree->slots);
        tree->slots = malloc(capacity * sizeof *tree->slots);
        tree->capacity = tree->slots == NULL ? 0 : capacity;
    }
    if (tree->slots == NULL) {
        return false;
    }
    memset(tree->slots, 0, tree->capacity * sizeof *tree->slots);
    if (tree->large > 0) {
        index_large(tree, tree->root, true);
    }
    return true;
}

/* ---- envelope ---- */

/* A scalar that stands in no document. */
static const struct er_json *scalar(struct er_tree *tree, enum er_json_type type, struct er_str text)
{
    struct er_json *value;

    if (text.p == NULL) {
        return NULL;
    }
    value = er_arena_calloc(tree->arena, 1, sizeof *value);
    tree->no_memory = tree->no_memory || value == NULL;
    if (value != NULL) {
        value->type = type;
        value->text = text;
    }
    return value;
}

static const struct er_json *number(struct er_tree *tree, int64_t n)
{
    struct er_str text;

    if (n < 0) {
        return NULL;
    }
    text = er_arena_printf(tree->arena, "%" PRId64, n);
    tree->no_memory = tree->no_memory || text.p == NULL;
    return scalar(tree, ER_JSON_NUMBER, text);
}

static const struct er_json *string(struct er_tree *tree, bool present, struct er_str text)
{
    struct er_header as_header = { .value = text, .null_value = !present };

    return scalar(tree, ER_JSON_STRING, er_header_text(&as_header));
}

static const struct er_json *read_envelope(struct er_tree *tree, enum er_path_root root, struct er_str name)
{
    const struct er_record *record = tree->record;

    switch (root) {
    case ER_PATH_KAFKA_TOPIC:
        return string(tree, record->topic.n > 0, record->topic);
    case ER_PATH_KAFKA_KEY:
        return string(tree, record->has_key, record->key);
    case ER_PATH_KAFKA_PARTITION:
        return number(tree, record->partition);
    case ER_PATH_KAFKA_TIMESTAMP:
        return number(tree, record->timestamp_ms);
    case ER_PATH_KAFKA_HEADER:
        return scalar(tree, ER_JSON_STRING, er_form_header(record, name));
    case ER_PATH_EVENT:
        break;
    }
    return NULL;
}

const struct er_json *er_tree_envelope(struct er_tree *tree, enum er_path_root root, struct er_str name)
{
    struct known *known = tree->known;

    while (known != NULL && (known->root != root || (root == ER_PATH_KAFKA_HEADER && !er_str_eq(known->name, name)))) {
        known = known->next;
    }
    if (known != NULL) {
        return known->value;
    }
    known = er_arena_calloc(tree->arena, 1, sizeof *known);
    name = er_arena_dup(tree->arena, name); /* the rule may go before the event does */
    if (known == NULL || name.p == NULL) {
        tree->no_memory = true;
        return NULL;
    }
    *known = (struct known){ root, name, read_envelope(tree, root, name), tree->known };
    tree->known = known;
    return known->value;
}

/* ---- forms and type ---- */

static void add_member(struct er_json *object, struct er_json *member)
{
    member->next = object->first;
    object->first = member;
    object->n++;
}

/* Headers as attributes, the last of each name; one that is null or no UTF-8 hides earlier ones. The body is `data`. */
static const struct er_json *binary_root(struct er_tree *tree, const struct er_json *body)
{
    const struct er_record *record = tree->record;
    struct er_json *root = er_arena_calloc(tree->arena, 1, sizeof *root);
    struct er_json *data = er_arena_calloc(tree->arena, 1, sizeof *data);

    if (root == NULL || data == NULL) {
        return NULL;
    }
    root->type = ER_JSON_OBJECT;
    *data = *body;
    data->key = ER_STR("data");
    add_member(root, data);
    for (size_t i = 0; i < record->n_headers; i++) {
        const struct er_header *header = &record->headers[i];
        struct er_str name = er_form_attribute(header->name), text = er_header_text(header);
        struct er_json *attribute;

        if (name.n == 0 || text.p == NULL || er_record_header(record, header->name) != header) {
            continue;
        }
        attribute = er_arena_calloc(tree->arena, 1, sizeof *attribute);
        if (attribute == NULL) {
            return NULL;
        }
        *attribute = (struct er_json){ .type = ER_JSON_STRING, .text = text, .key = name };
        add_member(root, attribute);
    }
    return root;
}

static const struct er_json *if_string(const struct er_json *value)
{
    return value != NULL && value->type == ER_JSON_STRING ? value : NULL;
}

/* The string at event.type_path, not in an array. */
static const struct er_json *string_at_type_path(struct er_tree *tree)
{
    const struct er_path *path = &tree->type_path;
    const struct er_json *value = tree->root;

    if (path->root != ER_PATH_EVENT) {
        return if_string(er_tree_envelope(tree, path->root, path->n > 0 ? path->keys[0] : ER_STR("")));
    }
    for (size_t i = 0; i < path->n; i++) {
        value = er_tree_member(tree, value, path->keys[i]);
    }
    return if_string(value);
}

static const struct er_json *type_of(struct er_tree *tree, enum er_form form)
{
    const struct er_record *record = tree->record;

    if (form == ER_FORM_TOMBSTONE && er_form_header(record, ER_STR("ce_specversion")).p != NULL) {
        form = ER_FORM_BINARY;
    }
    if (form == ER_FORM_PLAIN && if_string(er_tree_member(tree, tree->root, ER_STR("specversion"))) != NULL) {
        form = ER_FORM_STRUCTURED;
    }
    if (form == ER_FORM_BINARY) {
        return scalar(tree, ER_JSON_STRING, er_form_header(record, ER_STR("ce_type")));
    }
    return form == ER_FORM_STRUCTURED ? if_string(er_tree_member(tree, tree->root, ER_STR("type"))) : string_at_type_path(tree);
}

/* ---- reading ---- */

/* The first key in the order of the text that its object has already. */
static const struct er_json *first_duplicate(const struct er_json *value)
{
    for (const struct er_json *child = value->first; child != NULL; child = child->next) {
        const struct er_json *found = child->duplicate ? child : child->n > 0 ? first_duplicate(child) : NULL;

        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

static enum er_code read_body(struct er_tree *tree, struct er_err *err)
{
    const struct er_ruleset_options *options = &tree->options;
    struct er_str text = tree->record->value.n > 0 ? tree->record->value : ER_STR("");
    const struct er_json *duplicate;
    enum er_code code;

    if (text.n > options->max_bytes) {
        return er_err_at(err, ER_E_EVENT_TOO_LARGE, options->max_bytes, "the event has %zu bytes, the limit event.max_bytes is %zu",
                         text.n, options->max_bytes);
    }
    code = er_json_parse(tree->arena, text, options->max_depth, &tree->body, err);
    if (code != ER_OK) {
        return code;
    }
    if (tree->body->type != ER_JSON_OBJECT) {
        return er_err_at(err, ER_E_EVENT_NOT_OBJECT, tree->body->offset, "an event is one JSON object");
    }
    duplicate = options->reject_duplicate_keys ? first_duplicate(tree->body) : NULL;
    if (duplicate != NULL) {
        return er_err_at(err, ER_E_EVENT_DUPLICATE_KEY, duplicate->key_offset,
                         "the key at byte %zu is already in its object, and event.duplicate_keys is reject", duplicate->key_offset);
    }
    return ER_OK;
}

enum er_code er_tree_read(struct er_tree *tree, const struct er_record *record, struct er_err *err)
{
    enum er_form form = er_form_of(record);

    er_arena_reset(tree->arena);
    tree->record = record;
    tree->root = tree->type = NULL;
    tree->known = NULL;
    tree->no_memory = false;
    if (record->has_value) {
        enum er_code code = read_body(tree, err);

        if (code != ER_OK) {
            return code;
        }
        tree->root = form == ER_FORM_BINARY ? binary_root(tree, tree->body) : tree->body;
        if (tree->root == NULL || !index_members(tree)) {
            return er_err_set(err, ER_E_NOMEM, "out of memory for an event");
        }
    }
    tree->type = type_of(tree, form);
    return tree->no_memory ? er_err_set(err, ER_E_NOMEM, "out of memory for an event") : ER_OK;
}

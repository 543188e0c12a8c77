#include "rules/engine/scan.h"

#include <stdlib.h>
#include "rules/base/json_lex.h"
#include "rules/engine/keys.h"

/* An open object or array. */
struct level {
    uint64_t filter; /* of the trie's node; 0: nobody reads any of its keys */
    uint32_t node;   /* where its elements or the parents of its keys stand, or ER_NONE */
    uint32_t key;    /* the key that it is the value of, or ER_NONE */
    uint32_t parent; /* the field of the object that its values stand in, or ER_NONE */
    uint32_t first;  /* fields there were when it opened */
    bool object;
    bool outermost; /* an array that is no element of another one */
    bool in_array;  /* its values stand in an array */
    struct er_key_frame keys;
};

struct er_scanner {
    struct er_keys keys;
    struct level *levels;
    uint32_t levels_capacity;
    /* The current text. */
    struct er_scan *scan;
    const struct er_trie *trie;
    uint64_t seed;
    const char *start, *end;
    uint32_t depth;
    uint32_t node;   /* where the next value stands, or ER_NONE */
    uint32_t key;    /* whose value it is if somebody reads there, or ER_NONE */
    uint32_t parent; /* as in struct level */
    bool in_array;
    struct er_lex_fault fault;
};

struct er_scanner *er_scanner_new(void)
{
    return calloc(1, sizeof(struct er_scanner));
}

void er_scanner_free(struct er_scanner *scanner)
{
    if (scanner != NULL) {
        er_keys_fini(&scanner->keys);
        free(scanner->levels);
        free(scanner);
    }
}

static const char *fail(struct er_scanner *scanner, enum er_code code, const char *at, const char *what)
{
    scanner->fault = (struct er_lex_fault){ code, at, what };
    return NULL;
}

static const char *no_memory(struct er_scanner *scanner, const char *at)
{
    return fail(scanner, ER_E_NOMEM, at, "out of memory");
}

static bool decode(struct er_scanner *scanner, struct er_str *text)
{
    char *decoded = er_arena_alloc(scanner->scan->arena, text->n);

    if (decoded != NULL) {
        *text = (struct er_str){ decoded, er_lex_decode(*text, decoded) };
    }
    return decoded != NULL;
}

/* White space is rare between the tokens of a machine's JSON. p may be read: see er_scanner_run. */
static inline const char *space(const struct er_scanner *scanner, const char *p)
{
    return (unsigned char)*p <= ' ' ? er_lex_space(p, scanner->end) : p;
}

/* ---- scalars ---- */

static inline bool is_read(const struct er_scanner *scanner)
{
    return scanner->node != ER_NONE; /* nodes of the trie are live */
}

static bool emit(struct er_scanner *scanner, struct er_str text, enum er_field_kind kind)
{
    struct er_fields *fields = scanner->scan->fields;

    if (!er_fields_add(fields, scanner->node, text, kind, scanner->in_array)) {
        return false;
    }
    fields->items[fields->n - 1].parent = scanner->parent;
    return true;
}

static inline const char *string(struct er_scanner *scanner, const char *p)
{
    bool escaped;
    const char *quote = er_lex_string(p + 1, scanner->end, &escaped, &scanner->fault);

    if (quote == NULL) {
        return NULL;
    }
    if (is_read(scanner)) {
        struct er_str text = { p + 1, (size_t)(quote - (p + 1)) };

        if ((escaped && !decode(scanner, &text)) || !emit(scanner, text, ER_FIELD_STRING)) {
            return no_memory(scanner, p);
        }
    }
    return quote + 1;
}

/* true, false, null, or nothing that can stand here. */
static const char *word(struct er_scanner *scanner, const char *p)
{
    const char *stop;

    if (*p != 't' && *p != 'f' && *p != 'n') {
        return er_lex_unexpected(p, scanner->end, "expected a value", &scanner->fault);
    }
    stop = er_lex_literal(p, scanner->end, &scanner->fault);
    if (stop != NULL && is_read(scanner) &&
        !emit(scanner, (struct er_str){ p, (size_t)(stop - p) }, *p == 'n' ? ER_FIELD_NULL : ER_FIELD_BOOL)) {
        return no_memory(scanner, p);
    }
    return stop;
}

static const char *number_or_word(struct er_scanner *scanner, const char *p)
{
    const char *stop;

    if ((*p < '0' || *p > '9') && *p != '-') {
        return word(scanner, p);
    }
    stop = er_lex_number(p, scanner->end, &scanner->fault);
    if (stop != NULL && is_read(scanner) && !emit(scanner, (struct er_str){ p, (size_t)(stop - p) }, ER_FIELD_NUMBER)) {
        return no_memory(scanner, p);
    }
    return stop;
}

static inline const char *scalar(struct er_scanner *scanner, const char *p)
{
    return *p == '"' ? string(scanner, p) : number_or_word(scanner, p);
}

/* ---- containers ---- */

static inline void end_value(struct er_scanner *scanner, uint32_t key)
{
    if (key != ER_NONE) {
        scanner->keys.items[key].to = scanner->scan->fields->n;
    }
}

/* An array without elements, also after flattening, leaves a mark. */
static bool mark_empty(struct er_scanner *scanner, const struct level *level)
{
    if (level->object || !level->outermost || level->node == ER_NONE || scanner->scan->fields->n > level->first) {
        return true;
    }
    scanner->node = level->node;
    scanner->parent = level->parent;
    scanner->in_array = scanner->depth > 0 && scanner->levels[scanner->depth - 1].in_array;
    return emit(scanner, ER_STR(""), ER_FIELD_NONE);
}

static bool close_container(struct er_scanner *scanner)
{
    const struct level *level = &scanner->levels[--scanner->depth];
    bool done = mark_empty(scanner, level);

    if (level->object) {
        er_keys_close(&scanner->keys, &level->keys);
    }
    end_value(scanner, level->key);
    return done;
}

/* What follows a complete value: closes the containers that end here. Returns the start of the next element, or the end. Here the text
 * may end at any time, so every byte is asked for. */
static const char *after(struct er_scanner *scanner, const char *p)
{
    const char *end = scanner->end;

    for (p = er_lex_space(p, end); scanner->depth > 0; p = er_lex_space(p + 1, end)) {
        bool object = scanner->levels[scanner->depth - 1].object;

        if (p < end && *p == ',') {
            return space(scanner, p + 1);
        }
        if (p == end || *p != (object ? '}' : ']')) {
            return er_lex_unexpected(
                p, end, object ? "expected a comma or a closing brace" : "expected a comma or a closing bracket", &scanner->fault);
        }
        if (!close_container(scanner)) {
            return no_memory(scanner, p);
        }
    }
    return p == end ? p : fail(scanner, ER_E_JSON_TRAILING, p, "expected nothing after the document");
}

/* What a container at a live node says itself. Its values stand in the object, or where the array stands. */
static bool begin_container(struct er_scanner *scanner, bool object)
{
    if (object && scanner->node != ER_NONE && scanner->node != ER_NODE_EVENT) {
        if (!emit(scanner, ER_STR(""), ER_FIELD_OBJECT)) {
            return false;
        }
        scanner->parent = scanner->scan->fields->n - 1;
    } else if (!object && scanner->node != ER_NONE && er_trie_has_children(scanner->trie, scanner->node)) {
        scanner->scan->fields->structured = true;
    }
    return true;
}

/* Opens the object or array at p. Returns the start of its first element, or of what follows an empty one. */
static const char *container(struct er_scanner *scanner, const char *p)
{
    const struct er_trie *trie = scanner->trie;
    bool object = *p == '{';
    bool outermost;
    bool read = scanner->node != ER_NONE && (!object || er_trie_has_children(trie, scanner->node));

    if (scanner->depth == scanner->scan->max_depth) {
        return fail(scanner, ER_E_JSON_DEPTH, p, "too many objects and arrays are open at once");
    }
    if (scanner->depth == scanner->levels_capacity &&
        !er_grow(&scanner->levels, &scanner->levels_capacity, sizeof *scanner->levels, scanner->depth)) {
        return no_memory(scanner, p);
    }
    if (!begin_container(scanner, object)) {
        return no_memory(scanner, p);
    }
    outermost = scanner->depth == 0 || scanner->levels[scanner->depth - 1].object;
    scanner->levels[scanner->depth++] = (struct level){ .filter = read ? er_trie_node(trie, scanner->node)->filter : 0,
                                                        .node = read ? scanner->node : ER_NONE,
                                                        .key = scanner->key,
                                                        .parent = scanner->parent,
                                                        .first = scanner->scan->fields->n,
                                                        .object = object,
                                                        .outermost = outermost,
                                                        .in_array = scanner->in_array || !object,
                                                        .keys = er_keys_open(&scanner->keys) };
    p = space(scanner, p + 1);
    if (*p == (object ? '}' : ']')) {
        if (!close_container(scanner)) {
            return no_memory(scanner, p);
        }
        return after(scanner, p + 1);
    }
    return p;
}

/* ---- members and elements ---- */

static void count_duplicate(struct er_scanner *scanner, const char *quote)
{
    if (scanner->scan->duplicates++ == 0) {
        scanner->scan->first_duplicate = (size_t)(quote - scanner->start);
    }
}

/* The value of a key that somebody reads. If the key was there before, the fields of its earlier value die. */
static void begin_value(struct er_scanner *scanner, const struct level *level, uint32_t index, bool again)
{
    struct er_fields *fields = scanner->scan->fields;
    struct er_key *key = &scanner->keys.items[index];

    for (uint32_t i = key->from; again && i < key->to; i++) {
        fields->items[i].dead = true;
    }
    key->from = fields->n;
    scanner->key = index;
    scanner->in_array = level->in_array;
    scanner->parent = level->parent;
}

/* Where the key leads, and whether it came before in its object. quote: where it starts. */
static inline bool enter(struct er_scanner *scanner, struct level *level, struct er_str name, const char *quote)
{
    uint64_t hash = er_hash(name, scanner->seed);
    bool found;
    uint32_t key = er_keys_put(&scanner->keys, &level->keys, name, hash, &found);

    if (key == ER_NONE) {
        return false;
    }
    scanner->node = ER_NONE;
    scanner->key = ER_NONE;
    if ((level->filter >> (hash & 63) & 1) != 0) {
        scanner->node = er_trie_child(scanner->trie, level->node, name, hash);
    }
    if (found) {
        count_duplicate(scanner, quote);
    }
    if (scanner->node != ER_NONE) {
        begin_value(scanner, level, key, found);
    }
    return true;
}

/* Returns the start of the value. */
static inline const char *key(struct er_scanner *scanner, struct level *level, const char *p)
{
    const char *quote = p;
    struct er_str name;
    bool escaped;

    if (*p != '"') {
        return er_lex_unexpected(p, scanner->end, "expected a key in double quotes", &scanner->fault);
    }
    p = er_lex_string(quote + 1, scanner->end, &escaped, &scanner->fault);
    if (p == NULL) {
        return NULL;
    }
    name = (struct er_str){ quote + 1, (size_t)(p - (quote + 1)) };
    if ((escaped && !decode(scanner, &name)) || !enter(scanner, level, name, quote)) {
        return no_memory(scanner, quote);
    }
    p = space(scanner, p + 1);
    if (*p != ':') {
        return er_lex_unexpected(p, scanner->end, "expected a colon after the key", &scanner->fault);
    }
    return space(scanner, p + 1);
}

/* The rest of the innermost container: until it ends, or one in it opens. array_elements and object_members differ in the key only. */
static const char *object_members(struct er_scanner *scanner, const char *p)
{
    struct level *level = &scanner->levels[scanner->depth - 1];

    for (;;) {
        p = key(scanner, level, p);
        if (p == NULL) {
            return NULL;
        }
        if (*p == '{' || *p == '[') {
            return container(scanner, p);
        }
        p = scalar(scanner, p);
        if (p == NULL) {
            return NULL;
        }
        end_value(scanner, scanner->key);
        p = space(scanner, p);
        if (*p != ',') {
            return after(scanner, p);
        }
        p = space(scanner, p + 1);
    }
}

static const char *array_elements(struct er_scanner *scanner, const char *p)
{
    scanner->node = scanner->levels[scanner->depth - 1].node;
    scanner->key = ER_NONE; /* the fields are counted when the array ends */
    scanner->in_array = true;
    scanner->parent = scanner->levels[scanner->depth - 1].parent;
    for (;;) {
        if (*p == '{' || *p == '[') {
            return container(scanner, p);
        }
        p = scalar(scanner, p);
        if (p == NULL) {
            return NULL;
        }
        p = space(scanner, p);
        if (*p != ',') {
            return after(scanner, p);
        }
        p = space(scanner, p + 1);
    }
}

/* The whole document; p is at its first byte. */
static const char *document(struct er_scanner *scanner, const char *p)
{
    if (*p == '{' || *p == '[') {
        p = container(scanner, p);
    } else {
        p = scalar(scanner, p);
        p = p != NULL ? after(scanner, p) : NULL;
    }
    while (p != NULL && scanner->depth > 0) {
        p = scanner->levels[scanner->depth - 1].object ? object_members(scanner, p) : array_elements(scanner, p);
    }
    return p;
}

/* So that the walk may look at the byte it stands at without asking for the end each time: behind the last brace or bracket, which only
 * `after` passes, there is nothing but white space, or the text is a copy with a NUL behind it. Only bad events need one. */
static bool make_readable(struct er_scanner *scanner, struct er_str text)
{
    size_t n = text.n;

    while (n > 0 && (text.p[n - 1] == ' ' || text.p[n - 1] == '\n' || text.p[n - 1] == '\r' || text.p[n - 1] == '\t')) {
        n--;
    }
    if (n == 0 || (text.p[n - 1] != '}' && text.p[n - 1] != ']')) {
        text = er_arena_dup(scanner->scan->arena, text);
    }
    scanner->start = text.p;
    scanner->end = text.p + text.n;
    return text.p != NULL;
}

enum er_code er_scanner_run(struct er_scanner *scanner, struct er_scan *scan, struct er_err *err)
{
    const char *first, *p;
    bool object;

    scan->duplicates = 0;
    scanner->scan = scan;
    scanner->trie = scan->trie;
    scanner->seed = scan->trie->catalog->seed;
    scanner->depth = 0;
    scanner->key = ER_NONE;
    scanner->in_array = false;
    scanner->parent = ER_NONE;
    er_keys_begin(&scanner->keys);
    if (!make_readable(scanner, scan->text.n > 0 ? scan->text : ER_STR(""))) {
        return er_err_set(err, ER_E_NOMEM, "out of memory for an event");
    }
    first = *scanner->start == '{' ? scanner->start : er_lex_begin(scanner->start, scanner->end, &scanner->fault);
    if (first == NULL) {
        return er_lex_error(err, &scanner->fault, scanner->start);
    }
    object = *first == '{';
    scanner->node = object ? scan->root : ER_NONE;
    p = document(scanner, first);
    if (p == NULL) {
        return er_lex_error(err, &scanner->fault, scanner->start);
    }
    return object ? ER_OK : er_err_at(err, ER_E_EVENT_NOT_OBJECT, (size_t)(first - scanner->start), "an event is one JSON object");
}

#include "rules/engine/scan.h"

#include <stdlib.h>
#include "rules/engine/scan_impl.h"

#define RARE static __attribute__((noinline, cold))

static const struct er_scan_owner nobody = { NULL, ER_NONE };

/* The widest that this processor has. */
static er_scan_walk *best_walk(void)
{
#if defined(__x86_64__)
    if (er_scan_walk_bytes32 != NULL && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) {
        return er_scan_walk_bytes32;
    }
#endif
    return er_scan_walk_bytes16 != NULL ? er_scan_walk_bytes16 : er_scan_walk_bytes8;
}

struct er_scanner *er_scanner_new(void)
{
    struct er_scanner *scanner = calloc(1, sizeof *scanner);

    if (scanner != NULL) {
        er_shapes_init(&scanner->shapes);
        scanner->walk = best_walk();
    }
    return scanner;
}

bool er_scanner_set_width(struct er_scanner *scanner, size_t bytes)
{
    er_scan_walk *best = best_walk();
    er_scan_walk *walk = bytes == 8 ? er_scan_walk_bytes8 : bytes == 16 ? er_scan_walk_bytes16 : er_scan_walk_bytes32;

    if (walk == NULL || (walk == er_scan_walk_bytes32 && walk != best)) {
        return false;
    }
    scanner->walk = walk;
    return true;
}

void er_scanner_free(struct er_scanner *scanner)
{
    if (scanner != NULL) {
        er_keys_fini(&scanner->keys);
        er_shapes_fini(&scanner->shapes);
        free(scanner->levels);
        free(scanner);
    }
}

RARE const char *fail(struct er_scanner *scanner, enum er_code code, const char *at, const char *what)
{
    scanner->fault = (struct er_lex_fault){ code, at, what };
    return NULL;
}

RARE const char *no_memory(struct er_scanner *scanner, const char *at)
{
    return fail(scanner, ER_E_NOMEM, at, "out of memory");
}

/* p is NULL only without memory. */
static struct er_str decode(struct er_scanner *scanner, struct er_str text)
{
    char *decoded = er_arena_alloc(scanner->scan->arena, text.n);

    return (struct er_str){ decoded, decoded != NULL ? er_lex_decode(text, decoded) : 0 };
}

/* ---- scalars ---- */

static inline bool emit(struct er_scanner *scanner, struct er_str text, enum er_field_kind kind)
{
    struct er_fields *fields = scanner->scan->fields;

    if (!er_fields_add(fields, scanner->node, text, kind, scanner->in_array)) {
        return false;
    }
    fields->items[fields->n - 1].parent = scanner->parent;
    return true;
}

static inline void end_value(struct er_scanner *scanner, struct er_scan_owner owner)
{
    uint32_t n = scanner->scan->fields->n;

    if (owner.known != NULL) {
        owner.known->to = n;
    } else if (owner.stranger != ER_NONE) {
        scanner->keys.items[owner.stranger].to = n;
    }
}

/* Of what is no string. */
static enum er_field_kind kind_of(char first)
{
    switch (first) {
    case 't':
    case 'f':
        return ER_FIELD_BOOL;
    case 'n':
        return ER_FIELD_NULL;
    default:
        return ER_FIELD_NUMBER;
    }
}

bool er_scan_read_scalar(struct er_scanner *scanner, const char *p, const char *stop)
{
    enum er_field_kind kind = LIKELY(*p == '"') ? ER_FIELD_STRING : kind_of(*p);
    struct er_str text = { p, (size_t)(stop - p) };

    if (kind == ER_FIELD_STRING) {
        text = (struct er_str){ p + 1, text.n - 2 };
        if (UNLIKELY(scanner->escaped)) {
            text = decode(scanner, text);
            scanner->escaped = false;
        }
    }
    if (UNLIKELY(text.p == NULL || !emit(scanner, text, kind))) {
        (void)no_memory(scanner, p);
        return false;
    }
    end_value(scanner, scanner->owner);
    return true;
}

const char *er_scan_string_rest(struct er_scanner *scanner, const char *at)
{
    return at < scanner->end && *at == '"' ? at : er_lex_string_rest(at, scanner->end, &scanner->escaped, &scanner->fault);
}

/* true, false, null, or nothing that can stand here. */
static const char *word(struct er_scanner *scanner, const char *p)
{
    if (scanner->end - p > 5) {
        if (memcmp(p, "true", 4) == 0 || memcmp(p, "null", 4) == 0) {
            return p + 4;
        }
        if (memcmp(p, "false", 5) == 0) {
            return p + 5;
        }
    }
    if (*p != 't' && *p != 'f' && *p != 'n') {
        return er_lex_unexpected(p, scanner->end, "expected a value", &scanner->fault);
    }
    return er_lex_literal(p, scanner->end, &scanner->fault);
}

const char *er_scan_scalar(struct er_scanner *scanner, const char *p)
{
    if ((*p < '0' || *p > '9') && *p != '-') {
        return word(scanner, p);
    }
    return er_lex_number(p, scanner->end, &scanner->fault);
}

/* ---- containers ---- */

/* An array in which somebody reads, without elements also after flattening, leaves a mark. It stands where the array stands. */
static bool mark_empty(struct er_scanner *scanner, const struct er_scan_level *level)
{
    if (level->object || !level->outermost || scanner->scan->fields->n > level->first) {
        return true;
    }
    scanner->node = level->node;
    scanner->parent = level->parent;
    scanner->in_array = level[-1].in_array;
    return emit(scanner, ER_STR(""), ER_FIELD_NONE);
}

bool er_scan_close(struct er_scanner *scanner, const char *p)
{
    const struct er_scan_level *level = scanner->level;

    if (level->object) {
        er_keys_close(&scanner->keys, &level->keys);
    }
    if (level->read) {
        if (level->node != ER_NONE && !mark_empty(scanner, level)) {
            (void)no_memory(scanner, p);
            return false;
        }
        end_value(scanner, level->owner);
    }
    return true;
}

const char *er_scan_after(struct er_scanner *scanner, const char *p)
{
    const char *end = scanner->end;

    for (p = er_lex_space(p, end); scanner->level != scanner->levels; p = er_lex_space(p + 1, end)) {
        bool object = scanner->level->object;

        if (p < end && *p == ',') {
            return er_scan_space(scanner, p + 1);
        }
        if (p == end || *p != (object ? '}' : ']')) {
            return er_lex_unexpected(
                p, end, object ? "expected a comma or a closing brace" : "expected a comma or a closing bracket", &scanner->fault);
        }
        if (!er_scan_close(scanner, p)) {
            return NULL;
        }
        scanner->level--;
    }
    return p == end ? p : fail(scanner, ER_E_JSON_TRAILING, p, "expected nothing after the document");
}

/* It says what it is itself, and where its values stand, which is in the object, or where the array stands. */
bool er_scan_begin_read(struct er_scanner *scanner, struct er_scan_level *level, uint32_t node, const char *p)
{
    bool children = er_trie_has_children(scanner->trie, node);

    if (level->object && node != ER_NODE_EVENT) {
        if (!emit(scanner, ER_STR(""), ER_FIELD_OBJECT)) {
            (void)no_memory(scanner, p);
            return false;
        }
        scanner->parent = scanner->scan->fields->n - 1;
    } else if (!level->object && children) {
        scanner->scan->fields->structured = true;
    }
    level->owner = scanner->owner;
    level->outermost = level[-1].object;
    level->in_array = scanner->in_array || !level->object;
    level->parent = scanner->parent;
    level->first = scanner->scan->fields->n;
    if (!level->object || children) {
        level->node = node;
        level->filter = er_trie_node(scanner->trie, node)->filter;
    }
    return true;
}

static void set_limit(struct er_scanner *scanner)
{
    size_t most = scanner->scan->max_depth, room = scanner->levels_capacity - 1;

    scanner->limit = scanner->levels + (most < room ? most : room);
}

bool er_scan_grow(struct er_scanner *scanner, const char *p)
{
    uint32_t depth = (uint32_t)(scanner->level - scanner->levels);

    if (depth == scanner->scan->max_depth) {
        (void)fail(scanner, ER_E_JSON_DEPTH, p, "too many objects and arrays are open at once");
        return false;
    }
    if (!er_grow(&scanner->levels, &scanner->levels_capacity, sizeof *scanner->levels, depth + 1)) {
        (void)no_memory(scanner, p);
        return false;
    }
    scanner->level = scanner->levels + depth;
    set_limit(scanner);
    return true;
}

/* ---- members and elements ---- */

RARE void count_duplicate(struct er_scanner *scanner, const char *quote)
{
    if (scanner->scan->duplicates++ == 0) {
        scanner->scan->first_duplicate = (size_t)(quote - scanner->start);
    }
}

/* The value of a key that somebody reads comes next, or comes again: then the fields of its earlier value die, from *from to to. */
static void begin_value(struct er_scanner *scanner, struct er_scan_owner owner, uint32_t node, bool again)
{
    struct er_fields *fields = scanner->scan->fields;
    const struct er_scan_level *level = scanner->level;
    uint32_t *from = owner.known != NULL ? &owner.known->from : &scanner->keys.items[owner.stranger].from;
    uint32_t to = owner.known != NULL ? owner.known->to : scanner->keys.items[owner.stranger].to;

    for (uint32_t i = *from; again && i < to; i++) {
        fields->items[i].dead = true;
    }
    *from = fields->n;
    scanner->escaped = false;
    scanner->node = node;
    scanner->owner = owner;
    scanner->in_array = level->in_array;
    scanner->parent = level->parent;
}

void er_scan_enter_read(struct er_scanner *scanner, const struct er_scan_level *level, struct er_shape_key *key)
{
    key->from = scanner->scan->fields->n;
    scanner->escaped = false;
    scanner->node = key->node;
    scanner->owner = (struct er_scan_owner){ key, ER_NONE };
    scanner->in_array = level->in_array;
    scanner->parent = level->parent;
}

/* Behind a known key; quote: where it stands. */
static void enter_known(struct er_scanner *scanner, struct er_shape_key *key, const char *quote)
{
    struct er_scan_level *level = scanner->level;
    bool again = (level->seen >> key->index & 1) != 0;

    level->seen |= UINT64_C(1) << key->index;
    *level->expected = key;
    level->expected = &key->next;
    scanner->node = key->node;
    scanner->below = &key->below;
    if (again) {
        count_duplicate(scanner, quote);
    }
    if (key->node != ER_NONE) {
        begin_value(scanner, (struct er_scan_owner){ key, ER_NONE }, key->node, again);
    }
}

/* The node that a key of the innermost object leads to, or ER_NONE. */
static uint32_t child(const struct er_scanner *scanner, struct er_str name, uint64_t hash)
{
    const struct er_scan_level *level = scanner->level;

    return (level->filter >> (hash & 63) & 1) != 0 ? er_trie_child(scanner->trie, level->node, name, hash) : ER_NONE;
}

/* A key that its shape does not know. False without memory. */
static bool enter_stranger(struct er_scanner *scanner, struct er_str name, uint64_t hash, const char *quote)
{
    struct er_scan_level *level = scanner->level;
    uint32_t node = child(scanner, name, hash);
    bool again;
    uint32_t index;

    if (!level->keys.used && !er_keys_use(&scanner->keys, &level->keys)) {
        return false;
    }
    index = er_keys_put(&scanner->keys, &level->keys, name, hash, &again);
    if (index == ER_NONE) {
        return false;
    }
    if (again) {
        count_duplicate(scanner, quote);
    }
    scanner->node = node;
    scanner->below = NULL;
    if (node != ER_NONE) {
        begin_value(scanner, (struct er_scan_owner){ NULL, index }, node, again);
    }
    return true;
}

/* Makes a key known, if it stands in the text as it is and was no stranger so far in this object. NULL if it stays one. */
static struct er_shape_key *learn(struct er_scanner *scanner, struct er_str name, uint64_t hash, bool escaped)
{
    struct er_scan_level *level = scanner->level;
    struct er_shape_key *known;

    scanner->shapes.strangers++;
    if (escaped || (level->keys.used && er_keys_find(&scanner->keys, &level->keys, name, er_hash_tag(hash)) != ER_NONE)) {
        return NULL;
    }
    known = er_shape_learn(level->shape, name, hash, &scanner->shapes.nothing);
    if (known != NULL) {
        known->node = child(scanner, name, hash);
    }
    return known;
}

static bool enter(struct er_scanner *scanner, struct er_str name, bool escaped, const char *quote)
{
    struct er_scan_level *level = scanner->level;
    uint64_t hash = er_hash(name, scanner->seed);
    struct er_shape_key *known = NULL;

    if (level->shape != NULL) {
        known = er_shape_find(level->shape, name, hash);
        if (known == NULL) {
            known = learn(scanner, name, hash, escaped);
        }
    }
    if (known == NULL) {
        return enter_stranger(scanner, name, hash, quote);
    }
    enter_known(scanner, known, quote);
    return true;
}

/* The key that was expected, whose text no block could decide. Returns what is behind the colon; NULL: it is another one. */
static const char *expected_key(struct er_scanner *scanner, const char *quote)
{
    struct er_shape_key *key = *scanner->level->expected;

    if (key->length == 0 || scanner->end - quote < key->length || memcmp(quote, key->text, key->length) != 0) {
        return NULL;
    }
    enter_known(scanner, key, quote);
    return quote + key->length;
}

const char *er_scan_key(struct er_scanner *scanner, const char *p)
{
    const char *quote = er_scan_space(scanner, p), *stop;
    struct er_str name;
    bool escaped;

    if (*quote != '"') {
        return er_lex_unexpected(quote, scanner->end, "expected a key in double quotes", &scanner->fault);
    }
    p = expected_key(scanner, quote);
    if (p != NULL) {
        return p;
    }
    stop = er_lex_string(quote + 1, scanner->end, &escaped, &scanner->fault);
    if (stop == NULL) {
        return NULL;
    }
    name = (struct er_str){ quote + 1, (size_t)(stop - (quote + 1)) };
    if (escaped) {
        name = decode(scanner, name);
    }
    if (name.p == NULL || !enter(scanner, name, escaped, quote)) {
        return no_memory(scanner, quote);
    }
    p = er_scan_space(scanner, stop + 1);
    if (*p != ':') {
        return er_lex_unexpected(p, scanner->end, "expected a colon after the key", &scanner->fault);
    }
    return p + 1;
}

void er_scan_begin_elements(struct er_scanner *scanner, const struct er_scan_level *level)
{
    scanner->escaped = false;
    scanner->node = level->node;
    scanner->owner = nobody; /* the fields are counted when the array ends */
    scanner->in_array = true;
    scanner->parent = level->parent;
}

/* ---- the text ---- */

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
    scanner->safe = text.n > ER_SHAPE_BLOCK ? scanner->end - ER_SHAPE_BLOCK : scanner->start;
    return text.p != NULL;
}

static bool begin(struct er_scanner *scanner, struct er_scan *scan)
{
    scan->duplicates = 0;
    scanner->scan = scan;
    scanner->trie = scan->trie;
    scanner->seed = scan->trie->catalog->seed;
    scanner->node = scan->root;
    scanner->owner = nobody;
    scanner->parent = ER_NONE;
    scanner->in_array = false;
    er_keys_begin(&scanner->keys);
    if (!er_grow(&scanner->levels, &scanner->levels_capacity, sizeof *scanner->levels, 0)) {
        return false;
    }
    scanner->levels[0].object = true; /* an array that is the document is no element */
    scanner->level = scanner->levels;
    set_limit(scanner);
    return make_readable(scanner, scan->text.n > 0 ? scan->text : ER_STR(""));
}

/* A document that is neither object nor array: it is checked, and is no event. */
static const char *lone_value(struct er_scanner *scanner, const char *p)
{
    bool escaped;

    if (*p == '"') {
        p = er_lex_string(p + 1, scanner->end, &escaped, &scanner->fault);
        p = p != NULL ? p + 1 : NULL;
    } else {
        p = er_scan_scalar(scanner, p);
    }
    return p != NULL ? er_scan_after(scanner, p) : NULL;
}

enum er_code er_scanner_run(struct er_scanner *scanner, struct er_scan *scan, struct er_err *err)
{
    const char *first, *p;

    if (!begin(scanner, scan)) {
        return er_err_set(err, ER_E_NOMEM, "out of memory for an event");
    }
    p = first = er_lex_begin(scanner->start, scanner->end, &scanner->fault);
    if (first != NULL && *first == '{') {
        p = scanner->walk(scanner, first, scan->root, er_shapes_begin(&scanner->shapes, scan->trie, scan->root));
    } else if (first != NULL && *first == '[') {
        p = scanner->walk(scanner, first, ER_NONE, NULL);
    } else if (first != NULL) {
        p = lone_value(scanner, first);
    }
    if (p == NULL) {
        return er_lex_error(err, &scanner->fault, scanner->start);
    }
    return *first == '{' ? ER_OK
                         : er_err_at(err, ER_E_EVENT_NOT_OBJECT, (size_t)(first - scanner->start), "an event is one JSON object");
}

#include "rules/engine/scan.h"

#include <stdlib.h>
#include "rules/base/json_lex.h"
#include "rules/engine/keys.h"
#include "rules/engine/shapes.h"

/* On the way of every byte; the other way is for what is rare. */
#define LIKELY(condition) __builtin_expect((condition), 1)
#define UNLIKELY(condition) __builtin_expect((condition), 0)

/* The walk is one loop for the compiler, so that what it knows stays in registers; what is rare stays outside. */
#define PART_OF_WALK static inline __attribute__((always_inline))
#define RARE static __attribute__((noinline, cold))
#define SELDOM static __attribute__((noinline))

/* A key whose value somebody reads: known at its shape, or a stranger; or neither, which is no key. */
struct owner {
    struct er_shape_key *known;
    uint32_t stranger; /* or ER_NONE */
};

static const struct owner nobody = { NULL, ER_NONE };

/* An open object or array. */
struct level {
    uint64_t filter; /* of the trie's node; 0: nobody reads any of its keys */
    uint32_t node;   /* where its elements or the parents of its keys stand, or ER_NONE: nobody reads in it */
    bool object;
    bool read;              /* it stands at a live node itself */
    struct er_shape *shape; /* of an object, or NULL */
    uint16_t *below;        /* of an array: what is to be the shape of its objects, or NULL */
    /* Only of objects. */
    struct er_shape_key **expected; /* from where the shape's next key is known */
    uint64_t seen;                  /* bit per known key */
    struct er_key_frame keys;       /* the strangers */
    /* Only set if it is read. */
    struct owner owner; /* the key that it is the value of */
    bool outermost;     /* an array that is no element of another one */
    bool in_array;      /* its values stand in an array */
    uint32_t parent;    /* the field of the object that its values stand in, or ER_NONE */
    uint32_t first;     /* fields there were when it opened */
};

struct er_scanner {
    struct er_keys keys;
    struct er_shapes shapes;
    struct level *levels; /* the first one is that of the document itself */
    uint32_t levels_capacity;
    /* The current text. */
    struct er_scan *scan;
    const struct er_trie *trie;
    uint64_t seed;
    const char *start, *end;
    struct level *level; /* the innermost one */
    struct level *limit; /* no other one may open in this one, or there is no room for it */
    struct er_lex_fault fault;
    /* The next value. */
    uint16_t *below; /* what is to be its shape if it is an object, or NULL */
    uint32_t node;   /* where it stands, or ER_NONE */
    /* If somebody reads it. */
    struct owner owner; /* whose value it is */
    uint32_t parent;    /* as in struct level */
    bool in_array;
};

struct er_scanner *er_scanner_new(void)
{
    struct er_scanner *scanner = calloc(1, sizeof *scanner);

    if (scanner != NULL) {
        er_shapes_init(&scanner->shapes);
    }
    return scanner;
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

/* White space is rare between the tokens of a machine's JSON. p may be read: see make_readable. */
static inline const char *space(const struct er_scanner *scanner, const char *p)
{
    return UNLIKELY((unsigned char)*p <= ' ') ? er_lex_space(p, scanner->end) : p;
}

/* ---- scalars ---- */

static bool emit(struct er_scanner *scanner, struct er_str text, enum er_field_kind kind)
{
    struct er_fields *fields = scanner->scan->fields;

    if (!er_fields_add(fields, scanner->node, text, kind, scanner->in_array)) {
        return false;
    }
    fields->items[fields->n - 1].parent = scanner->parent;
    return true;
}

SELDOM bool emit_string(struct er_scanner *scanner, struct er_str text, bool escaped)
{
    if (escaped) {
        text = decode(scanner, text);
    }
    return text.p != NULL && emit(scanner, text, ER_FIELD_STRING);
}

/* node: as in struct er_scanner, or ER_NONE. */
PART_OF_WALK const char *string(struct er_scanner *scanner, const char *p, uint32_t node)
{
    bool escaped;
    const char *quote = er_lex_string(p + 1, scanner->end, &escaped, &scanner->fault);

    if (UNLIKELY(quote == NULL)) {
        return NULL;
    }
    if (UNLIKELY(node != ER_NONE) && !emit_string(scanner, (struct er_str){ p + 1, (size_t)(quote - (p + 1)) }, escaped)) {
        return no_memory(scanner, p);
    }
    return quote + 1;
}

/* true, false, null, or nothing that can stand here. */
SELDOM const char *word(struct er_scanner *scanner, const char *p, uint32_t node)
{
    const char *stop;

    if (*p != 't' && *p != 'f' && *p != 'n') {
        return er_lex_unexpected(p, scanner->end, "expected a value", &scanner->fault);
    }
    stop = er_lex_literal(p, scanner->end, &scanner->fault);
    if (stop != NULL && node != ER_NONE &&
        !emit(scanner, (struct er_str){ p, (size_t)(stop - p) }, *p == 'n' ? ER_FIELD_NULL : ER_FIELD_BOOL)) {
        return no_memory(scanner, p);
    }
    return stop;
}

static inline bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

static inline const char *digits(const char *p)
{
    while (is_digit(*p)) {
        p++;
    }
    return p;
}

/* Behind a number without exponent, or NULL: then er_lex_number knows what to say. What ends it may be read. */
static inline const char *simple_number(const char *p)
{
    const char *first = p + (*p == '-');
    const char *stop = digits(first);
    const char *fraction = stop + 1;

    if (stop == first || (*first == '0' && stop != first + 1)) {
        return NULL;
    }
    if (*stop == '.') {
        stop = digits(fraction);
        if (stop == fraction) {
            return NULL;
        }
    }
    return *stop == 'e' || *stop == 'E' ? NULL : stop;
}

SELDOM const char *number_or_word(struct er_scanner *scanner, const char *p, uint32_t node)
{
    const char *stop;

    if (!is_digit(*p) && *p != '-') {
        return word(scanner, p, node);
    }
    stop = simple_number(p);
    if (UNLIKELY(stop == NULL)) {
        stop = er_lex_number(p, scanner->end, &scanner->fault);
    }
    if (UNLIKELY(node != ER_NONE) && stop != NULL && !emit(scanner, (struct er_str){ p, (size_t)(stop - p) }, ER_FIELD_NUMBER)) {
        return no_memory(scanner, p);
    }
    return stop;
}

/* ---- containers ---- */

static inline void end_value(struct er_scanner *scanner, struct owner owner)
{
    uint32_t n = scanner->scan->fields->n;

    if (owner.known != NULL) {
        owner.known->to = n;
    } else if (owner.stranger != ER_NONE) {
        scanner->keys.items[owner.stranger].to = n;
    }
}

/* An array in which somebody reads, without elements also after flattening, leaves a mark. It stands where the array stands. */
static bool mark_empty(struct er_scanner *scanner, const struct level *level)
{
    if (level->object || !level->outermost || scanner->scan->fields->n > level->first) {
        return true;
    }
    scanner->node = level->node;
    scanner->parent = level->parent;
    scanner->in_array = level[-1].in_array;
    return emit(scanner, ER_STR(""), ER_FIELD_NONE);
}

static inline bool close_container(struct er_scanner *scanner)
{
    const struct level *level = scanner->level--;

    if (level->object) {
        er_keys_close(&scanner->keys, &level->keys);
    }
    if (LIKELY(!level->read)) {
        return true;
    }
    if (level->node != ER_NONE && !mark_empty(scanner, level)) {
        return false;
    }
    end_value(scanner, level->owner);
    return true;
}

/* What follows a complete value: closes the containers that end here. Returns the start of the next element, or the end. Here the text
 * may end at any time, so every byte is asked for. */
static const char *after(struct er_scanner *scanner, const char *p)
{
    const char *end = scanner->end;

    for (p = er_lex_space(p, end); scanner->level != scanner->levels; p = er_lex_space(p + 1, end)) {
        bool object = scanner->level->object;

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

/* Where the keys of an object are known. */
static inline void find_shape(struct er_scanner *scanner, struct level *level, uint16_t *below)
{
    level->shape = below != NULL ? er_shapes_below(&scanner->shapes, below) : NULL;
    level->expected = level->shape != NULL ? &level->shape->first : &scanner->shapes.nothing.next;
    level->seen = 0;
    er_keys_open(&scanner->keys, &level->keys);
}

/* A container at a live node: what it says itself, and where its values stand, which is in the object, or where the array stands. */
static bool begin_read(struct er_scanner *scanner, struct level *level, uint32_t node)
{
    bool children = er_trie_has_children(scanner->trie, node);

    if (level->object && node != ER_NODE_EVENT) {
        if (!emit(scanner, ER_STR(""), ER_FIELD_OBJECT)) {
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

/* Room for one more level. p: where it would open. */
static bool grow_levels(struct er_scanner *scanner, const char *p)
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

/* Opens the object or array at p, whose value is the next one. Returns the start of its first element, or of what follows an empty one. */
static const char *container(struct er_scanner *scanner, const char *p, uint32_t node, uint16_t *below)
{
    bool object = *p == '{';
    struct level *level;

    if (UNLIKELY(scanner->level == scanner->limit) && !grow_levels(scanner, p)) {
        return NULL;
    }
    level = ++scanner->level;
    level->object = object;
    level->read = node != ER_NONE;
    level->filter = 0;
    level->node = ER_NONE;
    level->below = below;
    if (object) {
        find_shape(scanner, level, below);
    }
    if (UNLIKELY(level->read) && !begin_read(scanner, level, node)) {
        return no_memory(scanner, p);
    }
    p = space(scanner, p + 1);
    if (UNLIKELY(*p == (object ? '}' : ']'))) {
        return close_container(scanner) ? after(scanner, p + 1) : no_memory(scanner, p);
    }
    return p;
}

/* ---- members and elements ---- */

RARE void count_duplicate(struct er_scanner *scanner, const char *quote)
{
    if (scanner->scan->duplicates++ == 0) {
        scanner->scan->first_duplicate = (size_t)(quote - scanner->start);
    }
}

/* The value of a key that somebody reads comes next, or comes again: then the fields of its earlier value die, from *from to to. */
static void begin_value(struct er_scanner *scanner, struct owner owner, uint32_t node, bool again)
{
    struct er_fields *fields = scanner->scan->fields;
    const struct level *level = scanner->level;
    uint32_t *from = owner.known != NULL ? &owner.known->from : &scanner->keys.items[owner.stranger].from;
    uint32_t to = owner.known != NULL ? owner.known->to : scanner->keys.items[owner.stranger].to;

    for (uint32_t i = *from; again && i < to; i++) {
        fields->items[i].dead = true;
    }
    *from = fields->n;
    scanner->node = node;
    scanner->owner = owner;
    scanner->in_array = level->in_array;
    scanner->parent = level->parent;
}

/* Behind a known key; quote: where it stands. */
SELDOM void begin_known(struct er_scanner *scanner, struct er_shape_key *key, const char *quote, bool again)
{
    if (again) {
        count_duplicate(scanner, quote);
    }
    if (key->node != ER_NONE) {
        begin_value(scanner, (struct owner){ key, ER_NONE }, key->node, again);
    }
}

static inline void enter_known(struct er_scanner *scanner, struct er_shape_key *key, const char *quote)
{
    struct level *level = scanner->level;
    bool again = (level->seen >> key->index & 1) != 0;

    level->seen |= UINT64_C(1) << key->index;
    level->expected = &key->next;
    scanner->node = key->node;
    scanner->below = &key->below;
    if (UNLIKELY(again || key->node != ER_NONE)) {
        begin_known(scanner, key, quote, again);
    }
}

/* The node that a key of the innermost object leads to, or ER_NONE. */
static uint32_t child(const struct er_scanner *scanner, struct er_str name, uint64_t hash)
{
    const struct level *level = scanner->level;

    return (level->filter >> (hash & 63) & 1) != 0 ? er_trie_child(scanner->trie, level->node, name, hash) : ER_NONE;
}

/* A key that its shape does not know. False without memory. */
static bool enter_stranger(struct er_scanner *scanner, struct er_str name, uint64_t hash, const char *quote)
{
    struct level *level = scanner->level;
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
        begin_value(scanner, (struct owner){ NULL, index }, node, again);
    }
    return true;
}

/* Makes a key known, if it stands in the text as it is and was no stranger so far in this object. NULL if it stays one. */
static struct er_shape_key *learn(struct er_scanner *scanner, struct er_str name, uint64_t hash, bool escaped)
{
    struct level *level = scanner->level;
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
    struct level *level = scanner->level;
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
    *level->expected = known;
    enter_known(scanner, known, quote);
    return true;
}

/* A key that was not expected. Returns the start of the value. */
SELDOM const char *unexpected_key(struct er_scanner *scanner, const char *quote)
{
    struct er_str name;
    bool escaped;
    const char *p;

    if (*quote != '"') {
        return er_lex_unexpected(quote, scanner->end, "expected a key in double quotes", &scanner->fault);
    }
    p = er_lex_string(quote + 1, scanner->end, &escaped, &scanner->fault);
    if (p == NULL) {
        return NULL;
    }
    name = (struct er_str){ quote + 1, (size_t)(p - (quote + 1)) };
    if (escaped) {
        name = decode(scanner, name);
    }
    if (name.p == NULL || !enter(scanner, name, escaped, quote)) {
        return no_memory(scanner, quote);
    }
    p = space(scanner, p + 1);
    if (*p != ':') {
        return er_lex_unexpected(p, scanner->end, "expected a colon after the key", &scanner->fault);
    }
    return p + 1;
}

/* Behind the key at p and its colon. */
PART_OF_WALK const char *key(struct er_scanner *scanner, const char *p)
{
    struct er_shape_key *expected = *scanner->level->expected;

    if (LIKELY(*p == '"' && scanner->end - p > (ptrdiff_t)ER_SHAPE_BLOCK && er_shape_expects(expected, p + 1, scanner->end))) {
        enter_known(scanner, expected, p);
        return p + 1 + expected->length;
    }
    return unexpected_key(scanner, p);
}

static inline bool opens(char c)
{
    return c == '{' || c == '[';
}

/* The rest of the innermost container: until it ends, or one in it opens. elements and members differ in the key only. */
PART_OF_WALK const char *members(struct er_scanner *scanner, const char *p)
{
    for (;;) {
        p = key(scanner, p);
        if (UNLIKELY(p == NULL)) {
            return NULL;
        }
        if (LIKELY(*p == '"')) {
            p = string(scanner, p, scanner->node);
        } else {
            p = space(scanner, p);
            if (opens(*p)) {
                return container(scanner, p, scanner->node, scanner->below);
            }
            p = *p == '"' ? string(scanner, p, scanner->node) : number_or_word(scanner, p, scanner->node);
        }
        if (UNLIKELY(p == NULL)) {
            return NULL;
        }
        if (UNLIKELY(scanner->node != ER_NONE)) {
            end_value(scanner, scanner->owner);
        }
        if (*p != ',') {
            p = space(scanner, p);
            if (*p != ',') {
                return after(scanner, p);
            }
        }
        if (UNLIKELY(*++p != '"')) {
            p = space(scanner, p);
        }
    }
}

PART_OF_WALK const char *elements(struct er_scanner *scanner, const char *p)
{
    const struct level *level = scanner->level;
    uint32_t node = level->node;

    if (node != ER_NONE) {
        scanner->node = node;
        scanner->owner = nobody; /* the fields are counted when the array ends */
        scanner->in_array = true;
        scanner->parent = level->parent;
    }
    for (;;) {
        if (opens(*p)) {
            return container(scanner, p, node, level->below);
        }
        p = *p == '"' ? string(scanner, p, node) : number_or_word(scanner, p, node);
        if (UNLIKELY(p == NULL)) {
            return NULL;
        }
        if (*p != ',') {
            p = space(scanner, p);
            if (*p != ',') {
                return after(scanner, p);
            }
        }
        p = space(scanner, p + 1);
    }
}

/* The whole document; p is at its first byte. below: of the event, as in struct er_scanner. */
static const char *document(struct er_scanner *scanner, const char *p, uint32_t node, uint16_t *below)
{
    if (opens(*p)) {
        p = container(scanner, p, node, below);
    } else {
        p = *p == '"' ? string(scanner, p, ER_NONE) : number_or_word(scanner, p, ER_NONE);
        p = p != NULL ? after(scanner, p) : NULL;
    }
    while (p != NULL && scanner->level != scanner->levels) {
        p = scanner->level->object ? members(scanner, p) : elements(scanner, p);
    }
    return p;
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

enum er_code er_scanner_run(struct er_scanner *scanner, struct er_scan *scan, struct er_err *err)
{
    const char *first, *p;
    bool object;

    if (!begin(scanner, scan)) {
        return er_err_set(err, ER_E_NOMEM, "out of memory for an event");
    }
    first = er_lex_begin(scanner->start, scanner->end, &scanner->fault);
    if (first == NULL) {
        return er_lex_error(err, &scanner->fault, scanner->start);
    }
    object = *first == '{';
    p = document(scanner, first, object ? scan->root : ER_NONE,
                 object ? er_shapes_begin(&scanner->shapes, scan->trie, scan->root) : NULL);
    if (p == NULL) {
        return er_lex_error(err, &scanner->fault, scanner->start);
    }
    return object ? ER_OK : er_err_at(err, ER_E_EVENT_NOT_OBJECT, (size_t)(first - scanner->start), "an event is one JSON object");
}

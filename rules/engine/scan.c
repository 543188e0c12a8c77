#include "rules/engine/scan.h"

#include <stdlib.h>
#include "rules/base/json_lex.h"
#include "rules/engine/keyset.h"

/* An open object or array. */
struct level {
    uint32_t node;   /* where its elements or the parent of its keys stand */
    uint32_t object; /* number, 0 for an array */
    uint32_t member; /* the member that it is the value of, or ER_NONE */
    bool in_array;   /* its values stand in an array */
};

/* The fields that the last value of a read key gave, so that a duplicate can take them back. */
struct member {
    uint32_t first;
    uint32_t end;
};

struct er_scanner {
    struct er_keyset keys;
    struct level *levels;
    uint32_t levels_capacity;
    struct member *members;
    uint32_t members_capacity;
    uint32_t n_members;
    /* The current text. */
    struct er_scan *scan;
    const char *start, *end;
    uint32_t depth;
    uint32_t node;   /* where the next value stands, or ER_NONE */
    uint32_t member; /* whose value it is, or ER_NONE */
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
        er_keyset_fini(&scanner->keys);
        free(scanner->levels);
        free(scanner->members);
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

/* ---- values ---- */

static inline bool is_read(const struct er_scanner *scanner)
{
    return scanner->node != ER_NONE && er_trie_is_read(scanner->scan->trie, scanner->node);
}

static inline bool emit(struct er_scanner *scanner, struct er_str text, enum er_field_kind kind)
{
    return er_fields_add(scanner->scan->fields, scanner->node, text, kind, scanner->in_array);
}

static inline void close_member(struct er_scanner *scanner, uint32_t member)
{
    if (member != ER_NONE) {
        scanner->members[member].end = scanner->scan->fields->n;
    }
}

static inline const char *string(struct er_scanner *scanner, const char *p)
{
    bool escaped;
    const char *quote = er_lex_string(p + 1, scanner->end, &escaped, &scanner->fault);
    struct er_str text = { p + 1, 0 };

    if (quote == NULL) {
        return NULL;
    }
    text.n = (size_t)(quote - text.p);
    if (is_read(scanner) && ((escaped && !decode(scanner, &text)) || !emit(scanner, text, ER_FIELD_STRING))) {
        return no_memory(scanner, p);
    }
    return quote + 1;
}

static const char *number(struct er_scanner *scanner, const char *p)
{
    const char *stop = er_lex_number(p, scanner->end, &scanner->fault);

    if (stop != NULL && is_read(scanner) && !emit(scanner, (struct er_str){ p, (size_t)(stop - p) }, ER_FIELD_NUMBER)) {
        return no_memory(scanner, p);
    }
    return stop;
}

static const char *literal(struct er_scanner *scanner, const char *p)
{
    const char *stop = er_lex_literal(p, scanner->end, &scanner->fault);

    if (stop != NULL && *p != 'n' && is_read(scanner) && !emit(scanner, (struct er_str){ p, (size_t)(stop - p) }, ER_FIELD_BOOL)) {
        return no_memory(scanner, p);
    }
    return stop;
}

static void close_container(struct er_scanner *scanner)
{
    close_member(scanner, scanner->levels[--scanner->depth].member);
}

/* *opened: its first element or key comes next; otherwise it was empty and is closed again. */
static const char *container(struct er_scanner *scanner, const char *p, bool *opened)
{
    bool object = *p == '{';
    struct level *level;

    if (scanner->depth == scanner->scan->max_depth) {
        return fail(scanner, ER_E_JSON_DEPTH, p, "too many objects and arrays are open at once");
    }
    if (!er_grow(&scanner->levels, &scanner->levels_capacity, sizeof *scanner->levels, scanner->depth)) {
        return no_memory(scanner, p);
    }
    level = &scanner->levels[scanner->depth++];
    level->node = scanner->node != ER_NONE && object && !er_trie_has_children(scanner->scan->trie, scanner->node) ? ER_NONE : scanner->node;
    level->object = object ? er_keyset_object(&scanner->keys) : 0;
    level->member = scanner->member;
    level->in_array = scanner->in_array || !object;
    p = er_lex_space(p + 1, scanner->end);
    *opened = !(p < scanner->end && *p == (object ? '}' : ']'));
    if (!*opened) {
        close_container(scanner);
        p++;
    }
    return p;
}

/* One value; a container is only opened. */
static inline const char *value(struct er_scanner *scanner, const char *p, bool *opened)
{
    *opened = false;
    if (p == scanner->end) {
        return er_lex_unexpected(p, scanner->end, "expected a value", &scanner->fault);
    }
    if (*p == '"') {
        p = string(scanner, p);
    } else if (*p == '{' || *p == '[') {
        return container(scanner, p, opened);
    } else if ((*p >= '0' && *p <= '9') || *p == '-') {
        p = number(scanner, p);
    } else if (*p == 't' || *p == 'f' || *p == 'n') {
        p = literal(scanner, p);
    } else {
        return er_lex_unexpected(p, scanner->end, "expected a value", &scanner->fault);
    }
    close_member(scanner, scanner->member);
    return p;
}

/* ---- keys ---- */

static void kill_fields(struct er_scanner *scanner, uint32_t member)
{
    for (uint32_t i = scanner->members[member].first; i < scanner->members[member].end; i++) {
        scanner->scan->fields->items[i].dead = true;
    }
}

static bool begin_member(struct er_scanner *scanner, struct er_key *entry)
{
    if (entry->member == ER_NONE) {
        if (!er_grow(&scanner->members, &scanner->members_capacity, sizeof *scanner->members, scanner->n_members)) {
            return false;
        }
        entry->member = scanner->n_members++;
    }
    scanner->member = entry->member;
    scanner->members[entry->member].first = scanner->scan->fields->n;
    return true;
}

/* Where the key leads, and whether it came before in its object. at: its opening quote. */
static inline bool enter(struct er_scanner *scanner, const struct level *level, struct er_str name, const char *at)
{
    uint64_t hash = er_hash(name, scanner->scan->trie->catalog->seed);
    bool found;
    struct er_key *entry = er_keyset_put(&scanner->keys, level->object, name, hash, &found);

    if (entry == NULL) {
        return false;
    }
    if (found) {
        if (scanner->scan->duplicates++ == 0) {
            scanner->scan->first_duplicate = (size_t)(at - scanner->start);
        }
        if (entry->member != ER_NONE) {
            kill_fields(scanner, entry->member);
        }
    }
    scanner->in_array = level->in_array;
    scanner->member = ER_NONE;
    scanner->node = level->node == ER_NONE ? ER_NONE : er_trie_child(scanner->scan->trie, level->node, name, hash);
    return scanner->node == ER_NONE || begin_member(scanner, entry);
}

static inline const char *key(struct er_scanner *scanner, const struct level *level, const char *p)
{
    const char *at = p;
    struct er_str name;
    bool escaped;

    if (p == scanner->end || *p != '"') {
        return er_lex_unexpected(p, scanner->end, "expected a key in double quotes", &scanner->fault);
    }
    p = er_lex_string(at + 1, scanner->end, &escaped, &scanner->fault);
    if (p == NULL) {
        return NULL;
    }
    name = (struct er_str){ at + 1, (size_t)(p - (at + 1)) };
    if ((escaped && !decode(scanner, &name)) || !enter(scanner, level, name, at)) {
        return no_memory(scanner, at);
    }
    p = er_lex_space(p + 1, scanner->end);
    if (p == scanner->end || *p != ':') {
        return er_lex_unexpected(p, scanner->end, "expected a colon after the key", &scanner->fault);
    }
    return er_lex_space(p + 1, scanner->end);
}

/* ---- the walk ---- */

/* What stands before the next value: in an object its key. */
static inline const char *lead(struct er_scanner *scanner, const char *p)
{
    const struct level *level;

    if (scanner->depth == 0) {
        return p;
    }
    level = &scanner->levels[scanner->depth - 1];
    if (level->object != 0) {
        return key(scanner, level, p);
    }
    scanner->node = level->node;
    scanner->member = ER_NONE;
    scanner->in_array = true;
    return p;
}

/* What follows a complete value: closes the containers that end here. Returns the start of the next element, or the end. */
static inline const char *after(struct er_scanner *scanner, const char *p)
{
    for (p = er_lex_space(p, scanner->end); scanner->depth > 0; p = er_lex_space(p + 1, scanner->end)) {
        bool object = scanner->levels[scanner->depth - 1].object != 0;

        if (p < scanner->end && *p == ',') {
            return er_lex_space(p + 1, scanner->end);
        }
        if (p == scanner->end || *p != (object ? '}' : ']')) {
            return er_lex_unexpected(p, scanner->end,
                                     object ? "expected a comma or a closing brace" : "expected a comma or a closing bracket",
                                     &scanner->fault);
        }
        close_container(scanner);
    }
    return p == scanner->end ? p : fail(scanner, ER_E_JSON_TRAILING, p, "expected nothing after the document");
}

static const char *walk(struct er_scanner *scanner, const char *p)
{
    bool opened = false;

    do {
        p = lead(scanner, p);
        if (p != NULL) {
            p = value(scanner, p, &opened);
        }
        if (p != NULL && !opened) {
            p = after(scanner, p);
        }
    } while (p != NULL && (opened || scanner->depth > 0));
    return p;
}

enum er_code er_scanner_run(struct er_scanner *scanner, struct er_scan *scan, struct er_err *err)
{
    const char *p;

    scan->duplicates = 0;
    scanner->scan = scan;
    scanner->start = scan->text.n == 0 ? "" : scan->text.p;
    scanner->end = scanner->start + scan->text.n;
    scanner->depth = 0;
    scanner->n_members = 0;
    scanner->member = ER_NONE;
    scanner->in_array = false;
    if (!er_keyset_begin(&scanner->keys)) {
        return er_err_set(err, ER_E_NOMEM, "out of memory for an event's keys");
    }
    p = er_lex_begin(scanner->start, scanner->end, &scanner->fault);
    if (p != NULL) {
        const char *first = p;
        bool object = p < scanner->end && *p == '{';

        scanner->node = object ? scan->root : ER_NONE;
        p = walk(scanner, p);
        if (p != NULL && !object) {
            return er_err_at(err, ER_E_EVENT_NOT_OBJECT, (size_t)(first - scanner->start), "an event is one JSON object");
        }
    }
    return p != NULL ? ER_OK : er_lex_error(err, &scanner->fault, scanner->start);
}

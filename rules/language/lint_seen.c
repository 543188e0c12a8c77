/* Types and paths of events that were seen: two sets of texts. */
#include <stdlib.h>

#include "rules/language/lint_impl.h"

struct set {
    struct er_str *slots; /* p = NULL: free */
    size_t n, capacity;   /* a power of 2 */
};

struct er_lint_seen {
    struct er_arena *arena;   /* of the sets */
    struct er_arena *scratch; /* of one event */
    struct set types, paths;
    size_t events;
};

static uint64_t hash(struct er_str s)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < s.n; i++) {
        h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
    }
    return h ^ h >> 32;
}

static struct er_str *find(const struct set *set, struct er_str text)
{
    size_t i = (size_t)hash(text) & (set->capacity - 1);

    while (set->slots[i].p != NULL && !er_str_eq(set->slots[i], text)) {
        i = (i + 1) & (set->capacity - 1);
    }
    return &set->slots[i];
}

static bool grow(struct set *set)
{
    struct set larger = { .capacity = set->capacity == 0 ? 64 : set->capacity * 2, .n = set->n };

    larger.slots = calloc(larger.capacity, sizeof *larger.slots);
    if (larger.slots == NULL) {
        return false;
    }
    for (size_t i = 0; i < set->capacity; i++) {
        if (set->slots[i].p != NULL) {
            *find(&larger, set->slots[i]) = set->slots[i];
        }
    }
    free(set->slots);
    *set = larger;
    return true;
}

static bool has(const struct set *set, struct er_str text)
{
    return set->capacity > 0 && find(set, text)->p != NULL;
}

static bool put(struct er_lint_seen *seen, struct set *set, struct er_str text)
{
    struct er_str kept;

    if (has(set, text)) {
        return true;
    }
    kept = er_arena_dup(seen->arena, text);
    if (kept.p == NULL || (set->n * 2 >= set->capacity && !grow(set))) {
        return false;
    }
    *find(set, kept) = kept;
    set->n++;
    return true;
}

struct er_lint_seen *er_lint_seen_new(void)
{
    struct er_lint_seen *seen = calloc(1, sizeof *seen);

    if (seen != NULL) {
        seen->arena = er_arena_new(0);
        seen->scratch = er_arena_new(0);
    }
    if (seen != NULL && (seen->arena == NULL || seen->scratch == NULL)) {
        er_lint_seen_free(seen);
        return NULL;
    }
    return seen;
}

void er_lint_seen_free(struct er_lint_seen *seen)
{
    if (seen != NULL) {
        er_arena_free(seen->arena);
        er_arena_free(seen->scratch);
        free(seen->types.slots);
        free(seen->paths.slots);
        free(seen);
    }
}

/* All paths below a value, arrays looked through. Depth is bounded by the parser. */
static bool add_paths(struct er_lint_seen *seen, const struct er_json *value, struct er_str pointer)
{
    for (const struct er_json *child = value->first; child != NULL; child = child->next) {
        struct er_str path = value->type == ER_JSON_OBJECT ? er_pointer_push(seen->scratch, pointer, child->key) : pointer;

        if (path.p == NULL || (value->type == ER_JSON_OBJECT && !put(seen, &seen->paths, path)) || !add_paths(seen, child, path)) {
            return false;
        }
    }
    return true;
}

bool er_lint_seen_add(struct er_lint_seen *seen, struct er_str type, const struct er_json *root)
{
    seen->events++;
    er_arena_reset(seen->scratch);
    return (type.p == NULL || put(seen, &seen->types, type)) && (root == NULL || add_paths(seen, root, ER_STR("")));
}

bool er_lint_type_seen(const struct er_lint_seen *seen, struct er_str entry)
{
    if (seen->events == 0 || has(&seen->types, entry)) {
        return true;
    }
    for (size_t i = 0; i < seen->types.capacity; i++) {
        if (seen->types.slots[i].p != NULL && er_type_glob_match(entry, seen->types.slots[i])) {
            return true;
        }
    }
    return false;
}

bool er_lint_path_seen(const struct er_lint_seen *seen, struct er_str pointer)
{
    return seen->events == 0 || has(&seen->paths, pointer);
}

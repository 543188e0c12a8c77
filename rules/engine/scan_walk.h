/* The walk over the bytes of an event. Included by one file for each width of blocks, which says first:
 *
 *   WALK_NAME       the walk, as er_scan_walk
 *   WALK_BYTES      bytes of a block
 *   WALK_TARGET     attribute of every function here
 *   walk_special    bit per byte of the block at p that is no plain string byte (a quote, a backslash, a control, not ASCII)
 *   walk_digits     bit per byte that is a digit
 *   walk_equal      bit per byte that is the same in two blocks
 *
 * All that is usual in an event is here, for the compiler one piece, so that what it knows stays in registers. Whatever else comes is
 * scan.c's.
 */
#include "rules/engine/scan_impl.h"

#define WALK WALK_TARGET static inline __attribute__((always_inline))

#define WALK_ALL ((uint32_t)(UINT64_MAX >> (64 - WALK_BYTES)))

/* Is it the key at p? ER_SHAPE_BLOCK bytes are there. */
WALK bool walk_is_key(const struct er_shape_key *key, const char *p)
{
    uint64_t equal = walk_equal(p, key->text);

    for (unsigned at = WALK_BYTES; at < ER_SHAPE_BLOCK && key->need >> at != 0; at += WALK_BYTES) {
        equal |= (uint64_t)walk_equal(p + at, key->text + at) << at;
    }
    return (equal & key->need) == key->need;
}

/* As walk_string, near the end of the text: the last block is looked at from where it is a whole one. */
WALK_TARGET static __attribute__((noinline)) const char *walk_last_string(struct er_scanner *scanner, const char *p)
{
    const char *end = scanner->end;
    uint32_t special;

    for (; end - p >= WALK_BYTES; p += WALK_BYTES) {
        special = walk_special(p);
        if (special != 0) {
            return er_scan_string_rest(scanner, p + __builtin_ctz(special));
        }
    }
    if (p < end && end - scanner->start >= WALK_BYTES) {
        special = walk_special(end - WALK_BYTES) >> (WALK_BYTES - (end - p));
        p = special != 0 ? p + __builtin_ctz(special) : end;
    }
    return er_scan_string_rest(scanner, p);
}

/* From behind the opening quote of a string to its closing one. */
WALK const char *walk_string(struct er_scanner *scanner, const char *p, const char *safe)
{
    for (; LIKELY(p <= safe); p += WALK_BYTES) {
        uint32_t special = walk_special(p);

        if (LIKELY(special != 0)) {
            p += __builtin_ctz(special);
            return LIKELY(*p == '"') ? p : er_scan_string_rest(scanner, p);
        }
    }
    return walk_last_string(scanner, p);
}

/* Behind the number, true, false or null at p, which is followed by something. */
WALK const char *walk_scalar(struct er_scanner *scanner, const char *p, const char *safe)
{
    const char *first = p + (*p == '-');
    uint32_t others, n;

    if (UNLIKELY(first > safe)) {
        return er_scan_scalar(scanner, p);
    }
    others = ~walk_digits(first) & WALK_ALL;
    n = (uint32_t)__builtin_ctz(others | 1u << (WALK_BYTES - 1));
    if (n == 0 || (*first == '0' && n > 1)) {
        return er_scan_scalar(scanner, p);
    }
    if (first[n] == '.') {
        uint32_t point = n;

        others &= others - 1; /* which has the point for its lowest bit */
        n = (uint32_t)__builtin_ctz(others | 1u << (WALK_BYTES - 1));
        if (n == point + 1) {
            return er_scan_scalar(scanner, p);
        }
    }
    first += n;
    /* Behind a whole block of digits, or at an exponent, which has one more part. */
    return UNLIKELY(n == WALK_BYTES - 1 || (*first | 0x20) == 'e') ? er_scan_scalar(scanner, p) : first;
}

/* The end of the innermost container is at p. Closes it and those that end with it. Returns the start of the next element, or the end. */
WALK const char *walk_close(struct er_scanner *scanner, const char *p)
{
    for (;;) {
        struct er_scan_level *level = scanner->level;

        if (UNLIKELY(level->read || level->keys.used)) {
            if (!er_scan_close(scanner, p)) {
                return NULL;
            }
        }
        scanner->level = --level;
        p++;
        if (UNLIKELY(level == scanner->levels || p == scanner->end)) {
            return er_scan_after(scanner, p);
        }
        if (LIKELY(*p == ',')) {
            return er_scan_space(scanner, p + 1);
        }
        if (UNLIKELY(*p != (level->object ? '}' : ']'))) {
            return er_scan_after(scanner, p);
        }
    }
}

/* Where the keys of an object are known. */
WALK void walk_open_object(struct er_scanner *scanner, struct er_scan_level *level, uint16_t *below)
{
    level->shape = below != NULL ? er_shapes_below(&scanner->shapes, below) : NULL;
    level->expected = level->shape != NULL ? &level->shape->first : &scanner->shapes.nothing.next;
    level->seen = 0;
    er_keys_open(&scanner->keys, &level->keys);
}

/* Opens the object or array at p. Returns the start of its first element, or of what follows an empty one. */
WALK const char *walk_open(struct er_scanner *scanner, const char *p, uint32_t node, uint16_t *below)
{
    bool object = *p == '{';
    struct er_scan_level *level;

    if (UNLIKELY(scanner->level == scanner->limit) && !er_scan_grow(scanner, p)) {
        return NULL;
    }
    level = ++scanner->level;
    level->object = object;
    level->read = node != ER_NONE;
    level->filter = 0;
    level->node = ER_NONE;
    level->below = below;
    level->keys.used = false;
    if (object) {
        walk_open_object(scanner, level, below);
    }
    if (UNLIKELY(node != ER_NONE) && !er_scan_begin_read(scanner, level, node, p)) {
        return NULL;
    }
    p = er_scan_space(scanner, p + 1);
    return UNLIKELY(*p == (object ? '}' : ']')) ? walk_close(scanner, p) : p;
}

/* The scalar at p. Returns what is behind it. */
WALK const char *walk_value(struct er_scanner *scanner, const char *p, uint32_t node, const char *safe)
{
    const char *stop;

    if (LIKELY(*p == '"')) {
        stop = walk_string(scanner, p + 1, safe);
        if (UNLIKELY(stop == NULL)) {
            return NULL;
        }
        stop++;
    } else {
        stop = walk_scalar(scanner, p, safe);
        if (UNLIKELY(stop == NULL)) {
            return NULL;
        }
    }
    return LIKELY(node == ER_NONE) || er_scan_read_scalar(scanner, p, stop) ? stop : NULL;
}

/* Behind a scalar: does one more element follow? Then p is moved to it. */
WALK bool walk_more(struct er_scanner *scanner, const char **p)
{
    if (UNLIKELY((unsigned char)**p <= ' ')) {
        *p = er_lex_space(*p, scanner->end);
    }
    if (**p != ',') {
        return false;
    }
    if (UNLIKELY((unsigned char)*++*p <= ' ')) {
        *p = er_lex_space(*p, scanner->end);
    }
    return true;
}

/* The rest of the innermost object: until it ends, or a container in it opens. Returns where to go on. */
WALK_TARGET static const char *walk_members(struct er_scanner *scanner, const char *p)
{
    struct er_scan_level *level = scanner->level;
    const char *safe = scanner->safe;
    struct er_shape_key **expected = level->expected;
    uint64_t seen = level->seen;

    do {
        struct er_shape_key *key = *expected;
        uint16_t *below;
        uint32_t node;

        if (LIKELY(p <= safe && walk_is_key(key, p) && (seen >> key->index & 1) == 0)) {
            seen |= UINT64_C(1) << key->index;
            expected = &key->next;
            node = key->node;
            below = &key->below;
            p += key->length;
            if (UNLIKELY(node != ER_NONE)) {
                er_scan_enter_read(scanner, level, key);
            }
        } else {
            level->expected = expected;
            level->seen = seen;
            p = er_scan_key(scanner, p);
            if (UNLIKELY(p == NULL)) {
                return NULL;
            }
            expected = level->expected;
            seen = level->seen;
            node = scanner->node;
            below = scanner->below;
        }
        if (*p != '"') {
            p = er_scan_space(scanner, p);
            if (*p == '{' || *p == '[') {
                level->expected = expected;
                level->seen = seen;
                return walk_open(scanner, p, node, below);
            }
        }
        p = walk_value(scanner, p, node, safe);
        if (UNLIKELY(p == NULL)) {
            return NULL;
        }
    } while (walk_more(scanner, &p));
    return LIKELY(*p == '}') ? walk_close(scanner, p) : er_scan_after(scanner, p);
}

/* The same of an array. */
WALK_TARGET static const char *walk_elements(struct er_scanner *scanner, const char *p)
{
    const struct er_scan_level *level = scanner->level;
    const char *safe = scanner->safe;
    uint32_t node = level->node;

    if (node != ER_NONE) {
        er_scan_begin_elements(scanner, level);
    }
    do {
        if (*p == '{' || *p == '[') {
            return walk_open(scanner, p, node, level->below);
        }
        p = walk_value(scanner, p, node, safe);
        if (UNLIKELY(p == NULL)) {
            return NULL;
        }
    } while (walk_more(scanner, &p));
    return LIKELY(*p == ']') ? walk_close(scanner, p) : er_scan_after(scanner, p);
}

WALK_TARGET static const char *walk(struct er_scanner *scanner, const char *p, uint32_t node, uint16_t *below)
{
    p = walk_open(scanner, p, node, below);
    while (p != NULL && scanner->level != scanner->levels) {
        p = scanner->level->object ? walk_members(scanner, p) : walk_elements(scanner, p);
    }
    return p;
}

er_scan_walk *const WALK_NAME = walk;

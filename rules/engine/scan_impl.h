/* The scanner from inside: scan.c has what is rare in an event, scan_walk.h the walk over the bytes, which is compiled once for each
 * width of blocks.
 */
#ifndef ER_RULES_ENGINE_SCAN_IMPL_H
#define ER_RULES_ENGINE_SCAN_IMPL_H

#include "rules/base/json_lex.h"
#include "rules/engine/keys.h"
#include "rules/engine/scan.h"
#include "rules/engine/shapes.h"

/* On the way of every byte; the other way is for what is rare. */
#define LIKELY(condition) __builtin_expect((condition), 1)
#define UNLIKELY(condition) __builtin_expect((condition), 0)

/* A key whose value somebody reads: known at its shape, or a stranger; or neither, which is no key. */
struct er_scan_owner {
    struct er_shape_key *known;
    uint32_t stranger; /* or ER_NONE */
};

/* An open object or array. */
struct er_scan_level {
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
    struct er_scan_owner owner; /* the key that it is the value of */
    bool outermost;             /* an array that is no element of another one */
    bool in_array;              /* its values stand in an array */
    uint32_t parent;            /* the field of the object that its values stand in, or ER_NONE */
    uint32_t first;             /* fields there were when it opened */
};

/* The walk: from the first byte of the value that is the document; node, below: of an object, as in struct er_scanner. Returns the end of
 * the text, or NULL with the scanner's fault. */
typedef const char *er_scan_walk(struct er_scanner *scanner, const char *p, uint32_t node, uint16_t *below);

struct er_scanner {
    struct er_keys keys;
    struct er_shapes shapes;
    struct er_scan_level *levels; /* the first one is that of the document itself */
    uint32_t levels_capacity;
    er_scan_walk *walk;
    /* The current text. */
    struct er_scan *scan;
    const struct er_trie *trie;
    uint64_t seed;
    const char *start, *end;
    const char *safe;            /* up to here ER_SHAPE_BLOCK bytes may be read; NULL in a short text */
    struct er_scan_level *level; /* the innermost one */
    struct er_scan_level *limit; /* no other one may open in this one, or there is no room for it */
    struct er_lex_fault fault;
    /* The next value. */
    uint16_t *below; /* what is to be its shape if it is an object, or NULL */
    uint32_t node;   /* where it stands, or ER_NONE */
    /* If somebody reads it. */
    struct er_scan_owner owner; /* whose value it is */
    uint32_t parent;            /* as in struct er_scan_level */
    bool in_array;
    bool escaped; /* a string, so far: it has an escape */
};

/* Walks for blocks of a width; NULL where the compiler has no such instructions. */
extern er_scan_walk *const er_scan_walk_bytes8;
extern er_scan_walk *const er_scan_walk_bytes16;
extern er_scan_walk *const er_scan_walk_bytes32;

/* ---- what the walk leaves to scan.c; NULL and false: the fault is set ---- */

/* White space is rare between the tokens of a machine's JSON. p may be read: see make_readable. */
static inline const char *er_scan_space(const struct er_scanner *scanner, const char *p)
{
    return UNLIKELY((unsigned char)*p <= ' ') ? er_lex_space(p, scanner->end) : p;
}

/* Any key of the innermost object, at p or behind white space; sets the next value. Returns what is behind the colon. */
const char *er_scan_key(struct er_scanner *scanner, const char *p);

/* The innermost object has come to a known key that somebody reads. */
void er_scan_enter_read(struct er_scanner *scanner, const struct er_scan_level *level, struct er_shape_key *key);

/* The rest of a string whose opening quote is at p, from its byte `at` on, which no block decides. Returns the closing quote. */
const char *er_scan_string_rest(struct er_scanner *scanner, const char *at);

/* Any number, true, false or null; anything else is a fault. Returns what is behind it. */
const char *er_scan_scalar(struct er_scanner *scanner, const char *p);

/* The scalar from p to stop is the next value, and somebody reads it. */
bool er_scan_read_scalar(struct er_scanner *scanner, const char *p, const char *stop);

/* Room for one more level in the innermost one. p: where it would open. */
bool er_scan_grow(struct er_scanner *scanner, const char *p);

/* A container at a live node, p: where it opens. */
bool er_scan_begin_read(struct er_scanner *scanner, struct er_scan_level *level, uint32_t node, const char *p);

/* Closes the innermost container, whose end is at p. */
bool er_scan_close(struct er_scanner *scanner, const char *p);

/* What follows a complete value: closes the containers that end here. Returns the start of the next element, or the end. Every byte is
 * asked for. */
const char *er_scan_after(struct er_scanner *scanner, const char *p);

/* Only of arrays that are read: the next value is an element. */
void er_scan_begin_elements(struct er_scanner *scanner, const struct er_scan_level *level);

#endif

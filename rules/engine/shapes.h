/* What the objects of earlier events had for keys, shape by shape, so that most keys are recognised by looking at their bytes once.
 *
 * DESIGN  events of one producer are alike. A shape is where objects stand: the event, the value of a key, the elements of an array under
 * it. It knows up to 64 keys, each with the node it leads to, the shape of objects below it, and the key that came next last time:
 *
 *     the event: type -> user -> total        {"type": "a", "user": {"id": 7, "vip": true}, "total": 3}
 *                          \-> id -> vip
 *
 * A walk expects the next key and compares the text with it, quotes and colon included: no end of the string to find, no hash, no trie.
 * What is not expected is looked for by its hash, and learnt while there is room; other keys are strangers, whom the scanner treats
 * without a shape. One bit per known key says which ones an object has had, so a duplicate among them is seen at once; a known key and a
 * stranger are never the same.
 *
 * All of it is only memory of what the trie would say: it is forgotten when the trie changes or when it does not help.
 */
#ifndef ER_RULES_ENGINE_SHAPES_H
#define ER_RULES_ENGINE_SHAPES_H

#include "rules/engine/trie.h"

#define ER_SHAPE_KEYS 64u
#define ER_SHAPES 64u
#define ER_SHAPE_BLOCK 32u /* bytes of a key's text that are looked at */

struct er_shape_key {
    char text[ER_SHAPE_BLOCK]; /* the key with its quotes, and the colon; then zeros */
    struct er_shape_key *next; /* the key that came after it in the last object; one that no text is equal to if none did */
    uint64_t need;             /* bit per byte of the text */
    uint32_t node;             /* where its value stands, or ER_NONE */
    uint16_t below;            /* number of the shape of objects under it, 0: none yet */
    uint8_t length;            /* with quotes and colon */
    uint8_t index;             /* in its shape */
    uint32_t from, to;         /* the user's: only one object of a shape is open at a time */
};

struct er_shape {
    struct er_shape_key keys[ER_SHAPE_KEYS];
    struct er_shape_key *first; /* as next in struct er_shape_key */
    uint32_t n;
    uint8_t slots[ER_SHAPE_KEYS * 2]; /* index + 1 by hash; 0 is empty */
};

/* Initialise with er_shapes_init. */
struct er_shapes {
    struct er_shape_key nothing;       /* equal to no text */
    struct er_shape *items[ER_SHAPES]; /* owned; item 0 is not used */
    uint32_t n;
    uint32_t events;       /* since they were counted */
    uint32_t strangers;    /* keys of them that were looked for in vain */
    uint32_t roots[2];     /* nodes where events stand */
    uint16_t events_at[2]; /* their shapes */
    /* What it is the memory of. */
    const struct er_trie *trie;
    uint64_t version, seed;
};

void er_shapes_init(struct er_shapes *shapes);
void er_shapes_fini(struct er_shapes *shapes);

/* A new event, whose keys stand at root. Where the number of its shape is, or NULL: there is none for it. */
uint16_t *er_shapes_begin(struct er_shapes *shapes, const struct er_trie *trie, uint32_t root);

/* Gives the key a shape below it. NULL when there are enough, or without memory. */
struct er_shape *er_shapes_new(struct er_shapes *shapes, uint16_t *below);

/* The known key with that name, or NULL. hash: er_hash of it. */
struct er_shape_key *er_shape_find(struct er_shape *shape, struct er_str name, uint64_t hash);

/* Makes a key known that is not. The name must stand in the text as it is. NULL if there is no room. nothing: of the shapes. */
struct er_shape_key *er_shape_learn(struct er_shape *shape, struct er_str name, uint64_t hash, struct er_shape_key *nothing);

/* The shape of objects below a key, as er_shapes_new. */
static inline struct er_shape *er_shapes_below(struct er_shapes *shapes, uint16_t *below)
{
    return __builtin_expect(*below != 0, 1) ? shapes->items[*below] : er_shapes_new(shapes, below);
}

#endif

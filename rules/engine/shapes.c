#include "rules/engine/shapes.h"

#include <stdlib.h>

/* So many events are counted; more strangers than that in an event on average, and it is better to start again. */
#define COUNTED_EVENTS 1024u
#define STRANGERS 8u

#define SLOT_MASK (ER_SHAPE_KEYS * 2 - 1)

void er_shapes_init(struct er_shapes *shapes)
{
    *shapes = (struct er_shapes){ .n = 1, .nothing = { .need = UINT64_MAX, .node = ER_NONE, .next = &shapes->nothing } };
}

void er_shapes_fini(struct er_shapes *shapes)
{
    for (uint32_t i = 1; i < ER_SHAPES; i++) {
        free(shapes->items[i]);
    }
    er_shapes_init(shapes);
}

static void forget(struct er_shapes *shapes, const struct er_trie *trie)
{
    shapes->n = 1;
    shapes->events_at[0] = shapes->events_at[1] = 0;
    shapes->trie = trie;
    shapes->version = trie->version;
    shapes->seed = trie->catalog->seed;
}

static bool is_of_no_use(struct er_shapes *shapes)
{
    bool use = shapes->strangers <= COUNTED_EVENTS * STRANGERS;

    if (++shapes->events < COUNTED_EVENTS) {
        return false;
    }
    shapes->events = 0;
    shapes->strangers = 0;
    return !use;
}

uint16_t *er_shapes_begin(struct er_shapes *shapes, const struct er_trie *trie, uint32_t root)
{
    if (shapes->trie != trie || shapes->version != trie->version || shapes->seed != trie->catalog->seed || is_of_no_use(shapes)) {
        forget(shapes, trie);
    }
    for (size_t i = 0; i < 2; i++) {
        if (shapes->events_at[i] == 0) {
            shapes->roots[i] = root;
        }
        if (shapes->roots[i] == root) {
            return &shapes->events_at[i];
        }
    }
    return NULL;
}

struct er_shape *er_shapes_new(struct er_shapes *shapes, uint16_t *below)
{
    struct er_shape *shape;

    if (shapes->n == ER_SHAPES) {
        return NULL;
    }
    shape = shapes->items[shapes->n];
    if (shape == NULL) {
        shape = malloc(sizeof *shape);
        if (shape == NULL) {
            return NULL;
        }
        shapes->items[shapes->n] = shape;
    }
    shape->n = 0;
    shape->first = &shapes->nothing;
    memset(shape->slots, 0, sizeof shape->slots);
    *below = (uint16_t)shapes->n++;
    return shape;
}

static bool is_key(const struct er_shape_key *key, struct er_str name)
{
    return key->length == name.n + 3 && memcmp(key->text + 1, name.p, name.n) == 0;
}

struct er_shape_key *er_shape_find(struct er_shape *shape, struct er_str name, uint64_t hash)
{
    for (size_t at = hash & SLOT_MASK; shape->slots[at] != 0; at = (at + 1) & SLOT_MASK) {
        if (is_key(&shape->keys[shape->slots[at] - 1], name)) {
            return &shape->keys[shape->slots[at] - 1];
        }
    }
    return NULL;
}

struct er_shape_key *er_shape_learn(struct er_shape *shape, struct er_str name, uint64_t hash, struct er_shape_key *nothing)
{
    struct er_shape_key *key = &shape->keys[shape->n];
    size_t at = hash & SLOT_MASK, length = name.n + 3;

    if (shape->n == ER_SHAPE_KEYS || length > ER_SHAPE_BLOCK) {
        return NULL;
    }
    *key = (struct er_shape_key){ .next = nothing,
                                  .need = UINT32_MAX >> (ER_SHAPE_BLOCK - length),
                                  .node = ER_NONE,
                                  .length = (uint8_t)length,
                                  .index = (uint8_t)shape->n };
    key->text[0] = '"';
    memcpy(key->text + 1, name.p, name.n);
    memcpy(key->text + 1 + name.n, "\":", 2);
    while (shape->slots[at] != 0) {
        at = (at + 1) & SLOT_MASK;
    }
    shape->slots[at] = (uint8_t)++shape->n;
    return key;
}

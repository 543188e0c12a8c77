/* The keys of the objects that are open, to find duplicates: also in parts that no rule reads.
 *
 * DESIGN  a stack of keys; each open object has the top part of it from `first` on. A small filter per object says "new" for most
 * keys of small objects. What it does not decide is looked for one by one, or, once an object has many keys, in a hash table.
 *
 *     { a  b  { c  d          keys: a b c d      frames: first = 0, first = 2
 *
 * The table is keyed (object number, key). Numbers are never reused, so entries of closed objects and of earlier events are seen to be
 * stale, and nothing is ever cleared. A table that gets half full moves into the next, four times larger one.
 */
#ifndef ER_RULES_ENGINE_KEYS_H
#define ER_RULES_ENGINE_KEYS_H

#include <stdbool.h>
#include <stdint.h>
#include "rules/base/str.h"
#include "rules/engine/grow.h"
#include "rules/engine/hash.h"

struct er_key {
    const char *p; /* decoded */
    uint32_t n;
    uint32_t tag;
    uint32_t from, to; /* the user's, not set by a put */
};

#define ER_KEY_WORDS 8u

/* The keys of one object; belongs to whoever opened it. */
struct er_key_frame {
    uint64_t filter[ER_KEY_WORDS];
    uint32_t first;
    uint32_t number; /* in the table; 0: not there */
    bool used;       /* er_keys_use was called: what is above is set */
};

struct er_key_slot {
    uint32_t number;
    uint32_t tag;
    uint32_t key;
};

#define ER_KEY_TABLES 12

/* Initialise with {0}. */
struct er_keys {
    struct er_key *items;
    uint32_t n;
    uint32_t capacity;
    struct er_key_slot *tables[ER_KEY_TABLES];
    unsigned table;   /* in use */
    uint32_t n_slots; /* of this event */
    uint32_t base;    /* lowest number of this event */
    uint32_t last;    /* highest so far */
};

void er_keys_fini(struct er_keys *keys);
void er_keys_begin(struct er_keys *keys); /* a new event */

/* An object has so many keys before the table knows them. There is always room for the first of them. */
#define ER_KEYS_FEW 64u

/* Opens an object inside the innermost open one. */
static inline void er_keys_open(const struct er_keys *keys, struct er_key_frame *frame)
{
    frame->first = keys->n;
    frame->used = false;
}

/* Before the first key of an object. False without memory. */
static inline bool er_keys_use(struct er_keys *keys, struct er_key_frame *frame)
{
    memset(frame->filter, 0, sizeof frame->filter);
    frame->number = 0;
    frame->used = true;
    return __builtin_expect(keys->n + ER_KEYS_FEW <= keys->capacity, 1) ||
           er_grow(&keys->items, &keys->capacity, sizeof *keys->items, keys->n + ER_KEYS_FEW - 1);
}

static inline void er_keys_close(struct er_keys *keys, const struct er_key_frame *frame)
{
    keys->n = frame->first;
}

/* For er_keys_put: the key of an object that the filter did not decide, or ER_NONE. */
uint32_t er_keys_find(const struct er_keys *keys, const struct er_key_frame *frame, struct er_str key, uint32_t tag);

/* For er_keys_put: a new key of an object that has many. Its index, or ER_NONE without memory. */
uint32_t er_keys_put_many(struct er_keys *keys, struct er_key_frame *frame, struct er_str key, uint32_t tag);

/* Index of the key in its object, which is the innermost open one; *found: it was there before. ER_NONE without memory. hash: er_hash
 * of the key. The index is good while the object is open. */
static inline uint32_t er_keys_put(struct er_keys *keys, struct er_key_frame *frame, struct er_str key, uint64_t hash, bool *found)
{
    uint64_t *word = &frame->filter[hash >> 6 & (ER_KEY_WORDS - 1)];
    uint32_t index;

    *found = false;
    if (__builtin_expect((*word >> (hash & 63) & 1) != 0, 0)) {
        index = er_keys_find(keys, frame, key, er_hash_tag(hash));
        if (index != ER_NONE) {
            *found = true;
            return index;
        }
    }
    *word |= UINT64_C(1) << (hash & 63);
    index = keys->n;
    if (__builtin_expect(index - frame->first >= ER_KEYS_FEW, 0)) {
        return er_keys_put_many(keys, frame, key, er_hash_tag(hash));
    }
    keys->items[index].p = key.p;
    keys->items[index].n = (uint32_t)key.n;
    keys->items[index].tag = er_hash_tag(hash);
    keys->n = index + 1;
    return index;
}

#endif

/* A vector whose elements never move, with a free list: readers may use an element while the writer adds others.
 *
 * DESIGN  chunk k holds 64 << k elements, so an id says where its element is.
 *
 *     chunk 0: ids 0..63    chunk 1: 64..191    chunk 2: 192..447 ...
 *
 * One writer. A reader may touch only ids that were published to it.
 */
#ifndef ER_RULES_ENGINE_STABLE_H
#define ER_RULES_ENGINE_STABLE_H

#include <stddef.h>
#include <stdint.h>
#include "rules/engine/hash.h"

#define ER_STABLE_FIRST 64u

struct er_stable {
    char *chunk[26];
    size_t size;    /* of one element, at least 4 */
    uint32_t top;   /* ids below it were given out at least once */
    uint32_t spare; /* first free id below top, or ER_NONE; a free element starts with the next one */
    uint32_t n;     /* elements in use */
};

void er_stable_init(struct er_stable *v, size_t size);
void er_stable_fini(struct er_stable *v);

/* Id of a zeroed element, or ER_NONE without memory. */
uint32_t er_stable_take(struct er_stable *v);
void er_stable_give(struct er_stable *v, uint32_t id);

size_t er_stable_bytes(const struct er_stable *v);

static inline void *er_stable_at(const struct er_stable *v, uint32_t id)
{
    uint64_t place = (uint64_t)id + ER_STABLE_FIRST;
    unsigned log = 63u - (unsigned)__builtin_clzll(place);

    return v->chunk[log - 6] + (place - (UINT64_C(1) << log)) * v->size;
}

#endif

/* Blocks of addresses at many paths: which of those at a path contain an address.
 *
 * DESIGN  one hash table for all paths, keyed (path, family, length, network); per path the lengths in use there. An address is masked to
 * each of these lengths in turn and looked up.
 *
 *     10.1.2.3 at a path with /8, /24:   (path, v4, 8, 10.0.0.0) -> tests    (path, v4, 24, 10.1.2.0) -> tests
 *
 * A question costs one look-up for each length in use in the family of the address, at most 33 or 129; adding and removing cost one entry.
 * One writer while nobody reads, or many readers.
 */
#ifndef ER_RULES_ENGINE_CIDRS_H
#define ER_RULES_ENGINE_CIDRS_H

#include "rules/engine/stable.h"
#include "rules/engine/table.h"
#include "rules/language/cidr.h"

/* One path and the lengths in use there. Initialise with {.node = ...}; holds no memory while the path has no blocks. */
struct er_cidr_path {
    uint32_t node;
    uint8_t n;
    uint8_t capacity;
    struct er_cidr_length {
        uint32_t uses;
        bool v6;
        uint8_t length;
    } * lengths; /* IPv4 first, then by length */
};

void er_cidr_path_fini(struct er_cidr_path *path);

static inline size_t er_cidr_path_bytes(const struct er_cidr_path *path)
{
    return path->capacity * sizeof *path->lengths;
}

/* The blocks of all paths. */
struct er_cidrs {
    uint64_t seed;
    struct er_table table;
    struct er_stable blocks;
};

void er_cidrs_init(struct er_cidrs *cidrs, uint64_t seed);
void er_cidrs_fini(struct er_cidrs *cidrs);
size_t er_cidrs_bytes(const struct er_cidrs *cidrs); /* without those of the paths */

/* Copies the block, whose host bits must be zero; it may be there with several ids. false without memory: nothing has changed. */
bool er_cidrs_add(struct er_cidrs *cidrs, struct er_cidr_path *path, const struct er_cidr *cidr, uint32_t id);

/* It must be there. */
void er_cidrs_remove(struct er_cidrs *cidrs, struct er_cidr_path *path, const struct er_cidr *cidr, uint32_t id);

/* Calls found for each block of the path that contains the address, with its id; shorter lengths first. */
void er_cidrs_find(const struct er_cidrs *cidrs, const struct er_cidr_path *path, const struct er_address *address,
                   void (*found)(void *context, uint32_t id), void *context);

#endif

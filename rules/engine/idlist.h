/* An unordered list of ids in one word; a list of one, by far the most frequent, needs no memory of its own. */
#ifndef ER_RULES_ENGINE_IDLIST_H
#define ER_RULES_ENGINE_IDLIST_H

#include <stdbool.h>
#include <stdint.h>

struct er_idlist_block {
    uint32_t n;
    uint32_t capacity;
    uint32_t ids[];
};

/* Initialise with {0}. */
struct er_idlist {
    union {
        uint64_t word; /* 0: empty; odd: `one`; else `block` */
        struct {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
            uint32_t id, mark;
#else
            uint32_t mark, id;
#endif
        } one;
        struct er_idlist_block *block;
    } u;
};

void er_idlist_fini(struct er_idlist *list);
bool er_idlist_add(struct er_idlist *list, uint32_t id); /* false without memory */

/* Takes out the id at a position; the last one moves there. */
void er_idlist_remove_at(struct er_idlist *list, uint32_t at);
void er_idlist_remove(struct er_idlist *list, uint32_t id); /* must be there */

static inline uint32_t er_idlist_n(const struct er_idlist *list)
{
    return list->u.word == 0 ? 0 : (list->u.word & 1) != 0 ? 1 : list->u.block->n;
}

static inline const uint32_t *er_idlist_ids(const struct er_idlist *list)
{
    return list->u.word == 0 || (list->u.word & 1) != 0 ? &list->u.one.id : list->u.block->ids;
}

#endif

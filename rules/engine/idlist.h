/* An unordered list of ids; a list of one, by far the most frequent, needs no memory of its own. */
#ifndef ER_RULES_ENGINE_IDLIST_H
#define ER_RULES_ENGINE_IDLIST_H

#include <stdbool.h>
#include <stdint.h>

/* Initialise with {0}. */
struct er_idlist {
    uint32_t n;
    uint32_t capacity; /* 0: at most one id, in `one` */
    union {
        uint32_t one;
        uint32_t *many;
    } u;
};

void er_idlist_fini(struct er_idlist *list);
bool er_idlist_add(struct er_idlist *list, uint32_t id); /* false without memory */

/* Takes out the id at a position; the last one moves there. */
void er_idlist_remove_at(struct er_idlist *list, uint32_t at);
void er_idlist_remove(struct er_idlist *list, uint32_t id); /* must be there */

static inline const uint32_t *er_idlist_ids(const struct er_idlist *list)
{
    return list->capacity == 0 ? &list->u.one : list->u.many;
}

#endif

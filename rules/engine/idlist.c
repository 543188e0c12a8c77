#include "rules/engine/idlist.h"

#include <stdlib.h>
#include <string.h>

void er_idlist_fini(struct er_idlist *list)
{
    if (list->capacity != 0) {
        free(list->u.many);
    }
    *list = (struct er_idlist){ 0 };
}

static bool grow(struct er_idlist *list)
{
    uint32_t capacity = list->capacity == 0 ? 4 : list->capacity + list->capacity / 2;
    uint32_t *many = list->capacity == 0 ? NULL : list->u.many;
    uint32_t one = list->u.one;

    if (capacity < list->n || (many = realloc(many, capacity * sizeof *many)) == NULL) {
        return false;
    }
    if (list->capacity == 0) {
        many[0] = one;
    }
    list->u.many = many;
    list->capacity = capacity;
    return true;
}

bool er_idlist_add(struct er_idlist *list, uint32_t id)
{
    if (list->n == 0 && list->capacity == 0) {
        list->u.one = id;
    } else {
        if ((list->capacity == 0 || list->n == list->capacity) && !grow(list)) {
            return false;
        }
        list->u.many[list->n] = id;
    }
    list->n++;
    return true;
}

static void shrink(struct er_idlist *list)
{
    uint32_t one = list->u.many[0];

    if (list->n > 1) {
        uint32_t *many;

        if (list->n > list->capacity / 4 || (many = realloc(list->u.many, list->n * 2 * sizeof *many)) == NULL) {
            return;
        }
        list->u.many = many;
        list->capacity = list->n * 2;
        return;
    }
    free(list->u.many);
    list->capacity = 0;
    list->u.one = one;
}

void er_idlist_remove_at(struct er_idlist *list, uint32_t at)
{
    list->n--;
    if (list->capacity != 0) {
        list->u.many[at] = list->u.many[list->n];
        shrink(list);
    }
}

void er_idlist_remove(struct er_idlist *list, uint32_t id)
{
    const uint32_t *ids = er_idlist_ids(list);
    uint32_t at = 0;

    while (ids[at] != id) {
        at++;
    }
    er_idlist_remove_at(list, at);
}

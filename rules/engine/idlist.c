#include "rules/engine/idlist.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(void *) <= sizeof(uint64_t), "a list is one word");

static bool is_block(const struct er_idlist *list)
{
    return list->u.word != 0 && (list->u.word & 1) == 0;
}

static struct er_idlist list_of_one(uint32_t id)
{
    struct er_idlist list = { .u.word = 0 };

    list.u.one.mark = 1;
    list.u.one.id = id;
    return list;
}

void er_idlist_fini(struct er_idlist *list)
{
    if (is_block(list)) {
        free(list->u.block);
    }
    *list = (struct er_idlist){ 0 };
}

static void set_block(struct er_idlist *list, struct er_idlist_block *block)
{
    *list = (struct er_idlist){ 0 };
    list->u.block = block;
}

/* A block with room for one more id. */
static bool grow(struct er_idlist *list)
{
    struct er_idlist_block *old = is_block(list) ? list->u.block : NULL;
    uint32_t n = er_idlist_n(list);
    uint32_t capacity = n < 4 ? 4 : n + n / 2;
    uint32_t one = *er_idlist_ids(list);
    struct er_idlist_block *block;

    if (capacity < n || (block = realloc(old, sizeof *block + capacity * sizeof block->ids[0])) == NULL) {
        return false;
    }
    if (old == NULL) {
        block->n = n;
        block->ids[0] = one;
    }
    block->capacity = capacity;
    set_block(list, block);
    return true;
}

bool er_idlist_add(struct er_idlist *list, uint32_t id)
{
    if (list->u.word == 0) {
        *list = list_of_one(id);
        return true;
    }
    if ((!is_block(list) || list->u.block->n == list->u.block->capacity) && !grow(list)) {
        return false;
    }
    list->u.block->ids[list->u.block->n++] = id;
    return true;
}

static void shrink(struct er_idlist *list)
{
    struct er_idlist_block *block = list->u.block;
    uint32_t one = block->ids[0];

    if (block->n > 1) {
        uint32_t capacity = block->n * 2;

        if (block->n > block->capacity / 4 || (block = realloc(block, sizeof *block + capacity * sizeof block->ids[0])) == NULL) {
            return;
        }
        block->capacity = capacity;
        set_block(list, block);
        return;
    }
    free(block);
    *list = list_of_one(one);
}

void er_idlist_remove_at(struct er_idlist *list, uint32_t at)
{
    if (!is_block(list)) {
        *list = (struct er_idlist){ 0 };
        return;
    }
    list->u.block->n--;
    list->u.block->ids[at] = list->u.block->ids[list->u.block->n];
    shrink(list);
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

#include "router/copy.h"

#include <stdlib.h>

#define CHUNK 256
#define KEEP_TEXT 1024 /* longer texts are rare: their memory is not kept */

struct er_copy_chunk {
    struct er_copy_chunk *next;
    struct er_copy copies[CHUNK];
};

struct er_str er_copy_subscription(const struct er_copy *copy)
{
    struct er_str ids = er_copy_subscriptions(copy);
    const char *comma = ids.n > 0 ? memchr(ids.p, ',', ids.n) : NULL;

    return comma == NULL ? ids : (struct er_str){ ids.p, (size_t)(comma - ids.p) };
}

/* Without memory for the text the title of its code must do. */
struct er_str er_copy_message(const struct er_copy *copy)
{
    if (copy->text.n <= copy->subscriptions_n) {
        return er_str_of(er_code_title(copy->code));
    }
    return (struct er_str){ copy->text.p + copy->subscriptions_n, copy->text.n - copy->subscriptions_n };
}

void er_copies_append(struct er_copies *list, struct er_copy *copy)
{
    copy->next = NULL;
    copy->prev = list->last;
    if (list->last != NULL) {
        list->last->next = copy;
    } else {
        list->first = copy;
    }
    list->last = copy;
    list->n++;
}

void er_copies_remove(struct er_copies *list, struct er_copy *copy)
{
    if (copy->prev != NULL) {
        copy->prev->next = copy->next;
    } else {
        list->first = copy->next;
    }
    if (copy->next != NULL) {
        copy->next->prev = copy->prev;
    } else {
        list->last = copy->prev;
    }
    copy->prev = copy->next = NULL;
    list->n--;
}

void er_copies_insert(struct er_copies *list, struct er_copy *copy, struct er_copy *hint)
{
    struct er_copy *at = hint != NULL && hint->order < copy->order ? hint->next : list->first;

    while (at != NULL && at->order < copy->order) {
        at = at->next;
    }
    if (at == NULL) {
        er_copies_append(list, copy);
        return;
    }
    copy->next = at;
    copy->prev = at->prev;
    at->prev = copy;
    if (copy->prev != NULL) {
        copy->prev->next = copy;
    } else {
        list->first = copy;
    }
    list->n++;
}

static bool pool_grow(struct er_copy_pool *pool)
{
    struct er_copy_chunk *chunk = calloc(1, sizeof *chunk);

    if (chunk == NULL) {
        return false;
    }
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    for (size_t i = CHUNK; i-- > 0;) {
        chunk->copies[i].next = pool->free;
        pool->free = &chunk->copies[i];
    }
    return true;
}

struct er_copy *er_copy_take(struct er_copy_pool *pool)
{
    struct er_copy *copy = pool->free;
    struct er_buf text;

    if (copy == NULL) {
        if (!pool_grow(pool)) {
            return NULL;
        }
        copy = pool->free;
    }
    pool->free = copy->next;
    pool->taken++;
    text = copy->text;
    er_buf_clear(&text);
    *copy = (struct er_copy){ .text = text, .error_offset = ER_NO_OFFSET };
    return copy;
}

void er_copy_give(struct er_copy_pool *pool, struct er_copy *copy)
{
    if (copy->text.capacity > KEEP_TEXT) {
        er_buf_free(&copy->text);
    }
    copy->next = pool->free;
    pool->free = copy;
    pool->taken--;
}

void er_copy_pool_free(struct er_copy_pool *pool)
{
    struct er_copy_chunk *chunk = pool->chunks;

    while (chunk != NULL) {
        struct er_copy_chunk *next = chunk->next;

        for (size_t i = 0; i < CHUNK; i++) {
            er_buf_free(&chunk->copies[i].text);
        }
        free(chunk);
        chunk = next;
    }
    *pool = (struct er_copy_pool){ 0 };
}

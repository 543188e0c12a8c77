#include "router/copy.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK 256
#define LINE 64

struct er_copy_chunk {
    struct er_copy_chunk *next;
    _Alignas(LINE) struct er_copy copies[CHUNK];
};
static_assert(sizeof(struct er_copy) <= 2 * LINE, "a copy fills two cache lines");

struct er_note *er_note_new(struct er_str text)
{
    struct er_note *note = malloc(sizeof *note + text.n);

    if (note == NULL) {
        return NULL;
    }
    note->refs = 1;
    note->n = (uint32_t)text.n;
    memcpy(note->text, text.p, text.n);
    return note;
}

void er_note_unref(struct er_note *note)
{
    if (note != NULL && --note->refs == 0) {
        free(note);
    }
}

struct er_str er_copy_subscriptions(const struct er_copy *copy)
{
    return copy->subscriptions == NULL ? ER_STR("") : (struct er_str){ copy->subscriptions->text, copy->subscriptions->n };
}

struct er_str er_copy_subscription(const struct er_copy *copy)
{
    struct er_str ids = er_copy_subscriptions(copy);
    const char *comma = ids.n > 0 ? memchr(ids.p, ',', ids.n) : NULL;

    return comma == NULL ? ids : (struct er_str){ ids.p, (size_t)(comma - ids.p) };
}

struct er_str er_copy_message(const struct er_copy *copy)
{
    return er_str_of(copy->message != NULL ? copy->message : er_code_title((enum er_code)copy->code));
}

void er_copy_explain(struct er_copy *copy, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    free(copy->message);
    copy->message = strdup(text);
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
    struct er_copy_chunk *chunk = aligned_alloc(LINE, sizeof *chunk);

    if (chunk == NULL) {
        return false;
    }
    memset(chunk, 0, sizeof *chunk);
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

    if (copy == NULL) {
        if (!pool_grow(pool)) {
            return NULL;
        }
        copy = pool->free;
    }
    pool->free = copy->next;
    if (pool->free != NULL) {
        er_copy_prefetch(pool->free); /* given back long ago, and the next one to be taken */
    }
    pool->taken++;
    *copy = (struct er_copy){ .error_offset = ER_NO_OFFSET };
    return copy;
}

static void copy_clear(struct er_copy *copy)
{
    er_note_unref(copy->subscriptions);
    free(copy->message);
    copy->subscriptions = NULL;
    copy->message = NULL;
}

void er_copy_give(struct er_copy_pool *pool, struct er_copy *copy)
{
    copy_clear(copy);
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
            copy_clear(&chunk->copies[i]);
        }
        free(chunk);
        chunk = next;
    }
    *pool = (struct er_copy_pool){ 0 };
}

#include "rules/base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define KEEP_BYTES ((size_t)1 << 20)
#define GROW_MAX ((size_t)1 << 20)
#define ALIGN _Alignof(max_align_t)

struct chunk {
    struct chunk *next;
    size_t size; /* of bytes[] */
    size_t used;
    _Alignas(max_align_t) char bytes[];
};

struct er_arena {
    struct chunk *first;
    struct chunk *current; /* everything before it counts as full, everything after it is empty */
    size_t held;
};

static struct chunk *chunk_new(struct er_arena *arena, size_t size)
{
    struct chunk *chunk = size > SIZE_MAX / 2 ? NULL : malloc(sizeof *chunk + size);

    if (chunk != NULL) {
        chunk->next = NULL;
        chunk->size = size;
        chunk->used = 0;
        arena->held += sizeof *chunk + size;
    }
    return chunk;
}

struct er_arena *er_arena_new(size_t first_bytes)
{
    struct er_arena *arena = calloc(1, sizeof *arena);

    if (arena == NULL) {
        return NULL;
    }
    arena->first = chunk_new(arena, first_bytes == 0 ? 4096 : first_bytes);
    arena->current = arena->first;
    if (arena->first == NULL) {
        free(arena);
        return NULL;
    }
    return arena;
}

void er_arena_free(struct er_arena *arena)
{
    if (arena == NULL) {
        return;
    }
    for (struct chunk *chunk = arena->first, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    free(arena);
}

static void *take(struct chunk *chunk, size_t bytes)
{
    void *p;

    if (bytes > chunk->size - chunk->used) {
        return NULL;
    }
    p = chunk->bytes + chunk->used;
    chunk->used += bytes;
    return p;
}

/* The current chunk is full: go on to the next kept one, or put a new one in between. */
static void *take_from_next(struct er_arena *arena, size_t bytes)
{
    struct chunk *current = arena->current;
    struct chunk *chunk = current->next;

    if (chunk == NULL || chunk->size < bytes) {
        size_t size = current->size >= GROW_MAX / 2 ? GROW_MAX : current->size * 2;

        chunk = chunk_new(arena, bytes > size ? bytes : size);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->next = current->next;
        current->next = chunk;
    }
    arena->current = chunk;
    return take(chunk, bytes);
}

void *er_arena_alloc(struct er_arena *arena, size_t bytes)
{
    void *p;

    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    bytes = bytes == 0 ? ALIGN : (bytes + ALIGN - 1) / ALIGN * ALIGN;
    p = take(arena->current, bytes);
    return p != NULL ? p : take_from_next(arena, bytes);
}

void *er_arena_calloc(struct er_arena *arena, size_t count, size_t size)
{
    void *p;

    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    p = er_arena_alloc(arena, count * size);
    if (p != NULL) {
        memset(p, 0, count * size);
    }
    return p;
}

struct er_str er_arena_dup(struct er_arena *arena, struct er_str s)
{
    char *p = s.n == SIZE_MAX ? NULL : er_arena_alloc(arena, s.n + 1);

    if (p == NULL) {
        return (struct er_str){ NULL, 0 };
    }
    if (s.n > 0) {
        memcpy(p, s.p, s.n);
    }
    p[s.n] = '\0';
    return (struct er_str){ p, s.n };
}

struct er_str er_arena_printf(struct er_arena *arena, const char *format, ...)
{
    va_list args;
    int length;
    char *p = NULL;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length >= 0) {
        p = er_arena_alloc(arena, (size_t)length + 1);
    }
    if (p == NULL) {
        return (struct er_str){ NULL, 0 };
    }
    va_start(args, format);
    (void)vsnprintf(p, (size_t)length + 1, format, args);
    va_end(args);
    return (struct er_str){ p, (size_t)length };
}

void er_arena_reset(struct er_arena *arena)
{
    struct chunk **link = &arena->first->next;
    size_t kept = arena->first->size;

    arena->first->used = 0;
    arena->current = arena->first;
    while (*link != NULL) {
        struct chunk *chunk = *link;

        if (chunk->size > KEEP_BYTES || kept > KEEP_BYTES - chunk->size) {
            *link = chunk->next;
            arena->held -= sizeof *chunk + chunk->size;
            free(chunk);
        } else {
            kept += chunk->size;
            chunk->used = 0;
            link = &chunk->next;
        }
    }
}

size_t er_arena_bytes(const struct er_arena *arena)
{
    return arena->held + sizeof *arena;
}

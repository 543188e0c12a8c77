/* Bump allocator: many small pieces with one lifetime.
 *
 *   chunk 0            chunk 1 (twice as large)
 *   [####### used |  ] [### used |                ]
 *
 * er_arena_reset keeps the memory (all of it up to the keep limit), so a loop that resets allocates nothing after warm-up.
 * Not thread safe: one owner at a time.
 */
#ifndef ER_RULES_BASE_ARENA_H
#define ER_RULES_BASE_ARENA_H

#include <stddef.h>
#include "rules/base/str.h"

struct er_arena;

/* first_bytes: size of the first chunk (0 = 4096). Returns owned, or NULL without memory. */
struct er_arena *er_arena_new(size_t first_bytes);
void er_arena_free(struct er_arena *arena);

/* Aligned for any object, uninitialised; valid until reset or free. NULL without memory. */
void *er_arena_alloc(struct er_arena *arena, size_t bytes);

/* Zeroed array with overflow check. */
void *er_arena_calloc(struct er_arena *arena, size_t count, size_t size);

/* Copy of s (plus a NUL that is not counted); p is NULL only without memory. */
struct er_str er_arena_dup(struct er_arena *arena, struct er_str s);

/* Formatted text; p is NULL only without memory. */
struct er_str er_arena_printf(struct er_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Forgets all pieces; keeps up to 1 MiB of chunks for reuse. */
void er_arena_reset(struct er_arena *arena);

/* Bytes held from the system now. */
size_t er_arena_bytes(const struct er_arena *arena);

#endif

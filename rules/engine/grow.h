/* Arrays that follow the ids of the catalog. */
#ifndef ER_RULES_ENGINE_GROW_H
#define ER_RULES_ENGINE_GROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Makes *array (of *capacity elements of `size` bytes) long enough for index `id`; new elements are zero. Grows by half. Returns false
 * without memory, and then nothing has changed. */
bool er_grow(void *array, uint32_t *capacity, size_t size, uint32_t id);

/* New elements may hold anything. */
bool er_grow_unset(void *array, uint32_t *capacity, size_t size, uint32_t id);

#endif

#include "rules/engine/grow.h"

#include <stdlib.h>
#include <string.h>

static bool grow(void *array, uint32_t *capacity, size_t size, uint32_t id, bool zeros)
{
    uint64_t wanted = (uint64_t)*capacity + *capacity / 2 + 64;
    char *old, *grown;

    if (id < *capacity) {
        return true;
    }
    if (wanted <= id) {
        wanted = (uint64_t)id + 64;
    }
    if (wanted > UINT32_MAX || wanted > SIZE_MAX / size) {
        return false;
    }
    memcpy(&old, array, sizeof old);
    grown = realloc(old, (size_t)wanted * size);
    if (grown == NULL) {
        return false;
    }
    if (zeros) {
        memset(grown + *capacity * size, 0, ((size_t)wanted - *capacity) * size);
    }
    memcpy(array, &grown, sizeof grown);
    *capacity = (uint32_t)wanted;
    return true;
}

bool er_grow(void *array, uint32_t *capacity, size_t size, uint32_t id)
{
    return grow(array, capacity, size, id, true);
}

bool er_grow_unset(void *array, uint32_t *capacity, size_t size, uint32_t id)
{
    return grow(array, capacity, size, id, false);
}

#include "router/window.h"

#include <stdio.h>
#include <stdlib.h>
#include "router/provenance.h"
#include "rules/base/faults.h"

#define FIRST_CAPACITY 256

struct er_window *er_window_new(struct er_str topic, int32_t partition, uint32_t index)
{
    struct er_window *window = calloc(1, sizeof *window);
    int n;

    if (window == NULL) {
        return NULL;
    }
    window->index = index;
    window->partition = partition;
    window->next = -1;
    n = snprintf(window->prefix, sizeof window->prefix, "%.*s/%d/", topic.n > 249 ? 249 : (int)topic.n, topic.n > 0 ? topic.p : "",
                 (int)partition);
    window->prefix_n = (size_t)n;
    return window;
}

void er_window_free(struct er_window *window)
{
    if (window != NULL) {
        free(window->ring);
        free(window);
    }
}

size_t er_window_bytes(struct er_window *window)
{
    size_t bytes = 0;

    for (uint64_t seq = window->base; seq < window->head; seq++) {
        bytes += er_window_slot(window, seq)->held;
    }
    return bytes;
}

bool er_window_reserve(struct er_window *window)
{
    size_t capacity = window->capacity == 0 ? FIRST_CAPACITY : window->capacity * 2;
    struct er_slot *ring;

    if (er_window_size(window) < window->capacity) {
        return true;
    }
    ring = malloc(capacity * sizeof *ring);
    if (ring == NULL) {
        return false;
    }
    for (uint64_t seq = window->base; seq < window->head; seq++) {
        ring[seq & (capacity - 1)] = *er_window_slot(window, seq);
    }
    free(window->ring);
    window->ring = ring;
    window->capacity = capacity;
    return true;
}

uint64_t er_window_push(struct er_window *window, int64_t offset, void *owner)
{
    *er_window_slot(window, window->head) = (struct er_slot){ .offset = offset, .owner = owner, .unreported = 1 };
    return window->head++;
}

struct er_slot *er_window_finished(struct er_window *window)
{
    struct er_slot *slot;

    if (window->base == window->head) {
        return NULL;
    }
    slot = er_window_slot(window, window->base);
    return slot->unreported == 0 ? slot : NULL;
}

void er_window_pop(struct er_window *window)
{
    window->next = er_window_slot(window, window->base)->offset + 1;
    window->dirty = true;
    window->base++;
}

int64_t er_window_committable(struct er_window *window)
{
    if (ER_PLANTED("commit-before-outputs") && er_window_size(window) > 0) {
        return er_window_slot(window, window->head - 1)->offset + 1;
    }
    return window->next;
}

struct er_str er_window_source(const struct er_window *window, int64_t offset, char out[ER_SOURCE_TEXT_MAX])
{
    memcpy(out, window->prefix, window->prefix_n);
    return (struct er_str){ out, window->prefix_n + er_decimal(out + window->prefix_n, offset < 0 ? 0 : (uint64_t)offset) };
}

/* The records of one source partition that are in flight, in order of arrival, until they are acknowledged.
 *
 *        base (oldest, unfinished)              head
 *   ring [ 17: 2 copies out | 18: done | 21: done | 22: 1 copy out |  ->
 *          ^ next to commit stays 17 until its copies are reported; then 17, 18, 21 go at once and next becomes 22
 *
 * Slots are named by sequence number (base <= seq < head), so the ring may move when it grows. Offsets may have gaps and may go
 * back. One owner, no lock.
 */
#ifndef ER_ROUTER_WINDOW_H
#define ER_ROUTER_WINDOW_H

#include <stdint.h>
#include "rules/base/str.h"

struct er_slot {
    int64_t offset;
    void *owner; /* of the bytes; NULL once released */
    int64_t arrived_ns;
    uint32_t unreported; /* copies and dead letters that are not final, plus 1 while the event is being routed */
    uint32_t bytes;      /* key and value */
    uint32_t held;       /* bytes of memory, until it is finished */
    bool delivered;      /* a copy reached a subscriber */
    bool dead_lettered;  /* a dead letter was written */
};

struct er_window {
    struct er_slot *ring;
    size_t capacity; /* power of two */
    uint64_t base, head;
    uint64_t routed; /* first slot whose event is not routed: exactly-once routes [base, routed) again after an abort. Else head */
    int64_t next;    /* offset to commit; -1: nothing acknowledged yet */
    bool dirty;      /* next changed since it was last stored */
    bool draining;   /* being revoked */
    int64_t blocked_until; /* exactly-once: its first event cannot even be dead-lettered; not tried before, and then alone */
    int64_t blocked_ns;    /* last back-off; 0: not blocked */
    bool detached;         /* revoked or lost: nothing is counted or committed any more */
    uint32_t index;        /* the source's */
    int32_t partition;
    bool held;     /* the source does not deliver more of it */
    size_t copies; /* that refer to this window; it must outlive them */
    struct er_window *next_detached;
    size_t prefix_n;
    char prefix[272]; /* "topic/partition/", for eventrouter-source; a topic has at most 249 bytes */
};

/* NULL without memory. */
struct er_window *er_window_new(struct er_str topic, int32_t partition, uint32_t index);
void er_window_free(struct er_window *window); /* NULL is fine; copies must be 0 */

/* Makes room for one more slot; false without memory. */
bool er_window_reserve(struct er_window *window);

/* Appends a slot (reserved before) with unreported = 1; returns its sequence number. */
uint64_t er_window_push(struct er_window *window, int64_t offset, void *owner);

static inline size_t er_window_size(const struct er_window *window)
{
    return (size_t)(window->head - window->base);
}

/* Memory that its slots hold; takes as long as they are many. */
size_t er_window_bytes(struct er_window *window);

static inline struct er_slot *er_window_slot(struct er_window *window, uint64_t seq)
{
    return &window->ring[seq & (window->capacity - 1)];
}

/* The oldest slot if it is finished, else NULL. */
struct er_slot *er_window_finished(struct er_window *window);

/* Acknowledges the oldest slot: next becomes its offset + 1. */
void er_window_pop(struct er_window *window);

/* What may be committed: the offset behind the acknowledged events; -1 = nothing yet. */
int64_t er_window_committable(struct er_window *window);

#define ER_SOURCE_TEXT_MAX (272 + 20)
/* "topic/partition/offset" of an offset (>= 0). */
struct er_str er_window_source(const struct er_window *window, int64_t offset, char out[ER_SOURCE_TEXT_MAX]);

#endif

/* One record on its way to a topic: a subscriber's copy, a copy for the unmatched topic, or a dead letter. Pooled; one owner, no
 * lock.
 *
 *   taken -> waiting <-> sent -> (reported) -> given back
 *                 \-> turned into a dead letter, for another topic
 */
#ifndef ER_ROUTER_COPY_H
#define ER_ROUTER_COPY_H

#include "router/dead_letter.h"
#include "router/sink.h"
#include "router/window.h"
#include "rules/base/buf.h"

enum er_copy_kind { ER_COPY_SUBSCRIBER, ER_COPY_UNMATCHED, ER_COPY_DEAD_LETTER };

struct er_lane;
struct er_target;

/* Text that many copies share: the ids of a subscriber's matching subscriptions, which are mostly the same from event to event. */
struct er_note {
    uint32_t refs;
    uint32_t n;
    char text[];
};
struct er_note *er_note_new(struct er_str text); /* one reference; NULL without memory */
void er_note_unref(struct er_note *note);        /* NULL is fine */

/* Two cache lines, because there may be 100,000 of them on their way. */
struct er_copy {
    struct er_sink_ticket ticket; /* first: the sink hands its address back */
    uint8_t kind;                 /* enum er_copy_kind */
    uint8_t stage;                /* enum er_stage; this and the next three are a dead letter's */
    uint8_t cut;                  /* enum er_dead_letter_cut */
    bool retimed;
    uint16_t code;
    bool suspect;      /* was refused as part of a batch: goes alone next */
    bool alone;        /* was sent alone: a refusal is about this record */
    bool probe;        /* decides a half-open breaker */
    uint32_t bytes;    /* key and value */
    uint32_t attempts; /* times given to the sink */
    struct er_window *window;
    uint64_t seq;             /* the event's slot in window */
    struct er_lane *lane;     /* where it goes */
    struct er_target *target; /* for whom; NULL: nobody in particular */
    uint64_t order;           /* within its lane */
    struct er_copy *prev, *next;
    struct er_note *subscriptions; /* NULL: none */
    uint64_t revision;
    int64_t first_failed_ms; /* 0: has not failed */
    size_t error_offset;
    char *message; /* owned; NULL: the title of the code must do */
};

/* Its memory will be needed soon. */
static inline void er_copy_prefetch(const void *copy)
{
    __builtin_prefetch(copy, 1);
    __builtin_prefetch((const char *)copy + 64, 1);
}

/* All ids; the first of them; the reason. */
struct er_str er_copy_subscriptions(const struct er_copy *copy);
struct er_str er_copy_subscription(const struct er_copy *copy);
struct er_str er_copy_message(const struct er_copy *copy);

/* Sets the reason; without memory there is none. */
void er_copy_explain(struct er_copy *copy, const char *format, ...) ER_PRINTF(2, 3);

/* Doubly linked list of copies. */
struct er_copies {
    struct er_copy *first, *last;
    size_t n;
};
void er_copies_append(struct er_copies *list, struct er_copy *copy);
void er_copies_remove(struct er_copies *list, struct er_copy *copy);
/* Puts copy where its order belongs; cheap near the front and behind hint (which may be NULL and must be in the list). */
void er_copies_insert(struct er_copies *list, struct er_copy *copy, struct er_copy *hint);

/* Memory stays with the pool until it is freed. Initialise with {0}. */
struct er_copy_pool {
    struct er_copy *free;
    struct er_copy_chunk *chunks;
    size_t taken;
};
struct er_copy *er_copy_take(struct er_copy_pool *pool); /* zeroed, error_offset ER_NO_OFFSET; NULL without memory */
void er_copy_give(struct er_copy_pool *pool, struct er_copy *copy);
void er_copy_pool_free(struct er_copy_pool *pool);

#endif

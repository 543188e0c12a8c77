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

struct er_copy {
    struct er_sink_ticket ticket; /* first: the sink hands its address back */
    enum er_copy_kind kind;
    bool sent;    /* the sink has it */
    bool suspect; /* was refused as part of a batch: goes alone next */
    bool alone;   /* was sent alone: a refusal is about this record */
    bool probe;   /* decides a half-open breaker */
    uint32_t bytes;
    uint32_t attempts; /* times given to the sink */
    struct er_window *window;
    uint64_t seq;             /* the event's slot in window */
    struct er_lane *lane;     /* where it goes */
    struct er_target *target; /* for whom; NULL: nobody in particular */
    uint64_t order;           /* within its lane */
    struct er_copy *prev, *next;
    /* What a copy that fails, waits or explains itself needs. */
    uint64_t revision;
    int64_t first_failed_ms; /* 0: has not failed */
    size_t error_offset;
    enum er_code code;
    enum er_stage stage;
    enum er_dead_letter_cut cut;
    bool retimed;
    struct er_buf text;     /* subscription ids, comma separated, then the message of a dead letter */
    size_t subscriptions_n; /* how much of text are ids */
};

/* The ids; the first of them; the message. */
static inline struct er_str er_copy_subscriptions(const struct er_copy *copy)
{
    return (struct er_str){ copy->text.p, copy->subscriptions_n };
}
struct er_str er_copy_subscription(const struct er_copy *copy);
struct er_str er_copy_message(const struct er_copy *copy);

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
struct er_copy *er_copy_take(struct er_copy_pool *pool); /* zeroed except for text's memory; NULL without memory */
void er_copy_give(struct er_copy_pool *pool, struct er_copy *copy);
void er_copy_pool_free(struct er_copy_pool *pool);

#endif

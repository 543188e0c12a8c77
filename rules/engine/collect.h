/* From accepted and undecided subscriptions to subscribers, each once, everything in bytewise order. */
#ifndef ER_RULES_ENGINE_COLLECT_H
#define ER_RULES_ENGINE_COLLECT_H

#include "rules/engine/match.h"

/* One subscription that accepts the event (reason NULL) or is undecided. Borrows. */
struct er_found {
    const struct er_subscriber *subscriber;
    struct er_str id;
    const char *reason;
};

struct er_found_list {
    struct er_found *items;
    uint32_t n;
    uint32_t capacity;
    struct er_str *ids; /* result of er_found_ids */
    uint32_t ids_capacity;
};

/* Initialise with {0}. */
struct er_collector {
    struct er_found_list matched, undecided;
    struct er_proxy *proxies; /* for sorting */
    uint32_t proxies_capacity;
    struct er_str *ids; /* of matched, in the order of the result */
    uint32_t ids_capacity;
    struct er_match_subscriber *subscribers;
    uint32_t subscribers_capacity;
    struct er_match_undecided *left; /* undecided subscribers */
    uint32_t left_capacity;
};

void er_collector_fini(struct er_collector *collector);
void er_collector_begin(struct er_collector *collector);
bool er_collector_add(struct er_collector *collector, const struct er_found *found); /* each one comes once */

/* Fills subscribers and undecided of the match. False without memory. */
bool er_collector_finish(struct er_collector *collector, struct er_match *match);

/* The ids of a finished list alone, sorted. NULL with *n > 0: out of memory. */
const struct er_str *er_found_ids(struct er_found_list *list, size_t *n);

#endif

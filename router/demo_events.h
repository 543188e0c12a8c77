/* The demo's events: favorites, orders and payments of a made-up shop. Pure: the same seed gives the same events. */
#ifndef ER_ROUTER_DEMO_EVENTS_H
#define ER_ROUTER_DEMO_EVENTS_H

#include <stddef.h>
#include <stdint.h>

struct er_demo_events {
    uint64_t random;   /* state of the generator; set to any seed */
    uint64_t sequence; /* number of the next event */
};

/* One record to publish. */
struct er_demo_event {
    char key[32];     /* zero terminated: the user, so that each user's events stay in order */
    char value[1024]; /* zero terminated; JSON, but now and then a broken one, as producers of real life make them */
};

void er_demo_events_init(struct er_demo_events *events, uint64_t seed);
void er_demo_events_next(struct er_demo_events *events, int64_t now_ms, struct er_demo_event *out);

#endif

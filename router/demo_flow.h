/* The demo's thread: publishes events at a steady rate and measures what the topics hold. */
#ifndef ER_ROUTER_DEMO_FLOW_H
#define ER_ROUTER_DEMO_FLOW_H

#include "router/demo_kafka.h"

struct er_demo_flow;

/* A topic to measure. */
struct er_demo_topic {
    char name[256];
    uint64_t written; /* last measured */
};
#define ER_DEMO_TOPICS_MAX 64

/* Starts to publish to topic. Everything is borrowed until free. */
enum er_code er_demo_flow_start(struct er_demo_kafka *kafka, const char *topic, struct er_demo_flow **out,
                                struct er_err *err) ER_MUST_CHECK;
/* Joins the thread. */
void er_demo_flow_free(struct er_demo_flow *flow);

/* The topics to measure from now on; `written` of each is filled in with what is known. At most ER_DEMO_TOPICS_MAX. */
void er_demo_flow_watch(struct er_demo_flow *flow, struct er_demo_topic *topics, size_t n);

uint64_t er_demo_flow_published(struct er_demo_flow *flow);

/* Asks to end; er_demo_flow_ended says when all is written, and how many records the source topic then has. */
void er_demo_flow_end(struct er_demo_flow *flow);
bool er_demo_flow_ended(struct er_demo_flow *flow, uint64_t *events);

/* How often all topics were measured; it goes on after the end. When it has grown by two, the last one began after the first
 * question. */
uint64_t er_demo_flow_measurements(struct er_demo_flow *flow);

#endif

/* struct er_router, for router.c and router_status.c. */
#ifndef ER_ROUTER_ROUTER_INTERNAL_H
#define ER_ROUTER_ROUTER_INTERNAL_H

#include "router/change_queue.h"
#include "router/kafka_dead_letters.h"
#include "router/router.h"
#include "router/worker_thread.h"

#define ER_WORKERS_MAX 64

/* Destinations whose breaker is not closed, or for which copies wait, by topic. */
typedef void er_trouble_cb(void *ctx, const char *topic, const struct er_destination_state *state);

struct er_router {
    struct er_router_options options;
    int wakeup_fd;
    struct er_ruleset *ruleset;
    struct er_kafka_topics *topics;
    struct er_topic_watch *watch;
    struct er_change_queue *queue;
    struct er_kafka_dead_letters *letters;
    struct er_router_ask *describes;                  /* not asked yet */
    bool describing;                                  /* a request is under way */
    struct er_worker_thread *workers[ER_WORKERS_MAX]; /* made when the topics were looked at, with a broker */
    size_t n_workers;
    bool started;   /* the workers */
    bool was_ready; /* as the log has it */
    int64_t start_wall_ms;
    uint64_t start_ms;
    bool stopping;
    bool failed;
    struct er_err failure;
    uint64_t warned_ms; /* last warning that no broker answers */
};

/* router_asks.c: takes what workers ask about topics and passes it on; drop: what has not been passed on, when no more answers can come. */
void er_router_take_asks(struct er_router *router);
void er_router_drop_asks(struct er_router *router);

/* Writes a line when readiness has changed. */
void er_router_log_readiness(struct er_router *router);

void er_router_each_trouble(const struct er_router *router, er_trouble_cb *cb, void *ctx);

#endif

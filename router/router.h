/* The data plane as main.c sees it: workers, topics thread, change queue, counters. All functions: main thread. */
#ifndef ER_ROUTER_ROUTER_H
#define ER_ROUTER_ROUTER_H

#include "router/config.h"
#include "router/log.h"
#include "router/worker.h"
#include "rules/base/json_write.h"
#include "rules/store/change.h"
#include "rules/store/letters.h"

struct er_router;

/* Replaces the topic maker (the demo's mock broker has no admin API). NULL members = real Kafka. Called on the topics thread. */
struct er_topic_ops {
    void *ctx;
    enum er_code (*create)(void *ctx, const char *topic, int32_t partitions, struct er_err *err);
};

struct er_router_options {
    const struct er_config *config; /* borrowed until er_router_free, as are store, log and policy */
    struct er_store *store;
    const struct er_plan_policy *policy;
    struct er_log *log;
    struct er_topic_ops topic_ops;
};

/* Checks the librdkafka properties of config (unknown, refused, bad value): one line per error in errors. No broker needed.
 * ER_OK or ER_E_CONFIG*. For --check-config and start. */
enum er_code er_router_check_kafka(const struct er_config *config, struct er_buf *errors) ER_MUST_CHECK;

/* Loads the rules from the store, starts threads; needs no broker (keeps trying). Errors: ER_E_STORE*, ER_E_CONFIG*, ER_E_NOMEM, ER_E_SYSTEM. */
enum er_code er_router_start(const struct er_router_options *options, struct er_router **out, struct er_err *err) ER_MUST_CHECK;

/* Readable when er_router_dispatch has work; call dispatch then and also every 100 ms (deadlines). Never blocks for longer than one
 * store commit and one event of matching. */
int er_router_wakeup_fd(const struct er_router *router);
void er_router_dispatch(struct er_router *router);

/* The rules that are active; valid until er_router_free. For matchers that only look; changes go through er_router_submit. */
struct er_ruleset *er_router_ruleset(const struct er_router *router);

/* See rules/store/change.h. */
void er_router_submit(struct er_router *router, struct er_change_request *request);

/* See rules/store/letters.h. */
void er_router_letters(struct er_router *router, struct er_letters_request *request);

/* How a subscriber's destination is, over all workers, as of a moment ago. */
struct er_destination_state {
    enum er_breaker_state breaker;
    enum er_code code; /* why it is not closed; ER_OK: it is */
    char reason[160];
    int64_t since_ms; /* Unix time; 0: it is closed */
    int64_t probe_ms; /* Unix time of the next probe; 0: none is planned */
    uint64_t waiting; /* copies held back by its quota, a retry or a full queue */
    bool ready;       /* the topic is known to exist */
};
void er_router_destination(const struct er_router *router, struct er_str subscriber, struct er_str topic,
                           struct er_destination_state *out);

/* Members for /v1/status, checks for /readyz (true = ready), text for /metrics: as struct er_admin_env (admin/env.h) says. */
void er_router_status(struct er_router *router, struct er_json_writer *w);
bool er_router_ready(struct er_router *router, struct er_json_writer *w);
void er_router_metrics(struct er_router *router, struct er_buf *out);

/* The balance at this moment; final after er_router_stopped. */
struct er_balance {
    uint64_t received, routed, unmatched, dead_lettered;
};
void er_router_balance(const struct er_router *router, struct er_balance *out);

/* Begins the graceful stop: no more reading, what is in flight is finished, offsets committed, group left; bounded by
 * router.shutdown_timeout. Then er_router_stopped turns true (poll it from dispatch). */
void er_router_stop(struct er_router *router);
bool er_router_draining(const struct er_router *router);
bool er_router_stopped(const struct er_router *router);

/* Set when a worker met an error that only a restart can heal (for example fenced by a stranger): main exits with 70. */
bool er_router_failed(const struct er_router *router, struct er_err *err);

/* Joins threads and frees. Stops first if nobody did. */
void er_router_free(struct er_router *router);

#endif

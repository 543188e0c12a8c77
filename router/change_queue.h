/* The one queue of changes (rules/store/change.h), first in, first out, on the main thread.
 *
 *   build plan -> destinations made (asynchronous) -> rule set prepared -> store commit (durable) -> rule set published -> done
 *
 * Whatever fails before the commit leaves store and rule set as they were. A change that needs no new destination needs no broker.
 */
#ifndef ER_ROUTER_CHANGE_QUEUE_H
#define ER_ROUTER_CHANGE_QUEUE_H

#include "router/topic_watch.h"
#include "rules/store/change.h"

struct er_change_queue;

struct er_change_queue_options {
    struct er_store *store;
    const struct er_plan_policy *policy;
    struct er_ruleset *ruleset;
    struct er_topic_watch *watch;
    struct er_log *log;
    bool create;        /* destinations.create */
    uint32_t budget_ms; /* for making destinations, plus some for each; then ER_E_KAFKA_TIMEOUT */
    /* er_kafka_topics_submit, or a test's */
    void (*submit_topics)(void *ctx, struct er_topics_job *job);
    void *ctx;
};

/* options are copied, what they point to is borrowed. */
enum er_code er_change_queue_new(const struct er_change_queue_options *options, struct er_change_queue **out,
                                 struct er_err *err) ER_MUST_CHECK;
/* After er_change_queue_stop, and after the last topics job was answered. */
void er_change_queue_free(struct er_change_queue *queue);

void er_change_queue_submit(struct er_change_queue *queue, struct er_change_request *request);

/* Everything that waits, and everything submitted from now on, is done with ER_E_UNAVAILABLE; a change whose destinations are being made
 * too, and their answer is ignored. */
void er_change_queue_stop(struct er_change_queue *queue);

size_t er_change_queue_waiting(const struct er_change_queue *queue);

struct er_change_stats {
    uint64_t applied;        /* changes that made a revision */
    uint64_t refused;        /* requests that ended in an error */
    uint64_t last_commit_ns; /* store transaction */
    uint64_t commit_ns_sum;
    uint64_t last_publish_ns; /* prepare and publish */
};
void er_change_queue_stats(const struct er_change_queue *queue, struct er_change_stats *out);

#endif

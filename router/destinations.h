/* The topics that the router writes, as the main thread knows them: the subscribers' destinations, the dead-letter topic and the unmatched
 * topic. Looks after those that are missing.
 *
 *   start: all of them in one job; without a broker the job is repeated for ever
 *   change: the change queue ensures new ones itself and tells the result here
 *   later: broken ones are looked at again with back-off (1 s to 60 s)
 *
 * Main thread only.
 */
#ifndef ER_ROUTER_DESTINATIONS_H
#define ER_ROUTER_DESTINATIONS_H

#include "router/kafka_topics.h"
#include "rules/store/store.h"

struct er_destinations;

struct er_destinations_options {
    const struct er_config *config;
    struct er_store *store;
    struct er_log *log;
    /* er_kafka_topics_submit, or a test's */
    void (*submit)(void *ctx, struct er_topics_job *job);
    void *ctx;
};

enum er_code er_destinations_new(const struct er_destinations_options *options, struct er_destinations **out, struct er_err *err) ER_MUST_CHECK;
/* After every job has been answered (er_kafka_topics_free). */
void er_destinations_free(struct er_destinations *destinations);

/* Reads the store's subscribers and asks for all topics. */
enum er_code er_destinations_start(struct er_destinations *destinations, struct er_err *err) ER_MUST_CHECK;
/* Every 100 ms or so: repeats what failed. */
void er_destinations_tick(struct er_destinations *destinations, uint64_t now_ms);

/* Has every topic been looked at once, with a broker? (Some may be broken.) */
bool er_destinations_started(const struct er_destinations *destinations);
/* Do the dead-letter topic and the unmatched topic exist? text (256 bytes): the first that does not, and why. */
bool er_destinations_service_ready(const struct er_destinations *destinations, char *text, size_t size);

/* Is the subscriber's topic known to exist? */
bool er_destinations_ready(const struct er_destinations *destinations, struct er_str subscriber, struct er_str topic);
/* A topic was ensured (or another one than before). Without memory it is forgotten: then the next change asks Kafka again. */
void er_destinations_put(struct er_destinations *destinations, struct er_str subscriber, struct er_str topic, int32_t partitions, bool created);
void er_destinations_remove(struct er_destinations *destinations, struct er_str subscriber);

/* A worker found that a topic is missing or broken: look soon, and make it again if the router had made it. */
void er_destinations_report(struct er_destinations *destinations, struct er_str topic);

struct er_destination_view {
    struct er_str subscriber; /* n = 0: dead-letter or unmatched topic */
    const char *topic;
    bool ready;
    const char *text; /* why not */
};
typedef void er_destination_cb(void *ctx, const struct er_destination_view *view);
void er_destinations_each(const struct er_destinations *destinations, er_destination_cb *cb, void *ctx);

#endif

/* The topics that the router writes, as the main thread knows them: the subscribers' destinations, the dead-letter topic and the unmatched
 * topic. Looks after those that are missing.
 *
 *   start: all of them in one job; without a broker the job is repeated for ever
 *   change: the change queue ensures new ones itself and tells the result here
 *   later: those that were broken at start are looked at again with back-off (1 s to 60 s), dead-letter and unmatched topic always (1 s to
 *   5 s); other destinations that break later are the business of the worker's breaker
 *
 * Main thread only.
 */
#ifndef ER_ROUTER_TOPIC_WATCH_H
#define ER_ROUTER_TOPIC_WATCH_H

#include "router/kafka_topics.h"
#include "rules/store/store.h"

struct er_topic_watch;

struct er_topic_watch_options {
    const struct er_config *config;
    struct er_store *store;
    struct er_log *log;
    /* er_kafka_topics_submit, or a test's */
    void (*submit)(void *ctx, struct er_topics_job *job);
    void *ctx;
};

enum er_code er_topic_watch_new(const struct er_topic_watch_options *options, struct er_topic_watch **out,
                                struct er_err *err) ER_MUST_CHECK;
/* After every job has been answered (er_kafka_topics_free). */
void er_topic_watch_free(struct er_topic_watch *watch);

/* Reads the store's subscribers and asks for all topics. */
enum er_code er_topic_watch_start(struct er_topic_watch *watch, struct er_err *err) ER_MUST_CHECK;
/* Every 100 ms or so: repeats what failed. */
void er_topic_watch_tick(struct er_topic_watch *watch, uint64_t now_ms);

/* Has every topic been looked at once, with a broker? (Some may be broken.) */
bool er_topic_watch_started(const struct er_topic_watch *watch);
/* Do the dead-letter topic and the unmatched topic exist? text (256 bytes): the first that does not, and why. */
bool er_topic_watch_service_ready(const struct er_topic_watch *watch, char *text, size_t size);

/* Is the subscriber's topic known to exist? */
bool er_topic_watch_ready(const struct er_topic_watch *watch, struct er_str subscriber, struct er_str topic);
/* A topic was ensured (or another one than before). Without memory it is forgotten: then the next change asks Kafka again. */
void er_topic_watch_put(struct er_topic_watch *watch, struct er_str subscriber, struct er_str topic, int32_t partitions,
                        bool created);
void er_topic_watch_remove(struct er_topic_watch *watch, struct er_str subscriber);
/* The store learns that the router made these subscribers' topics; if it cannot, that is logged. */
void er_topic_watch_remember(struct er_topic_watch *watch, const struct er_str *subscribers, size_t n);

/* A worker found that a topic is missing or refuses copies, and looks after it from now on. Returns whether the router may make it (it
 * made it before), with its partitions. */
bool er_topic_watch_report(struct er_topic_watch *watch, struct er_str topic, int32_t *partitions);
/* It exists again. */
void er_topic_watch_found(struct er_topic_watch *watch, struct er_str topic);

struct er_topic_view {
    struct er_str subscriber; /* n = 0: dead-letter or unmatched topic */
    const char *topic;
    bool ready;
    const char *text; /* why not */
};
typedef void er_topic_view_cb(void *ctx, const struct er_topic_view *view);
void er_topic_watch_each(const struct er_topic_watch *watch, er_topic_view_cb *cb, void *ctx);

#endif

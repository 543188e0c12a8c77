/* librdkafka configurations: what the router sets, what the user may set, what is refused and why.
 *
 *   router's table -> [kafka] -> [kafka.consumer] or [kafka.producer] -> identity (group, instance, worker)
 *
 * A property of [kafka] that concerns only one of the two clients goes only there.
 */
#ifndef ER_ROUTER_KAFKA_CONF_H
#define ER_ROUTER_KAFKA_CONF_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include "router/config.h"
#include "router/log.h"

/* Exactly-once: message.timeout < transaction.timeout < max.poll.interval, so that a copy fails before its transaction, and that before
 * the group gives the partitions to another. */
#define ER_KAFKA_MESSAGE_MS 30000
#define ER_KAFKA_TRANSACTION_MS 60000

/* A reader looks at records outside of the group: it has the consumer's properties where they concern it. */
enum er_kafka_client { ER_KAFKA_CONSUMER, ER_KAFKA_PRODUCER, ER_KAFKA_ADMIN, ER_KAFKA_READER };

/* cooperative rebalancing has loss and hang bugs before 2.10.0 (#4059, #4783, #4527 of librdkafka) */
#define ER_KAFKA_COOPERATIVE_FROM 0x020a0000
/* batch calls skip offsets after pause and resume before 2.1.0 (#4208) */
#define ER_KAFKA_PAUSE_FROM 0x02010000

/* The opaque pointer of every librdkafka handle that the router makes: its log lines and whoever owns the handle. Must outlive the
 * handle. Zero it, set log, name and owner. */
struct er_kafka_handle {
    struct er_log *_Atomic log; /* may be NULL; taken away when the handle outlives its owner */
    const char *name;           /* static or outliving: "consumer", "producer", "topics" */
    unsigned worker;            /* for the log line */
    void *owner;                /* for callbacks of the module that made the handle */
    atomic_ullong window_ms;    /* log limiter: start of the present window */
    atomic_uint lines;          /* written in it */
    atomic_uint suppressed;     /* and not written */
};

/* Configuration of one client of one worker, with log callback and opaque set; callbacks and events are the caller's.
 * *out: returns owned (rd_kafka_new takes it when it succeeds). Errors: ER_E_CONFIG*, ER_E_NOMEM. */
enum er_code er_kafka_conf_new(const struct er_config *config, enum er_kafka_client client, unsigned worker,
                               struct er_kafka_handle *handle, rd_kafka_conf_t **out, struct er_err *err) ER_MUST_CHECK;

/* Does the user say himself how long copies wait for bigger batches? */
bool er_kafka_user_lingers(const struct er_config *config);

/* Are batches of the producer compressed? */
bool er_kafka_compresses(const struct er_config *config);

/* The value that the router's client would run with, in value (zero terminated, cut); false when librdkafka does not know the name. */
bool er_kafka_conf_value(const rd_kafka_conf_t *conf, const char *name, char *value, size_t size);

#endif

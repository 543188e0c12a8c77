/* The demo's Kafka: librdkafka's mock cluster, a client that publishes to it, and what its topics hold. Any one thread at a time,
 * except where said. */
#ifndef ER_ROUTER_DEMO_KAFKA_H
#define ER_ROUTER_DEMO_KAFKA_H

#include <stdint.h>
#include "rules/base/err.h"
#include "rules/base/str.h"

struct er_demo_kafka;

enum er_code er_demo_kafka_new(struct er_demo_kafka **out, struct er_err *err) ER_MUST_CHECK;
void er_demo_kafka_free(struct er_demo_kafka *kafka);

/* "HOST:PORT"; valid until free. */
const char *er_demo_kafka_bootstrap(const struct er_demo_kafka *kafka);

/* Any thread. An existing topic is fine. */
enum er_code er_demo_kafka_create(struct er_demo_kafka *kafka, const char *topic, int32_t partitions,
                                  struct er_err *err) ER_MUST_CHECK;

/* Queues a copy of one record (key and value are only read); false when the queue is full. */
bool er_demo_kafka_publish(struct er_demo_kafka *kafka, const char *topic, char *key, char *value);
/* Serves delivery reports without waiting. */
void er_demo_kafka_poll(struct er_demo_kafka *kafka);
/* Waits until everything queued is in its topic; false after timeout_ms. */
bool er_demo_kafka_flush(struct er_demo_kafka *kafka, int timeout_ms);

/* How many records were ever written to an existing topic; false when it could not be asked. */
bool er_demo_kafka_written(struct er_demo_kafka *kafka, const char *topic, uint64_t *out);

#endif

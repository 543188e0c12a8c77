/* What a topic's configuration says about sizes. */
#ifndef ER_ROUTER_KAFKA_DESCRIBE_H
#define ER_ROUTER_KAFKA_DESCRIBE_H

#include <librdkafka/rdkafka.h>
#include "router/kafka_topics.h"

enum { ER_KAFKA_DESCRIBE_BATCH = 200 /* topics of one request */ };

/* Asks for max.message.bytes of all items (at most ER_KAFKA_DESCRIBE_BATCH) in one DescribeConfigs request and waits for its answer, at most
 * some seconds. Items get max_bytes and ER_OK, or ER_E_KAFKA when the broker does not say (no right to ask, no such request). False: the
 * request as a whole had no answer. */
bool er_kafka_describe(rd_kafka_t *rk, rd_kafka_queue_t *queue, struct er_topics_job *job);

#endif

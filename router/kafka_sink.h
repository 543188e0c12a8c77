/* The Kafka implementation of router/sink.h: one idempotent or transactional producer.
 *
 *   produce -> librdkafka's partition queues -> broker -> delivery reports as events -> poll
 *
 * The producer is replaced by a new one (nothing is outstanding then, so nothing is lost) when librdkafka calls it fatal, and when it
 * remembers many topics that are closed: it never forgets one by itself. While it is being replaced, produce says ER_SINK_FULL.
 * With exactly-once, whoever keeps the transactions (router/kafka_txn.h) replaces it instead, and makes the first one.
 */
#ifndef ER_ROUTER_KAFKA_SINK_H
#define ER_ROUTER_KAFKA_SINK_H

#include <librdkafka/rdkafka.h>
#include "router/config.h"
#include "router/log.h"
#include "router/sink.h"

struct er_kafka_sink;

/* config and log are borrowed. Errors: ER_E_CONFIG*, ER_E_NOMEM, ER_E_KAFKA. */
enum er_code er_kafka_sink_new(const struct er_config *config, struct er_log *log, unsigned worker, struct er_kafka_sink **out,
                               struct er_err *err) ER_MUST_CHECK;
/* All topics closed; reports that nobody fetched are dropped. */
void er_kafka_sink_free(struct er_kafka_sink *sink);

struct er_sink er_kafka_sink_seam(struct er_kafka_sink *sink);

/* Any thread: how often the producer was replaced. */
uint64_t er_kafka_sink_replaced(const struct er_kafka_sink *sink);

/* ---- worker's thread ---- */

/* Shows every report as librdkafka gives it, before poll does. */
typedef void er_kafka_report_cb(void *arg, const rd_kafka_message_t *message);
void er_kafka_sink_watch(struct er_kafka_sink *sink, er_kafka_report_cb *cb, void *arg);
/* Was anything reported since the last call of which nobody knows whether it was, or will be, written? */
bool er_kafka_sink_uncertain(struct er_kafka_sink *sink);

/* ---- exactly-once ---- */

/* Takes a new producer; what the old one holds is reported by poll. prepare may add to its configuration. False: not now, again. */
typedef void er_kafka_prepare_cb(void *arg, rd_kafka_conf_t *conf);
bool er_kafka_sink_renew(struct er_kafka_sink *sink, er_kafka_prepare_cb *prepare, void *arg);
/* Should it be taken before the next transaction? */
bool er_kafka_sink_wants_renewal(const struct er_kafka_sink *sink);
/* The present one; NULL before the first renew. */
rd_kafka_t *er_kafka_sink_producer(const struct er_kafka_sink *sink);

#endif

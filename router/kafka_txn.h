/* The Kafka implementation of router/transaction.h: the producer of a sink and the consumer of a source in one transaction (KIP-98,
 * KIP-447), with the guard of router/kafka_guard.h.
 *
 *   begin -> copies -> send_offsets_to_transaction -> commit_transaction -> guard: clean = DONE, else DOUBTFUL
 *
 * transactional.id is eventrouter.<group>.<instance>.<worker>: the same after a restart, so that whoever comes next ends what the last
 * one left. No call may hang: all have a bound, and a transaction older than its timeout is DOUBTFUL.
 */
#ifndef ER_ROUTER_KAFKA_TXN_H
#define ER_ROUTER_KAFKA_TXN_H

#include "router/counters.h"
#include "router/kafka_sink.h"
#include "router/kafka_source.h"
#include "router/transaction.h"

struct er_kafka_txn;

struct er_kafka_txn_options {
    const struct er_config *config; /* borrowed, as is all of it */
    struct er_log *log;
    struct er_kafka_source *source;
    struct er_kafka_sink *sink; /* its producer is made by the first renew */
    struct er_counters *counters;
    unsigned worker;
};

/* Worker's thread, as are all. Errors: ER_E_NOMEM. */
enum er_code er_kafka_txn_new(const struct er_kafka_txn_options *options, struct er_kafka_txn **out,
                              struct er_err *err) ER_MUST_CHECK;
/* After the sink: its producer is watched to the end. */
void er_kafka_txn_free(struct er_kafka_txn *txn);

struct er_txn er_kafka_txn_seam(struct er_kafka_txn *txn);

#endif

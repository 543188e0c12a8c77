/* Watches the requests of one transactional producer, because librdkafka repeats some of them inside a call after a cut connection and
 * reports success: the first one may still be on its way and then ends or spoils a later transaction. With the old transaction protocol
 * nothing tells the two apart, so after any sign of it the producer has to be made anew, which fences the stragglers.
 *
 *   begin -> ... requests and responses on librdkafka's threads ... -> verdict
 *
 * Signs: more than one EndTxn, or a Produce, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn or TxnOffsetCommit without a proper response.
 * (The third sign, a call that timed out, is known to the caller.) KIP-98, KIP-890.
 */
#ifndef ER_ROUTER_KAFKA_GUARD_H
#define ER_ROUTER_KAFKA_GUARD_H

#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

struct er_kafka_guard {
    atomic_uint end_txns; /* sent since begin */
    atomic_uint errors;   /* responses that did not arrive since begin */
};

enum er_guard_verdict { ER_GUARD_CLEAN, ER_GUARD_END_TXN, ER_GUARD_RESPONSE };

/* Watches the producer that is made from conf; guard outlives it. */
void er_kafka_guard_attach(struct er_kafka_guard *guard, rd_kafka_conf_t *conf);

/* Worker's thread. */
void er_kafka_guard_begin(struct er_kafka_guard *guard);
enum er_guard_verdict er_kafka_guard_verdict(const struct er_kafka_guard *guard);

/* What the interceptors do, for tests. */
void er_kafka_guard_sent(struct er_kafka_guard *guard, int16_t api_key);
void er_kafka_guard_received(struct er_kafka_guard *guard, int16_t api_key, rd_kafka_resp_err_t error);

#endif

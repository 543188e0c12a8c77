/* The Kafka implementation of router/source.h: one consumer, a member of the router's group.
 *
 *   partition queues --forwarded--> data queue   --> poll(max > 0)
 *   group events ----------------> consumer queue --> served by every poll, so that a full window never hides a rebalance
 *
 * Deferred rebalances: librdkafka's callback only notes what was asked for; rebalance_done answers librdkafka.
 * Eager assignment before librdkafka 2.10.0, cooperative from there on (router/kafka_conf.h). No pause, no resume: a full window stops
 * polling the data queue, and librdkafka's own queue bounds stop fetching.
 */
#ifndef ER_ROUTER_KAFKA_SOURCE_H
#define ER_ROUTER_KAFKA_SOURCE_H

#include <librdkafka/rdkafka.h>
#include "router/config.h"
#include "router/log.h"
#include "router/source.h"

struct er_kafka_source;

/* Makes the consumer; joins no group yet. config and log are borrowed. Errors: ER_E_CONFIG*, ER_E_NOMEM, ER_E_KAFKA. */
enum er_code er_kafka_source_new(const struct er_config *config, struct er_log *log, unsigned worker, struct er_kafka_source **out,
                                 struct er_err *err) ER_MUST_CHECK;

/* Worker's thread: joins the group. */
enum er_code er_kafka_source_subscribe(struct er_kafka_source *source, struct er_err *err) ER_MUST_CHECK;

/* Worker's thread, after the last poll: leaves the group (a static member only goes quiet); waits until deadline_ms (er_clock_ms), at
 * least a second. */
void er_kafka_source_close(struct er_kafka_source *source, uint64_t deadline_ms);

/* Closes it first if nobody did. Every record must have been released. */
void er_kafka_source_free(struct er_kafka_source *source);

struct er_source er_kafka_source_seam(struct er_kafka_source *source);

/* Worker's thread, for transactions. The list returns owned, as does the group (NULL: not known now). */
rd_kafka_topic_partition_list_t *er_kafka_source_offsets(struct er_kafka_source *source, const struct er_source_offset *offsets,
                                                         size_t n);
rd_kafka_consumer_group_metadata_t *er_kafka_source_group(struct er_kafka_source *source);

/* Any thread. */
struct er_kafka_source_state {
    bool joined; /* an assignment was received and not lost since, even one without partitions */
    bool failed; /* only a restart can heal it: text says why */
    char text[256];
};
void er_kafka_source_state(struct er_kafka_source *source, struct er_kafka_source_state *out);

/* Any thread: assigned partitions. position: offset of the first record that is not acknowledged, -1 = not known yet; high: end of the
 * partition as the last fetch saw it, -1 = not known yet. The strings are valid during the call. */
struct er_kafka_position {
    const char *topic;
    int32_t partition;
    int64_t position;
    int64_t high;
};
typedef void er_kafka_position_cb(void *ctx, const struct er_kafka_position *position);
void er_kafka_source_positions(struct er_kafka_source *source, er_kafka_position_cb *cb, void *ctx);

#endif

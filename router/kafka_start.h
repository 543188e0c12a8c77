/* Where a group begins that has committed nothing yet, with source.start = latest.
 *
 * auto.offset.reset cannot say it: it also decides for an offset that retention took, and for a partition that came later, and would skip
 * their events. So it is always "earliest", and a new group's beginning is written down as its first commit, of all partitions of the
 * topic at once: whoever looks next, after a restart too, finds a group that has begun.
 *
 *   assigned -> er_kafka_start_settle until it is true -> rd_kafka_assign, which begins where the group's commits say
 *
 * The member that got the topic's first partition decides; the others wait a while for its commit before they decide themselves.
 */
#ifndef ER_ROUTER_KAFKA_START_H
#define ER_ROUTER_KAFKA_START_H

#include <librdkafka/rdkafka.h>
#include "router/log.h"

/* One assignment under way; all zero before the first call. */
struct er_kafka_start {
    uint64_t since_ms; /* er_clock_ms of the first call */
    uint64_t next_ms;  /* not again before */
    bool warned;
};

/* True: assign the list now. Every topic of it has a commit of the group, or the assignment is over already (the next one follows once
 * this one was answered; the list then says "end"). False: not known yet, call it again; in between the consumer must be polled. Blocks
 * for some seconds at most, when brokers do not answer. */
bool er_kafka_start_settle(struct er_kafka_start *start, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *assigned,
                           struct er_log *log, unsigned worker);

#endif

/* Where copies go: a producer, seen from its worker. A seam: Kafka (router/kafka_sink.h) or a test.
 *
 * All functions are called on the worker's thread and none but hurry and purge waits. What produce accepted is reported by poll exactly once.
 * Within one topic partition, records are written in the order of produce (idempotent producer, unlimited retries inside, no
 * message timeout): a later record of the same topic may still be delivered after an earlier one failed.
 */
#ifndef ER_ROUTER_SINK_H
#define ER_ROUTER_SINK_H

#include "rules/base/err.h"
#include "rules/engine/record.h"

/* Result of produce and of a report. */
enum er_sink_result {
    ER_SINK_OK,        /* produce: queued; report: delivered as the acks setting demands */
    ER_SINK_FULL,      /* produce only: the common queue is full, try again after some reports; nothing was taken */
    ER_SINK_TOO_LARGE, /* for the producer or the destination (perhaps as part of a batch) */
    ER_SINK_TIMESTAMP, /* the destination refuses the record's timestamp */
    ER_SINK_INVALID,   /* the destination refuses this record for another reason (for example no key on a compacted topic) */
    ER_SINK_MISSING,   /* destination topic or partition does not exist */
    ER_SINK_REFUSED,   /* not authorised, policy: the destination takes nothing from us */
    ER_SINK_RETRY,     /* anything else: timed out, unknown; may or may not have been written */
    ER_SINK_RECALLED   /* report only: taken back by recall or purge before it was sent */
};
#define ER_SINK_RESULTS 9

/* What a dead letter, or an answer, calls a result that is not ER_SINK_OK. */
enum er_code er_sink_code(enum er_sink_result result);

/* Identifies a produced record until its report; the sink passes the pointer through. Constant meanwhile, so that a partitioner may
 * read it on any thread: er_partition_choose(key, ticket->keyed, ticket->source_partition, count) in router/partition.h. */
struct er_sink_ticket {
    int32_t source_partition;
    bool keyed; /* an empty key is a key */
};

struct er_sink_report {
    struct er_sink_ticket *ticket;
    enum er_sink_result result;
    const char *text; /* why not, for people; static; NULL when OK */
};

/* A destination topic, cached by the sink (rd_kafka_topic_t). */
struct er_sink_topic;

struct er_sink_ops {
    /* No I/O: the topic need not exist. NULL without memory. A topic is opened at most once at a time. */
    struct er_sink_topic *(*open)(void *ctx, struct er_str name);
    void (*close)(void *ctx, struct er_sink_topic *topic);

    /* Queues key, value, headers and timestamp of record (its topic, partition and offset are those of the source; timestamp -1 =
     * none, has_value false = tombstone). Key and value stay valid until the report, so the sink copies or borrows them as it
     * likes; headers only for the call. On anything but OK and FULL the ticket is not kept and *text says why. */
    enum er_sink_result (*produce)(void *ctx, struct er_sink_topic *topic, const struct er_record *record,
                                   struct er_sink_ticket *ticket, const char **text);

    /* Takes up to max reports that are there. */
    size_t (*poll)(void *ctx, struct er_sink_report *reports, size_t max);

    /* Sends what lingers for bigger batches now and waits, at most wait_ns, until all is reported; poll gives the reports. True:
     * nothing is outstanding any more. Called when the source has run dry, and again and again while draining. */
    bool (*hurry)(void *ctx, int64_t wait_ns);

    /* Takes back, as far as possible, what is queued but not yet sent, of all topics: each is reported as ER_SINK_RECALLED. Used so
     * that nothing overtakes copies that must be sent again. May be NULL: then a refused batch can cost order. */
    void (*recall)(void *ctx);

    /* Gives up everything, waits until that is done (about a second at most): the polls that follow report all that is outstanding.
     * Called once, at the end. */
    void (*purge)(void *ctx);
};

struct er_sink {
    const struct er_sink_ops *ops;
    void *ctx;
};

#endif

/* Where records come from: a consumer of one group, seen from its worker. A seam: Kafka (router/kafka_source.h) or a test.
 *
 * All functions are called on the worker's thread. Nothing but poll and commit may wait.
 *
 *   poll -> records, then perhaps one rebalance -> ... work ... -> rebalance_done -> poll
 */
#ifndef ER_ROUTER_SOURCE_H
#define ER_ROUTER_SOURCE_H

#include "rules/base/err.h"
#include "rules/engine/record.h"

/* One assigned partition. index: a small number that the source chose (dense, from 0), the same in all its records and offsets
 * until the partition is revoked or lost; it may be reused afterwards. */
struct er_source_partition {
    struct er_str topic;
    int32_t partition;
    uint32_t index;
};

/* record.owner is the message. Key, value and header bytes stay valid until release(owner); the array record.headers only until the
 * next poll with max > 0. */
struct er_source_record {
    struct er_record record;
    uint32_t index;
};

enum er_rebalance {
    ER_REBALANCE_NONE,
    ER_REBALANCE_ASSIGNED, /* partitions are added (cooperative) or are all there are (eager: the old ones were revoked before) */
    ER_REBALANCE_REVOKED,  /* still owned until rebalance_done: finish, commit, then let go */
    ER_REBALANCE_LOST      /* owned by somebody else already: drop, do not commit */
};

/* Happened after the records of the same poll. No further event until rebalance_done, with one exception: a pending
 * ER_REBALANCE_REVOKED may turn into ER_REBALANCE_LOST for (at least) the same partitions; it replaces the first and rebalance_done
 * is called once. */
struct er_source_event {
    enum er_rebalance kind;
    const struct er_source_partition *partitions; /* valid until rebalance_done */
    size_t n;
};

/* next: offset of the first record that is not processed yet. */
struct er_source_offset {
    uint32_t index;
    int64_t next;
};

struct er_source_ops {
    /* Fills up to max records and returns how many; waits up to wait_ns for the first and not at all for the rest; may return early
     * with nothing. Transient errors (broker away, ...) are the source's own business. max = 0: waits likewise (for a rebalance or
     * a wake-up), delivers no record but keeps the member alive (max.poll.interval) and serves rebalances; the source may stash
     * what it has to take meanwhile (bounded) and must drop stashed records of a partition that is revoked or lost. Order within a
     * partition is kept; offsets may have gaps, and go back when the log was truncated. event->kind is always set. Records of a
     * partition that was revoked or lost are never delivered after that event. */
    size_t (*poll)(void *ctx, struct er_source_record *records, size_t max, int64_t wait_ns, struct er_source_event *event);

    /* The worker is done with the pending event: assigned = start fetching, revoked and lost = give the partitions up. */
    void (*rebalance_done)(void *ctx);

    /* Remembers the offsets to be committed in the background, within a second or so. Only grows what a restart need not repeat. */
    void (*store)(void *ctx, const struct er_source_offset *offsets, size_t n);

    /* Commits now and waits for the answer, at most wait_ns. An error is final for this call; the caller may repeat it. */
    enum er_code (*commit)(void *ctx, const struct er_source_offset *offsets, size_t n, int64_t wait_ns);

    /* Reads what the group has committed, no transaction pending: offsets[i].index is given, next is the answer (-1: nothing yet). Waits
     * at most wait_ns. An error (not known now): repeat it. Exactly-once only, else NULL. */
    enum er_code (*committed)(void *ctx, struct er_source_offset *offsets, size_t n, int64_t wait_ns);

    /* Reads the record of owner again (retry, dead letter). out->headers is valid until the next call of record. */
    void (*record)(void *ctx, void *owner, struct er_record *out);

    /* Stops (true) or goes on (false) delivering an assigned partition; what is under way still comes. May be NULL. */
    void (*hold)(void *ctx, uint32_t index, bool held);

    /* Gives owner back; once per record that poll delivered, also after its partition was revoked or lost. */
    void (*release)(void *ctx, void *owner);

    /* Owner may be released soon: the source can fetch its memory. May be NULL, as owner may. */
    void (*expect_release)(void *ctx, const void *owner);
};

struct er_source {
    const struct er_source_ops *ops;
    void *ctx;
};

#endif

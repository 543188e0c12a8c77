/* The data plane without Kafka: a worker with a real rule set between a fake source and a fake sink, on a virtual clock, driven by
 * a text script (tests/replay/README.md). Deterministic; nothing waits. */
#ifndef ER_TESTS_REPLAY_REPLAY_H
#define ER_TESTS_REPLAY_REPLAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "router/worker.h"

#define PARTITIONS 32
#define TOPICS 64
#define NAME 300

/* The first failure of a script; what follows it is not executed. */
struct failure {
    bool failed;
    char text[1024];
};
void fail_at(struct failure *failure, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A record with memory of its own, each piece allocated apart so that a sanitizer sees every use after release. */
struct fake_record {
    struct er_record record;
    struct er_header *headers;
    uint32_t index;
    struct fake_record *next;
};
struct fake_record *record_dup(const struct er_record *from);
void record_free(struct fake_record *record);

/* ---- source: partitions, a queue of records and rebalances, what was stored and committed ---- */
struct fake_item {
    enum er_rebalance kind;     /* NONE: a record */
    struct fake_record *record; /* owned until delivered */
    uint32_t indexes[PARTITIONS];
    size_t n;
    struct fake_item *next;
};
struct fake_partition {
    char topic[NAME];
    int32_t partition;
    bool used;     /* the script named it */
    bool assigned; /* as the group sees it */
    bool held;     /* the worker wants no more of it now */
    bool fenced;   /* the group has given it to somebody else, and the worker does not know yet */
    unsigned epoch;
    int64_t stored, committed; /* -1: none */
    int64_t highest;           /* offset that was delivered in this epoch; -1: none */
};
struct fake_source {
    struct failure *failure;
    struct fake_partition partitions[PARTITIONS];
    struct fake_item *first, *last;
    struct er_header *poll_headers[4096]; /* valid until the next poll for records */
    size_t n_poll_headers;
    struct er_header *record_headers; /* valid until the next record */
    struct er_source_partition event_partitions[PARTITIONS];
    struct fake_item *pending; /* rebalance given to the worker */
    bool reading;
    size_t outstanding; /* records not released */
    size_t delivered;
    unsigned commit_failures; /* to come */
    unsigned commits;
    struct fake_sink *sink;
    struct fake_txn *txn;
};
void source_init(struct fake_source *source, struct failure *failure);
void source_fini(struct fake_source *source);
void source_restart(struct fake_source *source); /* as after the end of the process: nothing is read or assigned */
uint32_t source_partition(struct fake_source *source, const char *name); /* "topic/0" */
void source_push(struct fake_source *source, uint32_t index, const struct er_record *record);
void source_rebalance(struct fake_source *source, enum er_rebalance kind, const uint32_t *indexes, size_t n);
extern const struct er_source_ops fake_source_ops;

/* ---- sink: topics with a policy, what was sent, what was delivered ---- */
enum sink_policy {
    SINK_ANSWER, /* reports `result` by itself */
    SINK_HOLD,   /* on its way: waits for the script's report */
    SINK_QUEUED  /* likewise, but not sent yet: recall takes it back */
};
struct fake_topic {
    char name[NAME];
    int32_t partitions;
    enum sink_policy policy;
    enum er_sink_result result;
    enum er_sink_result produce; /* result of produce, for produce_left calls */
    unsigned produce_left;
    size_t max_bytes; /* 0: no limit */
    bool open;
    size_t sent_seen, delivered_seen; /* expected so far */
    bool ignored;
};
struct fake_entry {
    struct fake_topic *topic;
    struct fake_record *copy;
    struct er_str key, value; /* the worker's bytes: must live until the report */
    struct er_sink_ticket *ticket;
    int32_t partition;
    uint32_t from; /* index of the source partition */
    unsigned epoch;
    bool reported;
    bool answer_ready;
    enum er_sink_result answer;
    bool written;          /* in a transaction: reported as OK */
    uint64_t delivered_at; /* order of delivery, in a transaction of its commit; 0: not delivered */
};
struct fake_sink {
    struct failure *failure;
    struct fake_source *source;
    struct fake_txn *txn;
    struct fake_topic topics[TOPICS];
    size_t n_topics;
    struct fake_entry *entries; /* in order of produce */
    size_t n, capacity;
    size_t first_open; /* entries before it are reported */
    size_t queue;      /* how many may be outstanding */
    size_t outstanding;
    uint64_t deliveries;
    unsigned hurried, recalled;
    struct er_ruleset *publish; /* has a prepared change that comes with the publish_left-th record from now, or NULL */
    unsigned publish_left;
};
void sink_init(struct fake_sink *sink, struct failure *failure, struct fake_source *source);
void sink_fini(struct fake_sink *sink);
struct fake_topic *sink_topic(struct fake_sink *sink, const char *name);
/* Answers up to n outstanding records of a topic, the oldest first; offset >= 0: only those of that source offset. How many it
 * found. */
size_t sink_report(struct fake_sink *sink, struct fake_topic *topic, enum er_sink_result result, int64_t offset, size_t n);
/* Outstanding records that have no answer yet. */
size_t sink_unanswered(const struct fake_sink *sink, const struct fake_topic *topic);
/* Fails if an unreported copy of the partition's present assignment has an offset below next. */
void sink_check_acknowledged(struct fake_sink *sink, uint32_t index, int64_t next);
/* Gives up all that is outstanding: what is queued is recalled, of the rest nobody knows whether it is written. */
void sink_give_up(struct fake_sink *sink);
/* What was produced since entry `first` becomes visible: each must be written, in order, and not be there already. */
void sink_commit(struct fake_sink *sink, size_t first);
/* How many times the event is in the topic. */
size_t sink_delivered(const struct fake_sink *sink, const struct fake_topic *topic, uint32_t index, int64_t offset);
/* No (event, subscriber) pair may be both delivered and dead-lettered. */
void sink_check_pairs(struct fake_sink *sink, const char *dead_letter_topic);
bool sink_result_of(const char *name, enum er_sink_result *out);
extern const struct er_sink_ops fake_sink_ops;

/* ---- transactions: copies of one that is committed become visible, those of the others never ---- */
enum txn_answer {
    TXN_OK,         /* it happens, DONE */
    TXN_AGAIN,      /* it does not happen yet */
    TXN_AGAIN_DONE, /* it happens, the answer is lost: AGAIN, as long as it is scripted */
    TXN_ABORT,      /* commit: it does not happen and cannot */
    TXN_DOUBTFUL_DONE /* it happens, nobody knows */,
    TXN_DOUBTFUL_LOST /* it does not happen, nobody knows */
};
enum txn_call { TXN_BEGIN, TXN_COMMIT, TXN_ABORT_CALL, TXN_RENEW, TXN_ASK, TXN_CALLS };
struct fake_txn {
    struct failure *failure;
    struct fake_source *source;
    struct fake_sink *sink;
    bool on;
    bool ready;                                  /* there is a producer that is not to be renewed */
    bool open;                                   /* a transaction has begun and has not ended */
    bool happened;                               /* its commit, though the last answer was AGAIN */
    size_t first;                                /* entry of the sink that is the transaction's first */
    struct er_source_offset offsets[PARTITIONS]; /* of the commit that is being repeated */
    size_t n_offsets;
    bool committing;
    struct {
        enum txn_answer answer; /* of the next `left` calls */
        unsigned left;
    } calls[TXN_CALLS];
    unsigned committed, aborted, renewed; /* what really happened; empty transactions included */
    unsigned n_calls;
    bool again; /* the last call was answered so */
};
void txn_init(struct fake_txn *txn, struct failure *failure, struct fake_source *source, struct fake_sink *sink);
void txn_restart(struct fake_txn *txn); /* as after the end of the process; what it left open is there until the next renewal */
/* The next n answers to "begin", "commit", "abort", "renew" or "ask"; false: no such call or answer. */
bool txn_script(struct fake_txn *txn, const char *call, const char *answer, unsigned n);
/* The answer to a question of source.committed: ER_OK or an error. */
enum er_code txn_ask(struct fake_txn *txn);
extern const struct er_txn_ops fake_txn_ops;

/* One of n allocations of the worker fails, by a fixed pseudo-random choice (not under a sanitizer). Counted only while not paused; begins paused. The fakes pause. */
void no_memory_set(unsigned n);
void no_memory_pause(void);
void no_memory_resume(void);

/* Runs the script in file; false: failure->text says "file:line: what". */
bool replay_run(const char *path, struct failure *failure);

#endif

/* Topics are made and looked up by a thread of their own, because librdkafka's calls for it block.
 *
 *   main thread --job--> [ queue ] --> topics thread: metadata, CreateTopics, wait for leaders
 *   main thread <--eventfd, er_kafka_topics_dispatch calls job->done-- [ answers ]
 *
 * All functions are for the main thread, unless they say otherwise.
 */
#ifndef ER_ROUTER_KAFKA_TOPICS_H
#define ER_ROUTER_KAFKA_TOPICS_H

#include "router/config.h"
#include "router/log.h"
#include "router/router.h"

struct er_kafka_topics;

/* One wanted topic. */
struct er_topic {
    const char *name;   /* borrowed until done */
    int32_t partitions; /* if it has to be made */
    bool create;        /* may it be made? */
    bool inspect;       /* do not wait for leaders: without one it is ER_E_DESTINATION_LEADERLESS */
    /* answer */
    enum er_code
        code;     /* ER_OK: exists and every partition has a leader; ER_E_DESTINATION_MISSING, ER_E_KAFKA, ER_E_KAFKA_TIMEOUT */
    bool created; /* by this job */
    uint32_t max_bytes; /* describe: max.message.bytes; 0: not known */
    char text[160];     /* why not */
    /* the thread's */
    bool asked;    /* part of the CreateTopics request under way */
    bool doubtful; /* an earlier one had no answer, so it may have worked */
};

/* Owned by the requester until done has returned. */
struct er_topics_job {
    struct er_topic *items;
    size_t n;
    uint32_t budget_ms;                                 /* after that the unanswered ones get ER_E_KAFKA_TIMEOUT */
    bool describe;                                      /* the items' configuration instead: ER_OK, or ER_E_KAFKA */
    bool urgent;                                        /* somebody waits: goes before the jobs that are not */
    void (*done)(void *arg, struct er_topics_job *job); /* called exactly once, from dispatch or free */
    void *arg;
    bool reached;               /* answer: some broker answered */
    struct er_topics_job *next; /* the queue's link */
    uint64_t deadline_ms;       /* the queue's */
};

/* config, log and ops are borrowed. wakeup_fd: an eventfd of the caller that is written when there are answers. */
enum er_code er_kafka_topics_new(const struct er_config *config, struct er_log *log, const struct er_topic_ops *ops, int wakeup_fd,
                                 struct er_kafka_topics **out, struct er_err *err) ER_MUST_CHECK;
/* The thread ends as soon as it can, in the background; what is submitted from here on is answered by free. */
void er_kafka_topics_stop(struct er_kafka_topics *topics);
/* Jobs that have no answer yet get ER_E_UNAVAILABLE. Waits for the request that is under way, at most some seconds. */
void er_kafka_topics_free(struct er_kafka_topics *topics);

void er_kafka_topics_submit(struct er_kafka_topics *topics, struct er_topics_job *job);
void er_kafka_topics_dispatch(struct er_kafka_topics *topics);

/* What the thread learned last (it looks every few seconds). Any thread. */
struct er_kafka_cluster {
    bool reached;        /* a broker answered the last question */
    uint64_t since_ms;   /* monotonic time of the last change of reached */
    int32_t partitions;  /* of all source topics; 0 = not known */
    bool source_missing; /* at least one source topic does not exist */
    char text[256];      /* why not reached, or which source topic is missing; "" */
};
void er_kafka_topics_cluster(struct er_kafka_topics *topics, struct er_kafka_cluster *out);

#endif

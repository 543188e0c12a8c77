#include "router/kafka_start.h"

#include <string.h>
#include "router/clock.h"

enum {
    STEP_MS = 1000,     /* one question to the brokers */
    RETRY_MS = 200,     /* between two attempts */
    PATIENCE_MS = 5000, /* for the commit of the member that has the topic's first partition */
};

struct attempt {
    rd_kafka_t *rk;
    const rd_kafka_topic_partition_list_t *assigned;
    struct er_log *log;
    unsigned worker;
    bool patient;
    rd_kafka_resp_err_t error; /* why the answer is not known */
};

/* True: every partition was looked up. */
static bool read_committed(struct attempt *attempt, rd_kafka_topic_partition_list_t *list)
{
    attempt->error = rd_kafka_committed(attempt->rk, list, STEP_MS);
    for (int i = 0; i < list->cnt && attempt->error == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        attempt->error = list->elems[i].err;
    return attempt->error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool any_committed(const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].offset >= 0)
            return true;
    }
    return false;
}

/* All partitions of a topic; NULL: not known now. */
static rd_kafka_topic_partition_list_t *whole_topic(struct attempt *attempt, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(attempt->rk, name, NULL);
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_partition_list_t *list = NULL;
    int n = 0;

    if (topic == NULL) {
        attempt->error = rd_kafka_last_error();
        return NULL;
    }
    attempt->error = rd_kafka_metadata(attempt->rk, 0, topic, &metadata, STEP_MS);
    rd_kafka_topic_destroy(topic);
    if (attempt->error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return NULL;
    attempt->error = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (attempt->error == RD_KAFKA_RESP_ERR_NO_ERROR)
        n = metadata->topics[0].partition_cnt;
    if (n > 0)
        list = rd_kafka_topic_partition_list_new(n);
    for (int i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(list, name, metadata->topics[0].partitions[i].id);
    rd_kafka_metadata_destroy(metadata);
    return list;
}

static bool read_ends(struct attempt *attempt, rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = RD_KAFKA_OFFSET_END; /* taken for a time: "the newest" */
    attempt->error = rd_kafka_offsets_for_times(attempt->rk, list, STEP_MS);
    for (int i = 0; i < list->cnt && attempt->error == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        attempt->error = list->elems[i].err;
        if (attempt->error == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].offset < 0)
            attempt->error = RD_KAFKA_RESP_ERR__NO_OFFSET;
    }
    return attempt->error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static bool commit(struct attempt *attempt, const rd_kafka_topic_partition_list_t *list)
{
    /* a queue of its own, so that a late answer to an earlier attempt cannot be taken for this one's */
    rd_kafka_queue_t *queue = rd_kafka_queue_new(attempt->rk);
    rd_kafka_event_t *event = NULL;

    attempt->error = rd_kafka_commit_queue(attempt->rk, list, queue, NULL, NULL);
    if (attempt->error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        event = rd_kafka_queue_poll(queue, STEP_MS);
        attempt->error = event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
    }
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    return attempt->error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* A topic with an assigned partition that the group has not committed. */
static bool settle_topic(struct attempt *attempt, const char *name)
{
    rd_kafka_topic_partition_list_t *list = whole_topic(attempt, name);
    bool settled = false;
    bool first;

    if (list == NULL)
        return false;
    if (read_committed(attempt, list)) {
        first = rd_kafka_topic_partition_list_find(attempt->assigned, name, list->elems[0].partition) != NULL;
        settled = any_committed(list);
        if (!settled && (first || !attempt->patient) && read_ends(attempt, list) && commit(attempt, list)) {
            settled = true;
            er_log_write(attempt->log, ER_LOG_INFO, ER_LM("new group begins at the end of the topic"),
                         ER_LFI("worker", attempt->worker), ER_LF("topic", name), ER_LFI("partitions", list->cnt));
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
    return settled;
}

static bool settle_topics(struct attempt *attempt, rd_kafka_topic_partition_list_t *list)
{
    const char *done = NULL;

    if (!read_committed(attempt, list))
        return false;
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *item = &list->elems[i];

        if (item->offset >= 0 || (done != NULL && strcmp(done, item->topic) == 0))
            continue;
        if (!settle_topic(attempt, item->topic))
            return false;
        done = item->topic;
    }
    return true;
}

/* The group does not count this member's assignment any more: librdkafka joins again only when the assignment was answered. */
static bool is_over(const struct attempt *attempt)
{
    return rd_kafka_assignment_lost(attempt->rk) || attempt->error == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           attempt->error == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || attempt->error == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
           attempt->error == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
}

static void begin_at_end(rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = RD_KAFKA_OFFSET_END;
}

bool er_kafka_start_settle(struct er_kafka_start *start, rd_kafka_t *rk, rd_kafka_topic_partition_list_t *assigned,
                           struct er_log *log, unsigned worker)
{
    rd_kafka_topic_partition_list_t *list;
    struct attempt attempt = { .rk = rk, .log = log, .worker = worker };
    uint64_t now = er_clock_ms();
    bool settled;

    if (now < start->next_ms)
        return false;
    if (start->since_ms == 0)
        start->since_ms = now;
    list = rd_kafka_topic_partition_list_copy(assigned);
    rd_kafka_topic_partition_list_sort(list, NULL, NULL);
    attempt.assigned = assigned;
    attempt.patient = now - start->since_ms < PATIENCE_MS;
    settled = settle_topics(&attempt, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (!settled && is_over(&attempt)) {
        begin_at_end(assigned);
        settled = true;
    }
    if (!settled && attempt.error != RD_KAFKA_RESP_ERR_NO_ERROR && !start->warned) {
        er_log_write(log, ER_LOG_WARN, ER_LM("not known yet where the group begins, retrying"), ER_LFI("worker", worker),
                     ER_LF("error", rd_kafka_err2str(attempt.error)));
        start->warned = true;
    }
    start->next_ms = er_clock_ms() + RETRY_MS;
    return settled;
}

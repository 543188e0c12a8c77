#include "router/kafka_source.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "router/clock.h"
#include "router/kafka_conf.h"
#include "router/kafka_record.h"
#include "router/kafka_start.h"

enum {
    COMMITTED_MS = 2000, /* to ask for committed offsets, which only lag needs */
    STORE_MS = 100,      /* between calls that tell librdkafka what to commit in the background */
    AHEAD = 8,           /* messages: their headers stand behind the value, where another thread has written them */
    CLOSE_SLICE_MS = 50,
    CLOSE_MIN_MS = 1000, /* to leave the group, even if nothing is left of the time to stop */
    EMPTY_MS = 5000,     /* without a partition: until it joins again, twice as long each time */
    EMPTY_MAX_MS = 600000,
};

/* One assigned partition; its place in the array is the index that the worker sees. */
struct slot {
    char *topic; /* owned; NULL = free */
    int32_t partition;
    bool leaving;                /* revoked or lost: deliver nothing more */
    const rd_kafka_topic_t *rkt; /* of its messages; learnt from the first one */
    rd_kafka_queue_t *queue;     /* keeps rkt alive */
    int64_t position;            /* mutex */
    bool unstored;               /* librdkafka does not know the position yet */
};

struct er_kafka_source {
    const struct er_config *config;
    struct er_log *log;
    struct er_kafka_handle handle;
    rd_kafka_t *rk;
    rd_kafka_queue_t *data;
    rd_kafka_queue_t *closed; /* for what happens while closing; NULL before */
    bool cooperative;
    bool closing;
    uint64_t empty_ms;  /* how long the next empty assignment is let be */
    uint64_t rejoin_ms; /* when the present one was long enough; 0: it is not empty */

    /* the rebalance under way */
    enum er_rebalance pending;
    rd_kafka_topic_partition_list_t *list; /* as librdkafka gave it; NULL = none */
    bool told;                             /* the worker knows */
    bool starting;                         /* the worker is done with it, but where to begin is not known yet */
    struct er_kafka_start start;
    struct er_source_partition *partitions; /* what the worker was told */
    size_t n_partitions;

    struct slot *slots; /* mutex for changes and for readers on other threads */
    size_t n_slots;
    size_t last_slot;          /* of the last message */
    uint64_t stored_ms;        /* the last store_all */
    rd_kafka_message_t *stray; /* a record that came through the consumer queue: its partition could not be forwarded */
    rd_kafka_message_t **messages;
    size_t messages_capacity;
    struct er_kafka_headers headers; /* of the records of the last poll */
    struct er_kafka_headers again;   /* of the last call of record */

    pthread_mutex_t mutex;
    struct er_kafka_source_state state; /* mutex */
};

static int to_ms(int64_t ns)
{
    int64_t ms = (ns + 999999) / 1000000;

    return ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

static void set_joined(struct er_kafka_source *source, bool joined)
{
    pthread_mutex_lock(&source->mutex);
    source->state.joined = joined;
    pthread_mutex_unlock(&source->mutex);
}

static void set_failed(struct er_kafka_source *source, const char *text)
{
    pthread_mutex_lock(&source->mutex);
    if (!source->state.failed)
        er_log_write(source->log, ER_LOG_ERROR, ER_LM("consumer failed"), ER_LFI("worker", source->handle.worker),
                     ER_LF("error", text));
    source->state.failed = true;
    source->state.joined = false;
    snprintf(source->state.text, sizeof source->state.text, "consumer failed: %.200s", text);
    pthread_mutex_unlock(&source->mutex);
}

static void take_error(struct er_kafka_source *source, rd_kafka_resp_err_t error, const char *text)
{
    char why[512];

    if (error == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_fatal_error(source->rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)rd_kafka_fatal_error(source->rk, why, sizeof why);
        set_failed(source, why);
        return;
    }
    er_log_write(source->log, ER_LOG_WARN, ER_LM("consumer error, retrying"), ER_LFI("worker", source->handle.worker),
                 ER_LF("code", rd_kafka_err2name(error)), ER_LF("error", text == NULL ? rd_kafka_err2str(error) : text));
    if (error == RD_KAFKA_RESP_ERR__MAX_POLL_EXCEEDED)
        set_joined(source, false);
}

/* Answers librdkafka's question. */
static void apply(struct er_kafka_source *source, enum er_rebalance kind, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_error_t *error = NULL;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (source->cooperative && kind == ER_REBALANCE_ASSIGNED)
        error = rd_kafka_incremental_assign(source->rk, list);
    else if (source->cooperative)
        error = rd_kafka_incremental_unassign(source->rk, list);
    else
        code = rd_kafka_assign(source->rk, kind == ER_REBALANCE_ASSIGNED ? list : NULL);
    if (error != NULL) {
        take_error(source, rd_kafka_error_code(error), rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_error(source, code, NULL);
    }
}

/* Nothing was assigned: there are more members than partitions, or the leader asked a broker that did not know the topic yet. librdkafka would not
 * notice, because its own metadata are right. A leader that joins again assigns again, and for others it is nothing. */
static void watch_empty(struct er_kafka_source *source, bool assigned, int n)
{
    for (size_t i = 0; i < source->n_slots; i++)
        n += source->slots[i].topic != NULL && !source->slots[i].leaving;
    source->rejoin_ms = assigned && n == 0 ? er_clock_ms() + source->empty_ms : 0;
    if (assigned && n > 0)
        source->empty_ms = EMPTY_MS;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct er_kafka_source *source = ((struct er_kafka_handle *)opaque)->owner;
    const char *protocol = rd_kafka_rebalance_protocol(rk);
    enum er_rebalance kind = ER_REBALANCE_ASSIGNED;

    source->cooperative = protocol != NULL && strcmp(protocol, "COOPERATIVE") == 0;
    if (error != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
        kind = rd_kafka_assignment_lost(rk) ? ER_REBALANCE_LOST : ER_REBALANCE_REVOKED;
    if (error != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && error != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
        take_error(source, error, NULL);
    set_joined(source, kind != ER_REBALANCE_LOST);
    er_log_write(source->log, ER_LOG_INFO, ER_LM("rebalance"), ER_LFI("worker", source->handle.worker),
                 ER_LF("event", kind == ER_REBALANCE_ASSIGNED ? "assigned"
                                : kind == ER_REBALANCE_LOST   ? "lost"
                                                              : "revoked"),
                 ER_LFI("partitions", list->cnt));
    watch_empty(source, kind == ER_REBALANCE_ASSIGNED, list->cnt);
    if (source->closing || list->cnt == 0) {
        apply(source, kind, list);
        return;
    }
    if (source->list != NULL)
        rd_kafka_topic_partition_list_destroy(source->list);
    source->list = rd_kafka_topic_partition_list_copy(list);
    source->pending = kind;
    source->told = false;
    source->starting = false;
    source->start = (struct er_kafka_start){ 0 };
}

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct er_kafka_source *source = ((struct er_kafka_handle *)opaque)->owner;

    (void)rk;
    (void)list;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && error != RD_KAFKA_RESP_ERR__NO_OFFSET)
        er_log_write(source->log, ER_LOG_WARN, ER_LM("offset commit failed, repeated later"),
                     ER_LFI("worker", source->handle.worker), ER_LF("error", rd_kafka_err2str(error)));
}

static struct slot *slot_find(struct er_kafka_source *source, const char *topic, int32_t partition)
{
    for (size_t i = 0; i < source->n_slots; i++) {
        struct slot *slot = &source->slots[i];

        if (slot->topic != NULL && slot->partition == partition && strcmp(slot->topic, topic) == 0)
            return slot;
    }
    return NULL;
}

static struct slot *slot_free_one(struct er_kafka_source *source)
{
    struct slot *slots;

    for (size_t i = 0; i < source->n_slots; i++) {
        if (source->slots[i].topic == NULL)
            return &source->slots[i];
    }
    slots = realloc(source->slots, (source->n_slots * 2 + 8) * sizeof *slots);
    if (slots == NULL)
        return NULL;
    memset(slots + source->n_slots, 0, (source->n_slots + 8) * sizeof *slots);
    source->slots = slots;
    source->n_slots = source->n_slots * 2 + 8;
    return slot_free_one(source);
}

static struct slot *slot_take(struct er_kafka_source *source, const char *topic, int32_t partition)
{
    struct slot *slot = slot_find(source, topic, partition);
    char *name;

    if (slot != NULL)
        return slot;
    name = strdup(topic);
    pthread_mutex_lock(&source->mutex);
    slot = name == NULL ? NULL : slot_free_one(source);
    if (slot != NULL)
        *slot = (struct slot){ .topic = name, .partition = partition, .position = -1 };
    else
        free(name);
    pthread_mutex_unlock(&source->mutex);
    return slot;
}

/* What was read before the partition left must not be taken for part of its next assignment, which begins further back. */
static void drop_stray(struct er_kafka_source *source, const struct slot *slot)
{
    rd_kafka_message_t *stray = source->stray;

    if (stray == NULL || stray->partition != slot->partition || strcmp(rd_kafka_topic_name(stray->rkt), slot->topic) != 0)
        return;
    rd_kafka_message_destroy(stray);
    source->stray = NULL;
}

static void slot_drop(struct er_kafka_source *source, struct slot *slot)
{
    rd_kafka_queue_t *queue = slot->queue;

    drop_stray(source, slot);
    pthread_mutex_lock(&source->mutex);
    free(slot->topic);
    *slot = (struct slot){ .topic = NULL };
    pthread_mutex_unlock(&source->mutex);
    if (queue != NULL) {
        rd_kafka_queue_forward(queue, NULL);
        rd_kafka_queue_destroy(queue);
    }
}

/* Turns librdkafka's list into slots and the worker's event. False without memory: again at the next poll. */
static bool prepare_event(struct er_kafka_source *source)
{
    size_t n = (size_t)source->list->cnt;
    struct er_source_partition *partitions = realloc(source->partitions, (n + 1) * sizeof *partitions);
    size_t filled = 0;

    if (partitions == NULL)
        return false;
    source->partitions = partitions;
    for (size_t i = 0; i < n; i++) {
        const rd_kafka_topic_partition_t *item = &source->list->elems[i];
        struct slot *slot = source->pending == ER_REBALANCE_ASSIGNED ? slot_take(source, item->topic, item->partition)
                                                                     : slot_find(source, item->topic, item->partition);

        if (slot == NULL && source->pending == ER_REBALANCE_ASSIGNED)
            return false;
        if (slot == NULL)
            continue;
        slot->leaving = source->pending != ER_REBALANCE_ASSIGNED;
        partitions[filled++] =
            (struct er_source_partition){ er_str_of(slot->topic), slot->partition, (uint32_t)(slot - source->slots) };
    }
    source->n_partitions = filled;
    return true;
}

static void tell(struct er_kafka_source *source, struct er_source_event *event)
{
    bool now_lost = source->pending == ER_REBALANCE_REVOKED && rd_kafka_assignment_lost(source->rk);

    if (now_lost) {
        source->pending = ER_REBALANCE_LOST;
        set_joined(source, false);
    }
    if (source->told && !now_lost)
        return;
    if (!source->told && !prepare_event(source))
        return;
    source->told = true;
    event->kind = source->pending;
    event->partitions = source->partitions;
    event->n = source->n_partitions;
}

/* For lag only: where the group stands, before the first record comes. */
static void learn_positions(struct er_kafka_source *source)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_copy(source->list);

    if (rd_kafka_committed(source->rk, list, COMMITTED_MS) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = 0; i < list->cnt; i++) {
            struct slot *slot = slot_find(source, list->elems[i].topic, list->elems[i].partition);

            pthread_mutex_lock(&source->mutex);
            if (slot != NULL && list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].offset >= 0)
                slot->position = list->elems[i].offset;
            pthread_mutex_unlock(&source->mutex);
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
}

/* Before the assignment starts fetching: nothing may get into the consumer's own queue. */
static void forward_queues(struct er_kafka_source *source)
{
    for (int i = 0; i < source->list->cnt; i++) {
        struct slot *slot = slot_find(source, source->list->elems[i].topic, source->list->elems[i].partition);

        if (slot == NULL)
            continue;
        if (slot->queue == NULL)
            slot->queue = rd_kafka_queue_get_partition(source->rk, slot->topic, slot->partition);
        if (slot->queue != NULL)
            rd_kafka_queue_forward(slot->queue, source->data);
    }
}

/* A source that closes reads nothing any more, and commits nothing of what it did not read. */
static bool must_find_start(struct er_kafka_source *source)
{
    return source->config->start_latest && source->pending == ER_REBALANCE_ASSIGNED && !source->closing &&
           !er_kafka_start_settle(&source->start, source->rk, source->list, source->log, source->handle.worker);
}

static void rebalance_done(void *ctx)
{
    struct er_kafka_source *source = ctx;

    if (source->list == NULL)
        return;
    source->starting = must_find_start(source);
    if (source->starting)
        return; /* poll tries again */
    if (source->pending == ER_REBALANCE_ASSIGNED) {
        learn_positions(source);
        forward_queues(source);
    }
    apply(source, source->pending, source->list);
    for (int i = 0; source->pending != ER_REBALANCE_ASSIGNED && i < source->list->cnt; i++) {
        struct slot *slot = slot_find(source, source->list->elems[i].topic, source->list->elems[i].partition);

        if (slot != NULL)
            slot_drop(source, slot);
    }
    rd_kafka_topic_partition_list_destroy(source->list);
    source->list = NULL;
    source->pending = ER_REBALANCE_NONE;
}

/* The slot of a message, or NULL when its partition is not (or no longer) ours. Messages come in runs of one partition. */
static struct slot *slot_of(struct er_kafka_source *source, const rd_kafka_message_t *message)
{
    struct slot *slot = source->last_slot < source->n_slots ? &source->slots[source->last_slot] : NULL;

    if (slot == NULL || slot->topic == NULL || slot->rkt != message->rkt || slot->partition != message->partition) {
        slot = slot_find(source, rd_kafka_topic_name(message->rkt), message->partition);
        if (slot == NULL)
            return NULL;
        slot->rkt = message->rkt;
        source->last_slot = (size_t)(slot - source->slots);
    }
    return slot->leaving ? NULL : slot;
}

/* Reads up to max messages into source->messages; waits for the first one only. */
static size_t fetch(struct er_kafka_source *source, size_t max, int wait_ms)
{
    rd_kafka_message_t **messages = source->messages;
    ssize_t n;

    if (max > source->messages_capacity) {
        messages = realloc(messages, max * sizeof(rd_kafka_message_t *));
        if (messages == NULL)
            return 0;
        source->messages = messages;
        source->messages_capacity = max;
    }
    if (source->stray != NULL) {
        messages[0] = source->stray;
        source->stray = NULL;
        return 1;
    }
    n = rd_kafka_consume_batch_queue(source->data, 0, messages, max);
    if (n > 0 || wait_ms == 0)
        return n > 0 ? (size_t)n : 0;
    messages[0] = rd_kafka_consume_queue(source->data, wait_ms);
    if (messages[0] == NULL)
        return 0;
    n = max > 1 ? rd_kafka_consume_batch_queue(source->data, 0, messages + 1, max - 1) : 0;
    return 1 + (n > 0 ? (size_t)n : 0);
}

static size_t take_records(struct er_kafka_source *source, struct er_source_record *records, size_t max, int wait_ms)
{
    size_t n = fetch(source, max, wait_ms);
    size_t kept = 0;
    size_t used = 0;

    source->headers.n = 0;
    for (size_t i = 0; i < n; i++) {
        rd_kafka_message_t *message = source->messages[i];
        struct er_source_record *record = &records[kept];
        struct slot *slot = NULL;
        size_t first = source->headers.n;

        if (i + AHEAD < n && source->messages[i + AHEAD]->payload != NULL)
            __builtin_prefetch((const char *)source->messages[i + AHEAD]->payload + source->messages[i + AHEAD]->len);
        if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            take_error(source, message->err, rd_kafka_message_errstr(message));
        else
            slot = slot_of(source, message);
        if (slot == NULL) {
            rd_kafka_message_destroy(message);
            continue;
        }
        while (!er_kafka_headers_read(&source->headers, message)) {
            struct timespec pause = { .tv_nsec = 10000000 };

            nanosleep(&pause, NULL); /* no memory: the record cannot be put back, so wait */
        }
        er_kafka_record_fill(&record->record, message, slot->topic);
        record->index = (uint32_t)(slot - source->slots);
        record->record.n_headers = source->headers.n - first;
        kept++;
    }
    /* the array may have moved while it grew */
    for (size_t i = 0; i < kept; i++) {
        records[i].record.headers = source->headers.items + used;
        used += records[i].record.n_headers;
    }
    return kept;
}

/* Group events, callbacks, errors. Records go to the data queue, unless their partition's queue could not be had. */
static void serve_group(struct er_kafka_source *source, int wait_ms)
{
    rd_kafka_message_t *message = source->stray != NULL ? NULL : rd_kafka_consumer_poll(source->rk, wait_ms);

    if (message == NULL)
        return;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        source->stray = message;
        return;
    }
    take_error(source, message->err, rd_kafka_message_errstr(message));
    rd_kafka_message_destroy(message);
}

/* Notes the positions; librdkafka hears of them in the next store_all. */
static void store(void *ctx, const struct er_source_offset *offsets, size_t n)
{
    struct er_kafka_source *source = ctx;

    pthread_mutex_lock(&source->mutex);
    for (size_t i = 0; i < n; i++) {
        struct slot *slot = offsets[i].index < source->n_slots ? &source->slots[offsets[i].index] : NULL;

        if (slot == NULL || slot->topic == NULL)
            continue;
        slot->position = offsets[i].next;
        slot->unstored = true;
    }
    pthread_mutex_unlock(&source->mutex);
}

/* Only this thread changes the slots, so reading them needs no lock. */
static void store_all(struct er_kafka_source *source)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)source->n_slots);

    for (size_t i = 0; i < source->n_slots; i++) {
        struct slot *slot = &source->slots[i];

        if (slot->topic == NULL || !slot->unstored)
            continue;
        slot->unstored = false;
        rd_kafka_topic_partition_list_add(list, slot->topic, slot->partition)->offset = slot->position;
    }
    if (list->cnt > 0)
        (void)rd_kafka_offsets_store(source->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    source->stored_ms = er_clock_ms();
}

static void join_again(struct er_kafka_source *source)
{
    struct er_err err;

    er_log_write(source->log, ER_LOG_INFO, ER_LM("no partitions, joining again"), ER_LFI("worker", source->handle.worker));
    source->empty_ms = source->empty_ms * 2 < EMPTY_MAX_MS ? source->empty_ms * 2 : EMPTY_MAX_MS;
    source->rejoin_ms = er_kafka_source_subscribe(source, &err) == ER_OK ? 0 : er_clock_ms() + source->empty_ms;
}

static size_t poll_records(void *ctx, struct er_source_record *records, size_t max, int64_t wait_ns, struct er_source_event *event)
{
    struct er_kafka_source *source = ctx;
    size_t n = 0;

    *event = (struct er_source_event){ ER_REBALANCE_NONE, NULL, 0 };
    if (source->config->delivery == ER_DELIVERY_AT_LEAST_ONCE && er_clock_ms() - source->stored_ms >= STORE_MS)
        store_all(source);
    if (source->rejoin_ms != 0 && er_clock_ms() >= source->rejoin_ms)
        join_again(source);
    serve_group(source, max == 0 ? to_ms(wait_ns) : 0);
    if (source->starting)
        rebalance_done(source);
    else if (source->list != NULL)
        tell(source, event);
    if (max > 0 && event->kind == ER_REBALANCE_NONE)
        n = take_records(source, records, max, to_ms(wait_ns));
    return n;
}

rd_kafka_topic_partition_list_t *er_kafka_source_offsets(struct er_kafka_source *source, const struct er_source_offset *offsets,
                                                         size_t n)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)n);

    for (size_t i = 0; i < n; i++) {
        struct slot *slot = offsets[i].index < source->n_slots ? &source->slots[offsets[i].index] : NULL;

        if (slot != NULL && slot->topic != NULL)
            rd_kafka_topic_partition_list_add(list, slot->topic, slot->partition)->offset = offsets[i].next;
    }
    return list;
}

static enum er_code commit_result(rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t error = rd_kafka_event_error(event);

    return error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR__NO_OFFSET ? ER_OK : ER_E_KAFKA;
}

static enum er_code commit(void *ctx, const struct er_source_offset *offsets, size_t n, int64_t wait_ns)
{
    struct er_kafka_source *source = ctx;
    rd_kafka_topic_partition_list_t *list = er_kafka_source_offsets(source, offsets, n);
    /* a queue of its own, so that a late answer to an earlier call cannot be taken for this one's */
    rd_kafka_queue_t *queue = rd_kafka_queue_new(source->rk);
    enum er_code code = ER_OK;
    rd_kafka_event_t *event;

    store(source, offsets, n);
    store_all(source);
    if (list->cnt > 0) {
        if (rd_kafka_commit_queue(source->rk, list, queue, NULL, NULL) != RD_KAFKA_RESP_ERR_NO_ERROR) {
            code = ER_E_KAFKA;
        } else {
            event = rd_kafka_queue_poll(queue, to_ms(wait_ns));
            code = event == NULL ? ER_E_KAFKA_TIMEOUT : commit_result(event);
            if (event != NULL && code != ER_OK)
                er_log_write(source->log, ER_LOG_WARN, ER_LM("offset commit failed"), ER_LFI("worker", source->handle.worker),
                             ER_LF("error", rd_kafka_event_error_string(event)));
            if (event != NULL)
                rd_kafka_event_destroy(event);
        }
    }
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
    return code;
}

rd_kafka_consumer_group_metadata_t *er_kafka_source_group(struct er_kafka_source *source)
{
    return rd_kafka_consumer_group_metadata(source->rk);
}

static enum er_code committed(void *ctx, struct er_source_offset *offsets, size_t n, int64_t wait_ns)
{
    struct er_kafka_source *source = ctx;
    rd_kafka_topic_partition_list_t *list = er_kafka_source_offsets(source, offsets, n);
    rd_kafka_resp_err_t error = rd_kafka_committed(source->rk, list, to_ms(wait_ns));

    for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        error = list->elems[i].err;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        er_log_write(source->log, ER_LOG_INFO, ER_LM("committed offsets are not known yet, retrying"),
                     ER_LFI("worker", source->handle.worker), ER_LF("error", rd_kafka_err2str(error)));
    /* every partition has a slot, so the list is as long as the question */
    for (size_t i = 0; i < n && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++)
        offsets[i].next = list->elems[i].offset < 0 ? -1 : list->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? ER_OK : ER_E_KAFKA;
}

static void record_again(void *ctx, void *owner, struct er_record *out)
{
    struct er_kafka_source *source = ctx;

    er_kafka_record_fill(out, owner, NULL);
    source->again.n = 0;
    while (!er_kafka_headers_read(&source->again, owner)) {
        struct timespec pause = { .tv_nsec = 10000000 };

        nanosleep(&pause, NULL);
    }
    out->headers = source->again.items;
    out->n_headers = source->again.n;
}

/* Its queue is not forwarded meanwhile: it fills up to librdkafka's bounds, then fetching stops. No pause, see the header. */
static void hold(void *ctx, uint32_t index, bool held)
{
    struct er_kafka_source *source = ctx;
    struct slot *slot = index < source->n_slots ? &source->slots[index] : NULL;

    if (slot != NULL && slot->queue != NULL)
        rd_kafka_queue_forward(slot->queue, held ? NULL : source->data);
}

static void release(void *ctx, void *owner)
{
    (void)ctx;
    rd_kafka_message_destroy(owner);
}

/* librdkafka wraps a message in an operation, which begins about two cache lines before it. */
static void expect_release(void *ctx, const void *owner)
{
    const char *message = owner;

    (void)ctx;
    for (int line = -2; owner != NULL && line < 3; line++)
        __builtin_prefetch(message + 64 * line, 1);
}

static const struct er_source_ops kafka_source_ops = {
    .poll = poll_records,
    .rebalance_done = rebalance_done,
    .store = store,
    .commit = commit,
    .committed = committed,
    .record = record_again,
    .hold = hold,
    .release = release,
    .expect_release = expect_release,
};

struct er_source er_kafka_source_seam(struct er_kafka_source *source)
{
    return (struct er_source){ &kafka_source_ops, source };
}

enum er_code er_kafka_source_new(const struct er_config *config, struct er_log *log, unsigned worker, struct er_kafka_source **out,
                                 struct er_err *err)
{
    struct er_kafka_source *source = calloc(1, sizeof *source);
    rd_kafka_conf_t *conf = NULL;
    enum er_code code;
    char text[512];

    if (source == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    source->config = config;
    source->empty_ms = EMPTY_MS;
    source->log = log;
    source->handle.log = log;
    source->handle.name = "consumer";
    source->handle.worker = worker;
    source->handle.owner = source;
    pthread_mutex_init(&source->mutex, NULL);
    code = er_kafka_conf_new(config, ER_KAFKA_CONSUMER, worker, &source->handle, &conf, err);
    if (code != ER_OK)
        goto fail;
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
    source->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (source->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        code = er_err_set(err, ER_E_KAFKA, "consumer cannot be made: %s", text);
        goto fail;
    }
    rd_kafka_poll_set_consumer(source->rk);
    source->data = rd_kafka_queue_new(source->rk);
    *out = source;
    return ER_OK;
fail:
    pthread_mutex_destroy(&source->mutex);
    free(source);
    return code;
}

enum er_code er_kafka_source_subscribe(struct er_kafka_source *source, struct er_err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)source->config->n_topics);
    rd_kafka_resp_err_t error;

    for (size_t i = 0; i < source->config->n_topics; i++)
        rd_kafka_topic_partition_list_add(list, source->config->topics[i], RD_KAFKA_PARTITION_UA);
    error = rd_kafka_subscribe(source->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        return er_err_set(err, ER_E_KAFKA, "cannot subscribe to the source topics: %s", rd_kafka_err2str(error));
    return ER_OK;
}

void er_kafka_source_close(struct er_kafka_source *source, uint64_t deadline_ms)
{
    uint64_t least = er_clock_ms() + CLOSE_MIN_MS;
    rd_kafka_error_t *error;

    source->closing = true;
    if (source->state.failed)
        deadline_ms = 0; /* it has no group to leave any more, and may not come to an end (2.0.2) */
    if (source->list != NULL)
        rebalance_done(source);
    source->closed = rd_kafka_queue_new(source->rk);
    error = rd_kafka_consumer_close_queue(source->rk, source->closed);
    if (error != NULL) {
        take_error(source, rd_kafka_error_code(error), rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    }
    /* rd_kafka_consumer_close has no bound; its last rebalance is answered from within rd_kafka_consume_queue */
    while (!rd_kafka_consumer_closed(source->rk) && (er_clock_ms() < deadline_ms || er_clock_ms() < least)) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(source->closed, CLOSE_SLICE_MS);

        if (message != NULL)
            rd_kafka_message_destroy(message);
    }
    if (!rd_kafka_consumer_closed(source->rk))
        er_log_write(source->log, ER_LOG_WARN, ER_LM("group not left in time"), ER_LFI("worker", source->handle.worker));
    set_joined(source, false);
}

void er_kafka_source_free(struct er_kafka_source *source)
{
    if (source == NULL)
        return;
    if (source->closed == NULL)
        er_kafka_source_close(source, 0);
    /* destroying a consumer that could not be closed waits for ever: then better keep it, the process ends anyway */
    if (!rd_kafka_consumer_closed(source->rk)) {
        source->handle.log = NULL;
        return;
    }
    if (source->stray != NULL)
        rd_kafka_message_destroy(source->stray);
    if (source->list != NULL)
        rd_kafka_topic_partition_list_destroy(source->list);
    for (size_t i = 0; i < source->n_slots; i++) {
        if (source->slots[i].topic != NULL)
            slot_drop(source, &source->slots[i]);
    }
    rd_kafka_queue_destroy(source->data);
    rd_kafka_queue_destroy(source->closed);
    rd_kafka_destroy_flags(source->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    free(source->slots);
    free(source->partitions);
    free(source->messages);
    free(source->headers.items);
    free(source->again.items);
    pthread_mutex_destroy(&source->mutex);
    free(source);
}

void er_kafka_source_state(struct er_kafka_source *source, struct er_kafka_source_state *out)
{
    pthread_mutex_lock(&source->mutex);
    *out = source->state;
    pthread_mutex_unlock(&source->mutex);
}

void er_kafka_source_positions(struct er_kafka_source *source, er_kafka_position_cb *cb, void *ctx)
{
    pthread_mutex_lock(&source->mutex);
    for (size_t i = 0; i < source->n_slots; i++) {
        const struct slot *slot = &source->slots[i];
        struct er_kafka_position position = { slot->topic, slot->partition, slot->position, -1 };
        int64_t low = -1;

        if (slot->topic == NULL)
            continue;
        if (rd_kafka_get_watermark_offsets(source->rk, slot->topic, slot->partition, &low, &position.high) !=
                RD_KAFKA_RESP_ERR_NO_ERROR ||
            position.high < 0)
            position.high = -1;
        else if (position.position < 0)
            position.position = low;
        cb(ctx, &position);
    }
    pthread_mutex_unlock(&source->mutex);
}

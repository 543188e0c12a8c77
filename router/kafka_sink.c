#include "router/kafka_sink.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "router/clock.h"
#include "router/kafka_conf.h"
#include "router/partition.h"

enum {
    RENEW_MS = 100,        /* for the reports of what is given up */
    LOOK_MS = 50,          /* longest wait for metadata before a topic that said no is tried again */
    DEAD_TOPICS_MIN = 100, /* closed topics, and a tenth of the open ones, before the producer is replaced */
};

struct er_sink_topic {
    struct er_sink_topic *previous, *next;
    rd_kafka_topic_t *rkt; /* of the present producer; NULL: could not be made yet */
    bool doubtful;         /* librdkafka takes it for missing or forbidden, and would do so for minutes */
    char name[];
};

struct er_kafka_sink {
    const struct er_config *config;
    struct er_log *log;
    struct er_kafka_handle handle;
    rd_kafka_t *rk;               /* NULL: could not be made yet */
    struct er_sink_report *ready; /* reports that librdkafka gave and the worker has not taken; room for all outstanding ones */
    size_t ready_at, ready_n;     /* taken, given */
    size_t ready_capacity;
    struct er_sink_topic *topics;
    size_t n_topics;
    size_t dead_topics;
    size_t outstanding;        /* accepted and not reported */
    bool transactional;        /* exactly-once */
    bool uncertain;            /* a failed record may have been written, or may be yet */
    bool fatal;                /* a report said so */
    bool replace;              /* as soon as nothing is outstanding */
    er_kafka_report_cb *watch; /* NULL: nobody */
    void *watch_arg;
    atomic_ullong replaced;
};

static const struct mapping {
    rd_kafka_resp_err_t error;
    enum er_sink_result result;
} mappings[] = {
    { RD_KAFKA_RESP_ERR_NO_ERROR, ER_SINK_OK },
    { RD_KAFKA_RESP_ERR__QUEUE_FULL, ER_SINK_FULL },
    { RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ER_SINK_TOO_LARGE },
    { RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE, ER_SINK_TOO_LARGE },
    { RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP, ER_SINK_TIMESTAMP },
    { RD_KAFKA_RESP_ERR_INVALID_RECORD, ER_SINK_INVALID },
    { RD_KAFKA_RESP_ERR_INVALID_MSG, ER_SINK_INVALID },
    { RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE, ER_SINK_INVALID },
    { RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, ER_SINK_MISSING },
    { RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, ER_SINK_MISSING },
    { RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, ER_SINK_MISSING },
    { RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, ER_SINK_REFUSED },
    { RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ER_SINK_REFUSED },
    { RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, ER_SINK_REFUSED },
    { RD_KAFKA_RESP_ERR_POLICY_VIOLATION, ER_SINK_REFUSED },
    { RD_KAFKA_RESP_ERR__PURGE_QUEUE, ER_SINK_RECALLED },
};

static enum er_sink_result result_of(rd_kafka_resp_err_t error)
{
    for (size_t i = 0; i < sizeof mappings / sizeof *mappings; i++) {
        if (mappings[i].error == error)
            return mappings[i].result;
    }
    return ER_SINK_RETRY;
}

static int32_t choose(const rd_kafka_topic_t *rkt, const void *key, size_t key_length, int32_t count, void *opaque,
                      void *msg_opaque)
{
    const struct er_sink_ticket *ticket = msg_opaque;
    (void)rkt;
    (void)opaque;

    return er_partition_choose((struct er_str){ key, key == NULL ? 0 : key_length }, ticket->keyed, ticket->source_partition,
                               count);
}

static void attach(struct er_kafka_sink *sink, struct er_sink_topic *topic)
{
    rd_kafka_topic_conf_t *conf;

    if (sink->rk == NULL || topic->rkt != NULL)
        return;
    conf = rd_kafka_default_topic_conf_dup(sink->rk);
    if (conf == NULL)
        return;
    rd_kafka_topic_conf_set_partitioner_cb(conf, choose);
    topic->rkt = rd_kafka_topic_new(sink->rk, topic->name, conf);
    if (topic->rkt == NULL)
        rd_kafka_topic_conf_destroy(conf);
}

static void detach(struct er_sink_topic *topic)
{
    if (topic->rkt != NULL)
        rd_kafka_topic_destroy(topic->rkt);
    topic->rkt = NULL;
}

static void close_producer(struct er_kafka_sink *sink)
{
    for (struct er_sink_topic *topic = sink->topics; topic != NULL; topic = topic->next)
        detach(topic);
    if (sink->rk != NULL)
        rd_kafka_destroy(sink->rk);
    sink->rk = NULL;
}

static void note_doubtful(struct er_kafka_sink *sink, const char *name)
{
    for (struct er_sink_topic *topic = sink->topics; topic != NULL; topic = topic->next)
        topic->doubtful |= strcmp(topic->name, name) == 0;
}

/* Called by rd_kafka_poll and rd_kafka_flush, on the worker's thread. */
static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *opaque)
{
    struct er_kafka_sink *sink = ((struct er_kafka_handle *)opaque)->owner;
    struct er_sink_report *report = &sink->ready[sink->ready_n++];

    (void)rk;
    sink->outstanding--;
    if (sink->watch != NULL)
        sink->watch(sink->watch_arg, message);
    report->ticket = message->_private;
    report->result = result_of(message->err);
    report->text = message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : rd_kafka_err2str(message->err);
    sink->fatal |= message->err == RD_KAFKA_RESP_ERR__FATAL;
    sink->uncertain |=
        message->err != RD_KAFKA_RESP_ERR_NO_ERROR && rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED;
    if (report->result == ER_SINK_MISSING || report->result == ER_SINK_REFUSED)
        note_doubtful(sink, rd_kafka_topic_name(message->rkt));
    /* it was sent once already: perhaps it was written */
    if (report->result == ER_SINK_RECALLED && rd_kafka_message_status(message) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED)
        report->result = ER_SINK_RETRY;
}

/* Room for the report of one record more: on_report cannot fail. */
static bool reserve_report(struct er_kafka_sink *sink)
{
    size_t capacity = sink->ready_capacity;
    struct er_sink_report *ready;

    if (sink->ready_n + sink->outstanding < capacity)
        return true;
    capacity = capacity == 0 ? 1024 : capacity * 2;
    ready = realloc(sink->ready, capacity * sizeof *ready);
    if (ready == NULL)
        return false;
    sink->ready = ready;
    sink->ready_capacity = capacity;
    return true;
}

static enum er_code open_producer(struct er_kafka_sink *sink, er_kafka_prepare_cb *prepare, void *arg, struct er_err *err)
{
    rd_kafka_conf_t *conf = NULL;
    enum er_code code = er_kafka_conf_new(sink->config, ER_KAFKA_PRODUCER, sink->handle.worker, &sink->handle, &conf, err);
    char text[512];

    if (code != ER_OK)
        return code;
    /* Callbacks instead of events: rd_kafka_flush then takes the reports itself and returns as soon as nothing is outstanding. */
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    if (prepare != NULL)
        prepare(arg, conf);
    sink->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (sink->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return er_err_set(err, ER_E_KAFKA, "producer cannot be made: %s", text);
    }
    sink->fatal = false;
    sink->replace = false;
    sink->dead_topics = 0;
    for (struct er_sink_topic *topic = sink->topics; topic != NULL; topic = topic->next)
        attach(sink, topic);
    return ER_OK;
}

static bool replace(struct er_kafka_sink *sink, er_kafka_prepare_cb *prepare, void *arg)
{
    bool first = sink->rk == NULL;
    struct er_err err;

    close_producer(sink);
    if (open_producer(sink, prepare, arg, &err) != ER_OK) {
        er_log_write(sink->log, ER_LOG_ERROR, ER_LM("producer cannot be made, trying again"), ER_LFI("worker", sink->handle.worker),
                     ER_LF("error", err.text));
        return false;
    }
    atomic_fetch_add(&sink->replaced, first && sink->transactional ? 0 : 1);
    return true;
}

static void note_fatal(struct er_kafka_sink *sink)
{
    char why[512];

    if (sink->replace)
        return;
    (void)rd_kafka_fatal_error(sink->rk, why, sizeof why);
    er_log_write(sink->log, ER_LOG_WARN, ER_LM("producer became unusable, taking a new one"), ER_LFI("worker", sink->handle.worker),
                 ER_LF("error", why));
    sink->replace = true;
    /* what it still holds will not be sent any more */
    (void)rd_kafka_purge(sink->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

static struct er_sink_topic *open_topic(void *ctx, struct er_str name)
{
    struct er_kafka_sink *sink = ctx;
    struct er_sink_topic *topic = calloc(1, sizeof *topic + name.n + 1);

    if (topic == NULL)
        return NULL;
    memcpy(topic->name, name.p, name.n);
    topic->next = sink->topics;
    if (sink->topics != NULL)
        sink->topics->previous = topic;
    sink->topics = topic;
    sink->n_topics++;
    attach(sink, topic);
    return topic;
}

static void close_topic(void *ctx, struct er_sink_topic *topic)
{
    struct er_kafka_sink *sink = ctx;

    detach(topic);
    if (topic->previous != NULL)
        topic->previous->next = topic->next;
    else
        sink->topics = topic->next;
    if (topic->next != NULL)
        topic->next->previous = topic->previous;
    free(topic);
    sink->n_topics--;
    sink->dead_topics++;
    if (sink->dead_topics >= DEAD_TOPICS_MIN && sink->dead_topics > sink->n_topics / 10)
        sink->replace = true;
}

static rd_kafka_headers_t *headers_of(const struct er_record *record)
{
    rd_kafka_headers_t *headers;

    if (record->n_headers == 0)
        return NULL;
    headers = rd_kafka_headers_new(record->n_headers);
    for (size_t i = 0; headers != NULL && i < record->n_headers; i++) {
        const struct er_header *header = &record->headers[i];

        (void)rd_kafka_header_add(headers, header->name.p, (ssize_t)header->name.n,
                                  header->null_value     ? NULL
                                  : header->value.n == 0 ? ""
                                                         : header->value.p,
                                  (ssize_t)header->value.n);
    }
    return headers;
}

#define ARG(kind, field, ...)                                                                                                      \
    (rd_kafka_vu_t)                                                                                                                \
    {                                                                                                                              \
        .vtype = RD_KAFKA_VTYPE_##kind, .u.field = __VA_ARGS__                                                                     \
    }

static void *writable(const char *p)
{
    union {
        const char *shown;
        void *taken;
    } same = { p };

    return same.taken; /* librdkafka copies it or only reads it */
}

static enum er_sink_result enqueue(struct er_kafka_sink *sink, struct er_sink_topic *topic, const struct er_record *record,
                                   struct er_sink_ticket *ticket, const char **text)
{
    rd_kafka_headers_t *headers = headers_of(record);
    rd_kafka_vu_t args[7];
    size_t n = 0;
    rd_kafka_error_t *error;
    enum er_sink_result result;

    args[n++] = ARG(RKT, rkt, topic->rkt);
    args[n++] =
        ARG(VALUE, mem, { record->has_value ? writable(record->value.n == 0 ? "" : record->value.p) : NULL, record->value.n });
    args[n++] = ARG(KEY, mem, { record->has_key ? writable(record->key.n == 0 ? "" : record->key.p) : NULL, record->key.n });
    /* not copied: the worker keeps the source's message until the report, for retries and dead letters, and that costs less than
     * copying and letting it go early (6.5 against 6.9 us per 300-byte event on a busy machine) */
    args[n++] = ARG(MSGFLAGS, i, 0);
    args[n++] = ARG(TIMESTAMP, i64, record->timestamp_ms);
    args[n++] = ARG(OPAQUE, ptr, ticket);
    if (headers != NULL)
        args[n++] = ARG(HEADERS, headers, headers);
    error = rd_kafka_produceva(sink->rk, args, n);
    if (error == NULL) {
        sink->outstanding++;
        return ER_SINK_OK;
    }
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    result = result_of(rd_kafka_error_code(error));
    topic->doubtful |= result == ER_SINK_MISSING || result == ER_SINK_REFUSED;
    *text = rd_kafka_err2str(rd_kafka_error_code(error));
    if (rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_error_is_fatal(error)) {
        note_fatal(sink);
        result = sink->transactional ? ER_SINK_RETRY : ER_SINK_FULL;
    }
    rd_kafka_error_destroy(error);
    return result;
}

/* Only for the rare probe of a topic that was missing or forbidden: makes librdkafka look again. */
static void look_again(struct er_kafka_sink *sink, struct er_sink_topic *topic)
{
    const struct rd_kafka_metadata *metadata = NULL;

    topic->doubtful = false;
    if (rd_kafka_metadata(sink->rk, 0, topic->rkt, &metadata, LOOK_MS) == RD_KAFKA_RESP_ERR_NO_ERROR)
        rd_kafka_metadata_destroy(metadata);
}

static enum er_sink_result produce(void *ctx, struct er_sink_topic *topic, const struct er_record *record,
                                   struct er_sink_ticket *ticket, const char **text)
{
    struct er_kafka_sink *sink = ctx;

    if (sink->replace && sink->outstanding == 0 && !sink->transactional)
        (void)replace(sink, NULL, NULL);
    if ((sink->replace && !sink->transactional) || sink->rk == NULL)
        return ER_SINK_FULL;
    if (topic->rkt == NULL)
        attach(sink, topic);
    if (topic->rkt == NULL || !reserve_report(sink))
        return ER_SINK_FULL;
    if (topic->doubtful)
        look_again(sink, topic);
    return enqueue(sink, topic, record, ticket, text);
}

/* Takes what librdkafka has to tell, waiting up to wait_ms for all that is outstanding; what lingers is sent meanwhile. */
static void serve(struct er_kafka_sink *sink, int wait_ms)
{
    if (wait_ms > 0)
        (void)rd_kafka_flush(sink->rk, wait_ms);
    else
        (void)rd_kafka_poll(sink->rk, 0);
    if (sink->fatal || (!sink->replace && sink->outstanding > 0 && sink->ready_at == sink->ready_n &&
                        rd_kafka_fatal_error(sink->rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR))
        note_fatal(sink);
    sink->fatal = false;
}

static size_t poll_reports(void *ctx, struct er_sink_report *reports, size_t max)
{
    struct er_kafka_sink *sink = ctx;
    size_t n;

    if (sink->ready_at == sink->ready_n) {
        sink->ready_at = sink->ready_n = 0;
        if (sink->rk != NULL)
            serve(sink, 0);
    }
    n = sink->ready_n - sink->ready_at;
    n = n < max ? n : max;
    if (n > 0)
        memcpy(reports, sink->ready + sink->ready_at, n * sizeof *reports);
    sink->ready_at += n;
    return n;
}

static bool hurry(void *ctx, int64_t wait_ns)
{
    struct er_kafka_sink *sink = ctx;

    if (sink->rk != NULL && sink->outstanding > 0)
        serve(sink, wait_ns < ER_MS_NS ? 1 : (int)(wait_ns / ER_MS_NS));
    return sink->outstanding == 0;
}

static void recall(void *ctx)
{
    struct er_kafka_sink *sink = ctx;

    if (sink->rk != NULL && sink->outstanding > 0)
        (void)rd_kafka_purge(sink->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

/* Blocking, so that the reports are there when it returns; the broker threads need a moment, not an answer. */
static void purge(void *ctx)
{
    struct er_kafka_sink *sink = ctx;

    if (sink->rk != NULL && sink->outstanding > 0)
        (void)rd_kafka_purge(sink->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
}

static const struct er_sink_ops kafka_sink_ops = {
    .open = open_topic,
    .close = close_topic,
    .produce = produce,
    .poll = poll_reports,
    .hurry = hurry,
    .recall = recall,
    .purge = purge,
};

struct er_sink er_kafka_sink_seam(struct er_kafka_sink *sink)
{
    return (struct er_sink){ &kafka_sink_ops, sink };
}

enum er_code er_kafka_sink_new(const struct er_config *config, struct er_log *log, unsigned worker, struct er_kafka_sink **out,
                               struct er_err *err)
{
    struct er_kafka_sink *sink = calloc(1, sizeof *sink);
    enum er_code code;

    if (sink == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    sink->config = config;
    sink->log = log;
    sink->handle.log = log;
    sink->handle.name = "producer";
    sink->handle.worker = worker;
    sink->handle.owner = sink;
    sink->transactional = config->delivery == ER_DELIVERY_EXACTLY_ONCE;
    code = sink->transactional ? ER_OK : open_producer(sink, NULL, NULL, err);
    if (code != ER_OK) {
        free(sink);
        return code;
    }
    *out = sink;
    return ER_OK;
}

void er_kafka_sink_free(struct er_kafka_sink *sink)
{
    if (sink == NULL)
        return;
    purge(sink);
    close_producer(sink);
    while (sink->topics != NULL)
        close_topic(sink, sink->topics);
    free(sink->ready);
    free(sink);
}

uint64_t er_kafka_sink_replaced(const struct er_kafka_sink *sink)
{
    return atomic_load(&sink->replaced);
}

bool er_kafka_sink_renew(struct er_kafka_sink *sink, er_kafka_prepare_cb *prepare, void *arg)
{
    purge(sink);
    if (sink->outstanding > 0)
        (void)rd_kafka_flush(sink->rk, RENEW_MS);
    return sink->outstanding == 0 && replace(sink, prepare, arg);
}

bool er_kafka_sink_wants_renewal(const struct er_kafka_sink *sink)
{
    return sink->rk == NULL || sink->replace;
}

rd_kafka_t *er_kafka_sink_producer(const struct er_kafka_sink *sink)
{
    return sink->rk;
}

bool er_kafka_sink_uncertain(struct er_kafka_sink *sink)
{
    bool uncertain = sink->uncertain;

    sink->uncertain = false;
    return uncertain;
}

void er_kafka_sink_watch(struct er_kafka_sink *sink, er_kafka_report_cb *cb, void *arg)
{
    sink->watch = cb;
    sink->watch_arg = arg;
}

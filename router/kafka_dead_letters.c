#include "router/kafka_dead_letters.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include "router/clock.h"
#include "router/dead_letter.h"
#include "router/kafka_letter_reader.h"
#include "router/kafka_sink.h"

enum {
    PATIENCE_MS = 10000,
    SLICE_MS = 200,  /* longest wait, so that a stop is noticed */
    IDLE_MS = 30000, /* then the clients go */
    REQUESTS_MAX = 64,
    CLIENT_NUMBER = 900, /* instead of a worker's, in client.id and log lines */
};

struct er_kafka_dead_letters {
    struct er_kafka_dead_letters_options o;
    struct er_config sending; /* as o.config, but never transactional: one record is whole by itself */
    struct er_letters_stats stats;
    size_t waiting; /* requests without an answer */

    /* the thread's */
    struct er_kafka_letter_reader *reader;
    struct er_kafka_sink *sink;
    struct er_sink_topic *topic; /* the last one that was written to */
    struct er_buf topic_name;
    struct er_dead_letter_scratch scratch;

    pthread_t thread;
    bool started;
    atomic_bool stop;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct er_letters_request *queue, *answered; /* mutex: in order of arrival */
};

static void append(struct er_letters_request **list, struct er_letters_request *request)
{
    while (*list != NULL)
        list = &(*list)->next_request;
    request->next_request = NULL;
    *list = request;
}

/* ---- Sending: on the thread */

static void close_topic(struct er_kafka_dead_letters *letters)
{
    if (letters->topic != NULL) {
        const struct er_sink sink = er_kafka_sink_seam(letters->sink);

        sink.ops->close(sink.ctx, letters->topic);
    }
    letters->topic = NULL;
}

static void close_sink(struct er_kafka_dead_letters *letters)
{
    close_topic(letters);
    er_kafka_sink_free(letters->sink);
    letters->sink = NULL;
}

static enum er_code open_topic(struct er_kafka_dead_letters *letters, struct er_str topic, struct er_err *err)
{
    const struct er_sink sink = er_kafka_sink_seam(letters->sink);

    if (letters->topic != NULL && er_str_eq(er_buf_str(&letters->topic_name), topic))
        return ER_OK;
    close_topic(letters);
    er_buf_clear(&letters->topic_name);
    er_buf_add(&letters->topic_name, topic);
    if (!letters->topic_name.failed)
        letters->topic = sink.ops->open(sink.ctx, topic);
    return letters->topic == NULL ? er_err_set(err, ER_E_NOMEM, "out of memory while sending a dead letter") : ER_OK;
}

static enum er_code open_sink(struct er_kafka_dead_letters *letters, struct er_str topic, struct er_err *err)
{
    enum er_code code = ER_OK;

    if (letters->sink == NULL)
        code = er_kafka_sink_new(&letters->sending, letters->o.log, CLIENT_NUMBER, &letters->sink, err);
    return code == ER_OK ? open_topic(letters, topic, err) : code;
}

/* Copies keep the order of their source partition, so this one goes where the others of its partition went. */
static int32_t source_partition(const struct er_letter *letter)
{
    size_t end = letter->source.n, at;
    int32_t partition = 0;

    while (end > 0 && letter->source.p[end - 1] != '/')
        end--;
    at = end > 0 ? end - 1 : 0;
    while (at > 0 && letter->source.p[at - 1] != '/')
        at--;
    for (; at + 1 < end && partition < INT32_MAX / 10; at++)
        partition = partition * 10 + (letter->source.p[at] >= '0' && letter->source.p[at] <= '9' ? letter->source.p[at] - '0' : 0);
    return partition;
}

static bool out_of_time(const struct er_kafka_dead_letters *letters, const struct er_letters_request *request)
{
    return atomic_load(&letters->stop) || er_clock_ms() >= request->deadline_ms;
}

/* Waits for the one report. In the end the record is taken back, and where that is too late, nobody knows. */
static struct er_sink_report await(struct er_kafka_dead_letters *letters, const struct er_letters_request *request)
{
    struct er_sink sink = er_kafka_sink_seam(letters->sink);
    struct er_sink_report report = { NULL, ER_SINK_RETRY, "no answer in time" };
    bool purged = false;

    while (sink.ops->poll(sink.ctx, &report, 1) == 0) {
        if (purged)
            break;
        if (out_of_time(letters, request)) {
            sink.ops->purge(sink.ctx);
            purged = true;
        } else {
            (void)sink.ops->hurry(sink.ctx, SLICE_MS * ER_MS_NS);
        }
    }
    return report;
}

static enum er_code produce(struct er_kafka_dead_letters *letters, struct er_letters_request *request,
                            const struct er_record *record)
{
    struct er_sink sink = er_kafka_sink_seam(letters->sink);
    struct er_sink_ticket ticket = { source_partition(request->letter), record->has_key };
    struct er_sink_report report = { &ticket, ER_SINK_FULL, "no producer can be had" };
    bool uncertain;

    (void)er_kafka_sink_uncertain(letters->sink);
    while (report.result == ER_SINK_FULL && !out_of_time(letters, request)) {
        report.result = sink.ops->produce(sink.ctx, letters->topic, record, &ticket, &report.text);
        if (report.result == ER_SINK_FULL)
            (void)sink.ops->hurry(sink.ctx, SLICE_MS * ER_MS_NS);
    }
    if (report.result == ER_SINK_OK)
        report = await(letters, request);
    uncertain = er_kafka_sink_uncertain(letters->sink);
    if (report.result == ER_SINK_OK) {
        er_kafka_sink_last(letters->sink, &request->sent.partition, &request->sent.offset);
        return ER_OK;
    }
    request->unknown = report.ticket == NULL || uncertain;
    if (request->unknown)
        return er_err_set(&request->err, ER_E_KAFKA_TIMEOUT,
                          "topic %.*s did not confirm the record in time; whether it is there is not known",
                          ER_STR_ARG(request->topic));
    if (report.result == ER_SINK_RECALLED || report.result == ER_SINK_FULL)
        return er_err_set(&request->err, ER_E_KAFKA_TIMEOUT, "topic %.*s could not be reached in time; nothing was written",
                          ER_STR_ARG(request->topic));
    return er_err_set(&request->err, er_sink_code(report.result), "topic %.*s: %s", ER_STR_ARG(request->topic),
                      report.text == NULL ? "no reason given" : report.text);
}

static enum er_code send_again(struct er_kafka_dead_letters *letters, struct er_letters_request *request)
{
    enum er_code code = open_sink(letters, request->topic, &request->err);
    struct er_record record;

    if (code == ER_OK && !er_dead_letter_again(&letters->scratch, request->letter, &record))
        code = er_err_set(&request->err, ER_E_NOMEM, "out of memory while sending a dead letter");
    if (code == ER_OK)
        code = produce(letters, request, &record);
    /* Before the answer: the record's memory goes with it, and what failed is not to be tried by a producer behind its back. */
    if (code != ER_OK)
        close_sink(letters);
    return code;
}

/* ---- The thread */

static enum er_code read_or_list(struct er_kafka_dead_letters *letters, struct er_letters_request *request)
{
    enum er_code code = ER_OK;

    if (letters->reader == NULL)
        code = er_kafka_letter_reader_new(letters->o.config, letters->o.log, &letters->stop, &letters->reader, &request->err);
    if (code != ER_OK)
        return code;
    return request->op == ER_LETTERS_LIST ? er_kafka_letter_reader_list(letters->reader, request)
                                          : er_kafka_letter_reader_read(letters->reader, request);
}

static enum er_code serve(struct er_kafka_dead_letters *letters, struct er_letters_request *request)
{
    if (atomic_load(&letters->stop))
        return er_err_set(&request->err, ER_E_UNAVAILABLE, "the router is stopping");
    if (out_of_time(letters, request))
        return er_err_set(&request->err, ER_E_KAFKA_TIMEOUT, "Kafka is too slow for all that is asked about dead letters");
    return request->op == ER_LETTERS_SEND ? send_again(letters, request) : read_or_list(letters, request);
}

static void close_clients(struct er_kafka_dead_letters *letters)
{
    close_sink(letters);
    er_kafka_letter_reader_free(letters->reader);
    letters->reader = NULL;
}

/* The next request, waiting for it. NULL: the end. */
static struct er_letters_request *take(struct er_kafka_dead_letters *letters)
{
    struct er_letters_request *request;
    uint64_t idle_at = er_clock_ms() + IDLE_MS;

    pthread_mutex_lock(&letters->mutex);
    while (letters->queue == NULL && !atomic_load(&letters->stop)) {
        struct timespec until = { .tv_sec = (time_t)(idle_at / 1000), .tv_nsec = (long)(idle_at % 1000) * 1000000 };

        if (letters->sink == NULL && letters->reader == NULL) {
            pthread_cond_wait(&letters->cond, &letters->mutex);
        } else if (pthread_cond_timedwait(&letters->cond, &letters->mutex, &until) != 0) {
            pthread_mutex_unlock(&letters->mutex);
            close_clients(letters);
            pthread_mutex_lock(&letters->mutex);
        }
    }
    request = letters->queue;
    if (request != NULL)
        letters->queue = request->next_request;
    pthread_mutex_unlock(&letters->mutex);
    return request;
}

static void answer(struct er_kafka_dead_letters *letters, struct er_letters_request *request)
{
    uint64_t one = 1;

    pthread_mutex_lock(&letters->mutex);
    append(&letters->answered, request);
    pthread_mutex_unlock(&letters->mutex);
    if (write(letters->o.wakeup_fd, &one, sizeof one) < 0)
        return; /* the counter is full: the reader is awake anyway */
}

static void *run(void *arg)
{
    struct er_kafka_dead_letters *letters = arg;
    struct er_letters_request *request;

    while ((request = take(letters)) != NULL) {
        request->code = serve(letters, request);
        answer(letters, request);
    }
    close_clients(letters);
    return NULL;
}

/* ---- Main's side */

enum er_code er_kafka_dead_letters_new(const struct er_kafka_dead_letters_options *options, struct er_kafka_dead_letters **out,
                                       struct er_err *err)
{
    struct er_kafka_dead_letters *letters = calloc(1, sizeof *letters);
    pthread_condattr_t attr;

    if (letters == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    letters->o = *options;
    if (letters->o.patience_ms == 0)
        letters->o.patience_ms = PATIENCE_MS;
    letters->sending = *options->config;
    letters->sending.delivery = ER_DELIVERY_AT_LEAST_ONCE;
    pthread_mutex_init(&letters->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&letters->cond, &attr);
    pthread_condattr_destroy(&attr);
    *out = letters;
    return ER_OK;
}

void er_kafka_dead_letters_stop(struct er_kafka_dead_letters *letters)
{
    atomic_store(&letters->stop, true);
    pthread_mutex_lock(&letters->mutex);
    pthread_cond_signal(&letters->cond);
    pthread_mutex_unlock(&letters->mutex);
}

static void finish(struct er_kafka_dead_letters *letters, struct er_letters_request *request)
{
    letters->waiting--;
    if (request->op == ER_LETTERS_SEND) {
        letters->stats.sent += request->code == ER_OK;
        letters->stats.unknown += request->unknown;
        letters->stats.failed += request->code != ER_OK && !request->unknown;
    }
    request->done(request->arg, request);
}

void er_kafka_dead_letters_free(struct er_kafka_dead_letters *letters)
{
    if (letters == NULL)
        return;
    er_kafka_dead_letters_stop(letters);
    if (letters->started)
        pthread_join(letters->thread, NULL);
    er_kafka_dead_letters_dispatch(letters);
    er_buf_free(&letters->topic_name);
    er_dead_letter_scratch_free(&letters->scratch);
    pthread_cond_destroy(&letters->cond);
    pthread_mutex_destroy(&letters->mutex);
    free(letters);
}

static enum er_code admit(struct er_kafka_dead_letters *letters, struct er_letters_request *request)
{
    if (atomic_load(&letters->stop))
        return er_err_set(&request->err, ER_E_UNAVAILABLE, "the router is stopping");
    if (letters->waiting > REQUESTS_MAX)
        return er_err_set(&request->err, ER_E_TOO_MANY, "too many requests about dead letters at once; try again");
    if (!letters->started && pthread_create(&letters->thread, NULL, run, letters) != 0)
        return er_err_set(&request->err, ER_E_SYSTEM, "no thread for dead letters can be started; raise the limit of threads");
    letters->started = true;
    return ER_OK;
}

static void reset(struct er_letters_request *request)
{
    request->letters = NULL;
    request->next = request->oldest = NULL;
    request->n_letters = request->n_next = request->n_oldest = 0;
    request->scanned = 0;
    request->unknown = false;
}

void er_kafka_dead_letters_submit(struct er_kafka_dead_letters *letters, struct er_letters_request *request)
{
    reset(request);
    request->deadline_ms = er_clock_ms() + letters->o.patience_ms;
    letters->waiting++;
    request->code = admit(letters, request);
    if (request->code != ER_OK) {
        finish(letters, request);
        return;
    }
    pthread_mutex_lock(&letters->mutex);
    append(&letters->queue, request);
    pthread_cond_signal(&letters->cond);
    pthread_mutex_unlock(&letters->mutex);
}

void er_kafka_dead_letters_dispatch(struct er_kafka_dead_letters *letters)
{
    struct er_letters_request *list;

    pthread_mutex_lock(&letters->mutex);
    list = letters->answered;
    letters->answered = NULL;
    pthread_mutex_unlock(&letters->mutex);
    while (list != NULL) {
        struct er_letters_request *request = list;

        list = request->next_request;
        finish(letters, request);
    }
}

void er_kafka_dead_letters_stats(const struct er_kafka_dead_letters *letters, struct er_letters_stats *out)
{
    *out = letters->stats;
}

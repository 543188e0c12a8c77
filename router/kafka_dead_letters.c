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
    TOPICS_MAX = 16,
    CLIENT_NUMBER = 900, /* instead of a worker's, in client.id and log lines */
};

struct topic {
    struct topic *next;
    struct er_sink_topic *topic;
    char name[];
};

struct er_kafka_dead_letters {
    struct er_kafka_dead_letters_options o;
    struct er_config sending; /* as o.config, but never transactional: one record is whole by itself */
    struct er_letters_stats stats;
    size_t waiting; /* requests without an answer */

    /* the thread's */
    struct er_kafka_letter_reader *reader;
    struct er_kafka_sink *sink;
    struct topic *topics; /* that were written to lately */
    size_t n_topics;
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

/* One record on its way. */
struct sending {
    struct er_sink_ticket ticket; /* first: the sink hands its address back */
    struct er_letter_item *item;
    enum er_sink_result result;
    bool reported;
};

static void close_topics(struct er_kafka_dead_letters *letters)
{
    while (letters->topics != NULL) {
        const struct er_sink sink = er_kafka_sink_seam(letters->sink);
        struct topic *topic = letters->topics;

        letters->topics = topic->next;
        sink.ops->close(sink.ctx, topic->topic);
        free(topic);
    }
    letters->n_topics = 0;
}

static void close_sink(struct er_kafka_dead_letters *letters)
{
    close_topics(letters);
    er_kafka_sink_free(letters->sink);
    letters->sink = NULL;
}

/* Called with every report, inside of poll and hurry. */
static void on_report(void *arg, const rd_kafka_message_t *message)
{
    struct sending *sending = message->_private;
    bool failed = message->err != RD_KAFKA_RESP_ERR_NO_ERROR;

    (void)arg;
    sending->item->sent = (struct er_letter_place){ message->partition, message->offset };
    sending->item->unknown = failed && rd_kafka_message_status(message) == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED;
}

static enum er_code open_sink(struct er_kafka_dead_letters *letters, struct er_err *err)
{
    enum er_code code;

    if (letters->sink != NULL)
        return ER_OK;
    code = er_kafka_sink_new(&letters->sending, letters->o.log, CLIENT_NUMBER, &letters->sink, err);
    if (code == ER_OK)
        er_kafka_sink_watch(letters->sink, on_report, letters);
    return code;
}

static struct topic *find_topic(struct er_kafka_dead_letters *letters, struct er_str name)
{
    for (struct topic *topic = letters->topics; topic != NULL; topic = topic->next) {
        if (er_str_eq(er_str_of(topic->name), name))
            return topic;
    }
    return NULL;
}

/* NULL without memory. */
static struct er_sink_topic *open_topic(struct er_kafka_dead_letters *letters, struct er_str name)
{
    const struct er_sink sink = er_kafka_sink_seam(letters->sink);
    struct topic *topic = find_topic(letters, name);

    if (topic != NULL)
        return topic->topic;
    topic = calloc(1, sizeof *topic + name.n + 1);
    if (topic == NULL)
        return NULL;
    memcpy(topic->name, name.p, name.n);
    topic->topic = sink.ops->open(sink.ctx, name);
    if (topic->topic == NULL) {
        free(topic);
        return NULL;
    }
    topic->next = letters->topics;
    letters->topics = topic;
    letters->n_topics++;
    return topic->topic;
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

static void judge(struct sending *sending, enum er_sink_result result, const char *text)
{
    struct er_letter_item *item = sending->item;
    struct er_str topic = item->topic;

    sending->reported = true;
    sending->result = result;
    if (result == ER_SINK_OK)
        item->code = ER_OK;
    else if (item->unknown)
        item->code =
            er_err_set(&item->err, ER_E_KAFKA_TIMEOUT,
                       "topic %.*s did not confirm the record in time; whether it is there is not known", ER_STR_ARG(topic));
    else if (result == ER_SINK_RECALLED || result == ER_SINK_FULL)
        item->code = er_err_set(&item->err, ER_E_KAFKA_TIMEOUT, "topic %.*s could not be reached in time; nothing was written",
                                ER_STR_ARG(topic));
    else
        item->code = er_err_set(&item->err, er_sink_code(result), "topic %.*s: %s", ER_STR_ARG(topic),
                                text == NULL ? "no reason given" : text);
}

static size_t take_reports(struct er_kafka_dead_letters *letters)
{
    const struct er_sink sink = er_kafka_sink_seam(letters->sink);
    struct er_sink_report reports[64];
    size_t n = sink.ops->poll(sink.ctx, reports, 64);

    for (size_t i = 0; i < n; i++)
        judge((struct sending *)reports[i].ticket, reports[i].result, reports[i].text);
    return n;
}

/* False: the sink does not want it, for all the time there is. */
static bool enqueue(struct er_kafka_dead_letters *letters, const struct er_letters_request *request, struct sending *sending,
                    size_t *outstanding)
{
    const struct er_sink sink = er_kafka_sink_seam(letters->sink);
    struct er_sink_topic *topic = open_topic(letters, sending->item->topic);
    enum er_sink_result result = ER_SINK_FULL;
    struct er_record record;
    const char *text = NULL;

    if (topic == NULL || !er_dead_letter_again(&letters->scratch, sending->item->letter, &record)) {
        sending->item->code = er_err_set(&sending->item->err, ER_E_NOMEM, "out of memory while sending a dead letter");
        sending->reported = true;
        return true;
    }
    sending->ticket = (struct er_sink_ticket){ source_partition(sending->item->letter), record.has_key };
    while (result == ER_SINK_FULL && !out_of_time(letters, request)) {
        result = sink.ops->produce(sink.ctx, topic, &record, &sending->ticket, &text);
        if (result == ER_SINK_FULL) {
            (void)sink.ops->hurry(sink.ctx, SLICE_MS * ER_MS_NS);
            *outstanding -= take_reports(letters);
        }
    }
    *outstanding += result == ER_SINK_OK;
    if (result != ER_SINK_OK)
        judge(sending, result, text);
    return result != ER_SINK_FULL;
}

/* Waits for the reports. In the end the records are taken back; where that is too late, nobody knows. */
static void await(struct er_kafka_dead_letters *letters, const struct er_letters_request *request, size_t outstanding)
{
    const struct er_sink sink = er_kafka_sink_seam(letters->sink);
    bool purged = false;

    while (outstanding > 0) {
        size_t n = take_reports(letters);

        outstanding -= n;
        if (n > 0 || outstanding == 0)
            continue;
        if (purged)
            return;
        if (out_of_time(letters, request)) {
            sink.ops->purge(sink.ctx);
            purged = true;
        } else {
            (void)sink.ops->hurry(sink.ctx, SLICE_MS * ER_MS_NS);
        }
    }
}

static bool all_are_sent(const struct er_letters_request *request)
{
    for (size_t i = 0; i < request->n_items; i++) {
        if (request->items[i].code != ER_OK)
            return false;
    }
    return true;
}

static void settle(struct sending *sending, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sending[i].item->unknown = sending[i].item->unknown || !sending[i].reported;
        if (!sending[i].reported)
            judge(&sending[i], ER_SINK_RETRY, NULL);
    }
}

static bool is_about_record(enum er_sink_result result)
{
    return result == ER_SINK_TOO_LARGE || result == ER_SINK_TIMESTAMP || result == ER_SINK_INVALID;
}

/* Brokers refuse whole batches: each record of one goes once more, alone, and is judged for itself. */
static void send_alone(struct er_kafka_dead_letters *letters, const struct er_letters_request *request, struct sending *sending)
{
    for (size_t i = 0; i < request->n_items && request->n_items > 1; i++) {
        size_t outstanding = 0;

        if (!is_about_record(sending[i].result))
            continue;
        sending[i].reported = false;
        (void)enqueue(letters, request, &sending[i], &outstanding);
        await(letters, request, outstanding);
        settle(&sending[i], 1);
    }
}

/* All at once, in their order: the producer keeps it for each partition. */
static enum er_code send_again(struct er_kafka_dead_letters *letters, struct er_letters_request *request)
{
    struct sending *sending = er_arena_calloc(request->arena, request->n_items + 1, sizeof *sending);
    enum er_code code =
        sending == NULL ? er_err_set(&request->err, ER_E_NOMEM, "out of memory") : open_sink(letters, &request->err);
    size_t outstanding = 0;
    bool going = true;

    if (code != ER_OK)
        return code;
    if (letters->n_topics > TOPICS_MAX)
        close_topics(letters);
    for (size_t i = 0; i < request->n_items; i++) {
        sending[i].item = &request->items[i];
        if (going)
            going = enqueue(letters, request, &sending[i], &outstanding);
        else
            judge(&sending[i], ER_SINK_FULL, NULL);
    }
    await(letters, request, outstanding);
    settle(sending, request->n_items);
    send_alone(letters, request, sending);
    /* Before the answer: the records' memory goes with it, and what failed is not to be tried by a producer behind its back. */
    if (!all_are_sent(request))
        close_sink(letters);
    return ER_OK;
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
    for (size_t i = 0; i < request->n_items && request->op == ER_LETTERS_SEND; i++) {
        const struct er_letter_item *item = &request->items[i];
        bool sent = request->code == ER_OK && item->code == ER_OK;

        letters->stats.sent += sent;
        letters->stats.unknown += item->unknown;
        letters->stats.failed += !sent && !item->unknown;
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
    for (size_t i = 0; i < request->n_items; i++) {
        request->items[i].code = ER_OK;
        request->items[i].unknown = false;
    }
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

/* The yardstick of make bench-pipeline, and the load that it needs. Plain librdkafka, no code of the router, its client settings.
 *
 *   copy fill BOOTSTRAP TOPIC COUNT BYTES         writes COUNT events of about BYTES bytes
 *   copy copy BOOTSTRAP FROM TO COUNT [TOPICS]    consumes COUNT new events and copies key, value and timestamp; prints JSON. With
 *                                                 TOPICS: to TO-0, TO-1, ..., each copy with one header, as the router makes them
 *   copy latency BOOTSTRAP FROM TO RATE SECONDS   writes events at RATE and times when each is seen at FROM and at TO; prints JSON
 *
 * copy and latency print "ready" once they are assigned to the ends of their topics, and begin with the first event after that.
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { BATCH = 1000, RULES = 1000, TYPES = 20, MAX_PARTITIONS = 64, MAX_TOPICS = 1000 };

static const char *const common[][2] = { { "socket.nagle.disable", "true" },
                                         { "topic.metadata.propagation.max.ms", "5000" },
                                         { NULL, NULL } };
static const char *const for_consumer[][2] = { { "group.id", "copy" },
                                               { "auto.commit.interval.ms", "1000" },
                                               { "enable.auto.offset.store", "false" },
                                               { "queued.min.messages", "1000000" },
                                               { "queued.max.messages.kbytes", "32768" },
                                               { "fetch.error.backoff.ms", "100" },
                                               { "isolation.level", "read_committed" },
                                               { NULL, NULL } };
static const char *const for_producer[][2] = { { "linger.ms", "5" },
                                               { "batch.size", "1000000" },
                                               { "batch.num.messages", "10000" },
                                               { "compression.codec", "lz4" },
                                               { "queue.buffering.max.messages", "1000000" },
                                               { "queue.buffering.max.kbytes", "262144" },
                                               { "enable.idempotence", "true" },
                                               { "acks", "all" },
                                               { "message.timeout.ms", "0" },
                                               { NULL, NULL } };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "copy: %s: %s\n", what, why);
    exit(1);
}

static void set_all(rd_kafka_conf_t *conf, const char *const (*rows)[2])
{
    char text[256];

    for (; (*rows)[0] != NULL; rows++) {
        if (rd_kafka_conf_set(conf, (*rows)[0], (*rows)[1], text, sizeof text) != RD_KAFKA_CONF_OK)
            die((*rows)[0], text);
    }
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *bootstrap, bool prompt)
{
    /* Prompt: what is due within half a millisecond together. Neither a request per event nor idempotence (librdkafka 2.0.2 spins
     * while five requests are under way): the load must not take a core from those whose latency is measured. */
    const char *const own[][2] = { { "bootstrap.servers", bootstrap },
                                   { prompt ? "linger.ms" : NULL, "0.5" },
                                   { "enable.idempotence", "false" },
                                   { NULL, NULL } };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];
    rd_kafka_t *rk;

    set_all(conf, common);
    set_all(conf, type == RD_KAFKA_CONSUMER ? for_consumer : for_producer);
    set_all(conf, own);
    if (type == RD_KAFKA_PRODUCER)
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    rk = rd_kafka_new(type, conf, text, sizeof text);
    if (rk == NULL)
        die("client", text);
    if (type == RD_KAFKA_CONSUMER)
        rd_kafka_poll_set_consumer(rk);
    return rk;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Assigns all partitions of a topic at their present ends. */
static void assign_end(rd_kafka_t *rk, const char *topic)
{
    rd_kafka_topic_partition_list_t *places = rd_kafka_topic_partition_list_new(MAX_PARTITIONS);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(rk, topic, NULL);
    const rd_kafka_metadata_t *metadata;
    rd_kafka_resp_err_t error;

    if (rd_kafka_metadata(rk, 0, handle, &metadata, 10000) != RD_KAFKA_RESP_ERR_NO_ERROR || metadata->topics[0].partition_cnt == 0)
        die(topic, "no metadata");
    for (int i = 0; i < metadata->topics[0].partition_cnt; i++)
        rd_kafka_topic_partition_list_add(places, topic, i)->offset = RD_KAFKA_OFFSET_END;
    rd_kafka_metadata_destroy(metadata);
    /* Asked as times, -1 is the end (ListOffsets); rd_kafka_query_watermark_offsets of 2.0.2 may return before it has both ends. */
    for (int tries = 0;
         (error = rd_kafka_offsets_for_times(rk, places, 20000)) == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION && tries < 100;
         tries++)
        (void)rd_kafka_poll(rk, 100);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(topic, rd_kafka_err2str(error));
    if (rd_kafka_assign(rk, places) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(topic, "assign failed");
    rd_kafka_topic_partition_list_destroy(places);
    rd_kafka_topic_destroy(handle);
}

/* Takes delivery reports for at most timeout_ms; returns how many copies are delivered. */
static int64_t reports(rd_kafka_t *producer, int timeout_ms)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_get_main(producer);
    rd_kafka_event_t *event;
    int64_t n = 0;

    while ((event = rd_kafka_queue_poll(queue, timeout_ms)) != NULL) {
        const rd_kafka_message_t *message;

        while ((message = rd_kafka_event_message_next(event)) != NULL) {
            if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
                die("delivery", rd_kafka_err2str(message->err));
            n++;
        }
        rd_kafka_event_destroy(event);
        timeout_ms = 0;
    }
    rd_kafka_queue_destroy(queue);
    return n;
}

/* Event number i: its user number is the number of the one rule of 1,000 that accepts it. */
static size_t make_event(char *out, size_t bytes, int64_t i, double stamp)
{
    int user = (int)((uint64_t)i * UINT64_C(2654435761) % RULES);
    int n = snprintf(out, bytes,
                     "{\"type\":\"shop.kind-%d\",\"n\":%" PRId64
                     ",\"at\":%.6f,\"user\":{\"id\":%d,\"email\":\"u%d@example.com\",\"country\":\"%s\"},"
                     "\"total\":%d.50,\"padding\":\"",
                     user % TYPES, i, stamp, user, user, i % 3 == 0 ? "DE" : "FR", (int)(i % 1000));
    size_t at = (size_t)n;

    for (uint64_t x = (uint64_t)i; at + 2 < bytes; at++) {
        x = x * UINT64_C(6364136223846793005) + 1442695040888963407;
        out[at] = (char)('a' + (x >> 33) % 26);
    }
    out[at++] = '"';
    out[at++] = '}';
    return at;
}

static int64_t produce(rd_kafka_topic_t *topic, rd_kafka_t *producer, const char *value, size_t n, int64_t i)
{
    char key[32];
    int key_n = snprintf(key, sizeof key, "key-%d", (int)(i % 5000));
    int64_t delivered = 0;

    while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)value, n, key, (size_t)key_n,
                            NULL) != 0) {
        if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die("produce", rd_kafka_err2str(rd_kafka_last_error()));
        delivered += reports(producer, 10);
    }
    return delivered;
}

static int fill(char **arguments)
{
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, arguments[0], false);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, arguments[1], NULL);
    int64_t count = atoll(arguments[2]), delivered = 0;
    size_t bytes = (size_t)atoll(arguments[3]);
    char *value = malloc(bytes + 512);

    for (int64_t i = 0; value != NULL && i < count; i++) {
        size_t n = make_event(value, bytes, i, 0);

        delivered += produce(topic, producer, value, n, i);
        if (i % BATCH == 0)
            delivered += reports(producer, 0);
    }
    while (delivered < count)
        delivered += reports(producer, 100);
    free(value);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(producer);
    return 0;
}

/* Where copies go. */
struct targets {
    rd_kafka_t *producer;
    rd_kafka_topic_t *topics[MAX_TOPICS];
    int n;
    bool header;
};

static void open_targets(struct targets *to, const char *name, const char *count)
{
    char text[256];

    to->header = count != NULL;
    to->n = count == NULL ? 1 : atoi(count);
    if (to->n < 1 || to->n > MAX_TOPICS)
        die(name, "too many topics");
    for (int i = 0; i < to->n; i++) {
        snprintf(text, sizeof text, "%s-%d", name, i);
        to->topics[i] = rd_kafka_topic_new(to->producer, to->header ? text : name, NULL);
    }
}

static rd_kafka_headers_t *header_of(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    char source[300];
    int n = snprintf(source, sizeof source, "%s/%" PRId32 "/%" PRId64, rd_kafka_topic_name(message->rkt), message->partition,
                     message->offset);

    rd_kafka_header_add(headers, "eventrouter-source", -1, source, n);
    return headers;
}

static void copy_one(const struct targets *to, const rd_kafka_message_t *message, int64_t *delivered)
{
    /* Scattered, as by rules. */
    uint64_t which = (uint64_t)(message->offset * MAX_PARTITIONS + message->partition) * UINT64_C(0x9E3779B97F4A7C15) >> 32;
    rd_kafka_topic_t *topic = to->topics[which % (uint64_t)to->n];
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(message, &type);

    for (;;) {
        rd_kafka_headers_t *headers = to->header ? header_of(message) : NULL;
        rd_kafka_resp_err_t error = rd_kafka_producev(
            to->producer, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_VALUE(message->payload, message->len), RD_KAFKA_V_KEY(message->key, message->key_len),
            RD_KAFKA_V_TIMESTAMP(timestamp), RD_KAFKA_V_PARTITION(0), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);

        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            return;
        if (headers != NULL)
            rd_kafka_headers_destroy(headers);
        if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            die("produce", rd_kafka_err2str(error));
        *delivered += reports(to->producer, 10);
    }
}

static int copy(char **arguments)
{
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, arguments[0], false);
    struct targets to = { .producer = client(RD_KAFKA_PRODUCER, arguments[0], false) };
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    int64_t count = atoll(arguments[3]), read = 0, delivered = 0;
    rd_kafka_message_t *batch[BATCH];
    double wall = 0, cpu = 0;

    open_targets(&to, arguments[2], arguments[4]);
    assign_end(consumer, arguments[1]);
    puts("ready");
    fflush(stdout);
    while (delivered < count) {
        /* One with a wait, the rest without: a batch call waits for its whole time unless the array fills. */
        ssize_t n = read < count ? rd_kafka_consume_batch_queue(queue, 100, batch, 1) : 0;

        if (n == 1)
            n += rd_kafka_consume_batch_queue(queue, 0, batch + 1, BATCH - 1);
        if (read == 0 && n > 0) {
            wall = now_s();
            cpu = cpu_s();
        }
        for (ssize_t i = 0; i < n; i++) {
            if (batch[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                copy_one(&to, batch[i], &delivered);
                rd_kafka_offset_store(batch[i]->rkt, batch[i]->partition, batch[i]->offset);
                read++;
            }
            rd_kafka_message_destroy(batch[i]);
        }
        delivered += reports(to.producer, read < count ? 0 : 100);
    }
    printf("{\"events\":%" PRId64 ",\"wall_s\":%.3f,\"cpu_s\":%.3f}\n", delivered, now_s() - wall, cpu_s() - cpu);
    rd_kafka_queue_destroy(queue);
    for (int i = 0; i < to.n; i++)
        rd_kafka_topic_destroy(to.topics[i]);
    rd_kafka_destroy(to.producer);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return 0;
}

/* When each event was seen at one topic. */
struct watcher {
    const char *bootstrap, *topic;
    double *seen;
    int64_t count;
    pthread_barrier_t *ready;
    pthread_t thread;
};

static void *watch(void *arg)
{
    struct watcher *w = arg;
    rd_kafka_t *consumer = client(RD_KAFKA_CONSUMER, w->bootstrap, false);
    double end = 0;

    assign_end(consumer, w->topic);
    /* The first fetch is under way before the first event is written. */
    rd_kafka_message_t *early = rd_kafka_consumer_poll(consumer, 500);

    if (early != NULL)
        rd_kafka_message_destroy(early);
    pthread_barrier_wait(w->ready);
    for (int64_t n = 0; n < w->count && (end == 0 || now_s() < end);) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        const char *at;

        if (end == 0)
            end = now_s() + 120;
        if (message == NULL)
            continue;
        at = message->err == RD_KAFKA_RESP_ERR_NO_ERROR ? strstr(message->payload, "\"n\":") : NULL;
        if (at != NULL) {
            int64_t i = atoll(at + 4);

            if (i >= 0 && i < w->count && w->seen[i] == 0) {
                w->seen[i] = now_s();
                n++;
            }
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    double x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void print_latency(const struct watcher *from, const struct watcher *to, double *added)
{
    int64_t n = 0, first = from->count / 10; /* the first tenth warms up */

    for (int64_t i = first; i < from->count; i++) {
        if (from->seen[i] != 0 && to->seen[i] != 0)
            added[n++] = (to->seen[i] - from->seen[i]) * 1000;
    }
    if (n == 0)
        die("latency", "no event was seen at both topics");
    qsort(added, (size_t)n, sizeof *added, by_value);
    printf("{\"events\":%" PRId64 ",\"missing\":%" PRId64 ",\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f}\n", n,
           from->count - first - n, added[n / 2], added[n * 9 / 10], added[n * 99 / 100], added[n - 1]);
}

/* An event every 1/rate seconds, sent at once. */
static void paced(rd_kafka_t *producer, const char *name, double rate, int64_t count)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, name, NULL);
    double begin = now_s();
    int64_t delivered = 0;
    char value[1024];

    for (int64_t i = 0; i < count;) {
        int64_t due = (int64_t)((now_s() - begin) * rate);

        for (; i < due && i < count; i++)
            delivered += produce(topic, producer, value, make_event(value, 300, i, now_s()), i);
        delivered += reports(producer, 1);
    }
    while (delivered < count)
        delivered += reports(producer, 100);
    rd_kafka_topic_destroy(topic);
}

static int latency(char **arguments)
{
    double rate = atof(arguments[3]);
    int64_t count = (int64_t)(rate * atof(arguments[4]));
    rd_kafka_t *producer = client(RD_KAFKA_PRODUCER, arguments[0], true);
    double *seen = calloc((size_t)count * 3, sizeof *seen);
    pthread_barrier_t ready;
    struct watcher from = { arguments[0], arguments[1], seen, count, &ready, 0 };
    struct watcher to = { arguments[0], arguments[2], seen + count, count, &ready, 0 };

    if (seen == NULL || pthread_barrier_init(&ready, NULL, 3) != 0 || pthread_create(&from.thread, NULL, watch, &from) != 0 ||
        pthread_create(&to.thread, NULL, watch, &to) != 0)
        die("latency", "no memory or thread");
    pthread_barrier_wait(&ready);
    puts("ready");
    fflush(stdout);
    paced(producer, arguments[1], rate, count);
    pthread_join(from.thread, NULL);
    pthread_join(to.thread, NULL);
    print_latency(&from, &to, seen + 2 * count);
    pthread_barrier_destroy(&ready);
    free(seen);
    rd_kafka_destroy(producer);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "fill") == 0)
        return fill(argv + 2);
    if ((argc == 6 || argc == 7) && strcmp(argv[1], "copy") == 0)
        return copy(argv + 2);
    if (argc == 7 && strcmp(argv[1], "latency") == 0)
        return latency(argv + 2);
    fputs("usage: copy fill|copy|latency ...\n", stderr);
    return 64;
}

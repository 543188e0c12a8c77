#include "router/kafka_topics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "router/clock.h"
#include "router/kafka_conf.h"
#include "router/kafka_describe.h"
#include "rules/base/faults.h"

enum {
    SLICE_MS = 1000,     /* longest blocking call, so that a stop is noticed */
    RETRY_MS = 50,       /* between looks at metadata */
    WATCH_MS = 3000,     /* between looks at the cluster while idle */
    WATCH_DOWN_MS = 500, /* the same while no broker answers */
    ONE_BY_ONE = 16,     /* up to so many topics are asked for by name, more by reading all */
    CREATE_BATCH = 200,  /* topics per CreateTopics request */
    HANDLES_MAX = 2000,  /* a client never forgets a topic it was asked for: then take a new one */
    CLOSE_MS = 2000,     /* for the client to close at the end */
};

struct er_kafka_topics {
    const struct er_config *config;
    struct er_log *log;
    struct er_topic_ops ops;
    int wakeup_fd;
    struct er_kafka_handle handle;
    rd_kafka_t *rk; /* topics thread; NULL until needed */
    rd_kafka_queue_t *queue;
    size_t handles;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool stopping;                             /* mutex */
    bool leaving, left;                        /* mutex: the thread is about to close its client, and has closed it */
    struct er_topics_job *urgent, *background; /* mutex: in order of arrival */
    struct er_topics_job *answered;            /* mutex */
    struct er_kafka_cluster cluster;           /* mutex */
};

static void append(struct er_topics_job **list, struct er_topics_job *job)
{
    while (*list != NULL)
        list = &(*list)->next;
    job->next = NULL;
    *list = job;
}

static bool is_stopping(struct er_kafka_topics *topics)
{
    bool stopping;

    pthread_mutex_lock(&topics->mutex);
    stopping = topics->stopping;
    pthread_mutex_unlock(&topics->mutex);
    return stopping;
}

/* Sleeps, or returns early when something urgent or the end comes. */
static void pause_ms(struct er_kafka_topics *topics, uint64_t ms)
{
    uint64_t end = er_clock_ms() + ms;
    struct timespec until = { .tv_sec = (time_t)(end / 1000), .tv_nsec = (long)(end % 1000) * 1000000 };

    pthread_mutex_lock(&topics->mutex);
    while (!topics->stopping && er_clock_ms() < end) {
        if (pthread_cond_timedwait(&topics->cond, &topics->mutex, &until) != 0)
            break;
    }
    pthread_mutex_unlock(&topics->mutex);
}

static const char *servers(const struct er_config *config)
{
    static const char *const names[] = { "bootstrap.servers", "metadata.broker.list" };
    const char *found = "localhost:9092";

    for (size_t i = 0; i < config->kafka.n; i++) {
        for (size_t j = 0; j < 2; j++) {
            if (strcmp(config->kafka.items[i].name, names[j]) == 0)
                found = config->kafka.items[i].value;
        }
    }
    return found;
}

static void learn(struct er_kafka_topics *topics, bool reached, rd_kafka_resp_err_t error)
{
    pthread_mutex_lock(&topics->mutex);
    if (topics->cluster.reached != reached || topics->cluster.since_ms == 0)
        topics->cluster.since_ms = er_clock_ms();
    if (reached && !topics->cluster.reached)
        topics->cluster.text[0] = '\0';
    topics->cluster.reached = reached;
    if (!reached)
        snprintf(topics->cluster.text, sizeof topics->cluster.text, "no broker reachable at %s (%s)", servers(topics->config),
                 rd_kafka_err2str(error));
    pthread_mutex_unlock(&topics->mutex);
}

static void close_client(struct er_kafka_topics *topics)
{
    if (topics->queue != NULL)
        rd_kafka_queue_destroy(topics->queue);
    if (topics->rk != NULL)
        rd_kafka_destroy(topics->rk);
    topics->queue = NULL;
    topics->rk = NULL;
    topics->handles = 0;
}

static bool open_client(struct er_kafka_topics *topics)
{
    rd_kafka_conf_t *conf = NULL;
    struct er_err err;
    char text[512];

    if (topics->rk != NULL && topics->handles < HANDLES_MAX)
        return true;
    close_client(topics);
    if (er_kafka_conf_new(topics->config, ER_KAFKA_ADMIN, 0, &topics->handle, &conf, &err) != ER_OK)
        return false;
    topics->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (topics->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        er_log_write(topics->log, ER_LOG_ERROR, ER_LM("client for topics cannot be made"), ER_LF("error", text));
        return false;
    }
    topics->queue = rd_kafka_queue_new(topics->rk);
    return topics->queue != NULL;
}

/* Metadata of one topic by name, or of all when name is NULL. Returns owned. */
static const struct rd_kafka_metadata *ask(struct er_kafka_topics *topics, const char *name, uint64_t timeout_ms)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *rkt = NULL;
    rd_kafka_resp_err_t error;

    if (!open_client(topics))
        return NULL;
    if (name != NULL) {
        rkt = rd_kafka_topic_new(topics->rk, name, NULL);
        topics->handles++;
        if (rkt == NULL)
            return NULL;
    }
    error = rd_kafka_metadata(topics->rk, rkt == NULL, rkt, &metadata, (int)timeout_ms);
    if (rkt != NULL)
        rd_kafka_topic_destroy(rkt);
    rd_kafka_poll(topics->rk, 0);
    learn(topics, error == RD_KAFKA_RESP_ERR_NO_ERROR, error);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? metadata : NULL;
}

static const rd_kafka_metadata_topic_t *find(const struct rd_kafka_metadata *metadata, const char *name)
{
    for (int i = 0; i < metadata->topic_cnt; i++) {
        if (strcmp(metadata->topics[i].topic, name) == 0)
            return &metadata->topics[i];
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const rd_kafka_metadata_topic_t *)a)->topic, ((const rd_kafka_metadata_topic_t *)b)->topic);
}

static bool has_leaders(const rd_kafka_metadata_topic_t *topic)
{
    for (int i = 0; i < topic->partition_cnt; i++) {
        if (topic->partitions[i].leader < 0)
            return false;
    }
    return topic->partition_cnt > 0;
}

enum seen { SEEN_NOTHING, SEEN_MISSING, SEEN_NO_LEADER, SEEN_READY };

static void settle(struct er_topic *item, enum er_code code, const char *text)
{
    item->code = code;
    snprintf(item->text, sizeof item->text, "%.*s", (int)sizeof item->text - 1, text);
}

/* An unsettled item has code ER_E_KAFKA_TIMEOUT: what it will get if nothing better comes. */
static bool settled(const struct er_topic *item)
{
    return item->code != ER_E_KAFKA_TIMEOUT;
}

static enum seen look_at(struct er_topic *item, const rd_kafka_metadata_topic_t *topic)
{
    if (topic == NULL || topic->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || topic->err == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
        return SEEN_MISSING;
    if (topic->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || topic->err == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION) {
        settle(item, ER_E_KAFKA, rd_kafka_err2str(topic->err));
        return SEEN_NOTHING;
    }
    item->created |= item->doubtful; /* it was missing, and then we asked for it */
    if (!has_leaders(topic) && item->inspect) {
        settle(item, ER_E_DESTINATION_LEADERLESS, er_code_title(ER_E_DESTINATION_LEADERLESS));
        return SEEN_NOTHING;
    }
    if (!has_leaders(topic)) {
        snprintf(item->text, sizeof item->text, "topic has no leader yet");
        return SEEN_NO_LEADER;
    }
    settle(item, ER_OK, "");
    return SEEN_READY;
}

/* One look at every unsettled topic. missing[i] = it does not exist. False when no broker answered. */
static bool look(struct er_kafka_topics *topics, struct er_topics_job *job, size_t unsettled, bool *missing)
{
    bool all = unsettled > ONE_BY_ONE;
    const struct rd_kafka_metadata *metadata = NULL;

    if (all) {
        metadata = ask(topics, NULL, SLICE_MS * 2);
        if (metadata == NULL)
            return false;
        qsort(metadata->topics, (size_t)metadata->topic_cnt, sizeof *metadata->topics, by_name);
    }
    for (size_t i = 0; i < job->n; i++) {
        struct er_topic *item = &job->items[i];
        rd_kafka_metadata_topic_t key;

        missing[i] = false;
        if (settled(item))
            continue;
        if (all) {
            memset(&key, 0, sizeof key);
            memcpy(&key.topic, &item->name, sizeof key.topic);
            missing[i] =
                look_at(item, bsearch(&key, metadata->topics, (size_t)metadata->topic_cnt, sizeof key, by_name)) == SEEN_MISSING;
            continue;
        }
        metadata = ask(topics, item->name, SLICE_MS);
        if (metadata == NULL)
            return false;
        missing[i] = look_at(item, find(metadata, item->name)) == SEEN_MISSING;
        rd_kafka_metadata_destroy(metadata);
        metadata = NULL;
    }
    if (metadata != NULL)
        rd_kafka_metadata_destroy(metadata);
    return true;
}

static bool is_retriable(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR__TIMED_OUT || error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__DESTROY ||
           error == RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE || error == RD_KAFKA_RESP_ERR_NOT_CONTROLLER ||
           error == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT || error == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
           error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE || error == RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED ||
           error == RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION;
}

/* The broker may have made the topic, or may still make it. */
static bool is_unanswered(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR__TIMED_OUT || error == RD_KAFKA_RESP_ERR__TRANSPORT || error == RD_KAFKA_RESP_ERR__DESTROY ||
           error == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT || error == RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION;
}

static void take_answer(struct er_topics_job *job, const rd_kafka_topic_result_t *result)
{
    rd_kafka_resp_err_t error = rd_kafka_topic_result_error(result);
    const char *name = rd_kafka_topic_result_name(result);
    const char *why = rd_kafka_topic_result_error_string(result);

    for (size_t i = 0; i < job->n; i++) {
        struct er_topic *item = &job->items[i];

        if (settled(item) || strcmp(item->name, name) != 0)
            continue;
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR || (error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS && item->doubtful)) {
            item->created = true;
            snprintf(item->text, sizeof item->text, "topic was made, but has no leader yet");
        } else if (is_unanswered(error)) {
            item->doubtful = true;
        } else if (error != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS && !is_retriable(error)) {
            char text[160];

            snprintf(text, sizeof text, "cannot be made: %s", why != NULL && why[0] != '\0' ? why : rd_kafka_err2str(error));
            settle(item, ER_E_KAFKA, text);
        }
        return;
    }
}

/* The request as a whole failed. */
static void take_failure(struct er_topics_job *job, rd_kafka_event_t *event)
{
    for (size_t i = 0; i < job->n; i++) {
        struct er_topic *item = &job->items[i];

        if (settled(item))
            continue;
        snprintf(item->text, sizeof item->text, "cannot be made: %s", rd_kafka_event_error_string(event));
        item->doubtful |= item->asked && is_unanswered(rd_kafka_event_error(event));
    }
}

static rd_kafka_NewTopic_t *new_topic(const struct er_config *config, const struct er_topic *item, char *text, size_t size)
{
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(item->name, item->partitions, config->destination_replication, text, size);

    /* the copies keep the time of the event */
    if (topic != NULL)
        (void)rd_kafka_NewTopic_set_config(topic, "message.timestamp.type", "CreateTime");
    return topic;
}

/* One CreateTopics request and its answer. */
static void create_batch(struct er_kafka_topics *topics, struct er_topics_job *job, rd_kafka_NewTopic_t **batch, size_t n)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(topics->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_event_t *event = NULL;
    char text[256];

    if (options == NULL)
        return;
    (void)rd_kafka_AdminOptions_set_request_timeout(options, SLICE_MS * 3, text, sizeof text);
    (void)rd_kafka_AdminOptions_set_operation_timeout(options, SLICE_MS * 2, text, sizeof text);
    rd_kafka_CreateTopics(topics->rk, batch, n, options, topics->queue);
    rd_kafka_AdminOptions_destroy(options);
    while (event == NULL) {
        event = rd_kafka_queue_poll(topics->queue, SLICE_MS);
        if (event != NULL && rd_kafka_event_type(event) != RD_KAFKA_EVENT_CREATETOPICS_RESULT) {
            rd_kafka_event_destroy(event);
            event = NULL;
        }
    }
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_failure(job, event);
    } else {
        size_t answers = 0;
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &answers);

        for (size_t i = 0; i < answers; i++)
            take_answer(job, results[i]);
    }
    rd_kafka_event_destroy(event);
}

static void create_by_kafka(struct er_kafka_topics *topics, struct er_topics_job *job, const bool *missing)
{
    rd_kafka_NewTopic_t *batch[CREATE_BATCH];
    size_t n = 0;
    char text[160];

    for (size_t i = 0; i < job->n; i++) {
        if (missing[i] && !settled(&job->items[i])) {
            batch[n] = new_topic(topics->config, &job->items[i], text, sizeof text);
            job->items[i].asked = batch[n] != NULL;
            if (batch[n] == NULL)
                settle(&job->items[i], ER_E_KAFKA, text);
            else
                n++;
        }
        if (n == CREATE_BATCH || (n > 0 && i + 1 == job->n)) {
            create_batch(topics, job, batch, n);
            rd_kafka_NewTopic_destroy_array(batch, n);
            n = 0;
            for (size_t j = 0; j <= i; j++)
                job->items[j].asked = false;
        }
    }
}

static void create_by_ops(struct er_kafka_topics *topics, struct er_topics_job *job, const bool *missing)
{
    for (size_t i = 0; i < job->n; i++) {
        struct er_topic *item = &job->items[i];
        struct er_err err;

        if (!missing[i] || settled(item))
            continue;
        if (topics->ops.create(topics->ops.ctx, item->name, item->partitions, &err) == ER_OK)
            item->created = true;
        else
            settle(item, ER_E_KAFKA, err.text);
    }
}

static size_t count_unsettled(const struct er_topics_job *job)
{
    size_t n = 0;

    for (size_t i = 0; i < job->n; i++)
        n += !settled(&job->items[i]);
    return n;
}

/* Missing topics that may not be made are settled; true when some are left to be made. */
static bool sort_missing(struct er_topics_job *job, const bool *missing)
{
    bool any = false;

    for (size_t i = 0; i < job->n; i++) {
        if (!missing[i] || settled(&job->items[i]))
            continue;
        if (job->items[i].create)
            any = true;
        else
            settle(&job->items[i], ER_E_DESTINATION_MISSING, "topic does not exist, and destinations.create is off");
    }
    return any;
}

/* The mock cluster makes a topic of four partitions when it is first asked about it: its maker must come before the first look. */
static void create_ahead(struct er_kafka_topics *topics, struct er_topics_job *job, bool *missing)
{
    for (size_t i = 0; i < job->n; i++)
        missing[i] = job->items[i].create;
    create_by_ops(topics, job, missing);
    memset(missing, 0, job->n * sizeof *missing);
}

static bool must_yield(struct er_kafka_topics *topics, const struct er_topics_job *job)
{
    bool yield;

    pthread_mutex_lock(&topics->mutex);
    yield = topics->stopping || (!job->urgent && topics->urgent != NULL);
    pthread_mutex_unlock(&topics->mutex);
    return yield;
}

/* False when the job has to be continued later, because somebody urgent came. */
static bool run_job(struct er_kafka_topics *topics, struct er_topics_job *job)
{
    bool *missing;
    size_t unsettled;

    if (job->describe) {
        job->reached = open_client(topics) && er_kafka_describe(topics->rk, topics->queue, job);
        return true;
    }
    missing = calloc(job->n + 1, sizeof *missing);
    if (missing != NULL && topics->ops.create != NULL)
        create_ahead(topics, job, missing);
    while (missing != NULL && (unsettled = count_unsettled(job)) > 0 && er_clock_ms() < job->deadline_ms) {
        if (must_yield(topics, job)) {
            free(missing);
            return false;
        }
        if (!look(topics, job, unsettled, missing)) {
            pause_ms(topics, RETRY_MS * 2);
            continue;
        }
        job->reached = true;
        if (sort_missing(job, missing)) {
            if (topics->ops.create != NULL)
                create_by_ops(topics, job, missing);
            else if (open_client(topics))
                create_by_kafka(topics, job, missing);
        }
        if (count_unsettled(job) > 0)
            pause_ms(topics, RETRY_MS / 5);
    }
    free(missing);
    for (size_t i = 0; i < job->n && !job->reached; i++) {
        if (!settled(&job->items[i]))
            snprintf(job->items[i].text, sizeof job->items[i].text, "no broker reachable at %s", servers(topics->config));
    }
    return true;
}

/* Is the cluster there, and are the source topics? */
static void watch(struct er_kafka_topics *topics)
{
    int32_t partitions = 0;
    const char *gone = NULL;

    for (size_t i = 0; i < topics->config->n_topics; i++) {
        const struct rd_kafka_metadata *metadata = ask(topics, topics->config->topics[i], SLICE_MS);
        const rd_kafka_metadata_topic_t *topic = metadata == NULL ? NULL : find(metadata, topics->config->topics[i]);

        if (metadata == NULL)
            return;
        if (topic == NULL || topic->partition_cnt == 0)
            gone = topics->config->topics[i];
        else
            partitions += topic->partition_cnt;
        rd_kafka_metadata_destroy(metadata);
    }
    pthread_mutex_lock(&topics->mutex);
    topics->cluster.partitions = partitions;
    topics->cluster.source_missing = gone != NULL;
    topics->cluster.text[0] = '\0';
    if (gone != NULL)
        snprintf(topics->cluster.text, sizeof topics->cluster.text, "source topic %.200s does not exist", gone);
    pthread_mutex_unlock(&topics->mutex);
}

static struct er_topics_job *next_job(struct er_kafka_topics *topics, uint64_t next_watch)
{
    struct timespec until = { .tv_sec = (time_t)(next_watch / 1000), .tv_nsec = (long)(next_watch % 1000) * 1000000 };
    struct er_topics_job **list;
    struct er_topics_job *job = NULL;

    while (!topics->stopping && topics->urgent == NULL && topics->background == NULL) {
        if (pthread_cond_timedwait(&topics->cond, &topics->mutex, &until) != 0)
            break;
    }
    list = topics->urgent != NULL ? &topics->urgent : &topics->background;
    if (!topics->stopping && *list != NULL) {
        job = *list;
        *list = job->next;
    }
    return job;
}

static void put_back(struct er_kafka_topics *topics, struct er_topics_job *job)
{
    struct er_topics_job **list = job->urgent ? &topics->urgent : &topics->background;

    pthread_mutex_lock(&topics->mutex);
    job->next = *list;
    *list = job;
    pthread_mutex_unlock(&topics->mutex);
}

static void answer(struct er_kafka_topics *topics, struct er_topics_job *job)
{
    uint64_t one = 1;

    pthread_mutex_lock(&topics->mutex);
    append(&topics->answered, job);
    pthread_mutex_unlock(&topics->mutex);
    if (write(topics->wakeup_fd, &one, sizeof one) < 0)
        return; /* the counter is full: the reader is awake anyway */
}

static void tell(struct er_kafka_topics *topics, bool *what)
{
    pthread_mutex_lock(&topics->mutex);
    *what = true;
    pthread_cond_broadcast(&topics->cond);
    pthread_mutex_unlock(&topics->mutex);
}

static void *run(void *arg)
{
    struct er_kafka_topics *topics = arg;
    uint64_t next_watch = 0;

    while (!is_stopping(topics)) {
        struct er_topics_job *job;

        pthread_mutex_lock(&topics->mutex);
        job = next_job(topics, next_watch);
        pthread_mutex_unlock(&topics->mutex);
        if (job != NULL && run_job(topics, job))
            answer(topics, job);
        else if (job != NULL)
            put_back(topics, job);
        if (er_clock_ms() >= next_watch && !is_stopping(topics)) {
            watch(topics);
            next_watch = er_clock_ms() + (topics->cluster.reached ? WATCH_MS : WATCH_DOWN_MS);
        }
    }
    tell(topics, &topics->leaving);
    ER_FAILPOINT("before-topics-close");
    close_client(topics);
    tell(topics, &topics->left);
    return NULL;
}

enum er_code er_kafka_topics_new(const struct er_config *config, struct er_log *log, const struct er_topic_ops *ops, int wakeup_fd,
                                 struct er_kafka_topics **out, struct er_err *err)
{
    struct er_kafka_topics *topics = calloc(1, sizeof *topics);
    pthread_condattr_t attr;

    if (topics == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    topics->config = config;
    topics->log = log;
    topics->wakeup_fd = wakeup_fd;
    if (ops != NULL)
        topics->ops = *ops;
    topics->handle.log = log;
    topics->handle.name = "topics";
    snprintf(topics->cluster.text, sizeof topics->cluster.text, "no broker reachable at %s yet", servers(config));
    pthread_mutex_init(&topics->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&topics->cond, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&topics->thread, NULL, run, topics) != 0) {
        pthread_cond_destroy(&topics->cond);
        pthread_mutex_destroy(&topics->mutex);
        free(topics);
        return er_err_set(err, ER_E_SYSTEM, "no thread for topics can be started; raise the limit of threads");
    }
    *out = topics;
    return ER_OK;
}

static void refuse(struct er_topics_job *list)
{
    while (list != NULL) {
        struct er_topics_job *job = list;

        list = job->next;
        for (size_t i = 0; i < job->n; i++) {
            if (!settled(&job->items[i]))
                settle(&job->items[i], ER_E_UNAVAILABLE, "the router is stopping");
        }
        job->done(job->arg, job);
    }
}

void er_kafka_topics_stop(struct er_kafka_topics *topics)
{
    pthread_mutex_lock(&topics->mutex);
    topics->stopping = true;
    pthread_cond_signal(&topics->cond);
    pthread_mutex_unlock(&topics->mutex);
}

/* False: the client does not close in time (seen with 2.0.2 while a broker was dead). */
static bool wait_until_left(struct er_kafka_topics *topics)
{
    uint64_t end;
    struct timespec until;
    bool left;

    pthread_mutex_lock(&topics->mutex);
    while (!topics->leaving)
        pthread_cond_wait(&topics->cond, &topics->mutex);
    end = er_clock_ms() + CLOSE_MS;
    until = (struct timespec){ .tv_sec = (time_t)(end / 1000), .tv_nsec = (long)(end % 1000) * 1000000 };
    while (!topics->left && er_clock_ms() < end) {
        if (pthread_cond_timedwait(&topics->cond, &topics->mutex, &until) != 0)
            break;
    }
    left = topics->left;
    pthread_mutex_unlock(&topics->mutex);
    return left;
}

void er_kafka_topics_free(struct er_kafka_topics *topics)
{
    bool left;

    if (topics == NULL)
        return;
    er_kafka_topics_stop(topics);
    left = wait_until_left(topics);
    refuse(topics->answered);
    refuse(topics->urgent);
    refuse(topics->background);
    if (!left) {
        /* nothing is lost by ending without it, and the process ends anyway */
        er_log_write(topics->log, ER_LOG_WARN, ER_LM("a client did not close in time"), ER_LF("client", topics->handle.name));
        topics->handle.log = NULL;
        (void)pthread_detach(topics->thread);
        return;
    }
    pthread_join(topics->thread, NULL);
    pthread_cond_destroy(&topics->cond);
    pthread_mutex_destroy(&topics->mutex);
    free(topics);
}

void er_kafka_topics_submit(struct er_kafka_topics *topics, struct er_topics_job *job)
{
    for (size_t i = 0; i < job->n; i++) {
        job->items[i].code = ER_E_KAFKA_TIMEOUT;
        job->items[i].created = false;
        job->items[i].max_bytes = 0;
        snprintf(job->items[i].text, sizeof job->items[i].text, "no answer in time");
    }
    job->reached = false;
    job->deadline_ms = er_clock_ms() + job->budget_ms;
    pthread_mutex_lock(&topics->mutex);
    append(job->urgent ? &topics->urgent : &topics->background, job);
    pthread_cond_signal(&topics->cond);
    pthread_mutex_unlock(&topics->mutex);
}

void er_kafka_topics_dispatch(struct er_kafka_topics *topics)
{
    struct er_topics_job *list;

    pthread_mutex_lock(&topics->mutex);
    list = topics->answered;
    topics->answered = NULL;
    pthread_mutex_unlock(&topics->mutex);
    while (list != NULL) {
        struct er_topics_job *job = list;

        list = job->next;
        job->done(job->arg, job);
    }
}

void er_kafka_topics_cluster(struct er_kafka_topics *topics, struct er_kafka_cluster *out)
{
    pthread_mutex_lock(&topics->mutex);
    *out = topics->cluster;
    pthread_mutex_unlock(&topics->mutex);
}

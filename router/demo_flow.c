#include "router/demo_flow.h"

#include <pthread.h>
#include <stdlib.h>
#include "router/clock.h"
#include "router/demo_events.h"

#define EVENTS_PER_SECOND 200u
#define STEP_MS 10
#define MEASURE_MS 400
#define FLUSH_MS 10000
#define SEED UINT64_C(20260101)

struct er_demo_flow {
    struct er_demo_kafka *kafka; /* the thread's */
    const char *topic;
    pthread_t thread;
    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t wake;
    bool end; /* asked for */
    bool ended;
    bool quit;
    uint64_t measurements; /* complete ones */
    uint64_t published;
    uint64_t events;
    size_t n;
    struct er_demo_topic topics[ER_DEMO_TOPICS_MAX];
};

/* Called with the mutex held. */
static void wait_step(struct er_demo_flow *flow)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += STEP_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    if (!flow->quit)
        (void)pthread_cond_timedwait(&flow->wake, &flow->mutex, &until);
}

static void measure(struct er_demo_flow *flow)
{
    struct er_demo_topic topics[ER_DEMO_TOPICS_MAX];
    size_t n;

    (void)pthread_mutex_lock(&flow->mutex);
    n = flow->n;
    memcpy(topics, flow->topics, n * sizeof *topics);
    (void)pthread_mutex_unlock(&flow->mutex);
    for (size_t i = 0; i < n; i++) {
        uint64_t written = 0;

        if (er_demo_kafka_written(flow->kafka, topics[i].name, &written))
            topics[i].written = written;
    }
    (void)pthread_mutex_lock(&flow->mutex);
    for (size_t i = 0; i < flow->n; i++) {
        for (size_t j = 0; j < n; j++) {
            if (strcmp(flow->topics[i].name, topics[j].name) == 0)
                flow->topics[i].written = topics[j].written;
        }
    }
    flow->measurements++;
    (void)pthread_mutex_unlock(&flow->mutex);
}

/* As many events as are due; a full queue is tried again in the next step. */
static uint64_t publish(struct er_demo_flow *flow, struct er_demo_events *events, uint64_t started_ms, uint64_t published)
{
    uint64_t due = (er_clock_ms() - started_ms) * EVENTS_PER_SECOND / 1000;
    struct er_demo_event event;

    while (published < due) {
        struct er_demo_events before = *events;

        er_demo_events_next(events, er_clock_wall_ms(), &event);
        if (!er_demo_kafka_publish(flow->kafka, flow->topic, event.key, event.value)) {
            *events = before;
            break;
        }
        published++;
    }
    er_demo_kafka_poll(flow->kafka);
    return published;
}

/* Everything that was queued is written. Others may have published too: what counts is what the topic has. */
static void end_flow(struct er_demo_flow *flow, uint64_t published)
{
    uint64_t written = 0;

    (void)er_demo_kafka_flush(flow->kafka, FLUSH_MS);
    if (!er_demo_kafka_written(flow->kafka, flow->topic, &written) || written < published)
        written = published;
    (void)pthread_mutex_lock(&flow->mutex);
    flow->events = written;
    flow->ended = true;
    (void)pthread_mutex_unlock(&flow->mutex);
}

static void *run(void *arg)
{
    struct er_demo_flow *flow = arg;
    struct er_demo_events events;
    uint64_t started = er_clock_ms();
    uint64_t measured = started;
    uint64_t published = 0;
    bool end = false, ended = false, quit = false;

    er_demo_events_init(&events, SEED);
    while (!quit) {
        if (!end)
            published = publish(flow, &events, started, published);
        else if (!ended)
            end_flow(flow, published);
        ended = end;
        if (er_clock_ms() - measured >= MEASURE_MS) {
            measure(flow);
            measured = er_clock_ms();
        }
        (void)pthread_mutex_lock(&flow->mutex);
        flow->published = published;
        wait_step(flow);
        end = flow->end;
        quit = flow->quit;
        (void)pthread_mutex_unlock(&flow->mutex);
    }
    return NULL;
}

enum er_code er_demo_flow_start(struct er_demo_kafka *kafka, const char *topic, struct er_demo_flow **out, struct er_err *err)
{
    struct er_demo_flow *flow = calloc(1, sizeof *flow);
    pthread_condattr_t attributes;

    *out = NULL;
    if (flow == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    flow->kafka = kafka;
    flow->topic = topic;
    (void)pthread_mutex_init(&flow->mutex, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&flow->wake, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    if (pthread_create(&flow->thread, NULL, run, flow) != 0) {
        (void)pthread_cond_destroy(&flow->wake);
        (void)pthread_mutex_destroy(&flow->mutex);
        free(flow);
        return er_err_set(err, ER_E_SYSTEM, "the demo's thread cannot be started");
    }
    *out = flow;
    return ER_OK;
}

void er_demo_flow_free(struct er_demo_flow *flow)
{
    if (flow == NULL)
        return;
    (void)pthread_mutex_lock(&flow->mutex);
    flow->quit = true;
    (void)pthread_cond_signal(&flow->wake);
    (void)pthread_mutex_unlock(&flow->mutex);
    (void)pthread_join(flow->thread, NULL);
    (void)pthread_cond_destroy(&flow->wake);
    (void)pthread_mutex_destroy(&flow->mutex);
    free(flow);
}

void er_demo_flow_watch(struct er_demo_flow *flow, struct er_demo_topic *topics, size_t n)
{
    (void)pthread_mutex_lock(&flow->mutex);
    for (size_t i = 0; i < n; i++) {
        topics[i].written = 0;
        for (size_t j = 0; j < flow->n; j++) {
            if (strcmp(topics[i].name, flow->topics[j].name) == 0)
                topics[i].written = flow->topics[j].written;
        }
    }
    flow->n = n;
    memcpy(flow->topics, topics, n * sizeof *topics);
    (void)pthread_mutex_unlock(&flow->mutex);
}

uint64_t er_demo_flow_published(struct er_demo_flow *flow)
{
    uint64_t published;

    (void)pthread_mutex_lock(&flow->mutex);
    published = flow->published;
    (void)pthread_mutex_unlock(&flow->mutex);
    return published;
}

void er_demo_flow_end(struct er_demo_flow *flow)
{
    (void)pthread_mutex_lock(&flow->mutex);
    flow->end = true;
    (void)pthread_mutex_unlock(&flow->mutex);
}

bool er_demo_flow_ended(struct er_demo_flow *flow, uint64_t *events)
{
    bool ended;

    (void)pthread_mutex_lock(&flow->mutex);
    ended = flow->ended;
    *events = flow->events;
    (void)pthread_mutex_unlock(&flow->mutex);
    return ended;
}

uint64_t er_demo_flow_measurements(struct er_demo_flow *flow)
{
    uint64_t n;

    (void)pthread_mutex_lock(&flow->mutex);
    n = flow->measurements;
    (void)pthread_mutex_unlock(&flow->mutex);
    return n;
}

#include "router/worker_thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "router/kafka_conf.h"
#include "router/kafka_sink.h"
#include "router/kafka_txn.h"

/* A topic on its way between the threads. */
struct letter {
    struct letter *next;
    enum er_worker_ask_kind kind;
    enum er_code code;
    uint32_t max_bytes;
    char text[160];
    size_t n;
    char topic[];
};

/* A destination with trouble, as the worker showed it last. */
struct lane {
    struct er_lane_view view; /* its texts are these */
    char topic[256];
    char text[160];
};

struct er_worker_thread {
    struct er_worker_thread_options options;
    struct er_counters counters;
    struct er_kafka_source *source;
    struct er_kafka_sink *sink;
    struct er_kafka_txn *txn; /* NULL: at-least-once */
    struct er_worker *worker; /* its thread */
    pthread_t thread;
    bool started;
    bool told; /* its thread: er_worker_stop was called */
    atomic_bool stop;
    atomic_bool stopped;
    atomic_bool mail; /* answers are waiting */
    _Atomic uint64_t finish_ms, leave_ms;

    pthread_mutex_t mutex;
    struct letter *asks, *answers; /* mutex */
    struct lane *lanes;            /* mutex */
    size_t n_lanes, lanes_room;    /* mutex */
    bool dead_letter_down;         /* mutex */
    char dead_letter_text[256];    /* mutex */
};

static void wake_main(struct er_worker_thread *thread)
{
    uint64_t one = 1;

    if (write(thread->options.wakeup_fd, &one, sizeof one) < 0)
        return; /* the counter is full: main is awake anyway */
}

static struct letter *letter_new(const struct er_worker_ask *ask, const struct er_worker_answer *answer)
{
    struct letter *letter = calloc(1, sizeof *letter + ask->topic.n + 1);

    if (letter == NULL)
        return NULL;
    memcpy(letter->topic, ask->topic.p, ask->topic.n);
    letter->n = ask->topic.n;
    letter->kind = ask->kind;
    letter->code = answer->code;
    letter->max_bytes = answer->max_bytes;
    snprintf(letter->text, sizeof letter->text, "%.*s", (int)sizeof letter->text - 1, answer->text);
    return letter;
}

static void letters_free(struct letter *letter)
{
    while (letter != NULL) {
        struct letter *next = letter->next;

        free(letter);
        letter = next;
    }
}

/* ---- the worker's hooks: on its thread ---- */

static void ask_main(struct er_worker_thread *thread, struct er_str topic, enum er_worker_ask_kind kind)
{
    struct letter *letter = letter_new(&(struct er_worker_ask){ topic, kind }, &(struct er_worker_answer){ ER_OK, "", 0 });

    if (letter == NULL)
        return; /* the worker asks again after its deadline */
    pthread_mutex_lock(&thread->mutex);
    letter->next = thread->asks;
    thread->asks = letter;
    pthread_mutex_unlock(&thread->mutex);
    wake_main(thread);
}

static void on_ensure(void *ctx, struct er_str topic)
{
    ask_main(ctx, topic, ER_ASK_ENSURE);
}

static void on_inspect(void *ctx, struct er_str topic)
{
    ask_main(ctx, topic, ER_ASK_INSPECT);
}

static void on_describe(void *ctx, struct er_str topic)
{
    ask_main(ctx, topic, ER_ASK_DESCRIBE);
}

static void on_breaker(void *ctx, struct er_str topic, enum er_breaker_state state, const char *text)
{
    struct er_worker_thread *thread = ctx;

    er_log_write(thread->options.log, state == ER_BREAKER_OPEN || state == ER_BREAKER_CLOSED ? ER_LOG_WARN : ER_LOG_DEBUG,
                 ER_LM("breaker of a destination"), ER_LFS("topic", topic), ER_LF("state", er_breaker_state_name(state)),
                 ER_LF("reason", text), ER_LFI("worker", thread->options.index));
}

/* Under the mutex. Without memory the rest is not shown. */
static size_t make_room(struct er_worker_thread *thread, size_t n)
{
    struct lane *lanes;

    if (n > thread->lanes_room) {
        lanes = realloc(thread->lanes, n * sizeof *lanes);
        if (lanes == NULL)
            return thread->lanes_room;
        thread->lanes = lanes;
        thread->lanes_room = n;
    }
    return n;
}

static void on_lanes(void *ctx, const struct er_lane_view *views, size_t n)
{
    struct er_worker_thread *thread = ctx;

    pthread_mutex_lock(&thread->mutex);
    thread->n_lanes = make_room(thread, n);
    for (size_t i = 0; i < thread->n_lanes; i++) {
        struct lane *lane = &thread->lanes[i];

        lane->view = views[i];
        snprintf(lane->topic, sizeof lane->topic, "%.*s", ER_STR_ARG(views[i].topic));
        snprintf(lane->text, sizeof lane->text, "%s", views[i].text);
    }
    pthread_mutex_unlock(&thread->mutex);
}

static void on_dead_letter_health(void *ctx, bool ok, const char *text)
{
    struct er_worker_thread *thread = ctx;

    if (ok)
        er_log_write(thread->options.log, ER_LOG_INFO, ER_LM("dead-letter topic is writable again"),
                     ER_LFI("worker", thread->options.index));
    else
        er_log_write(thread->options.log, ER_LOG_ERROR, ER_LM("dead-letter topic is not writable; its source partitions wait"),
                     ER_LF("error", text), ER_LFI("worker", thread->options.index));
    pthread_mutex_lock(&thread->mutex);
    thread->dead_letter_down = !ok;
    snprintf(thread->dead_letter_text, sizeof thread->dead_letter_text, "%s", ok ? "" : text);
    pthread_mutex_unlock(&thread->mutex);
}

/* ---- the thread ---- */

static void hand_over(struct er_worker *worker, const struct letter *letter)
{
    struct er_str topic = { letter->topic, letter->n };

    switch (letter->kind) {
    case ER_ASK_ENSURE:
        er_worker_ensured(worker, topic, letter->code, letter->text);
        return;
    case ER_ASK_INSPECT:
        er_worker_inspected(worker, topic, letter->code);
        return;
    case ER_ASK_DESCRIBE:
        er_worker_described(worker, topic, letter->max_bytes);
        return;
    }
}

static void read_mail(struct er_worker_thread *thread)
{
    struct letter *letters;

    if (!atomic_exchange_explicit(&thread->mail, false, memory_order_acquire))
        return;
    pthread_mutex_lock(&thread->mutex);
    letters = thread->answers;
    thread->answers = NULL;
    pthread_mutex_unlock(&thread->mutex);
    for (const struct letter *letter = letters; letter != NULL; letter = letter->next)
        hand_over(thread->worker, letter);
    letters_free(letters);
}

static void read_stop(struct er_worker_thread *thread)
{
    if (thread->told || !atomic_load_explicit(&thread->stop, memory_order_acquire))
        return;
    thread->told = true;
    er_worker_stop(thread->worker, (int64_t)atomic_load(&thread->finish_ms) * ER_MS_NS);
}

static void *run(void *arg)
{
    struct er_worker_thread *thread = arg;
    size_t unfinished;

    do {
        read_mail(thread);
        read_stop(thread);
    } while (er_worker_step(thread->worker) != ER_WORKER_STOPPED);
    unfinished = er_worker_in_flight(thread->worker);
    if (unfinished > 0)
        er_log_write(thread->options.log, ER_LOG_WARN, ER_LM("stopped with events in flight; they will be routed again"),
                     ER_LFI("worker", thread->options.index), ER_LFI("events", unfinished));
    er_worker_free(thread->worker);
    thread->worker = NULL;
    er_kafka_source_close(thread->source, atomic_load(&thread->leave_ms));
    atomic_store(&thread->stopped, true);
    wake_main(thread);
    return NULL;
}

static enum er_code make_txn(struct er_worker_thread *thread, struct er_err *err)
{
    struct er_kafka_txn_options options = { thread->options.config, thread->options.log, thread->source,
                                            thread->sink,           &thread->counters,   thread->options.index };

    return er_kafka_txn_new(&options, &thread->txn, err);
}

static enum er_code make_worker(struct er_worker_thread *thread, struct er_err *err)
{
    const struct er_config *config = thread->options.config;
    struct er_worker_options options = {
        .source = er_kafka_source_seam(thread->source),
        .sink = er_kafka_sink_seam(thread->sink),
        .clock = er_clock_system(),
        .hooks = { thread, on_ensure, on_inspect, on_describe, on_breaker, on_lanes, on_dead_letter_health },
        .limits = er_worker_default_limits(),
        .ruleset = thread->options.ruleset,
        .counters = &thread->counters,
        .provenance = config->provenance,
        .compressed = er_kafka_compresses(config),
        .dead_letter_topic = config->dead_letter_topic,
        .unmatched_topic = config->unmatched_topic,
    };

    if (thread->txn != NULL)
        options.txn = er_kafka_txn_seam(thread->txn);
    if (er_kafka_user_lingers(config))
        options.limits.hurry_ns = 0; /* what the user says about batches holds */
    return er_worker_new(&options, &thread->worker, err);
}

enum er_code er_worker_thread_start(const struct er_worker_thread_options *options, struct er_worker_thread **out,
                                    struct er_err *err)
{
    struct er_worker_thread *thread = calloc(1, sizeof *thread);
    enum er_code code;

    if (thread == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    thread->options = *options;
    pthread_mutex_init(&thread->mutex, NULL);
    code = er_kafka_source_new(options->config, options->log, options->index, &thread->source, err);
    if (code == ER_OK)
        code = er_kafka_sink_new(options->config, options->log, options->index, &thread->sink, err);
    if (code == ER_OK && options->config->delivery == ER_DELIVERY_EXACTLY_ONCE)
        code = make_txn(thread, err);
    if (code == ER_OK)
        code = make_worker(thread, err);
    if (code == ER_OK)
        code = er_kafka_source_subscribe(thread->source, err);
    if (code == ER_OK && pthread_create(&thread->thread, NULL, run, thread) != 0)
        code = er_err_set(err, ER_E_SYSTEM, "no thread for a worker can be started; raise the limit of threads");
    thread->started = code == ER_OK;
    if (code != ER_OK) {
        er_worker_thread_free(thread);
        return code;
    }
    *out = thread;
    return ER_OK;
}

void er_worker_thread_stop(struct er_worker_thread *thread, uint64_t finish_ms, uint64_t leave_ms)
{
    atomic_store(&thread->finish_ms, finish_ms);
    atomic_store(&thread->leave_ms, leave_ms);
    atomic_store_explicit(&thread->stop, true, memory_order_release);
}

bool er_worker_thread_stopped(const struct er_worker_thread *thread)
{
    return atomic_load(&thread->stopped);
}

void er_worker_thread_free(struct er_worker_thread *thread)
{
    if (thread == NULL)
        return;
    if (thread->started) {
        if (!atomic_load(&thread->stop))
            er_worker_thread_stop(thread, er_clock_ms(), er_clock_ms() + 500);
        pthread_join(thread->thread, NULL);
    }
    er_worker_free(thread->worker);
    er_kafka_sink_free(thread->sink);
    er_kafka_txn_free(thread->txn);
    er_kafka_source_free(thread->source);
    letters_free(thread->asks);
    letters_free(thread->answers);
    free(thread->lanes);
    pthread_mutex_destroy(&thread->mutex);
    free(thread);
}

/* ---- main's side ---- */

void er_worker_thread_each_ask(struct er_worker_thread *thread, er_worker_ask_cb *cb, void *ctx)
{
    struct letter *letters;

    pthread_mutex_lock(&thread->mutex);
    letters = thread->asks;
    thread->asks = NULL;
    pthread_mutex_unlock(&thread->mutex);
    for (const struct letter *letter = letters; letter != NULL; letter = letter->next)
        cb(ctx, thread, &(struct er_worker_ask){ { letter->topic, letter->n }, letter->kind });
    letters_free(letters);
}

void er_worker_thread_answer(struct er_worker_thread *thread, const struct er_worker_ask *ask,
                             const struct er_worker_answer *answer)
{
    struct letter *letter = letter_new(ask, answer);

    if (letter == NULL)
        return;
    pthread_mutex_lock(&thread->mutex);
    letter->next = thread->answers;
    thread->answers = letter;
    pthread_mutex_unlock(&thread->mutex);
    atomic_store_explicit(&thread->mail, true, memory_order_release);
}

const struct er_counters *er_worker_thread_counters(const struct er_worker_thread *thread)
{
    return &thread->counters;
}

uint64_t er_worker_thread_producers_replaced(const struct er_worker_thread *thread)
{
    return er_kafka_sink_replaced(thread->sink);
}

void er_worker_thread_source_state(struct er_worker_thread *thread, struct er_kafka_source_state *out)
{
    er_kafka_source_state(thread->source, out);
}

void er_worker_thread_positions(struct er_worker_thread *thread, er_kafka_position_cb *cb, void *ctx)
{
    er_kafka_source_positions(thread->source, cb, ctx);
}

bool er_worker_thread_dead_letter_ok(struct er_worker_thread *thread, char *text, size_t size)
{
    bool ok;

    pthread_mutex_lock(&thread->mutex);
    ok = !thread->dead_letter_down;
    if (!ok)
        snprintf(text, size, "%s", thread->dead_letter_text);
    pthread_mutex_unlock(&thread->mutex);
    return ok;
}

void er_worker_thread_each_lane(struct er_worker_thread *thread, er_lane_cb *cb, void *ctx)
{
    pthread_mutex_lock(&thread->mutex);
    for (size_t i = 0; i < thread->n_lanes; i++) {
        struct er_lane_view view = thread->lanes[i].view;

        view.topic = er_str_of(thread->lanes[i].topic);
        view.text = thread->lanes[i].text;
        cb(ctx, &view);
    }
    pthread_mutex_unlock(&thread->mutex);
}

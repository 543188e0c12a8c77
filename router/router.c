#include "router/router.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "router/clock.h"
#include "router/kafka_check.h"
#include "router/router_internal.h"

enum {
    CHANGE_BUDGET_MS = 5000, /* for the destinations of a change */
    WARN_AGAIN_MS = 30000,   /* while no broker answers */
    TIDY_STEPS = 10,         /* of some hundred microseconds, per dispatch */
};

/* ---- start ---- */

static enum er_code apply_store(void *ctx, const struct er_ruleset_change *part, bool last, struct er_err *err)
{
    struct er_router *router = ctx;
    enum er_code code;

    if (!last)
        return er_ruleset_gather(router->ruleset, part, err);
    code = er_ruleset_prepare(router->ruleset, part, err);
    if (code == ER_OK) {
        er_ruleset_publish(router->ruleset);
        (void)er_ruleset_tidy(router->ruleset);
    }
    return code;
}

static enum er_code load_rules(struct er_router *router, struct er_err *err)
{
    const struct er_config *config = router->options.config;
    struct er_ruleset_options options = er_ruleset_default_options();
    enum er_code code;

    options.type_path = er_str_of(config->type_path);
    options.max_bytes = config->max_bytes;
    options.max_depth = config->max_depth;
    options.reject_duplicate_keys = config->reject_duplicate_keys;
    options.unindexed_rules = config->unindexed_rules;
    options.regex.value_ns = config->regex_time_ns;
    options.regex.event_ns = config->event_time_ns;
    code = er_ruleset_new(&options, &router->ruleset, err);
    if (code == ER_OK)
        code = er_store_load(router->options.store, &router->options.policy->limits, apply_store, router, err);
    return code;
}

static void submit_topics(void *ctx, struct er_topics_job *job)
{
    er_kafka_topics_submit(((struct er_router *)ctx)->topics, job);
}

static enum er_code make_parts(struct er_router *router, struct er_err *err)
{
    const struct er_router_options *o = &router->options;
    struct er_topic_watch_options watch = { o->config, o->store, o->log, submit_topics, router };
    struct er_change_queue_options queue = {
        .store = o->store,
        .policy = o->policy,
        .ruleset = router->ruleset,
        .log = o->log,
        .create = o->config->destination_create,
        .budget_ms = CHANGE_BUDGET_MS,
        .submit_topics = submit_topics,
        .ctx = router,
    };
    struct er_kafka_dead_letters_options letters = { .config = o->config, .log = o->log, .wakeup_fd = router->wakeup_fd };
    enum er_code code = er_topic_watch_new(&watch, &router->watch, err);

    queue.watch = router->watch;
    if (code == ER_OK)
        code = er_change_queue_new(&queue, &router->queue, err);
    if (code == ER_OK)
        code = er_kafka_topics_new(o->config, o->log, &router->options.topic_ops, router->wakeup_fd, &router->topics, err);
    if (code == ER_OK)
        code = er_kafka_dead_letters_new(&letters, &router->letters, err);
    if (code == ER_OK)
        code = er_topic_watch_start(router->watch, err);
    return code;
}

static void warn_without_guard(const struct er_router_options *options)
{
    if (options->config->delivery == ER_DELIVERY_EXACTLY_ONCE && options->config->guard_off)
        er_log_write(options->log, ER_LOG_WARN,
                     ER_LM("router.guard is off: a late request can lose or double events; set it to on, this is for tests only"));
}

enum er_code er_router_start(const struct er_router_options *options, struct er_router **out, struct er_err *err)
{
    struct er_router *router = calloc(1, sizeof *router);
    enum er_code code;

    if (router == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    router->options = *options;
    router->start_wall_ms = er_clock_wall_ms();
    router->start_ms = er_clock_ms();
    router->wakeup_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    code = router->wakeup_fd < 0 ? er_err_set(err, ER_E_SYSTEM, "eventfd: %s", strerror(errno)) : load_rules(router, err);
    if (code == ER_OK)
        code = make_parts(router, err);
    if (code != ER_OK) {
        er_router_free(router);
        return code;
    }
    er_kafka_warn_defects(options->log, options->config->delivery);
    warn_without_guard(options);
    *out = router;
    return ER_OK;
}

/* ---- workers ---- */

/* Automatic: one worker for two processors (its consumer and producer have threads of their own), no more than there are source
 * partitions, at least one. */
static size_t worker_count(struct er_router *router)
{
    size_t n = router->options.config->workers;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    struct er_kafka_cluster cluster;

    if (n == 0) {
        er_kafka_topics_cluster(router->topics, &cluster);
        n = online < 2 ? 1 : (size_t)online / 2;
        if (cluster.partitions > 0 && n > (size_t)cluster.partitions)
            n = (size_t)cluster.partitions;
    }
    return n > ER_WORKERS_MAX ? ER_WORKERS_MAX : n;
}

static void fail(struct er_router *router, const struct er_err *err)
{
    if (router->failed)
        return;
    router->failed = true;
    router->failure = *err;
}

static void start_workers(struct er_router *router)
{
    size_t n = worker_count(router);
    struct er_err err;

    router->started = true;
    for (size_t i = 0; i < n; i++) {
        struct er_worker_thread_options options = {
            .config = router->options.config,
            .log = router->options.log,
            .ruleset = router->ruleset,
            .index = (unsigned)i,
            .wakeup_fd = router->wakeup_fd,
        };

        if (er_worker_thread_start(&options, &router->workers[router->n_workers], &err) != ER_OK) {
            fail(router, &err);
            return;
        }
        router->n_workers++;
    }
    er_log_write(router->options.log, ER_LOG_INFO, ER_LM("workers started"), ER_LFI("workers", n));
}

/* ---- main's loop ---- */

int er_router_wakeup_fd(const struct er_router *router)
{
    return router->wakeup_fd;
}

static void warn_without_broker(struct er_router *router, uint64_t now)
{
    struct er_kafka_cluster cluster;

    er_kafka_topics_cluster(router->topics, &cluster);
    if (cluster.text[0] == '\0' || now - router->warned_ms < WARN_AGAIN_MS || now - router->start_ms < 1000)
        return;
    router->warned_ms = now;
    er_log_write(router->options.log, ER_LOG_WARN, ER_LM("not ready, trying again"), ER_LF("reason", cluster.text));
}

static void take_failures(struct er_router *router)
{
    for (size_t i = 0; i < router->n_workers; i++) {
        struct er_kafka_source_state state;
        struct er_err err;

        er_worker_thread_source_state(router->workers[i], &state);
        if (!state.failed)
            continue;
        (void)er_err_set(&err, ER_E_KAFKA, "%s", state.text);
        fail(router, &err);
    }
}

void er_router_dispatch(struct er_router *router)
{
    uint64_t now = er_clock_ms();
    uint64_t count;

    if (read(router->wakeup_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        er_log_write(router->options.log, ER_LOG_WARN, ER_LM("eventfd cannot be read"), ER_LF("error", strerror(errno)));
    er_kafka_topics_dispatch(router->topics);
    er_kafka_dead_letters_dispatch(router->letters);
    er_router_take_asks(router);
    for (int i = 0; i < TIDY_STEPS; i++) {
        if (!er_ruleset_tidy(router->ruleset))
            break;
    }
    if (router->stopping)
        return;
    er_topic_watch_tick(router->watch, now);
    if (!router->started && er_topic_watch_started(router->watch))
        start_workers(router);
    take_failures(router);
    warn_without_broker(router, now);
    er_router_log_readiness(router);
}

struct er_ruleset *er_router_ruleset(const struct er_router *router)
{
    return router->ruleset;
}

void er_router_submit(struct er_router *router, struct er_change_request *request)
{
    er_change_queue_submit(router->queue, request);
}

void er_router_letters(struct er_router *router, struct er_letters_request *request)
{
    er_kafka_dead_letters_submit(router->letters, request);
}

/* ---- stop ---- */

void er_router_stop(struct er_router *router)
{
    uint64_t now = er_clock_ms();
    uint64_t timeout = router->options.config->shutdown_timeout_ms;

    if (router->stopping)
        return;
    router->stopping = true;
    er_change_queue_stop(router->queue);
    if (router->topics != NULL)
        er_kafka_topics_stop(router->topics); /* it may have to wait for an answer: beside the workers, not after them */
    if (router->letters != NULL)
        er_kafka_dead_letters_stop(router->letters);
    /* what follows the events in flight (last reports, leaving the group, ending threads) has to fit into the timeout too */
    for (size_t i = 0; i < router->n_workers; i++)
        er_worker_thread_stop(router->workers[i], now + timeout * 7 / 10, now + timeout * 9 / 10);
}

bool er_router_draining(const struct er_router *router)
{
    return router->stopping;
}

bool er_router_stopped(const struct er_router *router)
{
    if (!router->stopping)
        return false;
    for (size_t i = 0; i < router->n_workers; i++) {
        if (!er_worker_thread_stopped(router->workers[i]))
            return false;
    }
    return true;
}

bool er_router_failed(const struct er_router *router, struct er_err *err)
{
    if (router->failed)
        *err = router->failure;
    return router->failed;
}

void er_router_free(struct er_router *router)
{
    if (router == NULL)
        return;
    if (router->queue != NULL)
        er_router_stop(router);
    /* answers to asks go to the workers: so topics first */
    er_kafka_topics_free(router->topics);
    er_router_drop_asks(router);
    for (size_t i = 0; i < router->n_workers; i++)
        er_worker_thread_free(router->workers[i]);
    er_change_queue_free(router->queue);
    er_kafka_dead_letters_free(router->letters);
    er_topic_watch_free(router->watch);
    er_ruleset_free(router->ruleset);
    if (router->wakeup_fd >= 0)
        (void)close(router->wakeup_fd);
    free(router);
}

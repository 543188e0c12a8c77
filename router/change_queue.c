#include "router/change_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include "router/clock.h"
#include "rules/base/faults.h"

/* A change that needs many topics gets more time: a broker makes and announces some hundred in a second. */
enum { TOPIC_MS = 40, MAX_EXTRA = 10000 };

/* The destinations of one change on their way to the topics thread. Lives until the job is answered, even if the queue was stopped. */
struct ensure {
    struct er_topics_job job;
    struct er_change_queue *queue; /* NULL: nobody waits any more */
    struct er_topic *items;
    const struct er_destination **destinations; /* of the plan, one per item; not to be used when queue is NULL */
    char *names;                                /* zero-terminated copies, one after the other */
    struct er_str *made;                        /* subscribers whose topic the router made; as long as items */
};

struct er_change_queue {
    struct er_change_queue_options options;
    struct er_change_request *first;
    struct er_change_request **last;
    struct er_plan *plan; /* of the first request while its destinations are made */
    struct ensure *ensure;
    bool running; /* a done callback may submit: it must not recurse */
    bool stopped;
    size_t waiting;
    struct er_change_stats stats;
};

enum er_code er_change_queue_new(const struct er_change_queue_options *options, struct er_change_queue **out, struct er_err *err)
{
    struct er_change_queue *queue = calloc(1, sizeof *queue);

    if (queue == NULL)
        return er_err_set(err, ER_E_NOMEM, "out of memory");
    queue->options = *options;
    queue->last = &queue->first;
    *out = queue;
    return ER_OK;
}

void er_change_queue_free(struct er_change_queue *queue)
{
    free(queue);
}

size_t er_change_queue_waiting(const struct er_change_queue *queue)
{
    return queue->waiting;
}

void er_change_queue_stats(const struct er_change_queue *queue, struct er_change_stats *out)
{
    *out = queue->stats;
}

/* Takes the first request off the queue and answers it. The plan is freed afterwards. */
static void finish(struct er_change_queue *queue, struct er_plan *plan, enum er_code code, const struct er_err *err)
{
    struct er_change_request *request = queue->first;
    struct er_change_result result = {
        .code = code,
        .err = code == ER_OK ? NULL : err,
        .revision = er_store_revision(queue->options.store),
        .plan = plan,
    };

    queue->first = request->next;
    if (queue->first == NULL)
        queue->last = &queue->first;
    queue->waiting--;
    if (code != ER_OK)
        queue->stats.refused++;
    request->done(request->arg, &result);
    er_plan_free(plan);
}

static void note_created(struct er_change_queue *queue, struct ensure *ensure)
{
    size_t made = 0;

    for (size_t i = 0; ensure != NULL && i < ensure->job.n; i++) {
        const struct er_destination *destination = ensure->destinations[i];
        bool created = ensure->items[i].created;

        er_topic_watch_put(queue->options.watch, destination->subscriber, destination->topic, destination->partitions, created);
        if (!created)
            continue;
        er_log_write(queue->options.log, ER_LOG_INFO, ER_LM("topic made"), ER_LFS("topic", destination->topic),
                     ER_LFI("partitions", destination->partitions));
        ensure->made[made++] = destination->subscriber;
    }
    if (made > 0)
        er_topic_watch_remember(queue->options.watch, ensure->made, made);
}

static void forget_removed(struct er_change_queue *queue, const struct er_ruleset_change *change)
{
    for (size_t i = 0; i < change->n_remove_subscribers; i++)
        er_topic_watch_remove(queue->options.watch, change->remove_subscribers[i]);
}

/* From here on everything is synchronous. ensure may be NULL (no destination had to be looked at). */
static enum er_code apply(struct er_change_queue *queue, struct er_plan *plan, struct ensure *ensure, struct er_err *err)
{
    const struct er_change_request *request = queue->first;
    struct er_ruleset_change change;
    uint64_t start = er_clock_ns();
    uint64_t revision = 0;
    uint64_t prepared, committed;
    enum er_code code = er_plan_ruleset_change(plan, &change, err);

    if (code == ER_OK)
        code = er_ruleset_prepare(queue->options.ruleset, &change, err);
    if (code != ER_OK)
        return code;
    prepared = er_clock_ns();
    if (request->dry_run) {
        er_ruleset_abandon(queue->options.ruleset);
        return ER_OK;
    }
    ER_FAILPOINT("before-rule-commit");
    code = er_plan_commit(plan, &request->actor, er_clock_wall_ms(), &revision, err);
    ER_FAILPOINT("after-rule-commit");
    if (code != ER_OK) {
        er_ruleset_abandon(queue->options.ruleset);
        return code;
    }
    committed = er_clock_ns();
    if (change.n_put == 1 && ER_PLANTED("rule-not-active"))
        er_ruleset_abandon(queue->options.ruleset);
    else
        er_ruleset_publish(queue->options.ruleset);
    ER_FAILPOINT("after-rule-publish");
    queue->stats.applied++;
    queue->stats.last_commit_ns = committed - prepared;
    queue->stats.commit_ns_sum += committed - prepared;
    queue->stats.last_publish_ns = er_clock_ns() - committed + (prepared - start);
    note_created(queue, ensure);
    forget_removed(queue, &change);
    er_log_write(queue->options.log, ER_LOG_INFO, ER_LM("rules changed"), ER_LFI("revision", revision), ER_LFI("put", change.n_put),
                 ER_LFI("removed", change.n_remove), ER_LFS("request", request->actor.what), ER_LFI("uid", request->actor.uid));
    return ER_OK;
}

static void ensure_free(struct ensure *ensure)
{
    if (ensure == NULL)
        return;
    free(ensure->items);
    free(ensure->destinations);
    free(ensure->names);
    free(ensure->made);
    free(ensure);
}

/* The first destination that could not be had, as an error. */
static enum er_code ensure_result(const struct ensure *ensure, struct er_err *err)
{
    for (size_t i = 0; i < ensure->job.n; i++) {
        const struct er_topic *item = &ensure->items[i];

        if (item->code != ER_OK)
            return er_err_set(err, item->code, "topic %s: %s", item->name, item->text);
    }
    return ER_OK;
}

static void run(struct er_change_queue *queue);

static void ensured(void *arg, struct er_topics_job *job)
{
    struct ensure *ensure = arg;
    struct er_change_queue *queue = ensure->queue;
    struct er_plan *plan;
    struct er_err err;
    enum er_code code;
    (void)job;

    if (queue == NULL) {
        ensure_free(ensure);
        return;
    }
    plan = queue->plan;
    queue->plan = NULL;
    queue->ensure = NULL;
    queue->running = true;
    code = ensure_result(ensure, &err);
    if (code == ER_OK)
        code = apply(queue, plan, ensure, &err);
    finish(queue, plan, code, &err);
    queue->running = false;
    ensure_free(ensure);
    run(queue);
}

static struct ensure *ensure_new(struct er_change_queue *queue, const struct er_destination *destinations, size_t n)
{
    struct ensure *ensure = calloc(1, sizeof *ensure);
    size_t bytes = 1;
    char *at;

    if (ensure == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++)
        bytes += destinations[i].topic.n + 1;
    ensure->items = calloc(n + 1, sizeof *ensure->items);
    ensure->destinations = calloc(n + 1, sizeof *ensure->destinations);
    ensure->names = malloc(bytes);
    ensure->made = calloc(n + 1, sizeof *ensure->made);
    if (ensure->items == NULL || ensure->destinations == NULL || ensure->names == NULL || ensure->made == NULL) {
        ensure_free(ensure);
        return NULL;
    }
    at = ensure->names;
    for (size_t i = 0; i < n; i++) {
        struct er_topic *item = &ensure->items[ensure->job.n];

        if (er_topic_watch_ready(queue->options.watch, destinations[i].subscriber, destinations[i].topic))
            continue;
        memcpy(at, destinations[i].topic.p, destinations[i].topic.n);
        at[destinations[i].topic.n] = '\0';
        item->name = at;
        item->partitions = destinations[i].partitions;
        item->create = queue->options.create;
        ensure->destinations[ensure->job.n++] = &destinations[i];
        at += destinations[i].topic.n + 1;
    }
    ensure->job.items = ensure->items;
    ensure->job.budget_ms = queue->options.budget_ms + TOPIC_MS * (uint32_t)(ensure->job.n < MAX_EXTRA ? ensure->job.n : MAX_EXTRA);
    ensure->job.urgent = true;
    ensure->job.done = ensured;
    ensure->job.arg = ensure;
    ensure->queue = queue;
    return ensure;
}

/* What the rule set would refuse is refused before a topic is made for it. */
static enum er_code try_out(struct er_change_queue *queue, struct er_plan *plan, struct er_err *err)
{
    struct er_ruleset_change change;
    enum er_code code = er_plan_ruleset_change(plan, &change, err);

    if (code == ER_OK)
        code = er_ruleset_prepare(queue->options.ruleset, &change, err);
    if (code == ER_OK)
        er_ruleset_abandon(queue->options.ruleset);
    return code;
}

/* Asks for the destinations that are not known to exist. True: the change waits for them, or was refused. */
static bool ensure_destinations(struct er_change_queue *queue, struct er_plan *plan, const struct er_destination *destinations,
                                size_t n, bool *waits)
{
    struct ensure *ensure = ensure_new(queue, destinations, n);
    struct er_err err;
    enum er_code code = ensure == NULL ? er_err_set(&err, ER_E_NOMEM, "out of memory") : ER_OK;

    if (code == ER_OK && ensure->job.n == 0) {
        ensure_free(ensure);
        return false;
    }
    if (code == ER_OK)
        code = try_out(queue, plan, &err);
    *waits = code == ER_OK;
    if (code != ER_OK) {
        ensure_free(ensure);
        finish(queue, plan, code, &err);
        return true;
    }
    queue->plan = plan;
    queue->ensure = ensure;
    queue->options.submit_topics(queue->options.ctx, &ensure->job);
    return true;
}

/* Starts the first request. True when it is finished, false when it waits for topics. */
static bool start(struct er_change_queue *queue)
{
    struct er_change_request *request = queue->first;
    struct er_plan *plan = NULL;
    struct er_plan_summary summary;
    const struct er_destination *destinations;
    size_t n = 0;
    bool waits = false;
    struct er_err err;
    enum er_code code = er_plan_new(queue->options.store, queue->options.policy, &plan, &err);

    if (code == ER_OK)
        code = request->build(request->arg, plan, &err);
    if (code != ER_OK) {
        er_plan_free(plan);
        finish(queue, NULL, code, &err);
        return true;
    }
    er_plan_summary(plan, &summary);
    if (!summary.changes) {
        finish(queue, plan, ER_OK, NULL);
        return true;
    }
    destinations = er_plan_destinations(plan, &n);
    if (n > 0 && !request->dry_run && ensure_destinations(queue, plan, destinations, n, &waits))
        return !waits;
    code = apply(queue, plan, NULL, &err);
    finish(queue, plan, code, &err);
    return true;
}

static void refuse_all(struct er_change_queue *queue)
{
    struct er_err err;

    (void)er_err_set(&err, ER_E_UNAVAILABLE, "the router is stopping");
    while (queue->first != NULL) {
        struct er_plan *plan = queue->plan;

        queue->plan = NULL;
        finish(queue, plan, ER_E_UNAVAILABLE, &err);
    }
}

static void run(struct er_change_queue *queue)
{
    if (queue->running)
        return;
    queue->running = true;
    while (queue->first != NULL && queue->ensure == NULL && !queue->stopped) {
        if (!start(queue))
            break;
    }
    if (queue->stopped)
        refuse_all(queue);
    queue->running = false;
}

void er_change_queue_submit(struct er_change_queue *queue, struct er_change_request *request)
{
    request->next = NULL;
    *queue->last = request;
    queue->last = &request->next;
    queue->waiting++;
    run(queue);
}

void er_change_queue_stop(struct er_change_queue *queue)
{
    queue->stopped = true;
    if (queue->ensure != NULL)
        queue->ensure->queue = NULL;
    queue->ensure = NULL;
    run(queue);
}

/* What the router says about itself: status, readiness, metrics, balance. */
#include <inttypes.h>
#include <stdio.h>
#include "router/clock.h"
#include "router/kafka_check.h"
#include "router/metrics.h"
#include "router/router.h"
#include "router/router_internal.h"

enum { UNREACHED_MS = 5000 }; /* a short outage of the brokers is not yet a reason to be taken out of service */

/* ---- readiness ---- */

struct check {
    const char *name;
    bool ok;
    char detail[300];
};

static void check_kafka(struct er_router *router, struct check *check)
{
    struct er_kafka_cluster cluster;

    er_kafka_topics_cluster(router->topics, &cluster);
    check->name = "kafka";
    check->ok =
        !cluster.source_missing && (cluster.reached || (router->started && er_clock_ms() - cluster.since_ms < UNREACHED_MS));
    snprintf(check->detail, sizeof check->detail, "%s",
             !check->ok        ? cluster.text
             : cluster.reached ? "a broker answers"
                               : "a broker answered a few seconds ago");
}

static void check_topics(struct er_router *router, struct check *check)
{
    check->name = "destinations";
    check->ok = er_topic_watch_started(router->watch);
    snprintf(check->detail, sizeof check->detail, "%s", check->ok ? "looked at" : "topics were not looked at yet");
}

static void check_dead_letter(struct er_router *router, struct check *check)
{
    char text[256] = "";

    check->name = "dead_letter";
    check->ok = er_topic_watch_service_ready(router->watch, text, sizeof text);
    for (size_t i = 0; i < router->n_workers && check->ok; i++)
        check->ok = er_worker_thread_dead_letter_ok(router->workers[i], text, sizeof text);
    snprintf(check->detail, sizeof check->detail, "%s", check->ok ? "topic is there" : text);
}

static void check_group(struct er_router *router, struct check *check)
{
    size_t joined = 0;

    for (size_t i = 0; i < router->n_workers; i++) {
        struct er_kafka_source_state state;

        er_worker_thread_source_state(router->workers[i], &state);
        joined += state.joined;
    }
    check->name = "group";
    check->ok = router->started && joined == router->n_workers;
    snprintf(check->detail, sizeof check->detail, "%zu of %zu workers joined group %.200s", joined, router->n_workers,
             router->options.config->group);
    if (!router->started)
        snprintf(check->detail, sizeof check->detail, "workers are not started yet");
}

static void check_running(struct er_router *router, struct check *check)
{
    check->name = "running";
    check->ok = !router->stopping && !router->failed;
    snprintf(check->detail, sizeof check->detail, "%s",
             router->failed     ? router->failure.text
             : router->stopping ? "the router is stopping"
                                : "yes");
}

enum { N_CHECKS = 5 };

static bool run_checks(struct er_router *router, struct check *checks)
{
    static void (*const functions[N_CHECKS])(struct er_router *, struct check *) = { check_running, check_kafka, check_topics,
                                                                                     check_dead_letter, check_group };
    bool ok = true;

    for (size_t i = 0; i < N_CHECKS; i++) {
        functions[i](router, &checks[i]);
        ok = ok && checks[i].ok;
    }
    return ok;
}

bool er_router_ready(struct er_router *router, struct er_json_writer *w)
{
    struct check checks[N_CHECKS];
    bool ok = run_checks(router, checks);

    for (size_t i = 0; w != NULL && i < N_CHECKS; i++) {
        er_jw_object(w);
        er_jw_member_string(w, "name", er_str_of(checks[i].name));
        er_jw_member_bool(w, "ok", checks[i].ok);
        er_jw_member_string(w, "detail", er_str_of(checks[i].detail));
        er_jw_end(w);
    }
    return ok;
}

void er_router_log_readiness(struct er_router *router)
{
    struct check checks[N_CHECKS], *failed = checks;
    bool ok = run_checks(router, checks);

    if (ok == router->was_ready)
        return;
    router->was_ready = ok;
    if (ok) {
        er_log_write(router->options.log, ER_LOG_INFO, ER_LM("ready"), ER_LFI("workers", router->n_workers));
        return;
    }
    while (failed->ok)
        failed++;
    er_log_write(router->options.log, ER_LOG_WARN, ER_LM("not ready any more"), ER_LF("check", failed->name),
                 ER_LF("reason", failed->detail));
}

/* ---- balance ---- */

static void add_balance(struct er_balance *balance, const struct er_counters *counters)
{
    balance->received += er_counter_read(&counters->received);
    balance->routed += er_counter_read(&counters->routed);
    balance->unmatched += er_counter_read(&counters->unmatched);
    balance->dead_lettered += er_counter_read(&counters->dead_lettered);
}

void er_router_balance(const struct er_router *router, struct er_balance *out)
{
    *out = (struct er_balance){ 0, 0, 0, 0 };
    for (size_t i = 0; i < router->n_workers; i++)
        add_balance(out, er_worker_thread_counters(router->workers[i]));
}

/* ---- status ---- */

static void member_int(struct er_json_writer *w, const char *key, int64_t n)
{
    er_jw_key(w, er_str_of(key));
    if (n < 0)
        er_jw_null(w);
    else
        er_jw_int(w, n);
}

static void begin(struct er_json_writer *w, const char *key, bool object)
{
    er_jw_key(w, er_str_of(key));
    if (object)
        er_jw_object(w);
    else
        er_jw_array(w);
}

static int64_t lag_of(const struct er_kafka_position *position)
{
    if (position->high < 0 || position->position < 0)
        return -1;
    return position->high > position->position ? position->high - position->position : 0;
}

static void write_position(void *ctx, const struct er_kafka_position *position)
{
    struct er_json_writer *w = ctx;

    er_jw_object(w);
    er_jw_member_string(w, "topic", er_str_of(position->topic));
    member_int(w, "partition", position->partition);
    member_int(w, "position", position->position);
    member_int(w, "end", position->high);
    member_int(w, "lag", lag_of(position));
    er_jw_end(w);
}

static void write_worker(struct er_router *router, size_t i, struct er_json_writer *w)
{
    const struct er_counters *counters = er_worker_thread_counters(router->workers[i]);
    struct er_kafka_source_state state;

    er_worker_thread_source_state(router->workers[i], &state);
    er_jw_object(w);
    er_jw_member_uint(w, "index", i);
    er_jw_member_string(w, "state",
                        er_str_of(state.failed                                   ? "failed"
                                  : er_worker_thread_stopped(router->workers[i]) ? "stopped"
                                  : state.joined                                 ? "joined"
                                                                                 : "joining"));
    er_jw_member_uint(w, "in_flight", er_counter_read(&counters->in_flight_events));
    er_jw_member_bool(w, "back_pressure", er_counter_read(&counters->back_pressure) != 0);
    begin(w, "partitions", false);
    er_worker_thread_positions(router->workers[i], write_position, w);
    er_jw_end(w);
    er_jw_end(w);
}

static void write_unusable(void *ctx, const struct er_topic_view *view)
{
    struct er_json_writer *w = ctx;

    if (view->ready)
        return;
    er_jw_object(w);
    er_jw_member_string(w, "topic", er_str_of(view->topic));
    if (view->subscriber.n > 0)
        er_jw_member_string(w, "subscriber", view->subscriber);
    er_jw_member_string(w, "state", ER_STR("unusable"));
    er_jw_member_string(w, "detail", er_str_of(view->text));
    er_jw_end(w);
}

static void member_time(struct er_json_writer *w, const char *key, int64_t unix_ms)
{
    er_jw_member_time(w, key, unix_ms == 0 ? INT64_MIN : unix_ms);
}

static void write_breaker(void *ctx, const char *topic, const struct er_destination_state *state)
{
    struct er_json_writer *w = ctx;

    if (state->breaker == ER_BREAKER_CLOSED)
        return;
    er_jw_object(w);
    er_jw_member_string(w, "topic", er_str_of(topic));
    er_jw_member_string(w, "state", er_str_of(er_breaker_state_name(state->breaker)));
    er_jw_member_string(w, "code", er_str_of(er_code_name(state->code)));
    er_jw_member_string(w, "detail", er_str_of(state->reason));
    member_time(w, "since", state->since_ms);
    member_time(w, "next_probe_at", state->probe_ms);
    er_jw_member_uint(w, "waiting", state->waiting);
    er_jw_end(w);
}

static void write_waiting(void *ctx, const char *topic, const struct er_destination_state *state)
{
    struct er_json_writer *w = ctx;

    if (state->breaker != ER_BREAKER_CLOSED)
        return;
    er_jw_object(w);
    er_jw_member_string(w, "topic", er_str_of(topic));
    er_jw_member_uint(w, "waiting", state->waiting);
    er_jw_end(w);
}

/* Only those in trouble: a router may have ten thousand others. */
static void write_destinations(struct er_router *router, struct er_json_writer *w)
{
    begin(w, "destinations", true);
    begin(w, "unusable", false);
    er_topic_watch_each(router->watch, write_unusable, w);
    er_jw_end(w);
    begin(w, "breakers", false);
    er_router_each_trouble(router, write_breaker, w);
    er_jw_end(w);
    begin(w, "waiting", false);
    er_router_each_trouble(router, write_waiting, w);
    er_jw_end(w);
    er_jw_end(w);
}

/* Subscribers; a store that does not answer has been logged by then. */
static size_t count_paused(const struct er_router *router)
{
    struct er_err err;
    size_t n = 0;

    return er_store_count_paused(router->options.store, &n, &err) == ER_OK ? n : 0;
}

static void write_rules(struct er_router *router, struct er_json_writer *w)
{
    struct er_ruleset_stats stats;

    er_ruleset_stats(router->ruleset, &stats);
    begin(w, "rules", true);
    er_jw_member_uint(w, "subscriptions", stats.subscriptions);
    er_jw_member_uint(w, "subscribers", stats.subscribers);
    er_jw_member_uint(w, "paused", count_paused(router));
    er_jw_member_uint(w, "unindexed", stats.unindexed);
    er_jw_member_uint(w, "unindexed_limit", router->options.config->unindexed_rules);
    er_jw_member_uint(w, "quarantined_regexes", stats.quarantined);
    er_jw_member_uint(w, "tests", stats.tests);
    er_jw_member_uint(w, "bytes", stats.bytes);
    er_jw_end(w);
}

static void write_events(struct er_router *router, struct er_json_writer *w)
{
    struct er_balance balance;
    uint64_t in_flight = 0;

    er_router_balance(router, &balance);
    for (size_t i = 0; i < router->n_workers; i++)
        in_flight += er_counter_read(&er_worker_thread_counters(router->workers[i])->in_flight_events);
    begin(w, "events", true);
    er_jw_member_uint(w, "received", balance.received);
    er_jw_member_uint(w, "routed", balance.routed);
    er_jw_member_uint(w, "unmatched", balance.unmatched);
    er_jw_member_uint(w, "dead_lettered", balance.dead_lettered);
    er_jw_member_uint(w, "in_flight", in_flight);
    er_jw_end(w);
}

static void write_kafka(struct er_router *router, struct er_json_writer *w)
{
    struct er_kafka_cluster cluster;

    er_kafka_topics_cluster(router->topics, &cluster);
    begin(w, "kafka", true);
    er_jw_member_bool(w, "reachable", cluster.reached);
    er_jw_member_string(w, "detail", er_str_of(cluster.text));
    er_jw_member_uint(w, "source_partitions", (uint64_t)cluster.partitions);
    er_jw_member_string(w, "group", er_str_of(router->options.config->group));
    er_jw_member_string(w, "librdkafka", er_str_of(er_kafka_version()));
    er_jw_end(w);
}

static const char *state_name(struct er_router *router)
{
    struct check checks[N_CHECKS];

    if (router->failed)
        return "failed";
    if (router->stopping)
        return er_router_stopped(router) ? "stopped" : "draining";
    return run_checks(router, checks) ? "running" : router->started ? "degraded" : "starting";
}

void er_router_status(struct er_router *router, struct er_json_writer *w)
{
    struct er_change_stats changes;

    er_change_queue_stats(router->queue, &changes);
    er_jw_member_uint(w, "revision", er_store_revision(router->options.store));
    er_jw_member_string(w, "state", er_str_of(state_name(router)));
    er_jw_member_string(w, "version", ER_STR(ER_VERSION));
    er_jw_member_time(w, "started_at", router->start_wall_ms);
    er_jw_member_uint(w, "uptime_seconds", (er_clock_ms() - router->start_ms) / 1000);
    er_jw_member_string(w, "delivery",
                        router->options.config->delivery == ER_DELIVERY_EXACTLY_ONCE ? ER_STR("exactly-once")
                                                                                     : ER_STR("at-least-once"));
    write_rules(router, w);
    write_events(router, w);
    write_kafka(router, w);
    begin(w, "changes", true);
    er_jw_member_uint(w, "applied", changes.applied);
    er_jw_member_uint(w, "refused", changes.refused);
    er_jw_member_uint(w, "waiting", er_change_queue_waiting(router->queue));
    er_jw_end(w);
    begin(w, "workers", false);
    for (size_t i = 0; i < router->n_workers; i++)
        write_worker(router, i, w);
    er_jw_end(w);
    write_destinations(router, w);
}

/* ---- metrics ---- */

static void count_unusable(void *ctx, const struct er_topic_view *view)
{
    *(uint64_t *)ctx += !view->ready;
}

static void sample_lag(void *ctx, const struct er_kafka_position *position)
{
    struct er_buf *out = ctx;
    struct er_buf labels = { 0 };
    char number[16];

    if (lag_of(position) < 0)
        return;
    snprintf(number, sizeof number, "%" PRId32, position->partition);
    er_metrics_label(&labels, "topic", er_str_of(position->topic));
    er_metrics_label(&labels, "partition", er_str_of(number));
    er_buf_addc(&labels, '\0');
    if (!labels.failed)
        er_metrics_sample(out, "eventrouter_source_lag", labels.p, (uint64_t)lag_of(position));
    er_buf_free(&labels);
}

static void rules_metrics(struct er_router *router, struct er_buf *out)
{
    struct er_ruleset_stats rules;
    struct er_change_stats changes;

    er_ruleset_stats(router->ruleset, &rules);
    er_change_queue_stats(router->queue, &changes);
    er_metrics_one(out, "eventrouter_revision", er_store_revision(router->options.store));
    er_metrics_one(out, "eventrouter_subscriptions", rules.subscriptions);
    er_metrics_one(out, "eventrouter_subscribers", rules.subscribers);
    er_metrics_one(out, "eventrouter_subscribers_paused", count_paused(router));
    er_metrics_one(out, "eventrouter_unindexed_rules", rules.unindexed);
    er_metrics_one(out, "eventrouter_unindexed_rules_limit", router->options.config->unindexed_rules);
    er_metrics_one(out, "eventrouter_quarantined_regexes", rules.quarantined);
    er_metrics_one(out, "eventrouter_rule_tests", rules.tests);
    er_metrics_one(out, "eventrouter_rule_set_bytes", rules.bytes);
    er_metrics_head(out, "eventrouter_changes_total");
    er_metrics_sample(out, "eventrouter_changes_total", "result=\"applied\"", changes.applied);
    er_metrics_sample(out, "eventrouter_changes_total", "result=\"refused\"", changes.refused);
    er_metrics_one(out, "eventrouter_changes_waiting", er_change_queue_waiting(router->queue));
    er_metrics_head(out, "eventrouter_store_commit_seconds");
    er_metrics_sample_ns(out, "eventrouter_store_commit_seconds_sum", "", changes.commit_ns_sum);
    er_metrics_sample(out, "eventrouter_store_commit_seconds_count", "", changes.applied);
    er_metrics_head(out, "eventrouter_last_publish_seconds");
    er_metrics_sample_ns(out, "eventrouter_last_publish_seconds", "", changes.last_publish_ns);
}

static void kafka_metrics(struct er_router *router, struct er_buf *out)
{
    uint64_t joined = 0, replaced = 0, unusable = 0;
    struct er_kafka_cluster cluster;

    er_kafka_topics_cluster(router->topics, &cluster);
    er_topic_watch_each(router->watch, count_unusable, &unusable);
    for (size_t i = 0; i < router->n_workers; i++) {
        struct er_kafka_source_state state;

        er_worker_thread_source_state(router->workers[i], &state);
        joined += state.joined;
        replaced += er_worker_thread_producers_replaced(router->workers[i]);
    }
    er_metrics_one(out, "eventrouter_kafka_reachable", cluster.reached);
    er_metrics_one(out, "eventrouter_workers", router->n_workers);
    er_metrics_one(out, "eventrouter_workers_joined", joined);
    er_metrics_one(out, "eventrouter_topics_unusable", unusable);
    er_metrics_one(out, "eventrouter_producers_replaced_total", replaced);
    er_metrics_head(out, "eventrouter_source_lag");
    for (size_t i = 0; i < router->n_workers; i++)
        er_worker_thread_positions(router->workers[i], sample_lag, out);
}

static void letters_metrics(struct er_router *router, struct er_buf *out)
{
    struct er_letters_stats stats;

    er_kafka_dead_letters_stats(router->letters, &stats);
    er_metrics_head(out, "eventrouter_dead_letter_retries_total");
    er_metrics_sample(out, "eventrouter_dead_letter_retries_total", "result=\"sent\"", stats.sent);
    er_metrics_sample(out, "eventrouter_dead_letter_retries_total", "result=\"failed\"", stats.failed);
    er_metrics_sample(out, "eventrouter_dead_letter_retries_total", "result=\"unknown\"", stats.unknown);
}

static void build_metrics(struct er_router *router, struct er_buf *out)
{
    bool exactly_once = router->options.config->delivery == ER_DELIVERY_EXACTLY_ONCE;
    struct er_buf labels = { 0 };

    er_metrics_label(&labels, "version", ER_STR(ER_VERSION));
    er_metrics_label(&labels, "librdkafka", er_str_of(er_kafka_version()));
    er_metrics_label(&labels, "delivery", exactly_once ? ER_STR("exactly-once") : ER_STR("at-least-once"));
    er_buf_addc(&labels, '\0');
    er_metrics_head(out, "eventrouter_build_info");
    if (!labels.failed)
        er_metrics_sample(out, "eventrouter_build_info", labels.p, 1);
    er_buf_free(&labels);
}

void er_router_metrics(struct er_router *router, struct er_buf *out)
{
    const struct er_counters *counters[ER_WORKERS_MAX];

    for (size_t i = 0; i < router->n_workers; i++)
        counters[i] = er_worker_thread_counters(router->workers[i]);
    build_metrics(router, out);
    er_metrics_one(out, "eventrouter_ready", er_router_ready(router, NULL));
    rules_metrics(router, out);
    kafka_metrics(router, out);
    letters_metrics(router, out);
    er_metrics_counters(out, counters, router->n_workers);
    er_metrics_process(out, router->start_wall_ms);
}

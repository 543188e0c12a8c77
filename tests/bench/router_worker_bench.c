/* What the worker costs per event besides the rule set and Kafka: the same events through a worker between an endless source and an
 * instant sink, and through the matcher alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "router/worker.h"
#include "rules/engine/match.h"

#define EVENTS 4000000
#define DELAY 8192 /* copies on their way at any time */
#define SUBSCRIBERS 8

static const char value[] =
    "{\"type\":\"order.created\",\"id\":\"0b1e2f5a-7a53-4c2c-9d86-5a8a2f1c3b11\",\"user\":{\"id\":123456,\"email\":"
    "\"someone@example.com\",\"country\":\"FR\"},\"order\":{\"total\":129.90,\"currency\":\"EUR\",\"items\":[{\"sku\":"
    "\"A-1001\",\"qty\":2},{\"sku\":\"B-2002\",\"qty\":1}]},\"created_at\":\"2026-11-21T09:05:40Z\"}";

struct bench {
    int64_t next; /* offset */
    int64_t end;
    bool assigned;
    struct er_sink_ticket *ring[DELAY];
    size_t head, tail;
};

static size_t source_poll(void *ctx, struct er_source_record *records, size_t max, int64_t wait_ns, struct er_source_event *event)
{
    static const struct er_source_partition partition = { { "raw", 3 }, 0, 0 };
    struct bench *b = ctx;
    size_t n = 0;

    (void)wait_ns;
    *event = (struct er_source_event){ b->assigned ? ER_REBALANCE_NONE : ER_REBALANCE_ASSIGNED, &partition, 1 };
    for (; b->assigned && n < max && b->next < b->end; n++) {
        records[n].index = 0;
        records[n].record = (struct er_record){ .topic = ER_STR("raw"),
                                                .offset = b->next++,
                                                .timestamp_ms = 1,
                                                .key = ER_STR("user-1"),
                                                .has_key = true,
                                                .value = ER_STR(value),
                                                .has_value = true,
                                                .owner = b };
    }
    b->assigned = true;
    return n;
}

static void source_done(void *ctx)
{
    (void)ctx;
}

static void source_store(void *ctx, const struct er_source_offset *offsets, size_t n)
{
    (void)ctx;
    (void)offsets;
    (void)n;
}

static enum er_code source_commit(void *ctx, const struct er_source_offset *offsets, size_t n, int64_t wait_ns)
{
    (void)ctx;
    (void)offsets;
    (void)n;
    (void)wait_ns;
    return ER_OK;
}

static void source_release(void *ctx, void *owner)
{
    (void)ctx;
    (void)owner;
}

static struct er_sink_topic *sink_open(void *ctx, struct er_str name)
{
    (void)name;
    return ctx;
}

static void sink_close(void *ctx, struct er_sink_topic *topic)
{
    (void)ctx;
    (void)topic;
}

static enum er_sink_result sink_produce(void *ctx, struct er_sink_topic *topic, const struct er_record *record,
                                        struct er_sink_ticket *ticket, const char **text)
{
    struct bench *b = ctx;

    (void)topic;
    (void)record;
    if (b->head - b->tail == DELAY) {
        *text = "full";
        return ER_SINK_FULL;
    }
    b->ring[b->head++ % DELAY] = ticket;
    return ER_SINK_OK;
}

static size_t sink_poll(void *ctx, struct er_sink_report *reports, size_t max)
{
    struct bench *b = ctx;
    size_t n = 0;

    for (; n < max && b->head != b->tail && (b->head - b->tail > DELAY / 2 || b->next == b->end); n++) {
        reports[n] = (struct er_sink_report){ b->ring[b->tail++ % DELAY], ER_SINK_OK, NULL };
    }
    return n;
}

static void sink_nothing(void *ctx)
{
    (void)ctx;
}

static bool sink_hurry(void *ctx, int64_t wait_ns)
{
    (void)ctx;
    (void)wait_ns;
    return true;
}

static void on_ensure(void *ctx, struct er_str topic)
{
    (void)ctx;
    (void)topic;
}

static void on_breaker(void *ctx, struct er_str topic, enum er_breaker_state state, const char *text)
{
    (void)ctx;
    (void)topic;
    (void)state;
    (void)text;
}

static void on_lanes(void *ctx, const struct er_lane_view *views, size_t n)
{
    (void)ctx;
    (void)views;
    (void)n;
}

static void on_health(void *ctx, bool ok, const char *text)
{
    (void)ctx;
    (void)ok;
    (void)text;
}

static const struct er_source_ops source_ops = {
    .poll = source_poll, .rebalance_done = source_done, .store = source_store, .commit = source_commit, .release = source_release
};
static const struct er_sink_ops sink_ops = {
    .open = sink_open, .close = sink_close, .produce = sink_produce, .poll = sink_poll, .hurry = sink_hurry, .purge = sink_nothing
};

/* The thread's own time: other work on the machine does not count. */
static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void check(enum er_code code, const struct er_err *err)
{
    if (code != ER_OK) {
        fprintf(stderr, "%s\n", err->text);
        exit(1);
    }
}

/* n subscribers, each of which wants everything. */
static struct er_ruleset *rules(size_t n)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_arena *arena = er_arena_new(0);
    struct er_subscriber *subscribers[SUBSCRIBERS];
    struct er_rule *put[SUBSCRIBERS];
    struct er_ruleset_change change = {
        .revision = 1, .put = put, .n_put = n, .put_subscribers = subscribers, .n_put_subscribers = n
    };
    struct er_ruleset *ruleset;
    struct er_problems problems;
    struct er_err err;

    check(er_ruleset_new(&options, &ruleset, &err), &err);
    er_problems_init(&problems, arena);
    for (size_t i = 0; i < n; i++) {
        struct er_str text = er_arena_printf(arena, "{\"id\":\"r%zu\",\"subscriber\":\"s%zu\"}", i, i);
        struct er_rule_source from = { .document_bytes = text.n };
        struct er_json *tree;

        check(er_json_parse(arena, text, 8, &tree, &err), &err);
        from.document = tree;
        check(er_rule_read(&from, &limits, &put[i], &problems, NULL), &err);
        subscribers[i] = er_subscriber_new(put[i]->subscriber, er_arena_printf(arena, "sub.s%zu", i));
    }
    check(er_ruleset_prepare(ruleset, &change, &err), &err);
    er_ruleset_publish(ruleset);
    for (size_t i = 0; i < n; i++) {
        er_rule_unref(put[i]);
        er_subscriber_unref(subscribers[i]);
    }
    er_arena_free(arena);
    return ruleset;
}

static double worker_ns(struct er_ruleset *ruleset, enum er_provenance provenance)
{
    struct bench *b = calloc(1, sizeof *b);
    struct er_counters *counters = calloc(1, sizeof *counters);
    struct er_worker_options options = { .source = { &source_ops, b },
                                         .sink = { &sink_ops, b },
                                         .clock = er_clock_system(),
                                         .hooks = { NULL, on_ensure, on_ensure, on_ensure, on_breaker, on_lanes, on_health },
                                         .limits = er_worker_default_limits(),
                                         .ruleset = ruleset,
                                         .counters = counters,
                                         .provenance = provenance,
                                         .dead_letter_topic = "dead",
                                         .unmatched_topic = "" };
    struct er_worker *worker;
    struct er_err err;
    uint64_t start;
    double ns;

    b->end = INT64_C(1) << 62;
    check(er_worker_new(&options, &worker, &err), &err);
    for (int i = 0; i < 200; i++) {
        er_worker_step(worker);
    }
    b->end = b->next + EVENTS;
    start = cpu_ns();
    while (b->next < b->end) {
        er_worker_step(worker);
    }
    ns = (double)(cpu_ns() - start) / EVENTS;
    while (er_worker_in_flight(worker) > 0) {
        er_worker_step(worker);
    }
    er_worker_free(worker);
    free(counters);
    free(b);
    return ns;
}

static double matcher_ns(struct er_ruleset *ruleset)
{
    struct er_record record = { .topic = ER_STR("raw"),
                                .timestamp_ms = 1,
                                .key = ER_STR("user-1"),
                                .has_key = true,
                                .value = ER_STR(value),
                                .has_value = true };
    struct er_matcher *matcher;
    struct er_match match;
    struct er_err err;
    uint64_t start;
    double ns;

    check(er_matcher_new(ruleset, &matcher, &err), &err);
    start = cpu_ns();
    for (int64_t i = 0; i < EVENTS; i++) {
        if (i % 512 == 0) {
            er_matcher_pin(matcher);
        }
        check(er_matcher_match(matcher, &record, &match, &err), &err);
        if (i % 512 == 511) {
            er_matcher_unpin(matcher);
        }
    }
    er_matcher_unpin(matcher);
    ns = (double)(cpu_ns() - start) / EVENTS;
    er_matcher_free(matcher);
    return ns;
}

int main(void)
{
    static const struct {
        size_t subscribers;
        enum er_provenance provenance;
        const char *name;
    } rows[] = { { 1, ER_PROVENANCE_SOURCE, "1 copy, source" },
                 { 1, ER_PROVENANCE_FULL, "1 copy, full" },
                 { 1, ER_PROVENANCE_OFF, "1 copy, off" },
                 { SUBSCRIBERS, ER_PROVENANCE_SOURCE, "8 copies, source" } };

    printf("%-18s %10s %10s %10s   ns per event, %zu bytes each\n", "case", "matcher", "worker", "besides", strlen(value));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct er_ruleset *ruleset = rules(rows[i].subscribers);
        double matcher = matcher_ns(ruleset), worker = worker_ns(ruleset, rows[i].provenance);

        printf("%-18s %10.1f %10.1f %10.1f\n", rows[i].name, matcher, worker, worker - matcher);
        er_ruleset_free(ruleset);
    }
    return 0;
}

/* What one change of a loaded rule set costs, idle and while threads match, and what it costs them.
 *
 *   rules_change_bench RULES.jsonl EVENTS.jsonl [THREADS]
 *
 * The last 10,000 rules are taken out and put back, each as a change of its own; wall time. Per phase one JSON line: idle; while threads
 * match, one change after the other, so that each has to wait for the rest of an event; and while they match, with time for er_ruleset_tidy
 * in between, as a router's changes have, each of which waits for the disk. `waits` are the voluntary context switches of the matching
 * threads: a thread that waits for the writer has some.
 */
#define _GNU_SOURCE /* RUSAGE_THREAD */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include "rules/engine/match.h"
#include "tests/bench/rule_lines.h"

#define CHANGED 10000u
#define BATCH 100 /* events per pin; refreshed between them, as a worker does */
#define MAX_THREADS 64
#define STILL_NS 500000000 /* matching without changes, to compare with */

struct reader {
    pthread_t thread;
    struct er_ruleset *set;
    const struct bench_events *events;
    const atomic_bool *stop;
    atomic_bool *failed;
    atomic_uint *ready;
    uint64_t matched, cpu_ns;
    long waits;
};

static uint64_t thread_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool match_batch(struct er_matcher *matcher, const struct bench_events *events, size_t *next)
{
    bool ok = true;

    (void)er_matcher_pin(matcher);
    for (unsigned k = 0; ok && k < BATCH; k++) {
        struct er_match match;
        struct er_err err;

        ok = er_matcher_match(matcher, &events->records[*next], &match, &err) == ER_OK;
        *next = (*next + 1) % events->n;
        (void)er_matcher_refresh(matcher);
    }
    er_matcher_unpin(matcher);
    return ok;
}

static void *match_until_stopped(void *arg)
{
    struct reader *reader = arg;
    struct er_matcher *matcher;
    struct rusage before, after;
    struct er_err err;
    size_t next = 0;
    uint64_t start;
    bool ok = er_matcher_new(reader->set, &matcher, &err) == ER_OK;

    for (size_t i = 0; ok && i < reader->events->n; i += BATCH) { /* warm-up */
        ok = match_batch(matcher, reader->events, &next);
    }
    (void)getrusage(RUSAGE_THREAD, &before);
    start = thread_ns();
    atomic_fetch_add(reader->ready, 1);
    while (ok && !atomic_load_explicit(reader->stop, memory_order_relaxed)) {
        ok = match_batch(matcher, reader->events, &next);
        reader->matched += BATCH;
    }
    reader->cpu_ns = thread_ns() - start;
    (void)getrusage(RUSAGE_THREAD, &after);
    reader->waits = after.ru_nvcsw - before.ru_nvcsw;
    if (!ok) {
        atomic_store(reader->failed, true);
    }
    er_matcher_free(matcher);
    return NULL;
}

static uint64_t apply(struct er_ruleset *set, const struct er_ruleset_change *change)
{
    struct er_err err;
    uint64_t start = bench_wall_ns();

    if (er_ruleset_prepare(set, change, &err) != ER_OK) {
        bench_die(err.text);
    }
    er_ruleset_publish(set);
    return bench_wall_ns() - start;
}

struct changes {
    struct bench_spread add, remove;
    size_t n;
};

static void let_tidy(struct er_ruleset *set, bool pauses)
{
    while (pauses && er_ruleset_tidy(set)) {
    }
}

static struct changes change_rules(struct er_ruleset *set, const struct bench_rules *rules, bool pauses)
{
    size_t n = rules->n < CHANGED ? rules->n : CHANGED;
    uint64_t *adds = calloc(n + 1, sizeof *adds), *removes = calloc(n + 1, sizeof *removes);
    struct er_ruleset_stats stats;
    struct changes out = { .n = n };

    if (adds == NULL || removes == NULL) {
        bench_die("out of memory");
    }
    er_ruleset_stats(set, &stats);
    for (size_t i = 0; i < n; i++) {
        struct er_rule *rule = rules->rules[rules->n - n + i];
        struct er_ruleset_change gone = { .revision = ++stats.revision, .remove = &rule->id, .n_remove = 1 };
        struct er_ruleset_change back = { .revision = ++stats.revision, .put = &rule, .n_put = 1 };

        removes[i] = apply(set, &gone);
        let_tidy(set, pauses);
        adds[i] = apply(set, &back);
        let_tidy(set, pauses);
    }
    out.add = bench_spread(adds, n);
    out.remove = bench_spread(removes, n);
    free(adds);
    free(removes);
    return out;
}

static void print_changes(const struct changes *c)
{
    (void)printf("\"changes\":%zu,\"add_p50_us\":%.1f,\"add_p99_us\":%.1f,\"add_max_us\":%.1f,\"delete_p50_us\":%.1f,"
                 "\"delete_p99_us\":%.1f,\"delete_max_us\":%.1f",
                 c->n, c->add.p50_us, c->add.p99_us, c->add.max_us, c->remove.p50_us, c->remove.p99_us, c->remove.max_us);
}

enum mode { LOAD_ALONE, CHANGES, CHANGES_WITH_PAUSES };

/* Threads match; meanwhile the main thread changes rules, or waits as long. */
static void under_load(struct er_ruleset *set, const struct bench_rules *rules, const struct bench_events *events, unsigned threads,
                       enum mode mode)
{
    static const char *const names[] = { "load alone", "changes under load", "changes under load, with pauses" };
    struct reader readers[MAX_THREADS] = { 0 };
    atomic_bool stop = false, failed = false;
    atomic_uint ready = 0;
    struct changes changes = { 0 };
    uint64_t matched = 0, cpu_ns = 0, end;
    long waits = 0;

    for (unsigned i = 0; i < threads; i++) {
        readers[i] = (struct reader){ .set = set, .events = events, .stop = &stop, .failed = &failed, .ready = &ready };
        if (pthread_create(&readers[i].thread, NULL, match_until_stopped, &readers[i]) != 0) {
            bench_die("no thread");
        }
    }
    while (atomic_load(&ready) < threads) {
    }
    if (mode != LOAD_ALONE) {
        changes = change_rules(set, rules, mode == CHANGES_WITH_PAUSES);
    }
    for (end = bench_wall_ns() + STILL_NS; mode == LOAD_ALONE && bench_wall_ns() < end;) {
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < threads; i++) {
        (void)pthread_join(readers[i].thread, NULL);
        matched += readers[i].matched;
        cpu_ns += readers[i].cpu_ns;
        waits += readers[i].waits;
    }
    if (atomic_load(&failed)) {
        bench_die("matching failed");
    }
    (void)printf("{\"phase\":\"%s\",\"rules\":%zu,\"threads\":%u,\"events\":%llu,\"ns_per_event\":%.1f,\"waits\":%ld", names[mode],
                 rules->n, threads, (unsigned long long)matched, matched > 0 ? (double)cpu_ns / (double)matched : 0, waits);
    if (mode != LOAD_ALONE) {
        (void)printf(",");
        print_changes(&changes);
    }
    (void)printf("}\n");
}

int main(int argc, char **argv)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    unsigned threads = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 1;
    struct bench_rules rules;
    struct bench_events events;
    struct er_ruleset *set;
    struct changes idle;
    struct er_err err;

    if (argc < 3 || threads < 1 || threads > MAX_THREADS) {
        bench_die("rules_change_bench RULES.jsonl EVENTS.jsonl [THREADS]");
    }
    rules = bench_rules_read(argv[1]);
    events = bench_events_read(argv[2], (size_t)-1);
    options.unindexed_rules = (size_t)-1;
    if (rules.n == 0 || events.n == 0 || er_ruleset_new(&options, &set, &err) != ER_OK) {
        bench_die("no rules, no events or no memory");
    }
    bench_fill(set, &rules);
    idle = change_rules(set, &rules, false);
    (void)printf("{\"phase\":\"idle\",\"rules\":%zu,\"threads\":0,", rules.n);
    print_changes(&idle);
    (void)printf("}\n");
    under_load(set, &rules, &events, threads, LOAD_ALONE);
    under_load(set, &rules, &events, threads, CHANGES);
    under_load(set, &rules, &events, threads, CHANGES_WITH_PAUSES);
    er_ruleset_free(set);
    bench_events_free(&events);
    bench_rules_free(&rules);
    return 0;
}

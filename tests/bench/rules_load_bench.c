/* How long a router with these rules takes to have them again after a start, and what they take in memory.
 *
 *   rules_load_bench write STORE.db RULES.jsonl    makes the store, 10,000 rules a transaction
 *   rules_load_bench load STORE.db                 opens it and loads it into a fresh rule set
 *
 * One JSON line each. Memory is what the process grew by from the open store to the loaded set, divided by the rules: documents,
 * subscribers, both sides of the set and what loading left behind. Two processes, so that writing leaves nothing.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "rules/engine/ruleset.h"
#include "rules/store/plan.h"
#include "tests/bench/rule_lines.h"

#define CHUNK 10000u

static uint64_t cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void must(enum er_code code, const struct er_err *err)
{
    if (code != ER_OK) {
        bench_die(err->text);
    }
}

static void put_chunk(struct er_store *store, const struct er_plan_policy *policy, struct er_rule *const *rules, size_t n)
{
    const struct er_actor actor = { -1, ER_STR("bench") };
    struct er_plan *plan;
    uint64_t revision;
    struct er_err err;

    must(er_plan_new(store, policy, &plan, &err), &err);
    for (size_t i = 0; i < n; i++) {
        struct er_plan_put put = { .mode = ER_PUT_CREATE, .pointer = ER_STR("") };

        must(er_plan_put_subscription(plan, rules[i], &put, &err), &err);
    }
    must(er_plan_commit(plan, &actor, 1, &revision, &err), &err);
    er_plan_free(plan);
}

static void write_store(const char *path, const char *lines)
{
    const struct er_plan_policy policy = { .topic_template = ER_STR("{subscriber}"),
                                           .partitions = 1,
                                           .limits = er_rule_default_limits() };
    struct bench_rules rules = bench_rules_read(lines);
    struct er_store *store;
    struct er_err err;
    uint64_t start = bench_wall_ns();

    must(er_store_open(path, &store, &err), &err);
    for (size_t i = 0; i < rules.n; i += CHUNK) {
        put_chunk(store, &policy, rules.rules + i, rules.n - i < CHUNK ? rules.n - i : CHUNK);
    }
    er_store_close(store);
    (void)printf("{\"phase\":\"write\",\"rules\":%zu,\"write_s\":%.2f}\n", rules.n, (double)(bench_wall_ns() - start) / 1e9);
    bench_rules_free(&rules);
}

static enum er_code apply(void *ctx, const struct er_ruleset_change *part, bool last, struct er_err *err)
{
    enum er_code code = last ? er_ruleset_prepare(ctx, part, err) : er_ruleset_gather(ctx, part, err);

    if (code == ER_OK && last) {
        er_ruleset_publish(ctx);
        (void)er_ruleset_tidy(ctx);
    }
    return code;
}

static void load_store(const char *path)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_ruleset_stats stats;
    struct er_ruleset *set;
    struct er_store *store;
    struct er_err err;
    uint64_t start = bench_wall_ns(), start_cpu = cpu_ns(), opened, opened_cpu;
    size_t before, after;

    options.unindexed_rules = (size_t)-1;
    must(er_store_open(path, &store, &err), &err);
    opened = bench_wall_ns();
    opened_cpu = cpu_ns();
    before = bench_resident_kb();
    must(er_ruleset_new(&options, &set, &err), &err);
    must(er_store_load(store, &limits, apply, set, &err), &err);
    after = bench_resident_kb();
    er_ruleset_stats(set, &stats);
    (void)printf("{\"phase\":\"start\",\"rules\":%zu,\"open_s\":%.3f,\"open_cpu_s\":%.3f,\"load_s\":%.3f,\"load_cpu_s\":%.3f,"
                 "\"bytes_per_rule\":%.0f,\"engine_bytes_per_rule\":%zu,\"rss_kb\":%zu}\n",
                 stats.subscriptions, (double)(opened - start) / 1e9, (double)(opened_cpu - start_cpu) / 1e9,
                 (double)(bench_wall_ns() - opened) / 1e9, (double)(cpu_ns() - opened_cpu) / 1e9,
                 stats.subscriptions > 0 ? (double)(after - before) * 1024 / (double)stats.subscriptions : 0,
                 stats.subscriptions > 0 ? stats.bytes / stats.subscriptions : 0, after);
    er_ruleset_free(set);
    er_store_close(store);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "write") == 0) {
        write_store(argv[2], argv[3]);
    } else if (argc == 3 && strcmp(argv[1], "load") == 0) {
        load_store(argv[2]);
    } else {
        bench_die("rules_load_bench write STORE.db RULES.jsonl | load STORE.db");
    }
    return 0;
}

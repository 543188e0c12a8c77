/* eventrouterctl rule bench: what the engine costs with these rules and events, on one thread. */
#include "admin/ctl_rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "admin/ctl_events.h"
#include "admin/ctl_output.h"
#include "admin/ctl_rule_file.h"
#include "rules/base/json_write.h"
#include "rules/engine/match.h"

#define PASSES 5
#define MEDIAN 2
#define BATCH 100    /* events per pin, as a worker has */
#define ADDED 10000u /* rules that are taken out and put back one by one */

struct event {
    char *text; /* owned */
    size_t n;
    size_t line;
};

struct bench {
    struct event *events;
    size_t n_events, capacity, bad_events;
    struct er_record *records;
    uint64_t matches, match_hash, candidates;
    double ns_per_event, load_s, add_p99_us, add_max_us;
    uint64_t dearest_ns; /* of the events of the first pass */
    size_t dearest_line;
    size_t bytes_per_rule, rss_kb;
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool no_memory(void)
{
    er_ctl_error(ER_E_NOMEM, "out of memory");
    return false;
}

/* ---- events ---- */

static bool keep_event(void *ctx, const struct er_ctl_event *event)
{
    struct bench *bench = ctx;
    struct event *kept;

    if (bench->n_events == bench->capacity) {
        size_t capacity = bench->capacity == 0 ? 1024 : bench->capacity * 2;
        struct event *events = realloc(bench->events, capacity * sizeof *events);

        if (events == NULL) {
            return no_memory();
        }
        bench->events = events;
        bench->capacity = capacity;
    }
    kept = &bench->events[bench->n_events];
    *kept = (struct event){ malloc(event->record->value.n + 1), event->record->value.n, event->line };
    if (kept->text == NULL) {
        return no_memory();
    }
    if (kept->n > 0) {
        memcpy(kept->text, event->record->value.p, kept->n);
    }
    bench->n_events++;
    return true;
}

static bool read_events(struct bench *bench, const char *name)
{
    const struct er_record envelope = { .partition = -1, .timestamp_ms = -1 };

    if (!er_ctl_events_lines(name, &envelope, keep_event, bench)) {
        return false;
    }
    bench->records = calloc(bench->n_events + 1, sizeof *bench->records);
    if (bench->records == NULL) {
        return no_memory();
    }
    for (size_t i = 0; i < bench->n_events; i++) {
        bench->records[i] = envelope;
        bench->records[i].value = (struct er_str){ bench->events[i].text, bench->events[i].n };
        bench->records[i].has_value = true;
    }
    return true;
}

/* ---- matching ---- */

/* FNV-1a 64 of LINE:ID (draft-eastlake-fnv). */
static uint64_t hash_match(size_t line, struct er_str id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    char text[24];
    int n = snprintf(text, sizeof text, "%zu:", line);

    for (int i = 0; i < n; i++) {
        hash = (hash ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    }
    for (size_t i = 0; i < id.n; i++) {
        hash = (hash ^ (unsigned char)id.p[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}

static bool add_matches(struct bench *bench, const struct er_matcher *matcher, size_t line)
{
    size_t n;
    const struct er_str *ids = er_matcher_matched_ids(matcher, &n);

    if (ids == NULL && n > 0) {
        return no_memory();
    }
    for (size_t i = 0; i < n; i++) {
        bench->match_hash += hash_match(line, ids[i]);
    }
    bench->matches += n;
    return true;
}

/* Says what comes up to ER_MATCHER_AHEAD events later, in the same batch. */
static size_t expect(const struct bench *bench, struct er_matcher *matcher, size_t at, size_t said)
{
    size_t end = at - at % BATCH + BATCH;

    for (; said < end && said < bench->n_events && said < at + ER_MATCHER_AHEAD; said++) {
        er_matcher_expect(matcher, &bench->records[said]);
    }
    return said;
}

/* What the event took since the start, in the first pass: later ones know it. */
static void note_event(struct bench *bench, uint64_t start_ns, size_t line)
{
    uint64_t took_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start_ns;

    if (took_ns > bench->dearest_ns) {
        bench->dearest_ns = took_ns;
        bench->dearest_line = line;
    }
}

/* All events once. count: the first pass, which also collects what matched and looks at each event alone. */
static bool pass(struct bench *bench, struct er_matcher *matcher, bool count)
{
    size_t said = 0;
    bool ok = true;

    for (size_t i = 0; ok && i < bench->n_events; i++) {
        uint64_t start_ns = count ? clock_ns(CLOCK_THREAD_CPUTIME_ID) : 0;
        struct er_match match;
        struct er_err err;
        enum er_code code;

        if (i % BATCH == 0) {
            (void)er_matcher_pin(matcher);
            said = i;
        }
        said = count ? i : expect(bench, matcher, i, said);
        code = er_matcher_match(matcher, &bench->records[i], &match, &err);
        if (count) {
            note_event(bench, start_ns, bench->events[i].line);
        }
        ok = code != ER_E_NOMEM || no_memory();
        if (count && code == ER_OK) {
            ok = ok && add_matches(bench, matcher, bench->events[i].line);
        } else if (count) {
            bench->bad_events++;
        }
        if (i % BATCH == BATCH - 1 || i + 1 == bench->n_events || !ok) {
            er_matcher_unpin(matcher);
        }
    }
    return ok;
}

/* The candidates that verifying looked at since the rules were put. */
static uint64_t candidates(const struct er_ruleset *set, const struct er_ctl_rules *rules)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < rules->n; i++) {
        struct er_ruleset_activity activity;

        if (er_ruleset_activity(set, rules->rules[i]->id, &activity)) {
            sum += activity.candidates;
        }
    }
    return sum;
}

static bool measure_events(struct bench *bench, struct er_ruleset *set, const struct er_ctl_rules *rules)
{
    struct er_matcher *matcher;
    uint64_t times[PASSES];
    struct er_err err;
    bool ok;

    if (er_matcher_new(set, &matcher, &err) != ER_OK) {
        er_ctl_error(err.code, "%s", err.text);
        return false;
    }
    ok = pass(bench, matcher, true);
    bench->candidates = candidates(set, rules);
    for (int i = 0; ok && i < PASSES; i++) {
        uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

        ok = pass(bench, matcher, false);
        times[i] = clock_ns(CLOCK_THREAD_CPUTIME_ID) - start;
    }
    if (ok && bench->n_events > 0) {
        qsort(times, PASSES, sizeof *times, compare_times);
        bench->ns_per_event = (double)times[MEDIAN] / (double)bench->n_events;
    }
    er_matcher_free(matcher);
    return ok;
}

/* ---- changes ---- */

static bool apply(struct er_ruleset *set, const struct er_ruleset_change *change)
{
    struct er_err err;

    if (er_ruleset_prepare(set, change, &err) != ER_OK) {
        er_ctl_error(err.code, "%s", err.text);
        return false;
    }
    er_ruleset_publish(set);
    return true;
}

/* Takes rules out of the full set and puts them back, each as a change of its own. */
static bool measure_adds(struct bench *bench, struct er_ruleset *set, const struct er_ctl_rules *rules)
{
    size_t n = rules->n < ADDED ? rules->n : ADDED;
    uint64_t *times = calloc(n + 1, sizeof *times);
    struct er_ruleset_stats stats;
    bool ok = times != NULL || no_memory();

    er_ruleset_stats(set, &stats);
    for (size_t i = 0; ok && i < n; i++) {
        struct er_rule *rule = rules->rules[rules->n - n + i];
        struct er_ruleset_change out = { .revision = ++stats.revision, .remove = &rule->id, .n_remove = 1 };
        struct er_ruleset_change in = { .revision = ++stats.revision, .put = &rule, .n_put = 1 };
        uint64_t start;

        ok = apply(set, &out);
        start = clock_ns(CLOCK_MONOTONIC);
        ok = ok && apply(set, &in);
        times[i] = clock_ns(CLOCK_MONOTONIC) - start;
    }
    if (ok && n > 0) {
        size_t p99 = n - 1 - n / 100;

        qsort(times, n, sizeof *times, compare_times);
        bench->add_p99_us = (double)times[p99] / 1000;
        bench->add_max_us = (double)times[n - 1] / 1000;
    }
    free(times);
    return ok;
}

/* ---- output ---- */

static size_t resident_kb(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    char line[128];
    const char *second = NULL;

    if (file != NULL) {
        second = fgets(line, sizeof line, file) != NULL ? strchr(line, ' ') : NULL;
        (void)fclose(file);
    }
    return second == NULL ? 0 : strtoul(second, NULL, 10) * ((size_t)sysconf(_SC_PAGESIZE) / 1024);
}

static void print(const struct bench *bench, bool json)
{
    double per_event = bench->n_events > 0 ? (double)bench->candidates / (double)bench->n_events : 0;

    if (json) {
        (void)printf("{\"status\":\"ok\",\"ns_per_event\":%.1f,\"events\":%zu,\"hash_events\":%zu,\"matches_total\":%llu,"
                     "\"match_hash\":\"%016llx\",\"load_s\":%.3f,\"add_p99_us\":%.1f,\"add_max_us\":%.1f,\"bytes_per_rule\":%zu,"
                     "\"rss_kb\":%zu,\"candidates_per_event\":%.3f}\n",
                     bench->ns_per_event, bench->n_events, bench->n_events, (unsigned long long)bench->matches,
                     (unsigned long long)bench->match_hash, bench->load_s, bench->add_p99_us, bench->add_max_us,
                     bench->bytes_per_rule, bench->rss_kb, per_event);
        return;
    }
    (void)printf("per event             %.1f ns (thread CPU time, median of %d passes)\n", bench->ns_per_event, PASSES);
    (void)printf("events                %zu, %zu of them cannot be read\n", bench->n_events, bench->bad_events);
    if (bench->n_events > 0) {
        (void)printf("dearest event         %.1f us, on line %zu (counted from 0; CPU time in the first pass)\n",
                     (double)bench->dearest_ns / 1000, bench->dearest_line);
    }
    (void)printf("matches               %llu, hash %016llx\n", (unsigned long long)bench->matches,
                 (unsigned long long)bench->match_hash);
    (void)printf("candidates per event  %.3f\n", per_event);
    (void)printf("load                  %.3f s\n", bench->load_s);
    (void)printf("one rule added        p99 %.1f us, at most %.1f us\n", bench->add_p99_us, bench->add_max_us);
    (void)printf("memory                %zu bytes per rule, %zu KiB resident\n", bench->bytes_per_rule, bench->rss_kb);
}

static bool load(struct bench *bench, const char *name, struct er_ctl_rules *rules, struct er_ruleset **set)
{
    uint64_t start = clock_ns(CLOCK_MONOTONIC);
    struct er_ruleset_stats stats;

    if (er_ctl_rules_read(name, rules) != ER_CTL_OK) {
        return false;
    }
    *set = er_ctl_rules_set(rules);
    if (*set == NULL) {
        return false;
    }
    (void)er_ruleset_tidy(*set);
    bench->load_s = (double)(clock_ns(CLOCK_MONOTONIC) - start) / 1e9;
    er_ruleset_stats(*set, &stats);
    bench->bytes_per_rule = rules->n > 0 ? stats.bytes / rules->n : 0;
    bench->rss_kb = resident_kb();
    return true;
}

static void bench_free(struct bench *bench)
{
    for (size_t i = 0; i < bench->n_events; i++) {
        free(bench->events[i].text);
    }
    free(bench->events);
    free(bench->records);
}

enum er_ctl_exit er_ctl_run_rule_bench(const struct er_ctl *ctl, const struct er_ctl_args *args)
{
    bool json = er_ctl_has(args, "json") || ctl->format == ER_CTL_JSON || ctl->format == ER_CTL_JSONL;
    const char *events = er_ctl_value(args, "events");
    struct bench bench = { 0 };
    struct er_ctl_rules rules = { 0 };
    struct er_ruleset *set = NULL;
    bool ok;

    if (!er_ctl_events_check(args)) {
        return ER_CTL_USAGE;
    }
    ok = load(&bench, er_ctl_value(args, "rules"), &rules, &set) && read_events(&bench, events) &&
         measure_events(&bench, set, &rules) && measure_adds(&bench, set, &rules);
    if (ok) {
        print(&bench, json);
    }
    er_ruleset_free(set);
    er_ctl_rules_free(&rules);
    bench_free(&bench);
    return ok ? ER_CTL_OK : ER_CTL_USAGE;
}

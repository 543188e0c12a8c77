#include "tests/bench/rule_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "rules/base/arena.h"
#include "rules/base/json.h"

_Noreturn void bench_die(const char *what)
{
    (void)fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

static void *checked(void *p)
{
    if (p == NULL) {
        bench_die("out of memory");
    }
    return p;
}

static char *read_file(const char *path, size_t *n)
{
    FILE *file = fopen(path, "r");
    char *text;
    long size;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0) {
        bench_die(path);
    }
    text = checked(malloc((size_t)size + 1));
    *n = fread(text, 1, (size_t)size, file);
    (void)fclose(file);
    return text;
}

/* The next line without its end; false at the end of the text. */
static bool next_line(struct er_str *rest, struct er_str *line)
{
    const char *end = rest->n > 0 ? memchr(rest->p, '\n', rest->n) : NULL;

    if (rest->n == 0) {
        return false;
    }
    *line = (struct er_str){ rest->p, end != NULL ? (size_t)(end - rest->p) : rest->n };
    rest->n -= line->n + (end != NULL);
    rest->p += line->n + (end != NULL);
    return true;
}

static size_t count_lines(struct er_str text)
{
    struct er_str line;
    size_t n = 0;

    while (next_line(&text, &line)) {
        n++;
    }
    return n;
}

static struct er_rule *read_rule(struct er_arena *arena, struct er_str line)
{
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_rule_source source = { .document_bytes = line.n, .pointer = ER_STR("") };
    struct er_problems problems;
    struct er_json *tree;
    const struct er_json *id;
    struct er_rule *rule;
    struct er_err err;

    er_arena_reset(arena);
    er_problems_init(&problems, arena);
    if (er_json_parse(arena, line, limits.max_depth, &tree, &err) != ER_OK) {
        bench_die(err.text);
    }
    source.document = tree;
    id = er_json_member(tree, ER_STR("id"));
    if (id != NULL && id->type == ER_JSON_STRING) {
        source.default_subscriber = id->text;
    }
    if (er_rule_read(&source, &limits, &rule, &problems, NULL) != ER_OK) {
        (void)fprintf(stderr, "%.*s\n", ER_STR_ARG(line));
        bench_die("a rule that cannot be read");
    }
    return rule;
}

struct bench_rules bench_rules_read(const char *path)
{
    struct er_arena *arena = checked(er_arena_new(0));
    struct er_str text, line;
    struct bench_rules out = { 0 };
    char *file = read_file(path, &text.n);
    size_t n;

    text.p = file;
    n = count_lines(text);
    out.rules = checked(calloc(n + 1, sizeof(struct er_rule *)));
    out.subscribers = checked(calloc(n + 1, sizeof(struct er_subscriber *)));
    while (next_line(&text, &line)) {
        struct er_rule *rule = read_rule(arena, line);

        out.rules[out.n] = rule;
        out.subscribers[out.n++] = checked(er_subscriber_new(rule->subscriber, rule->subscriber));
    }
    free(file);
    er_arena_free(arena);
    return out;
}

void bench_rules_free(struct bench_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++) {
        er_rule_unref(rules->rules[i]);
        er_subscriber_unref(rules->subscribers[i]);
    }
    free(rules->rules);
    free(rules->subscribers);
}

struct bench_events bench_events_read(const char *path, size_t limit)
{
    struct er_str text, line;
    struct bench_events out = { 0 };
    size_t n;

    out.text = read_file(path, &text.n);
    text.p = out.text;
    n = count_lines(text);
    n = n < limit ? n : limit;
    out.records = checked(calloc(n + 1, sizeof *out.records));
    while (out.n < n && next_line(&text, &line)) {
        out.records[out.n++] = (struct er_record){ .value = line, .has_value = true, .partition = -1, .timestamp_ms = -1 };
    }
    return out;
}

void bench_events_free(struct bench_events *events)
{
    free(events->records);
    free(events->text);
}

void bench_fill(struct er_ruleset *set, const struct bench_rules *rules)
{
    struct er_ruleset_change change = {
        .revision = 1, .put = rules->rules, .n_put = rules->n, .put_subscribers = rules->subscribers, .n_put_subscribers = rules->n
    };
    struct er_err err;

    if (er_ruleset_prepare(set, &change, &err) != ER_OK) {
        bench_die(err.text);
    }
    er_ruleset_publish(set);
    (void)er_ruleset_tidy(set);
}

uint64_t bench_wall_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

size_t bench_resident_kb(void)
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

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

struct bench_spread bench_spread(uint64_t *times, size_t n)
{
    if (n == 0) {
        return (struct bench_spread){ 0 };
    }
    qsort(times, n, sizeof *times, compare_times);
    return (struct bench_spread){ (double)times[n / 2] / 1000, (double)times[n - 1 - n / 100] / 1000, (double)times[n - 1] / 1000 };
}

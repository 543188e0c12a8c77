/* CPU time per event of the matching engine: one JSON line per family and size.
 *
 *   rules_match_bench [FAMILY] [RULES]
 *
 * Thread CPU time, median of 5 passes over the same events after one to warm up. Every rule stands at a subscriber of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "rules/base/arena.h"
#include "rules/base/buf.h"
#include "rules/base/json.h"
#include "rules/engine/match.h"

#define EVENTS 20000u
#define PASSES 5u

struct family {
    const char *name;
    unsigned event_bytes;
    void (*rule)(struct er_buf *document, unsigned i, unsigned n); /* members of the document */
};

static void type_only(struct er_buf *document, unsigned i, unsigned n)
{
    (void)n;
    er_buf_printf(document, "\"types\":[\"type.%u\"]", i);
}

static void type_shared(struct er_buf *document, unsigned i, unsigned n)
{
    (void)n;
    er_buf_printf(document, "\"types\":[\"%s\"],\"regex\":{\"user_id\":\"^u%u$\"}",
                  i % 3 == 0   ? "order"
                  : i % 3 == 1 ? "payment"
                               : "favorite",
                  i);
}

static void type_regex(struct er_buf *document, unsigned i, unsigned n)
{
    (void)n;
    er_buf_printf(document, "\"types\":[\"%s\"],\"regex\":{\"user_id\":\"^u0*%u(-[a-z]+)?$\"}",
                  i % 3 == 0   ? "order"
                  : i % 3 == 1 ? "payment"
                               : "favorite",
                  i);
}

static void email_suffix(struct er_buf *document, unsigned i, unsigned n)
{
    (void)n;
    er_buf_printf(document, "\"types\":[\"*\"],\"regex\":{\"user.email\":\"@mail%u\\\\.example\\\\.org$\"}", i);
}

static void literal_anywhere(struct er_buf *document, unsigned i, unsigned n)
{
    (void)n;
    er_buf_printf(document, "\"types\":[\"order\",\"payment\",\"favorite\"],\"regex\":{\"note\":\"\\\\bcampaign-%u\\\\b\"}", i);
}

static void type_prefix(struct er_buf *document, unsigned i, unsigned n)
{
    (void)n;
    er_buf_printf(document, "\"types\":[\"type.%u.*\"]", i);
}

static void shared_literal(struct er_buf *document, unsigned i, unsigned n)
{
    (void)n;
    er_buf_printf(document, "\"regex\":{\"user.email\":\"^user%u([.][a-z]+)?@mail[0-9]+\\\\.example\\\\.org$\"}", i);
}

static const struct family families[] = {
    { "type", 500, type_only },           { "type-prefix", 500, type_prefix },       { "type-user", 800, type_shared },
    { "type-regex", 300, type_regex },    { "type-regex", 800, type_regex },         { "suffix", 800, email_suffix },
    { "literal", 800, literal_anywhere }, { "shared-literal", 800, shared_literal },
};

static uint64_t cpu_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void die(const struct er_err *err)
{
    fprintf(stderr, "rules_match_bench: %s\n", err->text);
    exit(1);
}

/* A realistic event: nested objects, a few arrays, padded with fields nobody reads. */
static char *make_event(const struct family *family, unsigned i, unsigned users, size_t *n)
{
    static const char *const types[] = { "order", "payment", "favorite" };
    struct er_buf buf = { 0 };
    unsigned user = (unsigned)(((uint64_t)i * 2654435761u) % users);
    char *text;

    er_buf_addc(&buf, '{');
    er_buf_printf(&buf, "\"id\":\"3f0c%08x-7e1a-4d6b-9a57-%012x\",", i, i * 77u);
    if (family->rule == type_only) {
        er_buf_printf(&buf, "\"type\":\"type.%u\",", user);
    } else if (family->rule == type_prefix) {
        er_buf_printf(&buf, "\"type\":\"type.%u.created\",", user);
    } else {
        er_buf_printf(&buf, "\"type\":\"%s\",", types[user % 3]);
    }
    er_buf_printf(&buf, "\"time\":\"2026-11-21T09:%02u:%02u.%03uZ\",\"user_id\":\"u%u\",", i / 60 % 60, i % 60, i % 1000, user);
    er_buf_printf(&buf, "\"user\":{\"email\":\"user%u.x@mail%u.example.org\",\"country\":\"%s\",\"vip\":%s},", user, user,
                  i % 2 ? "FR" : "BE", i % 5 ? "false" : "true");
    er_buf_printf(&buf, "\"note\":\"Seen in campaign-%u today\",", user);
    er_buf_printf(&buf, "\"total\":%u.%02u", i % 500, i % 100);
    for (unsigned k = 0; buf.n + 60 < family->event_bytes; k++) {
        er_buf_printf(&buf, k % 4 == 3 ? ",\"items%u\":[{\"sku\":\"A-%u\",\"qty\":%u}]" : ",\"attribute_%u\":\"value %u of %u\"", k,
                      i + k, i);
    }
    er_buf_addc(&buf, '}');
    *n = buf.n;
    text = er_buf_take(&buf);
    if (text == NULL) {
        exit(1);
    }
    return text;
}

static struct er_rule *make_rule(struct er_arena *arena, const struct family *family, unsigned i, unsigned n)
{
    struct er_rule_limits limits = er_rule_default_limits();
    struct er_buf buf = { 0 };
    struct er_problems problems;
    struct er_json *tree;
    struct er_rule *rule;
    struct er_err err;

    er_arena_reset(arena);
    er_problems_init(&problems, arena);
    er_buf_printf(&buf, "{\"id\":\"rule-%u\",\"subscriber\":\"s%u\",", i, i);
    family->rule(&buf, i, n);
    er_buf_addc(&buf, '}');
    if (er_json_parse(arena, er_buf_str(&buf), 8, &tree, &err) != ER_OK) {
        die(&err);
    }
    struct er_rule_source source = { .document = tree, .document_bytes = buf.n, .pointer = ER_STR("") };
    if (er_rule_read(&source, &limits, &rule, &problems, NULL) != ER_OK) {
        fprintf(stderr, "rules_match_bench: %.*s\n", ER_STR_ARG(problems.first->detail));
        exit(1);
    }
    er_buf_free(&buf);
    return rule;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Adds the rules one by one, as the admin interface does; returns the slowest 1 % and 0.01 %. */
static void load(struct er_ruleset *ruleset, const struct family *family, unsigned n, uint64_t *p99, uint64_t *slowest)
{
    struct er_arena *arena = er_arena_new(0);
    uint64_t *times = calloc(n, sizeof *times);

    for (unsigned i = 0; i < n; i++) {
        struct er_rule *rule = make_rule(arena, family, i, n);
        struct er_subscriber *subscriber = er_subscriber_new(rule->subscriber, rule->subscriber);
        struct er_ruleset_change change = {
            .revision = i + 1, .put = &rule, .n_put = 1, .put_subscribers = &subscriber, .n_put_subscribers = 1
        };
        struct er_err err;
        uint64_t start = cpu_ns();

        if (er_ruleset_prepare(ruleset, &change, &err) != ER_OK) {
            die(&err);
        }
        er_ruleset_publish(ruleset);
        times[i] = cpu_ns() - start;
        er_rule_unref(rule);
        er_subscriber_unref(subscriber);
    }
    qsort(times, n, sizeof *times, compare_u64);
    *p99 = times[n - 1 - n / 100];
    *slowest = times[n - 1];
    free(times);
    er_arena_free(arena);
}

static uint64_t pass(struct er_matcher *matcher, const struct er_record *records, uint64_t *matches)
{
    uint64_t start = cpu_ns();

    *matches = 0;
    for (unsigned i = 0; i < EVENTS; i++) {
        struct er_match match;
        struct er_err err;

        if (i % 100 == 0) {
            er_matcher_pin(matcher);
        }
        if (er_matcher_match(matcher, &records[i], &match, &err) != ER_OK) {
            die(&err);
        }
        *matches += match.n_subscribers;
        if (i % 100 == 99) {
            er_matcher_unpin(matcher);
        }
    }
    return cpu_ns() - start;
}

static void run(const struct family *family, unsigned n)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_ruleset *ruleset;
    struct er_matcher *matcher;
    struct er_ruleset_stats stats;
    struct er_err err;
    struct er_record *records = calloc(EVENTS, sizeof *records);
    uint64_t times[PASSES], matches, p99, slowest;
    size_t bytes = 0;

    options.unindexed_rules = (size_t)-1;
    if (records == NULL || er_ruleset_new(&options, &ruleset, &err) != ER_OK || er_matcher_new(ruleset, &matcher, &err) != ER_OK) {
        exit(1);
    }
    load(ruleset, family, n, &p99, &slowest);
    for (unsigned i = 0; i < EVENTS; i++) {
        records[i] = (struct er_record){ .topic = ER_STR("raw"), .has_value = true };
        records[i].value.p = make_event(family, i, n, &records[i].value.n);
        bytes += records[i].value.n;
    }
    (void)pass(matcher, records, &matches);
    for (unsigned i = 0; i < PASSES; i++) {
        times[i] = pass(matcher, records, &matches);
    }
    qsort(times, PASSES, sizeof times[0], compare_u64);
    er_ruleset_stats(ruleset, &stats);
    printf(
        "{\"family\":\"%s\",\"rules\":%u,\"event_bytes\":%zu,\"ns_per_event\":%.0f,\"matches_per_event\":%.3f,\"add_p99_us\":%.1f,"
        "\"add_max_us\":%.0f,\"engine_bytes_per_rule\":%zu}\n",
        family->name, n, bytes / EVENTS, (double)times[PASSES / 2] / EVENTS, (double)matches / EVENTS, (double)p99 / 1000,
        (double)slowest / 1000, stats.bytes / n);
    (void)fflush(stdout);
    for (unsigned i = 0; i < EVENTS; i++) {
        free((void *)(uintptr_t)records[i].value.p);
    }
    free(records);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

int main(int argc, char **argv)
{
    static const unsigned sizes[] = { 1, 1000, 10000, 100000 };

    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        if (argc > 1 && strcmp(argv[1], families[f].name) != 0) {
            continue;
        }
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            if (argc > 2 && i > 0) {
                break;
            }
            run(&families[f], argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : sizes[i]);
        }
    }
    return 0;
}

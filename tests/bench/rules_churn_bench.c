/* Does a router that changes its rules for months grow?
 *
 *   rules_churn_bench [CHANGES]     10,000,000 unless said otherwise
 *
 * 10,000 rules are there at any time: each step adds a new one and takes the oldest out, each as a change of its own, and now and then
 * an event is matched. No rule comes twice: ids, values, field names, regexes and lists are new. One JSON line at the start (the first
 * 10,000 rules) and at each tenth of the steps; exit status 1 when the process is more than a tenth and 2 MiB larger at the end than after
 * the first tenth.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rules/base/arena.h"
#include "rules/base/json.h"
#include "rules/engine/match.h"
#include "tests/bench/rule_lines.h"

#define LIVE 10000u
#define MATCH_EVERY 64u
#define TENTHS 10u

struct churn {
    struct er_ruleset *set;
    struct er_matcher *matcher;
    struct er_arena *arena;
    struct er_subscriber *subscriber;
    uint64_t revision;
};

static size_t ten_values(char *out, size_t size, uint64_t i)
{
    size_t n = (size_t)snprintf(out, size, "\"pattern\":{\"shelf\":[");

    for (unsigned k = 0; k < 10; k++) {
        n += (size_t)snprintf(out + n, size - n, "%s\"shelf-%" PRIu64 "-%u\"", k > 0 ? "," : "", i / 3, k);
    }
    return n + (size_t)snprintf(out + n, size - n, "]}");
}

/* The parts of a document that select, different for each i. */
static void select_by(char *out, size_t size, uint64_t i)
{
    switch (i % 10) {
    case 0:
        (void)snprintf(out, size, "\"pattern\":{\"sku\":[{\"prefix\":\"p%" PRIu64 "-\"}]}", i);
        break;
    case 1:
        (void)snprintf(out, size, "\"regex\":{\"note\":\"\\\\bcampaign-%" PRIu64 "[a-z]\"}", i);
        break;
    case 2:
        (void)snprintf(out, size, "\"pattern\":{\"total\":[{\"numeric\":[\">=\",%" PRIu64 ",\"<\",%" PRIu64 "]}]}", i, i + 9);
        break;
    case 3:
        (void)snprintf(out, size, "\"pattern\":{\"field_%" PRIu64 "\":[\"on\"]}", i);
        break;
    case 4:
        (void)ten_values(out, size, i);
        break;
    case 5:
        (void)snprintf(out, size,
                       "\"pattern\":{\"$or\":[{\"a\":{\"b\":[\"v%" PRIu64 "\"]}},{\"ip\":[{\"cidr\":\"10.%u.%u.0/24\"}]}]}", i,
                       (unsigned)(i >> 8 & 255), (unsigned)(i & 255));
        break;
    default:
        (void)snprintf(out, size, "\"types\":[\"type.%u\"],\"pattern\":{\"user_id\":[\"u%" PRIu64 "\"]}", (unsigned)(i % 7), i);
        break;
    }
}

static struct er_rule *rule_number(struct churn *churn, uint64_t i)
{
    const struct er_rule_limits limits = er_rule_default_limits();
    struct er_rule_source source = { .pointer = ER_STR(""), .default_subscriber = ER_STR("team"), .for_matching = true };
    struct er_problems problems;
    char select[400], document[500];
    struct er_json *tree;
    struct er_rule *rule;
    struct er_err err;
    int n;

    select_by(select, sizeof select, i);
    n = snprintf(document, sizeof document, "{\"id\":\"r%" PRIu64 "\",%s}", i, select);
    er_arena_reset(churn->arena);
    er_problems_init(&problems, churn->arena);
    if (er_json_parse(churn->arena, (struct er_str){ document, (size_t)n }, limits.max_depth, &tree, &err) != ER_OK) {
        bench_die(err.text);
    }
    source.document = tree;
    if (er_rule_read(&source, &limits, &rule, &problems, NULL) != ER_OK) {
        bench_die(document);
    }
    return rule;
}

static void apply(struct churn *churn, struct er_ruleset_change *change)
{
    struct er_err err;

    change->revision = ++churn->revision;
    if (er_ruleset_prepare(churn->set, change, &err) != ER_OK) {
        bench_die(err.text);
    }
    er_ruleset_publish(churn->set);
}

static void add(struct churn *churn, uint64_t i)
{
    struct er_rule *rule = rule_number(churn, i);
    struct er_ruleset_change change = {
        .put = &rule, .n_put = 1, .put_subscribers = &churn->subscriber, .n_put_subscribers = churn->revision == 0
    };

    apply(churn, &change);
    er_rule_unref(rule);
}

static void take_out(struct churn *churn, uint64_t i)
{
    char text[32];
    struct er_str id = { text, (size_t)snprintf(text, sizeof text, "r%" PRIu64, i) };
    struct er_ruleset_change change = { .remove = &id, .n_remove = 1 };

    apply(churn, &change);
}

/* An event that rule i, one of `default`, accepts. */
static void match(struct churn *churn, uint64_t i)
{
    char text[200];
    int n = snprintf(text, sizeof text, "{\"type\":\"type.%u\",\"user_id\":\"u%" PRIu64 "\",\"note\":\"campaign-%" PRIu64 "x\"}",
                     (unsigned)(i % 7), i, i);
    struct er_record record = { .partition = -1, .timestamp_ms = -1, .value = { text, (size_t)n }, .has_value = true };
    struct er_match found;
    struct er_err err;

    (void)er_matcher_pin(churn->matcher);
    if (er_matcher_match(churn->matcher, &record, &found, &err) != ER_OK ||
        (found.n_subscribers == 1) != (i % 10 == 1 || i % 10 > 5)) {
        bench_die("the wrong rules are there");
    }
    er_matcher_unpin(churn->matcher);
}

static size_t report(const struct churn *churn, uint64_t changed)
{
    struct er_ruleset_stats stats;
    size_t resident = bench_resident_kb();

    er_ruleset_stats(churn->set, &stats);
    (void)printf("{\"phase\":\"churn\",\"changed\":%" PRIu64 ",\"rules\":%zu,\"tests\":%zu,\"engine_kb\":%zu,\"rss_kb\":%zu}\n",
                 changed, stats.subscriptions, stats.tests, stats.bytes / 1024, resident);
    (void)fflush(stdout);
    return resident;
}

int main(int argc, char **argv)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    uint64_t changes = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000, tenth = changes / TENTHS;
    size_t first = 0, last = 0;
    struct churn churn = { .arena = er_arena_new(0), .subscriber = er_subscriber_new(ER_STR("team"), ER_STR("team")) };
    struct er_err err;

    if (tenth == 0 || churn.arena == NULL || churn.subscriber == NULL || er_ruleset_new(&options, &churn.set, &err) != ER_OK ||
        er_matcher_new(churn.set, &churn.matcher, &err) != ER_OK) {
        bench_die("rules_churn_bench [CHANGES], at least 10");
    }
    for (uint64_t i = 0; i < LIVE; i++) {
        add(&churn, i);
    }
    (void)report(&churn, 0);
    for (uint64_t i = 0; i < tenth * TENTHS; i++) {
        add(&churn, LIVE + i);
        take_out(&churn, i);
        (void)er_ruleset_tidy(churn.set);
        if (i % MATCH_EVERY == 0) {
            match(&churn, LIVE + i - i / MATCH_EVERY % 10);
        }
        if ((i + 1) % tenth == 0) {
            last = report(&churn, i + 1);
            first = first == 0 ? last : first;
        }
    }
    er_matcher_free(churn.matcher);
    er_ruleset_free(churn.set);
    er_subscriber_unref(churn.subscriber);
    er_arena_free(churn.arena);
    return last > first + first / 10 + 2048 ? 1 : 0;
}

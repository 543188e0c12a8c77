/* Rules and events of a benchmark from files of one JSON document a line. What fails ends the program with a message. */
#ifndef ER_TESTS_BENCH_RULE_LINES_H
#define ER_TESTS_BENCH_RULE_LINES_H

#include <stdint.h>
#include "rules/engine/record.h"
#include "rules/engine/ruleset.h"

struct bench_rules {
    struct er_rule **rules;             /* one reference each */
    struct er_subscriber **subscribers; /* one per rule, of the rule's id; one reference each */
    size_t n;
};

/* Each line is a document with an id; the id is also the subscriber. Release with bench_rules_free. */
struct bench_rules bench_rules_read(const char *path);
void bench_rules_free(struct bench_rules *rules);

struct bench_events {
    struct er_record *records;
    size_t n;
    char *text; /* owned; the records point into it */
};

/* At most `limit` lines. Release with bench_events_free. */
struct bench_events bench_events_read(const char *path, size_t limit);
void bench_events_free(struct bench_events *events);

/* Adds all rules to the set as revision 1. */
void bench_fill(struct er_ruleset *set, const struct bench_rules *rules);

_Noreturn void bench_die(const char *what);
uint64_t bench_wall_ns(void);
size_t bench_resident_kb(void);

/* p50, p99 and max of n times in ns; sorts them. */
struct bench_spread {
    double p50_us, p99_us, max_us;
};
struct bench_spread bench_spread(uint64_t *times, size_t n);

#endif

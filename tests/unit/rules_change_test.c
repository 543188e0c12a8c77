/* Changes of the rule set in parts, and while somebody reads. */
#include "tests/unit/engine_test.h"
#include "tests/unit/fault.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

static void tidy(struct er_ruleset *ruleset)
{
    for (unsigned i = 0; er_ruleset_tidy(ruleset); i++) {
        assert_true(i < 100000);
    }
}

/* After what changes have left to do. */
static void tidy_stats(struct er_ruleset *ruleset, struct er_ruleset_stats *out)
{
    tidy(ruleset);
    er_ruleset_stats(ruleset, out);
}

/* ---- changes in parts ---- */

/* Gathers the documents of two parts and prepares a third one that puts c again and removes a. */
static enum er_code prepare_in_parts(struct er_ruleset *ruleset, uint64_t revision, struct er_err *err)
{
    static const char *const documents[] = { "{\"id\":\"a\",\"types\":[\"t\"]}", "{\"id\":\"b\",\"types\":[\"t\"]}",
                                             "{\"id\":\"c\",\"types\":[\"t\"]}", "{\"id\":\"c\",\"types\":[\"u\"]}" };
    const struct er_str gone = ER_STR("a");
    struct er_subscriber *subscriber = er_subscriber_new(ER_STR("s"), ER_STR("s"));
    struct er_rule *rules[4];
    enum er_code code;

    for (size_t i = 0; i < 4; i++) {
        rules[i] = rule_of(documents[i]);
    }
    const struct er_ruleset_change first = { .put = rules, .n_put = 1, .put_subscribers = &subscriber, .n_put_subscribers = 1 };
    const struct er_ruleset_change second = { .put = rules + 1, .n_put = 2 };
    const struct er_ruleset_change last = { .revision = revision, .put = rules + 3, .n_put = 1, .remove = &gone, .n_remove = 1 };

    if (revision % 1000 > 0) {
        fail_from_allocation(revision % 1000);
    }
    code = er_ruleset_gather(ruleset, &first, err);
    code = code == ER_OK ? er_ruleset_gather(ruleset, &second, err) : code;
    code = code == ER_OK ? er_ruleset_prepare(ruleset, &last, err) : code;
    fail_from_allocation(0);
    for (size_t i = 0; i < 4; i++) {
        er_rule_unref(rules[i]);
    }
    er_subscriber_unref(subscriber);
    return code;
}

static void a_change_in_parts_is_one_change(void **state)
{
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct er_ruleset_stats stats;
    struct er_err err;

    (void)state;
    assert_int_equal(prepare_in_parts(ruleset, 1000, &err), ER_OK);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\"}"), "");
    er_ruleset_abandon(ruleset);
    tidy_stats(ruleset, &stats);
    assert_int_equal(stats.subscriptions + stats.subscribers + stats.tests, 0);
    assert_int_equal(prepare_in_parts(ruleset, 2000, &err), ER_OK);
    er_ruleset_publish(ruleset);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\"}"), "s=b");
    assert_string_equal(match_value(matcher, "{\"type\":\"u\"}"), "s=c");
    tidy_stats(ruleset, &stats);
    assert_int_equal(stats.revision, 2000);
    assert_int_equal(stats.subscriptions, 2);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

static void a_part_without_memory_abandons_all(void **state)
{
    unsigned failures = 0;
    enum er_code code = ER_E_NOMEM;

    (void)state;
    skip_unless_allocations_can_fail();
    for (uint64_t n = 1; code != ER_OK; n++) {
        struct er_ruleset *ruleset = ruleset_new();
        struct er_ruleset_stats stats;
        struct er_err err;

        code = prepare_in_parts(ruleset, 1000 + n, &err);
        failures += code != ER_OK;
        if (code != ER_OK) {
            assert_int_equal(code, ER_E_NOMEM);
            tidy_stats(ruleset, &stats);
            assert_int_equal(stats.subscriptions + stats.subscribers + stats.tests, 0);
            assert_int_equal(prepare_in_parts(ruleset, 2000, &err), ER_OK);
        }
        er_ruleset_free(ruleset);
    }
    assert_true(failures > 10);
}

/* ---- changes while somebody reads ---- */

static uint64_t revision_matched(struct er_matcher *matcher, const char *value, size_t subscribers)
{
    struct er_record record = record_of(value);
    struct er_match match;
    struct er_err err;

    assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
    assert_int_equal(match.n_subscribers, subscribers);
    return match.revision;
}

/* A reader that stays pinned keeps its revision and holds no publication back; it sees the change when it refreshes. */
static void publishing_waits_for_nobody(void **state)
{
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset), *later = matcher_new(ruleset);

    (void)state;
    change(ruleset, 1, (const char *[]){ "{\"id\":\"a\",\"types\":[\"t\"]}", NULL }, NULL);
    assert_false(er_ruleset_tidy(ruleset));
    assert_int_equal(er_matcher_pin(matcher), 1);
    change(ruleset, 2, NULL, (const char *[]){ "a", NULL });
    assert_int_equal(er_matcher_pin(later), 2);
    assert_int_equal(revision_matched(later, "{\"type\":\"t\"}", 0), 2);
    er_matcher_unpin(later);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(revision_matched(matcher, "{\"type\":\"t\"}", 1), 1);
        assert_true(er_ruleset_tidy(ruleset)); /* and does not touch what is being read */
    }
    assert_int_equal(er_matcher_refresh(matcher), 2);
    assert_int_equal(revision_matched(matcher, "{\"type\":\"t\"}", 0), 2);
    assert_false(er_ruleset_tidy(ruleset));
    assert_int_equal(er_matcher_refresh(matcher), 2);
    er_matcher_unpin(matcher);
    er_matcher_free(later);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

#define CHURN_ROUNDS 400

struct churn {
    struct er_ruleset *ruleset;
    atomic_bool stop;
    atomic_uint bad;
    atomic_ulong matched;
};

/* Rules a and b both match everything and take turns; c and d change sides at every second change. */
static void *match_all_the_time(void *argument)
{
    struct churn *churn = argument;
    struct er_matcher *matcher = matcher_new(churn->ruleset);
    struct er_record record = record_of("{\"type\":\"t\",\"a\":\"xyz1\",\"l\":[{\"p\":1,\"q\":2},{\"p\":3}]}");

    while (!atomic_load(&churn->stop)) {
        uint64_t revision = er_matcher_pin(matcher);

        for (unsigned i = 0; i < 8; i++) {
            struct er_match match;
            struct er_err err;

            revision = i % 2 == 0 ? er_matcher_refresh(matcher) : revision;
            bool good = er_matcher_match(matcher, &record, &match, &err) == ER_OK && match.revision == revision &&
                        match.n_subscribers == 1 && match.subscribers[0].n_subscriptions == 2 &&
                        match.subscribers[0].subscriptions[0].p[0] == (revision % 2 == 0 ? 'a' : 'b') &&
                        match.subscribers[0].subscriptions[1].p[0] == (revision / 2 % 2 == 0 ? 'c' : 'd');

            if (!good) {
                atomic_fetch_add(&churn->bad, 1);
            }
            atomic_fetch_add_explicit(&churn->matched, 1, memory_order_relaxed);
        }
        er_matcher_unpin(matcher);
    }
    er_matcher_free(matcher);
    return NULL;
}

static void every_event_sees_one_revision(void **state)
{
    static const char *const a = "{\"id\":\"a\",\"types\":[\"t\"]}", *const b = "{\"id\":\"b\",\"regex\":{\"a\":\"xyz[0-9]\"}}";
    static const char *const c = "{\"id\":\"c\",\"pattern\":{\"l\":{\"p\":[1],\"q\":[{\"numeric\":[\">\",1]}]}}}",
                             *const d = "{\"id\":\"d\",\"pattern\":{\"$not\":{\"a\":[{\"anything-but\":{\"prefix\":\"xyz\"}}]},"
                                        "\"l\":{\"p\":[3],\"q\":[{\"exists\":false}]}}}";
    struct churn churn = { .ruleset = ruleset_new() };
    pthread_t threads[2];
    unsigned long before;

    (void)state;
    change(churn.ruleset, 0, (const char *[]){ a, c, NULL }, NULL);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, match_all_the_time, &churn), 0);
    }
    for (uint64_t revision = 1; revision <= CHURN_ROUNDS; revision++) {
        const char *put[] = { revision % 2 == 0 ? a : b, revision / 2 % 2 == 0 ? c : d, NULL };
        const char *gone[] = { revision % 2 == 0 ? "b" : "a", revision / 2 % 2 == 0 ? "d" : "c", NULL };

        change(churn.ruleset, revision, put, gone);
    }
    /* Both readers have matched on after the last change. */
    before = atomic_load(&churn.matched);
    for (time_t end = time(NULL) + 60; atomic_load(&churn.matched) < before + 1000 && time(NULL) < end;) {
        sched_yield();
    }
    atomic_store(&churn.stop, true);
    for (size_t i = 0; i < 2; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    assert_true(atomic_load(&churn.matched) >= before + 1000);
    assert_int_equal(atomic_load(&churn.bad), 0);
    er_ruleset_free(churn.ruleset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_in_parts_is_one_change),
        cmocka_unit_test(a_part_without_memory_abandons_all),
        cmocka_unit_test(publishing_waits_for_nobody),
        cmocka_unit_test(every_event_sees_one_revision),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

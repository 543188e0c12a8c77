#include "tests/unit/engine_test.h"
#include "tests/unit/fault.h"
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

static void a_change_is_all_or_nothing(void **state)
{
    const char *first[] = { "{\"id\":\"a\",\"types\":[\"t\"]}", "{\"id\":\"b\",\"regex\":{\"x\":\"1\"}}", NULL };
    const char *second[] = { "{\"id\":\"a\",\"types\":[\"u\"]}", "{\"id\":\"c\",\"subscriber\":\"s2\"}", NULL };
    const char *gone[] = { "b", "unknown", NULL };
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct er_ruleset_stats stats;
    struct er_err err;

    (void)state;
    assert_string_equal(match_value(matcher, "{\"type\":\"t\",\"x\":1}"), "");
    change(ruleset, 5, first, NULL);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\",\"x\":1}"), "s=a,b");
    assert_int_equal(prepare(ruleset, 6, second, gone, &err), ER_OK);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\",\"x\":1}"), "s=a,b");
    er_ruleset_abandon(ruleset);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\",\"x\":1}"), "s=a,b");
    change(ruleset, 6, second, gone);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\",\"x\":1}"), "s2=c");
    assert_string_equal(match_value(matcher, "{\"type\":\"u\"}"), "s=a s2=c");
    tidy_stats(ruleset, &stats);
    assert_int_equal(stats.revision, 6);
    assert_int_equal(stats.subscriptions, 2);
    assert_int_equal(stats.subscribers, 2);
    assert_int_equal(stats.unindexed, 0);
    assert_int_equal(stats.tests, 1);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

static void order_of_effect_within_a_change(void **state)
{
    /* The same id removed and put, put twice, put and disabled. */
    const char *documents[] = { "{\"id\":\"a\",\"types\":[\"t\"]}", "{\"id\":\"b\",\"types\":[\"t\"]}",
                                "{\"id\":\"a\",\"types\":[\"u\"]}", "{\"id\":\"c\",\"types\":[\"t\"]}",
                                "{\"id\":\"c\",\"enabled\":false}", NULL };
    const char *gone[] = { "a", "a", "b", NULL };
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct er_ruleset_stats stats;
    struct er_err err;

    (void)state;
    change(ruleset, 1, (const char *[]){ "{\"id\":\"a\"}", "{\"id\":\"b\"}", NULL }, NULL);
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(prepare(ruleset, 2, documents, gone, &err), ER_OK);
        er_ruleset_abandon(ruleset);
        assert_string_equal(match_value(matcher, "{}"), "s=a,b");
    }
    for (uint64_t revision = 2; revision < 5; revision++) {
        change(ruleset, revision, documents, gone);
        assert_string_equal(match_value(matcher, "{\"type\":\"t\"}"), "s=b");
        assert_string_equal(match_value(matcher, "{\"type\":\"u\"}"), "s=a");
        tidy_stats(ruleset, &stats);
        assert_int_equal(stats.subscriptions, 2);
        assert_int_equal(stats.tests, 2);
    }
    /* Disabling takes a rule out; putting it back enabled brings it in. */
    change(ruleset, 5, (const char *[]){ "{\"id\":\"b\",\"types\":[\"t\"],\"enabled\":false}", NULL }, NULL);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\"}"), "");
    change(ruleset, 6, documents + 1, NULL);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\"}"), "s=b");
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

static enum er_code change_subscribers(struct er_ruleset *ruleset, struct er_subscriber *put, const char *gone, struct er_err *err)
{
    struct er_str id = er_str_of(gone != NULL ? gone : "");
    struct er_ruleset_change change = { .revision = 9,
                                        .put_subscribers = &put,
                                        .n_put_subscribers = put != NULL,
                                        .remove_subscribers = &id,
                                        .n_remove_subscribers = gone != NULL };
    enum er_code code = er_ruleset_prepare(ruleset, &change, err);

    if (code == ER_OK) {
        er_ruleset_publish(ruleset);
    }
    return code;
}

static void subscribers_change_their_topic_and_go(void **state)
{
    const char *documents[] = { "{\"id\":\"a\"}", NULL };
    const char *ids[] = { "a", NULL };
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct er_subscriber *moved = er_subscriber_new(ER_STR("s"), ER_STR("elsewhere"));
    struct er_subscriber *other = er_subscriber_new(ER_STR("s"), ER_STR("elsewhere"));
    struct er_record record = record_of("{}");
    struct er_ruleset_stats stats;
    struct er_match match;
    struct er_err err;

    (void)state;
    assert_int_not_equal(moved->uid, other->uid);
    change(ruleset, 1, documents, NULL);
    assert_int_equal(change_subscribers(ruleset, moved, NULL, &err), ER_OK);
    er_matcher_pin(matcher);
    assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
    assert_ptr_equal(match.subscribers[0].subscriber, moved);
    assert_memory_equal(match.subscribers[0].subscriber->topic.p, "elsewhere", 9);
    er_matcher_unpin(matcher);
    assert_int_equal(change_subscribers(ruleset, NULL, "s", &err), ER_E_IN_USE);
    assert_string_equal(match_value(matcher, "{}"), "s=a");
    change(ruleset, 3, NULL, ids);
    assert_int_equal(change_subscribers(ruleset, NULL, "s", &err), ER_OK);
    tidy_stats(ruleset, &stats);
    assert_int_equal(stats.subscribers, 0);
    change(ruleset, 4, documents, NULL);
    assert_string_equal(match_value(matcher, "{}"), "s=a");
    /* Put and removed in one change: removing comes last. */
    change(ruleset, 5, NULL, ids);
    assert_int_equal(change_subscribers(ruleset, moved, "s", &err), ER_OK);
    tidy_stats(ruleset, &stats);
    assert_int_equal(stats.subscribers, 0);
    er_subscriber_unref(moved);
    er_subscriber_unref(other);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

static void unknown_subscriber_is_refused(void **state)
{
    struct er_ruleset *ruleset = ruleset_new();
    struct er_rule *rule = rule_of("{\"id\":\"a\"}");
    struct er_ruleset_change change = { .revision = 1, .put = &rule, .n_put = 1 };
    struct er_err err;

    (void)state;
    assert_int_equal(er_ruleset_prepare(ruleset, &change, &err), ER_E_INTERNAL);
    er_rule_unref(rule);
    er_ruleset_free(ruleset);
}

/* What counts as a rule that no index can serve. */
static void unindexed_rules_are_counted_and_limited(void **state)
{
    static const struct {
        const char *document;
        bool unindexed;
    } rows[] = {
        { "{\"id\":\"x\"}", false },
        { "{\"id\":\"x\",\"types\":[\"*\"]}", false },
        { "{\"id\":\"x\",\"types\":[\"a*\"]}", false },
        { "{\"id\":\"x\",\"types\":[\"*a\",\"b\"]}", false },
        { "{\"id\":\"x\",\"regex\":{\"a\":\".*\"}}", true },
        { "{\"id\":\"x\",\"regex\":{\"a\":\"\"}}", true },
        { "{\"id\":\"x\",\"regex\":{\"a\":\"[ab]+\",\"b\":\"\\\\d\"}}", true },
        { "{\"id\":\"x\",\"regex\":{\"a\":\"[ab]+\",\"b\":\"x\"}}", false },
        { "{\"id\":\"x\",\"types\":[\"*\"],\"regex\":{\"a\":\"[ab]+\"}}", true },
        { "{\"id\":\"x\",\"types\":[\"t\"],\"regex\":{\"a\":\"[ab]+\"}}", false },
        { "{\"id\":\"x\",\"regex\":{\"a\":\".*\"},\"enabled\":false}", false },
        { "{\"id\":\"x\",\"pattern\":{\"a\":[1]}}", false },
        { "{\"id\":\"x\",\"pattern\":{\"a\":[{\"exists\":true}]}}", false },
        { "{\"id\":\"x\",\"pattern\":{\"a\":[{\"exists\":false}]}}", true },
        { "{\"id\":\"x\",\"pattern\":{\"a\":[{\"exists\":false}]},\"types\":[\"t\"]}", false },
        { "{\"id\":\"x\",\"pattern\":{\"a\":[{\"anything-but\":1}]}}", true },
        { "{\"id\":\"x\",\"pattern\":{\"a\":[{\"anything-but\":1}],\"b\":{\"c\":[{\"suffix\":\"x\"}]}}}", false },
        { "{\"id\":\"x\",\"pattern\":{\"a\":[{\"wildcard\":\"*\"}]}}", true },
        { "{\"id\":\"x\",\"pattern\":{\"a\":[{\"wildcard\":\"*x*y\"}]}}", false },
        { "{\"id\":\"x\",\"pattern\":{\"a\":[{\"numeric\":[\"!=\",1]}]}}", true },
        { "{\"id\":\"x\",\"pattern\":{\"a\":[{\"numeric\":[\">\",1]}]}}", false },
        { "{\"id\":\"x\",\"pattern\":{\"$not\":{\"a\":[1]}}}", true },
        { "{\"id\":\"x\",\"pattern\":{\"$not\":{\"$not\":{\"a\":[1]}}}}", false },
        { "{\"id\":\"x\",\"pattern\":{\"$not\":{\"$or\":[{\"$not\":{\"a\":[1]}},{\"b\":[2]}]}}}", false },
        { "{\"id\":\"x\",\"pattern\":{\"$or\":[{\"a\":[1]},{\"b\":[{\"anything-but\":2}]}]}}", true },
        { "{\"id\":\"x\",\"pattern\":{\"$or\":[{\"a\":[1]},{\"b\":[2],\"c\":[{\"exists\":false}]}]}}", false },
    };
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_ruleset_stats stats;
    struct er_err err;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *documents[] = { rows[i].document, NULL };
        struct er_ruleset *ruleset = ruleset_new();

        change(ruleset, 1, documents, NULL);
        tidy_stats(ruleset, &stats);
        assert_int_equal(stats.unindexed, rows[i].unindexed);
        change(ruleset, 2, NULL, (const char *[]){ "x", NULL });
        tidy_stats(ruleset, &stats);
        assert_int_equal(stats.unindexed, 0);
        assert_int_equal(stats.tests, 0);
        er_ruleset_free(ruleset);
    }

    const char *two[] = { "{\"id\":\"a\",\"regex\":{\"f\":\".\"}}", "{\"id\":\"b\",\"regex\":{\"f\":\".\"}}", NULL };
    const char *third[] = { "{\"id\":\"c\",\"regex\":{\"f\":\".\"}}", NULL };
    const char *indexed[] = { "{\"id\":\"d\",\"regex\":{\"f\":\"x\"}}", NULL };
    options.unindexed_rules = 2;
    struct er_ruleset *ruleset = ruleset_with(&options);
    struct er_matcher *matcher = matcher_new(ruleset);
    change(ruleset, 1, two, NULL);
    assert_int_equal(prepare(ruleset, 2, third, NULL, &err), ER_E_RULE_UNINDEXED);
    assert_non_null(strstr(err.text, "rule c:"));
    change(ruleset, 2, indexed, NULL);
    change(ruleset, 3, two, NULL); /* replacing is not adding */
    change(ruleset, 4, third, (const char *[]){ "a", NULL });
    assert_string_equal(match_value(matcher, "{\"f\":\"x\"}"), "s=b,c,d");
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* ---- random changes against a model ---- */

#define IDS 24
#define EVENTS 6

static const char *const variants[] = {
    NULL, /* no such rule */
    "\"description\":\"all\"",
    "\"types\":[\"t\"]",
    "\"types\":[\"t\",\"u\",\"order.*\"]",
    "\"types\":[\"order.*\",\"*.new\"]",
    "\"types\":[\"*rd*\"],\"regex\":{\"a\":\"^x\"}",
    "\"types\":[\"t\"],\"regex\":{\"a\":\"x[0-9]+\",\"b.c\":\"y$\"}",
    "\"regex\":{\"a\":\"x1\"}",
    "\"regex\":{\"b.c\":\"^(y|z)\"}",
    "\"regex\":{\"b.c\":\"long enough literal [a-z]\"}",
    "\"enabled\":false",
    "\"pattern\":{\"a\":[\"x1\",5],\"b\":{\"c\":[{\"anything-but\":[\"q\"]}]}}",
    "\"pattern\":{\"$or\":[{\"a\":[{\"prefix\":\"x\"}],\"z\":[1]},{\"b\":{\"c\":[{\"wildcard\":\"*z*y\"}]}}]}",
    "\"types\":[\"t\",\"u\"],\"pattern\":{\"$not\":{\"a\":[{\"exists\":true}]}}",
    "\"pattern\":{\"b\":{\"c\":[{\"equals-ignore-case\":\"Y\"},{\"numeric\":[\">\",0]}]}}",
    "\"pattern\":{\"a\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"x1\"]}",
    "\"pattern\":{\"b\":{\"c\":[\"y\"],\"d\":[{\"exists\":false}]},\"a\":[{\"regex\":\"^x[0-9]\"}]}",
    "\"pattern\":{\"b\":{\"c\":[{\"cidr\":\"10.0.0.0/8\"},{\"suffix\":{\"equals-ignore-case\":\"X\"}}]}}",
};
#define VARIANTS (sizeof variants / sizeof variants[0])

static const char *const events[EVENTS] = {
    "{}",
    "{\"type\":\"t\",\"a\":\"x1\",\"b\":{\"c\":\"zy\"}}",
    "{\"type\":\"order.new\",\"a\":[\"q\",\"x\"]}",
    "{\"type\":\"u\",\"b\":[{\"c\":\"a long enough literal x\"},{\"c\":1}]}",
    "{\"type\":\"order.old\",\"a\":\"ax12\"}",
    "{\"type\":\"\",\"b\":{\"c\":\"y\"}}",
};

static bool accepts[VARIANTS][EVENTS];

static void document_of(char *text, size_t size, unsigned id, unsigned variant)
{
    snprintf(text, size, "{\"id\":\"i%02u\",\"subscriber\":\"s%u\",%s}", id, id % 5, variants[variant]);
}

/* What each variant alone does. */
static void learn_variants(void)
{
    for (unsigned variant = 1; variant < VARIANTS; variant++) {
        struct er_ruleset *ruleset = ruleset_new();
        struct er_matcher *matcher = matcher_new(ruleset);
        char document[512];

        document_of(document, sizeof document, 0, variant);
        change(ruleset, 1, (const char *[]){ document, NULL }, NULL);
        for (unsigned event = 0; event < EVENTS; event++) {
            accepts[variant][event] = match_value(matcher, events[event])[0] != '\0';
        }
        er_matcher_free(matcher);
        er_ruleset_free(ruleset);
    }
}

/* The matches in the form of match_value. */
static void expected_text(char *text, size_t size, const unsigned *model, unsigned event)
{
    size_t n = 0;

    text[0] = '\0';
    for (unsigned subscriber = 0; subscriber < 5; subscriber++) {
        bool first = true;

        for (unsigned id = subscriber; id < IDS; id += 5) {
            if (accepts[model[id]][event]) {
                n += first ? (size_t)snprintf(text + n, size - n, "%ss%u=i%02u", n > 0 ? " " : "", subscriber, id)
                           : (size_t)snprintf(text + n, size - n, ",i%02u", id);
                first = false;
            }
        }
    }
}

static void check_against_model(struct er_matcher *matcher, const unsigned *model)
{
    for (unsigned event = 0; event < EVENTS; event++) {
        char expected[1024];

        expected_text(expected, sizeof expected, model, event);
        assert_string_equal(match_value(matcher, events[event]), expected);
    }
}

/* A change of a few random ids; `next` becomes the model after it. */
struct random_change {
    char documents[8][512];
    char ids[8][8];
    const char *put[9];
    const char *gone[9];
};

static void random_change(struct random_change *change, unsigned *next, unsigned *seed)
{
    unsigned n = 1 + (unsigned)rand_r(seed) % 8;
    unsigned n_put = 0, n_gone = 0;

    for (unsigned i = 0; i < n; i++) {
        unsigned id = (unsigned)rand_r(seed) % IDS;
        unsigned variant = (unsigned)rand_r(seed) % VARIANTS;

        if (variant != 0) {
            document_of(change->documents[n_put], sizeof change->documents[0], id, variant);
            change->put[n_put] = change->documents[n_put];
            n_put++;
            next[id] = variant;
        } else if (n_put == 0) { /* removals come first */
            snprintf(change->ids[n_gone], sizeof change->ids[0], "i%02u", id);
            change->gone[n_gone] = change->ids[n_gone];
            n_gone++;
            next[id] = 0;
        }
    }
    change->put[n_put] = NULL;
    change->gone[n_gone] = NULL;
}

static void random_changes_follow_the_model(void **state)
{
    unsigned seed = 20261121;
    unsigned model[IDS] = { 0 }, next[IDS];
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct random_change *random = calloc(1, sizeof *random);
    struct er_ruleset_stats stats;
    struct er_err err;

    (void)state;
    learn_variants();
    for (unsigned round = 0; round < 1500; round++) {
        memcpy(next, model, sizeof next);
        random_change(random, next, &seed);
        assert_int_equal(prepare(ruleset, round + 1, random->put, random->gone, &err), ER_OK);
        if (rand_r(&seed) % 4 == 0) {
            er_ruleset_abandon(ruleset);
        } else {
            er_ruleset_publish(ruleset);
            memcpy(model, next, sizeof model);
        }
        check_against_model(matcher, model);
    }
    /* Nothing is left behind. */
    for (unsigned id = 0; id < IDS; id++) {
        char text[8];

        snprintf(text, sizeof text, "i%02u", id);
        change(ruleset, 9000 + id, NULL, (const char *[]){ text, NULL });
    }
    tidy_stats(ruleset, &stats);
    assert_int_equal(stats.subscriptions, 0);
    assert_int_equal(stats.tests, 0);
    free(random);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* Memory runs out at every possible place: in prepare the change did not happen, in publish it did, and the next one finds both sides
 * whole. */
static void no_memory_loses_nothing(void **state)
{
    unsigned seed = 7;
    unsigned model[IDS] = { 0 }, next[IDS];
    struct er_ruleset *ruleset;
    struct er_matcher *matcher;
    struct random_change *random;
    unsigned refused = 0;

    (void)state;
    skip_unless_allocations_can_fail();
    ruleset = ruleset_new();
    matcher = matcher_new(ruleset);
    random = calloc(1, sizeof *random);
    learn_variants();
    for (unsigned round = 0; round < 3000; round++) {
        struct er_rule *rules[8];
        struct er_str gone[8];
        struct er_subscriber *subscribers[8];
        struct er_ruleset_change change = { .revision = round + 1, .put = rules, .remove = gone, .put_subscribers = subscribers };
        struct er_err err;
        enum er_code code;

        memcpy(next, model, sizeof next);
        random_change(random, next, &seed);
        for (; random->put[change.n_put] != NULL; change.n_put++) {
            rules[change.n_put] = rule_of(random->put[change.n_put]);
            subscribers[change.n_put] = er_subscriber_new(rules[change.n_put]->subscriber, ER_STR("topic"));
        }
        change.n_put_subscribers = change.n_put;
        for (; random->gone[change.n_remove] != NULL; change.n_remove++) {
            gone[change.n_remove] = er_str_of(random->gone[change.n_remove]);
        }
        fail_from_allocation(1 + (unsigned)rand_r(&seed) % 150);
        code = er_ruleset_prepare(ruleset, &change, &err);
        if (code == ER_OK) {
            er_ruleset_publish(ruleset);
            memcpy(model, next, sizeof model);
        }
        fail_from_allocation(0);
        refused += code == ER_E_NOMEM;
        assert_true(code == ER_OK || code == ER_E_NOMEM);
        check_against_model(matcher, model);
        for (size_t i = 0; i < change.n_put; i++) {
            er_rule_unref(rules[i]);
            er_subscriber_unref(subscribers[i]);
        }
    }
    assert_in_range(refused, 100, 2900);
    free(random);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

static void matching_without_memory_says_so(void **state)
{
    struct er_ruleset *ruleset;
    struct er_record record = record_of("{\"type\":\"t\",\"a\":\"x\\u0031\",\"b\":{\"c\":[\"y\",\"y\",\"y\"]}}");
    unsigned failures = 0;

    (void)state;
    skip_unless_allocations_can_fail();
    ruleset = ruleset_new();
    for (unsigned variant = 1; variant < VARIANTS; variant++) {
        char document[512];

        document_of(document, sizeof document, variant, variant);
        change(ruleset, variant, (const char *[]){ document, NULL }, NULL);
    }
    for (unsigned long n = 1;; n++) {
        struct er_matcher *matcher = NULL;
        struct er_match match = { 0 };
        struct er_err err;
        enum er_code code;

        fail_from_allocation(n);
        code = er_matcher_new(ruleset, &matcher, &err);
        if (code == ER_OK) {
            er_matcher_pin(matcher);
            code = er_matcher_match(matcher, &record, &match, &err);
            er_matcher_unpin(matcher);
        }
        fail_from_allocation(0);
        if (matcher != NULL) {
            assert_string_equal(match_record(matcher, &record), "s0=i15 s1=i01,i06,i11,i16 s2=i02,i07 s3=i03,i08 s4=i14");
            er_matcher_free(matcher);
        }
        if (code == ER_OK) {
            break;
        }
        assert_int_equal(code, ER_E_NOMEM);
        failures++;
    }
    assert_true(failures > 8);
    er_ruleset_free(ruleset);
}

/* ---- what rules have done ---- */

static struct er_ruleset_activity activity_of(const struct er_ruleset *ruleset, const char *id)
{
    struct er_ruleset_activity activity;

    assert_true(er_ruleset_activity(ruleset, er_str_of(id), &activity));
    return activity;
}

static void activity_counts_from_the_last_change(void **state)
{
    const char *documents[] = { "{\"id\":\"a\",\"types\":[\"t\"],\"pattern\":{\"n\":[{\"numeric\":[\">\",1]}]}}",
                                "{\"id\":\"b\",\"pattern\":{\"s\":[{\"regex\":\"key=[0-9]+;\"}]}}", NULL };
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset), *other = matcher_new(ruleset);
    struct er_ruleset_activity activity;

    (void)state;
    change(ruleset, 1, documents, NULL);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\",\"n\":2,\"s\":\"key=12;\"}"), "s=a,b");
    assert_string_equal(match_value(other, "{\"type\":\"t\",\"n\":1,\"s\":\"key=x;\"}"), "");
    assert_string_equal(match_value(other, "{\"type\":\"t\",\"n\":3,\"s\":\"none\"}"), "s=a");
    activity = activity_of(ruleset, "a");
    assert_int_equal(activity.hits, 2);
    assert_in_range(activity.candidates, 2, 3);
    assert_int_equal(activity.confirms, 0);
    activity = activity_of(ruleset, "b");
    assert_int_equal(activity.hits, 1);
    assert_int_equal(activity.confirms, 2); /* the third value does not hold the literal */
    assert_false(activity.unindexed || activity.quarantined);
    /* Other rules come to stand where these stood. */
    change(ruleset, 2, NULL, (const char *[]){ "a", "b", NULL });
    assert_false(er_ruleset_activity(ruleset, ER_STR("a"), &activity));
    change(ruleset, 3, NULL, NULL);
    change(ruleset, 4,
           (const char *[]){ "{\"id\":\"c\",\"pattern\":{\"s\":[{\"regex\":\"word=[0-9]+;\"}]}}",
                             "{\"id\":\"d\",\"types\":[\"z\"]}", NULL },
           NULL);
    for (unsigned i = 0; i < 2; i++) {
        activity = activity_of(ruleset, i == 0 ? "c" : "d");
        assert_int_equal(activity.candidates + activity.hits + activity.confirms + activity.time_ns, 0);
    }
    er_matcher_free(other);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* A rule whose regex goes over its limits for one event after the other is undecided without being run, but only where its other conditions
 * hold; a new rule starts anew. */
static void overrunning_regexes_go_into_quarantine(void **state)
{
    const char *bad = "{\"id\":\"bad\",\"types\":[\"t\"],\"regex\":{\"s\":\"^(a+)+x\"}}";
    const char *changed = "{\"id\":\"bad\",\"types\":[\"t\"],\"regex\":{\"s\":\"^(a|aa)+x\"}}";
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_ruleset *ruleset;
    struct er_matcher *matcher;
    struct er_ruleset_stats stats;

    (void)state;
    options.regex.match_limit = 50;
    ruleset = ruleset_with(&options);
    matcher = matcher_new(ruleset);
    change(ruleset, 1, (const char *[]){ bad, NULL }, NULL);
    for (unsigned i = 0; i < 10; i++) {
        assert_false(activity_of(ruleset, "bad").quarantined);
        assert_string_equal(match_value(matcher, "{\"type\":\"t\",\"s\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab x\"}"), " ?s=bad");
    }
    assert_true(activity_of(ruleset, "bad").quarantined);
    tidy_stats(ruleset, &stats);
    assert_int_equal(stats.quarantined, 1);
    assert_int_equal(activity_of(ruleset, "bad").confirms, 10);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\",\"s\":\"ax\"}"), " ?s=bad");
    assert_string_equal(match_value(matcher, "{\"type\":\"u\",\"s\":\"ax\"}"), "");
    assert_string_equal(match_value(matcher, "{\"type\":\"t\",\"s\":\"a\"}"), "");
    assert_int_equal(activity_of(ruleset, "bad").confirms, 10);
    change(ruleset, 2, (const char *[]){ changed, NULL }, NULL);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\",\"s\":\"ax\"}"), "s=bad");
    change(ruleset, 3, NULL, NULL);
    tidy_stats(ruleset, &stats);
    assert_int_equal(stats.quarantined, 0);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

static void near_misses_fewest_failures_first(void **state)
{
    const char *documents[] = { "{\"id\":\"far\",\"types\":[\"u\"],\"pattern\":{\"a\":[2],\"b\":[3]}}",
                                "{\"id\":\"hit\",\"types\":[\"t\"]}",
                                "{\"id\":\"logic\",\"types\":[\"t\"],\"pattern\":{\"$not\":{\"a\":[1]}}}",
                                "{\"id\":\"one\",\"types\":[\"t\"],\"pattern\":{\"a\":[1],\"b\":[3]}}",
                                "{\"id\":\"two\",\"types\":[\"u\"],\"pattern\":{\"a\":[1],\"b\":[3]}}",
                                NULL };
    static const struct {
        const char *id;
        unsigned failed, conditions;
    } expected[] = { { "logic", 1, 2 }, { "one", 1, 3 }, { "two", 2, 3 }, { "far", 3, 3 } };
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct er_record record = record_of("{\"type\":\"t\",\"a\":1}");
    struct er_near_list near;
    struct er_match match;
    struct er_err err;

    (void)state;
    change(ruleset, 1, documents, NULL);
    for (size_t limit = 0; limit < 6; limit++) {
        er_matcher_pin(matcher);
        assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
        assert_int_equal(er_matcher_near(matcher, limit, 1000000000u, &near, &err), ER_OK);
        assert_true(near.complete);
        assert_int_equal(near.n, limit < 4 ? limit : 4);
        for (size_t i = 0; i < near.n; i++) {
            assert_true(er_str_eq(near.items[i].subscription, er_str_of(expected[i].id)));
            assert_int_equal(near.items[i].failed, expected[i].failed);
            assert_int_equal(near.items[i].conditions, expected[i].conditions);
        }
        er_matcher_unpin(matcher);
    }
    er_matcher_pin(matcher);
    assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
    assert_int_equal(er_matcher_near(matcher, 9, 0, &near, &err), ER_OK);
    assert_false(near.complete);
    er_matcher_unpin(matcher);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_is_all_or_nothing),
        cmocka_unit_test(order_of_effect_within_a_change),
        cmocka_unit_test(subscribers_change_their_topic_and_go),
        cmocka_unit_test(unknown_subscriber_is_refused),
        cmocka_unit_test(unindexed_rules_are_counted_and_limited),
        cmocka_unit_test(random_changes_follow_the_model),
        cmocka_unit_test(no_memory_loses_nothing),
        cmocka_unit_test(matching_without_memory_says_so),
        cmocka_unit_test(activity_counts_from_the_last_change),
        cmocka_unit_test(overrunning_regexes_go_into_quarantine),
        cmocka_unit_test(near_misses_fewest_failures_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

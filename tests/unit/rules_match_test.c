#include "tests/unit/engine_test.h"

/* One rule (as the members of its document) against one event. */
struct row {
    const char *rule;
    const char *event;
    bool accepts;
};

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char document[4096];
        const char *documents[] = { document, NULL };
        struct er_ruleset *ruleset = ruleset_new();
        struct er_matcher *matcher = matcher_new(ruleset);
        const char *got;

        snprintf(document, sizeof document, "{%s}", rows[i].rule);
        change(ruleset, 1, documents, NULL);
        got = match_value(matcher, rows[i].event);
        if (strcmp(got, rows[i].accepts ? "s=r" : "") != 0) {
            fail_msg("{%s} ~ %s gives \"%s\"", rows[i].rule, rows[i].event == NULL ? "tombstone" : rows[i].event, got);
        }
        er_matcher_free(matcher);
        er_ruleset_free(ruleset);
    }
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

static void types_are_exact_or_globs(void **state)
{
    static const struct row rows[] = {
        { "\"types\":[\"order\"]", "{\"type\":\"order\"}", true },
        { "\"types\":[\"order\"]", "{\"type\":\"orders\"}", false },
        { "\"types\":[\"order\"]", "{\"type\":\"Order\"}", false },
        { "\"types\":[\"order\"]", "{}", false },
        { "\"types\":[\"order\"]", "{\"type\":[\"order\"]}", false },
        { "\"types\":[\"order\"]", "{\"type\":null}", false },
        { "\"types\":[\"5\"]", "{\"type\":5}", false },
        { "\"types\":[\"true\"]", "{\"type\":true}", false },
        { "\"types\":[\"a\",\"order\"]", "{\"type\":\"order\"}", true },
        { "\"types\":[\"\"]", "{\"type\":\"\"}", true },
        { "\"types\":[\"\"]", "{\"type\":\"x\"}", false },
        { "\"types\":[\"\"]", "{}", false },
        { "\"types\":[\"*\"]", "{\"type\":\"\"}", true },
        { "\"types\":[\"**\"]", "{\"type\":\"x\"}", true },
        { "\"types\":[\"*\"]", "{\"type\":1}", false },
        { "\"types\":[\"*\"]", "{}", false },
        { "\"types\":[\"x\",\"*\"]", "{\"type\":\"y\"}", true },
        { "\"types\":[\"order.*\"]", "{\"type\":\"order.\"}", true },
        { "\"types\":[\"order.*\"]", "{\"type\":\"order.new.eu\"}", true },
        { "\"types\":[\"order.*\"]", "{\"type\":\"order\"}", false },
        { "\"types\":[\"*.new\"]", "{\"type\":\"order.new\"}", true },
        { "\"types\":[\"*.new\"]", "{\"type\":\"order.new.\"}", false },
        { "\"types\":[\"*de*\"]", "{\"type\":\"order\"}", true },
        { "\"types\":[\"*de*\"]", "{\"type\":\"oder\"}", true },
        { "\"types\":[\"*de*\"]", "{\"type\":\"d.e\"}", false },
        { "\"types\":[\"a*a\"]", "{\"type\":\"a\"}", false },
        { "\"types\":[\"a*a\"]", "{\"type\":\"aa\"}", true },
        { "\"types\":[\"a*b**c\"]", "{\"type\":\"a-b-b-c\"}", true },
        { "\"types\":[\"a*b*c\"]", "{\"type\":\"a-c-b\"}", false },
        { "\"types\":[\"a?\"]", "{\"type\":\"ab\"}", false },
        { "\"types\":[\"\\u00e9*\"]", "{\"type\":\"\\u00e9t\\u00e9\"}", true },
        { "\"types\":[\"a\\u0000b\"]", "{\"type\":\"a\\u0000b\"}", true },
        { "\"types\":[\"a\\u0000b\"]", "{\"type\":\"a\\u0000c\"}", false },
        { "\"description\":\"no condition\"", "{}", true },
        { "\"description\":\"no condition\"", "{\"type\":\"x\"}", true },
        { "\"description\":\"no condition\"", NULL, true },
        { "\"types\":[\"*\"]", NULL, false },
        { "\"enabled\":false", "{}", false },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void regexes_act_on_the_text_of_scalars(void **state)
{
    static const struct row rows[] = {
        { "\"regex\":{\"user_id\":\"^12\"}", "{\"user_id\":123}", true },
        { "\"regex\":{\"user_id\":\"^12\"}", "{\"user_id\":\"123\"}", true },
        { "\"regex\":{\"user_id\":\"^12\"}", "{\"user_id\":312}", false },
        { "\"regex\":{\"a\":\"^1e2$\"}", "{\"a\":1e2}", true },
        { "\"regex\":{\"a\":\"^100$\"}", "{\"a\":1e2}", false },
        { "\"regex\":{\"a\":\"^-0\\\\.50$\"}", "{\"a\":-0.50}", true },
        { "\"regex\":{\"a\":\"true\"}", "{\"a\":true}", true },
        { "\"regex\":{\"a\":\"^false$\"}", "{\"a\":false}", true },
        { "\"regex\":{\"a\":\"\"}", "{\"a\":null}", false },
        { "\"regex\":{\"a\":\"null\"}", "{\"a\":null}", false },
        { "\"regex\":{\"a\":\"\"}", "{\"a\":{}}", false },
        { "\"regex\":{\"a\":\"\"}", "{\"a\":[]}", false },
        { "\"regex\":{\"a\":\"\"}", "{\"a\":\"\"}", true },
        { "\"regex\":{\"a\":\"^\"}", "{\"a\":0}", true },
        { "\"regex\":{\"a\":\"$\"}", "{\"b\":0}", false },
        { "\"regex\":{\"a\":\"^$\"}", "{\"a\":\"\"}", true },
        { "\"regex\":{\"a\":\"^$\"}", "{\"a\":\"x\"}", false },
        { "\"regex\":{\"a\":\"^$\"}", "{\"a\":\"\\n\"}", false },
        { "\"regex\":{\"a\":\"x$\"}", "{\"a\":\"x\\n\"}", false },
        { "\"regex\":{\"a\":\"^x\"}", "{\"a\":\"y\\nx\"}", false },
        { "\"regex\":{\"a\":\"a\\\\.b\"}", "{\"a\":\"a.b\"}", true },
        { "\"regex\":{\"a\":\"a\\\\.b\"}", "{\"a\":\"axb\"}", false },
        { "\"regex\":{\"a\":\"a\\\\$\"}", "{\"a\":\"a$b\"}", true },
        { "\"regex\":{\"a\":\"a\\\\$\"}", "{\"a\":\"a\"}", false },
        { "\"regex\":{\"a\":\"a\\\\\\\\$\"}", "{\"a\":\"xa\\\\\"}", true },
        { "\"regex\":{\"a\":\"a\\\\\\\\$\"}", "{\"a\":\"a$\"}", false },
        { "\"regex\":{\"a\":\"\\\\d{3}-x\"}", "{\"a\":\"12 345-x\"}", true },
        { "\"regex\":{\"a\":\"(?i)abc\"}", "{\"a\":\"xABCx\"}", true },
        { "\"regex\":{\"a\":\"abc|def\"}", "{\"a\":\"def\"}", true },
        { "\"regex\":{\"a\":\"[ab]\"}", "{\"a\":\"b\"}", true },
        { "\"regex\":{\"a\":\"^.$\"}", "{\"a\":\"\\ud83d\\ude00\"}", true },
        { "\"regex\":{\"a\":\"\\u00e9\"}", "{\"a\":\"caf\\u00e9\"}", true },
        { "\"regex\":{\"a\":\"e\\u0301\"}", "{\"a\":\"\\u00e9\"}", false },
        { "\"regex\":{\"a\":\"x\",\"b\":\"y\"}", "{\"a\":\"x\",\"b\":\"y\"}", true },
        { "\"regex\":{\"a\":\"x\",\"b\":\"y\"}", "{\"a\":\"x\",\"b\":\"x\"}", false },
        { "\"regex\":{\"a\":\"x\",\"/a\":\"y\"}", "{\"a\":\"xy\"}", true },
        { "\"types\":[\"t\"],\"regex\":{\"a\":\"x\"}", "{\"type\":\"t\",\"a\":\"x\"}", true },
        { "\"types\":[\"t\"],\"regex\":{\"a\":\"x\"}", "{\"type\":\"u\",\"a\":\"x\"}", false },
        { "\"types\":[\"t\"],\"regex\":{\"a\":\"x\"}", "{\"type\":\"t\",\"a\":\"y\"}", false },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void paths_lead_through_objects_and_arrays(void **state)
{
    static const struct row rows[] = {
        { "\"regex\":{\"a.b\":\"x\"}", "{\"a\":{\"b\":\"x\"}}", true },
        { "\"regex\":{\"a.b\":\"x\"}", "{\"a.b\":\"x\"}", false },
        { "\"regex\":{\"\\\"a.b\\\"\":\"x\"}", "{\"a.b\":\"x\"}", true },
        { "\"regex\":{\"/a~1b\":\"x\"}", "{\"a/b\":\"x\"}", true },
        { "\"regex\":{\"/\":\"x\"}", "{\"\":\"x\"}", true },
        { "\"regex\":{\"a\":\"x\"}", "{\"a\":[\"y\",\"x\"]}", true },
        { "\"regex\":{\"a\":\"x\"}", "{\"a\":[[],[[\"x\"]]]}", true },
        { "\"regex\":{\"a\":\"x\"}", "{\"a\":[{\"a\":\"x\"}]}", false },
        { "\"regex\":{\"a.b\":\"x\"}", "{\"a\":[{\"b\":\"y\"},5,[{\"b\":[\"z\",\"x\"]}]]}", true },
        { "\"regex\":{\"a.0\":\"x\"}", "{\"a\":[\"x\"]}", false },
        { "\"regex\":{\"/a/0\":\"x\"}", "{\"a\":{\"0\":\"x\"}}", true },
        /* Entries are independent: two different elements may serve them. */
        { "\"regex\":{\"i.a\":\"x\",\"i.b\":\"y\"}", "{\"i\":[{\"a\":\"x\"},{\"b\":\"y\"}]}", true },
        { "\"regex\":{\"a\":\"x\",\"a.b\":\"y\"}", "{\"a\":[\"x\",{\"b\":\"y\"}]}", true },
        { "\"regex\":{\"a\":\"x\"}", "{\"\\u0061\":\"x\"}", true },
        { "\"regex\":{\"a\":\"^q\\\"z$\"}", "{\"a\":\"q\\u0022z\"}", true },
        { "\"regex\":{\"\\\"$kafka\\\".topic\":\"x\"}", "{\"$kafka\":{\"topic\":\"x\"}}", true },
        { "\"regex\":{\"$kafka.topic\":\"x\"}", "{\"$kafka\":{\"topic\":\"x\"}}", false },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void the_last_duplicate_counts(void **state)
{
    static const struct row rows[] = {
        { "\"regex\":{\"a\":\"^1$\"}", "{\"a\":1,\"a\":2}", false },
        { "\"regex\":{\"a\":\"^2$\"}", "{\"a\":1,\"a\":2}", true },
        { "\"regex\":{\"a\":\"^2$\"}", "{\"a\":1,\"\\u0061\":2}", true },
        { "\"regex\":{\"a\":\"^1$\"}", "{\"\\u0061\":1,\"a\":2}", false },
        { "\"regex\":{\"a.b\":\"x\"}", "{\"a\":{\"b\":\"x\"},\"a\":{}}", false },
        { "\"regex\":{\"a.b\":\"x\"}", "{\"a\":{\"b\":\"x\"},\"a\":null}", false },
        { "\"regex\":{\"a.b\":\"x\"}", "{\"a\":[{\"b\":\"x\"},{\"b\":\"x\",\"b\":1}],\"c\":1,\"a\":[{\"b\":2}]}", false },
        { "\"regex\":{\"a.b\":\"x\"}", "{\"a\":[{\"b\":\"x\"},{\"b\":\"y\",\"b\":1}]}", true },
        { "\"regex\":{\"a.b\":\"x\"}", "{\"a\":{\"b\":\"y\"},\"a\":{\"b\":\"x\"}}", true },
        { "\"regex\":{\"a\":\"x\"}", "{\"a\":\"x\",\"a\":\"y\",\"a\":\"x\"}", true },
        { "\"regex\":{\"a\":\"x\"}", "{\"a\":\"x\",\"b\":{\"a\":1}}", true },
        { "\"types\":[\"t\"]", "{\"type\":\"t\",\"type\":1}", false },
        { "\"types\":[\"t\"]", "{\"type\":1,\"type\":\"t\"}", true },
    };

    (void)state;
    CHECK_ROWS(rows);
}

static void subscribers_come_once_and_in_order(void **state)
{
    const char *documents[] = { "{\"id\":\"c\",\"subscriber\":\"B\",\"types\":[\"t\",\"*t\",\"t*\"]}",
                                "{\"id\":\"a\",\"subscriber\":\"B\",\"types\":[\"t\"]}",
                                "{\"id\":\"b\",\"subscriber\":\"A\",\"regex\":{\"type\":\"t\"}}",
                                "{\"id\":\"z\",\"subscriber\":\"a\"}",
                                "{\"id\":\"y\",\"subscriber\":\"a\",\"types\":[\"u\"]}",
                                "{\"id\":\"x\",\"subscriber\":\"Ab\",\"types\":[\"t\",\"u\"]}",
                                NULL };
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    const struct er_str *ids;
    size_t n;

    (void)state;
    change(ruleset, 7, documents, NULL);
    assert_string_equal(match_value(matcher, "{\"type\":\"t\"}"), "A=b Ab=x B=a,c a=z");
    ids = er_matcher_matched_ids(matcher, &n);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < n; i++) {
        assert_memory_equal(ids[i].p, &"abcxz"[i], 1);
    }
    (void)er_matcher_undecided_ids(matcher, &n);
    assert_int_equal(n, 0);
    assert_string_equal(match_value(matcher, "{\"type\":\"v\"}"), "a=z");
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* More matches than the short sort takes; the same rule at many subscribers is one term. */
static void many_matches_are_sorted(void **state)
{
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct er_record record = record_of("{\"type\":\"t\"}");
    struct er_match match;
    struct er_err err;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        char document[200];
        const char *documents[] = { document, NULL };
        unsigned shuffled = i * 389 % 1000;

        snprintf(document, sizeof document, "{\"id\":\"r%03u\",\"subscriber\":\"s%02u\",\"types\":[\"%s\"]}", shuffled,
                 shuffled / 10 % 37, i % 3 == 0 ? "t" : "t*");
        change(ruleset, i + 1, documents, NULL);
    }
    er_matcher_pin(matcher);
    assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
    assert_int_equal(match.revision, 1000);
    assert_int_equal(match.n_subscribers, 37);
    size_t total = 0;
    for (size_t i = 0; i < match.n_subscribers; i++) {
        const struct er_match_subscriber *s = &match.subscribers[i];

        assert_true(i == 0 || er_str_cmp(match.subscribers[i - 1].subscriber->id, s->subscriber->id) < 0);
        for (size_t k = 1; k < s->n_subscriptions; k++) {
            assert_true(er_str_cmp(s->subscriptions[k - 1], s->subscriptions[k]) < 0);
        }
        total += s->n_subscriptions;
    }
    assert_int_equal(total, 1000);
    er_matcher_unpin(matcher);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* A regex that is over its limit on this value. */
#define SLOW "(x+x+)+y"
#define SLOW_VALUE "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx z"

static void undecided_follows_three_valued_logic(void **state)
{
    static const struct {
        const char *rules[3];
        const char *expected;
    } rows[] = {
        { { "{\"regex\":{\"a\":\"" SLOW "|q\"}}" }, " ?s=r" },
        /* false AND undecided = false */
        { { "{\"regex\":{\"a\":\"" SLOW "|q\",\"b\":\"nothing\"}}" }, "" },
        { { "{\"types\":[\"u\"],\"regex\":{\"a\":\"" SLOW "|q\"}}" }, "" },
        { { "{\"regex\":{\"a\":\"" SLOW "|q\",\"b\":\"no(t|n)\"}}" }, "" },
        /* true AND undecided = undecided */
        { { "{\"types\":[\"t\"],\"regex\":{\"a\":\"" SLOW "|q\",\"b\":\"B\"}}" }, " ?s=r" },
        /* one element decides */
        { { "{\"regex\":{\"c\":\"" SLOW "|q\"}}" }, "s=r" },
        { { "{\"regex\":{\"d\":\"" SLOW "|q\"}}" }, "s=r" },
        { { "{\"regex\":{\"e\":\"" SLOW "|q\"}}" }, " ?s=r" },
        /* the literal y is missing, so there is nothing to be undecided about */
        { { "{\"regex\":{\"a\":\"" SLOW "\"}}" }, "" },
        /* another subscription of the same subscriber matches */
        { { "{\"id\":\"u\",\"regex\":{\"a\":\"" SLOW "|q\"}}", "{\"id\":\"m\",\"types\":[\"t\"]}" }, "s=m" },
        { { "{\"id\":\"u2\",\"regex\":{\"a\":\"" SLOW "|q\"}}", "{\"id\":\"u1\",\"regex\":{\"a\":\"" SLOW "|q\"}}",
            "{\"id\":\"m\",\"subscriber\":\"o\"}" },
          "o=m ?s=u1" },
    };
    const char *event = "{\"type\":\"t\",\"b\":\"B\",\"a\":\"" SLOW_VALUE "\",\"c\":[\"" SLOW_VALUE
                        "\",\"q\"],\"d\":[\"q\",\"" SLOW_VALUE "\"],\"e\":[\"" SLOW_VALUE "\",\"z\"]}";

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *documents[4] = { rows[i].rules[0], rows[i].rules[1], rows[i].rules[2], NULL };
        struct er_ruleset *ruleset = ruleset_new();
        struct er_matcher *matcher = matcher_new(ruleset);

        change(ruleset, 1, documents, NULL);
        assert_string_equal(match_value(matcher, event), rows[i].expected);
        er_matcher_free(matcher);
        er_ruleset_free(ruleset);
    }
}

static void undecided_ids_and_reason(void **state)
{
    const char *documents[] = { "{\"id\":\"u2\",\"regex\":{\"a\":\"" SLOW "|q\"}}",
                                "{\"id\":\"u1\",\"regex\":{\"a\":\"" SLOW "|q\"}}", "{\"id\":\"m\"}", NULL };
    struct er_ruleset *ruleset = ruleset_new();
    struct er_matcher *matcher = matcher_new(ruleset);
    struct er_record record = record_of("{\"a\":\"" SLOW_VALUE "\"}");
    struct er_match match;
    struct er_err err;
    const struct er_str *matched, *undecided;
    size_t n_matched, n_undecided;

    (void)state;
    change(ruleset, 1, documents, NULL);
    er_matcher_pin(matcher);
    assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
    assert_int_equal(match.n_undecided, 0);
    matched = er_matcher_matched_ids(matcher, &n_matched);
    undecided = er_matcher_undecided_ids(matcher, &n_undecided);
    assert_int_equal(n_matched, 1);
    assert_int_equal(n_undecided, 2);
    assert_memory_equal(matched[0].p, "m", 1);
    assert_memory_equal(undecided[0].p, "u1", 2);
    assert_memory_equal(undecided[1].p, "u2", 2);
    er_matcher_unpin(matcher);

    documents[2] = NULL;
    const char *gone[] = { "m", NULL };
    change(ruleset, 2, NULL, gone);
    er_matcher_pin(matcher);
    assert_int_equal(er_matcher_match(matcher, &record, &match, &err), ER_OK);
    assert_int_equal(match.n_undecided, 1);
    /* whichever limit comes first on this machine */
    assert_true(strcmp(match.undecided[0].reason, "match limit reached") == 0 ||
                strcmp(match.undecided[0].reason, "time limit of one value reached") == 0);
    er_matcher_unpin(matcher);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* A matcher over a rule set of the documents whose time for an event is over at once. */
static struct er_matcher *matcher_without_time(const char **documents, struct er_ruleset **ruleset)
{
    struct er_ruleset_options options = er_ruleset_default_options();
    struct er_matcher *matcher;

    options.regex.event_ns = 1;
    *ruleset = ruleset_with(&options);
    matcher = matcher_new(*ruleset);
    change(*ruleset, 1, documents, NULL);
    return matcher;
}

/* Arrays of values times rules is work without end: the event's time limit counts all of it, and what was decided stays so. */
static void work_beyond_the_time_limit_is_undecided(void **state)
{
    const char *documents[] = { "{\"id\":\"every\",\"subscriber\":\"e\",\"regex\":{\"f\":\"[ab]+[z]\"}}",
                                "{\"id\":\"gram\",\"subscriber\":\"g\",\"regex\":{\"f\":\"lit.*[yz]\"}}",
                                "{\"id\":\"no\",\"subscriber\":\"n\",\"types\":[\"t\"],\"regex\":{\"f\":\"[ab]+[z]\"}}",
                                "{\"id\":\"type\",\"subscriber\":\"t\",\"types\":[\"u\"]}",
                                "{\"id\":\"hit\",\"subscriber\":\"h\",\"regex\":{\"f\":\"^last$\"}}",
                                NULL };
    struct er_buf event = { 0 };
    struct er_record record;
    struct er_ruleset *ruleset;
    struct er_matcher *matcher = matcher_without_time(documents, &ruleset);

    (void)state;
    er_buf_add(&event, ER_STR("{\"type\":\"u\",\"f\":["));
    for (unsigned i = 0; i < 5000; i++) {
        er_buf_add(&event, ER_STR("\"a lit\","));
    }
    er_buf_add(&event, ER_STR("\"last\"]}"));
    record = record_of("");
    record.value = er_buf_str(&event);
    assert_string_equal(match_record(matcher, &record), "h=hit t=type ?e=every ?g=gram");
    /* The next event has a budget of its own. */
    assert_string_equal(match_value(matcher, "{\"type\":\"u\",\"f\":\"az\"}"), "e=every t=type");
    er_buf_free(&event);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

/* Reading alone took all the time: a condition whose values nobody looked at is no "no". */
static void what_nobody_looked_at_is_undecided(void **state)
{
    const char *documents[] = {
        "{\"id\":\"both\",\"subscriber\":\"b\",\"pattern\":{\"x\":{\"a\":[2999],\"b\":[\"k0\"]},\"y\":{\"a\":[0]}}}",
        "{\"id\":\"flat\",\"subscriber\":\"f\",\"pattern\":{\"z\":[2998],\"y\":{\"b\":[\"k0\"]}}}", NULL
    };
    struct er_buf event = { 0 };
    struct er_record record;
    struct er_ruleset *ruleset;
    struct er_matcher *matcher = matcher_without_time(documents, &ruleset);

    (void)state;
    er_buf_addc(&event, '{');
    for (const char *name = "xyz"; *name != '\0'; name++) {
        er_buf_printf(&event, "%s\"%c\":[", *name == 'x' ? "" : ",", *name);
        for (unsigned i = 0; i < 3000; i++) {
            if (*name == 'z') {
                er_buf_printf(&event, "%s%u", i == 0 ? "" : ",", i);
            } else {
                er_buf_printf(&event, "%s{\"a\":%u,\"b\":\"k%u\"}", i == 0 ? "" : ",", i, 2999 - i);
            }
        }
        er_buf_addc(&event, ']');
    }
    er_buf_addc(&event, '}');
    record = record_of("");
    record.value = er_buf_str(&event);
    assert_string_equal(match_record(matcher, &record), " ?b=both ?f=flat");
    er_buf_free(&event);
    er_matcher_free(matcher);
    er_ruleset_free(ruleset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_exact_or_globs),
        cmocka_unit_test(regexes_act_on_the_text_of_scalars),
        cmocka_unit_test(paths_lead_through_objects_and_arrays),
        cmocka_unit_test(the_last_duplicate_counts),
        cmocka_unit_test(subscribers_come_once_and_in_order),
        cmocka_unit_test(many_matches_are_sorted),
        cmocka_unit_test(undecided_follows_three_valued_logic),
        cmocka_unit_test(undecided_ids_and_reason),
        cmocka_unit_test(work_beyond_the_time_limit_is_undecided),
        cmocka_unit_test(what_nobody_looked_at_is_undecided),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

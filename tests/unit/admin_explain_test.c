#define _GNU_SOURCE /* memmem */
/* POST /v1/explain, /v1/test and the lint of /v1/validate, over the whole admin server. */
#include "tests/unit/admin_daemon.h"

static void put_rules(struct fixture *f)
{
    assert_int_equal(ask(f, "PUT /v1/subscriptions",
                         "[{\"id\":\"big\",\"subscriber\":\"fr\",\"types\":[\"order.*\"],\"pattern\":{\"order\":{\"total\":[{"
                         "\"numeric\":[\">=\",100]}]},\"user\":{\"country\":[\"FR\"]}}},"
                         "{\"id\":\"all\",\"subscriber\":\"log\"},"
                         "{\"id\":\"off\",\"subscriber\":\"log\",\"enabled\":false},"
                         "{\"id\":\"slow\",\"subscriber\":\"s\",\"regex\":{\"a\":\"(?:a{0,60}){3}[bc]\"}},"
                         "{\"id\":\"pay\",\"subscriber\":\"p\",\"types\":[\"payment\"],\"regex\":{\"a\":\"^b\",\"b\":\"^c\"}},"
                         "{\"id\":\"topic\",\"subscriber\":\"p\",\"pattern\":{\"$kafka\":{\"topic\":[\"raw\"],\"headers\":{"
                         "\"h\":[\"2\"]},\"partition\":[3],\"timestamp\":[7]},\"type\":[{\"exists\":true}]}}]"),
                     200);
}

/* Subscriptions and outcomes of the answer, in its order: "all:matched big:failed/1". */
static const char *items(struct fixture *f)
{
    static char text[1024];
    const char *at = f->answer.body;
    size_t n = 0;

    text[0] = '\0';
    while ((at = strstr(at, "{\"subscription\":\"")) != NULL) {
        char id[32], outcome[32];
        const char *failed = strstr(at, "\"failed\":");

        assert_non_null(failed);
        assert_int_equal(
            sscanf(at, "{\"subscription\":\"%31[^\"]\",\"subscriber\":\"%*[^\"]\",\"outcome\":\"%31[^\"]\"", id, outcome), 2);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s:%s/%d", n > 0 ? " " : "", id, outcome, atoi(failed + 9));
        at++;
    }
    return text;
}

static void every_subscription_is_explained(void **state)
{
    struct fixture *f = *state;

    put_rules(f);
    assert_int_equal(
        ask(f, "POST /v1/explain", "{\"event\":{\"type\":\"order.new\",\"order\":{\"total\":5e2},\"user\":{\"country\":\"BE\"}}}"),
        200);
    assert_string_equal(items(f), "all:matched/0 big:failed/1 slow:failed/1 pay:failed/3 topic:failed/4 off:disabled/0");
    HAS(f, "{\"revision\":1,\"error\":null,\"type\":\"order.new\",\"totals\":{\"subscriptions\":5,\"matched\":1,\"undecided\":0,"
           "\"failed\":4},\"items\":[");
    HAS(f, "\"path\":\"user.country\",\"operator\":\"equals\",\"outcome\":\"failed\",\"expected\":[\"FR\"],\"actual\":\"BE\"");
    HAS(f, "\"outcome\":\"ok\",\"expected\":[{\"numeric\":[\">=\",100]}],\"actual\":5e2");
    HAS(f, "\"would_be\":\"matched\"");
    HAS(f, "],\"truncated\":false,\"complete\":true}");
    assert_int_equal(f->fake.commits, 1);
}

static void the_envelope_counts(void **state)
{
    struct fixture *f = *state;

    put_rules(f);
    assert_int_equal(
        ask(f, "POST /v1/explain",
            "{\"value\":\"{\\\"type\\\":null}\",\"topic\":\"raw\",\"partition\":3,\"timestamp\":7,\"key\":null,"
            "\"headers\":[{\"name\":\"h\",\"value\":\"1\"},{\"name\":\"h\",\"value\":\"2\"}],\"subscription\":\"topic\"}"),
        200);
    assert_string_equal(items(f), "topic:matched/0");
    HAS(f, "\"type\":null");
    assert_int_equal(ask(f, "POST /v1/explain",
                         "{\"event\":{\"type\":1},\"topic\":\"raw\",\"partition\":3,\"timestamp\":7,\"headers\":{\"h\":\"1\"},"
                         "\"subscription\":\"topic\"}"),
                     200);
    assert_string_equal(items(f), "topic:failed/1");
    HAS(f, "\"path\":\"$kafka.headers.h\"");
    assert_int_equal(ask(f, "POST /v1/explain",
                         "{\"value\":null,\"headers\":{\"ce_specversion\":\"1.0\",\"ce_type\":\"payment\"},"
                         "\"subscription\":\"pay\"}"),
                     200);
    HAS(f, "\"type\":\"payment\"");
    assert_string_equal(items(f), "pay:failed/2");
}

static void a_bad_event_is_an_answer(void **state)
{
    struct fixture *f = *state;

    put_rules(f);
    assert_int_equal(ask(f, "POST /v1/explain", "{\"value\":\"{\\\"a\\\":007}\"}"), 200);
    HAS(f, "\"error\":{\"code\":\"E105\",\"offset\":6,\"detail\":\"");
    HAS(f, "\"items\":[],");
    assert_int_equal(ask(f, "POST /v1/explain", "{\"event\":[]}"), 200);
    HAS(f, "\"error\":{\"code\":\"E120\"");
}

static void what_routing_cannot_decide_is_undecided(void **state)
{
    struct fixture *f = *state;
    struct er_buf body = { 0 };

    put_rules(f);
    er_buf_add(&body, ER_STR("{\"event\":{\"a\":\""));
    for (int i = 0; i < 16384; i++) {
        er_buf_addc(&body, 'a');
    }
    er_buf_add(&body, ER_STR("\"}}"));
    er_buf_addc(&body, '\0');
    assert_int_equal(ask(f, "POST /v1/explain", body.p), 200);
    er_buf_free(&body);
    assert_true(strncmp(items(f), "all:matched/0 slow:undecided/0 ", 31) == 0);
    HAS(f, "\"undecided\":1,");
    HAS(f, "\"reason\":\"");
    HAS(f, "\"actual_truncated\":true");
}

static void limits_and_bad_requests(void **state)
{
    struct fixture *f = *state;

    put_rules(f);
    assert_int_equal(ask(f, "POST /v1/explain", "{\"event\":{},\"limit\":2}"), 200);
    assert_string_equal(items(f), "all:matched/0 slow:failed/1");
    HAS(f, "\"truncated\":true");
    assert_int_equal(ask(f, "POST /v1/explain", "{\"type\":\"payment\",\"a\":\"b\"}"), 200); /* an event as it is */
    HAS(f, "\"type\":\"payment\"");
    (void)ask(f, "POST /v1/explain", "{}");
    expect_problem(f, 422, "E204");
    (void)ask(f, "POST /v1/explain", "{\"event\":{},\"limit\":0}");
    expect_problem(f, 422, "E207");
    (void)ask(f, "POST /v1/explain", "{\"event\":{},\"limit\":1001}");
    expect_problem(f, 422, "E207");
    (void)ask(f, "POST /v1/explain", "{\"limit\":\"x\",\"topc\":\"t\",\"partition\":-1,\"headers\":{\"a\":1},\"key\":5}");
    expect_problem(f, 422, "E204");
    HAS(f, "\"pointer\":\"/topc\"");
    HAS(f, "\"hint\":\"did you mean \\\"topic\\\"?\"");
    HAS(f, "\"pointer\":\"/partition\"");
    HAS(f, "\"pointer\":\"/headers/a\"");
    HAS(f, "\"pointer\":\"/key\"");
    (void)ask(f, "POST /v1/explain", "{\"event\":{},\"value\":\"{}\"}");
    expect_problem(f, 422, "E204");
    (void)ask(f, "POST /v1/explain", "{\"event\":{},\"event\":{}}");
    expect_problem(f, 422, "E110");
    (void)ask(f, "POST /v1/explain", "[]");
    expect_problem(f, 422, "E203");
    (void)ask(f, "POST /v1/explain", "{\"event\":{},\"subscription\":\"nobody\"}");
    expect_problem(f, 404, "E404");
    (void)ask(f, "POST /v1/explain", "{\"event\":{},\"subscription\":7}");
    expect_problem(f, 422, "E203");
}

/* Explaining is no activity of the rules. */
static void explaining_leaves_no_trace(void **state)
{
    struct fixture *f = *state;
    struct er_ruleset_activity activity;

    put_rules(f);
    assert_int_equal(ask(f, "POST /v1/explain", "{\"event\":{\"a\":\"x\"}}"), 200);
    assert_true(er_ruleset_activity(f->fake.env.ruleset, ER_STR("all"), &activity));
    assert_int_equal(activity.candidates, 0);
    assert_int_equal(activity.hits, 0);
}

/* More rules than one piece looks at, so that other requests have their turn in between. */
static void very_many_rules_are_explained_in_pieces(void **state)
{
    struct fixture *f = *state;
    struct er_buf body = { 0 };
    int id = 0;

    for (int part = 0; part < 5; part++) {
        er_buf_clear(&body);
        er_buf_addc(&body, '[');
        for (int i = 0; i < 20000; i++, id++) {
            er_buf_printf(&body, "%s{\"id\":\"r%06d\",\"subscriber\":\"s\",\"types\":[\"t\"],\"pattern\":{\"a\":[%d],\"b\":[%d]}}",
                          i > 0 ? "," : "", id, id, id % 2);
        }
        er_buf_add(&body, (struct er_str){ "]", 2 });
        assert_int_equal(ask(f, "PUT /v1/subscriptions", body.p), 200);
    }
    er_buf_free(&body);
    assert_int_equal(ask(f, "POST /v1/explain", "{\"event\":{\"type\":\"t\",\"a\":70001,\"b\":1},\"limit\":3}"), 200);
    assert_string_equal(items(f), "r070001:matched/0 r000001:failed/1 r000003:failed/1");
    HAS(f, "\"subscriptions\":100000,\"matched\":1,");
    HAS(f, "\"truncated\":true,\"complete\":true}");
}

static void a_subscription_is_tested_on_events(void **state)
{
    struct fixture *f = *state;

    put_rules(f);
    assert_int_equal(
        ask(f, "POST /v1/test",
            "{\"subscription\":\"pay\",\"events\":[{\"type\":\"payment\",\"a\":\"b\",\"b\":\"c\"},{\"type\":\"order\"},5]}"),
        200);
    HAS(f, "{\"subscription\":\"pay\",\"subscriber\":\"p\",\"warnings\":[],\"items\":[{\"event\":0,\"error\":null,\"matched\":true,"
           "\"outcome\":\"matched\",\"failed\":0,\"conditions\":[");
    HAS(f, "{\"event\":1,\"error\":null,\"matched\":false,\"outcome\":\"failed\",\"failed\":3,");
    HAS(f, "{\"event\":2,\"error\":{\"code\":\"E120\",");
    HAS(f, "],\"truncated\":false}");
    assert_int_equal(
        ask(f, "POST /v1/test",
            "{\"subscription\":{\"revision\":4,\"pattern\":{\"$kafka\":{\"topic\":[\"t\"]}}},\"topic\":\"t\",\"events\":[{}]}"),
        200);
    HAS(f, "\"subscription\":\"test\"");
    HAS(f, "\"warnings\":[{\"code\":\"E211\",\"pointer\":\"/subscription/revision\"");
    HAS(f, "\"matched\":true");
    (void)ask(f, "POST /v1/test", "{\"subscription\":{\"types\":[]}}");
    expect_problem(f, 422, "E205");
    HAS(f, "\"pointer\":\"/subscription/types\"");
    HAS(f, "\"pointer\":\"/events\"");
    (void)ask(f, "POST /v1/test", "{\"events\":[],\"event\":{}}");
    expect_problem(f, 422, "E202");
    HAS(f, "\"pointer\":\"/subscription\"");
    (void)ask(f, "POST /v1/test", "{\"subscription\":\"nobody\",\"events\":[]}");
    expect_problem(f, 404, "E404");
}

static void validate_gives_advice(void **state)
{
    struct fixture *f = *state;

    put_rules(f);
    assert_int_equal(ask(f, "POST /v1/validate",
                         "{\"id\":\"new\",\"subscriber\":\"log\",\"types\":[\"a\"],\"regex\":{\"m\":\"@x-y.com$\"},"
                         "\"pattern\":{\"p\":[{\"prefix\":\"\"}]}}"),
                     200);
    HAS(f, "\"warnings\":[{\"code\":\"E230\",\"pointer\":\"/pattern/p");
    HAS(f, "\"lint\":[{\"code\":\"E237\",\"pointer\":\"/regex/m\",\"detail\":\"the dot stands for any character, and this looks "
           "like a "
           "host name\",\"offset\":4,");
    HAS(f, "{\"code\":\"E235\",\"pointer\":\"\",\"detail\":\"\\\"all\\\" accepts every event that this rule accepts\"");
    /* The one that is being replaced does not count. */
    assert_int_equal(ask(f, "POST /v1/validate", "{\"id\":\"all\",\"subscriber\":\"log\",\"types\":[\"x\"]}"), 200);
    HAS(f, "\"lint\":[]}");
    assert_int_equal(
        ask(f, "POST /v1/validate",
            "[{\"subscriber\":\"a\",\"regex\":{\"m\":\"[ab]\"}},{\"subscriber\":\"a\",\"regex\":{\"m\":\"[ab]\"},\"types\":["
            "\"x\"]}]"),
        200);
    HAS(f, "\"lint\":[{\"code\":\"E240\",\"pointer\":\"/0\"");
    HAS(f, "{\"code\":\"E235\",\"pointer\":\"/1\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DAEMON(every_subscription_is_explained),
        WITH_DAEMON(the_envelope_counts),
        WITH_DAEMON(a_bad_event_is_an_answer),
        WITH_DAEMON(what_routing_cannot_decide_is_undecided),
        WITH_DAEMON(limits_and_bad_requests),
        WITH_DAEMON(explaining_leaves_no_trace),
        WITH_DAEMON(very_many_rules_are_explained_in_pieces),
        WITH_DAEMON(a_subscription_is_tested_on_events),
        WITH_DAEMON(validate_gives_advice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The Kafka sink on a mock cluster: what lingers and what is hurried. */
#include "router/kafka_sink.h"
#include "tests/unit/kafka_rig.h"

#define COPIES 3000

static struct er_config *load(const struct rig *rig, const char *setting)
{
    static char *const no_environment[] = { NULL };
    char servers[160];
    const char *settings[] = { servers, setting };
    struct er_config_input input = { .file = "/dev/null", .overrides = settings, .n_overrides = 2, .environment = no_environment };
    struct er_config *config = NULL;
    struct er_buf errors = { 0 };

    snprintf(servers, sizeof servers, "kafka.bootstrap.servers=%s", rd_kafka_mock_cluster_bootstraps(rig->cluster));
    if (er_config_load(&input, &config, &errors) != ER_OK)
        fail_msg("%.*s", (int)errors.n, errors.p);
    return config;
}

static size_t take_all(const struct er_sink *sink, size_t n)
{
    struct er_sink_report reports[100];
    size_t ok = 0;

    for (size_t left = n, taken; left > 0; left -= taken) {
        taken = sink->ops->poll(sink->ctx, reports, 100);
        if (taken == 0)
            break;
        for (size_t i = 0; i < taken; i++)
            ok += reports[i].result == ER_SINK_OK && reports[i].text == NULL;
    }
    return ok;
}

/* Copies that would linger for an hour are there as soon as they are hurried, and hurry brings their reports. */
static void test_hurry(void **state)
{
    struct rig rig;
    struct er_config *config;
    struct er_kafka_sink *kafka = NULL;
    struct er_sink_ticket tickets[COPIES];
    struct er_record record = { .topic = ER_STR("raw"), .value = ER_STR("{}"), .has_value = true, .timestamp_ms = -1 };
    struct er_sink_topic *topic;
    const char *text = NULL;
    struct er_sink sink;
    struct er_err err;
    bool settled = false;

    (void)state;
    rig_init(&rig, 1);
    config = load(&rig, "kafka.producer.linger.ms=900000");
    assert_int_equal(er_kafka_sink_new(config, NULL, 0, &kafka, &err), ER_OK);
    sink = er_kafka_sink_seam(kafka);
    topic = sink.ops->open(sink.ctx, ER_STR("raw"));
    assert_non_null(topic);
    assert_true(sink.ops->hurry(sink.ctx, ER_S_NS)); /* nothing to wait for */
    for (size_t i = 0; i < COPIES; i++) {
        tickets[i] = (struct er_sink_ticket){ 0, false };
        assert_int_equal(sink.ops->produce(sink.ctx, topic, &record, &tickets[i], &text), ER_SINK_OK);
    }
    for (int i = 0; i < RIG_SECONDS && !settled; i++)
        settled = sink.ops->hurry(sink.ctx, ER_S_NS);
    assert_true(settled);
    assert_int_equal(take_all(&sink, COPIES), COPIES);
    assert_int_equal(take_all(&sink, 1), 0);
    sink.ops->close(sink.ctx, topic);
    er_kafka_sink_free(kafka);
    er_config_free(config);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hurry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/kafka_rig.h"

struct listener {
    struct rig *rig;
    bool patient; /* it was ready without a broker, and said so */
};

static size_t log_lines(const struct rig *rig, const char *what)
{
    static char text[1 << 20];
    ssize_t n = pread(rig->log_fd, text, sizeof text - 1, 0);
    size_t found = 0;

    assert_true(n >= 0);
    text[n] = '\0';
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        found++;
    return found;
}

static bool is_out_of_service(void *ctx)
{
    struct listener *listener = ctx;
    struct er_buf text = { 0 };
    struct er_json_writer w;
    bool ready;

    er_jw_init(&w, &text);
    er_jw_array(&w);
    ready = er_router_ready(listener->rig->routers[0].router, &w);
    er_jw_end(&w);
    er_buf_addc(&text, '\0');
    assert_false(text.failed);
    listener->patient = listener->patient || (ready && strstr(text.p, "\"a broker answered a few seconds ago\"") != NULL);
    er_buf_free(&text);
    return log_lines(listener->rig, " level=warn msg=\"not ready any more\" check=kafka ") == 1;
}

static bool is_back(void *ctx)
{
    return log_lines(ctx, " level=info msg=ready ") == 2;
}

/* The log has a line for each change of readiness; a short outage is none, and no broker is said to answer in it. */
static void test_readiness_is_logged(void **state)
{
    /* The member outlives the outage: only the brokers are missing. */
    static const char *const settings[] = { "kafka.consumer.session.timeout.ms=30000", NULL };
    FILE *log = tmpfile();
    struct rig rig;
    struct listener listener = { .rig = &rig };

    (void)state;
    assert_non_null(log);
    rig_init(&rig, 1);
    rig.log_fd = fileno(log);
    rig_until(&rig, rig_is_ready, rig_start(&rig, 0, "one", settings), "readiness");
    rd_kafka_mock_broker_set_down(rig.cluster, 1);
    rd_kafka_mock_broker_set_down(rig.cluster, 2);
    rig_until(&rig, is_out_of_service, &listener, "line that it is not ready");
    assert_true(listener.patient);
    assert_int_equal(log_lines(&rig, " msg=ready "), 1);
    rd_kafka_mock_broker_set_up(rig.cluster, 1);
    rd_kafka_mock_broker_set_up(rig.cluster, 2);
    rig_until(&rig, is_back, &rig, "line that it is ready again");
    rig_fini(&rig);
    (void)fclose(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readiness_is_logged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

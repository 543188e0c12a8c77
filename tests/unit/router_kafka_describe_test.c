/* The largest batch of a topic, asked of a cluster that does not know the request: nothing is known, soon, and for each topic. */
#include "tests/unit/test.h"

#include <librdkafka/rdkafka.h>
#include "router/clock.h"
#include "router/kafka_describe.h"

static void test_not_known(void **state)
{
    struct er_topic items[2] = { { .name = "a", .code = ER_E_KAFKA_TIMEOUT }, { .name = "b", .code = ER_E_KAFKA_TIMEOUT } };
    struct er_topics_job job = { .items = items, .n = 2, .describe = true };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_queue_t *queue;
    uint64_t begin = er_clock_ms();
    char text[256];
    rd_kafka_t *rk;

    (void)state;
    assert_int_equal(rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", text, sizeof text), RD_KAFKA_CONF_OK);
    assert_int_equal(rd_kafka_conf_set(conf, "log_level", "0", text, sizeof text), RD_KAFKA_CONF_OK);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(rk);
    queue = rd_kafka_queue_new(rk);
    assert_false(er_kafka_describe(rk, queue, &job));
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(items[i].code, ER_E_KAFKA);
        assert_int_equal(items[i].max_bytes, 0);
        assert_true(items[i].text[0] != '\0');
    }
    assert_true(er_clock_ms() - begin < 10000);
    job.n = 0;
    assert_false(er_kafka_describe(rk, queue, &job));
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_not_known) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/kafka_rig.h"

#define EVENTS 300

static void publish_numbered(struct rig *rig, int from, int to, int partitions)
{
    for (int i = from; i < to; i++) {
        char value[64];

        snprintf(value, sizeof value, "{\"type\":\"%s\",\"n\":%d}", i % 3 == 0 ? "order.created" : "payment.settled", i);
        rig_publish(rig, "raw", i % partitions, NULL, value);
    }
    rig_flush(rig);
}

/* Each number of [0, n) that the filter takes is there exactly once, and per source partition in order. */
static void check_numbers(const struct rig_reader *reader, int n, int step, int partitions)
{
    static int seen[10000];
    int last[16];

    memset(seen, 0, sizeof seen);
    for (int i = 0; i < 16; i++)
        last[i] = -1;
    for (size_t i = 0; i < reader->n; i++) {
        int number;

        assert_int_equal(sscanf(strstr(reader->messages[i]->payload, "\"n\":"), "\"n\":%d", &number), 1);
        assert_in_range(number, 0, n - 1);
        assert_int_equal(number % step, 0);
        assert_int_equal(seen[number]++, 0);
        assert_true(number > last[number % partitions]);
        last[number % partitions] = number;
    }
    for (int i = 0; i < n; i += step)
        assert_int_equal(seen[i], 1);
}

static bool all_received(void *ctx)
{
    struct er_balance balance;
    struct rig *rig = ctx;
    uint64_t received = 0;

    for (size_t i = 0; i < RIG_ROUTERS; i++) {
        if (!rig->routers[i].running)
            continue;
        er_router_balance(rig->routers[i].router, &balance);
        received += balance.received;
    }
    return received >= EVENTS;
}

/* Events in, copies out; the second router of the same group continues where the first one stopped, and repeats nothing. */
static void test_flow_and_restart(void **state)
{
    struct rig rig;
    struct rig_reader all, orders, dead;
    struct er_balance balance;

    (void)state;
    rig_init(&rig, 4);
    rig_until(&rig, rig_is_ready, rig_start(&rig, 0, "one", NULL), "readiness");
    assert_int_equal(rig_put(&rig, 0, "{\"id\":\"all\",\"subscriber\":\"all\"}", NULL, 0), ER_OK);
    assert_int_equal(rig_put(&rig, 0, "{\"id\":\"o\",\"subscriber\":\"orders\",\"types\":[\"order.*\"]}", NULL, 0), ER_OK);
    publish_numbered(&rig, 0, EVENTS / 2, 4);
    rig_publish(&rig, "raw", 1, "k", "{not json");
    rig_flush(&rig);
    rig_reader_init(&rig, &all, "sub.all", 0);
    rig_read_until(&rig, &all, EVENTS / 2);
    balance = rig_stop(&rig, 0);
    assert_int_equal(balance.received, EVENTS / 2 + 1);
    assert_int_equal(balance.routed, EVENTS / 2);
    assert_int_equal(balance.dead_lettered, 1);
    publish_numbered(&rig, EVENTS / 2, EVENTS, 4);
    rig_until(&rig, rig_is_ready, rig_start(&rig, 0, "one", NULL), "readiness");
    rig_read_until(&rig, &all, EVENTS);
    balance = rig_stop(&rig, 0);
    assert_int_equal(balance.received, EVENTS - EVENTS / 2);
    rig_read(&all, 200);
    check_numbers(&all, EVENTS, 1, 4);
    assert_memory_equal(rig_header(all.messages[0], "eventrouter-source"), "raw/", 4);
    rig_reader_init(&rig, &orders, "sub.orders", 0);
    rig_read_until(&rig, &orders, EVENTS / 3);
    check_numbers(&orders, EVENTS, 3, 4);
    rig_reader_init(&rig, &dead, "eventrouter.dead-letter", 0);
    rig_read_until(&rig, &dead, 1);
    assert_memory_equal(rig_header(dead.messages[0], "eventrouter-error-code"), "E101", 4);
    assert_memory_equal(dead.messages[0]->payload, "{not json", 9);
    rig_reader_fini(&dead);
    rig_reader_fini(&orders);
    rig_reader_fini(&all);
    rig_fini(&rig);
}

/* Injected errors of broker 2 that nobody has met yet. */
static size_t error_count(struct rig *rig)
{
    size_t n = 1;

    assert_int_equal(rd_kafka_mock_broker_error_stack_cnt(rig->cluster, 2, API_PRODUCE, &n), RD_KAFKA_RESP_ERR_NO_ERROR);
    return n;
}

/* Errors that pass are healed inside: no copy is lost, none comes twice, the order stays. */
static void test_passing_errors(void **state)
{
    struct rig rig;
    struct rig_reader all;

    (void)state;
    rig_init(&rig, 2);
    rig_until(&rig, rig_is_ready, rig_start(&rig, 0, "one", NULL), "readiness");
    assert_int_equal(rig_put(&rig, 0, "{\"id\":\"all\",\"subscriber\":\"all\"}", NULL, 0), ER_OK);
    rig_reader_init(&rig, &all, "sub.all", 0);
    publish_numbered(&rig, 0, 100, 2);
    rig_read_until(&rig, &all, 100);
    rd_kafka_mock_push_request_errors(rig.cluster, API_OFFSET_COMMIT, 2, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
                                      RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    /* only the router writes to broker 2 */
    rd_kafka_mock_partition_set_leader(rig.cluster, "sub.all", 0, 2);
    rd_kafka_mock_broker_push_request_error_rtts(rig.cluster, 2, API_PRODUCE, 4, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, 0,
                                                 RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 0, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
                                                 0, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, 0);
    publish_numbered(&rig, 100, 200, 2);
    rig_read_until(&rig, &all, 200);
    rd_kafka_mock_broker_set_down(rig.cluster, 1);
    rd_kafka_mock_broker_set_down(rig.cluster, 2);
    rd_kafka_mock_broker_set_up(rig.cluster, 2);
    rd_kafka_mock_broker_set_up(rig.cluster, 1);
    publish_numbered(&rig, 200, EVENTS, 2);
    rig_read_until(&rig, &all, EVENTS);
    rig_until(&rig, all_received, &rig, "acknowledgements");
    assert_int_equal(error_count(&rig), 0);
    assert_int_equal(rig_stop(&rig, 0).routed, EVENTS);
    check_numbers(&all, EVENTS, 1, 2);
    rig_reader_fini(&all);
    rig_fini(&rig);
}

struct late {
    struct rig_wanted wanted; /* first: rig_has_read takes it */
    struct rig *rig;
    uint64_t next_ms;
};

/* Publishes one event now and then until a copy comes. */
static bool flows_again(void *ctx)
{
    struct late *late = ctx;

    if (er_clock_ms() >= late->next_ms) {
        rig_publish(late->rig, "raw", 0, NULL, "{\"type\":\"x\",\"n\":9}");
        late->next_ms = er_clock_ms() + 100;
    }
    return rig_has_read(&late->wanted);
}

/* A destination that says no for good: the copy becomes a dead letter, the breaker opens, and a probe closes it. */
static void test_permanent_error(void **state)
{
    struct rig rig;
    struct rig_reader bad, dead;
    struct late late = { .rig = &rig };
    struct er_balance balance;

    (void)state;
    rig_init(&rig, 1);
    rig_until(&rig, rig_is_ready, rig_start(&rig, 0, "one", NULL), "readiness");
    assert_int_equal(rd_kafka_mock_topic_create(rig.cluster, "sub.bad", 1, 1), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rd_kafka_mock_partition_set_leader(rig.cluster, "sub.bad", 0, 2), RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(rig_put(&rig, 0, "{\"id\":\"bad\",\"subscriber\":\"bad\"}", NULL, 0), ER_OK);
    rig_reader_init(&rig, &bad, "sub.bad", 0);
    publish_numbered(&rig, 0, 1, 1);
    rig_read_until(&rig, &bad, 1);
    rd_kafka_mock_broker_push_request_error_rtts(rig.cluster, 2, API_PRODUCE, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 0);
    publish_numbered(&rig, 1, 2, 1);
    rig_reader_init(&rig, &dead, "eventrouter.dead-letter", 0);
    rig_read_until(&rig, &dead, 1);
    assert_string_equal(rig_header(dead.messages[0], "eventrouter-error-stage"), "produce");
    assert_string_equal(rig_header(dead.messages[0], "eventrouter-subscriber"), "bad");
    late.wanted = (struct rig_wanted){ &bad, 2 };
    rig_until(&rig, flows_again, &late, "copy after a probe");
    balance = rig_stop(&rig, 0);
    assert_true(balance.dead_lettered >= 1);
    assert_int_equal(balance.received, balance.routed + balance.dead_lettered);
    rig_reader_fini(&dead);
    rig_reader_fini(&bad);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flow_and_restart),
        cmocka_unit_test(test_passing_errors),
        cmocka_unit_test(test_permanent_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
